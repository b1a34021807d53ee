//! The journal of one run, as the process that holds it writes it.
//!
//! Permits come from here and from nowhere else: one for each intent of a batch, after the batch is
//! durable. A permit ends with the lease under which it was minted, so a process that slept through
//! its lease sends nothing.

use super::{Applied, Fence, Store, StoreError, chain};
use crate::{
    clock::{BootClock, BootInstant},
    event::{Event, EventKind},
    ids::{Digest, Epoch, RunId, Seq},
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
    /// The same journal, known to end at `head`.
    pub fn at(self, head: Seq) -> Self {
        Self { head, ..self }
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
    /// Where the store does not say whether it took the batch, the head is read again: the error
    /// `Outage` with [`Applied::No`] means that the same batch may be tried again, with
    /// [`Applied::Unknown`] that not even that could be read, and the run must stop here.
    pub async fn append(&mut self, batch: &[Event]) -> Result<Vec<Permit>, StoreError> {
        let Some(last) = batch.last() else { return Ok(vec![]) };
        match self.store.append(&self.fence, &self.run, self.head, batch).await {
            Ok(_) => {}
            Err(StoreError::Outage { applied: Applied::Unknown, why }) => self.settle(batch, why).await?,
            Err(other) => return Err(other),
        }
        self.head = last.seq;
        let intents = batch.iter().filter_map(|event| match &event.kind {
            // A receiver that knows repeats by a token must see one token however often we send one thing.
            EventKind::EffectIntended { step, call, .. } if call.class() == Class::Token => {
                let what = Digest::of_json(call);
                Some(format!("{}-{step}-{}", self.run, &what.as_str()[..12]))
            }
            EventKind::EffectIntended { step, effect, .. } => Some(format!("{}-{step}-{effect}", self.run)),
            _ => None,
        });
        Ok(intents.map(|token| Permit::mint(token, self.fence.quiet, self.fence.deadline)).collect())
    }

    /// After an append without an answer: the batch is there whole (good), or not at all.
    async fn settle(&self, batch: &[Event], why: String) -> Result<(), StoreError> {
        let stored = match self.store.read(&self.run, self.head.next()).await {
            Ok(stored) => stored,
            // The append would have created the run.
            Err(StoreError::NoSuchRun(_)) if self.head == Seq(0) => vec![],
            Err(StoreError::Outage { why: again, .. }) => {
                let why = format!("{why}; whether the last event is there cannot be read either: {again}");
                return Err(StoreError::Outage { applied: Applied::Unknown, why });
            }
            Err(other) => return Err(other),
        };
        if stored.is_empty() {
            return Err(StoreError::Outage { applied: Applied::No, why });
        }
        // By way of the stored form: numbers may come out of it a hair's breadth beside.
        if stored == chain::as_read(batch)? { Ok(()) } else { Err(StoreError::Conflict) }
    }

    /// Renews the lease. An error of any kind leaves its old end in force.
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
    /// Gives the lease back; the run stays as it is. What it told is durable: a store that does not answer now
    /// takes none of it back, and the lease ends with this or in its time.
    pub async fn release(self) -> Result<(), StoreError> {
        match self.store.release(self.fence).await {
            Err(StoreError::Outage { .. }) => Ok(()),
            other => other,
        }
    }
}
