//! What keeps a move from losing data or having two writers: freeze, drain, fence, and the order of
//! promotion and traffic; and steps that must not be let go or repeated lightly.

use super::case::{Case, End, MODES, Runs, impact, listed};
use crate::{
    action::{self, ActionRow},
    diagnostic::Diagnostic,
    ids::ResourceName,
    model::{Impact, Mode},
    runbook::{FailurePolicy, Milestone, RunWord, Runbook},
};

const FREEZE: &str = "freeze-writes";
const DRAIN: &str = "wait-for-replication";

/// In a planned move: frozen, then drained with proof, then promoted.
pub(super) fn planned_promotion(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    if !case.is(Mode::Planned) {
        return;
    }
    for (promote, resource) in case.promotions() {
        let freezes = freezes(case, promote, resource);
        let Some(last) = freezes.last() else {
            out.push(unfrozen(case, promote, resource));
            continue;
        };
        let drains = |i: &usize| {
            freezes.iter().any(|f| case.before(*f, *i))
                && case.before(*i, promote)
                && case.works_on(*i, resource)
                && case.end(*i) != Some(End::From)
                && case.assures(*i, promote)
                && case.with(*i, "drained").is_some_and(|v| v == true || v == "true")
        };
        let drained: Vec<_> = case.acting(DRAIN).filter(drains).collect();
        if drained.is_empty() {
            out.push(undrained(case, promote, resource, *last));
        }
        let weak = |i: &usize| case.with(*i, "proof").is_none_or(|proof| proof == "metric");
        if !drained.is_empty() && drained.iter().all(weak) {
            let with = case.node(drained[0], "with", |s| &s.with);
            let stated = case.spec(drained[0]).with.contains_key("proof");
            let path = if stated { with.key("proof") } else { with };
            let message = format!("that nothing of `{resource}` is left to replicate is proven by a metric alone");
            let help = "write `proof: lsn` (PostgreSQL) or `proof: marker`, and the resource's `connection`";
            out.push(Diagnostic::warning("LB0503", &path, message).here("the weakest proof").help(help));
        }
        let guards = freezes.iter().chain(&drained).filter(|i| case.spec(**i).skippable);
        out.extend(guards.map(|i| skippable(case, *i, promote)));
    }
}

/// Freezes that surely hold when the promotion of the resource starts.
pub(super) fn freezes(case: &Case<'_>, promote: usize, resource: &ResourceName) -> Vec<usize> {
    let holds = |i: &usize| {
        case.before(*i, promote)
            && case.works_on(*i, resource)
            && case.end(*i) != Some(End::To)
            && case.assures(*i, promote)
    };
    case.acting(FREEZE).filter(holds).collect()
}

fn unfrozen(case: &Case<'_>, promote: usize, resource: &ResourceName) -> Diagnostic {
    let message = format!("`{}` promotes `{resource}` in {} without a freeze before it", case.id(promote), case.name());
    let path = case.path(promote).key("action");
    let mut wrong = Diagnostic::error("LB0501", &path, message).here("the old writer may still take writes");
    let near = |i: &usize| case.does(*i, FREEZE) && case.works_on(*i, resource);
    if let Some(other) = (0..case.steps.len()).find(near) {
        let (run, of) = (case.runs(other), case.spec(other));
        let why = match () {
            () if run == Runs::Never => format!("left out of {}", case.name()),
            () if run == Runs::Perhaps => "its `when` may leave it out".into(),
            () if !case.before(other, promote) => "does not come before the promotion".into(),
            () if of.run == RunWord::BestEffort => "best-effort: it may fail".into(),
            () if case.end(other) == Some(End::To) => "freezes the site being moved to".into(),
            () => "its failure stops nothing".into(),
        };
        wrong = wrong.label(&case.place(other), why);
    }
    wrong.help(format!(
        "put before it: `- {{ id: freeze, action: freeze-writes, resource: {resource}, at: from, hold: {{ max: 5m, then: undo }}, undo: unfreeze-writes, skippable: false }}`"
    ))
}

fn undrained(case: &Case<'_>, promote: usize, resource: &ResourceName, freeze: usize) -> Diagnostic {
    let message =
        format!("`{}` promotes `{resource}` in {} without a proven drain before it", case.id(promote), case.name());
    let mut wrong = Diagnostic::error("LB0502", &case.path(promote).key("action"), message)
        .here("the last writes may not have been replicated")
        .label(&case.place(freeze), "frozen here");
    let near = |i: &usize| case.does(*i, DRAIN) && case.works_on(*i, resource);
    if let Some(other) = (0..case.steps.len()).find(near) {
        let why = match () {
            () if !case.spec(other).with.contains_key("drained") => {
                "waits until it is near, not until nothing is left".into()
            }
            () if case.runs(other) == Runs::Never => format!("left out of {}", case.name()),
            () if !case.before(freeze, other) => "does not come after the freeze".into(),
            () if !case.before(other, promote) => "does not come before the promotion".into(),
            () => "may be left out, or its failure stops nothing".to_owned(),
        };
        wrong = wrong.label(&case.place(other), why);
    }
    wrong.help(format!(
        "put between them: `- {{ id: drained, action: wait-for-replication, resource: {resource}, at: to, with: {{ drained: true, proof: lsn }}, on_failure: undo, skippable: false }}`"
    ))
}

fn skippable(case: &Case<'_>, step: usize, promote: usize) -> Diagnostic {
    let message = format!("`{}` guards the promotion, yet may be skipped by hand", case.id(step));
    Diagnostic::warning("LB0516", &case.place(step), message)
        .here(format!("guards `{}`", case.id(promote)))
        .help("write `skippable: false`")
}

/// Nothing opens the site being left again; in reprotect only what cannot take writes any more.
pub(super) fn stays_closed(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    for open in case.acting("unfreeze-writes").filter(|i| case.end(*i) == Some(End::From)) {
        for resource in &case.spec(open).resources {
            let same = |i: &usize| case.works_on(*i, resource) && case.end(*i) == Some(End::From);
            let closed = if case.direction.is_move() {
                let after = |f: usize| !case.before(open, f);
                !case.acting(FREEZE).filter(same).any(after)
                    && !case.promotions().iter().any(|(p, r)| *r == resource && after(*p))
            } else {
                // Renamed it stays in the group, and takes writes under its new name.
                case.acting("quarantine").filter(same).any(|i| case.before(i, open))
            };
            if !closed {
                out.push(opened(case, open, resource));
            }
        }
    }
}

fn opened(case: &Case<'_>, open: usize, resource: &ResourceName) -> Diagnostic {
    let path = case.path(open).key("action");
    let message = format!("`{}` opens the old writer of `{resource}` again", case.id(open));
    let help = if case.direction.is_move() {
        "remove it: the `undo` of the freeze opens the site before the promotion, and nothing may after it"
    } else {
        "put `quarantine` of the same resource before it"
    };
    Diagnostic::error("LB0504", &path, message).here("two writers").help(help)
}

/// In an emergency: fence what may still be alive, and wait for nothing that may be dead.
pub(super) fn emergency_promotion(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    if !case.is(Mode::Emergency) {
        return;
    }
    for (promote, resource) in case.promotions() {
        let fences = |i: &usize| {
            case.works_on(*i, resource) && case.end(*i) != Some(End::To) && !case.before(promote, *i) && *i != promote
        };
        if !case.acting(FREEZE).chain(case.acting("quarantine")).any(|i| fences(&i)) {
            let message = format!(
                "`{}` promotes `{resource}` in {} without trying to fence the old writer",
                case.id(promote),
                case.name()
            );
            let wrong = Diagnostic::warning("LB0505", &case.path(promote).key("action"), message);
            out.push(wrong.here("the site being left may still be alive").help(format!(
                "let a freeze come before it: `- {{ id: fence, action: freeze-writes, resource: {resource}, at: from, planned: skip, emergency: {{ run: best-effort, timeout: 45s, hold: {{ max: 15m, then: page }} }} }}`"
            )));
        }
    }
    dead_site(case, out);
}

/// Steps that recovery waits for, yet that need the site being left.
fn dead_site(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    if !case.direction.is_move() {
        return;
    }
    let recovers = |i: &usize| {
        ["promote-replica", "shift-traffic"].iter().any(|action| case.does(*i, action))
            || case.spec(*i).milestone == Some(Milestone::ServiceRestored)
    };
    let goals: Vec<_> = case.running().filter(recovers).collect();
    for i in case.running() {
        let spec = case.spec(i);
        // A question, a message and a pause reach no site.
        let reaches = match spec.action.as_deref() {
            Some("confirm" | "notify") => false,
            Some("wait") => spec.with.contains_key("while"),
            Some(_) => true,
            None => !spec.verify.is_empty(),
        };
        if !reaches || spec.run != RunWord::Run || case.end(i) != Some(End::From) {
            continue;
        }
        if let Some(goal) = goals.iter().find(|goal| **goal == i || case.before(i, **goal)) {
            let message = format!("in {} a dead site would block the recovery at `{}`", case.name(), case.id(i));
            let wrong = Diagnostic::error("LB0506", &case.place(i), message).here("works at the site being left");
            let wrong = if *goal == i { wrong } else { wrong.label(&case.place(*goal), "waits for it") };
            out.push(wrong.help(
                "write `emergency: { run: best-effort, timeout: 45s }` or `emergency: skip`, or let the recovery not need it",
            ));
        }
    }
}

/// Users move only to a promoted database and to a site that somebody looked at.
pub(super) fn traffic(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    if !case.direction.is_move() {
        return;
    }
    for shift in case.acting("shift-traffic").filter(|i| case.end(*i) != Some(End::From)) {
        let path = case.path(shift).key("action");
        let late: Vec<_> = case.promotions().into_iter().filter(|(p, _)| !case.before(*p, shift)).collect();
        if let Some((promote, resource)) = late.first() {
            let message = format!("`{}` moves users before `{resource}` is promoted", case.id(shift));
            let names = late.iter().map(|(p, _)| case.id(*p));
            out.push(
                Diagnostic::error("LB0507", &path, message)
                    .here("does not wait for the promotion")
                    .label(&case.place(*promote), "promoted here")
                    .help(format!("add {} to the `needs` of `{}`", listed(names), case.id(shift))),
            );
        }
        let looks = |i: &usize| {
            let spec = case.spec(*i);
            case.end(*i) != Some(End::From)
                && (!spec.verify.is_empty() || matches!(spec.action.as_deref(), Some("scale" | "verify-http")))
        };
        if !case.running().filter(looks).any(|i| case.before(i, shift)) {
            let message = format!("`{}` moves users to a site that nothing scaled or asked", case.id(shift));
            out.push(
                Diagnostic::warning("LB0508", &path, message)
                    .here("is the site ready for them?")
                    .help("put a `scale` step or a step with `verify: [PROBE]` at `to` before it"),
            );
        }
    }
}

/// Best effort is limited, and never for what cannot be taken back.
pub(super) fn best_effort(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    for i in case.running().filter(|i| case.spec(*i).run == RunWord::BestEffort) {
        if case.spec(i).timeout.is_none() {
            let message = format!("`{}` is best-effort without a `timeout` of its own", case.id(i));
            let wrong = Diagnostic::error("LB0517", &case.word(i), message).here("how long may it be tried?");
            out.push(wrong.help(format!("write `{}: {{ run: best-effort, timeout: 45s }}`", case.mode)));
        }
        if case.impact(i) == Impact::Irreversible {
            let message = format!("`{}` is irreversible and cannot be best-effort", case.id(i));
            let wrong = Diagnostic::error("LB0518", &case.word(i), message).here("it may or may not have happened");
            out.push(wrong.help("let it run, or skip it in this mode"));
        }
    }
}

/// What cannot be taken back and cannot be looked up is not tried twice.
pub(super) fn blind_retry(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    for i in case.running() {
        let spec = case.spec(i);
        // A state machine's executions are looked up by name.
        let blind = matches!(spec.action.as_deref(), Some("exec" | "http")) && !spec.with.contains_key("check");
        let again = spec.retry.is_some_and(|retry| retry.attempts > 1);
        if blind && again && case.impact(i) == Impact::Irreversible {
            let path = case.node(i, "retry", |s| &s.retry);
            let message = format!("`{}` would repeat an irreversible effect without looking", case.id(i));
            let help = if case.does(i, "exec") {
                "give it a `check`, or remove `retry`: then a person decides"
            } else {
                "remove `retry`: then a person decides"
            };
            out.push(Diagnostic::error("LB0519", &path, message).here("may do it twice").help(help));
        }
    }
}

/// `finally` is safe, asks nobody, and undoes nothing.
pub(super) fn finally(runbook: &Runbook, out: &mut Vec<Diagnostic>) {
    for (step, mode) in runbook.finally.iter().flat_map(|step| MODES.map(|mode| (step, mode))) {
        let spec = step.spec(mode);
        if impact(spec) > Impact::Safe {
            let action = spec.action.as_deref().unwrap_or_default();
            let help = if action::row(action).is_some_and(ActionRow::impact_is_stated) {
                "if users do not feel it, write `impact: safe` in its `with`; else move it to a list"
            } else {
                "move it to the list of a direction"
            };
            let message = format!("`finally` holds `{}`, which is {}", step.id, impact(spec));
            let wrong = Diagnostic::error("LB0514", &step.path.key("action"), message);
            out.push(wrong.here(format!("`{action}` may be felt")).help(help));
        }
        let keys = [
            ("confirm", spec.confirm.is_some() && spec.action.as_deref() != Some("confirm")),
            ("action", spec.action.as_deref() == Some("confirm")),
            ("hold", spec.hold.is_some()),
            ("undo", spec.undo.is_some()),
            ("milestone", spec.milestone.is_some()),
            ("on_failure", spec.on_failure == FailurePolicy::Undo),
        ];
        for (key, _) in keys.into_iter().filter(|(_, is_there)| *is_there) {
            let message = format!("`{key}` of `{}` has no meaning in `finally`", step.id);
            let wrong = Diagnostic::error("LB0515", &step.path.key(key), message).here("the run is over by then");
            out.push(wrong.help("remove it, or move the step to the list of a direction"));
        }
    }
}
