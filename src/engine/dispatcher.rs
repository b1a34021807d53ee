//! The loop: one input, decide, one commit, fold, tell, begin what is wanted.

mod leaving;

use super::{
    control,
    decide::{Cx, Live, decide},
    doors::{Deps, Doors, Ended, EngineError, Signal},
    late,
    past::{self, Took},
    poller::{Poller, glance},
    state::RunState,
    steps, views,
    wanted::wanted,
};
use crate::{
    clock::{Hold, Span, Timestamp},
    driver::SendError,
    event::{Control, Event, EventKind, Notice, Posted, Request, StepView},
    ids::{ControlId, Digest, EffectNo, SiteName, StepId},
    model::Mode,
    store::StoreError,
    world::{Receipt, Sight, Target, World, permit::Permit},
};
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What was seen so long ago at most is what a step begins with: an answer of AWS takes as long.
pub(super) const MOMENT: Span = Span::ms(500);

/// Everything that can happen to a run.
enum Input {
    Seen(u64, Vec<Sight>),
    Answer(Answer),
    Request(Request),
    Signal(Signal),
    Due,
}

/// What became of a send.
struct Answer {
    step: StepId,
    effect: EffectNo,
    how: How,
}

enum How {
    Sent(Result<Receipt, SendError>),
    /// Somebody else changed its target before it was sent: it was not.
    Overtaken,
}

/// So much is decided on at once at most.
const AT_ONCE: usize = 10_000;

/// A run and all that is under way for it.
pub(super) struct Dispatcher {
    deps: Deps,
    doors: Doors,
    state: RunState,
    world: World,
    live: Live,
    poller: Poller,
    permits: HashMap<(StepId, EffectNo), Permit, FixedState>,
    inputs: (UnboundedSender<Input>, UnboundedReceiver<Input>),
    interrupts: u32,
    wake: Option<Timestamp>,
    last_inbox: Timestamp,
    /// The inbox could not be read the last time.
    deaf: bool,
    /// Since when this process has seen all that happened.
    watched: Timestamp,
    hold: Option<Hold>,
    told: BTreeMap<StepId, StepView>,
    /// How long calls took, not kept yet.
    took: Vec<Took>,
    /// What became of sends, to be decided on.
    answers: Vec<Answer>,
    /// Facts that the state holds already and the journal does not: they go with the next commit.
    batch: Vec<Event>,
}

impl Dispatcher {
    /// The loop of a run, in a world that was seen just now, as far as it was.
    pub(super) fn new(deps: Deps, doors: Doors, state: RunState, world: World) -> Self {
        let emergency = state.plan.mode == Mode::Emergency && state.plan.direction.is_move();
        // Reads of a site that may be gone never delay an emergency.
        let limits: BTreeMap<SiteName, Span> =
            emergency.then(|| (state.plan.ends.from.name.clone(), Span::secs(3))).into_iter().collect();
        let poller = Poller::new(deps.look.clone(), limits);
        let live = Live { interactive: deps.interactive, stop_calls: false };
        let last_inbox = deps.clock.now();
        Self {
            deps,
            doors,
            state,
            world,
            live,
            poller,
            permits: HashMap::default(),
            inputs: unbounded_channel(),
            interrupts: 0,
            wake: None,
            last_inbox,
            deaf: false,
            watched: Timestamp(0),
            hold: None,
            told: BTreeMap::new(),
            took: vec![],
            answers: vec![],
            batch: vec![],
        }
    }

    /// The same, of a run whose start is not in its journal yet.
    pub(super) fn beginning(self, started: Event) -> Self {
        Self { batch: vec![started], ..self }
    }

    /// The same, with its seal in the place that was kept for it.
    pub(super) fn sealed(mut self, with: Digest) -> Self {
        let kept = self.batch.iter_mut().find_map(|event| match &mut event.kind {
            EventKind::PlanSealed { digest } => Some(digest),
            _ => None,
        });
        *kept.expect("a run begins with its start and its seal") = with;
        self
    }

    pub(super) fn state(&self) -> &RunState {
        &self.state
    }

    /// Drives the run until it ends or waits for people.
    pub(super) async fn run(mut self) -> Result<(Ended, RunState), EngineError> {
        loop {
            self.turn(true).await?;
            if let Some(ended) = self.ended() {
                past::keep(&**self.deps.journal.store(), std::mem::take(&mut self.took)).await;
                let Self { state, deps, .. } = self;
                match deps.journal.release().await {
                    // Whoever took it over finds a run that has ended.
                    Err(StoreError::Fenced(_)) if state.outcome.is_some() => {}
                    released => released?,
                }
                return Ok((ended, state));
            }
            self.begin().await;
            let inputs = self.next().await;
            if self.take(inputs).await? {
                return Ok((Ended::Left, self.state));
            }
        }
    }

    /// Takes in what became of sends, decides until there is nothing new, and commits all of it at once:
    /// the answers to sends and the intents of the next ones are one commit, however many they are. The
    /// state is ahead of the journal meanwhile; where the commit fails, the process ends.
    async fn turn(&mut self, decides: bool) -> Result<(), EngineError> {
        let now = self.deps.clock.now();
        for answer in std::mem::take(&mut self.answers) {
            let facts = answer.facts(&Cx { state: &self.state, world: &self.world, now, live: self.live });
            self.fold(facts, now)?;
        }
        if decides {
            self.decide(now)?;
        }
        self.append().await
    }

    /// Decides until there is nothing new.
    pub(super) fn decide(&mut self, now: Timestamp) -> Result<(), EngineError> {
        loop {
            let turn = decide(&self.state, &self.world, now, self.live);
            self.wake = turn.wake;
            if turn.events.is_empty() {
                return Ok(());
            }
            self.fold(turn.events, now)?;
        }
    }

    /// Commits facts that nobody decided: controls and signals.
    pub(super) async fn commit(&mut self, kinds: Vec<EventKind>) -> Result<(), EngineError> {
        self.fold(kinds, self.deps.clock.now())?;
        self.append().await
    }

    /// Takes facts in; they go with the next commit.
    pub(super) fn fold(
        &mut self,
        kinds: impl IntoIterator<Item = EventKind>,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        for kind in kinds {
            let event = self.event(kind, now);
            self.state.apply(&event)?;
            self.forget(&event);
            self.batch.push(event);
        }
        Ok(())
    }

    async fn append(&mut self) -> Result<(), EngineError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let permits = self.deps.journal.append(&self.batch).await?;
        self.took.extend(past::took(&self.state, &self.batch, self.watched));
        let intents = self.batch.iter().filter_map(|e| match &e.kind {
            EventKind::EffectIntended { step, effect, .. } => Some((step.clone(), *effect)),
            _ => None,
        });
        self.permits.extend(intents.zip(permits));
        self.batch.iter().for_each(|event| self.tell(|| Notice::Event(Box::new(event.clone()))));
        self.batch.clear();
        Ok(())
    }

    fn event(&self, kind: EventKind, now: Timestamp) -> Event {
        // Time never goes back inside a run, whatever the clock of the machine does.
        Event {
            run: self.state.run.clone(),
            seq: self.state.head.next(),
            epoch: self.deps.journal.epoch(),
            at: now.max(self.state.last_at),
            kind,
        }
    }

    /// What a fact makes stale is looked at anew.
    fn forget(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::RunContinued { .. } | EventKind::RunResumed { .. }) {
            // Nobody watched meanwhile.
            self.watched = event.at;
            self.world = World::default();
            self.poller.forget_all();
            return;
        }
        if self.world.targets().next().is_none() && self.poller.flying().next().is_none() {
            // Nothing was seen and nobody looks: nothing is stale.
            return;
        }
        let (step, changed) = match &event.kind {
            EventKind::AttemptStarted { step, .. }
            | EventKind::EffectRefused { step, .. }
            | EventKind::StepRetried { step, .. } => (step, None),
            EventKind::EffectApplied { step, effect, .. }
            | EventKind::EffectInDoubt { step, effect, .. }
            | EventKind::EffectSettled { step, effect, .. } => (step, Some(effect)),
            _ => return,
        };
        let Some((plan, run)) = self.state.step(step) else { return };
        let cx = Cx { state: &self.state, world: &self.world, now: event.at, live: self.live };
        let mut stale = run.inputs.as_ref().map(|inputs| steps::concerns(&cx, plan, run, inputs)).unwrap_or_default();
        if let Some(effect) = changed.and_then(|no| run.effects.get(no)).map(|run| &run.effect) {
            // What is described of the step's other resources stays as it was.
            stale.retain(|target| !target.what.is_described() || effect.unsettles(target));
            stale.extend(self.poller.flying().chain(self.world.targets()).filter(|t| effect.unsettles(t)).cloned());
            stale.insert(effect.target.clone());
        }
        stale.iter().for_each(|target| self.poller.forget(target));
        if matches!(event.kind, EventKind::AttemptStarted { .. }) {
            // What the plan or another step saw a moment ago, with no change of ours since, is not asked again.
            let recent = |t: &Target| self.world.sight(t).is_some_and(|s| s.at + MOMENT >= event.at);
            let kept: BTreeSet<_> = stale.extract_if(.., |t| t.what.is_described() && recent(t)).collect();
            kept.iter().for_each(|target| self.world.seen_before(target, event.at));
        }
        stale.iter().for_each(|target| self.world.forget(target));
    }

    /// Begins what is wanted and not under way.
    async fn begin(&mut self) {
        let now = self.deps.clock.now();
        let wanted = wanted(&self.state, &self.world, now, self.live);
        for key in wanted.sends {
            if let Some(permit) = self.permits.remove(&key) {
                self.send(key, permit);
            }
        }
        // A cache: nothing that is sent waits for it.
        past::keep(&**self.deps.journal.store(), std::mem::take(&mut self.took)).await;
        self.poller.past.recall(&**self.deps.journal.store(), &wanted.looks, now).await;
        let (glances, next) = self.poller.due(&wanted.looks, &self.world, now);
        for one in glances {
            let (to, clock) = (self.inputs.0.clone(), self.deps.clock.clone());
            tokio::spawn(async move { drop(to.send(Input::Seen(one.id, glance(&one, &*clock).await))) });
        }
        self.wake = [self.wake, next].into_iter().flatten().min();
        let asking = self.live.interactive && (self.state.open_asks().next().is_some() || self.state.paused.is_some());
        self.hold = match (asking, self.hold.take()) {
            (true, held) => Some(held.unwrap_or_else(|| self.deps.clock.hold())),
            (false, _) => None,
        };
        self.progress(now);
    }

    /// Sends one effect. No answer in time means that nobody knows.
    fn send(&self, key: (StepId, EffectNo), permit: Permit) {
        const LIMIT: Span = Span::secs(30);
        let run = &self.state.steps[&key.0].effects[&key.1];
        let (effect, before, look) = (run.effect.clone(), run.before.clone(), self.deps.look.clone());
        let limit = match &effect.call {
            crate::world::Call::Run(run) => run.limit,
            _ => LIMIT,
        };
        let (to, act, clock) = (self.inputs.0.clone(), self.deps.act.clone(), self.deps.clock.clone());
        tokio::spawn(async move {
            if late::overtaken(&*look, &*clock, &effect, &before).await {
                drop(to.send(Input::Answer(Answer { step: key.0, effect: key.1, how: How::Overtaken })));
                return;
            }
            let until = clock.now() + limit;
            let result = tokio::select! {
                biased;
                result = act.send(permit, &effect) => result,
                () = clock.sleep_until(until) => Err(SendError::InDoubt { why: format!("no answer within {limit} after it was sent") }),
            };
            drop(to.send(Input::Answer(Answer { step: key.0, effect: key.1, how: How::Sent(result) })));
        });
    }

    /// What happens next, and with it all that happened by then: many answers come at the same moment.
    async fn next(&mut self) -> Vec<Input> {
        let now = self.deps.clock.now();
        let tick = now + self.deps.tempo.0;
        // Never at once: what is due but has to wait for something else must not keep the runtime from
        // hearing signals and answers.
        let wake = self.wake.map_or(tick, |w| w.min(tick)).max(now + Span::ms(10));
        let first = tokio::select! {
            biased;
            signal = self.doors.signals.next() => return vec![Input::Signal(signal)],
            Some(input) = self.inputs.1.recv() => input,
            Some(request) = self.doors.requests.recv() => return vec![Input::Request(request)],
            () = self.deps.clock.sleep_until(wake) => return vec![Input::Due],
        };
        let mut all = vec![first];
        loop {
            let before = all.len();
            // Whoever else is ready to answer has its turn first.
            tokio::task::yield_now().await;
            while all.len() < AT_ONCE
                && let Ok(more) = self.inputs.1.try_recv()
            {
                all.push(more);
            }
            if all.len() == before || all.len() == AT_ONCE {
                return all;
            }
        }
    }

    /// Takes in what happened. Gives whether the process leaves at once.
    async fn take(&mut self, inputs: Vec<Input>) -> Result<bool, EngineError> {
        for input in inputs {
            match input {
                Input::Seen(id, sights) => {
                    let fresh = self.poller.landed(id, sights);
                    self.tell(|| Notice::Seen(fresh.clone()));
                    for sight in fresh {
                        self.world.put(sight);
                    }
                }
                Input::Answer(answer) => self.answers.push(answer),
                Input::Request(Request::Leave) => self.leave(),
                Input::Request(Request::Control(control)) => self.control(control).await?,
                Input::Signal(signal) => return self.signal(signal).await,
                Input::Due => {}
            }
        }
        self.housekeeping().await?;
        Ok(false)
    }

    /// What has to be done every now and then, whatever happens, and before anything is decided: the lease,
    /// the inbox, the clock.
    async fn housekeeping(&mut self) -> Result<(), EngineError> {
        const RENEW_BEFORE: Span = Span::secs(20);
        let left = self.deps.journal.deadline().since(self.deps.boot.boot());
        if left < RENEW_BEFORE {
            self.renew().await?;
        }
        let now = self.deps.clock.now();
        self.tell(|| Notice::Tick(now));
        if now < self.last_inbox + self.deps.tempo.0 {
            return Ok(());
        }
        self.last_inbox = now;
        let posted = self.posted().await?;
        if !posted.is_empty() {
            // People decide on what happened by then.
            self.turn(false).await?;
        }
        for one in posted {
            let events = control::receive(&self.state, &one);
            self.commit(events).await?;
        }
        Ok(())
    }

    /// What people posted since. What cannot be read now can be in a moment, and stays there till then.
    async fn posted(&mut self) -> Result<Vec<Posted>, EngineError> {
        match self.deps.journal.store().inbox(&self.state.run, self.state.last_control).await {
            Err(StoreError::Outage { why, .. }) if !self.deps.journal.expired() => {
                if !std::mem::replace(&mut self.deaf, true) {
                    self.say(format!("what other terminals ask cannot be read, and is tried again: {why}"));
                }
                Ok(vec![])
            }
            other => {
                self.deaf = false;
                Ok(other?)
            }
        }
    }

    /// Renews the lease. A store that cannot be reached now may be in a moment: there is time left.
    async fn renew(&mut self) -> Result<(), EngineError> {
        match self.deps.journal.renew().await {
            Err(StoreError::Outage { .. }) if !self.deps.journal.expired() => Ok(()),
            other => Ok(other?),
        }
    }

    /// A control from the run's own terminal: it needs no inbox.
    async fn control(&mut self, control: Control) -> Result<(), EngineError> {
        let now = self.deps.clock.now();
        let posted = Posted { id: ControlId(0), at: now, by: self.deps.who.clone(), control };
        let events = control::receive(&self.state, &posted);
        self.commit(events).await
    }

    pub(super) fn tell(&self, notice: impl FnOnce() -> Notice) {
        if self.deps.watchers.is_empty() {
            return;
        }
        let notice = notice();
        for watch in &self.deps.watchers {
            watch(&notice);
        }
    }

    /// Tells watchers what the running steps wait for, where that changed.
    fn progress(&mut self, now: Timestamp) {
        if self.deps.watchers.is_empty() {
            return;
        }
        let views = views::of(&Cx { state: &self.state, world: &self.world, now, live: self.live });
        for (id, view) in &views {
            if self.told.get(id) != Some(view) {
                self.tell(|| Notice::Step(view.clone()));
            }
        }
        self.told = views;
    }
}

impl Answer {
    /// The facts that it gives.
    fn facts(self, cx: &Cx<'_>) -> Vec<EventKind> {
        let Some(step) = cx.state.planned(&self.step) else { return vec![] };
        match self.how {
            How::Sent(result) => steps::answered(cx, step, self.effect, result),
            How::Overtaken => steps::overtaken(cx, step, self.effect),
        }
    }
}
