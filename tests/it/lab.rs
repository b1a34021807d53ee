//! A laboratory: the sandbox, a store in memory and virtual time, with the engine run in them as the
//! commands run it. Every run that comes to rest here is replayed and compared with its live state.

use crate::process::{Hands, Mortal, React};
use lifeboat::{
    check::{self, Checked},
    clock::{BootClock, Clock, KernelBootClock, Span, Timestamp, TokioClock},
    driver::Look,
    engine::{Deps, Doors, Ended, Inherited, RunState, Signals, Start, Tempo, Watch, end, resume, start},
    event::{AcceptLoss, Control, Event, EventKind, Measure, Notice, Objective, Policy, Realm, RunOutcome, Way, Who},
    ids::{LeaseKey, RunId, Seq, SiteName, StepId},
    model::{Direction, Mode},
    plan::{self, Given, Plan, Refusal, Request, Situation},
    runbook::Runbook,
    sandbox::{Fault, Lived, Opened, Sandbox},
    store::{Claim, Clocks, Journal, MemoryStore, Store},
    syntax,
    world::{Seen, Sight, Target, What, World},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::sync::{mpsc::unbounded_channel, watch};

/// A world, its journal and its time.
pub struct Lab {
    checked: Checked,
    pub sandbox: Arc<Sandbox>,
    pub clock: Arc<dyn Clock>,
    pub store: MemoryStore,
    pub look: Arc<dyn Look>,
    /// Who answers beforehand.
    pub policy: Policy,
    /// The standby that is named.
    pub to: Option<SiteName>,
    last: Mutex<Option<RunState>>,
    runs: AtomicU32,
}

/// What became of a command.
pub enum Went {
    Nothing,
    Refused(Refusal),
    Ran(Box<Ran>),
}

/// A run that came to rest.
#[derive(Clone, Debug)]
pub struct Ran {
    pub plan: Plan,
    pub ended: Ended,
    pub state: RunState,
    pub events: Vec<Event>,
}

impl Ran {
    pub fn outcome(&self) -> RunOutcome {
        match &self.ended {
            Ended::Finished(outcome) => *outcome,
            other => panic!("{other:?}\n{}", self.told()),
        }
    }
    pub fn measure(&self, objective: Objective) -> Option<&Measure> {
        self.state.measures.iter().find(|(o, _)| *o == objective).map(|(_, m)| m)
    }
    /// The journal, for whoever reads why a test fails.
    pub fn told(&self) -> String {
        told(&self.events)
    }
}

/// Events, a line each.
pub fn told(events: &[Event]) -> String {
    let line = |e: &Event| {
        let kind = serde_json::to_string(&e.kind).unwrap();
        format!("{} {} {}\n", e.seq.0, e.at, kind.chars().take(240).collect::<String>())
    };
    events.iter().map(line).collect()
}

pub fn id(step: &str) -> StepId {
    StepId::new(step)
}

fn who() -> Who {
    Who { operator: "ada".into(), host: "test".into(), pid: 1 }
}

/// Consent to the promotion, yes to all that is ordinary, any loss.
pub fn policy() -> Policy {
    Policy {
        yes: true,
        accept: [id("promote")].into(),
        accept_loss: Some(AcceptLoss::Unknown),
        unattended: false,
        interactive: false,
        reach: None,
    }
}

/// The bundled runbook.
pub fn bundled() -> &'static Runbook {
    static READ: OnceLock<Runbook> = OnceLock::new();
    READ.get_or_init(|| {
        let loaded = syntax::load(Path::new("runbooks/warm-standby.yaml")).unwrap();
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        loaded.runbook.unwrap()
    })
}

impl Lab {
    /// The bundled runbook's world.
    pub fn new(seed: u64, faults: &[&str]) -> Self {
        Self::of(bundled(), seed, faults)
    }

    pub fn of(runbook: &Runbook, seed: u64, faults: &[&str]) -> Self {
        let checked = check::check(runbook).0.unwrap();
        let at: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
        let faults: Vec<_> = faults.iter().map(|f| Fault::parse(f).unwrap()).collect();
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::virtual_from(at));
        let sandbox = Arc::new(Opened::in_memory(runbook, seed, at, &faults).unwrap().start(clock.clone()));
        let now = clock.clone();
        let store = MemoryStore::new(Clocks { now: Arc::new(move || now.now()), boot: Arc::new(KernelBootClock) });
        let (last, runs) = (Mutex::default(), AtomicU32::new(0));
        Self { checked, look: sandbox.clone(), sandbox, clock, store, policy: policy(), to: None, last, runs }
    }

    pub fn lived(&self) -> Lived {
        self.sandbox.lived().unwrap()
    }

    pub async fn wait(&self, span: Span) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }

    /// Looks as commands do: all sites at once, each within four seconds.
    async fn gather(&self, targets: BTreeSet<Target>) -> World {
        let mut sites: BTreeMap<SiteName, Vec<Target>> = BTreeMap::new();
        targets.into_iter().for_each(|t| sites.entry(t.site.clone()).or_default().push(t));
        let one = |targets: Vec<Target>| {
            let (look, clock) = (self.look.clone(), self.clock.clone());
            tokio::spawn(async move {
                let unknown = |t: &Target| {
                    let seen = Seen::Unknown { why: "no answer".into() };
                    Sight { target: t.clone(), at: clock.now(), seen }
                };
                tokio::select! {
                    biased;
                    seen = look.look(&targets) => {
                        targets.iter().zip(seen).map(|(t, r)| r.unwrap_or_else(|_| unknown(t))).collect::<Vec<_>>()
                    }
                    () = clock.sleep_until(clock.now() + Span::secs(4)) => targets.iter().map(unknown).collect(),
                }
            })
        };
        let looks: Vec<_> = sites.into_values().map(one).collect();
        let mut world = World::default();
        for look in looks {
            look.await.unwrap().into_iter().for_each(|s| world.put(s));
        }
        world
    }

    pub async fn situation(&self) -> Situation {
        let runbook = self.checked.runbook();
        let seen = self.gather(Situation::targets(runbook).into_iter().collect()).await;
        Situation::of(runbook, &seen, self.clock.now())
    }

    /// When the backup window of a site's database opens and closes next, and whether backups are made at all.
    pub async fn backup_window(&self, site: &str) -> (Timestamp, Timestamp, bool) {
        let site = &self.checked.runbook().sites[site];
        let target = Target::at(site, What::Db("orders".into()));
        let seen = self.gather([target.clone()].into()).await;
        let db = seen.db(&target).unwrap();
        let (opens, closes) = db.backup_window.unwrap().at_or_after(self.clock.now());
        (opens, closes, db.backup_retention > 0)
    }

    fn ends(&self, direction: Direction, situation: &Situation) -> (SiteName, SiteName) {
        let last = self.last.lock().unwrap();
        let owed: Vec<_> = last.iter().flat_map(|l| l.owed.iter().map(|o| o.site.clone())).collect();
        let last = last.as_ref().map(|l| &l.plan.ends);
        let given = Given { named: self.to.as_ref(), situation: Some(situation), last, owed: &owed };
        plan::ends(self.checked.runbook(), direction, given)
    }

    /// The plan of a run, predicted on the world as it is.
    pub async fn plan(&self, direction: Direction, mode: Mode, ends: (SiteName, SiteName)) -> Plan {
        let run = RunId::new(format!("r{}", self.runs.fetch_add(1, Ordering::Relaxed) + 1));
        let request = Request {
            run,
            direction,
            mode,
            from: ends.0,
            to: ends.1,
            parameters: [].into(),
            incident: None,
            folder: "runbooks".into(),
            file: "warm-standby.yaml".into(),
            now: self.clock.now(),
        };
        let mut plan = plan::draft(&self.checked, &request).unwrap();
        let mut seen = World::default();
        for _ in 0..4 {
            let missing = plan::predict(&mut plan, &seen);
            if missing.is_empty() {
                break;
            }
            self.gather(missing.into_iter().collect()).await.sights().cloned().for_each(|s| seen.put(s));
        }
        plan::predict(&mut plan, &seen);
        plan
    }

    /// One command, as far as it comes before a run: nothing to do, refused, or a plan.
    pub async fn planned(&self, direction: Direction, mode: Mode) -> Result<Plan, Went> {
        let situation = self.situation().await;
        let (from, to) = self.ends(direction, &situation);
        let debts = direction == Direction::Reprotect && !self.owed().is_empty();
        if situation.nothing_to_do(direction, &from, &to) && !debts {
            return Err(Went::Nothing);
        }
        if let Some(refusal) = situation.refusal(direction, mode, &from, &to) {
            return Err(Went::Refused(refusal));
        }
        let plan = self.plan(direction, mode, (from, to)).await;
        match plan.cautions.iter().find(|c| c.refuses && mode == Mode::Planned) {
            Some(caution) => Err(Went::Refused(Refusal { why: caution.what.clone(), hint: String::new() })),
            None => Ok(plan),
        }
    }

    /// What the sites are owed after the last run.
    pub fn owed(&self) -> Vec<lifeboat::event::Obligation> {
        self.last.lock().unwrap().iter().flat_map(|s| s.owed.iter().cloned()).collect()
    }

    /// One command.
    pub async fn attempt(&self, direction: Direction, mode: Mode) -> Went {
        match self.planned(direction, mode).await {
            Ok(plan) => Went::Ran(Box::new(self.run(plan, Box::new(|_, _| {})).await.unwrap())),
            Err(other) => other,
        }
    }

    /// One command that must run and come to its end.
    pub async fn go(&self, direction: Direction, mode: Mode) -> Ran {
        match self.attempt(direction, mode).await {
            Went::Ran(ran) => *ran,
            Went::Nothing => panic!("{direction}: nothing to do"),
            Went::Refused(refusal) => panic!("{direction}: {refusal:?}"),
        }
    }

    /// The command has nothing to do.
    pub async fn has_nothing_to_do(&self, direction: Direction, mode: Mode) -> bool {
        matches!(self.planned(direction, mode).await, Err(Went::Nothing))
    }

    /// Starts a run; none: its process was killed.
    pub async fn run(&self, plan: Plan, react: React) -> Option<Ran> {
        self.live(Life::Start(Box::new(plan)), react, None).await
    }

    /// A process that takes a run up again.
    pub async fn resume(&self, plan: &Plan, react: React) -> Option<Ran> {
        self.live(Life::Resume(Box::new(plan.clone())), react, None).await
    }

    /// Gives a run up that no process holds.
    pub async fn abandon(&self, plan: &Plan) -> RunState {
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let Claim::Held(fence) = store.claim(&LeaseKey::new("storefront"), &who()).await.unwrap() else {
            panic!("somebody holds it")
        };
        let journal = Journal::new(store, Arc::new(KernelBootClock), fence, plan.run.clone(), Seq(0));
        let control = Control::Abandon { why: "enough".into() };
        let state = end(journal, &who(), control, self.clock.now()).await.unwrap();
        *self.last.lock().unwrap() = Some(state.clone());
        state
    }

    /// One process with a run: it begins or goes on, and ends or is killed, at an instant or by `react`.
    pub async fn live(&self, life: Life, react: React, killed_at: Option<Timestamp>) -> Option<Ran> {
        let (Life::Start(plan) | Life::Resume(plan)) = &life;
        let plan = (**plan).clone();
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let boot: Arc<dyn BootClock> = Arc::new(KernelBootClock);
        let Claim::Held(fence) = store.claim(&LeaseKey::new("storefront"), &who()).await.unwrap() else {
            panic!("somebody holds it")
        };
        let head = store.read(&plan.run, Seq(1)).await.ok().and_then(|e| e.last().map(|e| e.seq)).unwrap_or(Seq(0));
        let ((ask, requests), signals) = (unbounded_channel(), Signals::default());
        let (death, mut dead) = watch::channel(false);
        let death = Arc::new(death);
        let hands = Hands { ask, death: death.clone() };
        let mortal = Mortal { look: self.look.clone(), act: self.sandbox.clone(), dead: dead.clone() };
        let mortal = Arc::new(mortal);
        let watch: Watch = Box::new(move |notice| {
            if let Notice::Event(event) = notice {
                react(event, &hands);
            }
        });
        let deps = Deps {
            journal: Journal::new(store.clone(), boot.clone(), fence, plan.run.clone(), head),
            look: mortal.clone(),
            act: mortal,
            clock: self.clock.clone(),
            boot,
            watchers: vec![tell(self.sandbox.clone()), watch],
            who: who(),
            interactive: self.policy.interactive,
            waits: false,
            tempo: Tempo(Span::secs(30)),
        };
        let doors = Doors { requests, signals };
        let policy = self.policy.clone();
        let owed = self.owed();
        let held = self.last.lock().unwrap().iter().flat_map(Inherited::all).collect();
        let engine = async move {
            match life {
                Life::Start(plan) => {
                    let begin = Start { owed, held, ..Start::new(*plan, Realm::Sandbox, policy) };
                    start(deps, doors, begin).await
                }
                Life::Resume(_) => resume(deps, doors, policy).await,
            }
        };
        let doom = async {
            match killed_at {
                Some(at) => self.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let (ended, state) = tokio::select! {
            biased;
            _ = dead.wait_for(|dead| *dead) => return None,
            () = doom => {
                death.send_replace(true);
                return None;
            }
            result = engine => result.unwrap(),
        };
        let events = store.read(&plan.run, Seq(1)).await.unwrap();
        assert_eq!(RunState::replay(&events).unwrap(), state, "a replay is not the live state");
        *self.last.lock().unwrap() = Some(state.clone());
        Some(Ran { plan, ended, state, events })
    }
}

/// How a process comes to a run.
pub enum Life {
    Start(Box<Plan>),
    Resume(Box<Plan>),
}

fn tell(sandbox: Arc<Sandbox>) -> Watch {
    Box::new(move |notice| {
        if let Notice::Event(event) = notice
            && let EventKind::AttemptStarted { step, way: Way::Forward, .. } = &event.kind
        {
            sandbox.step_started(step).unwrap();
        }
    })
}
