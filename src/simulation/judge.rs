//! What must be so, whatever goes wrong: asked after every event that is durable and before every
//! effect that leaves.
//!
//! | | what |
//! |---|---|
//! | I1 | an effect leaves only when its intent is durable |
//! | I2 | what must not be repeated is applied once |
//! | I3 | no effect of a step before all that it needs is durably done |
//! | I4 | the journal is a legal history at every place |
//! | I5 | who has lost its lease writes nothing and sends nothing |
//! | I6 | traffic is never sent nowhere |
//! | I7 | only what had an effect, or may have, is taken back |
//! | I8 | what is in doubt is settled, asked or reported: a run does not end silent about it |
//! | I9 | a run that got there has done every step, or says which was left out and why |

use crate::{
    engine::{EffectRun, EffectStatus, RunState, StepRun, StepState},
    event::{Event, EventKind, How, RunOutcome, Way},
    ids::{EffectNo, Epoch, RunId, StepId},
    plan::Section,
    world::{Call, Effect, Seen, Sight, dns::RecordSet},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Watches over one schedule.
#[derive(Default)]
pub struct Judge {
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    runs: BTreeMap<RunId, RunState>,
    epochs: BTreeMap<u32, Epoch>,
    newest: Epoch,
    broken: Vec<String>,
}

impl Judge {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was broken so far, in words.
    pub fn broken(&self) -> Vec<String> {
        self.book().broken.clone()
    }

    /// Something is not as it must be.
    pub fn blame(&self, what: impl Into<String>) {
        self.book().broken.push(what.into());
    }

    /// A run as its durable events tell it.
    pub fn run(&self, run: &RunId) -> Option<RunState> {
        self.book().runs.get(run).cloned()
    }

    /// Whether a run has ended, as far as its durable events tell.
    pub fn ended(&self, run: &RunId) -> bool {
        self.book().runs.get(run).is_some_and(|state| state.outcome.is_some())
    }

    /// A process was given the lease.
    pub(super) fn claimed(&self, process: u32, epoch: Epoch) {
        let mut book = self.book();
        let newest = book.newest;
        if epoch <= newest {
            book.broken.push(format!("I5: epoch {epoch} was given after epoch {newest}"));
        }
        book.newest = book.newest.max(epoch);
        book.epochs.insert(process, epoch);
    }

    /// Events of a process are durable from now on.
    pub(super) fn durable(&self, process: u32, batch: &[Event]) {
        let mut book = self.book();
        if book.epochs.get(&process) != Some(&book.newest) {
            book.broken.push(format!("I5: process {process} wrote although its lease was another's"));
        }
        for event in batch {
            if let Err(why) = book.take(event) {
                book.broken.push(format!("{why} (event {} of {})", event.seq, event.run));
            }
        }
    }

    /// An effect is about to leave a process.
    pub(super) fn leaves(&self, process: u32, token: &str, effect: &Effect) {
        let mut book = self.book();
        if book.epochs.get(&process) != Some(&book.newest) {
            book.broken.push(format!("I5: process {process} sent {token} although its lease was another's"));
        }
        if let Err(why) = book.may_leave(token, effect) {
            book.broken.push(why);
        }
    }
}

impl Book {
    fn take(&mut self, event: &Event) -> Result<(), String> {
        let Some(state) = self.runs.get_mut(&event.run) else {
            let state = RunState::begin(event).map_err(|why| format!("I4: {why}"))?;
            self.runs.insert(event.run.clone(), state);
            return Ok(());
        };
        allowed(state, &event.kind)?;
        state.apply(event).map_err(|why| format!("I4: {why}"))
    }

    fn may_leave(&self, token: &str, effect: &Effect) -> Result<(), String> {
        let mut parts = token.split('-');
        let (run, step, no) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let state = self.runs.get(&RunId::from(run)).ok_or_else(|| format!("I1: {token} is of no durable run"))?;
        let (plan, steps) = state.step(&StepId::from(step)).ok_or_else(|| format!("I1: {token} is of no step"))?;
        let meant = |known: &EffectNo, one: &EffectRun| {
            // What carries a token of its content is known by that alone.
            let same = no.parse().map_or(true, |no: u32| known.0 == no);
            same && one.status == EffectStatus::Intended && *one.effect == *effect
        };
        let Some((_, intent)) = steps.effects.iter().find(|(known, one)| meant(known, one)) else {
            return Err(format!("I1: {token} leaves without a durable intent: {}", effect.words()));
        };
        if steps.way == Way::Forward && plan.section == Section::Main {
            needs_done(state, plan.needs.iter()).map_err(|need| format!("I3: {token} leaves before {need} is done"))?;
        }
        nowhere(effect, &intent.before)
    }
}

/// What an event says must be possible now.
fn allowed(state: &RunState, kind: &EventKind) -> Result<(), String> {
    match kind {
        EventKind::EffectIntended { step, .. } => {
            let Some((plan, run)) = state.step(step) else { return Err(format!("I4: there is no step {step}")) };
            if run.has_open_effect() {
                return Err(format!("I2: {step} intends another effect while one is open"));
            }
            if run.way == Way::Forward && plan.section == Section::Main {
                needs_done(state, plan.needs.iter())
                    .map_err(|need| format!("I3: {step} acts before {need} is done"))?;
            }
            Ok(())
        }
        EventKind::AttemptStarted { step, way: Way::Undo, .. } => {
            let touched = state.steps.get(step).is_some_and(StepRun::may_have_acted) || state.holds.contains_key(step);
            if touched { Ok(()) } else { Err(format!("I7: {step} is taken back, yet did nothing")) }
        }
        EventKind::RunFinished { outcome } => may_end(state, *outcome),
        _ => Ok(()),
    }
}

/// How a run may end that stands so.
fn may_end(state: &RunState, outcome: RunOutcome) -> Result<(), String> {
    let mut steps = state.plan.steps.iter().chain(&state.plan.finally);
    let open = steps.find(|s| state.steps[&s.id].has_open_effect() && !s.best_effort());
    if let Some(step) = open.filter(|_| outcome != RunOutcome::InDoubt) {
        return Err(format!("I8: it ends as {outcome}, silent about the doubt of {}", step.id));
    }
    // What fails of `finally` keeps nobody from having got there.
    match state.plan.steps.iter().find(|s| !state.steps[&s.id].is_done()) {
        Some(step) if got_there(outcome) => Err(format!("I9: it ends as {outcome}, yet {} is not done", step.id)),
        _ => Ok(()),
    }
}

/// Whether a run that ended so did what it was to do.
pub(super) fn got_there(outcome: RunOutcome) -> bool {
    matches!(outcome, RunOutcome::Done | RunOutcome::ObjectiveMissed | RunOutcome::Unprotected)
}

fn needs_done<'a>(state: &RunState, mut needs: impl Iterator<Item = &'a StepId>) -> Result<(), &'a StepId> {
    let open = needs.find(|need| state.steps.get(*need).is_some_and(|run| !run.is_done()));
    open.map_or(Ok(()), Err)
}

/// What a batch leaves of the weights, as they were seen before it.
fn nowhere(effect: &Effect, before: &Sight) -> Result<(), String> {
    let (Call::Dns(batch), Seen::Records(seen)) = (&effect.call, &before.seen) else { return Ok(()) };
    let replaced = |old: &&RecordSet| !batch.upserts.iter().any(|new| is_same(old, new));
    let after = || seen.sets.iter().filter(replaced).chain(&batch.upserts);
    let off = |set: &RecordSet| after().filter(|other| other.name == set.name).all(|other| other.weight == Some(0));
    match batch.upserts.iter().find(|set| off(set)) {
        Some(set) => Err(format!("I6: all weights of {} become 0", set.name)),
        None => Ok(()),
    }
}

fn is_same(one: &RecordSet, other: &RecordSet) -> bool {
    (&one.name, &one.record_type, &one.set_identifier) == (&other.name, &other.record_type, &other.set_identifier)
}

/// Steps that gave up or were left out, in words.
pub(super) fn not_done(state: &RunState) -> Vec<StepId> {
    let bad = |run: &StepRun| match &run.state {
        StepState::Failed(_) | StepState::Running | StepState::Backoff(_) => true,
        StepState::Done(how) => matches!(how, How::Continued),
        StepState::Pending | StepState::Ready | StepState::Undone => false,
    };
    state.steps.iter().filter(|(_, run)| bad(run)).map(|(id, _)| id.clone()).collect()
}
