//! The simulation: the real engine in a world, on a store and in processes that fail on purpose, all
//! of it in virtual time and all of it drawn from one seed.
//!
//! A [`Case`] says which run is played; [`play`] plays it once for a seed. The engine, the plans and the
//! actions are those that run for real. Simulated are
//! - the world: the sandbox, with its faults (`schedule`), and requests that take their time (`body`);
//! - the store (`store`): what was not synced is lost, requests fail or stay in doubt, leases run out;
//! - processes (`vitals`): killed or stopped at any point, with clocks of their own, and a second operator;
//! - people (`people`): they resume what nobody drives, and answer.
//!
//! A judge (`judge`) watches every event and every effect; `verdict` says at the end whether the run came
//! out as it may, and what users lived through. A seed that fails is a bug report: the same seed plays
//! the same journal, byte for byte.
//!
//! Nothing here can reach the real world: it knows no driver but the sandbox, no clock but virtual time
//! and no store but memory.

mod body;
mod dice;
mod judge;
mod life;
mod people;
mod plans;
mod scene;
mod schedule;
mod store;
mod verdict;
mod vitals;

pub use dice::Dice;
pub use scene::{Seams, play};
pub use schedule::{Blow, Deed, Failing, Schedule, Sick, Slow, StoreCall, Trouble};
pub use verdict::{Played, Rest};

use crate::{
    check::Checked,
    ids::SiteName,
    model::{Direction, Mode},
    sandbox::Fault,
};
use std::{collections::BTreeMap, sync::Arc};

/// Which run is played.
#[derive(Clone, Debug)]
pub struct Case {
    /// Of which runbook.
    pub checked: Arc<Checked>,
    /// Which way; what has to come before is played undisturbed.
    pub direction: Direction,
    /// Planned or emergency.
    pub mode: Mode,
    /// The standby that is named.
    pub to: Option<SiteName>,
    /// The parameters that are set.
    pub parameters: BTreeMap<String, String>,
    /// The folder of the runbook.
    pub folder: String,
    /// The runbook's file name.
    pub file: String,
    /// What goes wrong.
    pub troubles: Troubles,
}

/// What goes wrong in a case.
#[derive(Clone, Debug)]
pub enum Troubles {
    /// Whatever each seed draws.
    Drawn,
    /// The same, but for people who change their mind in the middle of it.
    Mishaps,
    /// These faults of the world and nothing else.
    Only(Vec<Fault>),
    /// Exactly this.
    Told(Schedule),
}
