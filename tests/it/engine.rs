//! The engine on the bundled runbook, against a cloud that does as predicted.

use crate::cloud::Cloud;
use lifeboat::{
    check,
    clock::{BootClock, Clock, KernelBootClock, Span, Timestamp, TokioClock},
    engine::{Deps, Doors, Ended, RunState, Start, Tempo, resume, start},
    event::{Event, Policy, Realm, RunOutcome, Who},
    ids::{LeaseKey, RunId, Seq, SiteName},
    model::{Direction, Mode},
    plan::{self, Plan, Request},
    store::{Claim, Clocks, Journal, MemoryStore, Store},
    syntax,
    world::World,
};
use std::{path::Path, sync::Arc};
use tokio::sync::mpsc::unbounded_channel;

fn who() -> Who {
    Who { operator: "ada".into(), host: "test".into(), pid: 1 }
}

pub fn plan(cloud: &Cloud, clock: &dyn Clock, (direction, mode): (Direction, Mode), run: &str) -> Plan {
    let loaded = syntax::load(Path::new("runbooks/warm-standby.yaml")).unwrap();
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    let (checked, _) = check::check(&loaded.runbook.unwrap());
    let (from, to) = if direction == Direction::Failover { ("ohio", "oregon") } else { ("oregon", "ohio") };
    let (from, to) = if direction == Direction::Reprotect { ("ohio", "oregon") } else { (from, to) };
    let request = Request {
        run: RunId::new(run),
        direction,
        mode,
        from: SiteName::new(from),
        to: SiteName::new(to),
        parameters: [].into(),
        incident: None,
        folder: "runbooks".into(),
        file: "warm-standby.yaml".into(),
        now: clock.now(),
    };
    let mut plan = plan::draft(&checked.unwrap(), &request).unwrap();
    let mut world = World::default();
    for _ in 0..4 {
        let missing = plan::predict(&mut plan, &world);
        if missing.is_empty() {
            break;
        }
        let targets: Vec<_> = world.sights().map(|s| s.target.clone()).chain(missing).collect();
        world = cloud.world(targets);
    }
    plan
}

pub fn policy() -> Policy {
    Policy { yes: true, accept: ["promote".into()].into(), accept_loss: None, unattended: false, interactive: false }
}

async fn deps(cloud: &Arc<Cloud>, clock: &Arc<dyn Clock>, store: &Arc<dyn Store>, run: &RunId, head: Seq) -> Deps {
    let boot: Arc<dyn BootClock> = Arc::new(KernelBootClock);
    let Claim::Held(fence) = store.claim(&LeaseKey::new("storefront"), &who()).await.unwrap() else { panic!("busy") };
    Deps {
        journal: Journal::new(store.clone(), boot.clone(), fence, run.clone(), head),
        look: cloud.clone(),
        act: cloud.clone(),
        clock: clock.clone(),
        boot,
        watchers: vec![],
        who: who(),
        interactive: false,
        tempo: Tempo(Span::secs(30)),
    }
}

fn doors() -> Doors {
    Doors { requests: unbounded_channel().1, signals: unbounded_channel().1 }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(TokioClock::virtual_from("2026-11-21T03:00:00Z".parse::<Timestamp>().unwrap()))
}

pub fn store(clock: &Arc<dyn Clock>) -> Arc<dyn Store> {
    let clock = clock.clone();
    Arc::new(MemoryStore::new(Clocks { now: Arc::new(move || clock.now()), boot: Arc::new(KernelBootClock) }))
}

pub async fn run(cloud: &Arc<Cloud>, clock: &Arc<dyn Clock>, store: &Arc<dyn Store>, plan: Plan) -> (Ended, RunState, Vec<Event>) {
    let run = plan.run.clone();
    let deps = deps(cloud, clock, store, &run, Seq(0)).await;
    let begin = Start { plan, realm: Realm::Sandbox, policy: policy(), since: None, supersedes: None, owed: vec![] };
    let (ended, state) = start(deps, doors(), begin).await.unwrap();
    let events = store.read(&run, Seq(1)).await.unwrap();
    (ended, state, events)
}

#[tokio::test(start_paused = true)]
async fn a_planned_failover_does_what_was_planned_and_ends_done() {
    let clock = clock();
    let cloud = Cloud::new(clock.clone());
    let store = store(&clock);
    let plan = plan(&cloud, &*clock, (Direction::Failover, Mode::Planned), "r1");
    for step in &plan.steps {
        println!("{} {:?}", step.id, step.prediction);
    }
    assert!(plan.cautions.is_empty(), "{:?}", plan.cautions);
    let foreseen: Vec<_> = plan.effects().map(|(_, e)| e.clone()).collect();
    let (ended, state, events) = run(&cloud, &clock, &store, plan).await;
    for e in &events {
        println!("{} {:?}", e.at, serde_json::to_string(&e.kind).unwrap().chars().take(300).collect::<String>());
    }
    assert_eq!(ended, Ended::Finished(RunOutcome::Done));
    assert_eq!(state.measures.len(), 3, "{:?}", state.measures);
    let mut sent = cloud.sent();
    assert_eq!(sent.len(), foreseen.len());
    sent.retain(|e| !foreseen.contains(e));
    assert!(sent.is_empty(), "not foreseen: {sent:?}");
    assert_eq!(RunState::replay(&events).unwrap(), state);
    let _ = resume;
}
