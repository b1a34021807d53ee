//! A run as its journal begins, and one that has ended.

use super::super::{
    Deps, Doors, Ended, EngineError, Signals, Start, Tempo, replay, resume, start,
    tests::{Run, who},
};
use crate::{
    clock::{Clock, KernelBootClock, Span, Timestamp, TokioClock},
    driver::{Act, Look, LookError, SendError},
    event::{Event, EventKind, Policy, Realm, RunOutcome},
    ids::{LeaseKey, RunId, Seq},
    store::{Claim, Clocks, Journal, MemoryStore, Store},
    world::{Effect, Receipt, Sight, Target, permit::Permit},
};
use std::sync::Arc;
use tokio::sync::mpsc::unbounded_channel;

/// Takes every call and sees nothing.
struct Takes;

#[async_trait::async_trait]
impl Act for Takes {
    async fn send(&self, _: Permit, _: &Effect) -> Result<Receipt, SendError> {
        Ok(Receipt::default())
    }
}

#[async_trait::async_trait]
impl Look for Takes {
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        at.iter().map(|_| Err(LookError::Permanent { why: "there is nothing".into() })).collect()
    }
}

/// A process that takes the lease of a run that ends at `head`.
async fn process(store: &Arc<dyn Store>, head: Seq) -> (Deps, Doors) {
    let Claim::Held(fence) = store.claim(&LeaseKey::new("t"), &who()).await.unwrap() else { panic!("it is held") };
    let boot = Arc::new(KernelBootClock);
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::virtual_from(Timestamp(0)));
    let deps = Deps {
        journal: Journal::new(store.clone(), boot.clone(), fence, RunId::new("r1"), head),
        look: Arc::new(Takes),
        act: Arc::new(Takes),
        clock,
        boot,
        watchers: vec![],
        who: who(),
        interactive: false,
        waits: false,
        tempo: Tempo(Span::ms(200)),
    };
    let (_, requests) = unbounded_channel();
    (deps, Doors { requests, signals: Signals::default() })
}

/// The journal of a run that went through.
async fn ended() -> (Arc<dyn Store>, Vec<Event>) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Clocks::machine()));
    let steps = "failover: [{ id: cut, action: exec, with: { command: [cut], impact: safe } }]";
    let plan = (*Run::planned(steps).state.plan).clone();
    let (deps, doors) = process(&store, Seq(0)).await;
    let (ended, _) = start(deps, doors, Start::new(plan, Realm::Sandbox, Policy::default())).await.unwrap();
    assert!(matches!(ended, Ended::Finished(RunOutcome::Done)));
    let events = store.read(&RunId::new("r1"), Seq(1)).await.unwrap();
    (store, events)
}

#[tokio::test(start_paused = true)]
async fn the_plan_is_sealed_and_another_one_is_not_gone_on_with() {
    let (_, mut events) = ended().await;
    assert_eq!(replay(&events).unwrap().outcome, Some(RunOutcome::Done));
    let EventKind::RunStarted { plan, .. } = &mut events[0].kind else { panic!("a run begins with its start") };
    Arc::make_mut(plan).steps[0].timeout = Span::hours(9);
    assert!(matches!(replay(&events), Err(EngineError::Seal)));
}

#[tokio::test(start_paused = true)]
async fn to_take_up_a_run_that_has_ended_tells_how_and_adds_nothing() {
    let (store, events) = ended().await;
    let (deps, doors) = process(&store, Seq(events.len() as u64)).await;
    let (ended, state) = resume(deps, doors, Policy::default()).await.unwrap();
    assert!(matches!(ended, Ended::Finished(RunOutcome::Done)));
    assert_eq!(state.head, Seq(events.len() as u64));
    assert_eq!(store.read(&RunId::new("r1"), Seq(1)).await.unwrap(), events);
}
