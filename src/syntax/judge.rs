//! Follows the names of a document: sites, resources, probes, parameters, and through `rules` the
//! steps. The shape has been walked already; what is misshapen is passed over here.

use super::{
    expressions::{Expressions, Roots, Scope},
    files::Named,
    modes,
    names::{Names, Section},
    node::Node,
    parameters,
    problems::{Problems, choices, quoted},
    rules::{self, Standing},
    triggers,
    walk::{Walk, nowhere},
};
use crate::{
    action,
    diagnostic::{Diagnostic, SourceMap},
    model::{KindName, MachineArn, Mode},
    runbook::{KINDS, STEP, kind_row},
};
use std::collections::BTreeMap;

/// Judges everything that has or uses a name; gives the files that the runbook names.
pub(super) fn judge(root: &Node, names: &Names<'_>, source: &SourceMap, problems: &mut Problems) -> Named {
    let mut files = Named::new();
    let mut expressions = Expressions::new(names, source);
    head(root, names, problems);
    for (name, node) in root.get("parameters").into_iter().flat_map(Node::meant) {
        parameters::check(name, node, problems);
    }
    for (name, (_, node)) in &names.resources {
        resource(name, node, names, problems);
        if let Some(connection) = node.get("connection") {
            self::connection(connection, &mut files, problems);
        }
    }
    for (_, node) in root.get("probes").into_iter().flat_map(Node::meant) {
        probe(node, names, &mut expressions, problems, &mut files);
    }
    steps(root, names, &mut expressions, problems, &mut files);
    triggers::judge(root, names, problems);
    files
}

/// What stands above the resources.
fn head(root: &Node, names: &Names<'_>, problems: &mut Problems) {
    if let Some(name) = root.get("name")
        && !name.text().is_some_and(|t| t.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        && name.text().is_some()
    {
        let message = format!("{} is not a name for a runbook", quoted(name.text().unwrap_or_default()));
        problems.add(Diagnostic::error("LB0205", &name.path, message).help("use letters, digits, `-` and `_`"));
    }
    for (name, node) in &names.sites {
        if ["global", "from", "to"].contains(name) {
            let problem = Diagnostic::error("LB0212", &node.path, format!("a site cannot be called `{name}`"));
            problems.add(problem.on_key().help("the word has a meaning of its own in steps and expressions"));
        }
    }
    let known: Vec<_> = names.sites.keys().copied().collect();
    let standby = root.get("standby");
    let standbys =
        standby.into_iter().flat_map(|s| if s.text().is_some() { std::slice::from_ref(s) } else { s.items() });
    let mut seen: BTreeMap<&str, &Node> = BTreeMap::new();
    for node in root.get("primary").into_iter().chain(standbys) {
        let Some(name) = node.text() else { continue };
        if !names.sites.contains_key(name) && !names.sites.is_empty() {
            nowhere(problems, node, ("LB0301", "site"), known.iter().copied());
        }
        if let Some(first) = seen.insert(name, node) {
            let problem =
                Diagnostic::error("LB0321", &node.path, format!("{} cannot be moved to from itself", quoted(name)));
            problems.add(problem.here("again").label(&first.path, "first").help("name another site"));
        }
    }
    let required = [standby, root.get("failover")];
    for list in required.into_iter().flatten().filter(|node| node.text().is_none() && node.items().is_empty()) {
        if !list.is_map() {
            let message = format!("`{}` is empty", list.path.0);
            problems.add(Diagnostic::error("LB0216", &list.path, message).help("it needs at least one item"));
        }
    }
}

/// A resource: its kind, its attributes, its sites.
fn resource(name: &str, node: &Node, names: &Names<'_>, problems: &mut Problems) {
    if ["name", "region", "account"].contains(&name) {
        let problem = Diagnostic::error("LB0212", &node.path, format!("a resource cannot be called `{name}`"));
        problems.add(problem.on_key().help(format!("`at.{name}` is the site's own {name} in expressions")));
    }
    let kinds: Vec<_> = KINDS.iter().map(|row| row.shape.name).collect();
    let Some(kind) = node.get("kind") else {
        let message = if node.is_map() {
            format!("`kind` is missing in `{name}`")
        } else {
            format!("`{name}` must be a mapping, not {}", node.what())
        };
        let code = if node.is_map() { "LB0202" } else { "LB0203" };
        problems.add(Diagnostic::error(code, &node.path, message).help(format!("kinds: {}", kinds.join(", "))));
        return;
    };
    let Some(row) = kind.text().and_then(kind_row) else {
        let word = kind.text().unwrap_or_default();
        let message = format!("there is no kind {}", quoted(word));
        problems.add(Diagnostic::error("LB0204", &kind.path, message).help(choices(word, &kinds)));
        return;
    };
    Walk::new(problems).shape(&row.shape, node);
    let known: Vec<_> = names.sites.keys().copied().collect();
    for (site, identity) in node.get("sites").into_iter().flat_map(Node::meant) {
        if !known.contains(&site) && !known.is_empty() {
            let problem = Diagnostic::error("LB0301", &identity.path, format!("there is no site {}", quoted(site)));
            problems.add(problem.on_key().help(choices(site, &known)));
        }
        if let (KindName::StateMachine, Some(arn)) = (row.kind, identity.get("arn")) {
            machine(arn, names.sites.get(site).copied(), problems);
        }
    }
    for (size, node) in node.get("sizes").into_iter().flat_map(Node::meant) {
        let count = |key: &str| node.text_of(key).and_then(|n| n.parse::<u32>().ok());
        if let (Some(min), Some(desired), Some(max)) = (count("min"), count("desired"), count("max"))
            && !(min <= desired && desired <= max)
        {
            let problem = Diagnostic::error("LB0211", &node.path, format!("size `{size}` contradicts itself"));
            problems.add(problem.help("`desired` must lie between `min` and `max`"));
        }
    }
    if row.kind == KindName::WeightedRecord
        && node.get("records").is_some_and(|r| r.items().is_empty() && r.text().is_none())
    {
        problems.add(
            Diagnostic::error("LB0216", &node.path.key("records"), "`records` is empty")
                .help("name at least one record"),
        );
    }
}

/// An ARN of a state machine, where its site is: executions are started and looked for there.
fn machine(arn: &Node, site: Option<&Node>, problems: &mut Problems) {
    let Some(text) = arn.text() else { return };
    let of_site = |key: &str| site.and_then(|site| site.text_of(key));
    let why = match MachineArn::parse(text) {
        None => format!("{} is no ARN of a state machine", quoted(text)),
        Some(machine) if of_site("region").is_some_and(|region| region != machine.region) => {
            format!("this state machine is in {}, its site in another Region", machine.region)
        }
        Some(machine) if of_site("account").is_some_and(|account| account != machine.account) => {
            format!("this state machine is of account {}, its site of another", machine.account)
        }
        Some(_) => return,
    };
    let region = of_site("region").unwrap_or("REGION");
    let account = of_site("account").unwrap_or("ACCOUNT");
    let help = format!("write `arn:aws:states:{region}:{account}:stateMachine:NAME`, without version or alias");
    problems.add(Diagnostic::error("LB0213", &arn.path, why).help(help));
}

/// How to connect: one place for the password, and the file of authorities.
fn connection(node: &Node, files: &mut Named, problems: &mut Problems) {
    if let Some(ca) = node.get("ca") {
        rules::note_file(ca, files, problems);
    }
    let Some(password) = node.get("password").filter(|p| p.is_map()) else { return };
    let help = "say `env: NAME` of a variable, or `secret: NAME` of Secrets Manager";
    match (password.get("env"), password.get("secret")) {
        (None, None) => {
            let message = "`password` says nowhere where it is found";
            problems.add(Diagnostic::error("LB0202", &password.path, message).help(help));
        }
        (Some(_), Some(_)) => {
            let message = "`password` is said to be found in two places";
            problems.add(Diagnostic::error("LB0211", &password.path, message).help(help));
        }
        _ => {}
    }
}

/// A probe: its action, what it asks about, and its parameters.
fn probe(
    node: &Node,
    names: &Names<'_>,
    expressions: &mut Expressions<'_>,
    problems: &mut Problems,
    files: &mut Named,
) {
    let Some(row) = node.text_of("action").and_then(action::row) else { return };
    let standing = Standing { names, section: Section::Finally, only: None };
    rules::subject(node, Some(row), standing, problems);
    let scope = Scope { roots: Roots::NoSteps, step: None, after: false };
    rules::parameters(node, row, problems, |found, problems| expressions.check(found, scope, problems));
    rules::collect_files(node, row.name(), files, problems);
}

fn steps(
    root: &Node,
    names: &Names<'_>,
    expressions: &mut Expressions<'_>,
    problems: &mut Problems,
    files: &mut Named,
) {
    let mut ids: BTreeMap<&str, &Node> = BTreeMap::new();
    for section in Section::ALL {
        for (index, node) in root.get(section.key()).map(Node::items).unwrap_or_default().iter().enumerate() {
            if let Some(id) = node.get("id")
                && let Some(text) = id.text()
            {
                if let Some(first) = ids.get(text) {
                    let problem =
                        Diagnostic::error("LB0317", &id.path, format!("two steps are called {}", quoted(text)));
                    problems.add(
                        problem
                            .here("again")
                            .label(&first.path, "first")
                            .help("ids are unique over all lists of a runbook"),
                    );
                } else {
                    ids.insert(text, id);
                }
            }
            if !node.is_map() {
                continue;
            }
            let mut mode = |mode| {
                let mut problems = problems.beside();
                let step = modes::in_mode(node, mode);
                one(&step, (section, index), names, expressions, &mut problems);
                problems
            };
            let planned = mode(Mode::Planned);
            let emergency = modes::is_changed(node).then(|| mode(Mode::Emergency));
            problems.merge_modes(planned, emergency);
            for mode in [Mode::Planned, Mode::Emergency] {
                let step = modes::in_mode(node, mode);
                rules::collect_files(&step, step.text_of("action").unwrap_or_default(), files, problems);
                if let Some(undo) = step.get("undo") {
                    let action = undo.text_of("action").or(step.text_of("action")).unwrap_or_default();
                    rules::collect_files(undo, action, files, problems);
                }
            }
        }
    }
}

/// A step in one mode.
fn one(
    step: &Node,
    (section, index): (Section, usize),
    names: &Names<'_>,
    expressions: &mut Expressions<'_>,
    problems: &mut Problems,
) {
    let only = step.text_of("only");
    rules::step(step, Standing { names, section, only }, problems);
    let scope = Scope { roots: Roots::All, step: step.text_of("id").map(|id| (id, section, index)), after: false };
    // The walk of the whole file has told what is misshapen; here only the expressions are wanted.
    let (mut heard, keys) = (Problems::default(), rules::without(step, &["with", "undo", "run"]));
    let mut walk = Walk::new(&mut heard);
    walk.shape(&STEP, &keys);
    for found in &walk.found {
        expressions.check(found, scope, problems);
    }
    let row = step.text_of("action").and_then(action::row);
    if let Some(row) = row {
        rules::parameters(step, row, problems, |found, problems| expressions.check(found, scope, problems));
    }
    if let Some(undo) = step.get("undo")
        && let Some(row) = undo.text().or(undo.text_of("action")).map_or(row, action::row)
    {
        let scope = Scope { after: true, ..scope };
        rules::parameters(undo, row, problems, |found, problems| expressions.check(found, scope, problems));
    }
}
