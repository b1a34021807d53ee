//! Parameters: their defaults must be what their type says.

use super::{
    names::param_type,
    node::{Data, Node, Scalar},
    problems::{Problems, choices, quoted},
};
use crate::{clock::Span, diagnostic::Diagnostic, runbook::ParamType};
use serde_json::Value;

/// Judges the declaration of one parameter.
pub(super) fn check(name: &str, node: &Node, problems: &mut Problems) {
    let Some(ty) = param_type(node) else { return };
    let words: Vec<_> = node.get("choices").map(|list| list.texts().collect()).unwrap_or_default();
    match (&ty, node.get("choices")) {
        (ParamType::Choice(_), _) if words.is_empty() => problems.add(
            Diagnostic::error("LB0214", &node.path, format!("the choice `{name}` has nothing to choose from"))
                .help("add `choices: [fast, careful]`"),
        ),
        (ParamType::Choice(_), _) | (_, None) => {}
        (_, Some(list)) => problems.add(
            Diagnostic::error("LB0211", &list.path, "`choices` belongs to `type: choice` alone")
                .on_key()
                .help("write `type: choice`, or remove `choices`"),
        ),
    }
    let Some(default) = node.get("default") else { return };
    if !fits(&ty, default) {
        let message = format!("the default of `{name}` is {}, not {}", default.what(), describe(&ty));
        let problem = Diagnostic::error("LB0214", &default.path, message);
        problems.add(match default.text() {
            Some(text) if !words.is_empty() => problem.help(choices(text, &words)),
            _ => problem.help("change the default or the type"),
        });
    }
}

/// A default as the value that expressions read: texts as they are written.
pub(super) fn value(ty: &ParamType, node: &Node) -> Value {
    match ty {
        ParamType::String | ParamType::Duration | ParamType::Choice(_) => {
            node.text().map_or(Value::Null, |text| text.to_owned().into())
        }
        ParamType::Integer | ParamType::Number | ParamType::Boolean => node.value(),
    }
}

fn fits(ty: &ParamType, node: &Node) -> bool {
    let Data::Scalar(Scalar { text, plain }) = &node.data else { return false };
    let plain = plain.as_ref();
    match ty {
        ParamType::String => true,
        ParamType::Integer => plain.is_some_and(|v| v.is_i64() || v.is_u64()),
        ParamType::Number => plain.is_some_and(Value::is_number),
        ParamType::Boolean => plain.is_some_and(Value::is_boolean),
        ParamType::Duration => text.parse::<Span>().is_ok(),
        ParamType::Choice(words) => words.is_empty() || words.contains(text),
    }
}

fn describe(ty: &ParamType) -> String {
    match ty {
        ParamType::String => "a text".into(),
        ParamType::Integer => "a whole number".into(),
        ParamType::Number => "a number".into(),
        ParamType::Boolean => "true or false".into(),
        ParamType::Duration => "a duration like 90s, 15m or 1h30m".into(),
        ParamType::Choice(words) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" or "),
    }
}
