//! Seeded schedules of kill, redelivery, duplicate, reorder and two watchers: one run an incident, none
//! missed.

use super::*;
use futures_util::FutureExt as _;
use std::sync::atomic::{AtomicI64, Ordering};

/// A book whose process dies at its n-th use: before what it was asked, or after.
struct Brittle {
    book: MemoryBook,
    fuse: Arc<AtomicI64>,
}

impl Brittle {
    async fn or_die(&self) {
        if self.fuse.fetch_sub(1, Ordering::Relaxed) == 0 {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Book for Brittle {
    async fn write(&self, after: NoteNo, by: &Who, at: Timestamp, kinds: &[NoteKind]) -> Result<NoteNo, StoreError> {
        self.or_die().await;
        let done = self.book.write(after, by, at, kinds).await;
        self.or_die().await;
        done
    }
    async fn read(&self, after: NoteNo, most: usize) -> Result<Vec<Note>, StoreError> {
        self.or_die().await;
        self.book.read(after, most).await
    }
}

/// Chance out of a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Two watchers, one queue, one book; the runs that began.
struct Scene {
    dice: Dice,
    book: MemoryBook,
    outside: Outside,
    runbook: Arc<Runbook>,
    watchers: [Option<(Keeper, Arc<AtomicI64>)>; 2],
    pids: u32,
    /// Messages that are in the queue still.
    queue: Vec<Signal>,
    /// The decision of each run, in order.
    runs: Vec<NoteNo>,
    now: Timestamp,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let runbook = both("hold: 20s");
        Self {
            dice: Dice(seed),
            book: MemoryBook::default(),
            outside: Outside::default(),
            runbook,
            watchers: [None, None],
            pids: 0,
            queue: vec![],
            runs: vec![],
            now: at(0),
        }
    }

    /// An alarm goes to a state; its message lies in the queue once or twice.
    fn goes(&mut self, name: &str, state: AlarmState) {
        let second = (self.now.0 - at(0).0) / 1000;
        let known = Known { state, changed: at(second), muted: None };
        self.outside.0.lock().unwrap().alarms.insert(arn(name), known);
        for _ in 0..=self.dice.below(2) {
            self.queue.push(signal(name, state, second));
        }
    }

    /// One thing happens to one of the watchers.
    fn step(&mut self) {
        self.now = self.now + Span::ms(200 + self.dice.below(2000));
        let which = usize::try_from(self.dice.below(2)).unwrap();
        let Some((mut keeper, fuse)) = self.watchers[which].take() else { return self.open(which) };
        if self.dice.one_in(4) {
            fuse.store(i64::try_from(self.dice.below(6)).unwrap(), Ordering::Relaxed);
        }
        if self.act(&mut keeper).is_some() && !self.dice.one_in(30) {
            fuse.store(i64::MAX, Ordering::Relaxed);
            self.watchers[which] = Some((keeper, fuse));
        }
    }

    /// A watcher starts; the other one lives on, or does not.
    fn open(&mut self, which: usize) {
        self.pids += 1;
        let fuse = Arc::new(AtomicI64::new(i64::MAX));
        let book = Arc::new(Brittle { book: self.book.clone(), fuse: fuse.clone() });
        let policies = BTreeMap::from([("shop".to_owned(), self.runbook.clone())]);
        let opened = Keeper::open(book, Arc::new(self.outside.clone()), who(self.pids), policies).now_or_never();
        self.watchers[which] = Some((opened.unwrap().unwrap(), fuse));
    }

    /// None: it died in it.
    fn act(&mut self, keeper: &mut Keeper) -> Option<()> {
        match self.dice.below(4) {
            0 if !self.queue.is_empty() => {
                // Any of them, in any order; gone from the queue only once the watcher says so.
                let i = usize::try_from(self.dice.below(self.queue.len() as u64)).unwrap();
                keeper.hear(&[self.queue[i].clone()], self.now).now_or_never()?.unwrap();
                if !self.dice.one_in(5) {
                    self.queue.remove(i);
                }
            }
            1 => {
                let alarms = self.outside.0.lock().unwrap().alarms.clone();
                let from = Provenance { way: Way::Looked, message: None, topic: None, sent: None };
                let seen = alarms.into_iter().map(|(alarm, known)| Signal {
                    alarm,
                    state: known.state,
                    was: None,
                    changed: known.changed,
                    reason: String::new(),
                    muted: None,
                    from: from.clone(),
                });
                keeper.hear(&seen.collect::<Vec<_>>(), self.now).now_or_never()?.unwrap();
            }
            _ => drop(keeper.turn(self.now).now_or_never()?.unwrap()),
        }
        for start in keeper.starts(self.now).now_or_never()?.unwrap() {
            if self.dice.one_in(6) {
                return None;
            }
            // Under the lease: whoever comes second finds its run.
            if !self.runs.contains(&start.decision) {
                self.runs.push(start.decision);
                self.outside.0.lock().unwrap().begun.insert(start.decision, RunId::new("r"));
            }
            if self.dice.one_in(6) {
                return None;
            }
            keeper.settled(start.decision, Ok(RunId::new("r")), self.now).now_or_never()?.unwrap();
        }
        Some(())
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..5_000 {
            if done(self) {
                return;
            }
            self.step();
        }
        panic!("{what} never came");
    }
}

#[test]
fn whatever_happens_to_messages_and_watchers_an_incident_has_one_run() {
    for seed in 0..500 {
        let mut scene = Scene::new(seed);
        for incident in 1..=3 {
            scene.goes("a", Alarm);
            (0..scene.dice.below(5)).for_each(|_| scene.step());
            scene.goes("b", Alarm);
            scene.until("the run", |s| s.runs.len() >= incident);
            let some = scene.dice.below(40);
            (0..some).for_each(|_| scene.step());
            assert_eq!(scene.runs.len(), incident, "seed {seed}: one run an incident");
            scene.goes("b", Fine);
            scene.until("the end", |s| {
                let open = s.watchers.iter().flatten().next().map(|(keeper, _)| keeper.ledger());
                open.is_some_and(|ledger| ledger.standing.is_empty() && ledger.pending.is_empty())
            });
            scene.goes("a", Fine);
            (0..20).for_each(|_| scene.step());
        }
        assert_eq!(scene.runs.len(), 3, "seed {seed}");
    }
}
