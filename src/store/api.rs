//! What every store promises.

use super::{Checkup, StoredRun};
use crate::{
    clock::{BootClock, BootInstant, KernelBootClock, Span, Timestamp},
    event::{Control, Event, Posted, RunOutcome, Who},
    ids::{ControlId, Epoch, LeaseKey, Region, RunId, Seq},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// How long a lease lasts that nobody renews. A third of it is a good time to renew it after.
pub const LEASE: Span = Span::secs(30);

/// How long after its holder's end a send may still leave: it was checked in time, and then its
/// process was slow. After that it was given up.
pub const GRACE: Span = Span::secs(30);

/// How many past durations of one call in one Region are told.
pub(super) const DURATIONS_KEPT: u8 = 100;

/// Journals, leases and inboxes of one realm. Async because remote stores are. A future of `append`
/// must be awaited to its end: one that is dropped leaves its answer unknown.
#[async_trait]
pub trait Store: Send + Sync {
    /// Takes the lease of a key, if nobody alive holds it. A holder known to be dead loses it at
    /// once, a silent one when its time is over.
    async fn claim(&self, key: &LeaseKey, who: &Who) -> Result<Claim, StoreError>;
    /// Takes the lease from the holder of an epoch, be it alive or not: a person has said so. Busy
    /// where it is another's by now. What the old holder writes is refused from here on; what it
    /// may still send is waited out ([`Fence::quiet`]).
    async fn seize(&self, key: &LeaseKey, who: &Who, from: Epoch) -> Result<Claim, StoreError>;
    /// Says that the holder lives. Gives the new end of its lease.
    async fn renew(&self, fence: &Fence) -> Result<BootInstant, StoreError>;
    /// Gives the lease back.
    async fn release(&self, fence: Fence) -> Result<(), StoreError>;
    /// Adds events right after `after`, all or none, and returns when they are durable. The first
    /// append of a run (`after` 0) creates it. Conflict: somebody else wrote; fenced: the lease is
    /// another's.
    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError>;
    /// The events from `from` on, in order; verifies chain and order from the first one.
    async fn read(&self, run: &RunId, from: Seq) -> Result<Vec<Event>, StoreError>;
    /// The heads of all runs, newest first; of one key, or of all.
    async fn runs(&self, key: Option<&LeaseKey>) -> Result<Vec<RunHead>, StoreError>;
    /// Who holds a key now, be it alive or not; none where nobody does.
    async fn holder(&self, key: &LeaseKey) -> Result<Option<Holder>, StoreError>;
    /// Puts a control into a run's inbox. Anyone may.
    async fn post(&self, run: &RunId, control: &Control, by: &Who, at: Timestamp) -> Result<ControlId, StoreError>;
    /// The controls after one, in order.
    async fn inbox(&self, run: &RunId, after: ControlId) -> Result<Vec<Posted>, StoreError>;
    /// Looks through all of it: chains, gaps, heads, and what is kept beside them. Changes nothing.
    async fn checkup(&self) -> Result<Checkup, StoreError>;
    /// Up to where a run was surely written once, be it lost since. None: nothing is known.
    async fn written(&self, _run: &RunHead) -> Option<Seq> {
        None
    }
    /// Writes anew what is kept beside a run's events, from them.
    async fn rebuild(&self, run: &RunId) -> Result<(), StoreError>;
    /// A run as it is stored; verified.
    async fn export(&self, run: &RunId) -> Result<StoredRun, StoreError>;
    /// Takes in a run that was exported from another store, under the lease of its key, whose epoch
    /// may grow by it. Conflict: a run of that name is here already.
    async fn import(&self, fence: &mut Fence, run: &StoredRun) -> Result<(), StoreError>;
    /// Keeps how long something took, for later waits on the same. A cache: what cannot be kept is
    /// lost, and a store may keep nothing.
    async fn note_took(&self, _call: &str, _region: &Region, _took: Span, _at: Timestamp) {}
    /// How long it took in the past, newest first; a hundred at most.
    async fn past_durations(&self, _call: &str, _region: &Region) -> Vec<Span> {
        vec![]
    }
}

/// What a store tells the time by.
#[derive(Clone)]
pub struct Clocks {
    /// What people are shown as the time of a claim or renewal; decides nothing.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// What the ends of leases are given in.
    pub boot: Arc<dyn BootClock>,
}

impl Clocks {
    /// The machine's own.
    pub fn machine() -> Self {
        Self { now: Arc::new(Timestamp::wall), boot: Arc::new(KernelBootClock) }
    }
    /// The end of a lease that is claimed or renewed now.
    pub(super) fn lease_end(&self) -> BootInstant {
        BootInstant(self.boot.boot().0.saturating_add(LEASE.0))
    }
}

impl fmt::Debug for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clocks")
    }
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claim {
    /// The lease is ours.
    Held(Fence),
    /// It is another's.
    Busy(Holder),
}

/// A lease that is ours: the epoch under which we write, until it is renewed or another's.
#[derive(Debug)]
pub struct Fence {
    /// What it excludes others from.
    pub key: LeaseKey,
    /// Above every epoch before it.
    pub epoch: Epoch,
    /// Its end; nothing may be sent after it.
    pub deadline: BootInstant,
    /// Nothing may be sent before it: a holder that is not known to be dead may still send until then.
    pub quiet: BootInstant,
    /// What keeps the lease alive while it is not dropped (a kernel lock on the local store).
    pub alive: Option<Box<dyn Send + Sync + std::fmt::Debug>>,
}

impl Fence {
    /// Returns when a holder that is not known to be dead can send nothing more. The lease is kept
    /// alive meanwhile; `nap` sleeps. A store that cannot be reached now may be in a moment.
    pub async fn outwait<N: Future<Output = ()>>(
        mut self,
        store: &dyn Store,
        boot: &dyn BootClock,
        nap: impl Fn(Span) -> N,
    ) -> Result<Self, StoreError> {
        const NAP: Span = Span::secs(5);
        loop {
            let left = self.quiet.since(boot.boot());
            if left == Span::ZERO {
                return Ok(self);
            }
            nap(left.min(NAP)).await;
            match store.renew(&self).await {
                Err(StoreError::Outage { .. }) if boot.boot() < self.deadline => {}
                renewed => self.deadline = renewed?,
            }
        }
    }
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub who: Who,
    /// The epoch it holds the lease under.
    pub epoch: Epoch,
    /// Since when.
    pub since: Timestamp,
    /// When it last said that it lives.
    pub renewed: Timestamp,
    /// It is known to be alive (its kernel lock is held), not just not known to be dead.
    pub alive: bool,
    /// The run that it last wrote into under this lease; none: not yet any.
    pub run: Option<RunId>,
}

impl Holder {
    /// What a person types to take the lease from this holder and no other.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.who.host, self.who.pid, self.epoch)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} since {}, last heartbeat {}", self.who, self.since, self.renewed)
    }
}

/// When a lease ends, and until when its holder may send nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Term {
    pub(super) ends: BootInstant,
    pub(super) quiet: BootInstant,
}

impl Term {
    /// Whether the lease of a holder that may live is still its own. An end further off than a lease
    /// lasts is of another boot: its holder died with that.
    pub(super) fn lasts(self, now: BootInstant) -> bool {
        now < self.ends && self.ends.0 <= now.0.saturating_add(LEASE.0)
    }
    /// Until when the next holder is quiet, where this one is dead: what it waited for itself.
    pub(super) fn after_death(self, now: BootInstant) -> BootInstant {
        let longest = now.0.saturating_add(LEASE.0).saturating_add(GRACE.0);
        if self.quiet.0 > longest { now } else { self.quiet }
    }
    /// Until when the next holder is quiet, where this one may live.
    pub(super) fn after_life(self, now: BootInstant) -> BootInstant {
        let ends =
            if self.ends.0 > now.0.saturating_add(LEASE.0) { now.0 } else { self.ends.0.saturating_add(GRACE.0) };
        self.after_death(now).max(BootInstant(ends))
    }
}

/// The end of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last event's place.
    pub seq: Seq,
    /// The hash of the chain up to it.
    pub hash: [u8; 32],
}

/// What is known of a run without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunHead {
    /// The run.
    pub id: RunId,
    /// Its lease key.
    pub key: LeaseKey,
    /// The name of its runbook.
    pub runbook: String,
    /// When it began.
    pub started: Timestamp,
    /// Its last event's place.
    pub seq: Seq,
    /// How it ended; none: it did not. A cache of the last event.
    pub outcome: Option<RunOutcome>,
}

/// Whether an append that failed was applied all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It surely was not.
    No,
    /// Nobody knows: read the head again.
    Unknown,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The run does not end where the append was to begin.
    #[error("somebody else wrote into the run")]
    Conflict,
    /// The lease is another's.
    #[error("the lease is held by {0}")]
    Fenced(String),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(String),
    /// The store cannot be used now.
    #[error("the journal cannot be used: {why}")]
    Outage {
        /// Whether the append was applied all the same.
        applied: Applied,
        /// Why.
        why: String,
    },
    /// What is stored is not what was stored.
    #[error("the journal of run {run} is damaged at event {seq}: {why}")]
    Damaged {
        /// The run.
        run: RunId,
        /// The first event that is wrong.
        seq: Seq,
        /// What is wrong with it.
        why: String,
    },
    /// It is what was stored, and we do not know what it means.
    #[error("event {seq} of run {run} is whole, but another lifeboat wrote it and this one cannot read it: {why}")]
    Unreadable {
        /// The run.
        run: RunId,
        /// The first such event.
        seq: Seq,
        /// What is not known.
        why: String,
    },
    /// A newer lifeboat wrote it.
    #[error("the journal has format {found}; this lifeboat reads up to {known}: use the lifeboat that wrote it")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
}
