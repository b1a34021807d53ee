//! What an engine is given and what it gives: who looks, sends, is told and asks; how it comes to rest.

use super::state::Mismatch;
use crate::{
    clock::{BootClock, Clock, Span},
    driver::{Act, Look},
    event::{Notice, PauseReason, Request, RunOutcome, Who},
    store::{Journal, StoreError},
};
use std::sync::Arc;
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// What an engine works with.
pub struct Deps {
    /// The run's journal, its lease ours.
    pub journal: Journal,
    /// Who looks.
    pub look: Arc<dyn Look>,
    /// Who sends.
    pub act: Arc<dyn Act>,
    /// The run's time.
    pub clock: Arc<dyn Clock>,
    /// The leases' time.
    pub boot: Arc<dyn BootClock>,
    /// Who is told.
    pub watchers: Vec<Watch>,
    /// Who we are.
    pub who: Who,
    /// People can be asked here.
    pub interactive: bool,
    /// The process stays with a run that has asked something: people answer from other terminals.
    pub waits: bool,
    /// How often the inbox is read.
    pub tempo: Tempo,
}

/// Somebody who is told; must neither block nor answer.
pub type Watch = Box<dyn Fn(&Notice) + Send + Sync>;

/// How often the loop turns when nothing happens, on the run's clock.
#[derive(Clone, Copy, Debug)]
pub struct Tempo(pub Span);

impl Tempo {
    /// Where nobody sees the seconds turn: who asks from another terminal waits a little longer, and a run that
    /// waits for hours costs less.
    pub fn unseen(self) -> Self {
        Self(Span(self.0.0 * 5 / 2))
    }
}

/// What comes in from outside.
pub struct Doors {
    /// From the run's own terminal.
    pub requests: UnboundedReceiver<Request>,
    /// From the operating system, and Ctrl-C from the run's own terminal.
    pub signals: Signals,
}

/// The signals of a process that nobody has taken yet: one queue for all its runs. What comes while
/// no run is there to take it waits for the next one, or for who decides whether there is one.
#[derive(Clone)]
pub struct Signals {
    to: UnboundedSender<Signal>,
    from: Arc<Mutex<UnboundedReceiver<Signal>>>,
}

impl Default for Signals {
    fn default() -> Self {
        let (to, from) = unbounded_channel();
        Self { to, from: Arc::new(Mutex::new(from)) }
    }
}

impl Signals {
    /// Puts one behind those that wait.
    pub fn raise(&self, signal: Signal) {
        // The other end is in here too: it is never closed.
        let _ = self.to.send(signal);
    }

    /// Takes the next one. Nothing is lost where this is dropped while it waits.
    pub async fn next(&self) -> Signal {
        match self.from.lock().await.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

/// What the operating system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// Somebody wants the process to end.
    Terminate,
    /// The terminal is gone; the run goes on to its next gate.
    Hangup,
}

/// How the engine came to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The run ended.
    Finished(RunOutcome),
    /// It waits for a person; its journal is safe.
    Waiting(PauseReason),
    /// The third interrupt: the journal is safe, calls may be under way.
    Left,
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Its journal.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// Its journal is not a run of ours.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// It refused what was asked of it.
    #[error("the run did not take what was asked: see its record")]
    Refused,
    /// Its plan.
    #[error("the stored plan is not the one that was sealed")]
    Seal,
}
