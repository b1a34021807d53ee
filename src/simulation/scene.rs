//! One schedule from its first look to its verdict.

use super::{
    Case, Troubles,
    body::Wire,
    dice::Dice,
    judge::Judge,
    life::{self, End, Errand, Life},
    people::People,
    plans::{self, Leg},
    schedule::{Deed, Schedule, Trouble},
    store::SimStore,
    verdict::{self, Played},
};
use crate::{
    action::Question,
    clock::{Clock, Span, Timestamp, TokioClock},
    driver::{Act, Look},
    engine::{Inherited, RunState, Signal, Start},
    event::{AcceptLoss, Control, Policy, Realm, Who},
    ids::{LeaseKey, RunId, StepId},
    model::{Direction, Mode},
    plan::Plan,
    sandbox::{Opened, Sandbox},
    store::{LEASE, Store},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where something else can be put between the parts, to see whether the simulation notices.
pub struct Seams {
    /// Between the doors of the store and what it keeps.
    pub kept: Box<Wrap<dyn Store>>,
    /// Between the engine and its store and hands, with the world at hand.
    pub hands: Box<Swap>,
    /// Between the engine and its eyes.
    pub look: Box<Wrap<dyn Look>>,
    /// Between the engine and its time.
    pub clock: Box<Wrap<dyn Clock>>,
}

type Wrap<T> = dyn Fn(Arc<T>) -> Arc<T> + Send + Sync;
type Swap = dyn Fn(&Arc<Sandbox>, Arc<dyn Store>, Arc<dyn Act>) -> (Arc<dyn Store>, Arc<dyn Act>) + Send + Sync;

impl Default for Seams {
    /// Nothing is between.
    fn default() -> Self {
        Self {
            kept: Box::new(|store| store),
            hands: Box::new(|_, store, act| (store, act)),
            look: Box::new(|look| look),
            clock: Box::new(|clock| clock),
        }
    }
}

/// What stands still around the processes of a schedule.
pub(super) struct Stage {
    pub(super) seams: Arc<Seams>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) store: Arc<SimStore>,
    pub(super) judge: Arc<Judge>,
    pub(super) wire: Arc<Wire>,
    pub(super) key: LeaseKey,
    pub(super) told: UnboundedSender<(u32, Deed)>,
    seed: u64,
}

impl Stage {
    /// Whether what a process had written and not synced outlives its death.
    pub(super) fn keeps_tail(&self, process: u32) -> bool {
        Dice::new(self.seed ^ u64::from(process), "tail").one_in(2)
    }

    pub(super) async fn sleep(&self, span: Span) {
        self.clock.sleep_until(self.clock.now() + span).await;
    }
}

/// The instant at which every schedule begins.
fn beginning() -> Timestamp {
    Timestamp(1_795_230_000_000)
}

/// How many processes may come to a run before somebody asks whether it will ever end.
const MOST: u32 = 80;

/// Plays a case with a seed. Must be called in a runtime whose time is paused.
pub async fn play(case: &Case, seed: u64, seams: &Arc<Seams>) -> Played {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::virtual_from(beginning()));
    let (told, hears) = unbounded_channel();
    let schedule = schedule(case, seed);
    let world = Opened::in_memory(case.checked.runbook(), seed, beginning(), &[]);
    let world = match world {
        Ok(world) => Arc::new(world.start(clock.clone())),
        Err(why) => return Played::not_begun(seed, why.to_string()),
    };
    let (judge, mut dice) = (Arc::new(Judge::default()), Dice::new(seed, "scene"));
    let knows_dead = dice.one_in(2);
    let stage = Arc::new(Stage {
        seams: seams.clone(),
        store: SimStore::new(&clock, judge.clone(), knows_dead, &seams.kept),
        wire: Wire::new(&world, &clock, seed),
        sandbox: world,
        clock,
        judge,
        key: plans::key(case),
        told,
        seed,
    });
    let mut scene = Scene::new(stage, dice, hears);
    scene.all(case, seed, schedule).await
}

fn schedule(case: &Case, seed: u64) -> Schedule {
    let steps: Vec<StepId> = case.checked.runbook().steps(case.direction).iter().map(|step| step.id.clone()).collect();
    match &case.troubles {
        Troubles::Drawn => Schedule::draw(seed, case.mode, &steps),
        Troubles::Mishaps => Schedule::draw(seed, case.mode, &steps).without_whims(),
        Troubles::Only(faults) => Schedule { world: faults.clone(), ..Schedule::default() },
        Troubles::Told(schedule) => schedule.clone(),
    }
}

struct Scene {
    stage: Arc<Stage>,
    dice: Dice,
    hears: UnboundedReceiver<(u32, Deed)>,
    lives: BTreeMap<u32, Life>,
    over: UnboundedSender<(u32, End)>,
    ended: UnboundedReceiver<(u32, End)>,
    /// How many processes there were.
    count: u32,
    people: People,
    /// What is to happen to the next processes.
    troubles: std::vec::IntoIter<Trouble>,
    /// How much of it happened.
    struck: usize,
    ends: Vec<String>,
}

/// What happened next.
enum News {
    Told(u32, Deed),
    Over(u32, End),
    Silence,
}

impl Scene {
    fn new(stage: Arc<Stage>, dice: Dice, hears: UnboundedReceiver<(u32, Deed)>) -> Self {
        let (over, ended) = unbounded_channel();
        Self {
            stage,
            dice,
            hears,
            lives: BTreeMap::new(),
            over,
            ended,
            count: 0,
            people: People::default(),
            troubles: vec![].into_iter(),
            struck: 0,
            ends: vec![],
        }
    }

    async fn all(&mut self, case: &Case, seed: u64, schedule: Schedule) -> Played {
        let mut last: Option<RunState> = None;
        for (n, (direction, mode)) in before(case).into_iter().enumerate() {
            let leg = Leg { direction, mode, run: RunId::new(format!("r{}", n + 1)), last: last.as_ref() };
            match self.leg(case, &leg).await {
                Ok(state) => last = Some(state),
                Err(why) => return Played::not_begun(seed, why),
            }
        }
        let before = self.stage.sandbox.lived().unwrap_or_default();
        for fault in &schedule.world {
            // What a world in memory is told it takes.
            drop(self.stage.sandbox.strike(fault));
        }
        self.stage.store.sickens(schedule.store.clone());
        self.stage.wire.slows(schedule.wire.clone());
        self.troubles = schedule.lives.clone().into_iter();
        let run = RunId::new(format!("r{}", before_count(case) + 1));
        let leg = Leg { direction: case.direction, mode: case.mode, run: run.clone(), last: last.as_ref() };
        let went = self.leg(case, &leg).await;
        let ends = std::mem::take(&mut self.ends);
        verdict::judge(&self.stage, case, (seed, schedule, ends, self.struck), (run, went.err()), &before).await
    }

    /// Plays one run until it has ended and nobody is left who drives it.
    async fn leg(&mut self, case: &Case, leg: &Leg<'_>) -> Result<RunState, String> {
        let stage = self.stage.clone();
        let plan = plans::plan(case, leg, &*stage.sandbox, &*stage.clock).await?;
        let policy = policy(&plan);
        let start = Start {
            owed: leg.last.iter().flat_map(|last| last.owed.iter().cloned()).collect(),
            held: leg.last.map(Inherited::all).unwrap_or_default(),
            ..Start::new(plan, Realm::Sandbox, policy.clone())
        };
        self.people = People::default();
        self.live(&leg.run, Errand::Begin(Box::new(start.clone())));
        loop {
            match self.news().await {
                News::Told(number, deed) => self.hear(number, deed, &leg.run, &policy).await,
                News::Over(number, end) => self.mourn(number, &end),
                News::Silence => return Err("nobody does anything any more".into()),
            }
            if !self.lives.is_empty() {
                continue;
            }
            if stage.judge.ended(&leg.run) {
                break;
            }
            if self.count > MOST {
                return Err(format!("it does not come to its end: {MOST} processes took it up"));
            }
            let again = self.come(&leg.run, (&start, &policy)).await;
            self.live(&leg.run, again);
        }
        stage.judge.run(&leg.run).ok_or_else(|| "the run left no trace".into())
    }

    async fn news(&mut self) -> News {
        /// Nothing that is alive is silent for so long.
        const LONG: Span = Span::hours(72);
        tokio::select! {
            biased;
            Some((number, deed)) = self.hears.recv() => News::Told(number, deed),
            Some((number, end)) = self.ended.recv() => News::Over(number, end),
            () = self.stage.sleep(LONG) => News::Silence,
        }
    }

    fn live(&mut self, run: &RunId, errand: Errand) {
        self.count += 1;
        let trouble = self.troubles.next().unwrap_or_default();
        self.struck += usize::from(trouble.skew != 0);
        let life = life::begin(&self.stage, (self.count, trouble), run, errand, self.over.clone());
        self.lives.insert(self.count, life);
    }

    fn mourn(&mut self, number: u32, end: &End) {
        self.lives.remove(&number);
        self.ends.push(match end {
            End::Killed => format!("process {number} was killed"),
            End::Busy => format!("process {number} found the run held by another"),
            End::Rest(ended) => format!("process {number} came to rest: {ended:?}"),
            End::Broke(why) => format!("process {number} ended: {why}"),
        });
    }

    /// Something struck a process that others have to do with.
    async fn hear(&mut self, number: u32, deed: Deed, run: &RunId, policy: &Policy) {
        // Nobody says of what may have happened what they do not know.
        if matches!(&deed, Deed::Asked(control) if self.says_what_became(run, control)) {
            return;
        }
        self.struck += 1;
        match deed {
            Deed::Dies => {}
            Deed::Interrupted => {
                if let Some(life) = self.lives.get(&number) {
                    life.signals.raise(Signal::Interrupt);
                }
            }
            Deed::Asked(control) => self.post(run, &control).await,
            Deed::Rival => self.live(run, Errand::TakeUp(policy.clone())),
            Deed::TakenOver => self.live(run, Errand::TakeOver(policy.clone())),
            // Who is stopped for longer than a lease may find somebody else in its place.
            Deed::Stops { span, .. } if span > LEASE && !self.dice.one_in(3) => {
                let after = self.dice.span(Span::secs(1), Span::secs(20));
                self.stage.sleep(LEASE + after).await;
                let stopped =
                    self.lives.get(&number).is_some_and(|life| life.vitals.pulse() == super::vitals::Pulse::Stopped);
                if stopped {
                    self.live(run, Errand::TakeUp(policy.clone()));
                }
            }
            Deed::Stops { .. } => {}
        }
    }

    /// Whether a control answers what became of a call.
    fn says_what_became(&self, run: &RunId, control: &Control) -> bool {
        let Control::Answer { ask, .. } = control else { return false };
        let state = self.stage.judge.run(run);
        state.is_some_and(|state| state.asks.get(ask).is_some_and(|ask| ask.question == Question::InDoubt))
    }

    async fn post(&self, run: &RunId, control: &Control) {
        let who = Who { operator: "grace".into(), host: "simulation".into(), pid: 0 };
        // Of a run that does not exist yet nobody can ask anything.
        drop(self.stage.store.kept().post(run, control, &who, self.stage.clock.now()).await);
    }

    /// After a while people come to a run that nobody drives, and say what they have to say.
    async fn come(&mut self, run: &RunId, (start, policy): (&Start, &Policy)) -> Errand {
        let after = self.dice.span(Span::secs(2), Span::mins(2));
        self.stage.sleep(self.people.come_after(after)).await;
        let Some(state) = self.stage.judge.run(run) else { return Errand::Begin(Box::new(start.clone())) };
        // Who is asked what became of a call does not answer while it may still arrive.
        let asked = state.open_asks().any(|(_, ask)| ask.question == Question::InDoubt);
        while asked && !self.stage.wire.is_idle() {
            self.stage.sleep(Span::secs(5)).await;
        }
        for control in self.people.say(&state, &self.stage.sandbox) {
            self.post(run, &control).await;
        }
        Errand::TakeUp(policy.clone())
    }
}

/// The legs before the one that is looked at.
fn before(case: &Case) -> Vec<(Direction, Mode)> {
    match case.direction {
        Direction::Failover => vec![],
        Direction::Reprotect => vec![(Direction::Failover, case.mode)],
        Direction::Failback => vec![(Direction::Failover, Mode::Planned), (Direction::Reprotect, Mode::Planned)],
    }
}

fn before_count(case: &Case) -> usize {
    before(case).len()
}

/// Consent to all that the plan cannot take back, yes to what is ordinary, any loss.
fn policy(plan: &Plan) -> Policy {
    Policy {
        yes: true,
        accept: plan.irreversible().map(|step| step.id.clone()).collect(),
        accept_loss: Some(AcceptLoss::Unknown),
        unattended: false,
        interactive: false,
        reach: None,
    }
}
