//! A store that counts its commits.

use async_trait::async_trait;
use lifeboat::{
    clock::{BootInstant, Timestamp},
    event::{Control, Event, Posted, Who},
    ids::{ControlId, Epoch, LeaseKey, RunId, Seq},
    store::{Checkup, Claim, Fence, Head, Holder, RunHead, SqliteStore, Store, StoreError, StoredRun},
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The store on disk, and how often it was appended to.
pub struct Counted {
    pub inner: SqliteStore,
    pub commits: AtomicUsize,
}

#[async_trait]
impl Store for Counted {
    async fn claim(&self, key: &LeaseKey, who: &Who) -> Result<Claim, StoreError> {
        self.inner.claim(key, who).await
    }
    async fn seize(&self, key: &LeaseKey, who: &Who, from: Epoch) -> Result<Claim, StoreError> {
        self.inner.seize(key, who, from).await
    }
    async fn renew(&self, fence: &Fence) -> Result<BootInstant, StoreError> {
        self.inner.renew(fence).await
    }
    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.inner.release(fence).await
    }
    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.inner.append(fence, run, after, batch).await
    }
    async fn read(&self, run: &RunId, from: Seq) -> Result<Vec<Event>, StoreError> {
        self.inner.read(run, from).await
    }
    async fn runs(&self, key: Option<&LeaseKey>) -> Result<Vec<RunHead>, StoreError> {
        self.inner.runs(key).await
    }
    async fn holder(&self, key: &LeaseKey) -> Result<Option<Holder>, StoreError> {
        self.inner.holder(key).await
    }
    async fn post(&self, run: &RunId, control: &Control, by: &Who, at: Timestamp) -> Result<ControlId, StoreError> {
        self.inner.post(run, control, by, at).await
    }
    async fn inbox(&self, run: &RunId, after: ControlId) -> Result<Vec<Posted>, StoreError> {
        self.inner.inbox(run, after).await
    }
    async fn checkup(&self) -> Result<Checkup, StoreError> {
        self.inner.checkup().await
    }
    async fn rebuild(&self, run: &RunId) -> Result<(), StoreError> {
        self.inner.rebuild(run).await
    }
    async fn export(&self, run: &RunId) -> Result<StoredRun, StoreError> {
        self.inner.export(run).await
    }
    async fn import(&self, fence: &mut Fence, run: &StoredRun) -> Result<(), StoreError> {
        self.inner.import(fence, run).await
    }
}
