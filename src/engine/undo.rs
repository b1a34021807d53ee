//! Taking a run back, to the point of no return and never past it.

use super::{
    attempt,
    decide::{Cx, Turn},
    step_run::StepState,
    steps,
};
use crate::{
    action,
    clock::Span,
    event::{EventKind, How, Way},
    plan::PlanStep,
};

/// How long taking a step back may take. A short limit is meant for the way there, where giving up
/// early is cheap; the undo may be slower by nature (servers come later than they go).
pub(super) fn limit(step: &PlanStep) -> Span {
    let usual = step.undo.as_ref().and_then(|undo| action::row(&undo.action)).map(|row| row.timeout);
    usual.map_or(step.timeout, |usual| usual.max(step.timeout))
}

/// Rule D12. First all that is open is settled; then steps are taken back, last done first, one
/// at a time. `holds_only`: those that hold something closed.
pub(super) fn undo(cx: &Cx<'_>, holds_only: bool, turn: &mut Turn) {
    for step in &cx.state.plan.steps {
        let run = &cx.state.steps[&step.id];
        let underway = matches!(run.state, StepState::Running | StepState::Backoff(_));
        if run.way == Way::Undo && underway {
            return steps::advance(cx, step, run, turn);
        }
        if !run.has_open_effect() {
            continue;
        }
        // What a best effort left in doubt at a dead site must not keep the rest from being taken back.
        let given_up = step.best_effort() && cx.now >= run.deadline;
        if !given_up {
            steps::settle_open(cx, step, run, turn);
            return;
        }
    }
    if cx.state.paused.is_some() || cx.live.stop_calls {
        return;
    }
    match next(cx, holds_only) {
        Some(step) => attempt::begin_undo(cx, step, turn),
        None => turn.push(EventKind::ClosingBegun),
    }
}

/// The step to take back next: of those that have an undo and did something, the last one done.
fn next<'a>(cx: &Cx<'a>, holds_only: bool) -> Option<&'a PlanStep> {
    if cx.state.past_return() {
        return None;
    }
    let candidates = cx.state.plan.steps.iter().filter(|step| {
        let run = &cx.state.steps[&step.id];
        let hold = cx.state.holds.get(&step.id);
        let held = hold.is_some();
        let acted = run.effects.values().any(|effect| effect.may_have_happened()) || held;
        // A person may leave a failed undo: by skipping it, or by saying that it is done.
        let given_up = matches!(run.state, StepState::Failed(_) | StepState::Done(How::Skipped | How::MarkedDone));
        let left = run.state != StepState::Undone && !(run.way == Way::Undo && given_up);
        let may = hold.is_none_or(|h| !h.past_return);
        step.undo.is_some() && acted && left && may && (held || !holds_only)
    });
    let last_done = |step: &&PlanStep| {
        let run = &cx.state.steps[&step.id];
        run.ended.unwrap_or(cx.now).max(run.effects.values().map(|e| e.intended).max().unwrap_or(cx.state.started))
    };
    candidates.max_by_key(last_done)
}
