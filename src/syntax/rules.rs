//! What the rows say about a step as a whole: which resources its action works on, what those must
//! have, what its names lead to, and which of its keys contradict each other. A step is seen here in
//! one mode, its overrides put in.

use super::{
    files::Named,
    names::{Names, Section},
    node::{Data, Node},
    problems::{Problems, choices, quoted},
    walk::{self, Found, Walk, nowhere},
};
use crate::{
    action::{self, ActionRow, DefaultAt},
    diagnostic::Diagnostic,
    model::{KindName, Need, expr},
    runbook::{HOLD, STEP},
};
use serde_json::Value;

/// Where a step stands.
#[derive(Clone, Copy)]
pub(super) struct Standing<'s> {
    pub(super) names: &'s Names<'s>,
    pub(super) section: Section,
    pub(super) only: Option<&'s str>,
}

/// Everything about a step but its expressions and the shape of its `with`.
pub(super) fn step(step: &Node, standing: Standing<'_>, problems: &mut Problems) {
    let row = known_action(step.get("action"), problems);
    // Where the step itself holds something the walk of the file has judged it.
    if let Some(hold) = step.get("hold").filter(|hold| hold.path != step.path.key("hold")) {
        Walk::new(problems).shape(&HOLD, hold);
    }
    let known = |key: &str| key == "run" || STEP.fields.iter().any(|field| field.name == key);
    if step.get("action").is_none() && step.meant().all(|(key, _)| known(key)) {
        without_action(step, problems);
    }
    if let (Some("confirm"), Some(again)) = (step.text_of("action"), step.get("confirm")) {
        let problem = Diagnostic::error("LB0211", &again.path, "`confirm` asks before an action that asks itself");
        problems.add(problem.on_key().help("say all of it in `with`"));
    }
    place(step, standing.names, problems);
    subject(step, row, standing, problems);
    needs(step, standing, problems);
    probes(step.get("verify"), standing, problems);
    if row.is_some_and(|row| row.name() == "wait") {
        probes(step.get("with").and_then(|with| with.get("while")), standing, problems);
    }
    if let Some(row) = row {
        attributes(row, row, step, standing, problems);
    }
    if let Some(undo) = step.get("undo") {
        self::undo(undo, row, step, standing, problems);
    }
}

fn known_action(action: Option<&Node>, problems: &mut Problems) -> Option<&'static ActionRow> {
    let node = action?;
    let row = action::row(node.text()?);
    if row.is_none() {
        nowhere(problems, node, ("LB0305", "action"), action::ACTIONS.iter().map(ActionRow::name));
    }
    row
}

fn without_action(step: &Node, problems: &mut Problems) {
    for key in ["with", "undo", "hold", "simulate"] {
        if let Some(node) = step.get(key) {
            let problem = Diagnostic::error("LB0211", &node.path, format!("`{key}` without `action`"));
            problems.add(problem.on_key().help("say which action it belongs to, or remove it"));
        }
    }
    if step.get("verify").is_none_or(|verify| verify.items().is_empty() && verify.text().is_none()) {
        let problem = Diagnostic::error("LB0216", &step.path, "this step does nothing");
        problems.add(problem.help("give it an `action`, or probes to `verify`"));
    }
}

/// Where a step works, or a probe asks.
pub(super) fn place(node: &Node, names: &Names<'_>, problems: &mut Problems) {
    let Some(at) = node.get("at") else { return };
    let sites = &names.sites;
    if at.text().is_some_and(|text| !["from", "to"].contains(&text) && !sites.contains_key(text)) {
        nowhere(problems, at, ("LB0301", "site"), ["from", "to"].into_iter().chain(sites.keys().copied()));
    }
}

fn needs(step: &Node, standing: Standing<'_>, problems: &mut Problems) {
    let steps = &standing.names.steps;
    for need in step.get("needs").map(Node::items).unwrap_or_default() {
        let Some(id) = need.text() else { continue };
        match steps.get(id) {
            Some(found) if found.section == standing.section => {}
            Some(found) => {
                let message = format!("step {} stands in `{}`, not in this list", quoted(id), found.section.key());
                let problem = Diagnostic::error("LB0304", &need.path, message);
                problems.add(problem.help("a step needs steps of its own list"));
            }
            None => {
                let known = steps.values().filter(|s| s.section == standing.section).map(|s| s.id);
                nowhere(problems, need, ("LB0304", "step"), known);
            }
        }
    }
}

fn probes(list: Option<&Node>, standing: Standing<'_>, problems: &mut Problems) {
    for one in list.map(Node::items).unwrap_or_default() {
        probe(one, standing.names, problems);
    }
}

/// The name of a probe.
pub(super) fn probe(node: &Node, names: &Names<'_>, problems: &mut Problems) {
    if node.text().is_some_and(|name| !names.probes.contains(name)) {
        nowhere(problems, node, ("LB0303", "probe"), names.probes.iter().copied());
    }
}

/// The resource nodes of a step or probe.
fn resources(node: &Node) -> Vec<&Node> {
    let several = node.get("resources").map(Node::items).unwrap_or_default();
    node.get("resource").into_iter().chain(several).collect()
}

/// What a step or probe works on: there, of a kind its action knows, and at both ends.
pub(super) fn subject(node: &Node, row: Option<&ActionRow>, standing: Standing<'_>, problems: &mut Problems) {
    let names = standing.names;
    if let (Some(_), Some(several)) = (node.get("resource"), node.get("resources")) {
        let problem = Diagnostic::error("LB0211", &several.path, "`resource` and `resources` exclude each other");
        problems.add(problem.on_key().help("name all of them in `resources`"));
    }
    let all = resources(node);
    let known = || names.resources.keys().copied();
    for one in &all {
        if one.text().is_some_and(|name| !names.resources.contains_key(name)) {
            nowhere(problems, one, ("LB0302", "resource"), known());
        }
    }
    let Some(row) = row else { return };
    if row.kinds.is_empty() {
        if let Some(one) = all.first() {
            let problem = Diagnostic::error("LB0316", &one.path, format!("`{}` works on no resource", row.name()));
            problems.add(problem.help("remove it"));
        }
        return;
    }
    let wanted: Vec<_> = row.kinds.iter().map(KindName::to_string).collect();
    if all.is_empty() && problems.full() {
        problems.cut();
    } else if all.is_empty() {
        let fit: Vec<_> = known().filter(|name| names.kind(name).is_some_and(|k| row.kinds.contains(&k))).collect();
        let message = format!("`{}` needs a `resource` of kind {}", row.name(), wanted.join(" or "));
        let place = node.get("action").map_or(&node.path, |action| &action.path);
        problems.add(Diagnostic::error("LB0315", place, message).help(format!("there are: {}", fit.join(", "))));
    }
    for one in all {
        let Some(name) = one.text() else { continue };
        let Some(kind) = names.kind(name) else { continue };
        if !row.kinds.contains(&kind) {
            let message = format!("`{}` works on {}, and `{name}` is {kind}", row.name(), wanted.join(" or "));
            problems.add(Diagnostic::error("LB0314", &one.path, message));
            continue;
        }
        if problems.full() {
            problems.cut();
            continue;
        }
        let missing = names.missing(name);
        if let Some(first) = missing.first() {
            let more = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
            let message = format!("`{name}` is not at `{first}`{more}");
            let problem = Diagnostic::error("LB0318", &one.path, message).here("used here");
            problems.add(problem.help(format!("add `{first}` to the `sites` of `{name}`")));
        }
    }
}

/// What the action needs of its resources at the places where it can come to work. `own` is the
/// row of the step's action, which decides the place; `row` that action or the undo's.
fn attributes(row: &ActionRow, own: &ActionRow, step: &Node, standing: Standing<'_>, problems: &mut Problems) {
    let names = standing.names;
    let at = step.text_of("at").unwrap_or(match own.at {
        DefaultAt::From => "from",
        DefaultAt::To => "to",
    });
    let attribute = match row.name() {
        "freeze-writes" | "unfreeze-writes" => Some("parameter_group"),
        "quarantine" => Some("quarantine_security_groups"),
        _ => None,
    };
    for one in resources(step) {
        let Some(name) = one.text() else { continue };
        for site in attribute.map(|_| names.places(at, standing.section, standing.only)).unwrap_or_default() {
            let Some((identity, attribute)) = names.identity(name, site).zip(attribute) else { continue };
            if identity.get(attribute).is_none_or(|node| node.text().is_none() && node.items().is_empty()) {
                let message = format!("`{}` needs `{attribute}` of `{name}` at `{site}`", row.name());
                let problem = Diagnostic::error("LB0319", &one.path, message).here("used here");
                problems.add(problem.label(&identity.path, "missing here").help(format!("add `{attribute}`")));
            }
        }
        if row.name() == "scale" && std::ptr::eq(row, own) {
            size(step, name, standing, problems);
        }
        let connects = match row.name() {
            "verify-sql" => true,
            "wait-for-replication" => {
                step.get("with").and_then(|w| w.text_of("proof")).is_some_and(|p| ["lsn", "marker"].contains(&p))
            }
            _ => false,
        };
        if let Some((Some(_), node)) = names.resources.get(name).filter(|_| connects)
            && node.get("connection").is_none()
        {
            let message = format!("`{}` must connect to `{name}`, and nothing says how", row.name());
            let problem = Diagnostic::error("LB0319", &one.path, message).here("used here");
            problems.add(problem.label(&node.path, "missing here").help("add `connection` to the resource"));
        }
    }
}

/// A size that is written out exists.
fn size(node: &Node, resource: &str, standing: Standing<'_>, problems: &mut Problems) {
    let Some(to) = node.get("with").and_then(|with| with.get("to")) else { return };
    let Some((Some(_), resource_node)) = standing.names.resources.get(resource) else { return };
    let known: Vec<_> = resource_node.get("sizes").into_iter().flat_map(Node::meant).map(|(name, _)| name).collect();
    let Some(text) = to.text() else { return };
    if !expr::has_expr(text) && !known.contains(&text) && !known.is_empty() {
        let message = format!("`{resource}` has no size {}", quoted(text));
        problems.add(Diagnostic::error("LB0320", &to.path, message).help(choices(text, &known)));
    }
}

fn undo(undo: &Node, own: Option<&ActionRow>, step: &Node, standing: Standing<'_>, problems: &mut Problems) {
    let named = if undo.text().is_some() { Some(undo) } else { undo.get("action") };
    if undo.is_map() && undo.get("action").is_none() && undo.get("with").is_none() {
        let problem = Diagnostic::error("LB0216", &undo.path, "this `undo` says nothing");
        problems.add(problem.help("name an action, or give the step's own another `with`"));
    }
    let row = if named.is_some() { known_action(named, problems) } else { own };
    let Some((row, own)) = row.zip(own) else { return };
    if named.is_some() {
        for one in resources(step) {
            let kind = one.text().and_then(|name| standing.names.kind(name));
            if !row.kinds.is_empty() && kind.is_some_and(|kind| !row.kinds.contains(&kind)) {
                let message =
                    format!("`{}` does not work on {}", row.name(), kind.map(|k| k.to_string()).unwrap_or_default());
                problems
                    .add(Diagnostic::error("LB0314", &undo.path, message).label(&one.path, "what the step works on"));
            }
        }
        attributes(row, own, step, standing, problems);
    }
    if row.name() == "scale" {
        resources(step).iter().filter_map(|r| r.text()).for_each(|name| size(undo, name, standing, problems));
    }
}

/// The `with` of a step, probe or undo against its action's row; each expression in it goes to `judge`.
pub(super) fn parameters(
    node: &Node,
    row: &'static ActionRow,
    problems: &mut Problems,
    mut judge: impl FnMut(&Found<'_>, &mut Problems),
) {
    let Some(with) = node.get("with") else {
        let needed: Vec<_> =
            row.shape.fields.iter().filter(|f| f.need == Need::Required).map(|f| format!("`{}`", f.name)).collect();
        if needed.is_empty() {
            return complaints(node, row, problems);
        }
        let message = format!("`with` is missing: `{}` needs {}", row.name(), needed.join(", "));
        problems.add(Diagnostic::error("LB0202", &node.path, message).help(row.shape.doc));
        return;
    };
    let mut found = problems.beside();
    let mut walk = Walk::new(&mut found);
    walk.shape(&row.shape, with);
    for expression in &walk.found {
        judge(expression, problems);
    }
    let sound = !found.any();
    problems.append(found);
    if sound {
        complaints(node, row, problems);
    }
}

/// What the action itself says about its parameters, as far as no expression keeps it from knowing.
fn complaints(node: &Node, row: &'static ActionRow, problems: &mut Problems) {
    let with = node.get("with").map(|with| walk::values(&row.shape, with)).unwrap_or_default();
    let Err(complaints) = action::lower(row.name(), &with) else { return };
    for (field, why) in complaints {
        let open = field.split('.').next().and_then(|key| with.get(key)).is_some_and(is_open);
        if !open {
            let path =
                node.get("with").map_or(&node.path, |with| with.get(&field).map_or(&with.path, |value| &value.path));
            problems.add(Diagnostic::error("LB0215", path, format!("`{}`: {why}", row.name())));
        }
    }
}

fn is_open(value: &Value) -> bool {
    expr::any_text(value, &expr::has_expr)
}

/// Notes the files that an action names, and refuses names that lead out of the runbook's folder.
pub(super) fn collect_files(node: &Node, action: &str, files: &mut Named, problems: &mut Problems) {
    let Some(with) = node.get("with") else { return };
    let first = |key: &str| with.get(key).and_then(|list| list.items().first());
    let named: Vec<&Node> = match action {
        "verify-sql" => with.get("queries").map(Node::items).unwrap_or_default().iter().collect(),
        // A bare word is found by the system, an absolute path belongs to it.
        "exec" => ["command", "check"]
            .into_iter()
            .filter_map(first)
            .filter(|n| n.text().is_some_and(|t| t.contains('/') && !t.starts_with('/')))
            .collect(),
        _ => vec![],
    };
    for node in named {
        note_file(node, files, problems);
    }
}

/// Notes a file that is named here, unless it leads out of the runbook's folder.
pub(super) fn note_file(node: &Node, files: &mut Named, problems: &mut Problems) {
    let Some(name) = node.text().filter(|name| !expr::has_expr(name)) else { return };
    if name.starts_with('/') || name.split('/').any(|part| part == "..") || name.contains('\0') {
        let message = format!("{} leads out of the runbook's folder", quoted(name));
        problems.add(Diagnostic::error("LB0322", &node.path, message).help("keep the file beside the runbook"));
    } else {
        files.entry(name.to_owned()).or_insert_with(|| node.path.clone());
    }
}

/// A mapping without some of its keys.
pub(super) fn without(node: &Node, keys: &[&str]) -> Node {
    let left = node.entries().iter().filter(|(key, _)| !keys.contains(&key.as_str())).cloned().collect();
    Node { path: node.path.clone(), data: Data::Map(left) }
}
