//! Rule D9: never two writers.

use super::{
    asks,
    decide::{Cx, Turn},
    state::Phase,
    step_run::StepState,
    steps,
};
use crate::{
    action::{
        Action, Question,
        writers::{Gate, Other, Writers, gate, words},
    },
    event::{EventKind, How, Obligation, ObligationKind},
    ids::SiteName,
    model::{KindName, Mode, fact},
    plan::PlanStep,
    world::World,
};
use std::collections::BTreeSet;

/// Whether a step may send, by what stands against it.
pub(super) fn guard(cx: &Cx<'_>, step: &PlanStep, mut found: Writers, turn: &mut Turn) -> bool {
    found.unseen.retain(|other| !closed_when_planned(cx, &other.site));
    if found.holds() {
        return true;
    }
    let emergency = cx.state.plan.mode == Mode::Emergency && cx.state.plan.direction.is_move();
    if found.open.is_empty() {
        // Taking back before the point of no return opens what was the only writer: the other sites were
        // seen to follow, and nothing made one a writer since. It may be dark now, which is why we undo.
        if matches!(cx.state.phase, Phase::Undoing { .. }) && !cx.state.past_return() {
            return true;
        }
        // Answered once for the run, by the consent to the promotion; or the run closed it itself before, and
        // to stop here would leave users without the only writer.
        let opens = step.draft.action.as_deref() != Some("retire");
        if emergency || (opens && cx.state.past_return() && found.unseen.iter().all(|other| closed_by_run(cx, other))) {
            owe(cx, &found, turn);
            return true;
        }
        let why = format!("it cannot be seen whether two sites would take writes: {}", words(&found.unseen));
        steps::fail(cx, step, why, Some(unseen_hint(cx, &found.unseen[0].site)), turn);
        return false;
    }
    if emergency && found.open.iter().all(|other| accepted(cx, &other.site)) {
        owe(cx, &found, turn);
        return true;
    }
    if emergency && !stops(cx) {
        let facts = found.open.into_iter().map(|o| fact(o.site.as_str(), o.why)).collect();
        asks::raise(cx, step, Question::AliveUnfenced, facts, None, turn);
        return false;
    }
    let hint = open_hint(cx, step, &found.open[0].site);
    steps::fail(cx, step, format!("two writers: {}", words(&found.open)), Some(hint), turn);
    false
}

/// A third site that could take no writes when the run was planned, and where no step works: its
/// silence leaves nobody without a writer.
fn closed_when_planned(cx: &Cx<'_>, name: &SiteName) -> bool {
    let plan = &cx.state.plan;
    let Some(site) = plan.site(name).filter(|_| plan.ends.named(name).is_none()) else { return false };
    if plan.steps.iter().chain(&plan.finally).any(|step| step.at == *name) {
        return false;
    }
    let seen = World::of(plan.observed.iter().cloned());
    let mut databases = plan.resources.values().filter(|r| r.kind_name() == KindName::RdsInstance);
    databases.all(|item| gate(item, site, &seen) == Gate::Closed)
}

/// This run closed a database, and saw it closed: nothing of it opens that again past the promotion.
fn closed_by_run(cx: &Cx<'_>, other: &Other) -> bool {
    let closes = |step: &&PlanStep| matches!(step.draft.action.as_deref(), Some("freeze-writes" | "quarantine"));
    let of = |step: &&PlanStep| step.at == other.site && step.resources.contains(&other.item);
    let closed = |step: &PlanStep| cx.state.steps[&step.id].state == StepState::Done(How::Succeeded);
    cx.state.plan.steps.iter().filter(closes).filter(of).any(closed)
}

/// People were told that this site takes writes, and went on.
fn accepted(cx: &Cx<'_>, site: &SiteName) -> bool {
    let told = |a: &asks::Ask| a.facts.iter().any(|f| f.what == site.as_str());
    cx.state.asks.values().any(|a| a.question == Question::AliveUnfenced && a.answer == Some(true) && told(a))
}

fn stops(cx: &Cx<'_>) -> bool {
    let actions = cx.state.steps.values().filter_map(|s| s.inputs.as_ref()?.action.as_ref());
    actions.into_iter().any(Action::stops_if_alive_unfenced)
}

/// What was gone past has to be closed later, each site once.
fn owe(cx: &Cx<'_>, found: &Writers, turn: &mut Turn) {
    let open = found.open.iter().map(|o| (o, format!("accepted while {}", o.why)));
    let unseen = found.unseen.iter().map(|o| (o, format!("it could not be seen whether it takes writes: {}", o.why)));
    let mut owed = BTreeSet::new();
    for (Other { site, .. }, why) in open.chain(unseen) {
        let debt = Obligation { kind: ObligationKind::Fence, site: site.clone() };
        if !cx.state.owed.contains(&debt) && owed.insert(site) {
            turn.push(EventKind::ObligationOpened { owed: debt, why });
        }
    }
}

fn unseen_hint(cx: &Cx<'_>, site: &SiteName) -> String {
    let plan = &cx.state.plan;
    if plan.direction.is_move() && *site == plan.ends.from.name && !cx.state.past_return() {
        return format!("a planned move needs to see {site}; if it is lost, cancel and use --emergency");
    }
    format!("when {site} answers again, resume with --retry")
}

fn open_hint(cx: &Cx<'_>, step: &PlanStep, site: &SiteName) -> String {
    let plan = &cx.state.plan;
    if !plan.direction.is_move() && *site == plan.ends.to.name {
        return format!("{site} serves: close or retire the database at {} first, then resume with --retry", step.at);
    }
    format!("close {site} for writes first, then resume with --retry")
}

#[cfg(test)]
mod tests;
