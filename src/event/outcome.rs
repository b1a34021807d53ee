//! How a run came out.

use crate::clock::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a run ended: what state is production in?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// All done, nothing waits.
    Done,
    /// All done, an objective missed or unproven.
    ObjectiveMissed,
    /// Service restored, but something is owed.
    Unprotected,
    /// It ended before any effect.
    Refused,
    /// All that was done was taken back.
    RolledBack,
    /// It ended part-way; what was done is known.
    Partial,
    /// It ended part-way; an effect may or may not have happened.
    InDoubt,
    /// A person ended it as it stood, or another run took over.
    Abandoned,
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::ObjectiveMissed => "done, an objective missed or unproven",
            Self::Unprotected => "service restored, unprotected",
            Self::Refused => "ended before any change",
            Self::RolledBack => "rolled back",
            Self::Partial => "ended part-way",
            Self::InDoubt => "ended in doubt",
            Self::Abandoned => "abandoned",
        })
    }
}

/// What a run is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// From the incident to restored service.
    Rto,
    /// Writes lost, as a length of time.
    Rpo,
    /// From the freeze to the first accepted write.
    WriteOutage,
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rto => "RTO",
            Self::Rpo => "RPO",
            Self::WriteOutage => "write outage",
        })
    }
}

/// A measured value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// The most it can have been; none: unknown.
    pub at_most: Option<Span>,
    /// How that is known: `lsn`, `metric, 40s old`, `clock from --since`, `none`.
    pub proof: String,
    /// What was promised, where something was.
    pub objective: Option<Span>,
    /// It was kept; unproven is not kept. None: nothing was promised.
    pub met: Option<bool>,
    /// Its parts by name, in order; for RTO detect, decide, execute, verify.
    pub parts: Vec<(String, Span)>,
}
