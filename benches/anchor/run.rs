//! Runs of steps that do nothing, on the real engine.

use async_trait::async_trait;
use lifeboat::{
    check,
    clock::{Clock, KernelBootClock, Span, Timestamp},
    driver::{Act, Look, LookError, SendError},
    engine::{Deps, Doors, RunState, Signals, Start, Tempo, start},
    event::{Policy, Realm, Who},
    ids::{LeaseKey, RunId, Seq, SiteName, StepId},
    model::{Direction, Mode},
    plan::{self, Plan, PlanStep, Request},
    store::{Claim, Journal, Store},
    syntax,
    world::{Effect, Receipt, Sight, Target, permit::Permit},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio::sync::mpsc::unbounded_channel;

const RUNBOOK: &str = "version: 1
name: anchor
sites: { ohio: { region: us-east-2 }, oregon: { region: us-west-2 } }
primary: ohio
standby: oregon
failover:
  - { id: s0, action: exec, with: { command: [\"true\"], impact: safe } }
";

/// The runbook of a chain, as a person would write it.
pub fn text(steps: usize) -> String {
    let step = |n| format!("  - {{ id: s{n}, action: exec, with: {{ command: [\"true\"], impact: safe }} }}\n");
    (1..steps).fold(RUNBOOK.to_owned(), |text, n| text + &step(n))
}

/// A plan of so many layers of so many steps each: every step needs one of the layer before it.
pub fn plan(layers: usize, wide: usize) -> Plan {
    let read = syntax::parse("anchor.yaml", RUNBOOK.as_bytes(), None);
    let (checked, _) = check::check(&read.runbook.unwrap());
    let request = Request {
        run: RunId::new("r1"),
        direction: Direction::Failover,
        mode: Mode::Planned,
        from: SiteName::new("ohio"),
        to: SiteName::new("oregon"),
        parameters: BTreeMap::new(),
        incident: None,
        folder: String::new(),
        file: "anchor.yaml".into(),
        now: Timestamp::wall(),
    };
    let mut plan = plan::draft(&checked.unwrap(), &request).unwrap();
    let first = plan.steps.remove(0);
    let id = |n: usize| StepId::new(format!("s{n}"));
    let needs = |n: usize| n.checked_sub(wide).map(id).into_iter().collect();
    plan.steps = (0..layers * wide).map(|n| PlanStep { id: id(n), needs: needs(n), ..first.clone() }).collect();
    plan
}

/// Takes every effect after a time, and remembers when.
pub struct Takes {
    pub clock: Arc<dyn Clock>,
    pub after: Span,
    pub sent: Mutex<Vec<Instant>>,
}

#[async_trait]
impl Act for Takes {
    async fn send(&self, _: Permit, _: &Effect) -> Result<Receipt, SendError> {
        self.sent.lock().unwrap().push(Instant::now());
        if self.after > Span::ZERO {
            self.clock.sleep_until(self.clock.now() + self.after).await;
        }
        Ok(Receipt::default())
    }
}

struct Nothing;

#[async_trait]
impl Look for Nothing {
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        at.iter().map(|_| Err(LookError::Permanent { why: "there is nothing".into() })).collect()
    }
}

/// Runs a plan to its end, or to its rest after a signal.
pub async fn run(store: Arc<dyn Store>, plan: Plan, act: Arc<Takes>, signals: Signals) -> RunState {
    let who = Who { operator: "ada".into(), host: "here".into(), pid: 1 };
    let Claim::Held(fence) = store.claim(&LeaseKey::new("anchor"), &who).await.unwrap() else { panic!("it is held") };
    let boot = Arc::new(KernelBootClock);
    let deps = Deps {
        journal: Journal::new(store, boot.clone(), fence, plan.run.clone(), Seq(0)),
        look: Arc::new(Nothing),
        clock: act.clock.clone(),
        act,
        boot,
        watchers: vec![],
        who,
        interactive: false,
        waits: false,
        tempo: Tempo(Span::ms(200)),
    };
    let policy = Policy { yes: true, ..Policy::default() };
    let begin = Start::new(plan, Realm::Sandbox, policy);
    let (_closed, requests) = unbounded_channel();
    start(deps, Doors { requests, signals }, begin).await.unwrap().1
}
