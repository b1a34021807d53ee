//! A store that loses answers.

use crate::{
    clock::{BootInstant, Timestamp},
    event::{Control, Event, Posted, Who},
    ids::{ControlId, Epoch, LeaseKey, RunId, Seq},
    store::{Applied, Checkup, Claim, Fence, Head, Holder, RunHead, Store, StoreError, StoredRun},
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex};

/// A store whose next append is lost on the way there or back.
pub(super) struct Lossy {
    pub(super) inner: Arc<dyn Store>,
    pub(super) next: Mutex<Option<Loss>>,
}

#[derive(Clone, Copy)]
pub(super) struct Loss {
    /// The append arrives, its answer does not.
    pub(super) applied: bool,
    /// Nothing can be read afterwards either.
    pub(super) unreadable: bool,
}

impl Lossy {
    pub(super) fn lose(&self, loss: Loss) {
        *self.next.lock().unwrap() = Some(loss);
    }
}

fn lost() -> StoreError {
    StoreError::Outage { applied: Applied::Unknown, why: "lost".into() }
}

#[async_trait]
impl Store for Lossy {
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
        let Some(loss) = *self.next.lock().unwrap() else { return self.inner.append(fence, run, after, batch).await };
        if loss.applied {
            self.inner.append(fence, run, after, batch).await?;
        }
        if !loss.unreadable {
            *self.next.lock().unwrap() = None;
        }
        Err(lost())
    }
    async fn read(&self, run: &RunId, from: Seq) -> Result<Vec<Event>, StoreError> {
        let unreadable = self.next.lock().unwrap().take().is_some();
        if unreadable { Err(lost()) } else { self.inner.read(run, from).await }
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
