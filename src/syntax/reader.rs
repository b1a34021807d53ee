//! YAML to a tree, in one pass over the parser's events. Here every limit is kept, so that no file
//! can cost more than a second or the machine's memory: size, depth, nodes, and what aliases grow
//! to. Duplicate keys are all told; `<<`, tags and keys that are no texts are refused, since nothing
//! of the language needs them and each hides what a runbook says.
//!
//! The pass keeps its own stack: no depth of a file can exhaust the thread's.

use super::{
    node::{Data, Node, Scalar},
    offsets::Offsets,
    problems::{Problems, quoted},
    scalar,
};
use crate::diagnostic::{Diagnostic, Path, SourceMap};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

/// Levels of nesting. The language needs ten, a request's body a few more.
const DEEPEST: usize = 64;
/// Nodes, those that aliases repeat included.
const MOST_NODES: usize = 50_000;
/// Bytes of texts and paths, those that aliases repeat included.
const MOST_BYTES: usize = 16 << 20;

/// The tree of the only document of a text. None where there is no tree at all; the problems say why.
pub(super) fn read(source: &mut SourceMap, problems: &mut Problems) -> Option<Node> {
    let text = std::mem::take(&mut source.text);
    let mut reader = Reader {
        offsets: Offsets::of(&text),
        source,
        problems,
        open: vec![],
        anchors: BTreeMap::new(),
        root: None,
        documents: 0,
        cost: Cost::default(),
    };
    let done = reader.events(&text);
    let root = reader.root.take();
    source.text = text;
    match (done, root) {
        (Err(problem), _) => {
            problems.add(*problem);
            None
        }
        (Ok(()), Some(root)) if !root.is_null() => Some(root),
        (Ok(()), _) => {
            let empty = Diagnostic::at_bytes("LB0106", 0..0, "the file holds no runbook: it is empty");
            problems.add(empty.help("copy runbooks/warm-standby.yaml and change it"));
            None
        }
    }
}

/// A problem after which reading makes no sense.
type Fatal = Box<Diagnostic>;

struct Reader<'r> {
    source: &'r mut SourceMap,
    offsets: Offsets,
    problems: &'r mut Problems,
    open: Vec<Open>,
    /// Finished nodes with an anchor, and what a copy of each costs.
    anchors: BTreeMap<usize, (Node, Cost)>,
    root: Option<Node>,
    documents: usize,
    cost: Cost,
}

/// What has been built so far.
#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    bytes: usize,
}

/// A mapping or list that has not ended yet.
struct Open {
    path: Path,
    start: usize,
    anchor: usize,
    before: Cost,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Vec<(String, Node)>, keys: HashMap<String, Range<usize>>, key: Option<Key> },
}

/// The key whose value comes next.
struct Key {
    name: String,
    /// It is refused, so its value is read and forgotten.
    refused: bool,
}

impl Reader<'_> {
    fn events(&mut self, text: &str) -> Result<(), Fatal> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|e| Box::new(self.broken(text, &e)))?;
            self.event(event, self.offsets.range(span, text))?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, at: Range<usize>) -> Result<(), Fatal> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return fatal("LB0107", at, "a second document begins here", "one file holds one runbook");
                }
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_tag(tag.is_some(), &at)?;
                if self.wants_key() {
                    self.key(&text, style, at);
                    return Ok(());
                }
                self.scalar(text.into_owned(), style, anchor, at)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.is_some(), &at)?;
                self.begin(anchor, at, Items::List(vec![]))
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.is_some(), &at)?;
                self.begin(anchor, at, Items::Map { entries: vec![], keys: HashMap::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at.end),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { items: Items::Map { key: None, .. }, .. }))
    }

    /// The path of the node that comes next.
    fn next_path(&self) -> Path {
        match self.open.last() {
            None => Path::root(),
            Some(Open { path, items: Items::List(items), .. }) => path.index(items.len()),
            Some(Open { path, items: Items::Map { key, .. }, .. }) => {
                path.key(key.as_ref().map_or("", |key| key.name.as_str()))
            }
        }
    }

    fn key(&mut self, text: &str, style: ScalarStyle, at: Range<usize>) {
        let Some(Open { path, items: Items::Map { keys, key, .. }, .. }) = self.open.last_mut() else { return };
        let merge = text == "<<" && style == ScalarStyle::Plain;
        let first = keys.get(text).cloned();
        *key = Some(Key { name: text.to_owned(), refused: merge || first.is_some() });
        let place = path.key(text);
        if merge {
            let problem = Diagnostic::at_bytes("LB0110", at, "`<<` does not merge mappings here");
            self.problems.add(problem.help("write the keys out; an anchor may stand for a whole value"));
        } else if let Some(first) = first {
            let mut problem = Diagnostic::at_bytes("LB0109", at, format!("the key {} stands here twice", quoted(text)))
                .here("again")
                .label(&place, "first")
                .help("remove one of them");
            problem.labels[1].bytes = Some(first);
            self.problems.add(problem);
        } else {
            keys.insert(text.to_owned(), at.clone());
            self.source.keys.entry(place).or_insert(at);
        }
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, anchor: usize, at: Range<usize>) -> Result<(), Fatal> {
        let path = self.next_path();
        self.spend(Cost { nodes: 1, bytes: path.0.len() + text.len() }, &at)?;
        if !at.is_empty() {
            self.source.values.entry(path.clone()).or_insert(at);
        }
        let before = Cost { nodes: self.cost.nodes - 1, bytes: self.cost.bytes - path.0.len() - text.len() };
        let data = match scalar::resolve(&text, style) {
            Some(plain) if plain.is_null() => Data::Null,
            plain => Data::Scalar(Scalar { text, plain }),
        };
        self.place(Node { path, data }, anchor, before)
    }

    fn alias(&mut self, anchor: usize, at: Range<usize>) -> Result<(), Fatal> {
        if self.wants_key() {
            return fatal("LB0112", at, "an alias cannot be a key", "write the key out");
        }
        let Some((node, cost)) = self.anchors.get(&anchor) else {
            return fatal("LB0113", at, "this alias stands inside the value that it stands for", "write the value out");
        };
        let (node, cost) = (node.clone(), *cost);
        self.spend(cost, &at)?;
        self.source.values.entry(self.next_path()).or_insert(at);
        let before = self.cost;
        self.place(node, 0, before)
    }

    fn begin(&mut self, anchor: usize, at: Range<usize>, items: Items) -> Result<(), Fatal> {
        if self.wants_key() {
            return fatal("LB0112", at, "a key must be a text", "write a word before the colon");
        }
        if self.open.len() >= DEEPEST {
            return Err(Box::new(too_deep(at)));
        }
        let (path, before) = (self.next_path(), self.cost);
        self.spend(Cost { nodes: 1, bytes: path.0.len() }, &at)?;
        self.open.push(Open { path, start: at.start, anchor, before, items });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), Fatal> {
        let Some(Open { path, start, anchor, before, items }) = self.open.pop() else { return Ok(()) };
        self.source.values.entry(path.clone()).or_insert(start..end.max(start));
        let data = match items {
            Items::List(items) => Data::List(items),
            Items::Map { entries, .. } => Data::Map(entries),
        };
        self.place(Node { path, data }, anchor, before)
    }

    /// Puts a finished node into what is open, and keeps it where it has an anchor.
    fn place(&mut self, node: Node, anchor: usize, before: Cost) -> Result<(), Fatal> {
        if anchor > 0 {
            let cost = Cost { nodes: self.cost.nodes - before.nodes, bytes: self.cost.bytes - before.bytes };
            // The kept copy costs as much as one that is used.
            self.spend(cost, &(0..0))?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map { entries, key, .. }) => {
                if let Some(key) = key.take().filter(|key| !key.refused) {
                    entries.push((key.name, node));
                }
            }
        }
        Ok(())
    }

    fn spend(&mut self, cost: Cost, at: &Range<usize>) -> Result<(), Fatal> {
        self.cost.nodes += cost.nodes;
        self.cost.bytes += cost.bytes;
        if self.cost.nodes > MOST_NODES || self.cost.bytes > MOST_BYTES {
            let message = format!("more than {MOST_NODES} values or {} MiB, aliases written out", MOST_BYTES >> 20);
            return fatal("LB0105", at.clone(), &message, "no runbook needs that: is it the right file?");
        }
        Ok(())
    }

    fn broken(&self, text: &str, error: &ScanError) -> Diagnostic {
        let at = self.offsets.range(Span::empty(*error.marker()), text);
        // The scanner looks ahead of the parser, and has a limit of its own.
        if error.info().contains("recursion limit") {
            return too_deep(at);
        }
        let end = text[at.start..].chars().next().map_or(at.start, |c| at.start + c.len_utf8());
        let line = &text[text[..at.start].rfind('\n').map_or(0, |n| n + 1)..];
        let line = line.lines().next().unwrap_or_default();
        let help = if line.trim_start_matches(' ').starts_with('\t') {
            "indent with spaces, not tabs"
        } else if line.contains("${") {
            "put texts that hold `${…}` in double quotes"
        } else {
            "look at indentation, quotes and brackets here and in the lines above"
        };
        Diagnostic::at_bytes("LB0101", at.start..end, format!("this is not YAML: {}", error.info())).help(help)
    }
}

fn too_deep(at: Range<usize>) -> Diagnostic {
    let message = format!("nested more than {DEEPEST} levels deep");
    Diagnostic::at_bytes("LB0104", at, message).help("no runbook needs that: is it the right file?")
}

fn refuse_tag(tagged: bool, at: &Range<usize>) -> Result<(), Fatal> {
    if tagged {
        return fatal("LB0111", at.clone(), "tags (`!…`) mean nothing here", "remove it; quotes make a value a text");
    }
    Ok(())
}

fn fatal<T>(code: &'static str, at: Range<usize>, message: &str, help: &str) -> Result<T, Fatal> {
    Err(Box::new(Diagnostic::at_bytes(code, at, message).help(help)))
}
