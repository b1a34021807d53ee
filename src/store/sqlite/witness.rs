//! How far a run was written, noted beside the journal: what tells of a lost end.
//!
//! A file that lost its last commits, or an older copy that was put back, is a whole journal like
//! any other. The note, in a file of the lease's key, is written after each commit and never
//! synced: it may be behind the journal. Ahead of it it can only be where events were lost. It
//! decides nothing, and where it cannot be written or read there is none.

use super::place::{self, Place};
use crate::ids::{LeaseKey, RunId, Seq};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::Path,
};

/// Room for a run's name and a number; the note before is written over whole.
const WIDTH: usize = 64;

/// The file of the key that was written under last, kept open: a note follows every commit.
#[derive(Debug, Default)]
pub(super) struct Witness(Option<(LeaseKey, File)>);

impl Witness {
    /// Notes that a run was written up to there.
    pub(super) fn note(&mut self, place: &Place, key: &LeaseKey, run: &RunId, last: Seq) {
        if self.0.as_ref().is_none_or(|(of, _)| of != key) {
            self.0 = place::lock_file(&place.note(key)).ok().map(|file| (key.clone(), file));
        }
        if let Some((_, file)) = &self.0 {
            let text = format!("{:<WIDTH$}\n", format!("{run} {last}"));
            drop(file.write_all_at(text.as_bytes(), 0));
        }
    }
}

/// How far a run was written, if it is the last that was written under its lease.
pub(super) fn noted(place: &Place, key: &LeaseKey, run: &RunId) -> Option<Seq> {
    let (name, last) = read(&place.note(key))?;
    (name == *run).then_some(last)
}

/// Every run that was the last under its lease, and how far it was written.
pub(super) fn all(place: &Place) -> BTreeMap<RunId, Seq> {
    place.notes().iter().filter_map(|note| read(note)).collect()
}

fn read(note: &Path) -> Option<(RunId, Seq)> {
    let text = fs::read_to_string(note).ok()?;
    let (name, last) = text.trim_end().split_once(' ')?;
    Some((RunId::from(name), Seq(last.parse().ok()?)))
}
