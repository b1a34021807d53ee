//! The tree of a document: what the YAML says, before anything is understood. Every node knows its
//! path; one that an alias stands for keeps the path of its anchor, where its text is to be seen.

use crate::diagnostic::Path;
use serde_json::{Map, Value};

/// A node. Never deeper than the reader's limit, so recursion over it is safe.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it stands.
    pub(super) path: Path,
    /// What it holds.
    pub(super) data: Data,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Data {
    /// Nothing: a key without a value, `~` or `null`.
    Null,
    /// One value.
    Scalar(Scalar),
    /// Items.
    List(Vec<Node>),
    /// Keys, each once, in the order of the file.
    Map(Vec<(String, Node)>),
}

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    /// As it is written, without quotes.
    pub(super) text: String,
    /// A number or flag; none: it is a text.
    pub(super) plain: Option<Value>,
}

impl Node {
    /// A text that no file holds, at the place of another node.
    pub(super) fn word(path: &Path, text: &str) -> Self {
        Self { path: path.clone(), data: Data::Scalar(Scalar { text: text.to_owned(), plain: None }) }
    }

    /// The value of a key; none for other nodes and where there is no such key or nothing in it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(k, node)| k == key && !node.is_null()).map(|(_, node)| node)
    }
    /// The text of the scalar under a key.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }
    /// The keys and values of a mapping; none for other nodes.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Data::Map(entries) = &self.data { entries } else { &[] }
    }
    /// The keys and values of a mapping that mean something: not `x_…`.
    pub(super) fn meant(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.entries().iter().filter(|(k, _)| !is_ignored(k)).map(|(k, v)| (k.as_str(), v))
    }
    /// The items of a list; none for other nodes.
    pub(super) fn items(&self) -> &[Self] {
        if let Data::List(items) = &self.data { items } else { &[] }
    }
    /// A scalar as it is written.
    pub(super) fn text(&self) -> Option<&str> {
        if let Data::Scalar(scalar) = &self.data { Some(&scalar.text) } else { None }
    }
    /// The texts of a list's scalars.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.items().iter().filter_map(Self::text)
    }
    /// Nothing stands here.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }
    /// A mapping stands here.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.data, Data::Map(_))
    }

    /// What stands here, for a message.
    pub(super) fn what(&self) -> String {
        match &self.data {
            Data::Null => "nothing".into(),
            Data::List(_) => "a list".into(),
            Data::Map(_) => "a mapping".into(),
            Data::Scalar(Scalar { text, plain }) => {
                let kind = match plain {
                    Some(Value::Bool(_)) => "",
                    Some(_) => "the number ",
                    None => "the text ",
                };
                format!("{kind}{}", super::problems::quoted(text))
            }
        }
    }

    /// The whole of it as a value, as YAML reads it.
    pub(super) fn value(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Scalar(Scalar { text, plain }) => plain.clone().unwrap_or_else(|| Value::String(text.clone())),
            Data::List(items) => items.iter().map(Self::value).collect(),
            Data::Map(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.clone(), v.value())).collect::<Map<_, _>>())
            }
        }
    }
}

/// `x_…` is the author's own: never read, never refused.
pub(super) fn is_ignored(key: &str) -> bool {
    key.starts_with("x_")
}
