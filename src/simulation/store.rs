//! The simulated store: what a disk or a server keeps, and how it fails.
//!
//! It lies on another machine or on a disk that outlives every process. What an append wrote is a
//! volatile tail until it is synced; a process that dies in between leaves the tail to chance, all of
//! it or none; what an append has answered is durable for good. A holder that does not renew its lease in
//! time loses it, alive or not; one that is known to be dead loses it at once, where the store can know.
//!
//! Every process has its own door: its own boot clock, its own death.

use super::{judge::Judge, schedule::Sick, vitals::Vitals};
use crate::{
    clock::{BootClock, BootInstant, Clock, Span, Timestamp},
    event::{Control, Event, Posted, Who},
    ids::{ControlId, Epoch, LeaseKey, RunId, Seq},
    store::{
        Applied, Checkup, Claim, Clocks, Fence, Head, Holder, LEASE, MemoryStore, RunHead, Store, StoreError, StoredRun,
    },
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What every door leads to.
pub struct SimStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    boot: Arc<dyn BootClock>,
    judge: Arc<Judge>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    appends: u64,
    sick: Vec<Sick>,
    unreachable_until: Option<Timestamp>,
    /// By process: one that is stopped may have written what it never synced.
    tails: BTreeMap<u32, Tail>,
    /// What keeps dead holders' leases, where nobody can know that they are dead.
    kept: Option<Vec<Box<dyn Send + Sync + std::fmt::Debug>>>,
}

/// What is written and not yet synced.
struct Tail {
    fence: Fence,
    run: RunId,
    after: Seq,
    batch: Vec<Event>,
}

impl SimStore {
    /// An empty one by the world's clock. `knows_dead`: it can tell that a holder died, as a lock of
    /// the local kernel does. `wrap`: what stands between the doors and what is kept.
    pub(super) fn new(
        clock: &Arc<dyn Clock>,
        (judge, sick): (Arc<Judge>, Vec<Sick>),
        knows_dead: bool,
        wrap: &dyn Fn(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Arc<Self> {
        let (now, boot) = (clock.clone(), Arc::new(super::vitals::VirtualBoot::since(Span::hours(1))));
        let kept = MemoryStore::new(Clocks { now: Arc::new(move || now.now()), boot: boot.clone() }).expiring();
        let state = State { sick, kept: (!knows_dead).then(Vec::new), ..State::default() };
        Arc::new(Self { inner: wrap(Arc::new(kept)), clock: clock.clone(), boot, judge, state: Mutex::new(state) })
    }

    /// A process's way to it.
    pub(super) fn door(self: &Arc<Self>, vitals: Arc<Vitals>, boot: Arc<dyn BootClock>) -> Arc<dyn Store> {
        Arc::new(Door { store: self.clone(), vitals, boot })
    }

    /// What is kept, seen from outside of any process, with no fault in between.
    pub fn kept(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    /// A process died. What it had written and not synced is kept whole or lost.
    pub(super) async fn died(&self, process: u32, keeps_tail: bool) {
        let tail = self.state().tails.remove(&process);
        let Some(tail) = tail.filter(|_| keeps_tail) else { return };
        if self.inner.append(&tail.fence, &tail.run, tail.after, &tail.batch).await.is_ok() {
            self.judge.durable(process, &tail.batch);
        }
    }

    /// How many of the faults struck.
    pub(super) fn struck(&self) -> usize {
        let state = self.state();
        state.sick.iter().filter(|sick| sick.append() <= state.appends).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault of this append, if it has one.
    fn next_fault(&self) -> Option<Sick> {
        let mut state = self.state();
        state.appends += 1;
        let this = state.appends;
        let found = state.sick.iter().copied().find(|sick| sick.append() == this);
        if let Some(Sick::Unreachable(_, span)) = found {
            state.unreachable_until = Some(self.clock.now() + span);
        }
        found
    }

    fn unreachable(&self) -> bool {
        self.state().unreachable_until.is_some_and(|until| self.clock.now() < until)
    }

    async fn sleep(&self, span: Span) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }
}

fn outage(applied: Applied, why: &str) -> StoreError {
    StoreError::Outage { applied, why: why.to_owned() }
}

/// One process's way to the store.
struct Door {
    store: Arc<SimStore>,
    vitals: Arc<Vitals>,
    boot: Arc<dyn BootClock>,
}

impl Door {
    /// The way there, which may be closed.
    async fn reach(&self) -> Result<(), StoreError> {
        self.vitals.point().await;
        if self.store.unreachable() {
            self.store.sleep(Span::secs(2)).await;
            self.vitals.awake().await;
            return Err(outage(Applied::No, "the store does not answer"));
        }
        Ok(())
    }

    async fn back<T>(&self, answer: T) -> T {
        self.vitals.point().await;
        answer
    }

    /// The end of a lease that was asked for at an instant of this machine's: never later than the store
    /// sees it.
    fn end(asked: BootInstant) -> BootInstant {
        BootInstant(asked.0 + LEASE.0)
    }

    /// A claim's answer in this machine's time: its clock and the store's have nothing in common but
    /// their pace.
    async fn taken(&self, mut claim: Claim, asked: BootInstant) -> Claim {
        if let Claim::Held(fence) = &mut claim {
            let quiet = fence.quiet.since(self.store.boot.boot());
            fence.quiet = BootInstant(self.boot.boot().0 + quiet.0);
            fence.deadline = Self::end(asked);
            self.store.judge.claimed(self.vitals.number, fence.epoch);
            if let Some(kept) = &mut self.store.state().kept {
                kept.extend(fence.alive.take());
            }
        }
        self.back(claim).await
    }

    async fn commit(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        let head = self.store.inner.append(fence, run, after, batch).await;
        self.store.state().tails.remove(&self.vitals.number);
        let head = head?;
        self.store.judge.durable(self.vitals.number, batch);
        Ok(head)
    }
}

#[async_trait]
impl Store for Door {
    async fn claim(&self, key: &LeaseKey, who: &Who) -> Result<Claim, StoreError> {
        self.reach().await?;
        let asked = self.boot.boot();
        let claim = self.store.inner.claim(key, who).await?;
        Ok(self.taken(claim, asked).await)
    }

    async fn seize(&self, key: &LeaseKey, who: &Who, from: Epoch) -> Result<Claim, StoreError> {
        self.reach().await?;
        let asked = self.boot.boot();
        let claim = self.store.inner.seize(key, who, from).await?;
        Ok(self.taken(claim, asked).await)
    }

    async fn renew(&self, fence: &Fence) -> Result<BootInstant, StoreError> {
        self.reach().await?;
        let asked = self.boot.boot();
        self.store.inner.renew(fence).await?;
        Ok(self.back(Self::end(asked)).await)
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.reach().await?;
        self.store.inner.release(fence).await
    }

    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        let fault = self.store.next_fault();
        self.reach().await?;
        match fault {
            Some(Sick::Eio(_)) => return Err(outage(Applied::No, "input/output error")),
            Some(Sick::Full(_)) => return Err(outage(Applied::No, "no space left on device")),
            _ => {}
        }
        let own = Fence { key: fence.key.clone(), alive: None, ..*fence };
        let tail = Tail { fence: own, run: run.clone(), after, batch: batch.to_vec() };
        self.store.state().tails.insert(self.vitals.number, tail);
        self.vitals.point().await;
        self.store.sleep(Span::ms(3)).await;
        self.vitals.awake().await;
        if fault.is_some_and(|fault| matches!(fault, Sick::Lost(_))) {
            self.store.state().tails.remove(&self.vitals.number);
            return Err(outage(Applied::Unknown, "no answer to the commit"));
        }
        let head = self.commit(fence, run, after, batch).await?;
        self.vitals.point().await;
        match fault {
            Some(Sick::AnswerLost(_)) => Err(outage(Applied::Unknown, "no answer to the commit")),
            _ => Ok(head),
        }
    }

    async fn read(&self, run: &RunId, from: Seq) -> Result<Vec<Event>, StoreError> {
        self.reach().await?;
        let read = self.store.inner.read(run, from).await?;
        Ok(self.back(read).await)
    }

    async fn runs(&self, key: Option<&LeaseKey>) -> Result<Vec<RunHead>, StoreError> {
        self.reach().await?;
        self.store.inner.runs(key).await
    }

    async fn holder(&self, key: &LeaseKey) -> Result<Option<Holder>, StoreError> {
        self.reach().await?;
        self.store.inner.holder(key).await
    }

    async fn post(&self, run: &RunId, control: &Control, by: &Who, at: Timestamp) -> Result<ControlId, StoreError> {
        self.reach().await?;
        self.store.inner.post(run, control, by, at).await
    }

    async fn inbox(&self, run: &RunId, after: ControlId) -> Result<Vec<Posted>, StoreError> {
        self.reach().await?;
        self.store.inner.inbox(run, after).await
    }

    async fn checkup(&self) -> Result<Checkup, StoreError> {
        self.reach().await?;
        self.store.inner.checkup().await
    }

    async fn rebuild(&self, run: &RunId) -> Result<(), StoreError> {
        self.reach().await?;
        self.store.inner.rebuild(run).await
    }

    async fn export(&self, run: &RunId) -> Result<StoredRun, StoreError> {
        self.reach().await?;
        self.store.inner.export(run).await
    }

    async fn import(&self, fence: &mut Fence, run: &StoredRun) -> Result<(), StoreError> {
        self.reach().await?;
        self.store.inner.import(fence, run).await
    }
}
