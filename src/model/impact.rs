//! What a thing does to production, and the small facts that people read.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What doing something means for production; ordered, the worst last. A property of actions and
/// effects, never of the author's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impact {
    /// Changes nothing.
    Read,
    /// Changes something that users do not feel, and that can be taken back.
    Safe,
    /// Users may feel it; it can be taken back.
    Disruptive,
    /// There is no way back, only forward: the point of no return.
    Irreversible,
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Safe => "safe",
            Self::Disruptive => "disruptive",
            Self::Irreversible => "irreversible",
        })
    }
}

/// A thing that was seen or decided, in the words a person reads: `lag: 2s`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is about.
    pub what: String,
    /// How it is.
    pub value: String,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.value)
    }
}

/// A fact from its two parts.
pub fn fact(what: impl Into<String>, value: impl fmt::Display) -> Fact {
    Fact { what: what.into(), value: value.to_string() }
}

/// What a step tells later ones, by name: `steps.ID.NAME` in expressions. Durations are texts.
pub type Outputs = BTreeMap<String, serde_json::Value>;
