//! The state of one step of a run, and of its effects.

use crate::{
    action::{Inputs, PastEffect, StepPast},
    clock::Timestamp,
    event::{How, Way},
    ids::{AttemptNo, EffectNo},
    world::{Class, Effect, Landed, Receipt, Sight},
};
use std::{collections::BTreeMap, sync::Arc};

/// A step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRun {
    /// Where it stands.
    pub state: StepState,
    /// Its attempts so far.
    pub attempt: AttemptNo,
    /// What the present attempt works with.
    pub inputs: Option<Arc<Inputs>>,
    /// Which of its two actions the present attempt is of.
    pub way: Way,
    /// When it is out of time.
    pub deadline: Timestamp,
    /// Its effects. Most steps have one, and a map makes room for eleven at once.
    pub effects: BTreeMap<EffectNo, Box<EffectRun>>,
    /// What it did and saw, as its action is told.
    pub past: StepPast,
    /// The same for its undo.
    pub undo_past: StepPast,
    /// When its question was last answered with yes.
    pub confirmed: Option<Timestamp>,
    /// When it was done, failed or undone.
    pub ended: Option<Timestamp>,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Something it needs is not done.
    Pending,
    /// All it needs is done; its question may be open.
    Ready,
    /// An attempt goes on, forward or undo.
    Running,
    /// The next attempt begins then.
    Backoff(Timestamp),
    /// It gave up, and the run has not gone on without it.
    Failed(String),
    /// It is done.
    Done(How),
    /// It was taken back.
    Undone,
}

/// An effect of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectRun {
    /// What.
    pub effect: Arc<Effect>,
    /// How its target was seen before.
    pub before: Arc<Sight>,
    /// When it was intended, by the clock of the machine that did.
    pub intended: Timestamp,
    /// No later than this was it sent, by the clock of the machine that holds the run now.
    pub sent_by: Timestamp,
    /// Of the action or the undo.
    pub way: Way,
    /// What became of it.
    pub status: EffectStatus,
}

/// What became of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectStatus {
    /// It is being sent by the process that holds the run.
    Intended,
    /// The provider took it.
    Applied(Receipt),
    /// It surely did not happen.
    Refused,
    /// Nobody knows.
    InDoubt,
    /// A look or a person told.
    Settled(Landed),
}

impl EffectRun {
    /// It is not known how it came out.
    pub fn is_open(&self) -> bool {
        matches!(self.status, EffectStatus::Intended | EffectStatus::InDoubt)
    }
    /// It happened, or may have.
    pub fn may_have_happened(&self) -> bool {
        !matches!(self.status, EffectStatus::Refused | EffectStatus::Settled(Landed::No))
    }
}

impl StepRun {
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            state: StepState::Pending,
            attempt: AttemptNo(0),
            inputs: None,
            way: Way::Forward,
            deadline: at,
            effects: BTreeMap::new(),
            past: StepPast::default(),
            undo_past: StepPast::default(),
            confirmed: None,
            ended: None,
        }
    }

    pub(super) fn start(
        &mut self,
        attempt: AttemptNo,
        way: Way,
        inputs: Arc<Inputs>,
        deadline: Timestamp,
        at: Timestamp,
    ) {
        self.state = StepState::Running;
        self.attempt = attempt;
        self.way = way;
        self.inputs = Some(inputs);
        self.deadline = deadline;
        let past = self.past_mut();
        past.started = at;
        past.holding_since = None;
    }

    /// What it did by the clock of another machine is dated anew. Two clocks have nothing in common:
    /// all that is known is that it was done by now.
    pub(super) fn redate(&mut self, now: Timestamp) {
        self.effects.values_mut().for_each(|effect| effect.sent_by = now);
        let sent = self.past.sent.iter_mut().chain(&mut self.undo_past.sent);
        sent.for_each(|sent| sent.at = now);
    }

    pub(super) fn settle(&mut self, no: EffectNo, status: EffectStatus, at: Timestamp) -> Result<(), String> {
        let run = self.effects.get_mut(&no).ok_or_else(|| format!("there is no effect {no}"))?;
        run.status = status;
        let landed = match &run.status {
            EffectStatus::Applied(receipt) => Some(Some(receipt.clone())),
            EffectStatus::Settled(Landed::Yes | Landed::InProgress) => Some(None),
            EffectStatus::Intended | EffectStatus::Refused | EffectStatus::InDoubt | EffectStatus::Settled(_) => None,
        };
        if let Some(receipt) = landed {
            let past = if run.way == Way::Undo { &mut self.undo_past } else { &mut self.past };
            // Most steps have one: a vector that grows by itself begins with room for four.
            past.sent.reserve_exact(1);
            past.sent.push(PastEffect { effect: run.effect.clone(), at, receipt });
        }
        Ok(())
    }

    pub(super) fn observed(&mut self, holds: Option<bool>, at: Timestamp) {
        let past = self.past_mut();
        match holds {
            Some(true) => past.holding_since = past.holding_since.or(Some(at)),
            Some(false) => past.holding_since = None,
            None => {}
        }
    }

    pub(super) fn end(&mut self, state: StepState, at: Timestamp) {
        self.state = state;
        self.ended = Some(at);
    }

    /// A failed step begins anew; what it did stays known.
    pub(super) fn retry(&mut self) {
        self.state = if self.way == Way::Undo { StepState::Done(How::Succeeded) } else { StepState::Ready };
        self.attempt = AttemptNo(0);
        self.ended = None;
        let past = self.past_mut();
        past.retries += 1;
        past.answers.clear();
        // What a look tells of is looked at again; what nothing tells of happened, and is not repeated.
        past.sent.retain(|e| matches!(e.effect.class(), Class::Unobservable | Class::Token));
    }

    /// What the present way's action is told.
    pub fn past_now(&self) -> &StepPast {
        if self.way == Way::Undo { &self.undo_past } else { &self.past }
    }
    pub(super) fn past_mut(&mut self) -> &mut StepPast {
        if self.way == Way::Undo { &mut self.undo_past } else { &mut self.past }
    }
    /// The number of its next effect.
    pub fn next_effect(&self) -> EffectNo {
        self.effects.keys().next_back().copied().unwrap_or_default().next()
    }
    /// An effect of it is being sent or is in doubt.
    pub fn has_open_effect(&self) -> bool {
        self.effects.values().any(|effect| effect.is_open())
    }
    /// An effect of it happened, or may have.
    pub fn may_have_acted(&self) -> bool {
        self.effects.values().any(|effect| effect.may_have_happened())
    }
    /// It is done, one way or another.
    pub fn is_done(&self) -> bool {
        matches!(self.state, StepState::Done(_))
    }
}

#[cfg(test)]
mod tests;
