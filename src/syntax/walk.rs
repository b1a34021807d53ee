//! Holds a tree against the rows of the language: unknown keys, missing keys, wrong types, all of
//! them, each at its place. Whoever lowers the tree afterwards picks values and need not complain.
//!
//! Texts with expressions are collected, not judged: what they may read depends on where the step
//! stands (`expressions.rs`).

use super::{
    node::{Data, Node, Scalar, is_ignored},
    problems::{Problems, choices, quoted},
};
use crate::{
    clock::Span,
    diagnostic::Diagnostic,
    ids::is_name,
    model::{Field, Need, Shape, Ty, expr},
    runbook::reserved,
};
use serde_json::{Map, Value};

/// A text with an expression, and what its value must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'n> {
    /// Where it stands.
    pub(super) node: &'n Node,
    /// What must come out.
    pub(super) ty: &'static Ty,
}

/// A walk over a tree.
pub(super) struct Walk<'p, 'n> {
    /// What was wrong.
    pub(super) problems: &'p mut Problems,
    /// The expressions met.
    pub(super) found: Vec<Found<'n>>,
}

impl<'p, 'n> Walk<'p, 'n> {
    pub(super) fn new(problems: &'p mut Problems) -> Self {
        Self { problems, found: vec![] }
    }

    /// A mapping of a shape.
    pub(super) fn shape(&mut self, shape: &'static Shape, node: &'n Node) {
        if !node.is_map() {
            let message = format!("`{}` must be a mapping, not {}", shape.name, node.what());
            self.problems.add(Diagnostic::error("LB0203", &node.path, message).help(shape.doc));
            return;
        }
        for (key, value) in node.meant() {
            match shape.fields.iter().find(|field| field.name == key) {
                Some(field) => self.field(field, value),
                None => self.unknown_key(shape, node, key),
            }
        }
        for field in shape.fields.iter().filter(|f| f.need == Need::Required) {
            if !node.entries().iter().any(|(key, _)| key == field.name) {
                let message = format!("`{}` is missing in `{}`", field.name, shape.name);
                let help = format!("{} For example `{}: {}`", field.doc, field.name, field.example);
                self.problems.add(Diagnostic::error("LB0202", &node.path, message).help(help));
            }
        }
    }

    fn unknown_key(&mut self, shape: &'static Shape, node: &Node, key: &str) {
        if self.problems.full() {
            return;
        }
        let path = node.path.key(key);
        if let Some(purpose) = reserved(shape.name, key) {
            let message = format!("`{key}` is not supported yet");
            self.problems
                .add(Diagnostic::error("LB0209", &path, message).on_key().help(format!("reserved: {purpose}")));
            return;
        }
        let known: Vec<_> = shape.fields.iter().map(|field| field.name).collect();
        let problem = Diagnostic::error("LB0201", &path, format!("unknown key {} in `{}`", quoted(key), shape.name));
        self.problems.add(problem.on_key().help(choices(key, &known)));
    }

    fn field(&mut self, field: &'static Field, value: &'n Node) {
        if value.is_null() && !matches!(field.ty, Ty::Any) {
            let problem = Diagnostic::error("LB0210", &value.path, format!("`{}` has no value", field.name)).on_key();
            self.problems
                .add(problem.help(format!("leave it out, or write for example `{}: {}`", field.name, field.example)));
            return;
        }
        self.value(field, &field.ty, value, true);
    }

    /// A value of a type. `dynamic`: an expression may stand here.
    fn value(&mut self, field: &'static Field, ty: &'static Ty, node: &'n Node, dynamic: bool) {
        match ty {
            Ty::Any => self.anything(field, node, dynamic),
            Ty::Of(shape) => self.shape(shape, node),
            Ty::Literal(inner) => self.value(field, inner, node, false),
            Ty::Either(options) => self.either(field, options, node, dynamic),
            Ty::List(inner) => match &node.data {
                Data::List(items) => items.iter().for_each(|item| self.value(field, inner, item, dynamic)),
                _ => self.wrong(field, ty, node),
            },
            Ty::Map(inner) | Ty::Named(inner) => {
                if !node.is_map() {
                    return self.wrong(field, ty, node);
                }
                let named = matches!(ty, Ty::Named(_));
                for (key, value) in node.entries().iter().filter(|(key, _)| !(named && is_ignored(key))) {
                    if named && !is_name(key) {
                        self.not_a_name(key, value, true);
                    }
                    self.value(field, inner, value, dynamic);
                }
            }
            Ty::Text
            | Ty::Fixed
            | Ty::Name
            | Ty::Int { .. }
            | Ty::Duration
            | Ty::Flag
            | Ty::OneOf(_)
            | Ty::Number
            | Ty::Percent
            | Ty::Expr => self.scalar(field, ty, node, dynamic),
        }
    }

    /// The first option that is of the same sort as the node, so that a broken mapping is judged as one.
    fn either(&mut self, field: &'static Field, options: &'static [Ty], node: &'n Node, dynamic: bool) {
        let fits = |ty: &&'static Ty| match (ty, &node.data) {
            (Ty::Of(_) | Ty::Map(_) | Ty::Named(_), Data::Map(_)) | (Ty::List(_), Data::List(_)) => true,
            (Ty::Of(_) | Ty::Map(_) | Ty::Named(_) | Ty::List(_), _) => false,
            (_, data) => matches!(data, Data::Scalar(_)),
        };
        match options.iter().find(fits) {
            Some(ty) => self.value(field, ty, node, dynamic),
            None => {
                let all: Vec<_> = options.iter().map(describe).collect();
                self.complain(field, node, &all.join(" or "));
            }
        }
    }

    fn scalar(&mut self, field: &'static Field, ty: &'static Ty, node: &'n Node, dynamic: bool) {
        let Data::Scalar(scalar) = &node.data else { return self.wrong(field, ty, node) };
        let text = scalar.text.as_str();
        if expr::has_expr(text) && !matches!(ty, Ty::Expr) {
            if dynamic && takes_expressions(ty) {
                self.found.push(Found { node, ty });
            } else {
                let message = format!("`{}` takes no expression", field.name);
                let help = format!("it is needed before anything is evaluated; write for example `{}`", field.example);
                self.problems.add(Diagnostic::error("LB0208", &node.path, message).help(help));
            }
            return;
        }
        match ty {
            Ty::Name if !is_name(text) => self.not_a_name(text, node, false),
            Ty::OneOf(words) if !words.contains(&text) => {
                let message = format!("`{}` cannot be {}", field.name, quoted(text));
                self.problems.add(Diagnostic::error("LB0204", &node.path, message).help(choices(text, words)));
            }
            Ty::Int { min, max } => match scalar.plain.as_ref().and_then(Value::as_i64) {
                Some(n) if (*min..=*max).contains(&n) => {}
                Some(n) => {
                    let message = format!("`{}` cannot be {n}: {min} to {max}", field.name);
                    self.problems.add(Diagnostic::error("LB0206", &node.path, message));
                }
                None => self.wrong(field, ty, node),
            },
            Ty::Expr => self.found.push(Found { node, ty }),
            _ if !scalar_fits(ty, scalar) => self.wrong(field, ty, node),
            _ => {}
        }
    }

    fn anything(&mut self, field: &'static Field, node: &'n Node, dynamic: bool) {
        match &node.data {
            Data::Null => {}
            Data::Scalar(scalar) if expr::has_expr(&scalar.text) => self.scalar(field, &Ty::Any, node, dynamic),
            Data::Scalar(_) => {}
            Data::List(items) => items.iter().for_each(|item| self.anything(field, item, dynamic)),
            Data::Map(entries) => entries.iter().for_each(|(_, value)| self.anything(field, value, dynamic)),
        }
    }

    fn not_a_name(&mut self, name: &str, node: &Node, on_key: bool) {
        let problem = Diagnostic::error("LB0205", &node.path, format!("{} is not a name", quoted(name)));
        let lower: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .take(64)
            .collect();
        let hint = if is_name(&lower) { format!(": write `{lower}`") } else { String::new() };
        let problem = problem.help(format!("names are lowercase letters, digits and `_`, a letter first{hint}"));
        self.problems.add(if on_key { problem.on_key() } else { problem });
    }

    fn wrong(&mut self, field: &'static Field, ty: &Ty, node: &Node) {
        self.complain(field, node, &describe(ty));
    }

    fn complain(&mut self, field: &'static Field, node: &Node, wanted: &str) {
        let message = format!("`{}` must be {wanted}, not {}", field.name, node.what());
        let code = if wanted.starts_with("a duration") { "LB0207" } else { "LB0203" };
        let help = format!("write for example `{}: {}`", field.name, field.example);
        self.problems.add(Diagnostic::error(code, &node.path, message).help(help));
    }
}

/// Whether `${…}` may stand where this type is wanted.
pub(super) fn takes_expressions(ty: &Ty) -> bool {
    match ty {
        Ty::Text | Ty::Int { .. } | Ty::Duration | Ty::Flag | Ty::Number | Ty::Percent | Ty::Any => true,
        Ty::Fixed
        | Ty::Name
        | Ty::OneOf(_)
        | Ty::Expr
        | Ty::List(_)
        | Ty::Map(_)
        | Ty::Named(_)
        | Ty::Literal(_)
        | Ty::Of(_)
        | Ty::Either(_) => false,
    }
}

fn scalar_fits(ty: &Ty, scalar: &Scalar) -> bool {
    let plain = scalar.plain.as_ref();
    match ty {
        Ty::Text | Ty::Fixed | Ty::Name | Ty::OneOf(_) | Ty::Expr | Ty::Any => true,
        Ty::Int { .. } => plain.is_some_and(Value::is_i64),
        Ty::Number => plain.is_some_and(Value::is_number),
        Ty::Flag => plain.is_some_and(Value::is_boolean),
        Ty::Duration => scalar.text.parse::<Span>().is_ok(),
        Ty::Percent => scalar
            .text
            .strip_suffix('%')
            .and_then(|n| n.trim().parse::<f64>().ok())
            .is_some_and(|n| (0.0..=100.0).contains(&n)),
        Ty::List(_) | Ty::Map(_) | Ty::Named(_) | Ty::Literal(_) | Ty::Of(_) | Ty::Either(_) => false,
    }
}

/// A type in words, to stand after "must be".
pub(super) fn describe(ty: &Ty) -> String {
    match ty {
        Ty::Text | Ty::Fixed => "a text".into(),
        Ty::Name => "a name".into(),
        Ty::Int { min, max } if min == max => format!("{min}"),
        Ty::Int { min, max } => format!("a whole number from {min} to {max}"),
        Ty::Duration => "a duration like 90s, 15m or 1h30m".into(),
        Ty::Flag => "true or false".into(),
        Ty::OneOf(words) => words.join(", "),
        Ty::Number => "a number".into(),
        Ty::Percent => "a share like 75%".into(),
        Ty::Expr => "an expression".into(),
        Ty::List(inner) => format!("a list, each item {}", describe(inner)),
        Ty::Map(_) | Ty::Named(_) | Ty::Of(_) => "a mapping".into(),
        Ty::Literal(inner) => describe(inner),
        Ty::Either(options) => options.iter().map(describe).collect::<Vec<_>>().join(" or "),
        Ty::Any => "a value".into(),
    }
}

/// The values of a mapping of a shape: without `x_…`, texts as they are written (`1.10` stays
/// `1.10`), all else as YAML reads it.
pub(super) fn values(shape: &Shape, node: &Node) -> Map<String, Value> {
    let of = |key: &str| shape.fields.iter().find(|field| field.name == key);
    node.meant().filter_map(|(key, value)| Some((key.to_owned(), typed(&of(key)?.ty, value)))).collect()
}

fn typed(ty: &Ty, node: &Node) -> Value {
    match (ty, &node.data) {
        (Ty::Text | Ty::Fixed | Ty::Name | Ty::OneOf(_) | Ty::Expr, Data::Scalar(scalar)) => scalar.text.clone().into(),
        (Ty::Of(shape), Data::Map(_)) => Value::Object(values(shape, node)),
        (Ty::List(inner), Data::List(items)) => items.iter().map(|item| typed(inner, item)).collect(),
        (Ty::Map(inner) | Ty::Named(inner), Data::Map(entries)) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), typed(inner, value))).collect())
        }
        (Ty::Literal(inner), _) => typed(inner, node),
        _ => node.value(),
    }
}

/// A name that leads nowhere: told with a suggestion and, where they are few, all that lead somewhere.
pub(super) fn nowhere<'k>(
    problems: &mut Problems,
    node: &Node,
    (code, what): (&'static str, &str),
    known: impl IntoIterator<Item = &'k str>,
) {
    let name = node.text().unwrap_or_default();
    let problem = Diagnostic::error(code, &node.path, format!("there is no {what} {}", quoted(name)));
    if problems.full() {
        return problems.add(problem);
    }
    let known: Vec<_> = known.into_iter().collect();
    problems.add(problem.help(choices(name, &known)));
}
