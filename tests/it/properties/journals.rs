//! Whatever happens to a run, its journal is the whole truth about it, and any cut of it can be
//! taken up again.

use super::always;
use crate::{
    lab::{Lab, Life, Ran, id},
    process::React,
};
use lifeboat::{
    clock::Span,
    engine::{Ended, RunState},
    event::{Control, Event, EventKind, Request, RunOutcome},
    ids::{AskId, Seq},
    model::{Direction, Mode},
    plan::Plan,
    sandbox::FAULTS,
    store::Store as _,
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::sync::{Arc, Mutex};

/// Steps of the bundled failover at which faults strike and controls are aimed.
const STEPS: [&str; 12] = [
    "lag",
    "declare",
    "hold_deploys",
    "scale",
    "idle_workers",
    "freeze",
    "drained",
    "open",
    "promote",
    "shift",
    "moved",
    "unpin",
];

/// A process that waits for people is left after that long.
const PATIENCE: Span = Span::hours(1);

/// What happens to a process when an event is durable.
#[derive(Clone, Debug)]
enum Deed {
    Dies,
    Asks(Control),
}

fn control() -> impl Strategy<Value = Control> {
    let step = || select(&STEPS[..]).prop_map(id);
    let why = || "because".to_owned();
    prop_oneof![
        2 => Just(Control::Pause),
        2 => Just(Control::Continue),
        1 => Just(Control::Cancel),
        1 => Just(Control::Undo),
        1 => Just(Control::Abandon { why: why() }),
        2 => step().prop_map(|step| Control::Retry { step }),
        2 => step().prop_map(move |step| Control::Skip { step, why: why() }),
        2 => step().prop_map(move |step| Control::MarkDone { step, why: why() }),
        2 => (1..4_u32, any::<bool>()).prop_map(|(ask, yes)| Control::Answer { ask: AskId(ask), yes }),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![1 => Just(Deed::Dies), 3 => control().prop_map(Deed::Asks)]
}

fn fault() -> impl Strategy<Value = String> {
    let name = (0..FAULTS.len()).prop_map(|n| FAULTS[n].0);
    (name, select(&STEPS[..])).prop_map(|(name, step)| format!("{name}@{step}"))
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Planned), Just(Mode::Emergency)]
}

fn world(seed: u64, faults: &[String]) -> Lab {
    let faults: Vec<_> = faults.iter().map(String::as_str).collect();
    Lab::new(seed, &faults)
}

async fn plan(lab: &Lab, direction: Direction, mode: Mode) -> Plan {
    let Ok(plan) = lab.planned(direction, mode).await else { panic!("it can be planned") };
    plan
}

/// What the people at the terminal say to every question; none: they leave, as they do at a pause. Who
/// stays and says nothing holds virtual time.
type Says = Option<bool>;

/// Does what is to be done at an event's place, and keeps what it hears.
fn interferes(deeds: Vec<(u64, Deed)>, says: Says, heard: Arc<Mutex<Vec<Event>>>) -> React {
    Box::new(move |event, hands| {
        heard.lock().unwrap().push(event.clone());
        match (&event.kind, says) {
            (EventKind::ConfirmationAsked { ask, .. }, Some(yes)) => hands.ask(Control::Answer { ask: *ask, yes }),
            (EventKind::ConfirmationAsked { .. } | EventKind::RunPaused { .. } | EventKind::RunResumed { .. }, _) => {
                drop(hands.ask.send(Request::Leave));
            }
            _ => {}
        }
        for (_, deed) in deeds.iter().filter(|(at, _)| Seq(*at) == event.seq) {
            match deed {
                Deed::Dies => hands.kill(),
                Deed::Asks(control) => hands.ask(control.clone()),
            }
        }
    })
}

/// Every process folds what it hears; a later one folds what is stored. At no place do they differ.
fn replays(heard: &[Event], stored: &[Event]) {
    assert_eq!(heard, &stored[..heard.len()], "what was told is what is stored");
    let (mut live, mut replayed) = (RunState::begin(&heard[0]).unwrap(), RunState::begin(&stored[0]).unwrap());
    for (heard, stored) in heard[1..].iter().zip(&stored[1..]) {
        live.apply(heard).unwrap();
        replayed.apply(stored).unwrap();
        assert_eq!(live, replayed, "after {:?}", stored.seq);
    }
}

#[test]
fn a_replay_is_the_live_state_after_every_event_whatever_happened_to_the_run() {
    let deeds = vec((4..160_u64, deed()), 0..6);
    let input = (0..1_000_000_u64, mode(), vec(fault(), 0..3), deeds, any::<(bool, bool, Option<bool>)>());
    always(40, input, async |(seed, mode, faults, deeds, (yes, interactive, says))| {
        let mut lab = world(seed, &faults);
        (lab.policy.yes, lab.policy.interactive) = (yes, interactive);
        let plan = plan(&lab, Direction::Failover, mode).await;
        let heard = Arc::new(Mutex::new(vec![]));
        let mut life = Life::Start(Box::new(plan.clone()));
        for _ in 0..4 {
            let until = Some(lab.clock.now() + PATIENCE);
            let ran = lab.live(life, interferes(deeds.clone(), says, heard.clone()), until).await;
            if ran.is_some_and(|ran| matches!(ran.ended, Ended::Finished(_))) {
                break;
            }
            life = Life::Resume(Box::new(plan.clone()));
        }
        let stored = lab.store.read(&plan.run, Seq(1)).await.unwrap();
        replays(&heard.lock().unwrap(), &stored);
        let middle = stored.len().div_ceil(2);
        let half = RunState::replay(&stored[..middle]).unwrap();
        assert_eq!(half.head, stored[middle - 1].seq);
    });
}

/// When a process dies.
#[derive(Clone, Debug)]
enum Cut {
    /// When that many events of its own are durable.
    After(u64),
    /// At an instant, with whatever is under way.
    At(Span),
}

fn cut() -> impl Strategy<Value = Cut> {
    prop_oneof![(1..60_u64).prop_map(Cut::After), (0..1_200_000_u64).prop_map(|ms| Cut::At(Span(ms)))]
}

/// Processes live and die with a run, one for each cut; the last is left alone.
async fn through(lab: &Lab, plan: &Plan, cuts: &[Cut]) -> Ran {
    for (n, cut) in cuts.iter().enumerate() {
        let again = Box::new(plan.clone());
        let life = if n == 0 { Life::Start(again) } else { Life::Resume(again) };
        let head = lab.store.commits(&plan.run).last().map_or(0, |seq| seq.0);
        let (last, until) = match cut {
            Cut::After(events) => (Some(Seq(head + events)), None),
            Cut::At(span) => (None, Some(lab.clock.now() + *span)),
        };
        let dies: React = Box::new(move |event, hands| {
            // A batch is durable as a whole: the process is dead before what it wants is begun.
            if last.is_some_and(|last| event.seq >= last) {
                hands.kill();
            }
        });
        if let Some(ran) = lab.live(life, dies, until).await {
            return ran;
        }
    }
    if lab.store.commits(&plan.run).is_empty() {
        return lab.run(plan.clone(), Box::new(|_, _| {})).await.unwrap();
    }
    lab.resume(plan, Box::new(|_, _| {})).await.unwrap()
}

/// The legs before the one that is looked at, undisturbed.
async fn at_the_start_of(direction: Direction, lab: &Lab) {
    let before: &[Direction] = match direction {
        Direction::Failover => &[],
        Direction::Reprotect => &[Direction::Failover],
        Direction::Failback => &[Direction::Failover, Direction::Reprotect],
    };
    for direction in before {
        assert_eq!(lab.go(*direction, Mode::Planned).await.outcome(), RunOutcome::Done);
    }
}

#[test]
fn any_prefix_of_a_journal_resumes_to_the_end_that_an_undisturbed_run_has() {
    let leg = prop_oneof![
        3 => Just((Direction::Failover, Mode::Planned)),
        1 => Just((Direction::Failover, Mode::Emergency)),
        2 => Just((Direction::Reprotect, Mode::Planned)),
        2 => Just((Direction::Failback, Mode::Planned)),
    ];
    always(6, (0..1_000_000_u64, leg, vec(cut(), 1..4)), async |(seed, (direction, mode), cuts)| {
        let (quiet, lab) = (Lab::new(seed, &[]), Lab::new(seed, &[]));
        at_the_start_of(direction, &quiet).await;
        let reference = quiet.go(direction, mode).await;
        at_the_start_of(direction, &lab).await;
        let plan = plan(&lab, direction, mode).await;
        let ran = through(&lab, &plan, &cuts).await;
        let lived = lab.lived();
        assert_eq!(lived.repeated, Vec::<String>::new(), "{}", ran.told());
        assert_eq!(lived.two_writers, None, "{}", ran.told());
        if mode == Mode::Planned {
            assert_eq!(lived.rows_lost, 0, "{}", ran.told());
        }
        let backup = |ran: &Ran| ran.outcome() == RunOutcome::RolledBack && !ran.state.past_return();
        if backup(&ran) || backup(&reference) {
            // The dead time let a backup come between: all was taken back, on either side.
            return;
        }
        assert_eq!(ran.outcome(), reference.outcome(), "{}", ran.told());
        assert!(ran.state.holds.is_empty(), "{}", ran.told());
        let allowed = quiet.lived().applied;
        let more = lived.applied.iter().find(|(call, n)| **n > allowed.get(*call).copied().unwrap_or(0));
        assert_eq!(more, None, "{}", ran.told());
    });
}

#[test]
fn any_prefix_of_a_planned_journal_keeps_one_writer_and_all_rows_whatever_else_goes_wrong() {
    let input = (0..1_000_000_u64, vec(fault(), 1..3), vec(cut(), 0..3));
    always(8, input, async |(seed, faults, cuts)| {
        let lab = world(seed, &faults);
        let plan = plan(&lab, Direction::Failover, Mode::Planned).await;
        let ran = through(&lab, &plan, &cuts).await;
        let lived = lab.lived();
        assert_eq!(lived.repeated, Vec::<String>::new(), "{}", ran.told());
        assert_eq!((lived.rows_lost, lived.two_writers), (0, None), "{}", ran.told());
        assert!(lived.applied.get("PromoteReadReplica").is_none_or(|n| *n == 1), "{:?}", lived.applied);
        let ended = matches!(ran.ended, Ended::Finished(_));
        assert!(!ended || ran.state.holds.is_empty(), "{}", ran.told());
    });
}
