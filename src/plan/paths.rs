//! Times read off a predicted plan: the critical path, the write outage, the loss now.

use super::types::{Plan, PlanStep};
use crate::{
    clock::Span,
    ids::StepId,
    runbook::Milestone,
    world::{Seen, What, World},
};
use std::collections::BTreeMap;

/// The longest path by predicted time to the step that restores service, or to the end where none
/// says so; and that time.
pub(super) fn critical(plan: &Plan) -> (Vec<StepId>, Span) {
    let by_id: BTreeMap<_, _> = plan.steps.iter().map(|s| (&s.id, s)).collect();
    let end = |s: &PlanStep| s.prediction.starts + s.prediction.takes;
    let restored = plan.steps.iter().find(|s| s.milestone == Some(Milestone::ServiceRestored));
    let Some(mut step) = restored.or_else(|| plan.steps.iter().max_by_key(|s| end(s))) else {
        return (vec![], Span::ZERO);
    };
    let total = end(step);
    let mut path = vec![];
    loop {
        if step.prediction.takes > Span::ZERO {
            path.push(step.id.clone());
        }
        // The need that ended last is what this step waited for.
        match step.needs.iter().filter_map(|n| by_id.get(n)).max_by_key(|s| end(s)) {
            Some(before) => step = before,
            None => break,
        }
    }
    path.reverse();
    (path, total)
}

/// From the start of the first freeze to the end of the first probes after a promotion.
pub(super) fn write_outage(plan: &Plan) -> Option<Span> {
    let acts = |s: &&PlanStep, name: &str| s.runs() && s.draft.action.as_deref() == Some(name);
    let freeze = plan.steps.iter().find(|s| acts(s, "freeze-writes"))?;
    let promote = plan.steps.iter().find(|s| acts(s, "promote-replica"))?;
    let promoted = promote.prediction.starts + promote.prediction.takes;
    let ends = |s: &PlanStep| s.prediction.starts + s.prediction.takes;
    let probed = plan
        .steps
        .iter()
        .filter(|s| s.runs() && !s.draft.verify.is_empty() && s.prediction.starts >= promoted)
        .map(ends)
        .min();
    Some(probed.unwrap_or(promoted).saturating_sub(freeze.prediction.starts))
}

/// What would be lost if the site being left died now.
pub(super) fn loss_now(plan: &Plan, world: &World) -> Option<Span> {
    let lags = world.sights().filter(|s| s.target.site == plan.ends.to.name && matches!(s.target.what, What::Lag(_)));
    let losses = lags.map(|s| match &s.seen {
        Seen::Lag(lag) => lag.loss_at(plan.made_at).map(|l| l.at_most),
        _ => None,
    });
    losses.collect::<Option<Vec<_>>>()?.into_iter().max()
}
