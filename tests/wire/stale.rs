//! The stale executor, over the wire: a machine that slept between its look and its send does not overwrite
//! what somebody else decided meanwhile.

use crate::{
    lab::Lab,
    others::mostly_back,
    witness::Witness,
    world::{HOME, NAME, STANDBY, Wire},
};
use async_trait::async_trait;
use lifeboat::{
    clock::{BootInstant, Clock, Hold, Span, Timestamp, TokioClock},
    event::{Control, Event, EventKind, Posted, RunOutcome, Who},
    ids::{ControlId, Epoch, LeaseKey, Region, RunId, Seq},
    model::Direction,
    store::{Checkup, Claim, Fence, Head, Holder, RunHead, Store, StoreError, StoredRun},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Real time, with what the machine slept.
struct Slept {
    inner: TokioClock,
    slept: Arc<AtomicU64>,
}

impl Slept {
    fn slept(&self) -> Span {
        Span(self.slept.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Clock for Slept {
    fn now(&self) -> Timestamp {
        self.inner.now() + self.slept()
    }
    async fn sleep_until(&self, t: Timestamp) {
        self.inner.sleep_until(t - self.slept()).await;
    }
    fn hold(&self) -> Hold {
        self.inner.hold()
    }
}

/// Right after the intent to shift is on the disk, the machine sleeps once, and meanwhile somebody else acts.
struct Sleeps {
    inner: Arc<dyn Store>,
    slept: Arc<AtomicU64>,
    other: Box<dyn Fn() + Send + Sync>,
}

fn intends_to_shift(event: &Event) -> bool {
    matches!(&event.kind, EventKind::EffectIntended { step, .. } if step.as_str() == "shift")
}

store_but! { Sleeps, [leases read]
    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        let head = self.inner.append(fence, run, after, batch).await?;
        if batch.iter().any(intends_to_shift) && self.slept.swap(60_000, Ordering::SeqCst) == 0 {
            (self.other)();
        }
        Ok(head)
    }
}

#[tokio::test]
async fn a_machine_that_slept_before_its_send_does_not_overwrite_newer_weights() {
    let lab = Lab::new(Wire::at_once());
    let (slept, account, other) = (Arc::default(), lab.wire.account.clone(), mostly_back(&lab.wire));
    let clock = Slept { inner: TokioClock::scaled(Timestamp::wall(), 1), slept: Arc::clone(&slept) };
    let other = Box::new(move || other.done_in(&account));
    let store = Arc::new(Sleeps { inner: lab.store.clone(), slept, other });
    let plan = lab.plan(Direction::Failover, "r1").await;
    let (zone, proxy, witness) = (lab.wire.zone.clone(), lab.wire.proxy.clone(), Witness::of(&lab.wire.account));
    let at_stop = Arc::new(std::sync::Mutex::new(vec![]));
    let seen = at_stop.clone();
    let react = move |event: &EventKind| {
        if matches!(event, EventKind::RunPaused { .. }) {
            let sent = proxy.calls_of("ChangeResourceRecordSets").len();
            seen.lock().unwrap().push((sent, witness.weights(&zone, NAME)[HOME.0]));
        }
    };
    let ran = Box::pin(lab.run_on(plan, Box::new(react), (store, Arc::new(clock)))).await;
    let [(step, why)] = &ran.stops[..] else { panic!("{:?}\n{}", ran.stops, ran.told()) };
    assert!(step == "shift" && why.contains("changed by somebody else meanwhile"), "{step} {why}\n{}", ran.told());
    assert_eq!(*at_stop.lock().unwrap(), [(0, 90)], "nothing was sent over it\n{}", ran.told());
    // A person saw it, and had the step tried again.
    assert_eq!((ran.outcome, lab.wire.proxy.calls_of("ChangeResourceRecordSets").len()), (RunOutcome::Done, 1));
    let weights = lab.wire.witness.weights(&lab.wire.zone, NAME);
    assert!(weights[HOME.0] == 0 && weights[STANDBY.0] > 0, "{weights:?}");
}
