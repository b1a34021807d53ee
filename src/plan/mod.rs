//! The plan: everything the engine will need, resolved from a runbook, and what it will probably
//! do, predicted from the world. Sealed into the journal when a run starts; a run never reads its
//! runbook again.

mod types;

pub use types::{
    Caution, Ends, Hold, Plan, PlanStep, PlannedConfirm, PlannedEffect, Prediction, ProbeSpec, Section, StepDraft, Undo,
};
