//! The store: journals of runs, leases, inboxes. The heart of the promise that nothing is lost and
//! nothing is done twice.
//!
//! One writer per lease key, told apart by an epoch that only grows. An append is conditional on
//! epoch and position and returns when it is durable; its error may itself be in doubt, and then
//! the head is read again. Events are chained by hashes of the bytes as stored.
//!
//! [`SqliteStore`] keeps them in one file per realm, [`MemoryStore`] in memory, for tests. One
//! suite (`conformance`) says what both do.
//!
//! Beside them a [`Book`] of notes: what was decided without people, before there was a run.

mod api;
mod book;
mod chain;
mod checkup;
#[cfg(test)]
mod conformance;
mod journal;
mod memory;
mod run_id;
mod sqlite;
mod stored;

pub use api::{Applied, Claim, Clocks, Fence, GRACE, Head, Holder, LEASE, RunHead, Store, StoreError};
pub use book::{Book, MemoryBook};
pub use checkup::{Checkup, RunCheckup};
pub use journal::Journal;
pub use memory::{Fault, MemoryStore};
pub use run_id::run_id;
pub use sqlite::{OpenError, SqliteBook, SqliteStore};
pub use stored::{StoredRun, TextError};
