//! Permits, as the product gets them: from a journal in which the intent is durable.

use lifeboat::{
    clock::Timestamp,
    event::{Event, EventKind, Who},
    ids::{EffectNo, LeaseKey, RunId, Seq, StepId},
    store::{Claim, Clocks, Journal, MemoryStore, Store},
    world::{Effect, Seen, Sight, permit::Permit},
};
use std::sync::Arc;

/// The permit for an effect, in a run of its own.
pub async fn permit(effect: &Effect) -> Permit {
    let clocks = Clocks::machine();
    let (boot, run) = (clocks.boot.clone(), RunId::from("r1"));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clocks));
    let who = Who { operator: "ana".into(), host: "ops1".into(), pid: 1 };
    let Claim::Held(fence) = store.claim(&LeaseKey::from("live/storefront"), &who).await.unwrap() else {
        panic!("nobody else is there")
    };
    let before = Sight { target: effect.target.clone(), at: Timestamp::wall(), seen: Seen::Absent };
    let kind = EventKind::EffectIntended {
        step: StepId::from("step"),
        effect: EffectNo(1),
        call: Arc::new(effect.clone()),
        before: Arc::new(before),
        predicted: true,
    };
    let intent = Event { run: run.clone(), seq: Seq(1), epoch: fence.epoch, at: Timestamp::wall(), kind };
    Journal::new(store, boot, fence, run, Seq(0)).append(&[intent]).await.unwrap().remove(0)
}
