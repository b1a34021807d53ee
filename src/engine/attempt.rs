//! How a step begins, forward or back: whether it is run at all, whether it may, with what inputs and until when.

use super::{
    asks::{self, Reach},
    decide::{Cx, Turn},
    state::Phase,
    step_run::{StepRun, StepState},
    steps::fail,
};
use crate::{
    event::{EventKind, SkipReason, Way},
    ids::StepId,
    model::{Outputs, expr},
    plan::{self, PlanStep},
};
use std::{collections::BTreeMap, sync::Arc};

/// Decides whether a step is to be run, now that what it needs is done.
pub(super) fn ready(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    let skip = |why| EventKind::StepSkipped { step: step.id.clone(), why };
    if let Some(why) = SkipReason::of(step) {
        return turn.push(skip(why));
    }
    match step.when.as_ref().map(|when| holds_now(cx, when)) {
        Some(Ok(false)) => turn.push(skip(SkipReason::When)),
        Some(Err(why)) => fail(cx, step, format!("its `when` cannot be decided: {why}"), None, turn),
        Some(Ok(true)) | None => turn.push(EventKind::StepReady { step: step.id.clone() }),
    }
}

fn holds_now(cx: &Cx<'_>, when: &str) -> Result<bool, String> {
    let plan = &cx.state.plan;
    let mut scope = plan::scope(&cx.state.outputs);
    scope.insert("parameters".into(), plan.parameters.clone().into());
    scope.insert("mode".into(), plan.mode.to_string().into());
    scope.insert("direction".into(), plan.direction.to_string().into());
    expr::eval(when, &scope)?.as_bool().ok_or_else(|| format!("`{when}` is neither true nor false"))
}

/// Begins a step, if it may and is agreed to.
pub(super) fn start(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, turn: &mut Turn) {
    let reach = asks::within_reach(cx, step, asks::gravity(step), turn);
    match reach {
        Reach::Waits => {}
        // The run is being taken back; what is left of it is `finally`.
        Reach::Refused => turn.push(EventKind::StepSkipped { step: step.id.clone(), why: SkipReason::BeyondReach }),
        Reach::Within | Reach::BySight(_) => {
            if asks::confirmed(cx, step, turn) {
                by_sight(step, reach, turn);
                attempt(cx, step, run, turn);
            }
        }
    }
}

/// Keeps by what was seen a step goes where else a person is asked.
pub(super) fn by_sight(step: &PlanStep, reach: Reach, turn: &mut Turn) {
    if let Reach::BySight(facts) = reach {
        turn.push(EventKind::Observed { step: step.id.clone(), facts, holds: None });
    }
}

/// Begins an attempt. A later attempt keeps the deadline of the first.
pub(super) fn attempt(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, turn: &mut Turn) {
    let undoing = run.way == Way::Undo && matches!(cx.state.phase, Phase::Undoing { .. });
    let inputs = if undoing { plan::undo_inputs(step, &|| known(cx)) } else { Some(plan::inputs(step, &|| known(cx))) };
    match inputs {
        Some(Ok(inputs)) => {
            let deadline = if run.attempt.0 > 0 && matches!(run.state, StepState::Backoff(_)) {
                run.deadline
            } else if undoing {
                cx.now + super::undo::limit(step)
            } else {
                cx.now + step.timeout
            };
            let way = if undoing { Way::Undo } else { Way::Forward };
            turn.push(EventKind::AttemptStarted {
                step: step.id.clone(),
                attempt: run.attempt.next(),
                way,
                inputs: Arc::new(inputs),
                deadline,
            });
        }
        Some(Err(why)) => {
            fail(cx, step, why, Some("mend the runbook and start a new run, or skip the step".into()), turn);
        }
        None => {}
    }
}

/// Outputs of all steps; those without are there and empty, so that `default(…)` works.
fn known(cx: &Cx<'_>) -> BTreeMap<StepId, Outputs> {
    let mut all: BTreeMap<_, _> = cx.state.steps.keys().map(|id| (id.clone(), Outputs::new())).collect();
    all.extend(cx.state.outputs.clone());
    all
}

/// Begins to take a step back.
pub(super) fn begin_undo(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    let run = &cx.state.steps[&step.id];
    match plan::undo_inputs(step, &|| known(cx)) {
        Some(Ok(inputs)) => turn.push(EventKind::AttemptStarted {
            step: step.id.clone(),
            attempt: run.attempt.next(),
            way: Way::Undo,
            inputs: Arc::new(inputs),
            deadline: cx.now + super::undo::limit(step),
        }),
        Some(Err(why)) => fail(cx, step, why, None, turn),
        None => {}
    }
}
