//! A store that counts its commits.

use async_trait::async_trait;
use lifeboat::{
    clock::{BootInstant, Span, Timestamp},
    event::{Control, Event, Posted, Who},
    ids::{ControlId, Epoch, LeaseKey, Region, RunId, Seq},
    store::{Checkup, Claim, Fence, Head, Holder, RunHead, SqliteStore, Store, StoreError, StoredRun},
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The store on disk, and how often it was appended to.
pub struct Counted {
    pub inner: SqliteStore,
    pub commits: AtomicUsize,
}

store_but! { Counted, [leases read]
    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.inner.append(fence, run, after, batch).await
    }
}
