//! What is decided, a test a rule; and schedules of everything that can happen to messages and watchers.

mod known;
mod schedules;
mod starts;

use super::*;
use crate::{
    alarm::{AlarmArn, AlarmState, Provenance, Signal, Way},
    clock::{Span, Timestamp},
    event::{Decision, Note, NoteKind, TriggerId, Who},
    ids::{NoteNo, RunId},
    runbook::{Runbook, Trigger},
    store::{Book, MemoryBook, StoreError},
    syntax,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

const HEAD: &str = "version: 1
name: shop
sites: { ohio: { region: us-east-2 }, oregon: { region: us-west-2 } }
primary: ohio
standby: oregon
failover: [{ id: tell, action: notify, with: { message: moves } }]
triggers:
  - name: lost
";

fn arn(name: &str) -> AlarmArn {
    format!("arn:aws:cloudwatch:us-west-2:111122223333:alarm:{name}").parse().unwrap()
}

fn alarm(name: &str, more: &str) -> String {
    format!("{{ alarm: \"{}\"{more} }}", arn(name))
}

/// A runbook with one trigger.
fn shop(trigger: &str) -> Arc<Runbook> {
    let text = format!("{HEAD}    {}\n", trigger.replace('\n', "\n    "));
    let loaded = syntax::parse("shop.yaml", text.as_bytes(), None);
    assert_eq!(loaded.diagnostics, [], "{text}");
    Arc::new(loaded.runbook.unwrap())
}

fn both(more: &str) -> Arc<Runbook> {
    shop(&format!("when: {{ of: [{}, {}] }}\nautonomy: full\n{more}", alarm("a", ""), alarm("b", "")))
}

fn who(pid: u32) -> Who {
    Who { operator: "watch".into(), host: "here".into(), pid }
}

fn at(second: i64) -> Timestamp {
    Timestamp(1_000_000_000 + second * 1000)
}

fn signal(name: &str, state: AlarmState, second: i64) -> Signal {
    let from = Provenance { way: Way::Queue, message: Some(format!("{name}-{second}")), topic: None, sent: None };
    Signal { alarm: arn(name), state, was: None, changed: at(second), reason: String::new(), muted: None, from }
}

/// What can be seen beside the messages.
#[derive(Clone, Default)]
struct Outside(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    alarms: BTreeMap<AlarmArn, Known>,
    /// Alarms that cannot be asked.
    silent: bool,
    holds: bool,
    against: Option<Against>,
    begun: BTreeMap<NoteNo, RunId>,
}

#[async_trait]
impl Eyes for Outside {
    async fn look(&self, _: &Runbook, trigger: &Trigger, alarms: bool) -> Looked {
        let inside = self.0.lock().unwrap();
        let mut looked = Looked::default();
        for one in &trigger.when.of {
            match &one.what {
                crate::runbook::Witness::Alarm { arn, .. } if alarms => {
                    let seen = inside.alarms.get(arn).cloned().ok_or_else(|| "there is none".to_owned());
                    let seen = if inside.silent { Err("no answer".to_owned()) } else { seen };
                    looked.alarms.insert(arn.clone(), seen);
                }
                crate::runbook::Witness::Alarm { .. } => {}
                crate::runbook::Witness::Probe { name, at, .. } => {
                    looked.probes.insert((name.clone(), at.clone()), Ok(inside.holds));
                }
            }
        }
        looked
    }
    async fn begun(&self, start: &Start) -> Result<Option<RunId>, StoreError> {
        Ok(self.0.lock().unwrap().begun.get(&start.decision).cloned())
    }
    async fn against(&self, _: &Runbook, _: &Trigger, _: &Ledger, _: bool) -> Result<Option<Against>, StoreError> {
        Ok(self.0.lock().unwrap().against.clone())
    }
}

/// A watcher that is driven by hand.
struct Desk {
    keeper: Keeper,
    book: MemoryBook,
    outside: Outside,
    now: Timestamp,
}

impl Desk {
    async fn of(runbook: Arc<Runbook>) -> Self {
        let (book, outside) = (MemoryBook::default(), Outside::default());
        let policies = BTreeMap::from([(runbook.name.clone(), runbook)]);
        let keeper = Keeper::open(Arc::new(book.clone()), Arc::new(outside.clone()), who(1), policies).await.unwrap();
        Self { keeper, book, outside, now: at(0) }
    }
    /// The alarm goes to a state, and a message says so.
    async fn goes(&mut self, name: &str, state: AlarmState, second: i64) -> Vec<String> {
        self.now = self.now.max(at(second));
        let known = Known { state, changed: at(second), muted: None };
        self.outside.0.lock().unwrap().alarms.insert(arn(name), known);
        self.says(signal(name, state, second)).await
    }
    async fn says(&mut self, signal: Signal) -> Vec<String> {
        self.keeper.hear(&[signal], self.now).await.unwrap();
        self.news()
    }
    async fn later(&mut self, span: Span) -> Vec<String> {
        self.now = self.now + span;
        self.keeper.turn(self.now).await.unwrap();
        self.news()
    }
    fn news(&mut self) -> Vec<String> {
        self.keeper.news().iter().filter_map(decision).collect()
    }
}

fn decision(note: &Note) -> Option<String> {
    let NoteKind::Decided { decision, .. } = &note.kind else { return None };
    Some(match decision {
        Decision::Nothing { why, .. } => format!("nothing: {why}"),
        Decision::Hold { until, .. } => format!("hold until {}", (until.0 - at(0).0) / 1000),
        Decision::Unseen { why, .. } => format!("unseen: {why}"),
        Decision::Observed { .. } => "observed".into(),
        Decision::Prevented { why, .. } => format!("prevented: {why}"),
        Decision::Start(begin) => format!("start, incident {}", (begin.incident.0 - at(0).0) / 1000),
        Decision::Over => "over".into(),
    })
}

use AlarmState::{Alarm, InsufficientData, Ok as Fine};

#[tokio::test]
async fn a_quorum_starts_and_the_incident_is_that_of_the_first_alarm() {
    let mut desk = Desk::of(both("")).await;
    assert_eq!(desk.goes("a", Alarm, 10).await, ["nothing: 1 of 2 needed"]);
    assert_eq!(desk.goes("b", Alarm, 25).await, ["start, incident 10"]);
    let starts = desk.keeper.starts(desk.now).await.unwrap();
    assert_eq!(starts.len(), 1);
    assert!(desk.keeper.starts(desk.now).await.unwrap().is_empty(), "each is given once");
}

#[tokio::test]
async fn what_holds_is_looked_at_again_and_what_flapped_starts_nothing() {
    let mut desk = Desk::of(both("hold: 3m")).await;
    desk.goes("a", Alarm, 0).await;
    assert_eq!(desk.goes("b", Alarm, 10).await, ["hold until 190"]);
    assert_eq!(desk.later(Span::secs(179)).await, [""; 0]);
    assert_eq!(desk.later(Span::secs(1)).await, ["start, incident 0"]);

    let mut flaps = Desk::of(both("hold: 3m")).await;
    flaps.goes("a", Alarm, 0).await;
    flaps.goes("b", Alarm, 10).await;
    assert_eq!(flaps.goes("b", Fine, 60).await, ["nothing: it did not hold: 1 of 2 needed"]);
    assert_eq!(flaps.goes("b", Alarm, 70).await, ["hold until 250"], "it is counted anew");
    // A message was lost: only a look tells.
    flaps.outside.0.lock().unwrap().alarms.insert(arn("b"), Known { state: Fine, changed: at(200), muted: None });
    assert_eq!(flaps.later(Span::mins(3)).await, ["nothing: it did not hold: 1 of 2 needed"]);
}

#[tokio::test]
async fn duplicates_and_late_messages_change_nothing() {
    let mut desk = Desk::of(both("")).await;
    desk.goes("a", Alarm, 10).await;
    assert_eq!(desk.says(signal("a", Alarm, 10)).await, [""; 0]);
    desk.goes("a", Fine, 20).await;
    assert_eq!(desk.says(signal("a", Alarm, 15)).await, [""; 0], "it is fine since");
    assert_eq!(desk.goes("b", Alarm, 30).await, ["nothing: 1 of 2 needed"]);
    let idle: Vec<_> = desk.book.read(NoteNo(0), 100).await.unwrap();
    let why = |note: &Note| if let NoteKind::Heard { idle, .. } = &note.kind { idle.clone() } else { None };
    let why: Vec<_> = idle.iter().filter_map(why).collect();
    assert_eq!(why.len(), 2, "both are on record: {why:?}");
}

#[tokio::test]
async fn a_trigger_acts_once_until_it_was_untrue() {
    let mut desk = Desk::of(both("")).await;
    desk.goes("a", Alarm, 10).await;
    desk.goes("b", Alarm, 20).await;
    for start in desk.keeper.starts(desk.now).await.unwrap() {
        desk.keeper.settled(start.decision, Ok(RunId::new("r1")), desk.now).await.unwrap();
    }
    assert_eq!(desk.goes("b", Alarm, 30).await, [""; 0], "a new change of one that was true before");
    assert_eq!(desk.goes("a", Fine, 40).await, ["over"]);
    assert_eq!(desk.goes("a", Alarm, 50).await, ["start, incident 30"]);
}

#[tokio::test]
async fn silence_means_what_the_runbook_says() {
    let one =
        |more: &str| shop(&format!("when: {{ quorum: 1, of: [{}] }}\nautonomy: full\nhold: 1m", alarm("a", more)));
    let mut counts = Desk::of(one(", silence: alarm")).await;
    assert_eq!(counts.goes("a", InsufficientData, 0).await, ["hold until 60"]);
    counts.outside.0.lock().unwrap().silent = true;
    assert_eq!(
        counts.later(Span::mins(1)).await,
        ["start, incident 0"],
        "it cannot be asked, which means what it meant before"
    );

    let mut nothing = Desk::of(one("")).await;
    assert_eq!(nothing.goes("a", InsufficientData, 0).await, ["nothing: 0 of 1 needed"]);
    nothing.goes("a", Alarm, 10).await;
    nothing.outside.0.lock().unwrap().silent = true;
    assert_eq!(nothing.later(Span::mins(1)).await, [""; 0], "whether it holds cannot be seen: it is asked again");
    nothing.outside.0.lock().unwrap().silent = false;
    assert_eq!(nothing.later(Span::secs(10)).await, ["start, incident 10"]);

    let mut gives_up = Desk::of(one("")).await;
    gives_up.goes("a", Alarm, 10).await;
    gives_up.outside.0.lock().unwrap().silent = true;
    gives_up.later(Span::mins(1)).await;
    let unseen = ["unseen: 0 of 1 needed, 1 unknown"];
    assert_eq!(gives_up.later(Span::mins(6)).await, unseen, "people are told");
    assert_eq!(gives_up.later(Span::mins(6)).await, unseen, "and told again");
    gives_up.outside.0.lock().unwrap().silent = false;
    assert_eq!(gives_up.later(Span::mins(1)).await, ["start, incident 10"], "it was looked at on and on");

    let mut in_vain = Desk::of(one("")).await;
    in_vain.goes("a", Alarm, 10).await;
    in_vain.outside.0.lock().unwrap().silent = true;
    in_vain.later(Span::mins(1)).await;
    let why = in_vain.later(Span::mins(61)).await;
    assert_eq!(why, ["nothing: it could not be seen: 0 of 1 needed, 1 unknown"]);
}

#[tokio::test]
async fn a_muted_alarm_starts_nothing_unless_it_is_to_count() {
    let one =
        |more: &str| shop(&format!("when: {{ quorum: 1, of: [{}] }}\nautonomy: full\nhold: 1m", alarm("a", more)));
    let muted = || Signal { muted: Some("a mute rule".into()), ..signal("a", Alarm, 0) };
    assert_eq!(Desk::of(one("")).await.says(muted()).await, ["nothing: 0 of 1 needed"]);
    assert_eq!(Desk::of(one(", muted: counts")).await.says(muted()).await, ["hold until 60"]);
}

#[tokio::test]
async fn probes_are_asked_while_they_alone_are_missing() {
    let of = format!("[{}, {{ probe: site_answers, is: failing }}]", alarm("a", ""));
    let mut desk = Desk::of(shop(&format!("when: {{ of: {of} }}\nautonomy: full"))).await;
    desk.outside.0.lock().unwrap().holds = true;
    assert_eq!(desk.goes("a", Alarm, 0).await, ["nothing: 1 of 2 needed"]);
    assert_eq!(desk.later(Span::secs(10)).await, [""; 0], "the site answers still");
    desk.outside.0.lock().unwrap().holds = false;
    assert_eq!(desk.keeper.turn(desk.now).await.unwrap(), Some(desk.now + Span::secs(10)));
    assert_eq!(desk.later(Span::secs(10)).await, ["start, incident 0"]);
}

#[tokio::test]
async fn what_stands_against_it_is_told_and_brings_nothing_back_later() {
    let against = Against { why: "a failover is under way".into(), next: "lifeboat show".into() };
    let mut desk = Desk::of(both("")).await;
    desk.outside.0.lock().unwrap().against = Some(against);
    desk.goes("a", Alarm, 0).await;
    assert_eq!(desk.goes("b", Alarm, 1).await, ["prevented: a failover is under way"]);
    desk.outside.0.lock().unwrap().against = None;
    assert_eq!(desk.later(Span::hours(1)).await, [""; 0], "it acts on changes");

    let mut braked = Desk::of(both("")).await;
    braked.keeper.note(NoteKind::Braked { why: "maintenance".into() }, braked.now).await.unwrap();
    braked.goes("a", Alarm, 0).await;
    let told = braked.goes("b", Alarm, 1).await;
    assert!(told[0].starts_with("prevented: watch put the brake on"), "{told:?}");
    braked.keeper.note(NoteKind::Released { why: "done".into() }, braked.now).await.unwrap();
    braked.goes("b", Fine, 5).await;
    assert_eq!(braked.goes("b", Alarm, 9).await, ["start, incident 0"]);
}

#[tokio::test]
async fn to_observe_begins_nothing() {
    let observe = shop(&format!("when: {{ quorum: 1, of: [{}] }}\nautonomy: observe\nhold: 1s", alarm("a", "")));
    let mut desk = Desk::of(observe).await;
    desk.goes("a", Alarm, 0).await;
    assert_eq!(desk.later(Span::secs(1)).await, ["observed"]);
    assert!(desk.keeper.starts(desk.now).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_so_long_before_it_was_watched_starts_nothing() {
    let looked = |name, second| Signal {
        from: Provenance { way: Way::Looked, message: None, topic: None, sent: None },
        ..signal(name, Alarm, second)
    };
    let mut desk = Desk::of(both("")).await;
    desk.now = at(4000);
    assert_eq!(desk.says(looked("a", 0)).await, [""; 0]);
    assert_eq!(desk.says(looked("b", 3900)).await, ["start, incident 0"], "but it counts once something changes");
}

#[tokio::test]
async fn another_watcher_begins_what_its_writer_did_not() {
    let mut desk = Desk::of(both("")).await;
    let policies = desk.keeper.policies().clone();
    let (book, eyes) = (Arc::new(desk.book.clone()), Arc::new(desk.outside.clone()));
    let mut other = Keeper::open(book, eyes, who(2), policies).await.unwrap();
    desk.goes("a", Alarm, 0).await;
    desk.goes("b", Alarm, 1).await;
    other.turn(at(2)).await.unwrap();
    assert!(other.starts(at(2)).await.unwrap().is_empty(), "its writer is about to");
    let orphan = other.starts(at(40)).await.unwrap();
    assert_eq!(orphan.len(), 1);
    other.settled(orphan[0].decision, Ok(RunId::new("r1")), at(41)).await.unwrap();
    desk.keeper.turn(at(42)).await.unwrap();
    assert!(desk.keeper.starts(at(42)).await.unwrap().is_empty());
    let id = TriggerId { runbook: "shop".into(), trigger: "lost".into() };
    assert_eq!(desk.keeper.ledger().standing.get(&id), Some(&Standing::Spent));
}
