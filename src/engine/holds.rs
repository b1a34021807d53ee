//! What is held closed, and what is owed.

use super::{
    decide::{Cx, Turn},
    state::RunState,
};
use crate::{
    event::{EventKind, HoldEndedBy, Obligation, ObligationKind},
    ids::{SiteName, StepId},
    model::Direction,
    plan::PlanStep,
    runbook::HoldEnd,
};

/// Rule D4. Before the point of no return alone: after it nothing is opened again.
pub(super) fn overdue(cx: &Cx<'_>, turn: &mut Turn) {
    if cx.state.holds.is_empty() || cx.state.past_return() {
        return;
    }
    for (id, held) in cx.state.holds.iter().filter(|(_, h)| !h.overdue && !h.past_return) {
        if cx.now < held.until {
            turn.wake(held.until);
            continue;
        }
        turn.push(EventKind::HoldOverdue { step: id.clone() });
        let then = cx.state.planned(id).and_then(|s| s.hold).map(|h| h.then);
        if then == Some(HoldEnd::Undo) {
            let why = format!("{} for longer than {}", held.what, held.until.since(held.since));
            return turn.push(EventKind::UndoBegun { why, holds_only: false });
        }
    }
}

/// A step with `hold` closes something now.
pub(super) fn open(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    let Some(hold) = step.hold.filter(|_| !cx.state.holds.contains_key(&step.id)) else { return };
    let what = match step.draft.action.as_deref() {
        Some("freeze-writes") => format!("writes frozen at {}", step.at),
        _ => format!("{} at {}", step.id, step.at),
    };
    turn.push(EventKind::HoldOpened { step: step.id.clone(), until: cx.now + hold.max, what, before: None });
}

/// A step was taken back: what it held is open again.
pub(super) fn undone(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    if cx.state.holds.contains_key(&step.id) {
        turn.push(EventKind::HoldClosed { step: step.id.clone(), by: HoldEndedBy::Undo });
    }
}

/// What follows when a step is done, by itself or by a person's word: a promotion ends holds, opens
/// the debt to protect the site that was left and pays what the new site was owed; a fence pays.
pub(super) fn succeeded(state: &RunState, step: &PlanStep) -> Vec<EventKind> {
    let plan = &state.plan;
    let (from, to) = (&plan.ends.from.name, &plan.ends.to.name);
    let mut events = vec![];
    let pay = |kind, site: &SiteName| {
        let owed = Obligation { kind, site: site.clone() };
        state.owed.contains(&owed).then_some(EventKind::ObligationPaid { owed })
    };
    match step.draft.action.as_deref() {
        Some("promote-replica") => {
            let same =
                |id: &StepId| plan.step(id).is_some_and(|s| s.resources.iter().any(|r| step.resources.contains(r)));
            let ended = |id: &StepId| EventKind::HoldClosed { step: id.clone(), by: HoldEndedBy::Promotion };
            events.extend(state.holds.keys().filter(|id| same(id)).map(ended));
            events.extend(unprotected(state));
            events.extend(
                [ObligationKind::Fence, ObligationKind::Reprotect].into_iter().filter_map(|kind| pay(kind, to)),
            );
        }
        Some("freeze-writes") if plan.direction == Direction::Reprotect => {
            events.extend(pay(ObligationKind::Fence, from));
        }
        _ => {}
    }
    events
}

/// A move past the point of no return leaves a site that is no replica: that is owed from then on.
pub(super) fn unprotected(state: &RunState) -> Option<EventKind> {
    let from = &state.plan.ends.from.name;
    let owed = Obligation { kind: ObligationKind::Reprotect, site: from.clone() };
    let opens = state.plan.direction.is_move() && !state.owed.contains(&owed);
    opens.then(|| EventKind::ObligationOpened { owed, why: format!("{from} was left and is no replica") })
}

/// A best-effort freeze did not get there: the site must be fenced later.
pub(super) fn fence_failed(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    let owed = Obligation { kind: ObligationKind::Fence, site: step.at.clone() };
    let is_fence = step.draft.action.as_deref() == Some("freeze-writes") && cx.state.plan.direction.is_move();
    if is_fence && !cx.state.owed.contains(&owed) {
        turn.push(EventKind::ObligationOpened { owed, why: format!("{} could not be frozen", step.at) });
    }
}
