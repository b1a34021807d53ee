//! What is held closed, and what is owed.

use super::decide::{Cx, Turn};
use crate::{
    event::{EventKind, HoldEndedBy, Obligation, ObligationKind},
    model::{Direction, Impact},
    plan::PlanStep,
    runbook::HoldEnd,
};

/// Rule D4. Before the point of no return alone: after it nothing is opened again.
pub(super) fn overdue(cx: &Cx<'_>, turn: &mut Turn) {
    if cx.state.past_return() {
        return;
    }
    for (id, held) in cx.state.holds.iter().filter(|(_, h)| !h.overdue) {
        if cx.now < held.until {
            turn.wake(held.until);
            continue;
        }
        turn.push(EventKind::HoldOverdue { step: id.clone() });
        let then = cx.state.plan.step(id).and_then(|s| s.hold).map(|h| h.then);
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
    turn.push(EventKind::HoldOpened { step: step.id.clone(), until: cx.now + hold.max, what });
}

/// A step was taken back: what it held is open again.
pub(super) fn undone(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    if cx.state.holds.contains_key(&step.id) {
        turn.push(EventKind::HoldClosed { step: step.id.clone(), by: HoldEndedBy::Undo });
    }
}

/// A step succeeded: a promotion ends holds and opens the debt to protect the site that was left;
/// a fence or a whole reprotect pays.
pub(super) fn succeeded(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    let plan = &cx.state.plan;
    let from = &plan.ends.from.name;
    let action = step.draft.action.as_deref();
    if action == Some("promote-replica") {
        let same = |id: &crate::ids::StepId| {
            plan.step(id).is_some_and(|s| s.resources.iter().any(|r| step.resources.contains(r)))
        };
        for id in cx.state.holds.keys().filter(|id| same(id)) {
            turn.push(EventKind::HoldClosed { step: id.clone(), by: HoldEndedBy::Promotion });
        }
        let owed = Obligation { kind: ObligationKind::Reprotect, site: from.clone() };
        if plan.direction.is_move() && !cx.state.owed.contains(&owed) && step.impact == Impact::Irreversible {
            turn.push(EventKind::ObligationOpened { owed, why: format!("{from} was left and is no replica") });
        }
    }
    let fence = Obligation { kind: ObligationKind::Fence, site: step.at.clone() };
    if action == Some("freeze-writes") && plan.direction == Direction::Reprotect && cx.state.owed.contains(&fence) {
        turn.push(EventKind::ObligationPaid { owed: fence });
    }
}

/// A best-effort freeze did not get there: the site must be fenced later.
pub(super) fn fence_failed(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    let owed = Obligation { kind: ObligationKind::Fence, site: step.at.clone() };
    let is_fence = step.draft.action.as_deref() == Some("freeze-writes") && cx.state.plan.direction.is_move();
    if is_fence && !cx.state.owed.contains(&owed) {
        turn.push(EventKind::ObligationOpened { owed, why: format!("{} could not be frozen", step.at) });
    }
}
