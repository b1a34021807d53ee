//! Outputs of steps: whoever reads one must come surely after its step, and know what holds where
//! there is none. That the step exists and stands above in the same list is asked by `syntax`.

use super::case::{Case, Runs};
use crate::{
    action,
    diagnostic::{Diagnostic, Path},
    model::expr::{self, Part},
    runbook::{FailurePolicy, RunWord, Runbook, Spec, Step},
};
use serde_json::Value;

/// An expression that reads an output.
struct Use<'a> {
    path: Path,
    /// The step whose output it is.
    step: String,
    /// `steps.ID.OUTPUT`.
    name: String,
    source: &'a str,
}

/// Outputs read by the steps of a case.
pub(super) fn outputs(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    for i in case.running() {
        for used in uses(case, i) {
            out.extend(judge(case, i, &used));
        }
    }
}

fn judge(case: &Case<'_>, i: usize, used: &Use<'_>) -> Option<Diagnostic> {
    let source = case.steps[..i].iter().position(|s| s.id.as_str() == used.step)?;
    if !case.before(source, i) {
        let message = format!("`{}` uses an output of `{}`, which may not have run yet", case.id(i), used.step);
        let wrong = Diagnostic::error("LB0411", &used.path, message).here(format!("reads `{}`", used.name));
        let wrong = wrong.label(&case.place(source), "may run later, or at the same time");
        return Some(wrong.help(format!("add `{}` to the `needs` of `{}`", used.step, case.id(i))));
    }
    let spec = case.spec(source);
    let why = match case.runs(source) {
        Runs::Never => format!("left out of {}", case.name()),
        Runs::Perhaps if spec.when != case.spec(i).when => "its `when` may leave it out".to_owned(),
        _ if spec.run == RunWord::BestEffort => format!("best-effort in {}", case.name()),
        _ if spec.on_failure == FailurePolicy::Continue => "its failure stops nothing".to_owned(),
        Runs::Perhaps | Runs::Always => return None,
    };
    (!has_default(used.source)).then(|| missing(case.id(i), used, &case.place(source), why))
}

fn missing(reader: &str, used: &Use<'_>, source: &Path, why: String) -> Diagnostic {
    let message = format!("`{reader}` uses an output of `{}`, which may be missing", used.step);
    let wrong = Diagnostic::error("LB0412", &used.path, message).here(format!("reads `{}`", used.name));
    let help = format!("say what holds without it: `${{{} | default('unknown')}}`", used.name);
    wrong.label(source, why).help(help)
}

/// Outputs read by steps of `finally`: the run may have ended before any step.
pub(super) fn finally_outputs(runbook: &Runbook, out: &mut Vec<Diagnostic>) {
    let main = || runbook.failover.iter().chain(&runbook.failback).chain(&runbook.reprotect);
    for step in &runbook.finally {
        for used in spec_uses(step, &step.planned).into_iter().chain(spec_uses(step, &step.emergency)) {
            let source = main().find(|s| s.id.as_str() == used.step).filter(|_| !has_default(used.source));
            let why = "a run may end before it, or not have it".to_owned();
            out.extend(source.map(|source| missing(step.id.as_str(), &used, &source.path, why)));
        }
    }
}

/// Every use in a step of a case, in the mode's override where the modes differ.
fn uses<'a>(case: &Case<'a>, i: usize) -> Vec<Use<'a>> {
    let step = &case.steps[i];
    let mut found = spec_uses(step, case.spec(i));
    let prefix = step.path.0.len();
    for used in &mut found {
        let rest = used.path.0.get(prefix + 1..).unwrap_or_default().to_owned();
        let key = rest.split(['.', '[']).next().unwrap_or_default();
        let node = match key {
            "with" => case.node(i, key, |s| &s.with),
            "confirm" => case.node(i, key, |s| &s.confirm),
            "when" => case.node(i, key, |s| &s.when),
            "name" => case.node(i, key, |s| &s.name),
            "undo" => case.node(i, key, |s| &s.undo),
            _ => continue,
        };
        used.path = Path(format!("{}{}", node.0, &rest[key.len()..]));
    }
    found
}

/// Every use in a spec, at the base of its step.
fn spec_uses<'a>(step: &Step, spec: &'a Spec) -> Vec<Use<'a>> {
    let mut found = vec![];
    let base = &step.path;
    for (key, value) in &spec.with {
        in_value(value, &base.key("with").key(key), &mut found);
    }
    if let Some(name) = &spec.name {
        in_text(name, &base.key("name"), &mut found);
    }
    if let Some(confirm) = &spec.confirm {
        let is_action = spec.action.as_deref() == Some(action::CONFIRM.name);
        let key = if is_action { "with" } else { "confirm" };
        in_text(&confirm.message, &base.key(key).key("message"), &mut found);
    }
    if let Some(when) = &spec.when {
        in_source(when, &base.key("when"), &mut found);
    }
    for (key, value) in spec.undo.iter().flat_map(|u| &u.with) {
        in_value(value, &base.key("undo").key("with").key(key), &mut found);
    }
    found
}

fn in_value<'a>(value: &'a Value, path: &Path, found: &mut Vec<Use<'a>>) {
    match value {
        Value::String(text) => in_text(text, path, found),
        Value::Array(items) => items.iter().enumerate().for_each(|(k, v)| in_value(v, &path.index(k), found)),
        Value::Object(map) => map.iter().for_each(|(k, v)| in_value(v, &path.key(k), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn in_text<'a>(text: &'a str, path: &Path, found: &mut Vec<Use<'a>>) {
    for part in expr::split(text).unwrap_or_default() {
        if let Part::Expr(source, _) = part {
            in_source(source, path, found);
        }
    }
}

fn in_source<'a>(source: &'a str, path: &Path, found: &mut Vec<Use<'a>>) {
    for name in expr::names(source).unwrap_or_default() {
        let mut parts = name.split('.');
        if let (Some("steps"), Some(step)) = (parts.next(), parts.next()) {
            let step = step.to_owned();
            found.push(Use { path: path.clone(), step, name, source });
        }
    }
}

/// Whether an expression says what holds where a name has no value: by the filter `default`, or
/// `d`. What stands in quotes does not count.
fn has_default(source: &str) -> bool {
    let mut quote = None;
    let bare: String = source
        .chars()
        .filter(|c| match quote {
            Some(q) => {
                if *c == q {
                    quote = None;
                }
                false
            }
            None if matches!(c, '\'' | '"') => {
                quote = Some(*c);
                false
            }
            None => true,
        })
        .collect();
    let filter = |after: &str| {
        let word = after.trim_start();
        let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
        matches!(&word[..end], "default" | "d")
    };
    bare.split('|').skip(1).any(filter)
}
