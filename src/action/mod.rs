//! Actions: the pure meaning of a step. One file per action, with its row: name, shape of its
//! `with`, impact, limits.
//!
//! An action is ONE function, [`Behave::next`], of the observed world: what is still to be done?
//! Dry run, run, resume and verification are that same function. It does no I/O, knows no engine
//! and keeps no state beside [`StepPast`], which the journal gives.

#[cfg(test)]
mod bench;
mod confirm;
mod databases;
mod exec;
mod freeze_writes;
mod http;
mod measure_lag;
mod next;
mod notify;
mod promote_replica;
mod quarantine;
mod retire;
mod reverse_replication;
mod row;
mod run_state_machine;
mod scale;
pub mod shift_traffic;
mod site_answers;
mod snapshot;
#[cfg(test)]
mod tests;
mod unfreeze_writes;
mod verify_dns;
mod verify_http;
mod verify_sql;
mod wait;
mod wait_for_replication;
pub mod writers;

pub use confirm::CONFIRM;
pub use next::{Asked, Assumed, Change, Inputs, Next, PastEffect, Question, StepCx, StepPast};
pub use row::{ACTIONS, ActionRow, DefaultAt, lower, row};

use crate::world::{Target, World};
use serde::{Deserialize, Serialize};

/// What an action means. Implemented by each action's parameters.
pub trait Behave {
    /// What must be looked at before `next` can be asked. Depends on nothing that is not in the context.
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target>;
    /// What is still to be done, as the world is. Every target is in the world.
    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next;
    /// For plans: changes the world to what it will be when a wait without an end has ended, and
    /// says what was assumed. Actions that never wait so have nothing to assume.
    fn assume(&self, _cx: &StepCx<'_>, _w: &mut World) -> Option<Assumed> {
        None
    }
}

/// An action with its parameters, all known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", content = "with", rename_all = "kebab-case")]
pub enum Action {
    /// `confirm`: nothing but its question, which the step carries.
    Confirm(confirm::Confirm),
    /// `exec`.
    Exec(exec::Exec),
    /// `freeze-writes`.
    FreezeWrites(freeze_writes::FreezeWrites),
    /// `http`.
    Http(http::Http),
    /// `measure-lag`.
    MeasureLag(measure_lag::MeasureLag),
    /// `notify`.
    Notify(notify::Notify),
    /// `promote-replica`.
    PromoteReplica(promote_replica::PromoteReplica),
    /// `quarantine`.
    Quarantine(quarantine::Quarantine),
    /// `retire`.
    Retire(retire::Retire),
    /// `reverse-replication`.
    ReverseReplication(reverse_replication::ReverseReplication),
    /// `run-state-machine`.
    RunStateMachine(run_state_machine::RunStateMachine),
    /// `scale`.
    Scale(scale::Scale),
    /// `shift-traffic`.
    ShiftTraffic(shift_traffic::ShiftTraffic),
    /// The built-in probe `site_answers`; no step can name it as its action.
    SiteAnswers(site_answers::SiteAnswers),
    /// `snapshot`.
    Snapshot(snapshot::Snapshot),
    /// `unfreeze-writes`.
    UnfreezeWrites(unfreeze_writes::UnfreezeWrites),
    /// `verify-dns`.
    VerifyDns(verify_dns::VerifyDns),
    /// `verify-http`.
    VerifyHttp(verify_http::VerifyHttp),
    /// `verify-sql`.
    VerifySql(verify_sql::VerifySql),
    /// `wait`.
    Wait(wait::Wait),
    /// `wait-for-replication`.
    WaitForReplication(wait_for_replication::WaitForReplication),
}

impl Action {
    /// The one place where an action is told from another.
    pub fn behave(&self) -> &dyn Behave {
        match self {
            Self::Confirm(a) => a,
            Self::Exec(a) => a,
            Self::FreezeWrites(a) => a,
            Self::Http(a) => a,
            Self::MeasureLag(a) => a,
            Self::Notify(a) => a,
            Self::PromoteReplica(a) => a,
            Self::Quarantine(a) => a,
            Self::Retire(a) => a,
            Self::ReverseReplication(a) => a,
            Self::RunStateMachine(a) => a,
            Self::Scale(a) => a,
            Self::ShiftTraffic(a) => a,
            Self::SiteAnswers(a) => a,
            Self::Snapshot(a) => a,
            Self::UnfreezeWrites(a) => a,
            Self::VerifyDns(a) => a,
            Self::VerifyHttp(a) => a,
            Self::VerifySql(a) => a,
            Self::Wait(a) => a,
            Self::WaitForReplication(a) => a,
        }
    }

    /// The built-in probe.
    pub fn site_answers() -> Self {
        Self::SiteAnswers(site_answers::SiteAnswers {})
    }

    /// In an emergency, an old site that answers although its freeze failed stops the run.
    pub fn stops_if_alive_unfenced(&self) -> bool {
        matches!(self, Self::FreezeWrites(freeze) if freeze.stop_if_alive)
    }

    /// The name of its row.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Confirm(_) => "confirm",
            Self::Exec(_) => "exec",
            Self::FreezeWrites(_) => "freeze-writes",
            Self::Http(_) => "http",
            Self::MeasureLag(_) => "measure-lag",
            Self::Notify(_) => "notify",
            Self::PromoteReplica(_) => "promote-replica",
            Self::Quarantine(_) => "quarantine",
            Self::Retire(_) => "retire",
            Self::ReverseReplication(_) => "reverse-replication",
            Self::RunStateMachine(_) => "run-state-machine",
            Self::Scale(_) => "scale",
            Self::ShiftTraffic(_) => "shift-traffic",
            Self::SiteAnswers(_) => site_answers::NAME,
            Self::Snapshot(_) => "snapshot",
            Self::UnfreezeWrites(_) => "unfreeze-writes",
            Self::VerifyDns(_) => "verify-dns",
            Self::VerifyHttp(_) => "verify-http",
            Self::VerifySql(_) => "verify-sql",
            Self::Wait(_) => "wait",
            Self::WaitForReplication(_) => "wait-for-replication",
        }
    }
}
