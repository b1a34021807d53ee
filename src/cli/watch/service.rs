//! The loop of a watcher.

use super::{
    Told,
    eyes::Sight,
    pages::{self, Page},
    runs::{OPERATOR, Runs},
    shelf::Shelf,
    stats::Stats,
    ways::{self, Arrived},
};
use crate::{
    alarm::Signal,
    cli::{
        args::{
            Common, Output,
            watch::{TriggerArgs, WatchArgs},
        },
        exit::{Failure, code},
        said::book,
        signals,
        wiring::{commands, store, who},
    },
    clock::{Clock, Span, Timestamp, TokioClock},
    engine::{self, Signals},
    event::{Decision, Note, NoteKind, TriggerId},
    ids::{LeaseKey, NoteNo},
    store::StoreError,
    view::{self, notes},
    watch::{Keeper, Standing, id_of},
};
use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};

/// How often every alarm is looked at, since a lost message is not repeated.
const RECONCILE: Span = Span::mins(5);
/// How often the runbooks' files are looked at, and runs that nobody holds.
const TEND: Span = Span::secs(2);
/// How many messages are decided on at once.
const AT_ONCE: usize = 100;

/// A watcher.
pub(super) struct Service {
    common: Common,
    keeper: Keeper,
    shelf: Arc<Mutex<Shelf>>,
    sight: Arc<Sight>,
    runs: Runs,
    clock: Arc<dyn Clock>,
    signals: Signals,
    arrivals: Receiver<Arrived>,
    told: UnboundedReceiver<Told>,
    to: UnboundedSender<Told>,
    stats: Arc<Stats>,
    reconcile: Timestamp,
    tend: Timestamp,
    /// Of which runbook each failover is that was to begin.
    begun: BTreeMap<NoteNo, String>,
    /// What could not be begun, and when it is tried again.
    later: BTreeMap<NoteNo, Timestamp>,
    /// How many runs go on in this process.
    running: usize,
    /// One message is followed to its end: the worst code so far.
    once: Option<u8>,
    /// It was told to stop, and waits for its runs to come to rest.
    stopping: bool,
}

impl Service {
    pub(super) async fn open(common: &Common, args: &WatchArgs) -> Result<Self, Failure> {
        let shelf = Shelf::open(&args.files)?;
        let (into, arrivals) = channel(AT_ONCE);
        let (to, told) = unbounded_channel();
        let service = Self::of(common, shelf, (arrivals, told, to), args.stdin.then_some(code::DONE)).await?;
        service.announce(args);
        ways::open(args, &service.sight, into, (&service.stats, &service.to)).await?;
        Ok(service)
    }

    async fn of(
        common: &Common,
        shelf: Shelf,
        (arrivals, told, to): (Receiver<Arrived>, UnboundedReceiver<Told>, UnboundedSender<Told>),
        once: Option<u8>,
    ) -> Result<Self, Failure> {
        let (store, book) = (store(common, true)?, book(common)?);
        let policies = shelf.policies();
        let shelf = Arc::new(Mutex::new(shelf));
        let sight = Arc::new(Sight::new(common, store.clone(), shelf.clone()));
        let world = policies.values().next().and_then(|runbook| sight.world(runbook)).filter(|w| w.sandbox.is_some());
        let clock: Arc<dyn Clock> = match &world {
            Some(world) => world.clock.clone(),
            None => Arc::new(TokioClock::scaled(Timestamp::wall(), 1)),
        };
        let who = who(Some(&OPERATOR.to_owned()));
        let keeper = Keeper::open(book, sight.clone(), who, policies).await?;
        let now = clock.now();
        Ok(Self {
            common: common.clone(),
            keeper,
            shelf,
            sight,
            runs: Runs { common: common.clone(), store, to: to.clone(), world, taken: Arc::default() },
            clock,
            signals: signals::listen()?,
            arrivals,
            told,
            to,
            stats: Arc::default(),
            reconcile: now,
            tend: now,
            begun: BTreeMap::new(),
            later: BTreeMap::new(),
            running: 0,
            once,
            stopping: false,
        })
    }

    /// Says what is watched, and what it rests on.
    fn announce(&self, args: &WatchArgs) {
        let triggers: Vec<_> =
            self.keeper.policies().values().flat_map(|r| r.triggers.iter().map(|t| id_of(r, t).to_string())).collect();
        self.log(&format!("watches {}", triggers.join(", ")));
        if !self.common.sandbox {
            self.log("its record is on this machine alone: a second watcher protects against the end of this process, not of this host");
        }
        if args.queue.is_empty() && args.listen.is_none() && !args.stdin {
            self.log(&format!("no way in is open: alarms are only looked at, every {RECONCILE}"));
        }
        if let Some((who, since, why)) = &self.keeper.ledger().brake {
            self.log(&format!("the brake is on since {since}, by {}: {why}", who.operator));
        }
    }

    /// Goes on until it is stopped, or one message is followed to its end.
    pub(super) async fn run(mut self) -> Result<u8, Failure> {
        loop {
            let wake = if self.stopping { self.clock.now() + TEND } else { self.work().await };
            if let Some(code) = self.ends() {
                return Ok(code);
            }
            let (signals, clock) = (self.signals.clone(), self.clock.clone());
            tokio::select! {
                biased;
                signal = signals.next() => if self.stops(signal) { return Ok(code::LEFT) },
                Some(told) = self.told.recv() => self.told(told).await,
                Some(first) = self.arrivals.recv(), if !self.stopping => self.hear(first).await,
                () = clock.sleep_until(wake) => {}
            }
        }
    }

    /// Does what is due. Gives when something is due next. A store that does not work now may later.
    async fn work(&mut self) -> Timestamp {
        let now = self.clock.now();
        self.stats.alive(now);
        if now >= self.tend {
            self.tend = now + TEND;
            self.tend().await;
        }
        if now >= self.reconcile {
            self.reconcile = now + RECONCILE;
            self.look();
        }
        let due = match self.keeper.turn(now).await {
            Ok(due) => due,
            Err(error) => {
                self.trouble(&error);
                Some(now + TEND)
            }
        };
        self.begin(now);
        self.tell_news();
        let all = [Some(self.tend), Some(self.reconcile), due, self.later.values().min().copied()];
        all.into_iter().flatten().min().unwrap_or(self.tend).max(now + Span::ms(10))
    }

    /// Takes messages in; those that came meanwhile too. They are let go of once all is on disk.
    async fn hear(&mut self, first: Arrived) {
        let mut batch = vec![first];
        while batch.len() < AT_ONCE
            && let Ok(more) = self.arrivals.try_recv()
        {
            batch.push(more);
        }
        let heard: Vec<Signal> = batch.iter().filter_map(|one| one.signal.clone()).collect();
        let done = self.keeper.hear(&heard, self.clock.now()).await;
        if let Err(error) = &done {
            self.trouble(error);
        }
        self.stats.heard(heard.len());
        batch.into_iter().for_each(|one| one.settle(done.is_ok()));
    }

    async fn told(&mut self, told: Told) {
        let now = self.clock.now();
        let done = match told {
            Told::Began { decision, run } => {
                self.stats.began();
                self.keeper.settled(decision, Ok(run), now).await
            }
            Told::NotBegun { decision, why } => {
                self.rests(code::REFUSED);
                self.keeper.settled(decision, Err(why), now).await
            }
            Told::Later { decision } => {
                self.later.insert(decision, super::runs::later(now));
                self.rests(code::BUSY);
                Ok(())
            }
            Told::TakenUp => {
                self.running += 1;
                Ok(())
            }
            Told::Rests { code } => {
                self.rests(code);
                Ok(())
            }
            Told::Page { runbook, page } => {
                self.page(&runbook, page);
                Ok(())
            }
            Told::Paged { to, message, failed } => {
                self.stats.paged(failed.is_none());
                self.keeper.note(NoteKind::Told { to, message, failed }, now).await
            }
            Told::Looked(signals) => self.keeper.hear(&signals, now).await,
            Told::Line(line) => {
                self.log(&line);
                Ok(())
            }
        };
        if let Err(error) = done {
            self.trouble(&error);
        }
    }

    /// Begins what was decided and is free to begin.
    fn begin(&mut self, now: Timestamp) {
        let again: Vec<_> = self.later.iter().filter(|(_, at)| now >= **at).map(|(no, _)| *no).collect();
        for no in again {
            self.later.remove(&no);
            self.keeper.put_back(no);
        }
        for start in self.keeper.starts(now) {
            let Some(loaded) = self.shelf().loaded(&start.what.id.runbook) else { continue };
            self.running += 1;
            self.begun.insert(start.decision, start.what.id.runbook.clone());
            self.runs.begin(start, loaded);
        }
    }

    /// What is done every few seconds: runbooks that changed, runs that nobody holds.
    async fn tend(&mut self) {
        let (said, new) = self.shelf().renew();
        said.iter().for_each(|line| self.log(line));
        if new {
            let policies = self.shelf().policies();
            self.keeper.watch(policies);
        }
        if self.once.is_some() {
            // It follows its own message, and no other run.
            return;
        }
        let keys = self.keeper.policies().keys().map(LeaseKey::new).collect();
        self.runs.take_up_orphans(keys).await;
    }

    /// Looks at every alarm that a trigger names.
    fn look(&self) {
        let (sight, to) = (self.sight.clone(), self.to.clone());
        let policies = self.keeper.policies().clone();
        tokio::spawn(async move {
            for runbook in policies.values() {
                let seen = sight.all(runbook).await;
                drop(to.send(Told::Looked(seen)));
            }
        });
    }

    /// Says what was written, and tells people what they must know of it.
    fn tell_news(&mut self) {
        for note in self.keeper.news() {
            self.log_note(&note);
            self.stats.decided(&note.kind);
            if let Some((runbook, page)) = self.page_of(&note) {
                self.page(&runbook, page);
            }
        }
    }

    fn page_of(&self, note: &Note) -> Option<(String, Page)> {
        let NoteKind::Decided { id: TriggerId { runbook, trigger }, decision } = &note.kind else {
            return self.page_of_failure(note);
        };
        let known = self.commands(runbook);
        let (text, next) = match decision {
            Decision::Observed { .. } => {
                ("it is true, and only observed: a person decides".to_owned(), known.on_file("status"))
            }
            Decision::Prevented { why, next, .. } => (format!("it is true, and prevented: {why}"), next.clone()),
            _ => return None,
        };
        let subject = format!("lifeboat trigger {runbook}/{trigger}");
        Some((runbook.clone(), Page { subject, text, next: Some(next), run: None }))
    }

    fn page_of_failure(&self, note: &Note) -> Option<(String, Page)> {
        let NoteKind::NotBegun { why, decision } = &note.kind else { return None };
        let runbook = self.begun.get(decision)?.clone();
        let next = self.commands(&runbook).on_file("status");
        let text = format!("the failover that note {decision} decided did not begin: {why}");
        Some((runbook, Page { subject: "lifeboat watch".into(), text, next: Some(next), run: None }))
    }

    /// Tells people, wherever the runbook says.
    fn page(&self, runbook: &str, page: Page) {
        self.log(&format!("people are told: {}", page.line()));
        let Some(found) = self.keeper.policies().get(runbook).cloned() else { return };
        let world = self.sight.world(&found);
        let to = self.to.clone();
        tokio::spawn(async move {
            for place in &found.notify {
                let (place, failed) = pages::tell(world.as_ref(), place, &page).await;
                drop(to.send(Told::Paged { to: place, message: page.line(), failed }));
            }
        });
    }

    fn commands(&self, runbook: &str) -> view::Commands {
        let typed = self.shelf().loaded(runbook).map(|l| l.typed).unwrap_or_default();
        commands(&self.common, &typed)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run came to rest.
    fn rests(&mut self, code: u8) {
        self.running = self.running.saturating_sub(1);
        self.once = self.once.map(|worst| worst.max(code));
    }

    /// Whether nothing is left to do, and the code of that.
    fn ends(&self) -> Option<u8> {
        if self.running > 0 || !self.told.is_empty() {
            return None;
        }
        if self.stopping {
            return Some(code::DONE);
        }
        let (worst, ledger) = (self.once?, self.keeper.ledger());
        let holds = ledger.standing.values().any(|s| matches!(s, Standing::Holding { .. }));
        let open = !self.arrivals.is_closed() || !self.arrivals.is_empty();
        (!holds && !open && ledger.pending.is_empty()).then_some(worst)
    }

    /// A terminal that hangs up stops no service; all else does, the second time at once.
    fn stops(&mut self, signal: engine::Signal) -> bool {
        if signal == engine::Signal::Hangup {
            return false;
        }
        if !self.stopping {
            self.log("stops: runs that go on pause at their next safe point, and the next watcher takes them up");
        }
        std::mem::replace(&mut self.stopping, true)
    }

    fn trouble(&self, error: &StoreError) {
        self.stats.trouble();
        self.log(&format!("the record cannot be used, and is tried again: {error}"));
    }

    fn log(&self, line: &str) {
        log(&self.common, line);
    }

    fn log_note(&self, note: &Note) {
        match self.common.output {
            Output::Human => self.log(&notes::words(&note.kind)),
            Output::Json => drop(writeln!(std::io::stdout().lock(), "{}", notes::object(note))),
        }
    }
}

/// A line of the log: for people to stderr, for programs to stdout.
pub(super) fn log(common: &Common, line: &str) {
    match common.output {
        Output::Human => drop(writeln!(std::io::stderr().lock(), "{} watch: {line}", Timestamp::wall())),
        Output::Json => drop(writeln!(std::io::stdout().lock(), "{}", view::json::line(line))),
    }
}

/// `lifeboat trigger`: what its alarms would decide, a person decides.
pub(super) async fn by_hand(common: &Common, args: &TriggerArgs, shelf: Shelf) -> Result<u8, Failure> {
    let (_, arrivals) = channel(1);
    let (to, told) = unbounded_channel();
    let mut service = Service::of(common, shelf, (arrivals, told, to), Some(code::DONE)).await?;
    let (runbook, trigger) = named(&service.keeper, &args.name)?;
    let by = who(args.operator.as_ref());
    let why = format!("{}: {}", by.operator, args.reason);
    match service.keeper.by_hand(&runbook, &trigger, why, service.clock.now()).await? {
        Some(against) => Err(Failure::refused(against.why).hint(against.next)),
        None => service.run().await,
    }
}

/// Every alarm of a trigger goes off at once, in a message as CloudWatch sends it.
pub(super) async fn rehearse(common: &Common, shelf: Shelf, name: &str) -> Result<u8, Failure> {
    let (into, arrivals) = channel(AT_ONCE);
    let (to, told) = unbounded_channel();
    let service = Service::of(common, shelf, (arrivals, told, to), Some(code::DONE)).await?;
    let (_, trigger) = named(&service.keeper, name)?;
    let alarms: Vec<_> = trigger.alarms().collect();
    if alarms.is_empty() {
        return Err(Failure::refused(format!("`{name}` waits for no alarm: none can go off"))
            .hint("make its probes fail instead: lifeboat watch FILE --sandbox --fault primary-lost"));
    }
    for alarm in alarms {
        drop(into.send(ways::synthetic(alarm, service.clock.now())?).await);
    }
    drop(into);
    service.run().await
}

fn named(keeper: &Keeper, name: &str) -> Result<(Arc<crate::runbook::Runbook>, crate::runbook::Trigger), Failure> {
    let all = keeper.policies().values().flat_map(|r| r.triggers.iter().map(move |t| (r, t)));
    let found = all.clone().find(|(_, trigger)| trigger.name.as_str() == name);
    found.map(|(runbook, trigger)| (runbook.clone(), trigger.clone())).ok_or_else(|| {
        let known: Vec<_> = all.map(|(_, trigger)| trigger.name.to_string()).collect();
        Failure::usage(format!("there is no trigger {name}")).hint(format!("there are: {}", known.join(", ")))
    })
}
