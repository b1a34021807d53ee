//! The engine: runs a sealed plan, durably.
//!
//! What happens, in order, however a run is started:
//!
//! 1. Inputs arrive, one or all that came at a moment: sights, answers to sends, controls, signals, time.
//! 2. The facts that they give are folded into the state, by the same `apply` that replays a journal.
//! 3. [`decide`] is asked for new facts, which are folded too, again and again, until it has none. It is
//!    pure: no I/O, no clock, no chance. What each step has to see for it is said by `outlook`.
//! 4. All of them are appended to the journal in one commit. Intents among them give permits. Where that
//!    fails the process ends: its state was ahead of the journal, and the journal is what is true.
//! 5. Watchers are told. They cannot answer, delay or steer.
//! 6. What [`wanted`] reads off the committed state and is not under way is started: looks and
//!    sends. A crash between 4 and 6 loses nothing, since 6 is read off the state.
//!
//! An effect is sent by the process that intended it, or not at all: a later process finds the
//! intent in doubt and looks.
//!
//! Knows nothing of runbook files, screens or providers.

mod asks;
mod attempt;
mod control;
mod decide;
mod dispatcher;
mod doors;
mod guard;
mod holds;
mod inherit;
mod late;
mod launch;
mod measure;
mod outcome;
mod outlook;
mod past;
mod poller;
#[cfg(test)]
mod promises;
mod state;
mod step_run;
mod step_runs;
mod steps;
#[cfg(test)]
mod tests;
mod undo;
mod views;
mod wanted;

pub use asks::Ask;
pub use control::receive;
pub use decide::{Live, Turn, decide};
pub use doors::{Deps, Doors, Ended, EngineError, Signal, Signals, Tempo, Watch};
pub use inherit::Inherited;
pub use launch::{Start, end, replay, resume, start};
pub use state::{Held, Mismatch, Phase, RunState};
pub use step_run::{EffectRun, EffectStatus, StepRun, StepState};
pub use step_runs::StepRuns;
pub use wanted::{Wanted, wanted};
