//! The facts of a run.

use super::{
    Cause, Control, Measure, Objective, RunOutcome, Verdict,
    words::{
        Answered, AnsweredBy, HeldBefore, HoldEndedBy, How, Obligation, PauseReason, Policy, Realm, SkipReason, Way,
        Who,
    },
};
use crate::{
    action::{Inputs, Question},
    clock::{Span, Timestamp},
    ids::{AskId, AttemptNo, ControlId, Digest, EffectNo, Epoch, RunId, Seq, StepId},
    model::{Fact, Outputs},
    plan::Plan,
    runbook::Milestone,
    world::{Effect, Landed, Receipt, Sight},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One fact of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The run.
    pub run: RunId,
    /// Its place in the run, without gaps.
    pub seq: Seq,
    /// The lease under which it was written.
    pub epoch: Epoch,
    /// When, on the run's clock.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// Declares the kinds of events, and how they are read: by their name, then their fields.
///
/// They are stored with the name as the first of the fields: `{"event":"step_ready","step":"promote"}`. What
/// serde makes for such an enum keeps all of an object until it has found the name, wherever that is: two
/// thirds of the time in which a long run was taken up again. What it makes for one whose name lies outside
/// keeps nothing, and [`tagged`] gives it the name.
macro_rules! kinds {
    ($(#[$doc:meta])* pub enum EventKind { $($kinds:tt)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "event", rename_all = "snake_case")]
        pub enum EventKind { $($kinds)* }

        #[derive(Deserialize)]
        #[serde(remote = "EventKind", rename_all = "snake_case")]
        pub(super) enum Named { $($kinds)* }
    };
}

kinds! {
/// What happened.
pub enum EventKind {
    /// A run began. Always the first.
    RunStarted {
        /// All it needs.
        plan: Arc<Plan>,
        /// Who began it.
        by: Who,
        /// Where.
        realm: Realm,
        /// What the command line answers beforehand.
        policy: Policy,
        /// When the incident began, where somebody said.
        since: Option<Timestamp>,
        /// The run it took over from, where that one was unfinished.
        supersedes: Option<RunId>,
        /// What was owed already when it began.
        owed: Vec<Obligation>,
        /// Why it began without a person; none: a person began it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Box<Cause>>,
    },
    /// The plan is what every later process must find. Always the second.
    PlanSealed {
        /// SHA-256 of the plan as stored.
        digest: Digest,
    },
    /// A process holds the run now.
    LeaseTaken {
        /// Which.
        holder: Who,
        /// Whose it was before, where the run had one.
        from: Option<Who>,
    },
    /// A process took the run up again. Every open intent is in doubt from here on.
    RunResumed {
        /// Who.
        by: Who,
        /// What the command line answers beforehand, from now on.
        policy: Policy,
    },
    /// Nothing more is started until a person says so.
    RunPaused {
        /// Why.
        why: PauseReason,
    },
    /// Pausing ended without a resume of another process.
    RunContinued {
        /// Who.
        by: Who,
    },
    /// All a step needs is done and it may start.
    StepReady {
        /// The step.
        step: StepId,
    },
    /// People are asked.
    ConfirmationAsked {
        /// The question's number.
        ask: AskId,
        /// The step it is about; none: the run.
        step: Option<StepId>,
        /// Which question.
        question: Question,
        /// What is asked, in words.
        message: String,
        /// What it is decided on.
        facts: Vec<Fact>,
        /// When silence becomes an answer.
        until: Option<Timestamp>,
        /// For [`Question::DataLoss`]: how much; none: unknown.
        loss: Option<Span>,
    },
    /// A question was answered, be it by silence.
    ConfirmationGiven {
        /// Which.
        ask: AskId,
        /// How.
        answer: Answered,
        /// By what.
        by: AnsweredBy,
    },
    /// A step began to work, or to be undone.
    AttemptStarted {
        /// The step.
        step: StepId,
        /// Its number.
        attempt: AttemptNo,
        /// The action or its undo.
        way: Way,
        /// What it works with.
        inputs: Arc<Inputs>,
        /// When it is out of time.
        deadline: Timestamp,
    },
    /// An effect is about to be sent. Durable before it leaves.
    EffectIntended {
        /// The step.
        step: StepId,
        /// The effect's number in the step.
        effect: EffectNo,
        /// What.
        call: Arc<Effect>,
        /// How its target was seen before.
        before: Arc<Sight>,
        /// The plan foresaw it.
        predicted: bool,
    },
    /// The provider took it.
    EffectApplied {
        /// The step.
        step: StepId,
        /// The effect.
        effect: EffectNo,
        /// What the provider answered.
        receipt: Receipt,
    },
    /// It surely did not happen.
    EffectRefused {
        /// The step.
        step: StepId,
        /// The effect.
        effect: EffectNo,
        /// Why.
        why: String,
        /// The provider will say the same again.
        lasting: bool,
    },
    /// Nobody knows whether it happened.
    EffectInDoubt {
        /// The step.
        step: StepId,
        /// The effect.
        effect: EffectNo,
        /// Why.
        why: String,
    },
    /// A doubt ended, by looking or by a person.
    EffectSettled {
        /// The step.
        step: StepId,
        /// The effect.
        effect: EffectNo,
        /// Whether it happened.
        landed: Landed,
    },
    /// Something worth keeping was seen; `holds` begins or breaks what a step waits to hold.
    Observed {
        /// The step.
        step: StepId,
        /// What.
        facts: Vec<Fact>,
        /// Whether what it waits for holds now.
        holds: Option<bool>,
    },
    /// An attempt did not get there.
    AttemptFailed {
        /// The step.
        step: StepId,
        /// Why.
        why: String,
        /// When the next one begins.
        retry_at: Option<Timestamp>,
    },
    /// A step did what it should, and it is settled.
    StepSucceeded {
        /// The step.
        step: StepId,
        /// What later steps may read.
        outputs: Outputs,
        /// What was seen that matters.
        facts: Vec<Fact>,
    },
    /// A step was left out.
    StepSkipped {
        /// The step.
        step: StepId,
        /// Why.
        why: SkipReason,
    },
    /// A step gave up.
    StepFailed {
        /// The step.
        step: StepId,
        /// Why.
        why: String,
        /// What a person can do about it.
        hint: Option<String>,
    },
    /// A failed step stops nothing: `best-effort` or `continue`.
    StepPassed {
        /// The step.
        step: StepId,
        /// Which of the two.
        how: How,
    },
    /// A person says that a step is done.
    StepMarkedDone {
        /// The step.
        step: StepId,
        /// Who.
        by: Who,
        /// Why.
        why: String,
    },
    /// A failed step is to be tried again.
    StepRetried {
        /// The step.
        step: StepId,
        /// Who wants it.
        by: Who,
    },
    /// The run is being taken back.
    UndoBegun {
        /// Why.
        why: String,
        /// Only what open holds hold closed is taken back (`abort`), not every step.
        holds_only: bool,
    },
    /// A step was taken back.
    StepUndone {
        /// The step.
        step: StepId,
    },
    /// Nothing of the run is left but `finally`.
    ClosingBegun,
    /// Something is held closed from now on.
    HoldOpened {
        /// The step that holds it.
        step: StepId,
        /// When it has lasted too long.
        until: Timestamp,
        /// What is held, in words: `writes frozen at ohio`.
        what: String,
        /// Another run closed it, and this one took it over; none: it is closed from now on.
        before: Option<HeldBefore>,
    },
    /// It has lasted too long and people were called.
    HoldOverdue {
        /// The step that holds it.
        step: StepId,
    },
    /// It ended.
    HoldClosed {
        /// The step that held it.
        step: StepId,
        /// By what.
        by: HoldEndedBy,
    },
    /// Something is owed from now on.
    ObligationOpened {
        /// What.
        owed: Obligation,
        /// Why.
        why: String,
    },
    /// It was done.
    ObligationPaid {
        /// What.
        owed: Obligation,
    },
    /// The run got that far.
    MilestoneReached {
        /// How far.
        milestone: Milestone,
        /// With which step.
        step: StepId,
    },
    /// Somebody asked something of the run.
    ControlReceived {
        /// Its place in the inbox.
        id: ControlId,
        /// Who.
        by: Who,
        /// What.
        control: Control,
        /// What became of it.
        verdict: Verdict,
    },
    /// The run was measured against an objective.
    ObjectiveMeasured {
        /// Which.
        objective: Objective,
        /// How it came out.
        value: Measure,
    },
    /// The run ended. Always the last.
    RunFinished {
        /// How.
        outcome: RunOutcome,
    },
}
}
