//! What the engine tells watchers. Events are facts and arrive all; everything else is progress
//! and may be lost.

use super::Event;
use crate::{clock::Timestamp, ids::StepId, world::Sight};

/// One thing told to watchers. They cannot answer.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A fact, durable already.
    Event(Box<Event>),
    /// What a running step waits for.
    Step(StepView),
    /// Something was looked at.
    Seen(Vec<Sight>),
    /// What the run's clock shows; comes at least once a second of real time while a run goes on.
    Tick(Timestamp),
    /// Nobody's answer is waited for any more: the process ends as soon as it may.
    Leaving,
    /// A line for people that is no fact of the run.
    Line(String),
}

/// Where a running step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepView {
    /// The step.
    pub step: StepId,
    /// What it waits for or does.
    pub why: String,
    /// When that is expected to end at the latest, where it is known.
    pub until: Option<Timestamp>,
}
