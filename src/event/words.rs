//! The small words that events are made of: who, why, how.

use crate::{
    clock::{Span, Timestamp},
    ids::{AskId, RunId, SiteName, StepId},
    model::Impact,
    plan::{PlanStep, Section},
    runbook::RunWord,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The operator's name: `--operator`, else the user's login.
    pub operator: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} (pid {})", self.operator, self.host, self.pid)
    }
}

/// Which world a run changes. Realms share nothing: neither store nor leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Realm {
    /// The simulated one.
    Sandbox,
    /// The real one.
    Live,
}

/// What a command line answers beforehand. Given at a run's start and at each resume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// `--yes`: ordinary confirmations.
    pub yes: bool,
    /// `--accept STEP`: irreversible steps.
    pub accept: BTreeSet<StepId>,
    /// `--accept-data-loss`.
    pub accept_loss: Option<AcceptLoss>,
    /// `--unattended`: questions are decided by their `unattended`.
    pub unattended: bool,
    /// People can be asked: a terminal, or another one while this one waits.
    pub interactive: bool,
    /// How far a run goes that began without a person; none: as far as its questions let it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<Reach>,
}

/// How far a run goes before a person agrees to the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// The gravest step that it begins.
    pub most: Impact,
    /// It begins disruptive steps too while the site being left is seen not to answer.
    pub disruptive_if_unreachable: bool,
}

/// How much loss is accepted beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptLoss {
    /// Up to that, if it is known.
    UpTo(Span),
    /// Any, also an unknown one.
    Unknown,
}

/// Which of a step's two actions an attempt is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The action.
    Forward,
    /// Its undo.
    Undo,
}

/// What the pair of sites still needs after a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Obligation {
    /// What.
    pub kind: ObligationKind,
    /// At which site.
    pub site: SiteName,
}

/// What can be owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObligationKind {
    /// Writes there were not proven closed before the other site was opened.
    Fence,
    /// It must be made the replica of the active site.
    Reprotect,
}

impl fmt::Display for Obligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ObligationKind::Fence => write!(f, "fence {}", self.site),
            ObligationKind::Reprotect => write!(f, "reprotect {}", self.site),
        }
    }
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// Go on.
    Yes,
    /// Do not.
    No,
    /// Nobody answered in time.
    Silence,
}

/// What answered a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnsweredBy {
    /// A person.
    Person(Who),
    /// A flag of the command line, as written.
    Flag(String),
    /// The runbook: `on_timeout` or `unattended`, and its word.
    Runbook(String),
}

impl fmt::Display for AnsweredBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(who) => write!(f, "{}", who.operator),
            Self::Flag(flag) => f.write_str(flag),
            Self::Runbook(word) => write!(f, "the runbook ({word})"),
        }
    }
}

/// How a step came to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It did what it should.
    Succeeded,
    /// It was left out.
    Skipped,
    /// A person says so.
    MarkedDone,
    /// It failed and stops nothing (`best-effort`).
    BestEffort,
    /// It failed and the run goes on (`continue`).
    Continued,
}

/// Why a step was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// `only` names the other direction.
    OtherDirection,
    /// Its section: it holds what an earlier run closed, and is only ever taken back.
    HeldOn,
    /// This mode leaves it out.
    Mode,
    /// Its `when` does not hold.
    When,
    /// It is graver than the run may do without a person, and a person said no.
    BeyondReach,
    /// A person skipped it.
    Person {
        /// Who.
        by: Who,
        /// Why.
        why: String,
    },
}

impl SkipReason {
    /// Why a step is left out whatever happens; none: it is not.
    pub fn of(step: &PlanStep) -> Option<Self> {
        match step.section {
            Section::Held => Some(Self::HeldOn),
            Section::Main | Section::Finally if step.left_out => Some(Self::OtherDirection),
            Section::Main | Section::Finally => (step.run == RunWord::Skip).then_some(Self::Mode),
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherDirection => f.write_str("only for the other direction"),
            Self::HeldOn => f.write_str("an earlier run did it; here it can only be taken back"),
            Self::Mode => f.write_str("not in this mode"),
            Self::When => f.write_str("its `when` does not hold"),
            Self::BeyondReach => f.write_str("the run may not do it without a person, and a person said no"),
            Self::Person { by, why } => write!(f, "by {}: {why}", by.operator),
        }
    }
}

/// Why a run waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// A person asked for it.
    Asked(Who),
    /// Ctrl-C or SIGTERM.
    Signal,
    /// A step failed.
    StepFailed(StepId),
    /// A question waits and nobody is here to answer it.
    Unanswered(AskId),
    /// An effect is in doubt and nothing tells.
    InDoubt(StepId),
}

/// A hold that a run took over from the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBefore {
    /// The run that closed it.
    pub run: RunId,
    /// When.
    pub since: Timestamp,
    /// Its resource may have been promoted elsewhere since: it is never opened again, only a
    /// promotion ends it.
    pub past_return: bool,
}

/// What ended a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldEndedBy {
    /// Its step was undone: what was closed is open again.
    Undo,
    /// Its resource was promoted: it stays closed for good.
    Promotion,
}
