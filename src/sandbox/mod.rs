//! The sandbox: a world built from any runbook, that looks and acts like the cloud, traps included.
//!
//! [`Opened`] is a world at rest: it tells from which instant the run's clock must start. With that
//! clock it becomes a [`Sandbox`], which implements [`Look`] and [`Act`]. Underneath is a pure,
//! deterministic state machine (`state`): the same seed and the same commands at the same times give
//! the same world, however often somebody looks. On disk (`disk`) a killed process finds the world
//! as a cloud would leave it.
//!
//! What is simulated where: databases `db`, `life` and `calls`; rows, replication and its metrics
//! `replication`; servers `group`; names `dns`; users `clients`; what goes wrong `faults`; what is
//! seen of it all `see`; what users lived through `lived`. Commands, requests and messages are never
//! executed: `script` tells what comes back.

mod build;
mod calls;
mod chance;
mod clients;
mod command;
mod db;
mod disk;
mod dns;
mod faults;
mod group;
mod life;
mod lived;
mod machine;
mod opened;
mod replication;
mod script;
mod see;
mod state;
#[cfg(test)]
mod tests;
mod world;

pub use disk::{SandboxError, Speed};
pub use faults::{FAULTS, Fault, FaultKind, NotAFault};
pub use lived::{Lived, Overlap, Returned};
pub use opened::{Opened, Options};

use crate::{
    clock::{BootClock as _, BootInstant, Clock, KernelBootClock, Span},
    driver::{Act, Look, LookError, SendError},
    ids::StepId,
    world::{Call, Effect, Receipt, Seen, Sight, Target, permit::Permit},
};
use async_trait::async_trait;
use command::Reply;
use see::{GIVES_UP, Reach};
use std::sync::{Arc, Mutex, MutexGuard};

/// A hanging API is given up on after that, if its caller has not given up before.
const HANGS: Span = Span::hours(1);
/// The connection that lost an answer is given up on after that.
const SILENT: Span = Span::secs(20);

/// A world that can be looked at and acted upon while a clock goes.
pub struct Sandbox {
    world: Mutex<world::World>,
    clock: Arc<dyn Clock>,
}

impl Sandbox {
    fn world(&self) -> MutexGuard<'_, world::World> {
        self.world.lock().expect("no holder of the world panics")
    }

    /// A step begins: faults that wait for it strike. Told by whoever sees attempts start.
    pub fn step_started(&self, step: &StepId) -> Result<(), SandboxError> {
        self.world().step_started(step, self.clock.now())
    }

    /// Virtual time goes on from here at the earliest, whatever becomes of this process: told whenever something
    /// is recorded as having happened by now.
    pub fn keep_time(&self) -> Result<(), SandboxError> {
        self.world().keep_time(self.clock.now())
    }

    /// What clients lived through until now.
    pub fn lived(&self) -> Result<Lived, SandboxError> {
        self.world().lived(self.clock.now())
    }

    /// The seed that all its chance comes from.
    pub fn seed(&self) -> u64 {
        self.world().seed()
    }

    /// Takes what a process sent whose boot clock is not this machine's: it has checked the permit's
    /// deadline by its own, right before.
    pub async fn arrives(&self, permit: Permit, effect: &Effect) -> Result<Receipt, SendError> {
        self.deliver(permit.token(), effect).await
    }

    /// Somebody changes something behind the back of every run, at once.
    pub fn meddle(&self, effect: &Effect) -> Result<(), SendError> {
        self.world().meddle(effect, self.clock.now())
    }

    /// Whether the effect of a token was ever applied: the truth, which no look tells for sure.
    pub fn was_applied(&self, token: &str) -> bool {
        self.world().was_applied(token)
    }

    /// Something goes wrong from now on.
    pub fn strike(&self, fault: &Fault) -> Result<(), SendError> {
        self.world().strike(fault, self.clock.now())
    }

    async fn sleep(&self, span: Span) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }

    /// As [`Act::send`], without a lease.
    async fn deliver(&self, token: &str, effect: &Effect) -> Result<Receipt, SendError> {
        self.deliver_before(BootInstant(u64::MAX), token, effect).await
    }

    /// Delivers an effect: the way there, the effect, the way back. The way is walked by this very
    /// process: one that stands still on it must not arrive later than anything real would.
    async fn deliver_before(&self, deadline: BootInstant, token: &str, effect: &Effect) -> Result<Receipt, SendError> {
        let met = self.world().meets(effect, self.clock.now());
        let (reach, way) = met.map_err(|error| not_sent(&error))?;
        match reach {
            Reach::Open => {}
            Reach::Dark => {
                self.sleep(GIVES_UP).await;
                let why = format!("{} cannot be connected to", effect.target.region);
                return Err(SendError::NotSent { after: None, why });
            }
            Reach::Hangs => {
                self.sleep(HANGS).await;
                let why = format!("{} took the request and never answered", effect.target.region);
                return Err(SendError::InDoubt { why });
            }
        }
        world::in_time(deadline)?;
        self.sleep(way).await;
        let errand = self.errand(effect).await?;
        let reply = self.world().send(deadline, (token, effect), self.clock.now())?;
        match reply {
            Reply::Heard(receipt) => {
                self.sleep(way).await;
                Ok(Receipt { output: errand.unwrap_or(receipt.output), ..receipt })
            }
            Reply::Silence => {
                self.sleep(SILENT).await;
                Err(SendError::InDoubt { why: format!("no answer within {SILENT} after it was sent") })
            }
        }
    }

    /// What a command or a request comes back with, after the time it takes; nothing is executed.
    /// How long a command or a request of a step takes.
    pub fn takes(&self, step: &StepId) -> Span {
        self.world().script().simulate(step).takes.unwrap_or(Span::secs(1))
    }

    async fn errand(&self, effect: &Effect) -> Result<Option<serde_json::Value>, SendError> {
        let step = match &effect.call {
            Call::Run(run) => &run.step,
            Call::Post(post) => &post.step,
            Call::Rds(_) | Call::Scaling(_) | Call::Dns(_) | Call::Machine(_) => return Ok(None),
        };
        let simulate = self.world().script().simulate(step);
        self.sleep(self.takes(step)).await;
        let (exit, status) = (simulate.exit.unwrap_or(0), simulate.status.unwrap_or(200));
        let failed = match &effect.call {
            Call::Run(_) => (exit != 0).then(|| format!("exit {exit}")),
            Call::Post(_) => (status >= 400).then(|| format!("status {status}")),
            Call::Rds(_) | Call::Scaling(_) | Call::Dns(_) | Call::Machine(_) => None,
        };
        match failed {
            Some(why) => Err(SendError::Refused { why }),
            None => Ok(Some(simulate.output.unwrap_or_default())),
        }
    }
}

fn not_sent(error: &SandboxError) -> SendError {
    SendError::NotSent { after: None, why: error.to_string() }
}

#[async_trait]
impl Look for Sandbox {
    /// All targets of one look are answered together, when the slowest of them is: one that hangs
    /// hangs all. Who must not wait for a site asks about it alone.
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        let taken = self.world().look_takes(at, self.clock.now());
        let refused = |error: SandboxError| {
            let why = error.to_string();
            at.iter().map(|_| Err(LookError::Permanent { why: why.clone() })).collect()
        };
        match taken {
            Ok(span) => self.sleep(span).await,
            Err(error) => return refused(error),
        }
        let now = self.clock.now();
        let seen = self.world().look(at, now);
        match seen {
            Ok(seen) => {
                let sight = |(target, seen): (&Target, Result<Seen, LookError>)| {
                    seen.map(|seen| Sight { target: target.clone(), at: now, seen })
                };
                at.iter().zip(seen).map(sight).collect()
            }
            Err(error) => refused(error),
        }
    }
}

#[async_trait]
impl Act for Sandbox {
    async fn send(&self, permit: Permit, effect: &Effect) -> Result<Receipt, SendError> {
        if let Some(why) = permit.forbids(KernelBootClock.boot()) {
            return Err(SendError::NotSent { after: None, why: why.into() });
        }
        self.deliver_before(permit.deadline(), permit.token(), effect).await
    }
}
