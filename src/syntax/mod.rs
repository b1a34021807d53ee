//! From the bytes of a file to a [`Runbook`], and everything that is wrong with it at once.
//!
//! `reader` makes the tree and keeps the limits; `walk` holds it against the rows of the language;
//! `judge` follows its names; `lower` and `lower_step` pick the values. Each stage goes on after a
//! problem as far as it can, so that a person sees all of them. `schema` and `reference` tell the
//! same rows to editors and to people.
//!
//! Reads the runbook and the files it names; nothing else of the world.

mod files;
mod lower;
mod lower_step;
mod modes;
mod names;
mod node;
mod offsets;
mod parameters;
mod problems;
mod reader;
mod scalar;
mod walk;

use crate::{
    diagnostic::{Diagnostic, SourceMap},
    ids::Digest,
    runbook::{RUNBOOK, Runbook},
};
use names::{Names, Section};
use node::Node;
use problems::Problems;
use std::{fs, io::Read as _, path::Path};

/// A file longer than that is no runbook.
const LONGEST: u64 = 1 << 20;

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
    let runbook = text_of(bytes, &mut problems).and_then(|text| {
        source.text = text;
        let root = reader::read(&mut source, &mut problems)?;
        let digest = files::digest(bytes, &files::Named::new(), folder, &mut problems);
        understand(&root, digest, &mut problems)
    });
    Loaded { runbook, source, diagnostics: problems.into_all() }
}

fn text_of(bytes: &[u8], problems: &mut Problems) -> Option<String> {
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn understand(root: &Node, digest: Digest, problems: &mut Problems) -> Option<Runbook> {
    walk::Walk::new(problems).shape(&RUNBOOK, root);
    let names = Names::of(root);
    let mut lists = lower::Lists::default();
    for section in Section::ALL {
        let steps = root.get(section.key()).map(Node::items).unwrap_or_default();
        *lists.of(section) = steps.iter().filter_map(lower_step::step).collect();
    }
    if problems.misshapen() { None } else { lower::runbook(root, &names, lists, digest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_runbook_loads_without_a_word() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/warm-standby.yaml");
        let loaded = load(&file).unwrap();
        assert_eq!(loaded.diagnostics, []);
        let runbook = loaded.runbook.unwrap();
        assert_eq!(runbook.failover.len(), 17);
    }
}
