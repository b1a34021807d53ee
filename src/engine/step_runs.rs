//! The steps of a run, found by name, and the agenda: those of which something may come now.
//!
//! A run is decided on after every answer. What is over, and what waits for others, is not gone through
//! again each time: a runbook of thousands of steps costs what is under way, not what it is long.

use super::step_run::{StepRun, StepState};
use crate::{clock::Timestamp, ids::StepId, plan::Plan};
use foldhash::fast::FixedState;
use std::{
    borrow::Borrow,
    collections::{BTreeSet, HashMap},
    hash::Hash,
    ops::{Deref, DerefMut, Index},
    sync::Arc,
};

/// Every step of a run, in the plan's order: those of `finally` after the others.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRuns {
    shape: Arc<Shape>,
    all: Vec<Entry>,
    /// Those that may move, by place.
    agenda: BTreeSet<usize>,
    /// How many are not done, `finally` aside.
    left: usize,
}

/// What never changes.
#[derive(Debug, PartialEq)]
struct Shape {
    names: Vec<StepId>,
    places: HashMap<StepId, usize, FixedState>,
    /// Who needs each step.
    needed_by: Vec<Vec<usize>>,
    /// Where `finally` begins.
    finally: usize,
    /// Some of them cannot be undone.
    lasting: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    run: StepRun,
    /// How many of those that it needs are not done.
    waits_for: usize,
    /// It was done when it was last taken note of.
    done: bool,
    /// It may move.
    on_agenda: bool,
}

impl StepRuns {
    /// All of a plan, none begun.
    pub(super) fn new(plan: &Plan, at: Timestamp) -> Self {
        let steps = || plan.steps.iter().chain(&plan.finally);
        let names: Vec<_> = steps().map(|step| step.id.clone()).collect();
        let places: HashMap<_, _, _> = names.iter().cloned().zip(0..).collect();
        let mut needed_by = vec![vec![]; names.len()];
        for (place, step) in steps().enumerate() {
            step.needs.iter().filter_map(|need| places.get(need)).for_each(|need| needed_by[*need].push(place));
        }
        let entry = |waits_for| Entry { run: StepRun::new(at), waits_for, done: false, on_agenda: waits_for == 0 };
        let all: Vec<_> = steps().map(|step| entry(step.needs.len())).collect();
        let agenda = (0..all.len()).filter(|place| all[*place].on_agenda).collect();
        let (finally, lasting) = (plan.steps.len(), plan.irreversible().next().is_some());
        Self { shape: Arc::new(Shape { names, places, needed_by, finally, lasting }), all, agenda, left: finally }
    }

    /// Where a step stands in the plan.
    pub(super) fn place<Q: Hash + Eq + ?Sized>(&self, id: &Q) -> Option<usize>
    where
        StepId: Borrow<Q>,
    {
        self.shape.places.get(id).copied()
    }

    /// A step.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, id: &Q) -> Option<&StepRun>
    where
        StepId: Borrow<Q>,
    {
        self.place(id).map(|place| &self.all[place].run)
    }

    /// A step, to be changed.
    pub(super) fn get_mut(&mut self, id: &StepId) -> Option<Changing<'_>> {
        let place = self.place(id)?;
        Some(Changing { of: self, place })
    }

    /// Changes all of them.
    pub(super) fn each(&mut self, mut change: impl FnMut(&mut StepRun)) {
        (0..self.all.len()).for_each(|place| change(&mut Changing { of: self, place }));
    }

    /// Takes note of what a step has become.
    fn note(&mut self, place: usize) {
        let entry = &mut self.all[place];
        let done = entry.run.is_done();
        if std::mem::replace(&mut entry.done, done) != done {
            let count = |left: usize| if done { left - 1 } else { left + 1 };
            if place < self.shape.finally {
                self.left = count(self.left);
            }
            for after in &self.shape.clone().needed_by[place] {
                self.all[*after].waits_for = count(self.all[*after].waits_for);
                self.enter(*after);
            }
        }
        self.enter(place);
    }

    /// Puts a step on the agenda, or takes it off.
    fn enter(&mut self, place: usize) {
        let Entry { run, waits_for, on_agenda, .. } = &mut self.all[place];
        let may_move = match run.state {
            StepState::Pending => *waits_for == 0,
            StepState::Ready | StepState::Running | StepState::Backoff(_) | StepState::Failed(_) => true,
            // A best effort is passed while nobody knows what became of it.
            StepState::Done(_) | StepState::Undone => run.has_open_effect(),
        };
        if may_move == *on_agenda {
            return;
        }
        *on_agenda = may_move;
        if may_move {
            self.agenda.insert(place);
        } else {
            self.agenda.remove(&place);
        }
    }

    /// The steps of which something may come and their places, in the plan's order. A step that is not
    /// among them is over with nothing in doubt, or waits for another.
    pub(super) fn agenda(&self) -> impl Iterator<Item = (usize, &StepRun)> {
        self.agenda.iter().map(|place| (*place, &self.all[*place].run))
    }

    /// Some of them cannot be undone.
    pub(super) fn are_lasting(&self) -> bool {
        self.shape.lasting
    }

    /// Every step but those of `finally` is done.
    pub(super) fn are_done(&self) -> bool {
        self.left == 0
    }

    /// All, in the plan's order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&StepId, &StepRun)> {
        self.keys().zip(self.values())
    }
    /// Their names.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &StepId> + ExactSizeIterator {
        self.shape.names.iter()
    }
    /// What became of them.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &StepRun> + ExactSizeIterator {
        self.all.iter().map(|entry| &entry.run)
    }
}

/// A step that is being changed; the agenda is right again when it is dropped.
pub(super) struct Changing<'a> {
    of: &'a mut StepRuns,
    place: usize,
}

impl Deref for Changing<'_> {
    type Target = StepRun;
    fn deref(&self) -> &StepRun {
        &self.of.all[self.place].run
    }
}
impl DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut StepRun {
        &mut self.of.all[self.place].run
    }
}
impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.of.note(self.place);
    }
}

impl<Q: Hash + Eq + ?Sized> Index<&Q> for StepRuns
where
    StepId: Borrow<Q>,
{
    type Output = StepRun;
    /// Panics where the plan has no such step.
    fn index(&self, id: &Q) -> &StepRun {
        self.get(id).expect("a step of the plan")
    }
}

#[cfg(test)]
pub(super) mod tests;
