//! A step as the file says it, once for each mode.

use crate::{
    clock::Span,
    diagnostic::Path,
    ids::{ProbeName, ResourceName, StepId},
    model::{Direction, Impact, Mode, Place},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A step: what it does in a planned run and what in an emergency. The mode's overrides are put in
/// before a spec is made, so nothing after `syntax` knows that there were any.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name; unique over all lists.
    pub id: StepId,
    /// Where it stands in the file.
    pub path: Path,
    /// In a planned run.
    pub planned: Spec,
    /// In an emergency.
    pub emergency: Spec,
}

impl Step {
    /// What it does in a mode.
    pub fn spec(&self, mode: Mode) -> &Spec {
        match mode {
            Mode::Planned => &self.planned,
            Mode::Emergency => &self.emergency,
        }
    }
}

/// What a step does in one mode. Texts and values of `with` may hold expressions; every other value
/// that is a text here with a type elsewhere (durations) may be one whole expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// A name for people.
    pub name: Option<String>,
    /// What it does; none: only its probes.
    pub action: Option<String>,
    /// What it works on.
    pub resources: Vec<ResourceName>,
    /// The action's parameters.
    pub with: Map<String, Value>,
    /// Where it works; none: the action's default.
    pub at: Option<Place>,
    /// What must be done before; none: every step above in its list.
    pub needs: Option<Vec<StepId>>,
    /// It is left out of the other direction.
    pub only: Option<Only>,
    /// An expression without `${}`: otherwise the step is left out.
    pub when: Option<String>,
    /// Whether it is run in this mode at all.
    pub run: RunWord,
    /// Its question.
    pub confirm: Option<Confirm>,
    /// How long it probably takes. A duration or an expression.
    pub expect: Option<String>,
    /// How long it may take; none: the action's default. A duration or an expression.
    pub timeout: Option<String>,
    /// How it is tried again.
    pub retry: Option<Retry>,
    /// What happens when it fails.
    pub on_failure: FailurePolicy,
    /// What takes it back.
    pub undo: Option<UndoSpec>,
    /// What it holds closed.
    pub hold: Option<HoldSpec>,
    /// Probes that must hold after it.
    pub verify: Vec<ProbeName>,
    /// What is reached with it.
    pub milestone: Option<Milestone>,
    /// May be skipped by hand.
    pub skippable: bool,
    /// What the sandbox answers for it.
    pub simulate: Option<Simulate>,
    /// Stated by the author, for `exec` and `http`.
    pub impact: Option<Impact>,
}

/// What a step says that says nothing.
impl Default for Spec {
    fn default() -> Self {
        Self {
            name: None,
            action: None,
            resources: vec![],
            with: Map::new(),
            at: None,
            needs: None,
            only: None,
            when: None,
            run: RunWord::Run,
            confirm: None,
            expect: None,
            timeout: None,
            retry: None,
            on_failure: FailurePolicy::Pause,
            undo: None,
            hold: None,
            verify: vec![],
            milestone: None,
            skippable: true,
            simulate: None,
            impact: None,
        }
    }
}

/// Whether a step runs in a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunWord {
    /// It does.
    Run,
    /// It is left out; order holds through it.
    Skip,
    /// It is tried within its timeout; its failure stops nothing.
    BestEffort,
}

/// The one direction a step belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// Failover.
    Failover,
    /// Failback.
    Failback,
}

impl Only {
    /// Whether the step is left out of a direction.
    pub fn leaves_out(self, direction: Direction) -> bool {
        match self {
            Self::Failover => direction == Direction::Failback,
            Self::Failback => direction == Direction::Failover,
        }
    }
}

/// A question to people. The message may hold expressions, outputs of steps among them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// What is asked.
    pub message: String,
    /// How long an answer is waited for; none: for ever.
    pub timeout: Option<Span>,
    /// What silence means.
    pub on_timeout: OnTimeout,
    /// What it means that nobody is there at all.
    pub unattended: Unattended,
    /// How long a yes holds until the step starts.
    pub valid_for: Span,
}

impl Confirm {
    /// How long a yes holds where the runbook does not say.
    pub const VALID_FOR: Span = Span::mins(15);
}

/// What silence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTimeout {
    /// Go on waiting.
    Wait,
    /// As a no.
    Abort,
    /// Undo the run.
    Undo,
    /// As a yes.
    Proceed,
    /// Go on waiting, and call for people.
    Page,
}

/// What it means that nobody is there at all (`--unattended`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unattended {
    /// As a yes.
    Proceed,
    /// As a yes where the measured loss is within the objective; otherwise wait.
    ProceedWithinRpo,
    /// As a no.
    Abort,
    /// Wait for a person.
    Wait,
}

/// How a step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How often in all, the first time included.
    pub attempts: u32,
    /// Before the second attempt; doubled for each one after it.
    pub delay: Span,
    /// No pause is longer than this.
    pub max_delay: Span,
}

/// What happens when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// What runs is finished, then the run waits for a person.
    Pause,
    /// Nothing more is started; open holds are released; the run ends.
    Abort,
    /// The run goes on without it; its outcome is at best partial.
    Continue,
    /// All that was done is taken back.
    Undo,
}

/// What takes a step back.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoSpec {
    /// The action: another one, or the step's own.
    pub action: String,
    /// Its parameters.
    pub with: Map<String, Value>,
}

/// What a step holds closed, and for how long at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldSpec {
    /// At most so long. A duration or an expression.
    pub max: String,
    /// What happens then.
    pub then: HoldEnd,
}

/// What happens when a hold has lasted too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldEnd {
    /// The run is undone, as long as it can be.
    Undo,
    /// People are called.
    Page,
}

/// What a step reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Milestone {
    /// Users are served again: stops the RTO clock.
    ServiceRestored,
    /// The first write was accepted after a freeze: ends the write outage. Not written in
    /// runbooks: the engine reaches it with the first probes that hold after the promotion.
    WritesAccepted,
}

/// What the sandbox answers for a step whose action it cannot simulate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Simulate {
    /// How long it takes.
    pub takes: Option<Span>,
    /// The exit code.
    pub exit: Option<i32>,
    /// The HTTP status.
    pub status: Option<u16>,
    /// What comes back.
    pub output: Option<Value>,
}
