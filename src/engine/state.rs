//! The state of a run: the fold of its events, nothing else. Pure and total; live and replay share it.

use super::{
    asks::Ask,
    step_run::{EffectRun, EffectStatus, StepRun, StepState},
    step_runs::{Changing, StepRuns},
};
use crate::{
    action::Question,
    clock::Timestamp,
    event::{
        AnsweredBy, Cause, Event, EventKind, How, Measure, Objective, Obligation, PauseReason, Policy, Realm,
        RunOutcome, Who,
    },
    ids::{AskId, ControlId, Epoch, RunId, Seq, StepId},
    model::{Impact, Outputs},
    plan::{Plan, PlanStep},
    runbook::Milestone,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A run, as its events tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// The run.
    pub run: RunId,
    /// The last event folded.
    pub head: Seq,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its time.
    pub last_at: Timestamp,
    /// The plan.
    pub plan: Arc<Plan>,
    /// Who started it.
    pub by: Who,
    /// Where.
    pub realm: Realm,
    /// When it started.
    pub started: Timestamp,
    /// When the incident began, where somebody said.
    pub since: Option<Timestamp>,
    /// Why it began without a person; none: a person began it.
    pub cause: Option<Cause>,
    /// What the command line answers beforehand.
    pub policy: Policy,
    /// How far it is.
    pub phase: Phase,
    /// Why it waits; nothing more is started while it does.
    pub paused: Option<PauseReason>,
    /// Since when nobody works on it: its pause, else the last thing that it did itself.
    pub idle_since: Timestamp,
    /// Every step.
    pub steps: StepRuns,
    /// What steps tell later ones; of those that tell nothing, nothing.
    pub outputs: BTreeMap<StepId, Outputs>,
    /// Every question.
    pub asks: BTreeMap<AskId, Ask>,
    /// What is held closed now, by the step that holds it.
    pub holds: BTreeMap<StepId, Held>,
    /// What the sites are owed now.
    pub owed: BTreeSet<Obligation>,
    /// How far it got, and when.
    pub milestones: BTreeMap<Milestone, Timestamp>,
    /// How it came out against what was promised.
    pub measures: Vec<(Objective, Measure)>,
    /// The last control taken from the inbox.
    pub last_control: ControlId,
    /// The lease's holder.
    pub holder: Option<Who>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its steps run.
    Forward,
    /// It is taken back: all of it, or what is held.
    Undoing {
        /// Only what is held.
        holds_only: bool,
    },
    /// Only `finally` is left. Whether it was taken back before.
    Closing {
        /// An undo or an abort came before.
        aborted: bool,
    },
    /// It ended.
    Finished,
}

/// Something held closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What, in words.
    pub what: String,
    /// The run that closed it.
    pub by: RunId,
    /// Since when.
    pub since: Timestamp,
    /// When it has lasted too long.
    pub until: Timestamp,
    /// The run that closed it may have promoted the resource elsewhere: it is not opened again.
    pub past_return: bool,
    /// People were called for it.
    pub overdue: bool,
}

/// An event that cannot follow those before it: another lifeboat's, or damage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} cannot follow those before it: {why}")]
pub struct Mismatch {
    /// Which event.
    pub seq: Seq,
    /// Why not.
    pub why: String,
}

impl RunState {
    /// The state after the first event, which must be the run's start.
    pub fn begin(event: &Event) -> Result<Self, Mismatch> {
        let EventKind::RunStarted { plan, by, realm, policy, since, owed, cause, .. } = &event.kind else {
            return Err(Mismatch { seq: event.seq, why: "a run begins with its start".into() });
        };
        Ok(Self {
            run: event.run.clone(),
            head: event.seq,
            epoch: event.epoch,
            last_at: event.at,
            plan: plan.clone(),
            by: by.clone(),
            realm: *realm,
            started: event.at,
            since: *since,
            cause: cause.as_deref().cloned(),
            policy: policy.clone(),
            phase: Phase::Forward,
            paused: None,
            idle_since: event.at,
            steps: StepRuns::new(plan, event.at),
            outputs: BTreeMap::new(),
            asks: BTreeMap::new(),
            holds: BTreeMap::new(),
            owed: owed.iter().cloned().collect(),
            milestones: BTreeMap::new(),
            measures: vec![],
            last_control: ControlId(0),
            holder: None,
            outcome: None,
        })
    }

    /// The state after all these events.
    pub fn replay(events: &[Event]) -> Result<Self, Mismatch> {
        let Some((first, rest)) = events.split_first() else {
            return Err(Mismatch { seq: Seq(1), why: "the run has no events".into() });
        };
        let mut state = Self::begin(first)?;
        for event in rest {
            state.apply(event)?;
        }
        Ok(state)
    }

    /// Takes in the next event.
    pub fn apply(&mut self, event: &Event) -> Result<(), Mismatch> {
        let wrong = |why: &str| Mismatch { seq: event.seq, why: why.to_owned() };
        if event.seq != self.head.next() {
            return Err(wrong("a gap in the sequence"));
        }
        if event.epoch < self.epoch {
            return Err(wrong("an epoch from before"));
        }
        if self.phase == Phase::Finished {
            return Err(wrong("the run has ended already"));
        }
        self.head = event.seq;
        self.epoch = event.epoch;
        let at = event.at;
        let idles = self.paused.is_some()
            || matches!(event.kind, EventKind::LeaseTaken { .. } | EventKind::ControlReceived { .. });
        self.fold(&event.kind, at).map_err(|why| wrong(&why))?;
        self.last_at = at;
        if !idles {
            self.idle_since = at;
        }
        Ok(())
    }

    fn fold(&mut self, kind: &EventKind, at: Timestamp) -> Result<(), String> {
        use EventKind as E;
        match kind {
            E::RunStarted { .. } => return Err("a run starts once".into()),
            E::PlanSealed { .. } => {}
            E::HoldOverdue { step } => {
                if let Some(held) = self.holds.get_mut(step) {
                    held.overdue = true;
                }
            }
            E::LeaseTaken { holder, .. } => {
                if self.holder.as_ref().is_some_and(|before| before.host != holder.host) {
                    self.steps.each(|step| step.redate(at));
                }
                self.holder = Some(holder.clone());
            }
            E::RunResumed { policy, .. } => self.resumed(policy.clone(), at),
            E::RunPaused { why } => self.paused = Some(why.clone()),
            E::RunContinued { .. } => {
                self.taken_up(at);
            }
            E::ConfirmationAsked { ask, step, question, message, facts, until, loss } => {
                let asked = Ask {
                    step: step.clone(),
                    question: *question,
                    message: message.clone(),
                    facts: facts.clone(),
                    until: *until,
                    loss: *loss,
                    asked: at,
                    answer: None,
                    answered: None,
                    by: None,
                    paged: false,
                    moot: false,
                };
                drop(self.asks.insert(*ask, asked));
            }
            E::ConfirmationGiven { ask, answer, by } => self.answered(*ask, *answer, by.clone(), at)?,
            E::UndoBegun { holds_only, .. } => {
                self.moot(|a| a.question != Question::InDoubt);
                self.phase = Phase::Undoing { holds_only: *holds_only };
                self.paused = None;
            }
            E::ClosingBegun => {
                self.phase = Phase::Closing { aborted: matches!(self.phase, Phase::Undoing { .. }) };
                self.paused = None;
            }
            E::HoldOpened { step, until, what, before } => {
                let (by, since, past_return) = match before {
                    Some(before) => (&before.run, before.since, before.past_return),
                    None => (&self.run, at, false),
                };
                let (what, by, until) = (what.clone(), by.clone(), *until);
                drop(self.holds.insert(step.clone(), Held { what, by, since, until, past_return, overdue: false }));
            }
            E::HoldClosed { step, .. } => drop(self.holds.remove(step)),
            E::ObligationOpened { owed, .. } => drop(self.owed.insert(owed.clone())),
            E::ObligationPaid { owed } => drop(self.owed.remove(owed)),
            E::MilestoneReached { milestone, .. } => drop(self.milestones.entry(*milestone).or_insert(at)),
            E::ControlReceived { id, .. } => self.last_control = self.last_control.max(*id),
            E::ObjectiveMeasured { objective, value } => self.measures.push((*objective, value.clone())),
            E::RunFinished { outcome } => {
                self.phase = Phase::Finished;
                self.paused = None;
                self.outcome = Some(*outcome);
            }
            other => self.fold_step(other, at)?,
        }
        Ok(())
    }

    fn fold_step(&mut self, kind: &EventKind, at: Timestamp) -> Result<(), String> {
        use EventKind as E;
        let undoing = matches!(self.phase, Phase::Undoing { .. });
        match kind {
            E::StepSucceeded { step, .. }
            | E::StepSkipped { step, .. }
            | E::StepFailed { step, .. }
            | E::StepMarkedDone { step, .. }
            | E::StepUndone { step } => self.moot(|a| a.step.as_ref() == Some(step) && a.question != Question::InDoubt),
            E::EffectSettled { step, .. } => {
                // An answer is about one effect: the next doubt of the step is asked anew.
                let of = |a: &&mut Ask| a.step.as_ref() == Some(step) && a.question == Question::InDoubt;
                self.asks.values_mut().filter(of).for_each(|a| a.moot = true);
            }
            _ => {}
        }
        match kind {
            E::StepReady { step } => self.step_mut(step)?.state = StepState::Ready,
            E::AttemptStarted { step, attempt, way, inputs, deadline } => {
                self.step_mut(step)?.start(*attempt, *way, inputs.clone(), *deadline, at);
            }
            E::EffectIntended { step, effect, call, before, .. } => {
                let mut step = self.step_mut(step)?;
                let run = EffectRun {
                    effect: call.clone(),
                    before: before.clone(),
                    intended: at,
                    sent_by: at,
                    way: step.way,
                    status: EffectStatus::Intended,
                };
                step.effects.insert(*effect, Box::new(run));
            }
            E::EffectApplied { step, effect, receipt } => {
                self.step_mut(step)?.settle(*effect, EffectStatus::Applied(receipt.clone()), at)?;
            }
            E::EffectRefused { step, effect, .. } => self.step_mut(step)?.settle(*effect, EffectStatus::Refused, at)?,
            E::EffectInDoubt { step, effect, .. } => self.step_mut(step)?.settle(*effect, EffectStatus::InDoubt, at)?,
            E::EffectSettled { step, effect, landed } => {
                self.step_mut(step)?.settle(*effect, EffectStatus::Settled(*landed), at)?;
            }
            E::Observed { step, holds, .. } => self.step_mut(step)?.observed(*holds, at),
            E::AttemptFailed { step, retry_at, .. } => {
                let mut step = self.step_mut(step)?;
                step.state = retry_at.map_or(StepState::Running, StepState::Backoff);
            }
            E::StepSucceeded { step, outputs, .. } => {
                self.step_mut(step)?.end(StepState::Done(How::Succeeded), at);
                if outputs.is_empty() {
                    self.outputs.remove(step);
                } else {
                    self.outputs.insert(step.clone(), outputs.clone());
                }
            }
            E::StepSkipped { step, .. } => self.step_mut(step)?.end(StepState::Done(How::Skipped), at),
            E::StepFailed { step, why, .. } => {
                let mut step = self.step_mut(step)?;
                // What fails while a run is taken back failed at being taken back.
                step.way = if undoing { crate::event::Way::Undo } else { step.way };
                step.end(StepState::Failed(why.clone()), at);
            }
            E::StepPassed { step, how } => self.step_mut(step)?.end(StepState::Done(*how), at),
            E::StepMarkedDone { step, .. } => self.step_mut(step)?.end(StepState::Done(How::MarkedDone), at),
            E::StepRetried { step, .. } => self.step_mut(step)?.retry(),
            E::StepUndone { step } => self.step_mut(step)?.end(StepState::Undone, at),
            other => return Err(format!("no step event: {other:?}")),
        }
        Ok(())
    }

    /// Another process took the run up: what the one before it had not settled is in doubt, what it
    /// watched was unwatched meanwhile, and time without a process is nobody's fault.
    fn resumed(&mut self, policy: Policy, at: Timestamp) {
        self.policy = policy;
        self.taken_up(at);
        let planned = self.plan.steps.iter().chain(&self.plan.finally);
        for plan in planned {
            let Some(mut step) = self.steps.get_mut(&plan.id) else { continue };
            let step = &mut *step;
            let waits = !plan.best_effort() || plan.at != self.plan.ends.from.name;
            for effect in step.effects.values_mut().filter(|e| e.is_open()) {
                effect.status = EffectStatus::InDoubt;
                // That doubt is no work of the step: a command whose dark window is its whole timeout
                // must still have time to be sent again. A best effort at the site being left is not
                // worth the wait.
                if waits {
                    step.deadline = step.deadline + effect.effect.dark();
                }
            }
        }
    }

    /// Somebody works on it again: the time since nobody did counts against nobody, and what was to
    /// hold all the while was not watched.
    fn taken_up(&mut self, at: Timestamp) {
        let idle = at.since(self.idle_since);
        self.paused = None;
        self.steps.each(|step| {
            step.deadline = step.deadline + idle;
            step.past.holding_since = None;
            step.undo_past.holding_since = None;
        });
        for ask in self.asks.values_mut().filter(|a| a.is_open()) {
            ask.until = ask.until.map(|until| until + idle);
        }
    }

    /// Questions that nobody needs to answer any more.
    fn moot(&mut self, of: impl Fn(&Ask) -> bool) {
        self.asks.values_mut().filter(|a| a.is_open() && of(a)).for_each(|a| a.moot = true);
    }

    fn answered(
        &mut self,
        id: AskId,
        answer: crate::event::Answered,
        by: AnsweredBy,
        at: Timestamp,
    ) -> Result<(), String> {
        let ask = self.asks.get_mut(&id).ok_or_else(|| format!("there is no question {id}"))?;
        let (question, of) = (ask.question, ask.step.clone());
        let yes = ask.give(answer, by, at);
        let (Some(yes), Some(step)) = (yes, of) else { return Ok(()) };
        let mut step = self.step_mut(&step)?;
        if question == Question::Confirm {
            step.confirmed = yes.then_some(at);
        } else {
            step.past_mut().answers.insert(question, yes);
        }
        Ok(())
    }

    fn step_mut(&mut self, id: &StepId) -> Result<Changing<'_>, String> {
        self.steps.get_mut(id).ok_or_else(|| format!("the plan has no step {id}"))
    }

    /// A step of the run and of its plan.
    pub fn step(&self, id: &StepId) -> Option<(&PlanStep, &StepRun)> {
        Some((self.planned(id)?, self.steps.get(id)?))
    }

    /// A step's plan; as [`Plan::step`], found at once.
    pub fn planned(&self, id: &StepId) -> Option<&PlanStep> {
        Some(self.planned_at(self.steps.place(id)?))
    }

    fn planned_at(&self, place: usize) -> &PlanStep {
        self.plan.steps.get(place).unwrap_or_else(|| &self.plan.finally[place - self.plan.steps.len()])
    }

    /// The steps of which something may come now, in the plan's order, those of `finally` last.
    pub(super) fn agenda(&self) -> impl Iterator<Item = (&PlanStep, &StepRun)> {
        self.steps.agenda().map(|(place, run)| (self.planned_at(place), run))
    }

    /// Something irreversible has happened or may have, by this run or before it: there is only
    /// forward from here.
    pub fn past_return(&self) -> bool {
        let effects = self.steps.values().flat_map(|s| s.effects.values());
        let sent =
            effects.filter(|e| e.effect.impact() == Impact::Irreversible).any(|effect| effect.may_have_happened());
        let is_done = |id: &StepId| matches!(self.steps[id].state, StepState::Done(How::Succeeded | How::MarkedDone));
        sent || self.plan.irreversible().any(|step| is_done(&step.id))
    }

    /// Since when all promotions are done; of a runbook without one, what else is irreversible. None:
    /// they are not, whatever was sent.
    pub(super) fn promoted(&self) -> Option<Timestamp> {
        let promotes = |s: &&PlanStep| s.draft.action.as_deref() == Some("promote-replica");
        let named = self.plan.irreversible().any(|s| promotes(&s));
        let steps = self.plan.irreversible().filter(|s| !named || promotes(s)).map(|s| &self.steps[&s.id]);
        let all = steps.collect::<Vec<_>>();
        let done = |run: &&&StepRun| matches!(run.state, StepState::Done(How::Succeeded | How::MarkedDone));
        all.iter().all(|run| run.is_done()).then(|| all.iter().filter(done).filter_map(|run| run.ended).max())?
    }

    /// Whether anything was changed, or may have been.
    pub fn touched(&self) -> bool {
        self.steps.values().flat_map(|s| s.effects.values()).any(|effect| effect.may_have_happened())
    }

    /// Questions that wait for an answer.
    pub fn open_asks(&self) -> impl Iterator<Item = (AskId, &Ask)> {
        self.asks.iter().filter(|(_, a)| a.is_open()).map(|(id, a)| (*id, a))
    }

    /// When the incident began: as said, else the run's start.
    pub fn incident(&self) -> Timestamp {
        self.since.unwrap_or(self.started)
    }
}

#[cfg(test)]
mod tests;
