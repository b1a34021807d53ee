//! The store: journals of runs, leases, inboxes. The heart of the promise that nothing is lost and
//! nothing is done twice.
//!
//! One writer per lease key, told apart by an epoch that only grows. An append is conditional on
//! epoch and position and returns when it is durable; its error may itself be in doubt, and then
//! the head is read again. Events are chained by hashes of the bytes as stored.

mod api;
mod journal;

pub use api::{Applied, Claim, Fence, Head, Holder, RunHead, Store, StoreError};
pub use journal::Journal;
