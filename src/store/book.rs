//! The book of notes: what is recorded of starting without people, beside the journals.
//!
//! One book for a realm, in a file of its own, so that the journals of runs stay as they are. Its
//! notes are final and numbered without gaps. Who writes says after which note: whoever did not read
//! the last ones decides anew.

use super::StoreError;
use crate::{
    clock::Timestamp,
    event::{Note, NoteKind, Who},
    ids::NoteNo,
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};

/// A book of notes.
#[async_trait]
pub trait Book: Send + Sync {
    /// Adds notes right after `after`, all or none, and returns the last one's number when they are
    /// durable. Conflict: somebody wrote since.
    async fn write(&self, after: NoteNo, by: &Who, at: Timestamp, kinds: &[NoteKind]) -> Result<NoteNo, StoreError>;
    /// The notes after one, in order; at most `most`.
    async fn read(&self, after: NoteNo, most: usize) -> Result<Vec<Note>, StoreError>;
}

/// Notes in memory, for tests and rehearsals. A clone is another door to the same book.
#[derive(Clone, Debug, Default)]
pub struct MemoryBook(Arc<Mutex<Vec<Note>>>);

#[async_trait]
impl Book for MemoryBook {
    async fn write(&self, after: NoteNo, by: &Who, at: Timestamp, kinds: &[NoteKind]) -> Result<NoteNo, StoreError> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = notes.last().map(|note| note.no).unwrap_or_default();
        if last != after {
            return Err(StoreError::Conflict);
        }
        for kind in kinds {
            last = last.next();
            notes.push(Note { no: last, at, by: by.clone(), kind: kind.clone() });
        }
        Ok(last)
    }

    async fn read(&self, after: NoteNo, most: usize) -> Result<Vec<Note>, StoreError> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(notes.iter().filter(|note| note.no > after).take(most).cloned().collect())
    }
}
