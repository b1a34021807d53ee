//! The simulated store: what a disk or a server keeps, and how it fails.
//!
//! It lies on another machine or on a disk that outlives every process. What an append wrote is a
//! volatile tail until it is synced; a process that dies in between leaves the tail to chance, all of
//! it or none; what an append has answered is durable for good. A holder that does not renew its lease in
//! time loses it, alive or not; one that is known to be dead loses it at once, where the store can know.
//!
//! Every process has its own door: its own boot clock, its own death.

use super::{
    judge::Judge,
    schedule::{Failing, Sick, StoreCall},
    vitals::Vitals,
};
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
    /// Requests that were heard.
    asked: BTreeMap<StoreCall, u64>,
    /// What is still to fail.
    sick: Vec<Sick>,
    struck: usize,
    unreachable_until: Option<Timestamp>,
    /// By process: one that is stopped may have written what it never synced.
    tails: BTreeMap<u32, Tail>,
    /// What keeps dead holders' leases, where nobody can know that they are dead.
    kept: Option<Vec<Box<dyn Send + Sync + std::fmt::Debug>>>,
}

impl State {
    fn unreachable(&self, now: Timestamp) -> bool {
        self.unreachable_until.is_some_and(|until| now < until)
    }
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
        judge: Arc<Judge>,
        knows_dead: bool,
        wrap: &dyn Fn(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Arc<Self> {
        let (now, boot) = (clock.clone(), Arc::new(super::vitals::VirtualBoot::since(Span::hours(1))));
        let kept = MemoryStore::new(Clocks { now: Arc::new(move || now.now()), boot: boot.clone() }).expiring();
        let state = State { kept: (!knows_dead).then(Vec::new), ..State::default() };
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

    /// From now on these requests fail, counted from here.
    pub(super) fn sickens(&self, sick: Vec<Sick>) {
        let mut state = self.state();
        (state.asked, state.sick) = (BTreeMap::new(), sick);
    }

    /// How many of the faults struck.
    pub(super) fn struck(&self) -> usize {
        self.state().struck
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is heard. How it fails, if it does.
    fn hears(&self, call: StoreCall) -> Option<Failing> {
        let (mut state, now) = (self.state(), self.clock.now());
        if state.unreachable(now) {
            return None;
        }
        let asked = state.asked.entry(call).or_default();
        *asked += 1;
        let this = (call, *asked);
        let place = state.sick.iter().position(|sick| (sick.call, sick.nth) == this)?;
        state.struck += 1;
        let how = state.sick.remove(place).how;
        if let Failing::Unreachable(span) = how {
            state.unreachable_until = Some(now + span);
        }
        Some(how)
    }

    async fn sleep(&self, span: Span) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }
}

fn outage(applied: Applied, why: &str) -> StoreError {
    StoreError::Outage { applied, why: why.to_owned() }
}

/// Nobody knows whether it was done.
fn no_answer() -> StoreError {
    outage(Applied::Unknown, "no answer")
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
        self.connect().await
    }

    async fn connect(&self) -> Result<(), StoreError> {
        if self.store.state().unreachable(self.store.clock.now()) {
            self.store.sleep(Span::secs(2)).await;
            self.vitals.awake().await;
            return Err(outage(Applied::No, "the store does not answer"));
        }
        Ok(())
    }

    /// The way there of a request that may fail. What is still to become of it.
    async fn arrives(&self, call: StoreCall) -> Result<Option<Failing>, StoreError> {
        self.vitals.point().await;
        let fault = self.store.hears(call);
        self.connect().await?;
        match fault {
            Some(Failing::Eio) => Err(outage(Applied::No, "input/output error")),
            Some(Failing::Full) => Err(outage(Applied::No, "no space left on device")),
            _ => Ok(fault),
        }
    }

    /// The way back of an answer, which may be lost.
    async fn back<T>(&self, fault: Option<Failing>, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        self.vitals.point().await;
        if fault == Some(Failing::AnswerLost) { Err(no_answer()) } else { answer }
    }

    /// A request and its answer, with what becomes of them.
    async fn ask<T>(
        &self,
        call: StoreCall,
        done: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let fault = self.arrives(call).await?;
        if fault == Some(Failing::Lost) {
            return Err(no_answer());
        }
        self.back(fault, done.await).await
    }

    /// The end of a lease that was asked for at an instant of this machine's: never later than the store
    /// sees it.
    fn end(asked: BootInstant) -> BootInstant {
        BootInstant(asked.0 + LEASE.0)
    }

    /// A claim, and its answer in this machine's time: its clock and the store's have nothing in common but
    /// their pace.
    async fn lease(&self, claim: impl Future<Output = Result<Claim, StoreError>>) -> Result<Claim, StoreError> {
        let asked = self.boot.boot();
        let mut claim = claim.await?;
        if let Claim::Held(fence) = &mut claim {
            let quiet = fence.quiet.since(self.store.boot.boot());
            fence.quiet = BootInstant(self.boot.boot().0 + quiet.0);
            fence.deadline = Self::end(asked);
            self.store.judge.claimed(self.vitals.number, fence.epoch);
            if let Some(kept) = &mut self.store.state().kept {
                kept.extend(fence.alive.take());
            }
        }
        Ok(claim)
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
        self.ask(StoreCall::Claim, self.lease(self.store.inner.claim(key, who))).await
    }

    async fn seize(&self, key: &LeaseKey, who: &Who, from: Epoch) -> Result<Claim, StoreError> {
        self.ask(StoreCall::Claim, self.lease(self.store.inner.seize(key, who, from))).await
    }

    async fn renew(&self, fence: &Fence) -> Result<BootInstant, StoreError> {
        let renewal = async {
            let asked = self.boot.boot();
            self.store.inner.renew(fence).await?;
            Ok(Self::end(asked))
        };
        self.ask(StoreCall::Renew, renewal).await
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.ask(StoreCall::Release, self.store.inner.release(fence)).await
    }

    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        let fault = self.arrives(StoreCall::Append).await?;
        let own = Fence { key: fence.key.clone(), alive: None, ..*fence };
        let tail = Tail { fence: own, run: run.clone(), after, batch: batch.to_vec() };
        self.store.state().tails.insert(self.vitals.number, tail);
        self.vitals.point().await;
        self.store.sleep(Span::ms(3)).await;
        self.vitals.awake().await;
        if fault == Some(Failing::Lost) {
            self.store.state().tails.remove(&self.vitals.number);
            return Err(no_answer());
        }
        let head = self.commit(fence, run, after, batch).await;
        self.back(fault, head).await
    }

    async fn read(&self, run: &RunId, from: Seq) -> Result<Vec<Event>, StoreError> {
        self.ask(StoreCall::Read, self.store.inner.read(run, from)).await
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
        self.ask(StoreCall::Inbox, self.store.inner.inbox(run, after)).await
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
