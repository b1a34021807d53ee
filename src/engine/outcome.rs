//! How a run ends: what state is production in?

use super::{
    decide::{Cx, Turn},
    measure,
    state::RunState,
    step_run::{EffectRun, EffectStatus, StepState},
};
use crate::{
    event::{EventKind, How, Obligation, ObligationKind, RunOutcome},
    model::{Direction, Impact, Mode},
    plan::{Ends, PlanStep},
    world::{Landed, Target, What},
};

/// Rule D14.
pub(super) fn finish(cx: &Cx<'_>, aborted: bool, turn: &mut Turn) {
    let state = cx.state;
    let mut owed = state.owed.clone();
    if let Some(opened) = super::holds::unprotected(state).filter(|_| state.past_return()) {
        // Ended between the promotion's call and its end: the debt is there all the same.
        if let EventKind::ObligationOpened { owed: debt, .. } = &opened {
            owed.insert(debt.clone());
        }
        turn.push(opened);
    }
    let mut missed = false;
    if !aborted {
        for (objective, value) in measure::measure(state, cx.now) {
            missed |= value.met == Some(false);
            turn.push(EventKind::ObjectiveMeasured { objective, value });
        }
        if state.plan.direction == Direction::Reprotect {
            let paid = Obligation { kind: ObligationKind::Reprotect, site: state.plan.ends.from.name.clone() };
            if reprotected(cx) && owed.remove(&paid) {
                turn.push(EventKind::ObligationPaid { owed: paid });
            }
        }
    }
    let outcome = if aborted { taken_back(state) } else { completed(state, owed.iter(), missed) };
    turn.push(EventKind::RunFinished { outcome });
}

/// The site that was left is a replica again: this run built it, or it is seen. What people skip or
/// say makes none. A list that builds nothing has done its author's way what there was to do.
fn reprotected(cx: &Cx<'_>) -> bool {
    let plan = &cx.state.plan;
    let builds = || plan.steps.iter().filter(|s| s.draft.action.as_deref() == Some("reverse-replication"));
    if builds().all(|s| cx.state.steps[&s.id].state == StepState::Done(How::Succeeded)) {
        return true;
    }
    let Ends { from, to } = &plan.ends;
    let mut both = plan.resources.values().filter_map(|item| Some((item.db(&from.name)?, item.db(&to.name)?)));
    both.all(|(here, there)| {
        let db = cx.world.db(&Target::at(from, What::Db(here.identifier.clone())));
        db.and_then(|db| db.source.as_ref()).is_some_and(|source| {
            source.identifier == there.identifier && source.site.as_ref().is_none_or(|site| *site == to.name)
        })
    })
}

fn in_doubt(state: &RunState) -> bool {
    let mut all = state.plan.steps.iter().chain(&state.plan.finally).zip(state.steps.values());
    all.any(|(step, run)| !step.best_effort() && run.has_open_effect())
}

fn finally_failed(state: &RunState) -> bool {
    state.plan.finally.iter().any(|s| matches!(state.steps[&s.id].state, StepState::Failed(_)))
}

fn completed<'a>(state: &RunState, mut owed: impl Iterator<Item = &'a Obligation>, missed: bool) -> RunOutcome {
    let continued = state.steps.values().any(|s| s.state == StepState::Done(How::Continued));
    // A planned move is followed by its reprotect: that run tells whether it was protected again.
    let follows = |o: &Obligation| {
        o.kind == ObligationKind::Reprotect && state.plan.mode == Mode::Planned && state.plan.direction.is_move()
    };
    if in_doubt(state) {
        RunOutcome::InDoubt
    } else if owed.any(|o| !follows(o)) {
        RunOutcome::Unprotected
    } else if missed {
        RunOutcome::ObjectiveMissed
    } else if continued || finally_failed(state) {
        RunOutcome::Partial
    } else {
        RunOutcome::Done
    }
}

/// The outcome of a run that was aborted or undone.
fn taken_back(state: &RunState) -> RunOutcome {
    let happened = |step: &PlanStep, least: Impact| {
        let effects = &state.steps[&step.id].effects;
        effects
            .values()
            .any(|e| e.way == crate::event::Way::Forward && e.may_have_happened() && e.effect.impact() >= least)
    };
    if in_doubt(state) {
        return RunOutcome::InDoubt;
    }
    let undone = |step: &PlanStep| state.steps[&step.id].state == StepState::Undone;
    // What an earlier run closed and this one opened was touched too.
    let touched = state.plan.steps.iter().any(|s| happened(s, Impact::Read) || undone(s));
    if !touched {
        return RunOutcome::Refused;
    }
    let left = |s: &&PlanStep| {
        !undone(s) && (happened(s, Impact::Disruptive) || (s.undo.is_some() && happened(s, Impact::Read)))
    };
    if state.plan.steps.iter().any(|s| left(&s)) || finally_failed(state) || !state.holds.is_empty() {
        RunOutcome::Partial
    } else {
        RunOutcome::RolledBack
    }
}

/// Effects that were sent and took hold, forward and undo together.
pub(super) fn landed(effect: &EffectRun) -> bool {
    matches!(effect.status, EffectStatus::Applied(_) | EffectStatus::Settled(Landed::Yes | Landed::InProgress))
}
