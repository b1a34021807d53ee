//! Events: what happened in a run, in the past tense, in order. The journal holds nothing else,
//! and a run's state is nothing but their fold.
//!
//! Also here: controls (what people ask of a run) and notices (what the engine tells watchers
//! beside events: progress that may be lost); and notes (what is recorded of starting without people).

mod control;
mod kind;
mod note;
mod notice;
mod outcome;
mod tagged;
mod words;

pub use control::{Control, Posted, Request, Verdict};
pub use kind::{Event, EventKind};
pub use note::{Begin, Cause, Decision, Note, NoteKind, TriggerId};
pub use notice::{Notice, StepView};
pub use outcome::{Measure, Objective, RunOutcome};
pub use words::{
    AcceptLoss, Answered, AnsweredBy, HeldBefore, HoldEndedBy, How, Obligation, ObligationKind, PauseReason, Policy,
    Reach, Realm, SkipReason, Way, Who,
};

/// The version of the stored form of events, and of exports. History: 1, the first; 2, what is committed at one time is
/// one link of the chain.
pub const FORMAT: u32 = 2;
