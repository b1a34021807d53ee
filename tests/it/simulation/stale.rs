//! The stale executor. In October 2025 a slow process overwrote a newer plan in us-east-1's DNS: what it
//! had looked at was old by the time it wrote. Here the same race ends with a stop and an explanation.

use super::{all_is_well, crossing, played};
use async_trait::async_trait;
use lifeboat::{
    clock::{BootInstant, Span, Timestamp},
    driver::{Act, SendError},
    event::{Control, Event, EventKind, Posted, Who},
    ids::{ControlId, Epoch, LeaseKey, Region, RunId, Seq, StepId},
    sandbox::Sandbox,
    simulation::{Played, Schedule, Seams, Troubles},
    store::{Checkup, Claim, Fence, Head, Holder, RunHead, Store, StoreError, StoredRun},
    world::{Call, Effect, Landed, Receipt, permit::Permit},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What somebody else wants of the weights: half and half.
fn newer(effect: &Effect) -> Option<Effect> {
    let Call::Dns(batch) = &effect.call else { return None };
    let mut batch = batch.clone();
    batch.upserts.iter_mut().for_each(|set| set.weight = Some(50));
    Some(Effect { target: effect.target.clone(), call: Call::Dns(batch) })
}

/// The disk stalls once, between the intent and the send, and meanwhile somebody else acts.
struct Stalls {
    inner: Arc<dyn Store>,
    world: Arc<Sandbox>,
    once: Arc<AtomicBool>,
}

store_but! { Stalls, [leases read]
    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        let head = self.inner.append(fence, run, after, batch).await?;
        let other = batch.iter().find_map(|event| match &event.kind {
            EventKind::EffectIntended { call, .. } => newer(call),
            _ => None,
        });
        if let Some(other) = other.filter(|_| !self.once.swap(true, Ordering::Relaxed)) {
            tokio::time::sleep(Duration::from_secs(5)).await;
            self.world.meddle(&other).unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        Ok(head)
    }
}

/// The request for new weights is lost once, and while nobody knows somebody else acts.
struct Loses {
    inner: Arc<dyn Act>,
    world: Arc<Sandbox>,
    once: Arc<AtomicBool>,
}

#[async_trait]
impl Act for Loses {
    async fn send(&self, permit: Permit, effect: &Effect) -> Result<Receipt, SendError> {
        match newer(effect).filter(|_| !self.once.swap(true, Ordering::Relaxed)) {
            Some(other) => {
                self.world.meddle(&other).unwrap();
                Err(SendError::InDoubt { why: "no answer".into() })
            }
            None => self.inner.send(permit, effect).await,
        }
    }
}

/// The step of the weights stops once and says why; it goes on only when a person has said so.
fn stops_and_explains(played: &Played) {
    all_is_well("stale", played);
    let shift = StepId::new("shift");
    let place = |what: &dyn Fn(&EventKind) -> bool| played.events.iter().position(|event| what(&event.kind));
    // What was not sent is refused, what may have been is superseded.
    let superseded = |kind: &EventKind| match kind {
        EventKind::EffectSettled { step, landed: Landed::Superseded, .. } => *step == shift,
        EventKind::EffectRefused { step, lasting, .. } => *step == shift && *lasting,
        _ => false,
    };
    let explained = |kind: &EventKind| matches!(kind, EventKind::StepFailed { step, why, hint: Some(_) } if *step == shift && why.contains("changed by somebody else"));
    let retried = |kind: &EventKind| matches!(kind, EventKind::StepRetried { step, .. } if *step == shift);
    let stopped = place(&superseded).unwrap();
    assert_eq!(place(&explained), Some(stopped + 1));
    assert!(place(&retried).unwrap() > stopped);
    let intended = |event: &&Event| matches!(&event.kind, EventKind::EffectIntended { step, .. } if *step == shift);
    let after: Vec<_> = played.events.iter().skip(stopped).filter(intended).collect();
    assert_eq!(after.len(), 1, "once more, when a person said so");
    // The first send never reached the world: what is counted is somebody's change and the person's retry.
    assert_eq!(played.lived.applied["ChangeResourceRecordSets"], 2);
}

fn undisturbed() -> lifeboat::simulation::Case {
    lifeboat::simulation::Case { troubles: Troubles::Told(Schedule::default()), ..crossing() }
}

#[test]
fn a_slow_executor_does_not_overwrite_a_newer_plan() {
    let once = Arc::new(AtomicBool::new(false));
    let hands = move |world: &Arc<Sandbox>, inner, act| -> (Arc<dyn Store>, _) {
        (Arc::new(Stalls { inner, world: world.clone(), once: once.clone() }), act)
    };
    stops_and_explains(&played(&undisturbed(), 1, &Arc::new(Seams { hands: Box::new(hands), ..Seams::default() })));
}

#[test]
fn who_does_not_know_whether_it_wrote_does_not_overwrite_a_newer_plan_either() {
    let once = Arc::new(AtomicBool::new(false));
    let hands = move |world: &Arc<Sandbox>, store, inner| -> (_, Arc<dyn Act>) {
        (store, Arc::new(Loses { inner, world: world.clone(), once: once.clone() }))
    };
    stops_and_explains(&played(&undisturbed(), 1, &Arc::new(Seams { hands: Box::new(hands), ..Seams::default() })));
}
