//! The plan: everything the engine will need, resolved from a runbook, and what it will probably
//! do, predicted from the world. Sealed into the journal when a run starts; a run never reads its
//! runbook again.
//!
//! Two stages, both pure. [`draft`] resolves: sites, parameters, needs, every expression whose
//! value is known. [`predict`] asks each step, in order, what is left to do in a world in which the
//! steps before it have done theirs: the same question the engine will ask. What it would have to
//! look at and has no sight of, it names, so that the caller looks and predicts again.

mod draft;
mod ends;
mod paths;
pub mod policy;
mod predict;
mod probing;
mod scope;
mod situation;
#[cfg(test)]
mod tests;
mod types;

pub use draft::{Request, draft};
pub use ends::{Given, ends};
pub use predict::predict;
pub use probing::Probing;
pub use scope::{inputs, message, scope, undo_inputs};
pub use situation::{Active, DbRole, Refusal, SiteSituation, Situation};
pub use types::{
    Caution, Ends, Hold, Plan, PlanStep, PlannedConfirm, PlannedEffect, Prediction, ProbeSpec, Section, StepDraft, Undo,
};
