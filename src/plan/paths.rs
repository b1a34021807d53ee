//! Times read off a predicted plan: the critical path, the write outage, the loss now.

use super::types::{Plan, PlanStep};
use crate::{
    check::graph::longest_path,
    clock::Span,
    ids::StepId,
    runbook::Milestone,
    world::{Seen, What, World},
};
use std::collections::BTreeMap;

/// The longest path by predicted time to the step that restores service, or to the end where none
/// says so; and that time.
pub(super) fn critical(plan: &Plan) -> (Vec<StepId>, Span) {
    let steps = &plan.steps;
    let place: BTreeMap<_, _> = steps.iter().enumerate().map(|(i, s)| (&s.id, i)).collect();
    let order: Vec<_> = (0..steps.len()).collect();
    let needs: Vec<Vec<_>> =
        steps.iter().map(|s| s.needs.iter().filter_map(|n| place.get(n)).copied().collect()).collect();
    let restored = steps.iter().position(|s| s.milestone == Some(Milestone::ServiceRestored));
    let (path, total) = longest_path(&order, &needs, restored, |i| steps[i].prediction.takes);
    (path.into_iter().map(|i| steps[i].id.clone()).collect(), total)
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
