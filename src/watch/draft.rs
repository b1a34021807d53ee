//! Notes in the making.

use super::ledger::Ledger;
use crate::{
    alarm::{Signal, Way},
    clock::Timestamp,
    event::{Note, NoteKind, Who},
};

/// Notes that are not written yet, and what they come to.
pub(super) struct Draft {
    /// Where everything stands with them.
    pub(super) ledger: Ledger,
    /// When they are written.
    pub(super) now: Timestamp,
    /// They.
    pub(super) notes: Vec<Note>,
    who: Who,
}

impl Draft {
    /// None yet.
    pub(super) fn of(ledger: &Ledger, who: &Who, now: Timestamp) -> Self {
        Self { ledger: ledger.clone(), who: who.clone(), now, notes: vec![] }
    }

    /// Whether a look tells nothing new. There is one a minute: it is no fact worth keeping.
    pub(super) fn is_same_look(&self, signal: &Signal) -> bool {
        signal.from.way == Way::Looked && self.ledger.outdated(signal, self.now).is_some()
    }

    /// One more.
    pub(super) fn add(&mut self, kind: NoteKind) {
        let note = Note { no: self.ledger.head.next(), at: self.now, by: self.who.clone(), kind };
        self.ledger.apply(&note);
        self.notes.push(note);
    }
}
