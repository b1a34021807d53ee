//! What the running steps wait for, in the words of the screen.

use super::{
    decide::Cx,
    outlook,
    step_run::{EffectStatus, StepRun, StepState},
};
use crate::{
    action::{Inputs, Next},
    clock::Timestamp,
    event::StepView,
    ids::StepId,
    plan::PlanStep,
};
use std::collections::BTreeMap;

/// Of every step that runs and waits.
pub(super) fn of(cx: &Cx<'_>) -> BTreeMap<StepId, StepView> {
    let view = |(step, run): (&PlanStep, &StepRun)| {
        let (StepState::Running, Some(inputs)) = (&run.state, &run.inputs) else { return None };
        let (why, until) = waits_for(cx, step, run, inputs)?;
        Some((step.id.clone(), StepView { step: step.id.clone(), why, until }))
    };
    cx.state.agenda().filter_map(view).collect()
}

fn waits_for(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, inputs: &Inputs) -> Option<(String, Option<Timestamp>)> {
    if let Some(open) = run.effects.values().find(|e| e.is_open()) {
        let words = open.effect.words();
        return Some(match open.status {
            EffectStatus::Intended => (format!("sending: {words}"), None),
            _ => (format!("in doubt, looking: {words}"), Some(open.sent_by + open.effect.dark())),
        });
    }
    match outlook::next(cx, step, run, inputs) {
        None => Some(("looking".to_owned(), None)),
        Some(Next::Wait { why, until, .. }) => Some((why, until)),
        Some(Next::Done { .. } | Next::Send { .. } | Next::Ask { .. } | Next::Stuck { .. }) => None,
    }
}
