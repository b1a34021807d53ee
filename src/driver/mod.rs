//! The two doors to the world: [`Look`] and [`Act`]. Unrelated on purpose: what plans can be given
//! a look without ever holding what sends.
//!
//! Drivers answer for one provider each; a look is never in doubt, a send may be.

pub mod aws;
pub mod gather;
mod lately;
pub mod live;
mod names;
mod postgres;
mod reach;
mod shell;
mod tls;
mod web;

pub use postgres::Connected;

use crate::{
    clock::{BootClock, Clock, Span},
    world::{Effect, Receipt, Seen, Sight, Target, What, permit::Permit, probe::Answer},
};
use async_trait::async_trait;
use futures_util::future::join_all;

/// Looks at production.
#[async_trait]
pub trait Look: Send + Sync {
    /// One result a target, in the order given. One describe serves all targets of a service and
    /// Region. What cannot be seen within the driver's limits is an error, not a hang.
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>>;
}

/// Looks, within a limit of the clock's time: what does not answer by then, and what cannot be seen,
/// is unknown; whether a site answers is then known. All of it was seen at the time of that clock, whatever
/// others say the time is.
pub async fn look_within(look: &dyn Look, clock: &dyn Clock, targets: &[Target], limit: Span) -> Vec<Sight> {
    let sight = |target: &Target, seen| Sight { target: target.clone(), at: clock.now(), seen };
    // That a site does not answer is the answer to whether it does.
    let silence = |target: &Target, why: String| match target.what {
        What::Site => Seen::Answer(Answer::plain(false, why)),
        _ => Seen::Unknown { why },
    };
    let until = clock.now() + limit;
    tokio::select! {
        biased;
        results = look.look(targets) => {
            let at = clock.now();
            let one = |(target, result): (&Target, Result<Sight, LookError>)| match result {
                Ok(sight) => Sight { at, ..sight },
                Err(LookError::Silent { why }) => sight(target, silence(target, why)),
                Err(e) => sight(target, Seen::Unknown { why: e.to_string() }),
            };
            targets.iter().zip(results).map(one).collect()
        }
        () = clock.sleep_until(until) => {
            let why = format!("no answer within {limit}");
            targets.iter().map(|target| sight(target, silence(target, why.clone()))).collect()
        }
    }
}

/// Waits for all, and lets each be on its way before the next begins: to build a request takes about
/// as long as to answer one.
async fn one_after_another<T>(all: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    /// How often a request gives way until it leaves: it connects, hands itself over, is written.
    const STAGES: usize = 3;
    let later = |(n, one): (usize, _)| async move {
        for _ in 0..n * STAGES {
            tokio::task::yield_now().await;
        }
        one.await
    };
    join_all(all.into_iter().enumerate().map(later)).await
}

/// Changes production.
#[async_trait]
pub trait Act: Send + Sync {
    /// Sends one effect, once: no retry, no waiting for it to settle. Checks the permit's deadline
    /// right before.
    async fn send(&self, permit: Permit, effect: &Effect) -> Result<Receipt, SendError>;
}

/// Whether a permit still holds: checked right before a send leaves.
fn in_time(permit: &Permit, boot: &dyn BootClock) -> Result<(), SendError> {
    match permit.forbids(boot.boot()) {
        None => Ok(()),
        Some(why) => Err(SendError::NotSent { after: None, why: why.into() }),
    }
}

/// Why a target could not be seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookError {
    /// It may be seen later.
    #[error("{why}")]
    Transient {
        /// Not before that, where the provider says so.
        after: Option<Span>,
        /// Why.
        why: String,
    },
    /// Nothing answered: no connection, or no word in time. It may be seen later.
    #[error("{why}")]
    Silent {
        /// Why.
        why: String,
    },
    /// It will not be seen until somebody changes something: no permission, no such Region.
    #[error("{why}")]
    Permanent {
        /// Why.
        why: String,
    },
}

impl LookError {
    /// The same, and what it is about.
    fn about(self, what: &str) -> Self {
        let of = |why: String| format!("{what}: {why}");
        match self {
            Self::Transient { after, why } => Self::Transient { after, why: of(why) },
            Self::Silent { why } => Self::Silent { why: of(why) },
            Self::Permanent { why } => Self::Permanent { why: of(why) },
        }
    }
}

/// Why a send gave no receipt. The question is always: did it happen?
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It did not: nothing left this machine, or the provider was too busy to take it.
    #[error("{why}")]
    NotSent {
        /// Not before that, where the provider says so.
        after: Option<Span>,
        /// Why.
        why: String,
    },
    /// It did not: the provider said no, and will say no again.
    #[error("{why}")]
    Refused {
        /// Why.
        why: String,
    },
    /// Nobody knows.
    #[error("{why}")]
    InDoubt {
        /// Why.
        why: String,
    },
}
