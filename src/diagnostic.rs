//! What is wrong with a runbook: many problems at once, each with a code, a place and a help.
//!
//! A diagnostic names its place by the [`Path`] of a node, not by bytes, so that checks need no
//! text; `syntax` keeps the [`SourceMap`] that turns paths into lines, and `view` renders both.

use serde::Serialize;
use std::{collections::BTreeMap, ops::Range};

/// Where a node stands in a YAML document: `failover[3].with.limit`; the document itself is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Path(pub String);

impl Path {
    /// The path of the document.
    pub fn root() -> Self {
        Self::default()
    }
    /// The value under a key of this mapping.
    pub fn key(&self, key: &str) -> Self {
        if self.0.is_empty() { Self(key.to_owned()) } else { Self(format!("{}.{key}", self.0)) }
    }
    /// An item of this sequence, counted from 0.
    pub fn index(&self, i: usize) -> Self {
        Self(format!("{}[{i}]", self.0))
    }
    /// The node that holds this one; none for the document.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        Some(Self(self.0.rfind(['.', '[']).map_or_else(String::new, |cut| self.0[..cut].to_owned())))
    }
}

/// How bad a problem is: an error keeps the runbook from running, a warning is only shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Shown, changes no exit code.
    Warning,
    /// The runbook is refused.
    Error,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// `LB` and four digits; `lifeboat validate --explain CODE` explains it.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, a lowercase fragment without full stop.
    pub message: String,
    /// Where, the guilty place first, each with a few words about it.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
}

/// What `--explain` says about a code. Each module that finds problems has a table of these rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CodeRow {
    /// `LB` and four digits.
    pub code: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why it is refused or warned of, and what to do: a paragraph.
    pub text: &'static str,
    /// A piece of a runbook that has the problem; empty where `text` says enough.
    pub wrong: &'static str,
    /// The same piece without it.
    pub right: &'static str,
}

/// A place of a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// The node.
    pub path: Path,
    /// The key of the node is meant, not its value.
    pub on_key: bool,
    /// Bytes inside the document that are meant instead of a node, where the text has no tree.
    pub bytes: Option<Range<usize>>,
    /// What is to be seen there.
    pub text: String,
}

impl Diagnostic {
    /// An error at a node.
    pub fn error(code: &'static str, path: &Path, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), labels: vec![], help: None }.label(path, "")
    }
    /// A warning at a node.
    pub fn warning(code: &'static str, path: &Path, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, path, message) }
    }
    /// An error at bytes of a text that has no tree.
    pub fn at_bytes(code: &'static str, bytes: Range<usize>, message: impl Into<String>) -> Self {
        let mut d = Self::error(code, &Path::root(), message);
        d.labels[0].bytes = Some(bytes);
        d
    }
    /// Says what is to be seen at the first place.
    pub fn here(mut self, text: impl Into<String>) -> Self {
        self.labels[0].text = text.into();
        self
    }
    /// The first place is the key itself.
    pub fn on_key(mut self) -> Self {
        self.labels[0].on_key = true;
        self
    }
    /// Adds a place.
    pub fn label(mut self, path: &Path, text: impl Into<String>) -> Self {
        self.labels.push(Label { path: path.clone(), on_key: false, bytes: None, text: text.into() });
        self
    }
    /// Says what to do.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

/// Whether any of them keeps the runbook from running.
pub fn any_error(all: &[Diagnostic]) -> bool {
    all.iter().any(|d| d.severity == Severity::Error)
}

/// A document's text and where its nodes stand in it.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    /// The file's name, as the user gave it.
    pub file: String,
    /// The whole text.
    pub text: String,
    /// Bytes of each value.
    pub values: BTreeMap<Path, Range<usize>>,
    /// Bytes of each key, by the path of its value.
    pub keys: BTreeMap<Path, Range<usize>>,
}

impl SourceMap {
    /// The bytes that a label means; the nearest enclosing node where the exact one has none.
    pub fn bytes(&self, label: &Label) -> Range<usize> {
        if let Some(bytes) = &label.bytes {
            return bytes.clone();
        }
        let mut path = label.path.clone();
        loop {
            let key = self.keys.get(&path);
            let value = self.values.get(&path);
            if let Some(found) = if label.on_key { key.or(value) } else { value.or(key) } {
                return found.clone();
            }
            match path.parent() {
                Some(parent) => path = parent,
                None => return 0..0,
            }
        }
    }
}

/// The word among `known` that `wrong` was probably meant to be.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |word: &&str| strsim::damerau_levenshtein(wrong, word);
    let best = known.into_iter().min_by_key(distance)?;
    (distance(&best) <= 1 + wrong.len() / 4).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_knows_what_holds_it() {
        let path = Path::root().key("failover").index(3).key("with");
        assert_eq!(path.0, "failover[3].with");
        assert_eq!(path.parent().unwrap().0, "failover[3]");
        assert_eq!(path.parent().unwrap().parent().unwrap().0, "failover");
        assert_eq!(Path("failover".into()).parent(), Some(Path::root()));
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        assert_eq!(did_you_mean("promot-replica", ["promote-replica", "retire"]), Some("promote-replica"));
        assert_eq!(did_you_mean("banana", ["promote-replica", "retire"]), None);
    }
}
