//! The loop of a watcher.

use super::{
    Told,
    again::Again,
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
        args::{Common, Output, watch::WatchArgs},
        exit::{Failure, code},
        said::book,
        signals,
        wiring::{commands, store, who},
    },
    clock::{Clock, Span, Timestamp, TokioClock},
    engine::{self, Signals},
    event::{Decision, Note, NoteKind, TriggerId},
    ids::{LeaseKey, NoteNo, RunId},
    runbook::Notify,
    store::{Book, StoreError},
    view::{self, notes},
    watch::{Keeper, Standing, id_of},
};
use std::{
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};

/// How often every alarm is looked at, since a lost message is not repeated.
const RECONCILE: Span = Span::mins(5);
/// How often the runbooks' files are looked at, and runs that nobody holds.
const TEND: Span = Span::secs(2);
/// How many messages are decided on at once.
pub(super) const AT_ONCE: usize = 100;

/// A watcher.
pub(super) struct Service {
    common: Common,
    pub(super) keeper: Keeper,
    shelf: Arc<Mutex<Shelf>>,
    sight: Arc<Sight>,
    runs: Runs,
    pub(super) clock: Arc<dyn Clock>,
    signals: Signals,
    arrivals: Receiver<Arrived>,
    told: UnboundedReceiver<Told>,
    to: UnboundedSender<Told>,
    stats: Arc<Stats>,
    /// When all alarms are looked at next; none: it follows one message, and others look.
    reconcile: Option<Timestamp>,
    tend: Timestamp,
    /// What could not be begun, and is tried again.
    later: Again<NoteNo>,
    /// What became of failovers that were to begin, as long as it could not be written.
    unsettled: Vec<(NoteNo, Result<RunId, String>)>,
    /// What people were told, as long as it could not be written.
    unnoted: Vec<NoteKind>,
    /// How many runs go on in this process.
    running: usize,
    /// How many pages are being told.
    paging: usize,
    /// One message is followed to its end: the worst code so far.
    once: Option<u8>,
    /// Since when it is told to stop, and waits for its runs to come to rest.
    stopping: Option<Timestamp>,
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

    pub(super) async fn of(
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
        let keeper = Keeper::open(book.clone(), sight.clone(), who, policies).await?;
        let keeper = if once.is_some() { keeper.alone() } else { keeper };
        let now = clock.now();
        let mut service = Self {
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
            reconcile: once.is_none().then_some(now),
            tend: now,
            later: Again::default(),
            unsettled: vec![],
            unnoted: vec![],
            running: 0,
            paging: 0,
            once,
            stopping: None,
        };
        if once.is_none() {
            service.tell_untold(&*book).await?;
        }
        Ok(service)
    }

    /// What people must know of the last hour and were not told: whoever was to tell it was killed first, or
    /// could not.
    async fn tell_untold(&mut self, book: &dyn Book) -> Result<(), StoreError> {
        const LATELY: Span = Span::hours(1);
        let lately = self.clock.now().before(LATELY);
        let notes = pages::notes_since(book, self.keeper.ledger().head, lately).await?;
        let decided = notes.iter().filter_map(|note| self.page_of(note).map(|page| (note.no, page)));
        let of_runs = self.runs.last_words(self.keeper.policies().keys(), lately).await?;
        let all: Vec<_> = decided.chain(of_runs.into_iter().map(|page| (NoteNo(0), page))).collect();
        for (since, (runbook, page)) in all {
            let places = self.keeper.policies().get(&runbook).map_or(&[][..], |found| &found.notify);
            let places = pages::untold(&page, places, &notes, since);
            if !places.is_empty() {
                self.page_at(&runbook, page, places);
            }
        }
        Ok(())
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
        if let Some(brake) = &self.keeper.ledger().brake {
            self.log(&format!("the brake is on: {brake}"));
        }
    }

    /// Goes on until it is stopped, or one message is followed to its end.
    pub(super) async fn run(mut self) -> Result<u8, Failure> {
        loop {
            let wake = if self.stopping.is_some() { self.clock.now() + TEND } else { self.work().await };
            self.tell_news();
            if let Some(code) = self.ends() {
                return Ok(code);
            }
            let (signals, clock) = (self.signals.clone(), self.clock.clone());
            tokio::select! {
                biased;
                signal = signals.next() => if self.stops(signal) { return Ok(code::LEFT) },
                Some(told) = self.told.recv() => self.told(told).await,
                Some(first) = self.arrivals.recv(), if self.stopping.is_none() => self.hear(first).await,
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
        if self.reconcile.is_some_and(|at| now >= at) {
            self.reconcile = Some(now + RECONCILE);
            self.look();
        }
        let due = match self.keeper.turn(now).await {
            Ok(due) => due,
            Err(error) => {
                self.trouble(&error);
                Some(now + TEND)
            }
        };
        if let Err(error) = self.begin(now).await {
            self.trouble(&error);
        }
        let all = [Some(self.tend), self.reconcile, due, self.later.next()];
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
            // One message that could not be decided on does not come again.
            self.once = self.once.map(|worst| worst.max(code::JOURNAL));
        }
        self.stats.heard(heard.len());
        batch.into_iter().for_each(|one| one.settle(done.is_ok()));
    }

    async fn told(&mut self, told: Told) {
        let now = self.clock.now();
        let done = match told {
            Told::Began { decision, run } => {
                self.stats.began();
                self.settle(Some((decision, Ok(run))), now).await
            }
            Told::NotBegun { decision, why } => {
                self.rests(code::REFUSED);
                self.settle(Some((decision, Err(why))), now).await
            }
            Told::Later { decision, why, refused } => {
                self.rests(code::DONE);
                self.later(decision, (&why, refused), now);
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
                self.unnoted.push(NoteKind::Told { to, message, failed });
                self.settle(None, now).await
            }
            Told::AllPaged => {
                self.paging = self.paging.saturating_sub(1);
                Ok(())
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
    async fn begin(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.settle(None, now).await?;
        for no in self.later.due(now) {
            self.keeper.put_back(no);
        }
        for start in self.keeper.starts(now).await? {
            let Some(loaded) = self.shelf().loaded(&start.what.id.runbook) else { continue };
            self.running += 1;
            self.runs.begin(start, loaded);
        }
        Ok(())
    }

    /// Writes what became of failovers that were to begin, this one and those that could not be written before, and
    /// what people were told.
    async fn settle(&mut self, how: Option<(NoteNo, Result<RunId, String>)>, now: Timestamp) -> Result<(), StoreError> {
        self.unsettled.extend(how);
        while let Some((decision, how)) = self.unsettled.first().cloned() {
            self.keeper.settled(decision, how, now).await?;
            self.later.done(&decision);
            drop(self.unsettled.remove(0));
        }
        while let Some(told) = self.unnoted.first().cloned() {
            self.keeper.note(told, now).await?;
            drop(self.unnoted.remove(0));
        }
        Ok(())
    }

    /// A failover that was decided could not begin now. People hear of it once it lasts, of a refusal at once.
    fn later(&mut self, decision: NoteNo, (why, refused): (&str, bool), now: Timestamp) {
        let lasts = if refused { 1 } else { 4 };
        let (failed, pause) = self.later.failed(&decision, now);
        let text = format!(
            "the failover that note {decision} decided could not begin yet, and is tried again in {pause}: {why}"
        );
        self.log(&text);
        let id = self.keeper.ledger().starts.get(&decision).cloned();
        if let Some(id) = id.filter(|_| failed == lasts) {
            let next = self.commands(&id.runbook).on_file("status");
            self.page(&id.runbook, Page::of_trigger(&id, now, text, next));
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
        self.runs.take_up_orphans(keys, self.clock.now()).await;
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
            if matches!(note.kind, NoteKind::NotBegun { .. }) {
                self.once = self.once.map(|worst| worst.max(code::REFUSED));
            }
            if let Some((runbook, page)) = self.page_of(&note) {
                self.page(&runbook, page);
            }
        }
    }

    fn page_of(&self, note: &Note) -> Option<(String, Page)> {
        let NoteKind::Decided { id, decision } = &note.kind else {
            return self.page_of_failure(note);
        };
        let known = self.commands(&id.runbook);
        let (text, next) = match decision {
            Decision::Observed { .. } => {
                ("it is true, and only observed: a person decides".to_owned(), known.on_file("status"))
            }
            Decision::Unseen { why, .. } => {
                (format!("it was true, and whether it still is cannot be seen: {why}"), known.on_file("status"))
            }
            Decision::Prevented { why, next, .. } => (format!("it is true, and prevented: {why}"), next.clone()),
            _ => return None,
        };
        Some((id.runbook.clone(), Page::of_trigger(id, note.at, text, next)))
    }

    fn page_of_failure(&self, note: &Note) -> Option<(String, Page)> {
        let NoteKind::NotBegun { why, decision } = &note.kind else { return None };
        let id = self.keeper.ledger().starts.get(decision)?;
        let next = self.commands(&id.runbook).on_file("status");
        let text = format!("the failover that note {decision} decided did not begin: {why}");
        Some((id.runbook.clone(), Page::of_trigger(id, note.at, text, next)))
    }

    /// Tells people, wherever the runbook says.
    fn page(&mut self, runbook: &str, page: Page) {
        let places = self.keeper.policies().get(runbook).map(|found| found.notify.clone());
        self.page_at(runbook, page, places.unwrap_or_default());
    }

    fn page_at(&mut self, runbook: &str, page: Page, places: Vec<Notify>) {
        self.log(&format!("people are told: {}", page.line()));
        let Some(found) = self.keeper.policies().get(runbook) else { return };
        self.paging += 1;
        let world = self.sight.world(found);
        tokio::spawn(pages::tell_all(world, places, page, self.to.clone()));
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
        const LAST_WORDS: Span = Span::secs(10);
        if self.running > 0 || !self.told.is_empty() {
            return None;
        }
        if let Some(since) = self.stopping {
            let told = self.paging == 0 || self.clock.now() >= since + LAST_WORDS;
            // Of a service nothing is lost by it; one message that is not at its end is left.
            let code = self.once.map_or(code::DONE, |worst| if self.is_idle() { worst } else { code::LEFT });
            return told.then_some(code);
        }
        let worst = self.once?;
        (self.is_idle() && self.paging == 0).then_some(worst)
    }

    /// Whether nothing more will come of what it follows.
    fn is_idle(&self) -> bool {
        let ledger = self.keeper.ledger();
        let ours = |id: &TriggerId| self.keeper.follows(id);
        let holds = ledger.standing.iter().any(|(id, s)| ours(id) && matches!(s, Standing::Holding { .. }));
        let pending = ledger.pending.values().any(|what| ours(&what.id));
        let open = !self.arrivals.is_closed() || !self.arrivals.is_empty();
        !holds && !pending && !open && self.unsettled.is_empty()
    }

    /// A terminal that hangs up stops no service; all else does, the second time at once.
    fn stops(&mut self, signal: engine::Signal) -> bool {
        if signal == engine::Signal::Hangup {
            return false;
        }
        if self.stopping.is_none() {
            self.log("stops: runs that go on pause at their next safe point, and the next watcher takes them up");
        }
        self.stopping.replace(self.clock.now()).is_some()
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
