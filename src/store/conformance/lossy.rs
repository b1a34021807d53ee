//! A store that loses answers.

use crate::{
    clock::{BootInstant, Span, Timestamp},
    event::{Control, Event, Posted, Who},
    ids::{ControlId, Epoch, LeaseKey, Region, RunId, Seq},
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

store_but! { Lossy, [leases]
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
}
