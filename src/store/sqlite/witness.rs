//! How far a run was written, noted beside the journal: what tells of a lost end.
//!
//! A file that lost its last commits, or an older copy that was put back, is a whole journal like
//! any other. The note, in a file of the lease's key, is written after each commit and never
//! synced: it may be behind the journal. Ahead of it it can only be where events were lost. It
//! decides nothing, and where it cannot be written or read there is none.

use super::place::{self, Place};
use crate::ids::{LeaseKey, RunId, Seq};
use std::{fs, os::unix::fs::FileExt as _};

/// Room for a run's name and a number; the note before is written over whole.
const WIDTH: usize = 64;

/// Notes that a run was written up to there.
pub(super) fn note(place: &Place, key: &LeaseKey, run: &RunId, last: Seq) {
    if let Ok(file) = place::lock_file(&place.note(key)) {
        let text = format!("{:<WIDTH$}\n", format!("{run} {last}"));
        drop(file.write_all_at(text.as_bytes(), 0));
    }
}

/// How far a run was written, if it is the last that was written under its lease.
pub(super) fn noted(place: &Place, key: &LeaseKey, run: &RunId) -> Option<Seq> {
    let text = fs::read_to_string(place.note(key)).ok()?;
    let (name, last) = text.trim_end().split_once(' ')?;
    if name == run.as_str() { last.parse().ok().map(Seq) } else { None }
}
