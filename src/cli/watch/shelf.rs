//! The runbooks that are watched, read anew when they change. A broken one is refused, and the one before
//! stays.

use crate::{
    cli::{
        exit::Failure,
        wiring::{Loaded, examine, loaded},
    },
    diagnostic::Severity,
    watch::Policies,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// What tells that a file may have changed.
type Mark = Option<(SystemTime, u64)>;

/// The runbooks of a watcher.
pub(super) struct Shelf {
    books: Vec<OneBook>,
}

struct OneBook {
    path: PathBuf,
    mark: Mark,
    loaded: Loaded,
}

impl Shelf {
    /// Reads all of them; the first that cannot be watched is the failure.
    pub(super) fn open(files: &[PathBuf]) -> Result<Self, Failure> {
        let mut shelf = Self { books: vec![] };
        for path in files {
            let mark = mark(path);
            let loaded = fit(path)?;
            if let Some(other) = shelf.books.iter().find(|b| b.loaded.runbook().name == loaded.runbook().name) {
                return Err(Failure::usage(format!(
                    "{} and {} are both called {}",
                    other.path.display(),
                    path.display(),
                    loaded.runbook().name
                )));
            }
            shelf.books.push(OneBook { path: path.clone(), mark, loaded });
        }
        Ok(shelf)
    }

    /// Reads what has changed; gives what became of each, in words, and whether anything is new.
    pub(super) fn renew(&mut self) -> (Vec<String>, bool) {
        let (mut said, mut new) = (vec![], false);
        for one in &mut self.books {
            let mark = mark(&one.path);
            if mark == one.mark {
                continue;
            }
            one.mark = mark;
            let name = &one.loaded.runbook().name;
            match fit(&one.path) {
                Ok(loaded) if loaded.runbook().name != *name => {
                    said.push(format!(
                        "{} is called {} now: the old {name} stays",
                        one.path.display(),
                        loaded.runbook().name
                    ));
                }
                Ok(loaded) if loaded.runbook().digest == one.loaded.runbook().digest => {}
                Ok(loaded) => {
                    said.push(format!("{} has changed, and is watched as it is now", one.path.display()));
                    (one.loaded, new) = (loaded, true);
                }
                Err(why) => said.push(format!(
                    "{} has changed and is refused, the old one stays: {}",
                    one.path.display(),
                    why.what
                )),
            }
        }
        (said, new)
    }

    /// What is watched.
    pub(super) fn policies(&self) -> Policies {
        let one = |book: &OneBook| (book.loaded.runbook().name.clone(), Arc::new(book.loaded.runbook().clone()));
        self.books.iter().map(one).collect::<BTreeMap<_, _>>()
    }

    /// A runbook by its name.
    pub(super) fn loaded(&self, name: &str) -> Option<Loaded> {
        self.books.iter().find(|b| b.loaded.runbook().name == name).map(|b| b.loaded.clone())
    }
}

fn mark(path: &Path) -> Mark {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}

/// A runbook that can be watched.
fn fit(path: &Path) -> Result<Loaded, Failure> {
    let (checked, problems, _) = examine(path)?;
    let Some(checked) = checked else {
        let first = problems
            .iter()
            .find(|p| p.severity == Severity::Error)
            .map(|p| format!("{}: {}", p.code, p.message))
            .unwrap_or_default();
        return Err(Failure::new(crate::cli::exit::code::INVALID, format!("{}: {first}", path.display()))
            .hint(format!("lifeboat validate {}     tells all of it", path.display())));
    };
    if checked.runbook().triggers.is_empty() {
        return Err(Failure::usage(format!("{} has no `triggers`: nothing would ever start it", path.display())));
    }
    loaded(path, checked)
}
