//! What a run takes over from the one before it: what that one held closed and did not open again.
//!
//! A hold belongs to a step that can take it back. Where the new plan closes the same thing itself,
//! the hold is that step's; else the old step comes along, only ever to be taken back.

use super::state::{Held, RunState};
use crate::{
    clock::Timestamp,
    event::{EventKind, HeldBefore},
    ids::StepId,
    plan::{Plan, PlanStep, Prediction, Section},
};

/// A hold, and the step that opened it.
#[derive(Clone, Debug)]
pub struct Inherited {
    step: PlanStep,
    held: Held,
}

impl Inherited {
    /// All that a run holds.
    pub fn all(state: &RunState) -> Vec<Self> {
        let one = |(id, held): (&StepId, &Held)| {
            let held = Held { past_return: held.past_return || state.past_return(), ..held.clone() };
            Some(Self { step: state.planned(id)?.clone(), held })
        };
        state.holds.iter().filter_map(one).collect()
    }

    /// The step that opened it.
    pub fn step(&self) -> &PlanStep {
        &self.step
    }

    /// Puts it into a plan that is about to start; the fact to begin with.
    pub(super) fn take_over(self, plan: &mut Plan, now: Timestamp) -> EventKind {
        let own = plan.steps.iter().find(|s| closes_the_same(s, &self.step));
        let max = own.and_then(|s| s.hold).or(self.step.hold).map(|h| h.max).unwrap_or_default();
        let step = match own {
            Some(own) => own.id.clone(),
            None => brought(plan, &self.step, &self.held),
        };
        let Held { what, since, by, past_return, .. } = self.held;
        // People decided anew to hold it: its time begins again, its age does not.
        EventKind::HoldOpened { step, until: now + max, what, before: Some(HeldBefore { run: by, since, past_return }) }
    }
}

/// Whether a step of a new plan is what held before, and can take it back.
fn closes_the_same(new: &PlanStep, old: &PlanStep) -> bool {
    let same = new.draft.action == old.draft.action && new.at == old.at && new.resources == old.resources;
    same && (new.id == old.id || !new.resources.is_empty()) && new.undo.is_some() == old.undo.is_some()
}

/// Brings a step into a plan, and gives its name there.
fn brought(plan: &mut Plan, old: &PlanStep, held: &Held) -> StepId {
    let mut id = old.id.clone();
    while plan.step(&id).is_some() {
        id = StepId::new(format!("{id}_{}", held.by));
    }
    plan.steps.push(PlanStep {
        id: id.clone(),
        section: Section::Held,
        needs: vec![],
        confirm: None,
        milestone: None,
        prediction: Prediction::default(),
        ..old.clone()
    });
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Span, engine::tests::Run, ids::RunId};

    fn freeze(id: &str, more: &str) -> String {
        format!("failover: [{{ id: {id}, action: freeze-writes, resource: db, at: from{more} }}]")
    }

    /// What another run's plan makes of a hold of the first: the step that has it there, and how many there are.
    fn taken(old: (&str, &str), new: &str) -> (String, usize) {
        let mut held = Run::planned(old.1);
        let until = held.now + Span::mins(5);
        let (step, what) = (old.0.into(), "writes frozen at ohio".to_owned());
        held.tell(vec![EventKind::HoldOpened { step, until, what: what.clone(), before: None }]);
        let mut plan = (*Run::planned(new).state.plan).clone();
        let hold = Inherited::all(&held.state).remove(0);
        let opened = hold.take_over(&mut plan, held.now);
        let EventKind::HoldOpened { step, what: told, before: Some(before), .. } = opened else { panic!("{opened:?}") };
        assert_eq!((told, before.run, before.since), (what, RunId::new("r1"), held.now), "its age stays");
        assert!(plan.step(&step).is_some());
        (step.to_string(), plan.steps.len())
    }

    #[test]
    fn a_hold_is_taken_over_by_the_step_that_closes_the_same_else_its_own_comes_along() {
        const UNDO: &str = ", undo: unfreeze-writes, hold: { max: 5m, then: undo }";
        let old = freeze("freeze", UNDO);
        let taken_by = |new: &str| taken(("freeze", &old), new);
        assert_eq!(taken_by(&old), ("freeze".into(), 1));
        assert_eq!(taken_by(&freeze("close", UNDO)), ("close".into(), 1), "what it closes counts, not its name");
        assert_eq!(taken_by(&freeze("freeze", "")), ("freeze_r1".into(), 2), "it could not open it again");
        let there = freeze("freeze", UNDO).replace("at: from", "at: to");
        assert_eq!(taken_by(&there), ("freeze_r1".into(), 2), "that is another site");
        let other = "failover: [{ id: freeze, action: exec, with: { command: [cut] } }]";
        assert_eq!(taken_by(other), ("freeze_r1".into(), 2), "that is another thing");
    }

    #[test]
    fn of_commands_nothing_tells_that_two_close_the_same_but_their_name() {
        let stop = |id: &str| {
            format!(
                "failover: [{{ id: {id}, action: exec, with: {{ command: [stop] }}, undo: {{ with: {{ command: [go] }} }} }}]"
            )
        };
        assert_eq!(taken(("stop", &stop("stop")), &stop("stop")), ("stop".into(), 1));
        assert_eq!(taken(("stop", &stop("stop")), &stop("halt")), ("stop".into(), 2));
    }
}
