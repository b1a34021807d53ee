//! Exit codes: they answer "what state is production in?". Alone in turning outcomes into codes.

use super::args::Output;
use crate::{
    engine::{Ended, EngineError},
    event::{PauseReason, RunOutcome},
    store::StoreError,
    view,
};
use std::io::Write as _;

/// The codes, as DESIGN and the README list them.
pub(super) mod code {
    /// Done, nothing waits.
    pub(crate) const DONE: u8 = 0;
    /// A mistake of lifeboat itself.
    pub(crate) const INTERNAL: u8 = 1;
    /// A mistake on the command line.
    pub(crate) const USAGE: u8 = 2;
    /// The runbook is refused.
    pub(crate) const INVALID: u8 = 3;
    /// `plan --detailed-exit-code` alone: it would change something.
    pub(crate) const WOULD_CHANGE: u8 = 4;
    /// Refused; nothing was changed.
    pub(crate) const REFUSED: u8 = 10;
    /// The environment is wrong; nothing was changed.
    pub(crate) const ENVIRONMENT: u8 = 11;
    /// Another run holds it; nothing was changed.
    pub(crate) const BUSY: u8 = 12;
    /// All that was done was taken back.
    pub(crate) const ROLLED_BACK: u8 = 20;
    /// Part-way, state known.
    pub(crate) const PARTIAL: u8 = 21;
    /// An effect may or may not have happened.
    pub(crate) const IN_DOUBT: u8 = 22;
    /// It waits for a person.
    pub(crate) const WAITING: u8 = 23;
    /// Done, an objective missed or unproven.
    pub(crate) const MISSED: u8 = 24;
    /// Service restored but unprotected.
    pub(crate) const UNPROTECTED: u8 = 25;
    /// The journal cannot be used.
    pub(crate) const JOURNAL: u8 = 30;
    /// The journal is not what this lifeboat can go on with.
    pub(crate) const MISMATCH: u8 = 31;
    /// Interrupted for the third time (128 + SIGINT).
    pub(crate) const LEFT: u8 = 130;
}

/// The code of how a run ended.
pub(super) fn of_outcome(outcome: RunOutcome) -> u8 {
    match outcome {
        RunOutcome::Done => code::DONE,
        RunOutcome::ObjectiveMissed => code::MISSED,
        RunOutcome::Unprotected => code::UNPROTECTED,
        RunOutcome::Refused => code::REFUSED,
        RunOutcome::RolledBack => code::ROLLED_BACK,
        RunOutcome::Partial | RunOutcome::Abandoned => code::PARTIAL,
        RunOutcome::InDoubt => code::IN_DOUBT,
    }
}

/// The code of how the engine came to rest. `doubt`: an effect is still open.
pub(super) fn of_ended(ended: &Ended, doubt: bool) -> u8 {
    match ended {
        Ended::Finished(outcome) => of_outcome(*outcome),
        Ended::Waiting(_) if doubt => code::IN_DOUBT,
        Ended::Waiting(PauseReason::InDoubt(_)) => code::IN_DOUBT,
        Ended::Waiting(_) => code::WAITING,
        Ended::Left => code::LEFT,
    }
}

/// Why a command could not do what it was asked: one line, causes, and the next command to type.
#[derive(Debug)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) code: u8,
    /// What, a fragment.
    pub(super) what: String,
    /// What to do, each a line.
    pub(super) hints: Vec<String>,
    /// It is about what was seen: another look may see otherwise.
    pub(super) by_sight: bool,
}

impl Failure {
    pub(super) fn new(code: u8, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), hints: vec![], by_sight: false }
    }
    pub(super) fn usage(what: impl Into<String>) -> Self {
        Self::new(code::USAGE, what)
    }
    pub(super) fn refused(what: impl Into<String>) -> Self {
        Self::new(code::REFUSED, what)
    }
    pub(super) fn environment(what: impl Into<String>) -> Self {
        Self::new(code::ENVIRONMENT, what)
    }
    /// The same, because of what was seen.
    pub(super) fn by_sight(self) -> Self {
        Self { by_sight: true, ..self }
    }
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// All of it in one line.
    pub(super) fn told(&self) -> String {
        std::iter::once(&self.what).chain(&self.hints).map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    /// Prints it: for people to stderr, for programs as an object on stdout.
    pub(super) fn print(&self, output: Output) {
        if output == Output::Json {
            if !self.what.is_empty() {
                let mut object = view::json::typed("error");
                object.insert("code".into(), self.code.into());
                object.insert("message".into(), self.what.clone().into());
                object.insert("hints".into(), self.hints.clone().into());
                drop(writeln!(std::io::stdout().lock(), "{}", serde_json::Value::Object(object)));
            }
            return;
        }
        let mut err = std::io::stderr().lock();
        if !self.what.is_empty() {
            drop(writeln!(err, "error: {}", self.what));
        }
        for hint in &self.hints {
            drop(writeln!(err, " hint: {hint}"));
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Journal(store) => store.into(),
            EngineError::Refused => Self::refused(error.to_string()).hint("lifeboat show     tells why"),
            EngineError::Mismatch(_) | EngineError::Seal => Self::new(code::MISMATCH, error.to_string())
                .hint("this journal was written by another lifeboat, or changed: nothing was done"),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NoSuchRun(_) => code::USAGE,
            StoreError::Fenced(_) => code::BUSY,
            StoreError::Newer { .. } | StoreError::Unreadable { .. } => code::MISMATCH,
            StoreError::Conflict | StoreError::Outage { .. } | StoreError::Damaged { .. } => code::JOURNAL,
        };
        let hint = match &error {
            StoreError::NoSuchRun(_) => "lifeboat runs   lists them",
            StoreError::Fenced(_) => "another process has taken the run over: lifeboat show",
            StoreError::Newer { .. } | StoreError::Unreadable { .. } => {
                "use the lifeboat that wrote it, or a newer one; nothing was changed"
            }
            StoreError::Conflict => "nothing more was sent; see who else wrote into it with: lifeboat show",
            StoreError::Damaged { .. } => {
                "nothing more was sent; what is whole, and what to do now: lifeboat store verify"
            }
            StoreError::Outage { .. } => "nothing more was sent; mend the disk, then: lifeboat resume",
        };
        Self::new(code, error.to_string()).hint(hint)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(code::ENVIRONMENT, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::OpenError;

    #[test]
    fn a_later_lifeboats_journal_is_one_code_whoever_meets_it() {
        let opened = OpenError::Newer { path: "lifeboat.db".into(), found: 2, known: 1 };
        assert_eq!(Failure::from(StoreError::from(opened)).code, code::MISMATCH);
        assert_eq!(Failure::from(StoreError::Newer { found: 2, known: 1 }).code, code::MISMATCH);
    }
}
