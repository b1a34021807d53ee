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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const GOOD: &str = "version: 1
name: shop
sites: { ohio: { region: us-east-2 }, oregon: { region: us-west-2 } }
primary: ohio
standby: oregon
failover: [{ id: tell, action: notify, with: { message: moves } }]
failback: mirror
triggers: [{ name: lost, when: { of: [{ probe: site_answers }] }, hold: 5m, autonomy: observe }]
";

    #[test]
    fn a_runbook_that_changed_is_read_anew_and_a_broken_one_leaves_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.yaml");
        fs::write(&file, GOOD).unwrap();
        let mut shelf = Shelf::open(std::slice::from_ref(&file)).unwrap();
        let hold = |shelf: &Shelf| shelf.policies()["shop"].triggers[0].hold.to_string();
        assert_eq!((shelf.renew(), hold(&shelf).as_str()), ((vec![], false), "5m"));

        fs::write(&file, GOOD.replace("hold: 5m", "hold: nonsense")).unwrap();
        let (said, new) = shelf.renew();
        assert!(said[0].contains("is refused, the old one stays") && !new, "{said:?}");
        assert_eq!(hold(&shelf), "5m");
        assert_eq!(shelf.renew(), (vec![], false), "it is told once");

        fs::write(&file, GOOD.replace("hold: 5m", "hold: 10m")).unwrap();
        let (said, new) = shelf.renew();
        assert!(said[0].contains("is watched as it is now") && new, "{said:?}");
        assert_eq!(hold(&shelf), "10m");
    }

    #[test]
    fn what_nothing_would_start_is_not_watched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.yaml");
        fs::write(&file, GOOD.replace("triggers:", "x_triggers:")).unwrap();
        assert!(Shelf::open(std::slice::from_ref(&file)).err().unwrap().what.contains("has no `triggers`"));
        fs::write(&file, GOOD).unwrap();
        let twice = Shelf::open(&[file.clone(), file]).err().unwrap();
        assert!(twice.what.contains("are both called shop"), "{}", twice.what);
    }
}
