//! What can be made to go wrong: `--fault NAME` before the run, `--fault NAME@STEP` when that step
//! begins.

use super::state::State;
use crate::{
    clock::{Span, Timestamp},
    ids::StepId,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The primary's Region goes dark, and returns after 30 to 90 minutes.
    PrimaryLost,
    /// The same with the first standby's.
    StandbyLost,
    /// The next promotion takes four times as long.
    SlowPromotion,
    /// Only three quarters of the servers wanted come.
    NoCapacity,
    /// The next effect is applied; its answer is lost.
    LostAnswer,
    /// The next effect is lost on its way; there is no answer either.
    LostRequest,
    /// Everything that is sent is turned away for a while.
    Throttled,
    /// The API of the active site's Region takes requests and never answers.
    Hang,
    /// Descriptions show the past of some seconds ago.
    StaleReads,
}

/// Every fault: its name and what it does, for help texts.
pub const FAULTS: &[(&str, FaultKind, &str)] = &[
    (
        "primary-lost",
        FaultKind::PrimaryLost,
        "the primary's Region goes dark; it returns, writable, after 30 to 90 min",
    ),
    ("standby-lost", FaultKind::StandbyLost, "the same with the first standby's"),
    ("slow-promotion", FaultKind::SlowPromotion, "the next promotion takes four times as long"),
    ("no-capacity", FaultKind::NoCapacity, "only 75% of the servers wanted come, for about an hour"),
    ("lost-answer", FaultKind::LostAnswer, "the next effect is applied, but its answer is lost"),
    ("lost-request", FaultKind::LostRequest, "the next effect never arrives, and nobody says so"),
    ("throttled", FaultKind::Throttled, "what is sent is turned away for one or two minutes"),
    ("hang", FaultKind::Hang, "the active site's API takes requests and never answers, for about an hour"),
    ("stale-reads", FaultKind::StaleReads, "descriptions show the past of 5 to 20 s ago, for about an hour"),
];

impl FaultKind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        FAULTS.iter().find(|row| row.1 == self).map_or("", |row| row.0)
    }
}

/// A fault, and when it strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// When that step begins; none: at once.
    pub at: Option<StepId>,
}

/// Why a text names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault `{given}`{}; there are {}",
    .like.map(|l| format!(", did you mean `{l}`?")).unwrap_or_default(),
    FAULTS.iter().map(|row| row.0).collect::<Vec<_>>().join(", "))]
pub struct NotAFault {
    given: String,
    like: Option<&'static str>,
}

impl Fault {
    /// Reads `NAME` or `NAME@STEP`.
    pub fn parse(text: &str) -> Result<Self, NotAFault> {
        let (name, step) = text.split_once('@').map_or((text, None), |(name, step)| (name, Some(step)));
        let Some(row) = FAULTS.iter().find(|row| row.0 == name) else {
            let like = likest(name, FAULTS.iter().map(|row| row.0));
            return Err(NotAFault { given: name.to_owned(), like });
        };
        Ok(Self { kind: row.1, at: step.map(StepId::from) })
    }
}

impl FromStr for Fault {
    type Err = NotAFault;
    fn from_str(text: &str) -> Result<Self, NotAFault> {
        Self::parse(text)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(step) => write!(f, "{}@{step}", self.kind.name()),
            None => f.pad(self.kind.name()),
        }
    }
}

/// The word most like another, if any is.
pub(super) fn likest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |other: &&str| strsim::damerau_levenshtein(word, other);
    among.min_by_key(near).filter(|best| near(best) <= word.len().max(3) / 2)
}

/// Which half of the conversation is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Request,
    Answer,
}

impl State {
    /// Takes on a fault: it strikes at once, with its step, or with the next effect.
    pub(super) fn arm(&mut self, fault: &Fault, at: Timestamp) {
        let waits = matches!(fault.kind, FaultKind::LostAnswer | FaultKind::LostRequest) || fault.at.is_some();
        if waits { self.armed.push(fault.clone()) } else { self.strike(fault.kind, at) }
    }

    /// Whether a fault waits for a step to begin.
    pub(super) fn waits_for(&self, step: &StepId) -> bool {
        self.armed.iter().any(|fault| fault.at.as_ref() == Some(step) && !fault.kind.hits_an_effect())
    }

    /// A step begins: what waited for it strikes.
    pub(super) fn reached(&mut self, step: &StepId, at: Timestamp) {
        let mut struck = vec![];
        self.armed.retain(|fault| {
            let now = fault.at.as_ref() == Some(step) && !fault.kind.hits_an_effect();
            if now {
                struck.push(fault.kind);
            }
            !now
        });
        for kind in struck {
            self.strike(kind, at);
        }
    }

    /// What will be lost of the next effect of a step.
    pub(super) fn loses(&self, step: Option<&str>) -> Option<Lost> {
        let fault = self.armed.iter().find(|fault| fault.strikes_effect(step))?;
        Some(if fault.kind == FaultKind::LostAnswer { Lost::Answer } else { Lost::Request })
    }

    /// It has been lost, once.
    pub(super) fn has_lost(&mut self, step: Option<&str>) {
        if let Some(i) = self.armed.iter().position(|fault| fault.strikes_effect(step)) {
            self.armed.remove(i);
        }
    }

    fn strike(&mut self, kind: FaultKind, at: Timestamp) {
        let hour = (Span::mins(45), Span::mins(75));
        let mut until = |lo, hi| at + self.chance_span("fault", lo, hi);
        match kind {
            FaultKind::PrimaryLost => self.lose_site(self.home(), at),
            FaultKind::StandbyLost => self.lose_site(self.first_standby(), at),
            FaultKind::SlowPromotion => self.slow_promotion = true,
            FaultKind::NoCapacity => self.no_capacity_until = Some(until(hour.0, hour.1)),
            FaultKind::Throttled => self.throttled_until = Some(until(Span::mins(1), Span::mins(2))),
            FaultKind::StaleReads => self.stale_until = Some(until(hour.0, hour.1)),
            FaultKind::Hang => {
                let ends = until(hour.0, hour.1);
                let active = self.active_site();
                self.sites[active].hangs_until = Some(ends);
            }
            FaultKind::LostAnswer | FaultKind::LostRequest => self.armed.push(Fault { kind, at: None }),
        }
    }
}

impl FaultKind {
    /// It strikes an effect, not an instant.
    fn hits_an_effect(self) -> bool {
        matches!(self, Self::LostAnswer | Self::LostRequest)
    }
}

impl Fault {
    fn strikes_effect(&self, step: Option<&str>) -> bool {
        self.kind.hits_an_effect() && self.at.as_ref().is_none_or(|at| Some(at.as_str()) == step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_a_name_and_perhaps_a_step() {
        let fault = Fault::parse("primary-lost@promote").unwrap();
        assert_eq!((fault.kind, fault.at.as_ref()), (FaultKind::PrimaryLost, Some(&"promote".into())));
        assert_eq!(fault.to_string(), "primary-lost@promote");
        for (name, kind, _) in FAULTS {
            assert_eq!(Fault::parse(name).unwrap(), Fault { kind: *kind, at: None });
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_told_the_likest_fault() {
        let error = Fault::parse("primary-list@promote").unwrap_err().to_string();
        assert!(error.contains("did you mean `primary-lost`?") && error.contains("stale-reads"), "{error}");
        assert!(!Fault::parse("zzz").unwrap_err().to_string().contains("did you mean"));
    }
}
