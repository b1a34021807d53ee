//! Where a run stands, for showing: a small fold of its events and of the notices between them.
//!
//! Display only. It never refuses an event and decides nothing; what it lacks (a journal read from
//! the middle) it shows as not known.

use crate::{
    action::Question,
    clock::{Span, Timestamp},
    event::{
        Event, EventKind, How, Measure, Objective, Obligation, PauseReason, Realm, RunOutcome, SkipReason, StepView,
        Way, Who,
    },
    ids::{AskId, EffectNo, RunId, StepId},
    model::{Fact, Impact, Mode},
    plan::Plan,
    runbook::Milestone,
    world::{Landed, Sight, World},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Where a run stands.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Its plan.
    pub plan: Option<Arc<Plan>>,
    /// The run.
    pub run: Option<RunId>,
    /// Which world it changes.
    pub realm: Option<Realm>,
    /// Who began it.
    pub by: Option<Who>,
    /// Its mode now.
    pub mode: Option<Mode>,
    /// When it began.
    pub started: Timestamp,
    /// When the incident began, where somebody said.
    pub since: Option<Timestamp>,
    /// The time of the last event or tick.
    pub now: Timestamp,
    /// What it is doing as a whole.
    pub phase: Phase,
    /// The steps that something happened to.
    pub steps: BTreeMap<StepId, Step>,
    /// Questions that wait for an answer, oldest first.
    pub asks: BTreeMap<AskId, Ask>,
    /// What is held closed, by the step that holds it.
    pub holds: BTreeMap<StepId, Hold>,
    /// What the pair of sites still needs.
    pub owed: BTreeSet<Obligation>,
    /// What was reached, and when.
    pub milestones: BTreeMap<Milestone, Timestamp>,
    /// How it was measured.
    pub measured: BTreeMap<Objective, Measure>,
    /// What became of its effects.
    pub effects: BTreeMap<(StepId, EffectNo), Sent>,
    /// An irreversible effect was sent, or may have been: there is only forward.
    pub irrevocable: bool,
    /// Effects that are irreversible.
    lasting: BTreeSet<(StepId, EffectNo)>,
    /// What running steps wait for.
    pub waits: BTreeMap<StepId, StepView>,
    /// What was seen last.
    pub world: World,
}

/// What a run is doing as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Its steps.
    #[default]
    Forward,
    /// Nothing: it waits for a person.
    Paused(PauseReason),
    /// Taking itself back.
    Undoing,
    /// The steps of `finally`.
    Closing,
    /// Nothing more.
    Finished(RunOutcome),
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// How it is.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// When its first attempt began.
    pub started: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether its last attempt was of its action or of its undo.
    pub way: Way,
    /// What was seen that matters, last.
    pub facts: Vec<Fact>,
}

/// How a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It may start.
    Ready,
    /// It works, or is being undone.
    Running(Way),
    /// It is tried again then.
    Retrying(Timestamp),
    /// One of its effects may or may not have happened.
    InDoubt,
    /// It gave up.
    Failed {
        /// Why.
        why: String,
        /// What a person can do about it.
        hint: Option<String>,
    },
    /// It is done, and how that came.
    Done(How),
    /// It was left out.
    LeftOut(SkipReason),
    /// It was taken back.
    Undone,
}

/// A question that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The step it is about.
    pub step: Option<StepId>,
    /// Which question.
    pub question: Question,
    /// What is asked.
    pub message: String,
    /// What it is decided on.
    pub facts: Vec<Fact>,
    /// When silence becomes an answer.
    pub until: Option<Timestamp>,
    /// What would be lost, for the data-loss question; none: unknown.
    pub loss: Option<Span>,
}

/// Something held closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// In words.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// When it has lasted too long.
    pub until: Timestamp,
    /// Only a promotion ends it.
    pub past_return: bool,
}

/// What became of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is about to be sent.
    Intended,
    /// It happened.
    Applied,
    /// It did not.
    Refused,
    /// Nobody knows.
    InDoubt,
}

impl Progress {
    /// The fold of a journal.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut progress = Self::default();
        events.into_iter().for_each(|e| progress.apply(e));
        progress
    }

    /// Takes a fact in. The start of another run begins anew.
    pub fn apply(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::RunStarted { .. }) {
            *self = Self { started: event.at, ..Self::default() };
        }
        self.run = Some(event.run.clone());
        self.now = self.now.max(event.at);
        self.apply_run(event);
        self.apply_step(event);
        self.apply_effect(&event.kind);
    }

    /// Takes the clock's time in.
    pub fn tick(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Takes in what a step waits for.
    pub fn waits(&mut self, view: StepView) {
        self.waits.insert(view.step.clone(), view);
    }

    /// Takes in what was seen.
    pub fn seen(&mut self, sights: Vec<Sight>) {
        for sight in sights {
            self.world.put(sight);
        }
    }

    fn apply_run(&mut self, event: &Event) {
        use EventKind as K;
        match &event.kind {
            K::RunStarted { plan, by, realm, since, owed, .. } => {
                self.mode = Some(plan.mode);
                self.world = World::of(plan.observed.clone());
                (self.plan, self.by, self.realm) = (Some(plan.clone()), Some(by.clone()), Some(*realm));
                self.since = *since;
                self.owed = owed.iter().cloned().collect();
            }
            K::RunPaused { why } => self.phase = Phase::Paused(why.clone()),
            K::RunResumed { .. } | K::RunContinued { .. } => self.phase = Phase::Forward,
            K::UndoBegun { .. } => self.phase = Phase::Undoing,
            K::ClosingBegun => self.phase = Phase::Closing,
            K::RunFinished { outcome } => {
                self.phase = Phase::Finished(*outcome);
                self.asks.clear();
                self.waits.clear();
            }
            K::ConfirmationAsked { ask, step, question, message, facts, until, loss } => {
                let (step, message, facts) = (step.clone(), message.clone(), facts.clone());
                self.asks.insert(*ask, Ask { step, question: *question, message, facts, until: *until, loss: *loss });
            }
            K::ConfirmationGiven { ask, .. } => drop(self.asks.remove(ask)),
            K::HoldOpened { step, until, what, before } => {
                let since = before.as_ref().map_or(event.at, |b| b.since);
                let past_return = before.as_ref().is_some_and(|b| b.past_return);
                let hold = Hold { what: what.clone(), since, until: *until, past_return };
                self.holds.insert(step.clone(), hold);
            }
            K::HoldClosed { step, .. } => drop(self.holds.remove(step)),
            K::ObligationOpened { owed, .. } => drop(self.owed.insert(owed.clone())),
            K::ObligationPaid { owed } => drop(self.owed.remove(owed)),
            K::MilestoneReached { milestone, .. } => drop(self.milestones.insert(*milestone, event.at)),
            K::ObjectiveMeasured { objective, value } => drop(self.measured.insert(*objective, value.clone())),
            _ => {}
        }
    }

    fn apply_step(&mut self, event: &Event) {
        use EventKind as K;
        let (step, state) = match &event.kind {
            K::StepReady { step } | K::StepRetried { step, .. } => (step, State::Ready),
            K::AttemptStarted { step, way, .. } => (step, State::Running(*way)),
            K::AttemptFailed { step, retry_at: Some(at), .. } => (step, State::Retrying(*at)),
            K::EffectInDoubt { step, .. } => (step, State::InDoubt),
            K::EffectSettled { step, .. } => {
                (step, State::Running(self.steps.get(step).map_or(Way::Forward, |s| s.way)))
            }
            K::StepFailed { step, why, hint } => (step, State::Failed { why: why.clone(), hint: hint.clone() }),
            K::StepSucceeded { step, .. } => (step, State::Done(How::Succeeded)),
            K::StepPassed { step, how } => (step, State::Done(*how)),
            K::StepMarkedDone { step, .. } => (step, State::Done(How::MarkedDone)),
            K::StepSkipped { step, why } => (step, State::LeftOut(why.clone())),
            K::StepUndone { step } => (step, State::Undone),
            _ => return,
        };
        if !matches!(state, State::Running(_) | State::InDoubt) {
            self.waits.remove(step);
        }
        let entry = self.steps.entry(step.clone()).or_insert_with(|| Step {
            state: State::Ready,
            since: event.at,
            started: None,
            attempts: 0,
            way: Way::Forward,
            facts: vec![],
        });
        if let K::AttemptStarted { attempt, way, .. } = &event.kind {
            (entry.attempts, entry.way) = (attempt.0, *way);
            entry.started = entry.started.or(Some(event.at));
        }
        if let K::StepSucceeded { facts, .. } = &event.kind {
            entry.facts.clone_from(facts);
        }
        (entry.state, entry.since) = (state, event.at);
    }

    fn apply_effect(&mut self, kind: &EventKind) {
        use EventKind as K;
        let (key, sent) = match kind {
            K::EffectIntended { step, effect, call, .. } => {
                if call.impact() == Impact::Irreversible {
                    self.lasting.insert((step.clone(), *effect));
                }
                ((step.clone(), *effect), Sent::Intended)
            }
            K::EffectApplied { step, effect, .. } => ((step.clone(), *effect), Sent::Applied),
            K::EffectRefused { step, effect, .. } => ((step.clone(), *effect), Sent::Refused),
            K::EffectInDoubt { step, effect, .. } => ((step.clone(), *effect), Sent::InDoubt),
            K::EffectSettled { step, effect, landed } => {
                let sent = match landed {
                    Landed::Yes | Landed::InProgress | Landed::Superseded => Sent::Applied,
                    Landed::No => Sent::Refused,
                    Landed::Unclear => Sent::InDoubt,
                };
                ((step.clone(), *effect), sent)
            }
            _ => return,
        };
        self.effects.insert(key, sent);
        let happened = |key: &(StepId, EffectNo)| self.effects.get(key).is_some_and(|sent| *sent != Sent::Refused);
        self.irrevocable = self.lasting.iter().any(happened);
    }

    /// How far effects came: how many of them are so.
    pub fn count(&self, sent: Sent) -> usize {
        self.effects.values().filter(|s| **s == sent).count()
    }

    /// Steps that work, wait for another try or are in doubt, those that began first in front.
    pub fn active(&self) -> Vec<(&StepId, &Step)> {
        let works = |s: &State| matches!(s, State::Running(_) | State::Retrying(_) | State::InDoubt);
        let mut active: Vec<_> = self.steps.iter().filter(|(_, s)| works(&s.state)).collect();
        active.sort_by_key(|(_, s)| s.started.unwrap_or(s.since));
        active
    }

    /// Steps that run in this plan, and how many of them are over.
    pub fn tally(&self) -> (usize, usize) {
        let Some(plan) = &self.plan else { return (0, 0) };
        let runs: Vec<_> = plan.steps.iter().filter(|s| s.runs()).collect();
        let over = |id| {
            let state = self.steps.get(id).map(|s| &s.state);
            matches!(state, Some(State::Done(_) | State::LeftOut(_) | State::Undone))
        };
        (runs.iter().filter(|s| over(&s.id)).count(), runs.len())
    }

    /// What the RTO clock shows: since the incident, or since the run where nobody said; it stands
    /// still once service is restored.
    pub fn rto_clock(&self) -> Span {
        let end = self.milestones.get(&Milestone::ServiceRestored).copied().unwrap_or(self.now);
        end.since(self.since.unwrap_or(self.started))
    }
}
