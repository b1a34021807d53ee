//! The store in memory: the contract without a disk, for tests of everything above it.
//!
//! Events go through their stored form and the hash chain, so that a fold over what is read here is
//! a fold over what a file would give. A clone is another door to the same store, as another
//! process would have; [`MemoryStore::crash`] and [`MemoryStore::crash_at`] are what is left of it
//! when all processes die now, or had died back then.

use super::{
    Applied, Checkup, Claim, Clocks, Fence, Head, Holder, RunCheckup, RunHead, Store, StoreError, StoredRun,
    api::Term,
    chain::{self, Link, START, Verifier},
};
use crate::{
    clock::{BootInstant, Span, Timestamp},
    event::{Control, Event, Posted, Who},
    ids::{ControlId, Epoch, LeaseKey, Region, RunId, Seq},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Journals, leases and inboxes in memory.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    clocks: Clocks,
    /// A holder that is silent for too long loses its lease, though it lives.
    expires: bool,
}

/// How an append fails on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not applied, and the store says so.
    Refused,
    /// It is not applied, and the store does not know.
    Lost,
    /// It is applied, but its answer is lost.
    AnswerLost,
}

#[derive(Clone, Debug, Default)]
struct State {
    runs: BTreeMap<RunId, Run>,
    leases: BTreeMap<LeaseKey, Lease>,
    inbox: Vec<(RunId, Posted)>,
    /// The number of the last control, be it of another store that a run came from.
    last_control: ControlId,
    took: Vec<(String, Region, Span)>,
    appends: u64,
    faults: Vec<(RangeInclusive<u64>, Fault)>,
}

#[derive(Clone, Debug)]
struct Run {
    head: RunHead,
    links: Vec<Link>,
    /// The last place of each batch.
    commits: Vec<Seq>,
}

#[derive(Clone, Debug, Default)]
struct Lease {
    epoch: Epoch,
    holder: Option<Holder>,
    term: Term,
    /// Lives as long as the fence does.
    alive: Weak<Alive>,
}

/// What a fence holds on to.
#[derive(Debug)]
struct Alive;

impl MemoryStore {
    /// An empty one.
    pub fn new(clocks: Clocks) -> Self {
        Self { state: Arc::default(), clocks, expires: false }
    }

    /// The same store on another machine than its users: who does not renew its lease in time loses
    /// it, alive or not.
    pub fn expiring(self) -> Self {
        Self { expires: true, ..self }
    }

    /// How many appends were asked of it so far, failed ones included.
    pub fn appends(&self) -> u64 {
        self.state().appends
    }

    /// Lets the appends with these numbers fail; the first append ever asked of it is 1.
    pub fn fail_appends(&self, which: RangeInclusive<u64>, how: Fault) {
        self.state().faults.push((which, how));
    }

    /// What is left when every process that uses it dies now: the same events, epochs and inbox,
    /// nobody alive, nothing to fail. The original is not touched.
    pub fn crash(&self) -> Self {
        let mut state = self.state().clone();
        state.faults.clear();
        for lease in state.leases.values_mut() {
            lease.alive = Weak::new();
        }
        Self { state: Arc::new(Mutex::new(state)), clocks: self.clocks.clone(), expires: self.expires }
    }

    /// As [`MemoryStore::crash`], had it happened when `last` was the run's last event. Only the
    /// places of [`MemoryStore::commits`] can have been that.
    pub fn crash_at(&self, run: &RunId, last: Seq) -> Self {
        let after = self.crash();
        let mut state = after.state();
        if let Some(found) = state.runs.get_mut(run) {
            found.links.retain(|link| link.seq <= last);
            found.commits.retain(|seq| *seq <= last);
            if last < found.head.seq {
                found.head = RunHead { seq: last, outcome: None, ..found.head.clone() };
            }
        }
        if last == Seq(0) {
            state.runs.remove(run);
        }
        drop(state);
        after
    }

    /// The place of the last event of each batch of a run, in order: where a crash can have cut it.
    pub fn commits(&self, run: &RunId) -> Vec<Seq> {
        self.state().runs.get(run).map_or_else(Vec::new, |r| r.commits.clone())
    }

    fn take(&self, key: &LeaseKey, who: &Who, seized: Option<Epoch>) -> Claim {
        let (ends, boot, now) = (self.clocks.lease_end(), self.clocks.boot.boot(), (self.clocks.now)());
        let mut state = self.state();
        let lease = state.leases.entry(key.clone()).or_default();
        let quiet = match lease.holder() {
            None => boot,
            Some(holder) if !holder.alive => lease.term.after_death(boot),
            Some(holder) if seized == Some(holder.epoch) => lease.term.after_life(boot),
            Some(_) if self.expires && !lease.term.lasts(boot) => lease.term.after_life(boot),
            Some(holder) => return Claim::Busy(holder),
        };
        let (alive, epoch) = (Arc::new(Alive), lease.epoch.next());
        let holder = Holder { who: who.clone(), epoch, since: now, renewed: now, alive: true, run: None };
        let (term, weak) = (Term { ends, quiet }, Arc::downgrade(&alive));
        *lease = Lease { epoch, holder: Some(holder), term, alive: weak };
        Claim::Held(Fence { key: key.clone(), epoch, deadline: ends, quiet, alive: Some(Box::new(alive)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked holding it has failed already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn end(&self) -> Head {
        self.links.last().map_or(START, |link| Head { seq: self.head.seq, hash: link.hash })
    }
}

impl Lease {
    fn holder(&self) -> Option<Holder> {
        self.holder.clone().map(|h| Holder { alive: self.alive.strong_count() > 0, ..h })
    }
}

impl State {
    /// The lease, if the fence is of its holder.
    fn held(&mut self, fence: &Fence) -> Result<&mut Lease, StoreError> {
        match self.leases.get_mut(&fence.key) {
            Some(lease) if lease.epoch == fence.epoch && lease.holder.is_some() => Ok(lease),
            Some(lease) => Err(StoreError::Fenced(fenced_by(lease.holder.as_ref()))),
            None => Err(StoreError::Fenced(fenced_by(None))),
        }
    }

    fn append(&mut self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        chain::check_batch(fence, run, after, batch)?;
        self.held(fence)?;
        let end = match self.runs.get(run) {
            Some(found) if found.head.key != fence.key => return Err(StoreError::Conflict),
            Some(found) => found.end(),
            None if after == Seq(0) => START,
            None => return Err(StoreError::NoSuchRun(run.to_string())),
        };
        if end.seq != after {
            return Err(StoreError::Conflict);
        }
        let (links, Some(first), Some(last)) = (chain::links(run, &end, batch)?, batch.first(), batch.last()) else {
            return Ok(end);
        };
        self.held(fence)?.holder.as_mut().expect("it is held").run = Some(run.clone());
        let found = self.runs.entry(run.clone()).or_insert_with(|| Run {
            head: RunHead {
                id: run.clone(),
                key: fence.key.clone(),
                runbook: chain::runbook(batch),
                started: first.at,
                seq: Seq(0),
                outcome: None,
            },
            links: vec![],
            commits: vec![],
        });
        found.links.extend(links);
        found.commits.push(last.seq);
        found.head.seq = last.seq;
        found.head.outcome = chain::outcome(batch);
        Ok(found.end())
    }
}

/// Who holds the lease that we do not, in words.
pub(super) fn fenced_by(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "nobody (it was given back)".to_owned(), ToString::to_string)
}

#[async_trait]
impl Store for MemoryStore {
    async fn claim(&self, key: &LeaseKey, who: &Who) -> Result<Claim, StoreError> {
        Ok(self.take(key, who, None))
    }

    async fn seize(&self, key: &LeaseKey, who: &Who, from: Epoch) -> Result<Claim, StoreError> {
        Ok(self.take(key, who, Some(from)))
    }

    async fn renew(&self, fence: &Fence) -> Result<BootInstant, StoreError> {
        let ends = self.clocks.lease_end();
        let mut state = self.state();
        let lease = state.held(fence)?;
        lease.holder.as_mut().expect("it is held").renewed = (self.clocks.now)();
        lease.term.ends = ends;
        Ok(ends)
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        let mut state = self.state();
        let lease = state.held(&fence)?;
        // While it is quiet it stays as of one that died, for the next one to be quiet too.
        if self.clocks.boot.boot() >= fence.quiet {
            lease.holder = None;
        }
        Ok(())
    }

    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        let mut state = self.state();
        state.appends += 1;
        let this = state.appends;
        let fault = state.faults.iter().find(|(which, _)| which.contains(&this)).map(|(_, how)| *how);
        let outage = |applied| StoreError::Outage { applied, why: format!("append {this} fails on purpose") };
        match fault {
            None => state.append(fence, run, after, batch),
            Some(Fault::Refused) => Err(outage(Applied::No)),
            Some(Fault::Lost) => Err(outage(Applied::Unknown)),
            Some(Fault::AnswerLost) => {
                state.append(fence, run, after, batch)?;
                Err(outage(Applied::Unknown))
            }
        }
    }

    async fn read(&self, run: &RunId, from: Seq) -> Result<Vec<Event>, StoreError> {
        let found = self.state().runs.get(run).cloned().ok_or_else(|| StoreError::NoSuchRun(run.to_string()))?;
        let end = found.end();
        let links: Vec<_> = found.links.into_iter().map(Ok).collect();
        let (mut events, whole) = Verifier::new(run.clone()).all(&end, &links);
        whole?;
        events.retain(|event| event.seq >= from);
        Ok(events)
    }

    async fn runs(&self, key: Option<&LeaseKey>) -> Result<Vec<RunHead>, StoreError> {
        let state = self.state();
        let wanted = state.runs.values().map(|r| &r.head).filter(|head| key.is_none_or(|k| *k == head.key));
        let mut heads: Vec<RunHead> = wanted.cloned().collect();
        heads.sort_by(|a, b| (b.started, &b.id).cmp(&(a.started, &a.id)));
        Ok(heads)
    }

    async fn holder(&self, key: &LeaseKey) -> Result<Option<Holder>, StoreError> {
        Ok(self.state().leases.get(key).and_then(Lease::holder))
    }

    async fn post(&self, run: &RunId, control: &Control, by: &Who, at: Timestamp) -> Result<ControlId, StoreError> {
        let mut state = self.state();
        if !state.runs.contains_key(run) {
            return Err(StoreError::NoSuchRun(run.to_string()));
        }
        let id = state.last_control.next();
        state.last_control = id;
        state.inbox.push((run.clone(), Posted { id, at, by: by.clone(), control: control.clone() }));
        Ok(id)
    }

    async fn inbox(&self, run: &RunId, after: ControlId) -> Result<Vec<Posted>, StoreError> {
        let state = self.state();
        let new = state.inbox.iter().filter(|(to, posted)| to == run && posted.id > after);
        Ok(new.map(|(_, posted)| posted.clone()).collect())
    }

    async fn checkup(&self) -> Result<Checkup, StoreError> {
        let state = self.state();
        let look = |run: &Run| RunCheckup::of(&run.head, &run.end(), run.links.iter().cloned().map(Ok));
        let mut runs: Vec<_> = state.runs.values().map(look).collect();
        runs.sort_by(|a, b| b.run.cmp(&a.run));
        Ok(Checkup { runs, problems: vec![] })
    }

    async fn rebuild(&self, run: &RunId) -> Result<(), StoreError> {
        let whole = self.export(run).await?;
        if let Some(found) = self.state().runs.get_mut(run) {
            found.head = whole.head();
        }
        Ok(())
    }

    async fn export(&self, run: &RunId) -> Result<StoredRun, StoreError> {
        let found = self.state().runs.get(run).cloned().ok_or_else(|| StoreError::NoSuchRun(run.to_string()))?;
        let end = found.end();
        StoredRun::verified(run.clone(), found.head.key, found.links.into_iter().map(Ok), &end)
    }

    async fn import(&self, fence: &mut Fence, run: &StoredRun) -> Result<(), StoreError> {
        let mut state = self.state();
        state.held(fence)?;
        if *run.key() != fence.key || state.runs.contains_key(run.run()) {
            return Err(StoreError::Conflict);
        }
        let new = Run { head: run.head(), links: run.links().to_vec(), commits: vec![run.end().seq] };
        state.runs.insert(run.run().clone(), new);
        state.last_control = state.last_control.max(run.last_control());
        fence.epoch = fence.epoch.max(run.epoch());
        state.leases.entry(fence.key.clone()).or_default().epoch = fence.epoch;
        Ok(())
    }

    async fn note_took(&self, call: &str, region: &Region, took: Span, _at: Timestamp) {
        self.state().took.push((call.to_owned(), region.clone(), took));
    }

    async fn past_durations(&self, call: &str, region: &Region) -> Vec<Span> {
        let state = self.state();
        let same = state.took.iter().rev().filter(|(c, r, _)| c == call && r == region);
        same.take(super::api::DURATIONS_KEPT.into()).map(|(.., took)| *took).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{SetClock, begun, clocks, dead, events, held, key, ready, run, who};

    #[tokio::test]
    async fn a_crash_leaves_what_was_durable_then_and_nobody_alive() {
        let store = MemoryStore::new(clocks());
        let fence = begun(&store).await;
        store.append(&fence, &run(), Seq(3), &events(&run(), &fence, 3, vec![ready("a")])).await.unwrap();
        assert_eq!(store.commits(&run()), [Seq(3), Seq(4)]);

        let back_then = store.crash_at(&run(), Seq(3));
        assert_eq!(back_then.read(&run(), Seq(0)).await.unwrap().len(), 3);
        let new = held(&back_then, &key(), 2).await;
        assert_eq!(new.epoch, fence.epoch.next());
        let batch = events(&run(), &new, 3, vec![ready("b")]);
        back_then.append(&new, &run(), Seq(3), &batch).await.unwrap();

        assert_eq!(store.crash().read(&run(), Seq(0)).await.unwrap().len(), 4);
        assert_eq!(store.crash_at(&run(), Seq(0)).runs(None).await.unwrap(), []);
        // The living one knows nothing of it.
        assert!(matches!(store.claim(&key(), &who(3)).await.unwrap(), Claim::Busy(_)));
    }

    #[tokio::test]
    async fn a_silent_holder_loses_its_lease_where_leases_expire_and_what_it_writes_is_refused() {
        let clock = Arc::new(SetClock::default());
        let clocks = Clocks { now: Arc::new(|| Timestamp(0)), boot: clock.clone() };
        let store = MemoryStore::new(clocks).expiring();
        let fence = begun(&store).await;
        clock.set(Span::secs(29));
        assert!(matches!(store.claim(&key(), &who(2)).await.unwrap(), Claim::Busy(_)));
        store.renew(&fence).await.unwrap();
        clock.set(Span::secs(58));
        assert!(matches!(store.claim(&key(), &who(2)).await.unwrap(), Claim::Busy(_)));
        clock.set(Span::secs(59));
        let new = held(&store, &key(), 2).await;
        assert_eq!(new.epoch, fence.epoch.next());
        let late = store.append(&fence, &run(), Seq(3), &events(&run(), &fence, 3, vec![ready("a")])).await;
        assert!(matches!(late, Err(StoreError::Fenced(_))));
    }

    #[tokio::test]
    async fn appends_fail_when_told_to() {
        let store = MemoryStore::new(clocks());
        let fence = begun(&store).await;
        store.fail_appends(2..=2, Fault::Refused);
        store.fail_appends(3..=3, Fault::Lost);
        store.fail_appends(4..=u64::MAX, Fault::AnswerLost);
        let batch = events(&run(), &fence, 3, vec![ready("a")]);
        let mut ends = vec![];
        for _ in 0..3 {
            let Err(StoreError::Outage { applied, .. }) = store.append(&fence, &run(), Seq(3), &batch).await else {
                panic!("it must fail")
            };
            ends.push((applied, store.read(&run(), Seq(0)).await.unwrap().len()));
        }
        assert_eq!(ends, [(Applied::No, 3), (Applied::Unknown, 3), (Applied::Unknown, 4)]);
        assert_eq!(store.appends(), 4);
        let crashed = store.crash();
        let next = held(&crashed, &key(), 2).await;
        assert!(next.epoch > dead(fence).epoch);
        crashed.append(&next, &run(), Seq(4), &events(&run(), &next, 4, vec![ready("b")])).await.unwrap();
    }
}
