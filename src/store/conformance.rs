//! What every store does: one suite, run by each.
//!
//! A bench gives doors to one and the same store, as processes of their own would have. A process
//! that dies lets go of what its fence holds on to and does nothing else.

#[macro_use]
mod store_but;
mod lossy;

use super::{
    Applied, Claim, Clocks, Fence, GRACE, Holder, Journal, LEASE, MemoryStore, RunHead, SqliteStore, Store, StoreError,
};
use crate::{
    clock::{BootClock, BootInstant, Span, Timestamp},
    event::{Control, Event, EventKind, Posted, Realm, RunOutcome, Who},
    ids::{ControlId, EffectNo, Epoch, LeaseKey, Region, RunId, Seq, StepId},
    world::{Call, Effect, Seen, Sight, Target, What, rds},
};
use lossy::{Loss, Lossy};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// A store under test.
pub(super) trait Bench {
    /// Another process's way to it.
    fn door(&self) -> Arc<dyn Store>;
}

/// A boot clock that a test sets.
#[derive(Debug, Default)]
pub(super) struct SetClock(AtomicU64);

impl SetClock {
    pub(super) fn set(&self, to: Span) {
        self.0.store(to.0, Ordering::Relaxed);
    }
}

impl BootClock for SetClock {
    fn boot(&self) -> BootInstant {
        BootInstant(self.0.load(Ordering::Relaxed))
    }
}

/// Clocks that stand still.
pub(super) fn clocks() -> Clocks {
    Clocks { now: Arc::new(|| Timestamp(7_000)), boot: Arc::new(SetClock::default()) }
}

/// An operator, by pid.
pub(super) fn who(pid: u32) -> Who {
    Who { operator: "ana".into(), host: "ops1".into(), pid }
}

pub(super) fn key() -> LeaseKey {
    LeaseKey::from("live/storefront")
}

pub(super) fn run() -> RunId {
    RunId::from("r1")
}

/// The lease of a key; it must be free.
pub(super) async fn held(store: &dyn Store, key: &LeaseKey, pid: u32) -> Fence {
    match store.claim(key, &who(pid)).await.unwrap() {
        Claim::Held(fence) => fence,
        Claim::Busy(holder) => panic!("held by {}", holder.who),
    }
}

/// The lease of a key, taken from its living holder.
pub(super) async fn seized(store: &dyn Store, pid: u32, from: &Fence) -> Fence {
    match store.seize(&from.key, &who(pid), from.epoch).await.unwrap() {
        Claim::Held(fence) => fence,
        Claim::Busy(holder) => panic!("held by {}", holder.who),
    }
}

/// Its process died; what it still believes is kept, to see that it does no harm.
pub(super) fn dead(fence: Fence) -> Fence {
    Fence { alive: None, ..fence }
}

/// Events of a run under a lease, from a place on.
pub(super) fn events(run: &RunId, fence: &Fence, after: u64, kinds: Vec<EventKind>) -> Vec<Event> {
    let event = |(seq, kind)| Event {
        run: run.clone(),
        seq: Seq(seq),
        epoch: fence.epoch,
        at: Timestamp(1_000 + i64::try_from(seq).unwrap()),
        kind,
    };
    (after + 1..).zip(kinds).map(event).collect()
}

pub(super) fn ready(step: &str) -> EventKind {
    EventKind::StepReady { step: StepId::from(step) }
}

fn intended(step: &str, effect: u32) -> EventKind {
    let target = Target::global(What::Marker("orders".into(), "m1".into()));
    let call = Call::Rds(rds::Call::WriteMarker { identifier: "orders".into(), marker: "m1".into() });
    EventKind::EffectIntended {
        step: StepId::from(step),
        effect: EffectNo(effect),
        call: Arc::new(Effect { target: target.clone(), call }),
        before: Arc::new(Sight { target, at: Timestamp(5), seen: Seen::Absent }),
        predicted: true,
    }
}

/// A run with a few events, by a process that holds its lease.
pub(super) async fn begun(store: &dyn Store) -> Fence {
    let fence = held(store, &key(), 1).await;
    let batch = events(&run(), &fence, 0, vec![ready("freeze"), ready("promote"), EventKind::ClosingBegun]);
    store.append(&fence, &run(), Seq(0), &batch).await.unwrap();
    fence
}

async fn what_is_appended_is_read_back(bench: &dyn Bench) {
    let store = bench.door();
    let fence = held(&*store, &key(), 1).await;
    let lag = rds::Lag { samples: vec![rds::LagSample { at: Timestamp(3), seconds: Some(1.0 / 3.0 * 1e-7) }] };
    let target = Target::global(What::Lag("orders".into()));
    let seen = Sight { target: target.clone(), at: Timestamp(-1), seen: Seen::Lag(lag) };
    let mut odd = intended("drain", 1);
    if let EventKind::EffectIntended { before, .. } = &mut odd {
        *before = Arc::new(seen);
    }
    let text = EventKind::StepFailed { step: StepId::from("a"), why: "\"\u{0}\n✓".into(), hint: None };
    let batch = events(&run(), &fence, 0, vec![ready("a"), odd, text]);
    let head = store.append(&fence, &run(), Seq(0), &batch).await.unwrap();
    assert_eq!(head.seq, Seq(3));
    let more = events(&run(), &fence, 3, vec![ready("b")]);
    assert_ne!(store.append(&fence, &run(), Seq(3), &more).await.unwrap().hash, head.hash);
    let all = super::chain::as_read(&[batch, more.clone()].concat()).unwrap();
    assert_eq!(bench.door().read(&run(), Seq(0)).await.unwrap(), all);
    assert_eq!(bench.door().read(&run(), Seq(4)).await.unwrap(), more);
    assert_eq!(bench.door().read(&run(), Seq(5)).await.unwrap(), vec![]);
}

async fn what_is_appended_at_one_time_is_read_from_any_place(bench: &dyn Bench) {
    let store = bench.door();
    let fence = begun(&*store).await;
    let mut batch = events(&run(), &fence, 3, vec![ready("a"), ready("b"), ready("c")]);
    batch.iter_mut().for_each(|event| event.at = Timestamp(2_000));
    assert_eq!(store.append(&fence, &run(), Seq(3), &batch).await.unwrap().seq, Seq(6));
    let last = events(&run(), &fence, 6, vec![ready("d")]);
    store.append(&fence, &run(), Seq(6), &last).await.unwrap();
    for from in 4..=6 {
        let all = [&batch[from - 4..], &last].concat();
        assert_eq!(bench.door().read(&run(), Seq(from as u64)).await.unwrap(), all);
    }
    let checkup = store.checkup().await.unwrap();
    assert!(checkup.runs.iter().all(|run| run.wrong.is_none() && !run.stale && run.whole_up_to() == Seq(7)));
}

async fn an_append_at_a_place_that_is_not_the_end_is_a_conflict(bench: &dyn Bench) {
    let store = bench.door();
    let fence = begun(&*store).await;
    for after in [0, 2, 4] {
        let batch = events(&run(), &fence, after, vec![ready("a")]);
        let refused = store.append(&fence, &run(), Seq(after), &batch).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{after}: {refused:?}");
    }
    let gap = events(&run(), &fence, 4, vec![ready("a")]);
    assert!(matches!(store.append(&fence, &run(), Seq(3), &gap).await, Err(StoreError::Conflict)));
    let nobody = RunId::from("r2");
    let batch = events(&nobody, &fence, 3, vec![ready("a")]);
    assert!(matches!(store.append(&fence, &nobody, Seq(3), &batch).await, Err(StoreError::NoSuchRun(_))));
    assert!(matches!(store.read(&nobody, Seq(0)).await, Err(StoreError::NoSuchRun(_))));
}

async fn a_batch_is_there_whole_or_not_at_all(bench: &dyn Bench) {
    let store = bench.door();
    let fence = begun(&*store).await;
    let mut batch = events(&run(), &fence, 3, vec![ready("a"), ready("b"), ready("c")]);
    batch[2].epoch = Epoch(9);
    assert!(matches!(store.append(&fence, &run(), Seq(3), &batch).await, Err(StoreError::Fenced(_))));
    batch[2] = events(&RunId::from("r9"), &fence, 5, vec![ready("c")]).remove(0);
    assert!(matches!(store.append(&fence, &run(), Seq(3), &batch).await, Err(StoreError::Conflict)));
    assert_eq!(store.read(&run(), Seq(0)).await.unwrap().len(), 3);
    assert_eq!(store.append(&fence, &run(), Seq(3), &[]).await.unwrap().seq, Seq(3));
}

async fn a_holder_that_was_taken_for_dead_can_write_nothing_more(bench: &dyn Bench) {
    let store = bench.door();
    let old = dead(begun(&*store).await);
    let new = held(&*bench.door(), &key(), 2).await;
    assert!(new.epoch > old.epoch);
    let batch = events(&run(), &old, 3, vec![ready("a")]);
    let Err(StoreError::Fenced(by)) = store.append(&old, &run(), Seq(3), &batch).await else { panic!() };
    assert_eq!(by, store.holder(&key()).await.unwrap().unwrap().to_string());
    assert!(matches!(store.renew(&old).await, Err(StoreError::Fenced(_))));
    assert!(matches!(store.release(old).await, Err(StoreError::Fenced(_))));
    let batch = events(&run(), &new, 3, vec![ready("a")]);
    store.append(&new, &run(), Seq(3), &batch).await.unwrap();
    store.renew(&new).await.unwrap();
}

async fn a_run_is_not_written_under_the_lease_of_another_runbook(bench: &dyn Bench) {
    let store = bench.door();
    let _ours = begun(&*store).await;
    let other = held(&*store, &LeaseKey::from("live/billing"), 1).await;
    let batch = events(&run(), &other, 3, vec![ready("a")]);
    assert!(matches!(store.append(&other, &run(), Seq(3), &batch).await, Err(StoreError::Conflict)));
}

async fn a_lease_has_one_living_holder_and_says_who(bench: &dyn Bench) {
    let store = bench.door();
    assert_eq!(store.holder(&key()).await.unwrap(), None);
    let fence = begun(&*store).await;
    for door in [store.clone(), bench.door()] {
        let Claim::Busy(holder) = door.claim(&key(), &who(2)).await.unwrap() else { panic!("two holders") };
        let now = Timestamp(7_000);
        assert_eq!(
            holder,
            Holder { who: who(1), epoch: Epoch(1), since: now, renewed: now, alive: true, run: Some(run()) }
        );
        assert_eq!(door.holder(&key()).await.unwrap(), Some(holder));
    }
    held(&*bench.door(), &LeaseKey::from("live/billing"), 2).await;
    drop(fence);
}

async fn a_lease_given_back_is_free_and_its_epoch_goes_on(bench: &dyn Bench) {
    let store = bench.door();
    let mut last = Epoch(0);
    for pid in 1..4 {
        let fence = held(&*store, &key(), pid).await;
        assert_eq!(fence.epoch, last.next());
        last = fence.epoch;
        store.release(fence).await.unwrap();
        assert_eq!(bench.door().holder(&key()).await.unwrap(), None);
    }
}

async fn a_dead_holder_loses_its_lease_at_once(bench: &dyn Bench) {
    let store = bench.door();
    let old = dead(begun(&*store).await);
    assert!(!store.holder(&key()).await.unwrap().unwrap().alive);
    let new = held(&*bench.door(), &key(), 2).await;
    assert_eq!(new.epoch, old.epoch.next());
    assert_eq!(store.holder(&key()).await.unwrap().unwrap().who, who(2));
}

async fn a_lease_is_seized_from_the_holder_that_is_named_and_no_other(bench: &dyn Bench) {
    let store = bench.door();
    let old = begun(&*store).await;
    let other = store.seize(&key(), &who(2), old.epoch.next()).await.unwrap();
    assert!(matches!(other, Claim::Busy(Holder { alive: true, .. })), "{other:?}");
    let new = seized(&*bench.door(), 2, &old).await;
    assert_eq!(new.epoch, old.epoch.next());
    let again = store.seize(&key(), &who(3), old.epoch).await.unwrap();
    assert!(matches!(&again, Claim::Busy(holder) if holder.who == who(2) && holder.alive), "{again:?}");
    // The old holder lives, and writes nothing.
    let batch = events(&run(), &old, 3, vec![ready("a")]);
    assert!(matches!(store.append(&old, &run(), Seq(3), &batch).await, Err(StoreError::Fenced(_))));
    assert!(matches!(store.renew(&old).await, Err(StoreError::Fenced(_))));
    assert!(matches!(store.release(old).await, Err(StoreError::Fenced(_))));
    assert_eq!(store.holder(&key()).await.unwrap().unwrap().who, who(2));
}

/// The window of a holder that may live: its lease's end, and as long as a send may take.
const WINDOW: BootInstant = BootInstant(LEASE.0 + GRACE.0);

async fn who_seizes_a_lease_sends_nothing_while_its_old_holder_may(bench: &dyn Bench) {
    let store = bench.door();
    let free = held(&*store, &key(), 1).await;
    assert_eq!(free.quiet, BootInstant(0), "nobody is waited for");
    let fence = seized(&*store, 2, &free).await;
    assert_eq!(fence.quiet, WINDOW);
    let batch = events(&run(), &fence, 0, vec![intended("promote", 1)]);
    let clock = Arc::new(SetClock::default());
    let mut journal = Journal::new(store, clock, Fence { deadline: BootInstant(u64::MAX), ..fence }, run(), Seq(0));
    let permit = journal.append(&batch).await.unwrap().remove(0);
    let last = BootInstant(WINDOW.0 - 1);
    assert_eq!(permit.forbids(last), Some("the holder before this one may still send"));
    assert_eq!(permit.forbids(WINDOW), None);
}

async fn who_comes_after_one_that_died_or_left_while_it_waited_waits_too(bench: &dyn Bench) {
    let store = bench.door();
    let old = held(&*store, &key(), 1).await;
    let second = dead(seized(&*store, 2, &old).await);
    let third = held(&*bench.door(), &key(), 3).await;
    assert_eq!((third.epoch, third.quiet), (second.epoch.next(), WINDOW));
    store.release(third).await.unwrap();
    assert_eq!(held(&*bench.door(), &key(), 4).await.quiet, WINDOW);
}

async fn runs_are_listed_newest_first_with_how_they_ended(bench: &dyn Bench) {
    let (store, billing) = (bench.door(), LeaseKey::from("live/billing"));
    let fence = begun(&*store).await;
    let other = held(&*store, &billing, 1).await;
    let late = RunId::from("r2");
    let mut batch = events(&late, &other, 0, vec![ready("a")]);
    batch[0].at = Timestamp(9_000);
    store.append(&other, &late, Seq(0), &batch).await.unwrap();
    let head = |id: RunId, key: LeaseKey, started, seq| RunHead {
        id,
        key,
        runbook: String::new(),
        started: Timestamp(started),
        seq: Seq(seq),
        outcome: None,
    };
    let (mut first, second) = (head(run(), key(), 1_001, 3), head(late, billing.clone(), 9_000, 1));
    assert_eq!(store.runs(None).await.unwrap(), [second.clone(), first.clone()]);
    let end = EventKind::RunFinished { outcome: RunOutcome::RolledBack };
    store.append(&fence, &run(), Seq(3), &events(&run(), &fence, 3, vec![end])).await.unwrap();
    first = RunHead { seq: Seq(4), outcome: Some(RunOutcome::RolledBack), ..first };
    assert_eq!(bench.door().runs(Some(&key())).await.unwrap(), [first]);
    assert_eq!(bench.door().runs(Some(&billing)).await.unwrap(), [second]);
}

async fn controls_arrive_in_order_whoever_posts_them(bench: &dyn Bench) {
    let (store, elsewhere) = (bench.door(), bench.door());
    let _fence = begun(&*store).await;
    let mut seen = ControlId(0);
    let inbox = async |after| store.inbox(&run(), after).await.unwrap();
    assert_eq!(inbox(seen).await, []);
    let undo = Control::Undo;
    for (door, control) in [(&elsewhere, &Control::Pause), (&store, &Control::Continue), (&elsewhere, &undo)] {
        let id = door.post(&run(), control, &who(3), Timestamp(50)).await.unwrap();
        assert!(id > seen);
        let posted = Posted { id, at: Timestamp(50), by: who(3), control: control.clone() };
        // Until it is taken it is told again.
        for _ in 0..2 {
            assert_eq!(inbox(seen).await, std::slice::from_ref(&posted));
        }
        seen = id;
        assert_eq!(inbox(seen).await, []);
    }
    assert_eq!(bench.door().inbox(&run(), ControlId(0)).await.unwrap().len(), 3);
    assert_eq!(inbox(ControlId(0)).await.len(), 3);
    let nobody = RunId::from("r9");
    let refused = store.post(&nobody, &undo, &who(3), Timestamp(50)).await;
    assert!(matches!(refused, Err(StoreError::NoSuchRun(_))));
    assert_eq!(store.inbox(&nobody, ControlId(0)).await.unwrap(), []);
}

async fn a_renewed_lease_ends_later(bench: &dyn Bench) {
    let store = bench.door();
    let fence = held(&*store, &key(), 1).await;
    assert_eq!(fence.deadline, BootInstant(LEASE.0));
    let boot = Arc::new(SetClock::default());
    let mut journal = Journal::new(store, boot.clone(), fence, run(), Seq(0));
    boot.set(LEASE);
    assert!(journal.expired());
    // The store's own clock stands still, and with it the end.
    journal.renew().await.unwrap();
    assert_eq!(journal.deadline(), BootInstant(LEASE.0));
    journal.release().await.unwrap();
    assert_eq!(bench.door().holder(&key()).await.unwrap(), None);
}

async fn past_durations_are_told_newest_first(bench: &dyn Bench) {
    let (store, ohio) = (bench.door(), Region::from("us-east-2"));
    for n in 0..105 {
        store.note_took("rds:PromoteReadReplica", &ohio, Span(n), Timestamp(0)).await;
    }
    store.note_took("rds:CreateDBSnapshot", &ohio, Span(7), Timestamp(0)).await;
    let past = bench.door().past_durations("rds:PromoteReadReplica", &ohio).await;
    assert_eq!(past, (5..105).rev().map(Span).collect::<Vec<_>>());
    assert_eq!(store.past_durations("rds:PromoteReadReplica", &Region::from("us-west-2")).await, []);
}

async fn permits_are_given_for_the_intents_of_a_batch_that_is_durable(bench: &dyn Bench) {
    let store = bench.door();
    let fence = held(&*store, &key(), 1).await;
    let kinds = vec![ready("a"), intended("promote", 1), ready("b"), intended("shift", 2)];
    let batch = events(&run(), &fence, 0, kinds);
    let deadline = fence.deadline;
    let mut journal = Journal::new(store, Arc::new(SetClock::default()), fence, run(), Seq(0));
    let permits = journal.append(&batch).await.unwrap();
    let tokens: Vec<_> = permits.iter().map(|p| (p.token(), p.deadline())).collect();
    assert_eq!(tokens, [("r1-promote-1", deadline), ("r1-shift-2", deadline)]);
    assert_eq!(journal.head(), Seq(4));
    // The same again: it is not at the end any more, and nothing may be sent.
    assert!(matches!(journal.append(&batch).await, Err(StoreError::Conflict)));
    assert!(journal.append(&[]).await.unwrap().is_empty());
}

async fn a_lost_answer_is_settled_by_reading(bench: &dyn Bench) {
    let lossy = Arc::new(Lossy { inner: bench.door(), next: Mutex::default() });
    let fence = held(&*lossy, &key(), 1).await;
    let first = events(&run(), &fence, 0, vec![intended("promote", 1)]);
    let second = events(&run(), &fence, 1, vec![ready("a"), ready("b")]);
    let mut journal = Journal::new(lossy.clone(), Arc::new(SetClock::default()), fence, run(), Seq(0));
    for batch in [first, second] {
        let before = journal.head();
        lossy.lose(Loss { applied: false, unreadable: false });
        let refused = journal.append(&batch).await;
        assert!(matches!(refused, Err(StoreError::Outage { applied: Applied::No, .. })), "{refused:?}");
        lossy.lose(Loss { applied: false, unreadable: true });
        let unknown = journal.append(&batch).await;
        assert!(matches!(unknown, Err(StoreError::Outage { applied: Applied::Unknown, .. })), "{unknown:?}");
        assert_eq!(journal.head(), before);
        lossy.lose(Loss { applied: true, unreadable: false });
        let intents = batch.iter().filter(|e| matches!(e.kind, EventKind::EffectIntended { .. })).count();
        assert_eq!(journal.append(&batch).await.unwrap().len(), intents);
        assert_eq!(journal.head(), batch.last().unwrap().seq);
    }
    assert_eq!(bench.door().read(&run(), Seq(0)).await.unwrap().len(), 3);
}

async fn a_lost_answer_to_somebody_elses_writing_is_a_conflict(bench: &dyn Bench) {
    let lossy = Arc::new(Lossy { inner: bench.door(), next: Mutex::default() });
    let old = dead(begun(&*lossy).await);
    let new = held(&*bench.door(), &key(), 2).await;
    let batch = events(&run(), &old, 3, vec![intended("promote", 1)]);
    let theirs = events(&run(), &new, 3, vec![intended("promote", 1)]);
    bench.door().append(&new, &run(), Seq(3), &theirs).await.unwrap();
    let mut journal = Journal::new(lossy.clone(), Arc::new(SetClock::default()), old, run(), Seq(3));
    lossy.lose(Loss { applied: false, unreadable: false });
    assert!(matches!(journal.append(&batch).await, Err(StoreError::Conflict)));
}

struct InMemory(MemoryStore);

impl Bench for InMemory {
    fn door(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
}

/// Each door is a connection of its own.
pub(super) struct OnDisk(pub(super) tempfile::TempDir);

impl OnDisk {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    pub(super) fn open(&self) -> SqliteStore {
        SqliteStore::open(self.0.path(), Realm::Live, clocks()).unwrap()
    }
}

impl Bench for OnDisk {
    fn door(&self) -> Arc<dyn Store> {
        Arc::new(self.open())
    }
}

/// Each fact as a test of each store.
macro_rules! suite {
    ($($fact:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $fact() {
                super::$fact(&super::InMemory(super::MemoryStore::new(super::clocks()))).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(start_paused = true)]
            async fn $fact() {
                super::$fact(&super::OnDisk::new()).await;
            })*
        }
    };
}

suite![
    what_is_appended_is_read_back,
    what_is_appended_at_one_time_is_read_from_any_place,
    an_append_at_a_place_that_is_not_the_end_is_a_conflict,
    a_batch_is_there_whole_or_not_at_all,
    a_holder_that_was_taken_for_dead_can_write_nothing_more,
    a_run_is_not_written_under_the_lease_of_another_runbook,
    a_lease_has_one_living_holder_and_says_who,
    a_lease_given_back_is_free_and_its_epoch_goes_on,
    a_dead_holder_loses_its_lease_at_once,
    a_lease_is_seized_from_the_holder_that_is_named_and_no_other,
    who_seizes_a_lease_sends_nothing_while_its_old_holder_may,
    who_comes_after_one_that_died_or_left_while_it_waited_waits_too,
    runs_are_listed_newest_first_with_how_they_ended,
    controls_arrive_in_order_whoever_posts_them,
    a_renewed_lease_ends_later,
    past_durations_are_told_newest_first,
    permits_are_given_for_the_intents_of_a_batch_that_is_durable,
    a_lost_answer_is_settled_by_reading,
    a_lost_answer_to_somebody_elses_writing_is_a_conflict,
];
