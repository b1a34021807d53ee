//! Whole runs over the wire without a process of their own: the engine in this one, on the real doors
//! of `driver::live`, in real time, with a store in memory.

use crate::{short, world::Wire};
use lifeboat::{
    check::{self, Checked},
    clock::{BootClock, Clock, KernelBootClock, Span, Timestamp, TokioClock},
    driver::{
        Look,
        live::{self, Ground},
    },
    engine::{Deps, Doors, Ended, Signals, Start, Tempo, Watch, start},
    event::{Control, Event, EventKind, Notice, PauseReason, Policy, Realm, Request as Asked, RunOutcome, Who},
    ids::{LeaseKey, RunId, Seq, SiteName, StepId},
    model::{Direction, Mode},
    plan::{self, Plan, Request},
    store::{Claim, Clocks, Journal, MemoryStore, Store},
    syntax,
    world::{Seen, Sight, Target, World},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio::sync::mpsc::unbounded_channel;

/// A world, its runbook and its journal.
pub struct Lab {
    pub wire: Wire,
    checked: Checked,
    pub store: Arc<dyn Store>,
    ground: Ground,
    folder: tempfile::TempDir,
}

/// A run that came to its end.
pub struct Ran {
    pub outcome: RunOutcome,
    /// The steps that it stopped at, in order, and why. Each was tried again.
    pub stops: Vec<(String, String)>,
    pub events: Vec<Event>,
}

impl Ran {
    /// The journal, for whoever reads why a test fails.
    pub fn told(&self) -> String {
        let line = |e: &Event| {
            let kind = serde_json::to_string(&e.kind).unwrap();
            format!("{} {} {}\n", e.seq.0, e.at, kind.chars().take(300).collect::<String>())
        };
        self.events.iter().map(line).collect()
    }
}

/// What a test does when it hears of an event, before the run goes on.
pub type React = Box<dyn Fn(&EventKind) + Send + Sync>;

impl Lab {
    /// The short runbook in a world.
    pub fn new(wire: Wire) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let loaded = syntax::load(&short::write(&wire, folder.path())).unwrap();
        let runbook = loaded.runbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let (checked, problems) = check::check(&runbook);
        let checked = checked.unwrap_or_else(|| panic!("{problems:?}"));
        let ground = Ground {
            sites: runbook.sites.clone(),
            resources: runbook.resources.clone(),
            global_endpoint: runbook.global_endpoint.clone(),
            folder: folder.path().into(),
        };
        Self { wire, checked, store: Arc::new(MemoryStore::new(Clocks::machine())), ground, folder }
    }

    /// The plan of a run from home to the standby, or of the reprotect after it, as the world is.
    pub async fn plan(&self, direction: Direction, run: &str) -> Plan {
        let request = Request {
            run: RunId::from(run),
            direction,
            mode: Mode::Planned,
            from: SiteName::new(crate::world::HOME.0),
            to: SiteName::new(crate::world::STANDBY.0),
            parameters: [].into(),
            incident: None,
            folder: self.folder.path().to_string_lossy().into_owned(),
            file: "short.yaml".into(),
            now: Timestamp::wall(),
        };
        let mut plan = plan::draft(&self.checked, &request).unwrap();
        let (look, _) = live::open(self.ground.clone(), Arc::new(KernelBootClock));
        let mut seen = World::default();
        for _ in 0..4 {
            let missing = plan::predict(&mut plan, &seen);
            if missing.is_empty() {
                break;
            }
            see(&look, &missing, &mut seen).await;
        }
        plan::predict(&mut plan, &seen);
        plan
    }

    /// Runs it to its end. Where it stops at a step that failed, a person tries that step again, thrice at most.
    pub async fn run(&self, plan: Plan, react: React) -> Ran {
        let clock = Arc::new(TokioClock::scaled(Timestamp::wall(), 1));
        Box::pin(self.run_on(plan, react, (self.store.clone(), clock))).await
    }

    /// The same, with a store that passes on to ours, and by that clock.
    pub async fn run_on(&self, mut plan: Plan, react: React, (store, clock): (Arc<dyn Store>, Arc<dyn Clock>)) -> Ran {
        // As if the plan had been read for a minute: every step looks for itself.
        plan.observed.iter_mut().for_each(|sight| sight.at = sight.at - Span::mins(1));
        let boot: Arc<dyn BootClock> = Arc::new(KernelBootClock);
        let (look, act) = live::open(self.ground.clone(), boot.clone());
        let who = Who { operator: "ada".into(), host: "test".into(), pid: 1 };
        let Claim::Held(fence) = self.store.claim(&LeaseKey::new("short"), &who).await.unwrap() else {
            panic!("somebody holds it")
        };
        let run = plan.run.clone();
        let stops = Arc::new(Mutex::new(vec![]));
        let (ask, requests) = unbounded_channel();
        let person = Person { stops: stops.clone(), ask, react };
        let deps = Deps {
            journal: Journal::new(store, boot.clone(), fence, run.clone(), Seq(0)),
            look: Arc::new(look),
            act: Arc::new(act),
            clock,
            boot,
            watchers: vec![person.watch()],
            who,
            interactive: true,
            waits: false,
            tempo: Tempo(Span::ms(200)),
        };
        let policy = Policy {
            yes: true,
            accept: [StepId::new("promote")].into(),
            accept_loss: None,
            unattended: false,
            interactive: true,
            reach: None,
        };
        let begin = Start::new(plan, Realm::Live, policy);
        let (ended, _) = Box::pin(start(deps, Doors { requests, signals: Signals::default() }, begin)).await.unwrap();
        let events = self.store.read(&run, Seq(1)).await.unwrap();
        let Ended::Finished(outcome) = ended else { panic!("{ended:?}") };
        let stops = stops.lock().unwrap().clone();
        Ran { outcome, stops, events }
    }
}

/// Who sits at the run's terminal.
struct Person {
    stops: Arc<Mutex<Vec<(String, String)>>>,
    ask: tokio::sync::mpsc::UnboundedSender<Asked>,
    react: React,
}

impl Person {
    fn watch(self) -> Watch {
        let failed = Mutex::new(String::new());
        Box::new(move |notice| {
            let Notice::Event(event) = notice else { return };
            (self.react)(&event.kind);
            match &event.kind {
                EventKind::StepFailed { why, .. } => failed.lock().unwrap().clone_from(why),
                EventKind::RunPaused { why } => self.paused(why, &failed.lock().unwrap()),
                _ => {}
            }
        })
    }

    fn paused(&self, why: &PauseReason, failed: &str) {
        let mut stops = self.stops.lock().unwrap();
        let control = match why {
            PauseReason::StepFailed(step) => {
                stops.push((step.to_string(), failed.to_owned()));
                let often = stops.iter().filter(|(s, _)| *s == step.as_str()).count() > 3;
                (!often).then(|| Control::Retry { step: step.clone() })
            }
            other => {
                stops.push((format!("{other:?}"), failed.to_owned()));
                None
            }
        };
        let control = control.unwrap_or_else(|| Control::Abandon { why: "it does not get on".into() });
        drop(self.ask.send(Asked::Control(control)));
    }
}

async fn see(look: &impl Look, at: &BTreeSet<Target>, world: &mut World) {
    let at: Vec<_> = at.iter().cloned().collect();
    for (target, seen) in at.iter().zip(look.look(&at).await) {
        let unknown =
            |why: String| Sight { target: target.clone(), at: Timestamp::wall(), seen: Seen::Unknown { why } };
        world.put(seen.unwrap_or_else(|e| unknown(e.to_string())));
    }
}
