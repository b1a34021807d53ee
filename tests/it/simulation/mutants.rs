//! What the engine's safety rests on, taken away piece by piece: the simulation notices each time.
//! A simulation that stays green without the fence proves nothing about the fence.

use super::{crossing, played};
use async_trait::async_trait;
use lifeboat::{
    clock::{BootInstant, Clock, Hold, Span, Timestamp},
    driver::{Act, SendError},
    event::{Control, Event, EventKind, Posted, Who},
    ids::{ControlId, Epoch, LeaseKey, Region, RunId, Seq},
    simulation::{Blow, Case, Deed, Schedule, Seams, Slow, Trouble, Troubles},
    store::{Checkup, Claim, Fence, Head, Holder, RunHead, Store, StoreError, StoredRun},
    world::{Effect, Receipt, permit::Permit},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Some seed below a number shows what is broken, in these words.
fn goes_red(seams: Seams, within: u64, words: &str) {
    let (seams, case) = (Arc::new(seams), crossing());
    let red = |seed| played(&case, seed, &seams).broken.iter().any(|broken| broken.contains(words));
    assert!((0..within).any(red), "no seed below {within} noticed: {words}");
}

/// A store that takes every epoch for the newest one.
struct Unfenced {
    inner: Arc<dyn Store>,
    newest: Mutex<Epoch>,
}

impl Unfenced {
    fn forged(&self, fence: &Fence) -> Fence {
        Fence { key: fence.key.clone(), epoch: *self.newest.lock().unwrap(), alive: None, ..*fence }
    }
}

store_but! { Unfenced, [read]
    async fn claim(&self, key: &LeaseKey, who: &Who) -> Result<Claim, StoreError> {
        let claim = self.inner.claim(key, who).await?;
        if let Claim::Held(fence) = &claim {
            *self.newest.lock().unwrap() = fence.epoch;
        }
        Ok(claim)
    }
    async fn seize(&self, key: &LeaseKey, who: &Who, from: Epoch) -> Result<Claim, StoreError> {
        self.inner.seize(key, who, from).await
    }
    async fn renew(&self, fence: &Fence) -> Result<BootInstant, StoreError> {
        self.inner.renew(&self.forged(fence)).await
    }
    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.inner.release(self.forged(&fence)).await
    }
    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        let fence = self.forged(fence);
        let batch: Vec<_> = batch.iter().map(|event| Event { epoch: fence.epoch, ..event.clone() }).collect();
        self.inner.append(&fence, run, after, &batch).await
    }
}

#[test]
fn without_the_fence_a_process_that_was_taken_over_writes_on() {
    let kept = |inner| -> Arc<dyn Store> { Arc::new(Unfenced { inner, newest: Mutex::default() }) };
    goes_red(Seams { kept: Box::new(kept), ..Seams::default() }, 200, "I5");
}

/// Hands that take a lost answer for a lost request.
struct Unsettled(Arc<dyn Act>);

#[async_trait]
impl Act for Unsettled {
    async fn send(&self, permit: Permit, effect: &Effect) -> Result<Receipt, SendError> {
        match self.0.send(permit, effect).await {
            Err(SendError::InDoubt { why }) => Err(SendError::NotSent { after: None, why }),
            other => other,
        }
    }
}

#[test]
fn without_settling_what_was_in_doubt_is_done_twice() {
    let hands = |_: &_, store, act| -> (_, Arc<dyn Act>) { (store, Arc::new(Unsettled(act))) };
    goes_red(Seams { hands: Box::new(hands), ..Seams::default() }, 200, "applied twice");
}

/// A clock that runs ahead.
struct Ahead {
    inner: Arc<dyn Clock>,
    by: Arc<AtomicU64>,
}

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.inner.now() + Span(self.by.load(Ordering::Relaxed))
    }

    async fn sleep_until(&self, t: Timestamp) {
        self.inner.sleep_until(self.inner.now() + t.since(self.now())).await;
    }

    fn hold(&self) -> Hold {
        self.inner.hold()
    }
}

/// A store that lets it leap over every dark window as soon as a run is taken up.
struct Leaps {
    inner: Arc<dyn Store>,
    by: Arc<AtomicU64>,
}

store_but! { Leaps, [leases read]
    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        if batch.iter().any(|event| matches!(event.kind, EventKind::RunResumed { .. })) {
            self.by.fetch_add(Span::mins(5).0, Ordering::Relaxed);
        }
        self.inner.append(fence, run, after, batch).await
    }
}

fn leaping() -> Seams {
    let by = Arc::new(AtomicU64::new(0));
    let ahead = by.clone();
    let hands = move |_: &_, inner, act| -> (Arc<dyn Store>, _) { (Arc::new(Leaps { inner, by: by.clone() }), act) };
    let clock = move |inner| -> Arc<dyn Clock> { Arc::new(Ahead { inner, by: ahead.clone() }) };
    Seams { hands: Box::new(hands), clock: Box::new(clock), ..Seams::default() }
}

/// What is broken where a command takes its time, and its sender dies at a point.
fn broken_where_it_dies(point: u64, seams: Seams) -> Vec<String> {
    let wire = vec![Slow { send: 4, share: 85 }];
    let lives = vec![Trouble { skew: 0, blows: vec![Blow { point, deed: Deed::Dies }] }];
    let troubles = Troubles::Told(Schedule { lives, wire, ..Schedule::default() });
    played(&Case { troubles, ..crossing() }, point, &Arc::new(seams)).broken
}

#[test]
fn without_the_dark_window_what_still_arrives_is_done_twice() {
    let broken = |seams: fn() -> Seams| {
        (40..160).step_by(3).flat_map(|at| broken_where_it_dies(at, seams())).collect::<Vec<_>>()
    };
    assert_eq!(broken(Seams::default), Vec::<String>::new(), "with it nothing is");
    let without = broken(leaping);
    assert!(without.iter().any(|broken| broken.contains("applied twice")), "{without:#?}");
}

/// A store and hands that send what is intended before they make the intent durable.
struct Rash {
    inner: Arc<dyn Store>,
    act: Arc<dyn Act>,
    answers: Mutex<BTreeMap<String, Result<Receipt, SendError>>>,
}

store_but! { Rash, [leases read]
    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        for event in batch {
            if let EventKind::EffectIntended { step, effect, call, .. } = &event.kind {
                let token = format!("{run}-{step}-{effect}");
                let answer = self.act.send(Permit::mint(token.clone(), fence.quiet, fence.deadline), call).await;
                self.answers.lock().unwrap().insert(token, answer);
            }
        }
        self.inner.append(fence, run, after, batch).await
    }
}

#[async_trait]
impl Act for Rash {
    async fn send(&self, permit: Permit, effect: &Effect) -> Result<Receipt, SendError> {
        let early = self.answers.lock().unwrap().remove(permit.token());
        match early {
            Some(answer) => answer,
            None => self.act.send(permit, effect).await,
        }
    }
}

fn rash() -> Seams {
    let hands = |_: &_, inner, act| -> (Arc<dyn Store>, Arc<dyn Act>) {
        let rash = Arc::new(Rash { inner, act, answers: Mutex::default() });
        (rash.clone(), rash)
    };
    Seams { hands: Box::new(hands), ..Seams::default() }
}

#[test]
fn an_intent_after_its_send_is_noticed_at_once() {
    goes_red(rash(), 1, "I1");
}

#[test]
fn an_intent_after_its_send_does_things_twice_when_the_process_dies_in_between() {
    goes_red(rash(), 300, "applied twice");
}
