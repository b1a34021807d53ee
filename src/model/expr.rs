//! Expressions: `${…}` inside the texts of a runbook.
//!
//! We split a text ourselves, aware of quotes and braces, and compile each expression with
//! minijinja; templates are never rendered, since they swallow `{#` and always give text. `$${` is
//! a literal `${`. A value that is one whole `${…}` keeps its type. Names are checked without
//! evaluating ([`names`]); a name that needs evaluation to be known is an error.

use minijinja::{Environment, UndefinedBehavior, Value as Jinja};
use serde_json::{Map, Value};

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct ExprError {
    /// Byte offset inside the text, of the expression's `$`.
    pub at: usize,
    /// What is wrong.
    pub why: String,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text as it is, escapes undone.
    Literal(String),
    /// An expression: its source without `${` and `}`, and the offset of its `$`.
    Expr(&'a str, usize),
}

/// Splits a text into literals and expressions.
pub fn split(text: &str) -> Result<Vec<Part<'_>>, ExprError> {
    let (mut parts, mut literal, mut at) = (vec![], String::new(), 0);
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        literal += &text[at..dollar];
        if text[dollar..].starts_with("$${") {
            literal += "${";
            at = dollar + 3;
        } else if text[dollar..].starts_with("${") {
            let end =
                closing(text, dollar + 2).ok_or_else(|| ExprError { at: dollar, why: "`${` without `}`".into() })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Expr(text[dollar + 2..end].trim(), dollar));
            at = end + 1;
        } else {
            literal.push('$');
            at = dollar + 1;
        }
    }
    literal += &text[at..];
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

/// The `}` that closes the expression starting at `from`.
fn closing(text: &str, from: usize) -> Option<usize> {
    let mut depth = 0_u32;
    for (i, c) in unquoted(&text[from..]) {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(from + i),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// What of a text stands outside of quotes, and the quotes.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quote, mut escaped) = (None, false);
    text.char_indices().filter(move |(_, c)| match (quote, *c) {
        (Some(_), _) if escaped => {
            escaped = false;
            false
        }
        (Some(_), '\\') => {
            escaped = true;
            false
        }
        (Some(open), c) if c == open => {
            quote = None;
            true
        }
        (Some(_), _) => false,
        (None, c @ ('\'' | '"')) => {
            quote = Some(c);
            true
        }
        (None, _) => true,
    })
}

/// Whether an expression multiplies. It multiplies numbers alone: a text or a list minijinja repeats as often
/// as it is told to, which may be more than there is room for.
fn multiplies(source: &str) -> Result<bool, String> {
    let signs: String = unquoted(source).map(|(_, c)| c).collect();
    let multiplies = signs.contains('*');
    if multiplies && signs.contains(['\'', '"', '[', '{']) { Err(NUMBERS.to_owned()) } else { Ok(multiplies) }
}

const NUMBERS: &str = "`*` multiplies numbers: an expression with it holds no text and no list";

/// Whether a text holds an expression. A text that cannot be split counts as one that does.
pub fn has_expr(text: &str) -> bool {
    text.contains("${") && !matches!(split(text).as_deref(), Ok([Part::Literal(_)]))
}

/// Whether a text somewhere in a value is so.
pub fn any_text(value: &Value, is: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, is)),
        Value::Object(map) => map.values().any(|item| any_text(item, is)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Every dotted name an expression reads (`steps.lag.loss`), sorted. `source` has no `${}`.
pub fn names(source: &str) -> Result<Vec<String>, String> {
    multiplies(source)?;
    let env = environment();
    let expr = env.compile_expression(source).map_err(|e| reason(&e))?;
    let mut names: Vec<_> = expr.undeclared_variables(true).into_iter().collect();
    names.sort();
    Ok(names)
}

/// The values that expressions read: root name to value. A root that is absent is not known yet.
pub type Scope = Map<String, Value>;

/// Evaluates one expression without `${}`. Names that are missing inside a known root are
/// undefined, so that `default(…)` can give them a value; an undefined result is an error.
pub fn eval(source: &str, scope: &Scope) -> Result<Value, String> {
    let env = environment();
    let expr = env.compile_expression(source).map_err(|e| reason(&e))?;
    if multiplies(source)? && expr.undeclared_variables(true).iter().any(|name| is_many(name, scope)) {
        return Err(NUMBERS.to_owned());
    }
    let value = expr.eval(Jinja::from(minijinja::value::Serde(scope))).map_err(|e| reason(&e))?;
    if value.is_undefined() {
        return Err(format!("`{source}` has no value"));
    }
    serde_json::to_value(&value).map_err(|e| e.to_string())
}

/// Whether a dotted name stands for a text or a list.
fn is_many(name: &str, scope: &Scope) -> bool {
    let mut parts = name.split('.');
    let root = parts.next().and_then(|root| scope.get(root));
    let value = root.and_then(|root| parts.try_fold(root, |value, part| value.get(part)));
    matches!(value, Some(Value::String(_) | Value::Array(_) | Value::Object(_)))
}

/// Puts values in for all expressions of a value whose roots the scope knows; leaves the others as
/// they are, to be resolved later. With `steps` in the scope nothing is left.
pub fn resolve(value: &Value, scope: &Scope) -> Result<Value, ExprError> {
    Ok(match value {
        Value::String(text) if text.contains("${") => resolve_text(text, scope)?,
        Value::Array(items) => Value::Array(items.iter().map(|v| resolve(v, scope)).collect::<Result<_, _>>()?),
        Value::Object(map) => Value::Object(resolve_map(map, scope)?),
        other => other.clone(),
    })
}

/// [`resolve`] for the values of a mapping.
pub fn resolve_map(map: &Map<String, Value>, scope: &Scope) -> Result<Map<String, Value>, ExprError> {
    map.iter().map(|(k, v)| Ok((k.clone(), resolve(v, scope)?))).collect()
}

fn resolve_text(text: &str, scope: &Scope) -> Result<Value, ExprError> {
    let parts = split(text)?;
    let known = |source: &str, at| -> Result<Option<Value>, ExprError> {
        let wrong = |why| ExprError { at, why };
        let roots = names(source).map_err(wrong)?;
        if roots.iter().any(|name| !scope.contains_key(name.split('.').next().unwrap_or(name))) {
            return Ok(None);
        }
        eval(source, scope).map(Some).map_err(wrong)
    };
    if let [Part::Expr(source, at)] = parts[..] {
        return Ok(known(source, at)?.unwrap_or_else(|| Value::String(text.to_owned())));
    }
    let values = parts
        .iter()
        .map(|part| match part {
            Part::Literal(_) => Ok(None),
            Part::Expr(source, at) => known(source, *at),
        })
        .collect::<Result<Vec<_>, _>>()?;
    // Only while something stays unresolved must a literal `${` stay escaped.
    let open = parts.iter().zip(&values).any(|(p, v)| matches!(p, Part::Expr(..)) && v.is_none());
    let mut out = String::new();
    for (part, value) in parts.iter().zip(values) {
        match (part, value) {
            (Part::Literal(text), _) if open => out += &text.replace("${", "$${"),
            (Part::Literal(text), _) => out += text,
            (Part::Expr(..), Some(Value::String(text))) if open => out += &text.replace("${", "$${"),
            (Part::Expr(..), Some(Value::String(text))) => out += &text,
            (Part::Expr(..), Some(other)) => out += &other.to_string(),
            (Part::Expr(source, _), None) => out += &format!("${{{source}}}"),
        }
    }
    Ok(Value::String(out))
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    // An expression is a few look-ups; a loop of filters must not hang a failover.
    env.set_recursion_limit(50);
    // Nor a filter that fills in as much as it is told to.
    for filter in ["indent", "batch", "slice", "center", "format"] {
        env.remove_filter(filter);
    }
    env
}

fn reason(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope(value: &Value) -> Scope {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_whole_expression_keeps_its_type() {
        let s = scope(&json!({"parameters": {"n": 3, "on": true}, "to": {"name": "oregon"}}));
        assert_eq!(resolve(&json!("${parameters.n}"), &s).unwrap(), json!(3));
        assert_eq!(resolve(&json!("n=${parameters.n + 1} at ${to.name}"), &s).unwrap(), json!("n=4 at oregon"));
        assert_eq!(
            resolve(&json!(["${parameters.on}", {"x": "${'}' ~ to.name}"}]), &s).unwrap(),
            json!([true, {"x": "}oregon"}])
        );
    }

    #[test]
    fn what_is_not_known_yet_stays() {
        let s = scope(&json!({"to": {"name": "oregon"}}));
        let once = resolve(&json!("$${x} ${to.name} loses ${steps.lag.loss | default('?')}"), &s).unwrap();
        assert_eq!(once, json!("$${x} oregon loses ${steps.lag.loss | default('?')}"));
        let all = scope(&json!({"steps": {}}));
        assert_eq!(resolve(&once, &all).unwrap(), json!("${x} oregon loses ?"));
    }

    #[test]
    fn a_missing_value_is_an_error_and_a_default_is_none() {
        let s = scope(&json!({"steps": {}}));
        assert!(resolve(&json!("${steps.lag.loss}"), &s).unwrap_err().why.contains("has no value"));
        assert_eq!(resolve(&json!("${steps.lag.loss | default('unknown')}"), &s).unwrap(), json!("unknown"));
    }

    #[test]
    fn no_filter_fills_in_more_than_there_is() {
        for filter in ["indent(4294967296)", "batch(4294967296, 'x') | list", "slice(4294967296) | list"] {
            assert!(eval(&format!("'a' | {filter}"), &Scope::new()).is_err(), "{filter}");
        }
    }

    #[test]
    fn numbers_are_multiplied_and_nothing_is_repeated() {
        let s = scope(&json!({ "parameters": { "n": 3, "text": "banana", "list": [1] }, "mode": "a*b" }));
        assert_eq!(eval("parameters.n * 2 * (1 + 4)", &s).unwrap(), json!(30));
        assert_eq!(eval("mode == 'a*b'", &s).unwrap(), json!(true));
        for source in ["'Ja' * 42949496", "('a') * 9", "[0] * 9", "parameters.n * 2 ~ 'GiB'"] {
            assert_eq!(names(source).unwrap_err(), NUMBERS, "{source}");
        }
        for source in ["'a' * 42949496", "parameters.text * 42949496", "parameters.n * parameters.list", "mode * 9"] {
            assert_eq!(eval(source, &s).unwrap_err(), NUMBERS, "{source}");
        }
    }

    #[test]
    fn names_are_known_without_evaluating() {
        assert_eq!(names("steps.lag.loss | default(mode)").unwrap(), ["mode", "steps.lag.loss"]);
        assert_eq!(names("steps[mode]").unwrap(), ["mode", "steps"]);
        assert!(names("1 +").is_err());
        assert!(split("a ${b").is_err());
    }
}
