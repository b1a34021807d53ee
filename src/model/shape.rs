//! One definition of what a mapping of the runbook may hold, as a table of data. The parser's
//! walker, the JSON Schema, `--explain`, the completions and the reference are read off the same
//! rows, so none can promise what another refuses.

use crate::clock::Span;
use serde_json::{Map, Value};

/// A mapping: its fields and what it is for.
#[derive(Debug)]
pub struct Shape {
    /// Its name in messages and in the schema.
    pub name: &'static str,
    /// What it is, one or two sentences.
    pub doc: &'static str,
    /// Its keys, in the order of the reference.
    pub fields: &'static [Field],
}

/// A key of a mapping.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What its value is.
    pub ty: Ty,
    /// Whether it must be there.
    pub need: Need,
    /// What it means, one sentence.
    pub doc: &'static str,
    /// A value as it would stand in YAML.
    pub example: &'static str,
}

impl Field {
    /// A key that must be there.
    pub const fn required(name: &'static str, ty: Ty, doc: &'static str, example: &'static str) -> Self {
        Self { name, ty, need: Need::Required, doc, example }
    }
    /// A key that may be there.
    pub const fn optional(name: &'static str, ty: Ty, doc: &'static str, example: &'static str) -> Self {
        Self { name, ty, need: Need::Optional, doc, example }
    }
    /// A key that may be there, and what its absence means.
    pub const fn default(name: &'static str, ty: Ty, value: &'static str, doc: &'static str) -> Self {
        Self { name, ty, need: Need::Default(value), doc, example: value }
    }
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may; its absence means nothing more than that.
    Optional,
    /// It may; its absence means this, as it would stand in YAML.
    Default(&'static str),
}

/// What a value is. Wherever a scalar stands, `${…}` may stand too, unless the type says otherwise.
#[derive(Debug)]
pub enum Ty {
    /// Any text.
    Text,
    /// A text without expressions: identities, names of files, regions.
    Fixed,
    /// A name of the language, `[a-z][a-z0-9_]*`, without expressions.
    Name,
    /// A whole number.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A length of time, `90s`.
    Duration,
    /// True or false.
    Flag,
    /// One of these words, without expressions.
    OneOf(&'static [&'static str]),
    /// A number with a fraction.
    Number,
    /// A share, `75%`.
    Percent,
    /// An expression without `${}`.
    Expr,
    /// Items of one type.
    List(&'static Ty),
    /// Any keys, values of one type.
    Map(&'static Ty),
    /// Names of the language, values of one type.
    Named(&'static Ty),
    /// The same type, without expressions: what must be known before anything is evaluated.
    Literal(&'static Ty),
    /// A mapping of that shape.
    Of(&'static Shape),
    /// The first type that fits: scalars before mappings.
    Either(&'static [Ty]),
    /// Anything.
    Any,
}

/// The values of a mapping while an action picks them: typed, defaults put in by the caller.
/// A wrong type is noted, not returned, so that all problems are told at once. Every getter marks
/// its field as taken; a test proves that each row's fields are all taken.
#[derive(Debug)]
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    taken: Vec<&'static str>,
    problems: Vec<(String, String)>,
}

impl<'a> Fields<'a> {
    /// Over resolved values: no expression is left in them.
    pub fn new(map: &'a Map<String, Value>) -> Self {
        Self { map, taken: vec![], problems: vec![] }
    }
    /// The fields that were asked for.
    pub fn taken(&self) -> &[&'static str] {
        &self.taken
    }
    /// Field and complaint, for each value of a wrong type.
    pub fn problems(self) -> Vec<(String, String)> {
        self.problems
    }
    /// Notes that a value cannot be used.
    pub fn complain(&mut self, name: &str, why: impl Into<String>) {
        self.problems.push((name.to_owned(), why.into()));
    }

    fn pick<T>(&mut self, name: &'static str, what: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        self.taken.push(name);
        let value = self.map.get(name).filter(|v| !v.is_null())?;
        let read = read(value);
        if read.is_none() {
            self.complain(name, format!("`{}` is not {what}", plain(value)));
        }
        read
    }

    /// A text; numbers and flags are taken as they are written.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.pick(name, "a text", |v| (!v.is_object() && !v.is_array()).then(|| plain(v)))
    }
    /// A length of time.
    pub fn duration(&mut self, name: &'static str) -> Option<Span> {
        self.pick(name, "a duration: write for example 90s, 15m or 1h30m", |v| v.as_str()?.parse().ok())
    }
    /// A whole number that is not negative.
    pub fn count(&mut self, name: &'static str) -> Option<u32> {
        self.pick(name, "a whole number", |v| match v {
            Value::String(s) => s.parse().ok(),
            other => other.as_u64()?.try_into().ok(),
        })
    }
    /// True or false.
    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.pick(name, "true or false", |v| match v {
            Value::String(s) => s.parse().ok(),
            other => other.as_bool(),
        })
    }
    /// A share between 0 and 1, written `75%`.
    pub fn percent(&mut self, name: &'static str) -> Option<f64> {
        self.pick(name, "a share like 75%", |v| {
            let n: f64 = v.as_str()?.strip_suffix('%')?.trim().parse().ok()?;
            (0.0..=100.0).contains(&n).then_some(n / 100.0)
        })
    }
    /// A list of texts; a single text is a list of one.
    pub fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.pick(name, "a list of texts", |v| match v {
            Value::Array(items) => items.iter().map(|i| (!i.is_object() && !i.is_array()).then(|| plain(i))).collect(),
            Value::String(one) => Some(vec![one.clone()]),
            _ => None,
        })
    }
    /// A mapping.
    pub fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        self.pick(name, "a mapping", |v| v.as_object().cloned())
    }
    /// Whatever it is.
    pub fn any(&mut self, name: &'static str) -> Option<Value> {
        self.pick(name, "a value", |v| Some(v.clone()))
    }
}

/// A scalar as text, without the quotes of JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
