//! What people ask of a run, from its own terminal or another.

use super::Who;
use crate::{
    clock::Timestamp,
    ids::{AskId, ControlId, RunId, StepId},
};
use serde::{Deserialize, Serialize};

/// A request to a run. Anyone may post one; the process that holds the run alone turns it into events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "snake_case")]
pub enum Control {
    /// Answers a question.
    Answer {
        /// Which.
        ask: AskId,
        /// Yes or no.
        yes: bool,
    },
    /// Start nothing more, finish what runs, wait.
    Pause,
    /// Go on after a pause.
    Continue,
    /// Try a failed step again, and go on.
    Retry {
        /// Which.
        step: StepId,
    },
    /// Leave a step out, and go on.
    Skip {
        /// Which.
        step: StepId,
        /// Why.
        why: String,
    },
    /// Take a step as done, and go on.
    MarkDone {
        /// Which.
        step: StepId,
        /// Why.
        why: String,
    },
    /// End the run: release what is held, start nothing more.
    Cancel,
    /// Take all back that can be.
    Undo,
    /// End the run as it stands, whatever is half done.
    Abandon {
        /// Why.
        why: String,
    },
    /// End the run as it stands, for another one takes over.
    Supersede {
        /// Which.
        by: RunId,
        /// Why.
        why: String,
    },
    /// Something that this lifeboat does not know: a newer one posted it.
    #[serde(other)]
    Unknown,
}

/// What the people at the run's own terminal send to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A control, as any other terminal could post it.
    Control(Control),
    /// They leave: the process may end as soon as the run waits for a person.
    Leave,
}

/// What became of a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is done, or being done.
    Accepted,
    /// It cannot be done, and why.
    Refused(String),
}

/// A control as it lies in the inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Its place.
    pub id: ControlId,
    /// When it was posted.
    pub at: Timestamp,
    /// Who posted it.
    pub by: Who,
    /// What is asked.
    pub control: Control,
}
