//! From the bytes of a file to a [`Runbook`], and everything that is wrong with it at once.
//!
//! `reader` makes the tree and keeps the limits; `walk` holds it against the rows of the language;
//! `judge` follows its names; `lower` and `lower_step` pick the values. Each stage goes on after a
//! problem as far as it can, so that a person sees all of them. `schema` and `reference` tell the
//! same rows to editors and to people.
//!
//! Reads the runbook and the files it names; nothing else of the world.

mod codes;
mod expressions;
mod files;
mod judge;
mod lexical;
mod lower;
mod lower_step;
mod modes;
mod names;
mod node;
mod offsets;
mod parameters;
mod problems;
mod reader;
mod reference;
mod rules;
mod scalar;
mod schema;
mod triggers;
mod walk;

pub use codes::CODES;
pub use reference::reference;
pub use schema::schema;

use crate::{
    diagnostic::{Diagnostic, SourceMap},
    runbook::{RUNBOOK, Runbook},
};
use names::{Names, Section};
use node::Node;
use problems::Problems;
use std::{fs, io::Read as _, path::Path};

/// A file longer than that is no runbook.
const LONGEST: u64 = 1 << 20;

/// The YAML scanner looks ahead to the end of a line and keeps all it sees.
const LONGEST_LINE: usize = 256 << 10;

/// A text with a longer line is not shown.
const WIDEST: usize = 10_000;

/// What a file says, and what is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// There as soon as the file's shape is sound, even where names in it lead nowhere, so that
    /// checks can go on. To be run only if no diagnostic is an error.
    pub runbook: Option<Runbook>,
    /// The text and its places.
    pub source: SourceMap,
    /// All problems, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads a runbook. The error is the outside world's: whatever is wrong inside is a diagnostic.
pub fn load(file: &Path) -> std::io::Result<Loaded> {
    let opened = fs::File::open(file)?;
    if opened.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = vec![];
    // One byte more tells a file that is too long without reading all of it.
    opened.take(LONGEST + 1).read_to_end(&mut bytes)?;
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(parse(&file.display().to_string(), &bytes, Some(folder)))
}

/// A runbook from its bytes. Without a folder the files it names are neither looked for nor part of
/// the digest.
pub fn parse(file_name: &str, bytes: &[u8], folder: Option<&Path>) -> Loaded {
    let mut problems = Problems::default();
    let mut source = SourceMap { file: file_name.to_owned(), ..SourceMap::default() };
    let root = text(bytes, &mut source, &mut problems).and_then(|()| reader::read(&mut source, &mut problems));
    let runbook = root.and_then(|root| understand(&root, &source, folder, &mut problems));
    let mut diagnostics = problems.into_all();
    // In the order of the file; what is about all of it comes last.
    diagnostics
        .sort_by_key(|d| d.labels.first().map(|l| (l.path.0.is_empty() && l.bytes.is_none(), source.bytes(l).start)));
    if source.text.lines().any(|line| line.len() > WIDEST) {
        hide(&mut source, &mut diagnostics);
    }
    Loaded { runbook, source, diagnostics }
}

/// A generated or damaged text must not flood the terminal: its problems are told without it.
fn hide(source: &mut SourceMap, diagnostics: &mut [Diagnostic]) {
    *source = SourceMap { file: std::mem::take(&mut source.file), ..SourceMap::default() };
    diagnostics.iter_mut().flat_map(|d| &mut d.labels).for_each(|label| label.bytes = None);
}

/// Puts the text into the source; what is too long or no text is a problem.
fn text(bytes: &[u8], source: &mut SourceMap, problems: &mut Problems) -> Option<()> {
    if bytes.len() as u64 > LONGEST {
        let problem = Diagnostic::at_bytes("LB0103", 0..0, format!("the file is longer than {} MiB", LONGEST >> 20));
        problems.add(problem.help("no runbook is that long: is it the right file?"));
        return None;
    }
    let line = bytes.split(|b| b"\r\n".contains(b)).find(|line| line.len() > LONGEST_LINE);
    if line.is_some() {
        let message = format!("a line is longer than {} KiB", LONGEST_LINE >> 10);
        problems.add(Diagnostic::at_bytes("LB0103", 0..0, message).help("break it: YAML folds lines inside quotes"));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            // A byte order mark is no part of the text.
            text.strip_prefix('\u{feff}').unwrap_or(text).clone_into(&mut source.text);
            Some(())
        }
        Err(wrong) => {
            source.text = String::from_utf8_lossy(bytes).into_owned();
            let at = wrong.valid_up_to();
            let help = if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                "it looks like UTF-16: save it as UTF-8"
            } else {
                "save it as UTF-8"
            };
            // The lossy text has one replacement character of three bytes there.
            let problem =
                Diagnostic::at_bytes("LB0102", at..at + 3, format!("the file is not UTF-8 text at byte {at}"));
            problems.add(problem.help(help));
            None
        }
    }
}

fn understand(root: &Node, source: &SourceMap, folder: Option<&Path>, problems: &mut Problems) -> Option<Runbook> {
    if !root.is_map() {
        let message = format!("a runbook is a mapping, not {}", root.what());
        problems.add(Diagnostic::error("LB0108", &root.path, message).help("it begins with `version: 1`"));
        return None;
    }
    walk::Walk::new(problems).shape(&RUNBOOK, root);
    let names = Names::of(root);
    let files = judge::judge(root, &names, source, problems);
    let digest = files::digest(source.text.as_bytes(), &files, folder, problems);
    if problems.misshapen() {
        return None;
    }
    let mut lists = lower::Lists::default();
    for section in Section::ALL {
        let steps = root.get(section.key()).map(Node::items).unwrap_or_default();
        *lists.of(section) = steps.iter().filter_map(lower_step::step).collect();
    }
    lower::runbook(root, &names, lists, digest)
}

#[cfg(test)]
mod tests;
