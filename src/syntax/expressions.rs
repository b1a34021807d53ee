//! Expressions, judged without a run: each must compile, use only what the language has, and read
//! only names that will have a value where it stands. So an expression that passes here fails later
//! only for what no file can tell: a step that was skipped, an output that is absent.

use super::{
    lexical::{self, Foreign},
    names::{Names, Section},
    problems::{Problems, choices, quoted},
    walk::{Found, describe},
};
use crate::{
    diagnostic::{Diagnostic, SourceMap},
    model::{Ty, expr},
    runbook::{OBJECTIVES, ParamType},
};
use std::collections::HashMap;

/// Longer ones are not read: the compiler's depth grows with their length.
const LONGEST: usize = 500;
/// Different expressions of one file.
const MOST: usize = 5000;

const ROOTS: &[&str] =
    &["from", "to", "at", "primary", "standby", "parameters", "objectives", "mode", "direction", "run", "steps"];
const OF_A_SITE: &[&str] = &["name", "region", "account"];

/// What an expression may read where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'s> {
    /// The roots that have a value there.
    pub(super) roots: Roots,
    /// The step it belongs to.
    pub(super) step: Option<(&'s str, Section, usize)>,
    /// It runs after its step, so it may read the step's own outputs.
    pub(super) after: bool,
}

/// Which roots have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// All of them.
    All,
    /// `when`: nothing of the world, so that a run decides the same however often it looks.
    Decisions,
    /// A probe's, which many steps use.
    NoSteps,
}

/// Judges expressions; compiles each only once.
#[derive(Debug)]
pub(super) struct Expressions<'n> {
    names: &'n Names<'n>,
    source: &'n SourceMap,
    compiled: HashMap<String, Result<Vec<String>, String>>,
}

/// What a name's value is, as far as the file tells.
enum Is {
    Type(&'static Ty),
    Parameter(ParamType),
    List,
    Unknown,
}

impl<'n> Expressions<'n> {
    pub(super) fn new(names: &'n Names<'n>, source: &'n SourceMap) -> Self {
        Self { names, source, compiled: HashMap::new() }
    }

    /// A problem of a part of a text, which is underlined where it stands in the file as it is meant.
    fn at(&self, code: &'static str, found: &Found<'_>, part: &str, message: String) -> Diagnostic {
        let mut problem = Diagnostic::error(code, &found.node.path, message);
        let whole = self.source.bytes(&problem.labels[0]);
        if let Some(at) = self.source.text.get(whole.clone()).and_then(|text| text.find(part)) {
            problem.labels[0].bytes = Some(whole.start + at..whole.start + at + part.len());
        }
        problem
    }

    /// Judges every expression of a text, or the text as one where it is a `when`.
    pub(super) fn check(&mut self, found: &Found<'_>, scope: Scope<'_>, problems: &mut Problems) {
        if problems.full() {
            return problems.cut();
        }
        let text = found.node.text().unwrap_or_default();
        if matches!(found.ty, Ty::Expr) {
            if text.contains("${") {
                let problem = self.at("LB0307", found, text, format!("{} is an expression already", quoted(text)));
                return problems.add(problem.help("write it without `${` and `}`"));
            }
            return self.source(text, found, Scope { roots: Roots::Decisions, ..scope }, problems);
        }
        match expr::split(text) {
            Err(why) => problems.add(
                self.at("LB0307", found, &text[why.at..], why.to_string()).help("`$${` stands for a literal `${`"),
            ),
            Ok(parts) => {
                for part in &parts {
                    if let expr::Part::Expr(source, _) = part {
                        self.source(source, found, scope, problems);
                    }
                }
                if let [expr::Part::Expr(source, _)] = parts[..] {
                    self.fits(source, found, problems);
                }
            }
        }
    }

    fn source(&mut self, source: &str, found: &Found<'_>, scope: Scope<'_>, problems: &mut Problems) {
        if source.len() > LONGEST {
            return problems.add(self.at(
                "LB0307",
                found,
                source,
                format!("this expression is longer than {LONGEST} bytes"),
            ));
        }
        if !self.compiled.contains_key(source) {
            if self.compiled.len() >= MOST {
                return problems.add(Diagnostic::error(
                    "LB0105",
                    &crate::diagnostic::Path::root(),
                    format!("more than {MOST} different expressions"),
                ));
            }
            self.compiled.insert(source.to_owned(), expr::names(source));
        }
        if let Some(foreign) = lexical::foreign(source) {
            return problems.add(self.not_ours(&foreign, source, found));
        }
        match self.compiled[source].clone() {
            Err(why) => problems.add(self.at(
                "LB0307",
                found,
                source,
                format!("{} is not an expression: {why}", quoted(source)),
            )),
            Ok(names) => {
                for name in names {
                    if let Err(problem) = self.name(&name, source, scope) {
                        let (code, message, help) = problem;
                        problems.add(self.at(code, found, &name, message).help(help));
                    }
                }
            }
        }
    }

    fn not_ours(&self, foreign: &Foreign<'_>, source: &str, found: &Found<'_>) -> Diagnostic {
        let (what, help) = match foreign {
            Foreign::Filter(name) => (format!("there is no filter {}", quoted(name)), choices(name, lexical::FILTERS)),
            Foreign::Test(name) => (format!("there is no test {}", quoted(name)), choices(name, lexical::TESTS)),
            Foreign::Call(name) => (
                format!("{} cannot be called", quoted(name)),
                "expressions have filters, not functions: `x | upper`".into(),
            ),
            Foreign::Slice => ("slices are not part of expressions".into(), "read one item: `list[0]`".into()),
        };
        let part = match foreign {
            Foreign::Filter(name) | Foreign::Test(name) | Foreign::Call(name) if source.contains(name) => name,
            Foreign::Filter(_) | Foreign::Test(_) | Foreign::Call(_) | Foreign::Slice => source,
        };
        self.at("LB0310", found, part, what).help(help)
    }

    /// Code, message and help, where a name leads nowhere.
    fn name(&self, name: &str, source: &str, scope: Scope<'_>) -> Result<(), (&'static str, String, String)> {
        let parts: Vec<_> = name.split('.').collect();
        let root = parts[0];
        if !ROOTS.contains(&root) {
            return Err(("LB0306", format!("there is no {} to read", quoted(name)), choices(root, ROOTS)));
        }
        let site = ["from", "to", "at", "primary", "standby"].contains(&root);
        let hidden = match scope.roots {
            Roots::Decisions if site || ["run", "objectives"].contains(&root) => {
                Some("`when` reads parameters, mode, direction and outputs of steps alone")
            }
            Roots::NoSteps if root == "steps" => Some("a probe serves many steps, so it reads no outputs of steps"),
            Roots::All | Roots::Decisions | Roots::NoSteps => None,
        };
        if let Some(why) = hidden {
            return Err(("LB0311", format!("{} cannot be read here", quoted(name)), why.into()));
        }
        match (root, &parts[1..]) {
            ("mode" | "direction", []) | ("run", ["id"]) => Ok(()),
            ("mode" | "direction", _) => {
                Err(("LB0306", format!("there is nothing inside `{root}`"), format!("write `{root}`")))
            }
            (_, []) => Err((
                "LB0308",
                format!("`{root}` alone cannot be read"),
                format!("say what of it: `{}`; a name in brackets cannot be checked", example(root)),
            )),
            ("run", [wrong, ..]) => Err(no("run", wrong, &["id"])),
            ("parameters", [one]) if self.names.parameters.contains_key(one) => Ok(()),
            ("parameters", [wrong, ..]) => {
                Err(no("parameters", wrong, &self.names.parameters.keys().copied().collect::<Vec<_>>()))
            }
            ("objectives", [one]) if self.names.objectives.contains(one) => Ok(()),
            ("objectives", [one]) if OBJECTIVES.fields.iter().any(|field| field.name == *one) => {
                Err(("LB0306", format!("the runbook states no `{one}`"), format!("add `objectives: {{ {one}: 1m }}`")))
            }
            ("objectives", [wrong, ..]) => {
                Err(no("objectives", wrong, &OBJECTIVES.fields.iter().map(|field| field.name).collect::<Vec<_>>()))
            }
            ("steps", rest) => self.output(name, rest, scope),
            (_, rest) => self.site(root, rest, source),
        }
    }

    fn output(&self, name: &str, rest: &[&str], scope: Scope<'_>) -> Result<(), (&'static str, String, String)> {
        let Some(step) = self.names.steps.get(rest[0]) else {
            let known: Vec<_> =
                self.names.steps.values().filter(|s| s.outputs().next().is_some()).map(|s| s.id).collect();
            return Err(("LB0304", format!("there is no step {}", quoted(rest[0])), choices(rest[0], &known)));
        };
        if step.unclear {
            return Ok(());
        }
        let known: Vec<_> = step.outputs().map(|field| field.name).collect();
        let Some((output, inside)) = rest[1..].split_first() else {
            let help = format!("outputs of `{}`: {}", step.id, known.join(", "));
            return Err(("LB0308", format!("`{name}` alone cannot be read"), help));
        };
        let Some(field) = step.output(output) else {
            let message = format!("step `{}` has no output {}", step.id, quoted(output));
            return Err(("LB0312", message, choices(output, &known)));
        };
        if !inside.is_empty() && !matches!(field.ty, Ty::Any) {
            return Err(("LB0312", format!("there is nothing inside `steps.{}.{output}`", step.id), String::new()));
        }
        let Some((own, section, index)) = scope.step else { return Ok(()) };
        if step.id == own {
            let help = "only its `undo` may read what the step itself tells";
            return if scope.after {
                Ok(())
            } else {
                Err(("LB0313", format!("`{name}` is known only after this step"), help.into()))
            };
        }
        let ran = step.section == section && step.index < index;
        // `finally` comes after whichever list was run.
        let other = section == Section::Finally && step.section != Section::Finally;
        if ran || other {
            return Ok(());
        }
        if step.section == section {
            let help = format!("move this step below `{}`", step.id);
            return Err(("LB0313", format!("step `{}` stands below this one", step.id), help));
        }
        let message = format!("step `{}` belongs to `{}`, which is another run", step.id, step.section.key());
        Err(("LB0313", message, "read outputs of steps above, in the same list".into()))
    }

    fn site(&self, root: &str, rest: &[&str], source: &str) -> Result<(), (&'static str, String, String)> {
        let sites = match root {
            "primary" => self.names.primary.as_slice(),
            "standby" => &self.names.standbys,
            _ => &self.names.ends,
        };
        // An absent value ends the run in the middle, unless the expression says what it means.
        let lacking = |has: &dyn Fn(&str) -> bool| {
            let needed = !lexical::has_default(source);
            sites.iter().copied().find(|site| needed && self.names.sites.contains_key(site) && !has(site))
        };
        let add = |what: &str, site: &str| {
            (
                "LB0306",
                format!("{what} is not stated for `{site}`"),
                format!("state it, or write `{source} | default('…')`"),
            )
        };
        match rest {
            ["account"] => match lacking(&|site| self.names.sites[site].get("account").is_some()) {
                Some(site) => Err(add("the account", site)),
                None => Ok(()),
            },
            [member] if OF_A_SITE.contains(member) => Ok(()),
            [resource, inside @ ..] if self.names.resources.contains_key(resource) => {
                let Some(row) = self.names.resources[resource].0 else { return Ok(()) };
                let known: Vec<_> = row.identity.fields.iter().map(|field| field.name).collect();
                match inside {
                    [] => Err((
                        "LB0308",
                        format!("`{root}.{resource}` alone cannot be read"),
                        format!("say what of it: {}", known.join(", ")),
                    )),
                    [attribute] if known.contains(attribute) => {
                        let has = |site: &str| {
                            self.names.identity(resource, site).is_none_or(|identity| identity.get(attribute).is_some())
                        };
                        match lacking(&has) {
                            Some(site) => Err(add(&format!("`{attribute}` of `{resource}`"), site)),
                            None => Ok(()),
                        }
                    }
                    [wrong, ..] => Err(no(&format!("{root}.{resource}"), wrong, &known)),
                }
            }
            [wrong, ..] => {
                let known: Vec<_> = OF_A_SITE.iter().copied().chain(self.names.resources.keys().copied()).collect();
                Err(no(root, wrong, &known))
            }
            [] => Ok(()),
        }
    }

    /// A value that is one whole name must have the type that is wanted.
    fn fits(&self, source: &str, found: &Found<'_>, problems: &mut Problems) {
        let is = self.type_of(source);
        let fits = match (&is, found.ty) {
            (Is::Unknown, _) | (_, Ty::Any) => true,
            (Is::List, _) => false,
            (_, Ty::Text) => true,
            (Is::Parameter(ty), wanted) => matches!(
                (ty, wanted),
                (ParamType::Integer, Ty::Int { .. } | Ty::Number)
                    | (ParamType::Number, Ty::Number)
                    | (ParamType::Boolean, Ty::Flag)
                    | (ParamType::Duration, Ty::Duration)
                    | (ParamType::String | ParamType::Choice(_), Ty::Percent)
            ),
            (Is::Type(ty), wanted) => {
                matches!(ty, Ty::Any) || std::mem::discriminant(*ty) == std::mem::discriminant(wanted)
            }
        };
        if !fits {
            let message = format!("{} is {}, where {} is wanted", quoted(source), in_words(&is), describe(found.ty));
            problems.add(self.at("LB0309", found, source, message));
        }
    }

    fn type_of(&self, source: &str) -> Is {
        let parts: Vec<_> = source.split('.').map(str::trim).collect();
        match parts[..] {
            ["parameters", name] => {
                self.names.parameters.get(name).cloned().flatten().map_or(Is::Unknown, Is::Parameter)
            }
            ["objectives", name] if OBJECTIVES.fields.iter().any(|f| f.name == name) => Is::Type(&Ty::Duration),
            ["steps", id, output] => {
                match self.names.steps.get(id).map(|step| (step.actions.len(), step.output(output))) {
                    Some((1, Some(field))) => Is::Type(&field.ty),
                    _ => Is::Unknown,
                }
            }
            ["mode" | "direction"] | ["run", "id"] => Is::Type(&Ty::Text),
            ["from" | "to" | "at" | "primary" | "standby", member] if OF_A_SITE.contains(&member) => {
                Is::Type(&Ty::Text)
            }
            ["from" | "to" | "at" | "primary" | "standby", resource, attribute] => {
                let row = self.names.resources.get(resource).and_then(|(row, _)| *row);
                match row.and_then(|row| row.identity.fields.iter().find(|field| field.name == attribute)) {
                    Some(field) if matches!(field.ty, Ty::List(_)) => Is::List,
                    Some(_) => Is::Type(&Ty::Text),
                    None => Is::Unknown,
                }
            }
            _ => Is::Unknown,
        }
    }
}

fn no(what: &str, wrong: &str, known: &[&str]) -> (&'static str, String, String) {
    ("LB0306", format!("`{what}` has no {}", quoted(wrong)), choices(wrong, known))
}

fn example(root: &str) -> &'static str {
    match root {
        "parameters" => "parameters.NAME",
        "objectives" => "objectives.rpo",
        "run" => "run.id",
        "steps" => "steps.ID.OUTPUT",
        _ => "to.name",
    }
}

fn in_words(is: &Is) -> String {
    match is {
        Is::Type(ty) => describe(ty),
        Is::List => "a list".into(),
        Is::Unknown => "something".into(),
        Is::Parameter(ty) => match ty {
            ParamType::String | ParamType::Choice(_) => "a text".into(),
            ParamType::Integer => "a whole number".into(),
            ParamType::Number => "a number".into(),
            ParamType::Boolean => "true or false".into(),
            ParamType::Duration => "a duration".into(),
        },
    }
}
