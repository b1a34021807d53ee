//! Undo: it works, and it never crosses the point of no return.

use super::case::Case;
use crate::{
    action,
    diagnostic::{Diagnostic, Path},
    ids::ResourceName,
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
        let Some(row) = action::row(&undo.action) else {
            let message = format!("the undo of `{}` names no action: `{}`", case.id(i), undo.action);
            let known = action::ACTIONS.iter().map(action::ActionRow::name);
            let help = match crate::diagnostic::did_you_mean(&undo.action, known) {
                Some(best) => format!("did you mean `{best}`?"),
                None => "name an action, or write `undo: { with: … }` for the step's own".to_owned(),
            };
            out.push(Diagnostic::error("LB0512", &path, message).here("no action of that name").help(help));
            continue;
        };
        let stated = undo.with.get("impact").and_then(|v| v.as_str()) == Some("irreversible");
        if row.impact == Impact::Irreversible || stated {
            let message = format!("the undo of `{}` cannot be taken back itself", case.id(i));
            let wrong = Diagnostic::error("LB0513", &path, message).here(format!("`{}` is irreversible", row.name()));
            out.push(wrong.help("undo by an action that can be repeated and reversed"));
        }
        out.extend(misfit(case, i, row, &path));
    }
}

/// The undo's action works on other kinds of resources.
fn misfit(case: &Case<'_>, step: usize, row: &action::ActionRow, path: &Path) -> Option<Diagnostic> {
    if row.kinds.is_empty() {
        return None;
    }
    let resources = &case.spec(step).resources;
    let kind = |name: &ResourceName| case.runbook.resources.get(name).map(crate::model::Resource::kind_name);
    let misfit = resources.iter().find(|r| kind(r).is_some_and(|kind| !row.kinds.contains(&kind)));
    let why = match misfit {
        Some(other) => format!("`{}` does not work on `{other}`", row.name()),
        None if resources.is_empty() => format!("`{}` needs a resource", row.name()),
        None => return None,
    };
    let message = format!("the undo of `{}` cannot work", case.id(step));
    let kinds: Vec<_> = row.kinds.iter().map(ToString::to_string).collect();
    let help = format!("`{}` works on {}", row.name(), kinds.join(" and "));
    Some(Diagnostic::error("LB0512", path, message).here(why).help(help))
}
