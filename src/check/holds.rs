//! Holds: what a run keeps closed has an end on every way, and nobody waits in it without a limit.

use super::{
    case::{Case, End, Runs, listed},
    safety::freezes,
};
use crate::{
    clock::Span,
    diagnostic::Diagnostic,
    ids::ResourceName,
    model::Mode,
    runbook::{HoldEnd, OnTimeout, RunWord},
};

/// Every hold of a case, and every freeze that should be one.
pub(super) fn holds(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    unheld(case, out);
    for step in case.running().filter(|i| case.spec(*i).hold.is_some()) {
        let ends: Vec<_> =
            case.promotions().into_iter().filter(|(p, r)| case.works_on(step, r) && case.before(step, *p)).collect();
        endless(case, step, &ends, out);
        undo_missing(case, step, out);
        for (promote, _) in &ends {
            too_short(case, step, *promote, out);
        }
        // In a reprotect nobody waits: the site serves no longer.
        if case.is(Mode::Planned) && case.direction.is_move() {
            let promotions: Vec<_> = ends.iter().map(|(p, _)| *p).collect();
            questions(case, step, &promotions, out);
        }
    }
}

/// Freezes before a promotion of their resource, without `hold`.
fn unheld(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    for (promote, resource) in case.promotions() {
        let attempts = case
            .acting("freeze-writes")
            .filter(|i| case.works_on(*i, resource) && case.before(*i, promote) && case.end(*i) != Some(End::To));
        for step in attempts.filter(|i| case.spec(*i).hold.is_none()) {
            let message = format!("`{}` freezes `{resource}` without saying for how long at most", case.id(step));
            let wrong = Diagnostic::error("LB0530", &case.place(step), message).here("has no `hold`");
            out.push(
                wrong
                    .label(&case.place(promote), "the freeze ends with this promotion")
                    .help("write `hold: { max: 5m, then: undo }`, in an emergency `then: page`"),
            );
        }
    }
}

/// Without a promotion a run that goes well leaves it closed, without an undo one that is aborted.
fn endless(case: &Case<'_>, step: usize, ends: &[(usize, &ResourceName)], out: &mut Vec<Diagnostic>) {
    let spec = case.spec(step);
    let is_freeze = case.does(step, "freeze-writes");
    let reopened = |r: &ResourceName| {
        let opens = |i: &usize| case.works_on(*i, r) && case.end(*i) == case.end(step) && case.before(step, *i);
        case.acting("unfreeze-writes").any(|i| opens(&i))
    };
    let promoted = |r: &ResourceName| ends.iter().any(|(p, of)| *of == r && case.assures(*p, step));
    // Only of databases we know what opens them again.
    let left: Vec<_> =
        spec.resources.iter().filter(|r| is_freeze && !promoted(r) && !reopened(r)).map(ResourceName::as_str).collect();
    let (why, help) = if spec.undo.is_none() && ends.is_empty() {
        ("neither an `undo` nor a promotion opens it again".to_owned(), "write `undo`: what opens it again")
    } else if !left.is_empty() {
        let why = format!("a run that goes well leaves {} closed: no promotion follows", listed(left));
        (why, "promote its replica later in the list, or unfreeze it")
    } else if spec.undo.is_none() && is_freeze && case.is(Mode::Planned) && !undoes(case, step) {
        ("a run that is aborted before the promotion leaves it closed".to_owned(), "write `undo: unfreeze-writes`")
    } else {
        return;
    };
    let message = format!("what `{}` holds has no end in {}", case.id(step), case.name());
    out.push(Diagnostic::error("LB0531", &case.place(step), message).here(why).help(help));
}

/// Whether the hold says that it ends by an undo.
fn undoes(case: &Case<'_>, step: usize) -> bool {
    case.spec(step).hold.as_ref().is_some_and(|hold| hold.then == HoldEnd::Undo)
}

fn undo_missing(case: &Case<'_>, step: usize, out: &mut Vec<Diagnostic>) {
    let spec = case.spec(step);
    if spec.undo.is_none() && undoes(case, step) {
        let path = case.node(step, "hold", |s| &s.hold).key("then");
        let message = format!("the hold of `{}` ends by an undo, yet the step has none", case.id(step));
        let help = if case.does(step, "freeze-writes") {
            "write `undo: unfreeze-writes`"
        } else {
            "write `undo`: what opens it again"
        };
        out.push(Diagnostic::error("LB0532", &path, message).here("nothing to undo with").help(help));
    }
}

/// The steps between a hold and the promotion that ends it fit into the hold.
fn too_short(case: &Case<'_>, step: usize, promote: usize, out: &mut Vec<Diagnostic>) {
    let hold = case.spec(step).hold.as_ref();
    let Some(max) = hold.and_then(|hold| case.span(Some(&hold.max))) else { return };
    let between = |i: usize| case.before(step, i) && case.before(i, promote);
    let length = |i| if between(i) && case.runs(i) != Runs::Never { case.limit(i) } else { Span::ZERO };
    let (path, sum) = case.graph.longest_path(Some(promote), length);
    if sum > max {
        let node = case.node(step, "hold", |s| &s.hold).key("max");
        let message = format!("the hold of `{}` may end while the run goes well", case.id(step));
        let steps = listed(path.iter().map(|i| case.id(*i)));
        out.push(
            Diagnostic::warning("LB0534", &node, message)
                .here(format!("{steps} may take {sum} until `{}`", case.id(promote)))
                .help(format!("write `max: {sum}` or more, or shorten their timeouts")),
        );
    }
}

/// Questions that may be asked while it is held end by themselves, with an answer.
fn questions(case: &Case<'_>, step: usize, ends: &[usize], out: &mut Vec<Diagnostic>) {
    for asking in case.running() {
        let Some(question) = case.question(asking) else { continue };
        let before = asking == step || case.before(asking, step);
        let after = !ends.is_empty() && ends.iter().all(|end| case.before(*end, asking));
        let decides = match question.on_timeout {
            OnTimeout::Wait | OnTimeout::Page => false,
            OnTimeout::Abort | OnTimeout::Undo | OnTimeout::Proceed => question.timeout.is_some(),
        };
        // A best-effort fence promises nothing that a question could make longer.
        if before || after || decides || case.spec(step).run != RunWord::Run {
            continue;
        }
        let node = case.question_node(asking);
        let node = if question.timeout.is_none() { node } else { node.key("on_timeout") };
        let message =
            format!("`{}` may wait for an answer without end while `{}` holds", case.id(asking), case.id(step));
        out.push(
            Diagnostic::error("LB0533", &node, message)
                .here("no limit that decides")
                .label(&case.place(step), "held closed from here")
                .help(format!(
                    "write `timeout: 2m, on_timeout: undo` in the question, or ask before `{}`",
                    case.id(step)
                )),
        );
    }
}

/// The end of the write outage of a promotion: the first step after it that proves writes.
pub(super) fn outage(case: &Case<'_>, promote: usize, resource: &ResourceName) -> Option<(usize, usize)> {
    let freeze = *freezes(case, promote, resource).first()?;
    let proves = |i: &usize| {
        let spec = case.spec(*i);
        case.before(promote, *i) && (!spec.verify.is_empty() || spec.action.as_deref() == Some("verify-http"))
    };
    let first = case.graph.order().iter().copied().find(|i| case.runs(*i) != Runs::Never && proves(i));
    Some((freeze, first.unwrap_or(promote)))
}
