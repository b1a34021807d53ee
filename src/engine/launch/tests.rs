//! A run as its journal begins, and one that has ended.

use super::super::{
    Deps, Doors, Ended, EngineError, Signals, Start, Tempo, replay, resume, start,
    tests::{Run, who},
};
use crate::{
    clock::{Clock, KernelBootClock, Span, Timestamp, TokioClock},
    driver::{Act, Look, LookError, SendError},
    event::{Event, EventKind, PauseReason, Policy, Realm, RunOutcome},
    ids::{EffectNo, LeaseKey, RunId, Seq},
    store::{Claim, Clocks, Journal, MemoryStore, Store},
    world::{Effect, Receipt, Sight, Target, permit::Permit},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::unbounded_channel;

const STEPS: &str = "failover: [{ id: cut, action: exec, with: { command: [cut], impact: safe } }]";

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
    let plan = (*Run::planned(STEPS).state.plan).clone();
    let (deps, doors) = process(&store, Seq(0)).await;
    let (ended, _) = start(deps, doors, Start::new(plan, Realm::Sandbox, Policy::default())).await.unwrap();
    assert!(matches!(ended, Ended::Finished(RunOutcome::Done)));
    let events = store.read(&RunId::new("r1"), Seq(1)).await.unwrap();
    (store, events)
}

/// Hands whose every answer is lost.
struct Loses;

#[async_trait::async_trait]
impl Act for Loses {
    async fn send(&self, _: Permit, _: &Effect) -> Result<Receipt, SendError> {
        Err(SendError::InDoubt { why: "no answer".into() })
    }
}

/// The journal of a run that waits to be told what became of a command.
async fn in_doubt() -> Vec<Event> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Clocks::machine()));
    let (deps, doors) = process(&store, Seq(0)).await;
    let deps = Deps { act: Arc::new(Loses), ..deps };
    let plan = (*Run::planned(STEPS).state.plan).clone();
    let (ended, _) = start(deps, doors, Start::new(plan, Realm::Sandbox, Policy::default())).await.unwrap();
    assert!(matches!(ended, Ended::Waiting(PauseReason::InDoubt(_))), "{ended:?}");
    store.read(&RunId::new("r1"), Seq(1)).await.unwrap()
}

/// The same where the step had sent something before, which was applied.
fn with_one_applied(mut events: Vec<Event>) -> Vec<Event> {
    let at = events.iter().position(|event| matches!(event.kind, EventKind::EffectIntended { .. })).unwrap();
    let first = events[at].clone();
    let EventKind::EffectIntended { step, .. } = &first.kind else { unreachable!() };
    let kind = EventKind::EffectApplied { step: step.clone(), effect: EffectNo(1), receipt: Receipt::default() };
    for event in &mut events[at..] {
        if let EventKind::EffectIntended { effect, .. } | EventKind::EffectInDoubt { effect, .. } = &mut event.kind {
            *effect = EffectNo(2);
        }
    }
    let applied = Event { kind, ..first.clone() };
    events.splice(at..at, [first, applied]);
    (1..).zip(events).map(|(seq, event)| Event { seq: Seq(seq), ..event }).collect()
}

#[tokio::test(start_paused = true)]
async fn who_asks_about_a_step_that_has_sent_something_lets_its_process_go() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Clocks::machine()));
    let (mut deps, _) = process(&store, Seq(0)).await;
    let events = with_one_applied(in_doubt().await);
    deps.journal.append(&events).await.unwrap();
    deps.journal.release().await.unwrap();
    let (deps, doors) = process(&store, Seq(events.len() as u64)).await;
    let ended = tokio::time::timeout(Duration::from_hours(48), resume(deps, doors, Policy::default())).await;
    let (ended, state) = ended.expect("it goes").unwrap();
    assert!(matches!(ended, Ended::Waiting(PauseReason::InDoubt(_))), "{ended:?}");
    assert_eq!(state.open_asks().count(), 1);
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
