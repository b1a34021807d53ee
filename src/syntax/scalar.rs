//! What a plain scalar is: `serde_yaml` says, so that a runbook reads like any other YAML file.

use saphyr_parser::ScalarStyle;
use serde_json::{Number, Value};

/// A number, a flag or nothing; `None`: it is a text.
pub(super) fn resolve(text: &str, style: ScalarStyle) -> Option<Value> {
    // Whatever is quoted or a block is a text, and no number or word of YAML is that long.
    if style != ScalarStyle::Plain || text.len() > 40 {
        return None;
    }
    if text.is_empty() {
        return Some(Value::Null);
    }
    // Every number and every such word begins with one of these.
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.~nNtTfF".contains(c)) {
        return None;
    }
    match serde_yaml::from_str(text).ok()? {
        serde_yaml::Value::Null => Some(Value::Null),
        serde_yaml::Value::Bool(flag) => Some(Value::Bool(flag)),
        serde_yaml::Value::Number(n) => number(&n).map(Value::Number),
        serde_yaml::Value::String(_)
        | serde_yaml::Value::Sequence(_)
        | serde_yaml::Value::Mapping(_)
        | serde_yaml::Value::Tagged(_) => None,
    }
}

/// Infinity and NaN have no JSON: they stay texts, and no type takes them.
fn number(n: &serde_yaml::Number) -> Option<Number> {
    n.as_i64().map(Number::from).or(n.as_u64().map(Number::from)).or(n.as_f64().and_then(Number::from_f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_yaml_says() {
        let plain = |text| resolve(text, ScalarStyle::Plain);
        assert_eq!(plain("3"), Some(3.into()));
        assert_eq!(plain("-1.5"), Some((-1.5).into()));
        assert_eq!(plain("true"), Some(true.into()));
        assert_eq!(plain("~"), Some(Value::Null));
        assert_eq!(plain(""), Some(Value::Null));
        for text in ["no", "20m", "2024-01-01", ".nan", "012", "-", "- a", "n: 1", "1_000", "no way"] {
            assert_eq!(plain(text), None, "{text}");
        }
        assert_eq!(resolve("3", ScalarStyle::DoubleQuoted), None);
    }
}
