//! The journal of one run, as the process that holds it writes it.

use super::{Fence, Head, Store, StoreError};
use crate::{
    clock::{BootClock, BootInstant},
    event::{Event, EventKind},
    ids::{Epoch, RunId, Seq},
    world::{Class, permit::Permit},
};
use std::sync::Arc;

/// A store, a lease and a run: what the dispatcher owns. Alone in minting permits, and only for
/// intents that it has just made durable.
pub struct Journal {
    store: Arc<dyn Store>,
    boot: Arc<dyn BootClock>,
    fence: Fence,
    run: RunId,
    head: Seq,
}

impl Journal {
    /// The journal of a run that ends at `head` (0: it has no events yet).
    pub fn new(store: Arc<dyn Store>, boot: Arc<dyn BootClock>, fence: Fence, run: RunId, head: Seq) -> Self {
        Self { store, boot, fence, run, head }
    }
    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }
    /// The store it is in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
    /// The epoch that its events carry.
    pub fn epoch(&self) -> Epoch {
        self.fence.epoch
    }
    /// The place of its last event.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Makes a batch durable, in one commit, and gives a permit for each intent in it, in order.
    /// Where the store does not say whether it took the batch, the head is read again.
    pub async fn append(&mut self, batch: &[Event]) -> Result<Vec<Permit>, StoreError> {
        let head = match self.store.append(&self.fence, &self.run, self.head, batch).await {
            Ok(head) => head,
            Err(StoreError::Outage { applied: super::Applied::Unknown, why }) => self.settle(batch, why).await?,
            Err(other) => return Err(other),
        };
        self.head = head.seq;
        let intents = batch.iter().filter_map(|event| match &event.kind {
            // A receiver that knows repeats by a token must see one token however often we send.
            EventKind::EffectIntended { step, call, .. } if call.class() == Class::Token => {
                Some(format!("{}-{step}", self.run))
            }
            EventKind::EffectIntended { step, effect, .. } => Some(format!("{}-{step}-{effect}", self.run)),
            _ => None,
        });
        Ok(intents.map(|token| Permit::mint(token, self.fence.deadline)).collect())
    }

    /// The head after an append without an answer: the batch is there whole, or not at all.
    async fn settle(&self, batch: &[Event], why: String) -> Result<Head, StoreError> {
        let stored = self.store.read(&self.run, self.head.next()).await?;
        if stored.is_empty() {
            return Err(StoreError::Outage { applied: super::Applied::No, why });
        }
        if stored != batch {
            return Err(StoreError::Conflict);
        }
        Ok(Head { seq: batch.last().map_or(self.head, |e| e.seq), hash: [0; 32] })
    }

    /// Renews the lease. Returns whether it is still ours.
    pub async fn renew(&mut self) -> Result<(), StoreError> {
        self.fence.deadline = self.store.renew(&self.fence).await?;
        Ok(())
    }
    /// Whether the lease's end has come: nothing may be sent any more.
    pub fn expired(&self) -> bool {
        self.boot.boot() >= self.fence.deadline
    }
    /// The end of the lease.
    pub fn deadline(&self) -> BootInstant {
        self.fence.deadline
    }
    /// Gives the lease back; the run stays as it is.
    pub async fn release(self) -> Result<(), StoreError> {
        self.store.release(self.fence).await
    }
}
