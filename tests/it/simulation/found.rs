//! What the simulation found once: the schedules that showed it, played for good.

use super::{all_is_well, case, ferry, played};
use lifeboat::{
    event::{Control, EventKind},
    ids::StepId,
    model::{Direction, Mode},
    sandbox::Fault,
    simulation::{Blow, Deed, Failing, Played, Schedule, Seams, Sick, Slow, StoreCall, Trouble, Troubles},
};
use std::sync::Arc;

fn plays(seed: u64, mode: Mode, schedule: Schedule) -> Played {
    let case = case(ferry(), Direction::Failover, mode);
    let case = lifeboat::simulation::Case { troubles: Troubles::Told(schedule), ..case };
    let played = played(&case, seed, &Arc::new(Seams::default()));
    all_is_well("found", &played);
    played
}

fn faults(names: &[&str]) -> Vec<Fault> {
    names.iter().map(|name| Fault::parse(name).unwrap()).collect()
}

/// An append that fails.
fn append(nth: u64, how: Failing) -> Sick {
    Sick { call: StoreCall::Append, nth, how }
}

fn strikes(skew: i64, blows: &[(u64, Deed)]) -> Trouble {
    let blow = |(point, deed): &(u64, Deed)| Blow { point: *point, deed: deed.clone() };
    Trouble { skew, blows: blows.iter().map(blow).collect() }
}

/// The next process's clock was behind the last one's, so that the run's time stood still: the answer about
/// the first doubt was as new as the second doubt, was taken for its answer too, and the command ran twice.
#[test]
fn seed_133_an_answer_about_one_doubt_settles_no_later_one() {
    let schedule = Schedule {
        world: faults(&["throttled@lag", "lost-answer@horn", "lost-request@tail"]),
        lives: vec![strikes(2_190_596, &[(53, Deed::Dies)]), strikes(0, &[(32, Deed::Dies)])],
        store: vec![append(41, Failing::Full)],
        ..Schedule::default()
    };
    let played = plays(133, Mode::Planned, schedule);
    let horn = StepId::new("horn");
    let doubts = |event: &&EventKind| matches!(event, EventKind::EffectInDoubt { step, .. } if *step == horn);
    assert!(played.events.iter().map(|event| &event.kind).any(|kind| doubts(&kind)), "the schedule doubts it again");
}

/// A step that had sent something when the run turned back counted as moving for ever: a process whose run
/// was paused by a question stayed, and whoever had started it was never told that it waits.
#[test]
fn seed_95_a_run_that_is_taken_back_and_asks_lets_its_process_go() {
    let schedule = Schedule {
        world: faults(&["primary-lost", "stale-reads@scale"]),
        lives: vec![strikes(-799_249, &[(38, Deed::Asked(Control::Undo)), (35, Deed::Dies)])],
        store: vec![append(12, Failing::Lost)],
        ..Schedule::default()
    };
    let played = plays(95, Mode::Emergency, schedule);
    assert!(played.ends.iter().any(|end| end.contains("InDoubt")), "{:?}", played.ends);
}

/// A step that had sent something when the run was cancelled counted as moving even when nothing but
/// `finally` was left: a process that was interrupted there stayed for ever, and did nothing.
#[test]
fn seed_117_a_cancelled_run_that_is_interrupted_at_its_end_lets_its_process_go() {
    let interrupted = |at| Schedule {
        lives: vec![strikes(0, &[(20, Deed::Asked(Control::Cancel)), (at, Deed::Interrupted)])],
        wire: vec![Slow { send: 5, share: 85 }],
        ..Schedule::default()
    };
    // Wherever it is on its way to the end.
    let waited = |at: &u64| plays(117, Mode::Planned, interrupted(*at)).ends.iter().any(|end| end.contains("Waiting"));
    assert!((80..150).filter(waited).count() > 0, "no process was interrupted before the end");
}

/// A disk that was full after the last step kept the lease from being given back, and a run that was over was
/// told as one that broke.
#[test]
fn a_run_is_over_though_its_lease_cannot_be_given_back() {
    for (how, seed) in [(Failing::Eio, 1), (Failing::Full, 2), (Failing::AnswerLost, 3), (Failing::Lost, 4)] {
        let release = Sick { call: StoreCall::Release, nth: 1, how };
        let played = plays(seed, Mode::Planned, Schedule { store: vec![release], ..Schedule::default() });
        assert_eq!((played.ends.len(), played.struck), (1, 1), "{how:?}: {:?}", played.ends);
        assert!(played.ends[0].contains("Finished"), "{how:?}: {:?}", played.ends);
    }
}

/// Who takes a run over waits until the old holder can send nothing more, and keeps its own lease alive
/// meanwhile: a single renewal without an answer ended it.
#[test]
fn who_waits_out_an_old_holder_stands_a_store_that_fails_once() {
    for (how, seed) in [(Failing::Eio, 1), (Failing::AnswerLost, 2), (Failing::Lost, 3)] {
        let schedule = Schedule {
            lives: vec![strikes(0, &[(12, Deed::TakenOver)])],
            store: vec![Sick { call: StoreCall::Renew, nth: 1, how }],
            ..Schedule::default()
        };
        let played = plays(seed, Mode::Planned, schedule);
        assert_eq!(played.struck, 2, "{how:?}");
        assert!(played.ends[1].starts_with("process 2 came to rest"), "{how:?}: {:?}", played.ends);
    }
}
