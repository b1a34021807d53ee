//! Undo: it works, and it never crosses the point of no return.

use super::case::Case;
use crate::{
    action,
    diagnostic::{Diagnostic, Path},
    model::Impact,
    runbook::{FailurePolicy, HoldEnd, OnTimeout},
};

/// Whatever would undo the run happens before everything that cannot be undone.
pub(super) fn point_of_no_return(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    let no_return: Vec<_> = case.running().filter(|i| case.impact(*i) == Impact::Irreversible).collect();
    for i in case.running() {
        let spec = case.spec(i);
        let crossed = || no_return.iter().copied().find(|t| *t == i || !case.before(i, *t));
        if spec.on_failure == FailurePolicy::Undo
            && let Some(other) = crossed()
        {
            let path = case.node(i, "on_failure", |s| &s.on_failure);
            out.push(crossing(case, i, other, &path, "write `on_failure: pause`"));
        }
        if case.question(i).is_some_and(|q| q.on_timeout == OnTimeout::Undo)
            // The step's own question is asked before it starts.
            && let Some(other) = no_return.iter().copied().find(|t| *t != i && !case.before(i, *t))
        {
            let path = case.question_node(i).key("on_timeout");
            out.push(crossing(case, i, other, &path, "write `on_timeout: page`, or ask earlier"));
        }
        if spec.hold.as_ref().is_some_and(|hold| hold.then == HoldEnd::Undo)
            && let Some(other) = crossed()
        {
            let path = case.node(i, "hold", |s| &s.hold).key("then");
            out.push(crossing(case, i, other, &path, "write `then: page`"));
        }
    }
}

fn crossing(case: &Case<'_>, step: usize, other: usize, path: &Path, help: &str) -> Diagnostic {
    if step == other {
        let message = format!("`{}` cannot be undone: it is irreversible", case.id(step));
        return Diagnostic::error("LB0509", path, message).here("there is no way back from it").help(help);
    }
    let message = format!("undoing at `{}` could cross the point of no return", case.id(step));
    let wrong = Diagnostic::error("LB0509", path, message).here("may happen too late to undo");
    wrong.label(&case.place(other), "irreversible, and may have begun by then").help(help)
}

/// Every `undo` can do its work.
pub(super) fn undos(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    for i in case.running() {
        let Some(undo) = &case.spec(i).undo else { continue };
        let path = case.node(i, "undo", |s| &s.undo);
        if case.impact(i) == Impact::Irreversible {
            let message = format!("`{}` is irreversible, yet has an `undo`", case.id(i));
            let wrong = Diagnostic::error("LB0511", &path, message).here("would never be used");
            out.push(wrong.help("remove it; the way back is a failback"));
            continue;
        }
        let Some(row) = action::row(&undo.action) else { continue };
        let stated = undo.with.get("impact").and_then(|v| v.as_str()) == Some("irreversible");
        if row.impact == Impact::Irreversible || stated {
            let message = format!("the undo of `{}` cannot be taken back itself", case.id(i));
            let wrong = Diagnostic::error("LB0513", &path, message).here(format!("`{}` is irreversible", row.name()));
            out.push(wrong.help("undo by an action that can be repeated and reversed"));
        }
        if !row.kinds.is_empty() && case.spec(i).resources.is_empty() {
            let kinds: Vec<_> = row.kinds.iter().map(ToString::to_string).collect();
            let message = format!("the undo of `{}` has nothing to work on", case.id(i));
            let wrong = Diagnostic::error("LB0512", &path, message).here(format!("`{}` needs a resource", row.name()));
            out.push(wrong.help(format!("undo by an action without one, or give the step its {}", kinds.join(" or "))));
        }
    }
}
