//! What a move is measured by: RTO in its parts, RPO with its proof, write outage.

use super::{outcome::landed, state::RunState};
use crate::{
    clock::{Span, Timestamp},
    event::{Measure, Objective},
    model::{Direction, Mode},
    runbook::Milestone,
};

/// All that a finished move can be judged by. A reprotect promises nothing.
pub(super) fn measure(state: &RunState, now: Timestamp) -> Vec<(Objective, Measure)> {
    let plan = &state.plan;
    if !plan.direction.is_move() || !state.past_return() {
        return vec![];
    }
    let mut all = vec![];
    // A planned failback disturbs nobody until its freeze: it is judged by its write outage alone.
    if plan.direction == Direction::Failover || plan.mode == Mode::Emergency {
        all.push((Objective::Rto, rto(state)));
    }
    all.push((Objective::Rpo, rpo(state)));
    if plan.mode == Mode::Planned {
        all.push((Objective::WriteOutage, write_outage(state, now)));
    }
    all
}

fn judged(at_most: Option<Span>, proof: String, objective: Option<Span>, parts: Vec<(String, Span)>) -> Measure {
    let met = objective.map(|limit| at_most.is_some_and(|v| v <= limit));
    Measure { at_most, proof, objective, met, parts }
}

fn rto(state: &RunState) -> Measure {
    let since = state.incident();
    let label = if state.since.is_some() { "from --since" } else { "from the command" };
    let Some(restored) = state.milestones.get(&Milestone::ServiceRestored).copied() else {
        return judged(None, "no step restored the service".into(), state.plan.objectives.rto, vec![]);
    };
    let total = restored.since(since);
    let detect = state.started.since(since);
    let decide = people(state, restored);
    let last_effect = state.steps.values().flat_map(|s| &s.past.sent).map(|e| e.at).filter(|at| *at <= restored).max();
    let verify = restored.since(last_effect.unwrap_or(state.started));
    let execute = total.saturating_sub(detect + decide + verify);
    let parts = [("detect", detect), ("decide", decide), ("execute", execute), ("verify", verify)];
    judged(Some(total), label.into(), state.plan.objectives.rto, parts.map(|(n, s)| (n.to_owned(), s)).into())
}

/// Time up to an instant in which people were waited for; overlapping questions count once.
fn people(state: &RunState, until: Timestamp) -> Span {
    let mut waits: Vec<_> =
        state.asks.values().map(|a| (a.asked.min(until), a.answered.unwrap_or(until).min(until))).collect();
    waits.sort();
    let (mut total, mut end) = (Span::ZERO, state.started);
    for (from, to) in waits {
        total = total + to.since(from.max(end));
        end = end.max(to);
    }
    total
}

/// The most that was lost, as measured before the promotion; none where it was not measured.
pub(super) fn loss(state: &RunState) -> Option<Span> {
    state.outputs.values().filter_map(|out| out.get("loss")?.as_str()?.parse().ok()).max()
}

fn rpo(state: &RunState) -> Measure {
    let proof = state.outputs.values().find_map(|out| out.get("proof")?.as_str().map(str::to_owned));
    let objective = state.plan.objectives.rpo;
    match (proof, loss(state)) {
        (Some(proof), _) => judged(Some(Span::ZERO), proof, objective, vec![]),
        (None, Some(loss)) => judged(Some(loss), "metric".into(), objective, vec![]),
        (None, None) => judged(None, "none".into(), objective, vec![]),
    }
}

fn write_outage(state: &RunState, now: Timestamp) -> Measure {
    let froze = |s: &&crate::engine::StepRun| {
        s.inputs.as_ref().and_then(|i| i.action.as_ref()).is_some_and(|a| a.name() == "freeze-writes")
    };
    let frozen = state
        .steps
        .values()
        .filter(froze)
        .flat_map(|s| s.effects.values())
        .filter(|e| landed(e))
        .map(|e| e.intended)
        .min();
    let accepted = state.milestones.get(&Milestone::WritesAccepted).copied();
    let objective = state.plan.objectives.write_outage;
    match (frozen, accepted) {
        (Some(from), Some(to)) => judged(Some(to.since(from)), "probes".into(), objective, vec![]),
        (None, _) => judged(Some(Span::ZERO), "nothing was frozen".into(), objective, vec![]),
        (Some(from), None) => {
            judged(None, format!("no probe saw a write since {}", now.since(from)), objective, vec![])
        }
    }
}
