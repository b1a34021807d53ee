//! The engine: runs a sealed plan, durably.
//!
//! What happens, in order, however a run is started:
//!
//! 1. One [`Input`] arrives: sights, the answer to a send, a control, a signal, or time.
//! 2. The facts that it gives are folded into a scratch copy of the state; then [`decide`] is asked
//!    for new ones, again and again, until it has none. It is pure: no I/O, no clock, no chance.
//! 3. They are appended to the journal in one commit. Intents among them give permits.
//! 4. They are folded into the state, by the same `apply` that replays a journal.
//! 5. Watchers are told. They cannot answer, delay or steer.
//! 6. What [`wanted`] reads off the committed state and is not under way is started: looks and
//!    sends. A crash between 3 and 6 loses nothing, since 6 is read off the state.
//!
//! An effect is sent by the process that intended it, or not at all: a later process finds the
//! intent in doubt and looks.
//!
//! Knows nothing of runbook files, screens or providers.

mod asks;
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
mod past;
mod poller;
#[cfg(test)]
mod promises;
mod state;
mod step_run;
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
pub use wanted::{Wanted, wanted};
