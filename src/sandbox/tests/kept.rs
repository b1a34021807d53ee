//! The world on disk: what a killed process leaves, and what other processes see.

use super::{Bench, run, runbook};
use crate::{
    clock::{Clock, Span, Timestamp, TokioClock},
    driver::Look,
    model::DbEngine,
    sandbox::{
        Opened, Options, Sandbox, SandboxError, Speed,
        disk::Disk,
        script::Script,
        state::{Spec, State},
    },
    world::{Effect, What},
};
use std::{path::Path, sync::Arc};

fn options() -> Options {
    Options { seed: Some(7), speed: Some(Speed::Max), ..Options::default() }
}

fn open(home: &Path) -> (Sandbox, Arc<TokioClock>) {
    let opened = Opened::open(home, &runbook(DbEngine::Postgres), &options()).unwrap();
    let clock = Arc::new(TokioClock::virtual_from(opened.now_at_open()));
    (opened.start(clock.clone()), clock)
}

fn lock(n: u32) -> Effect {
    Effect {
        target: Bench::new(DbEngine::Postgres, 0).target("ohio", What::Site),
        call: run("lock", &[&n.to_string()], None),
    }
}

#[tokio::test(start_paused = true)]
async fn a_world_is_found_as_it_was_left_and_virtual_time_stood_still() {
    let home = tempfile::tempdir().unwrap();
    let (first, clock) = open(home.path());
    first.deliver("run1-lock-1", &lock(1)).await.unwrap();
    clock.sleep_until(clock.now() + Span::hours(5)).await;
    let (lived, state) = (first.lived().unwrap(), first.world().state().clone());
    drop(first);
    let (second, again) = open(home.path());
    assert_eq!((again.now(), second.lived().unwrap()), (clock.now(), lived));
    assert_eq!(*second.world().state(), state);
}

#[tokio::test(start_paused = true)]
async fn stored_commands_alone_make_the_same_world() {
    let home = tempfile::tempdir().unwrap();
    let (sandbox, clock) = open(home.path());
    for n in 1..=5 {
        sandbox.deliver(&format!("run1-lock-{n}"), &lock(n)).await.unwrap();
        clock.sleep_until(clock.now() + Span::mins(7)).await;
        sandbox.look(&[lock(1).target]).await;
    }
    let left = sandbox.world().state().clone();
    let mut replayed = State::new(Spec::of(&runbook(DbEngine::Postgres)), 7, left.opened);
    for (at, command) in Disk::open(&Opened::file(home.path())).unwrap().commands() {
        replayed.take(&command, at).unwrap();
    }
    replayed.advance(left.now);
    assert_eq!(replayed, left);
}

#[tokio::test(start_paused = true)]
async fn a_process_killed_while_it_sends_leaves_the_effect_applied_and_counted_or_not_at_all() {
    for ms in (0..1500).step_by(50) {
        let home = tempfile::tempdir().unwrap();
        let (sandbox, clock) = open(home.path());
        let began = clock.now();
        tokio::select! {
            biased;
            () = clock.sleep_until(began + Span::ms(ms)) => {}
            sent = async { sandbox.deliver("run1-lock-1", &lock(1)).await } => { sent.unwrap(); }
        }
        drop(sandbox);
        let (sandbox, _) = open(home.path());
        let counted = sandbox.lived().unwrap().applied.get("command").copied().unwrap_or(0);
        let rows = Disk::open(&Opened::file(home.path())).unwrap().commands().len() as u64;
        assert_eq!(counted, rows, "after {ms} ms");
        assert!(counted <= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_process_sees_what_the_first_one_did() {
    let home = tempfile::tempdir().unwrap();
    let ((first, _), (second, _)) = (open(home.path()), open(home.path()));
    first.deliver("run1-lock-1", &lock(1)).await.unwrap();
    assert_eq!(second.lived().unwrap().applied["command"], 1);
    second.deliver("run1-lock-2", &lock(2)).await.unwrap();
    assert_eq!(first.lived().unwrap().applied["command"], 2);
}

#[test]
fn scaled_time_goes_on_while_no_process_looks() {
    let home = tempfile::tempdir().unwrap();
    let scaled = Options { speed: Some(Speed::Times(60)), ..options() };
    let book = runbook(DbEngine::Postgres);
    let opened = Opened::open(home.path(), &book, &scaled).unwrap();
    let disk = Disk::open(&Opened::file(home.path())).unwrap();
    let (at, wall) = (opened.now_at_open(), Timestamp::wall());
    disk.start_clock(at, wall - Span::mins(2), Speed::Times(60)).unwrap();
    let again = Opened::open(home.path(), &book, &Options::default()).unwrap();
    assert_eq!(again.speed(), Speed::Times(60), "as before, where nothing is said");
    assert!(again.now_at_open().since(at) >= Span::hours(2));
}

#[test]
fn a_world_of_another_runbook_or_seed_is_not_taken_for_this_one() {
    let home = tempfile::tempdir().unwrap();
    let book = runbook(DbEngine::Postgres);
    let mut other = book.clone();
    other.resources.remove("www");
    assert!(Opened::matches(home.path(), &other).unwrap(), "there is none yet");
    let first = Opened::open(home.path(), &book, &options()).unwrap();
    assert!(Opened::matches(home.path(), &book).unwrap() && !Opened::matches(home.path(), &other).unwrap());
    let refused = |book, options: &Options| Opened::open(home.path(), book, options).err().unwrap();
    assert!(matches!(refused(&other, &options()), SandboxError::OtherWorld { .. }));
    let seed = Options { seed: Some(8), ..options() };
    assert!(matches!(refused(&book, &seed), SandboxError::OtherSeed { found: 7, given: 8, .. }));
    let reset = Options { reset: true, ..seed };
    assert_eq!(Opened::open(home.path(), &book, &reset).unwrap().seed(), 8);
    assert_eq!(first.seed(), 7);
}

#[test]
fn a_run_is_taken_up_from_the_world_alone() {
    let home = tempfile::tempdir().unwrap();
    let book = runbook(DbEngine::Postgres);
    let other = crate::ids::Digest::of(b"another");
    let take_up = |of| Opened::take_up(home.path(), of, &Options::default());
    assert!(matches!(take_up(&book.digest).err(), Some(SandboxError::NotBegunHere { .. })));
    assert!(!Opened::file(home.path()).exists());
    drop(Opened::open(home.path(), &book, &options()).unwrap());
    assert_eq!(take_up(&book.digest).unwrap().seed(), 7);
    assert!(matches!(take_up(&other).err(), Some(SandboxError::NotBegunHere { .. })));
    let kept = Disk::open(&Opened::file(home.path())).unwrap().script(&book.digest).unwrap();
    assert_eq!(kept, Some(Script::of(&book)));
    let reset = Options { reset: true, ..options() };
    drop(
        Opened::open(home.path(), &crate::runbook::Runbook { digest: other.clone(), ..book.clone() }, &reset).unwrap(),
    );
    assert!(matches!(take_up(&book.digest).err(), Some(SandboxError::NotBegunHere { .. })), "begun anew");
}

#[test]
fn a_file_that_is_no_world_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(Opened::file(home.path()), "something else, quite long enough to be looked at").unwrap();
    let error = Opened::open(home.path(), &runbook(DbEngine::Postgres), &options()).err().unwrap();
    assert!(error.to_string().contains("sandbox-world.db"), "{error}");
}

#[test]
fn of_many_that_open_a_new_world_at_once_nobody_is_turned_away() {
    for _ in 0..20 {
        let home = tempfile::tempdir().unwrap();
        let file = Opened::file(home.path());
        let gate = std::sync::Barrier::new(16);
        std::thread::scope(|threads| {
            let open = || {
                gate.wait();
                Disk::open(&file).map(drop)
            };
            let all: Vec<_> = (0..16).map(|_| threads.spawn(open)).collect();
            for one in all {
                one.join().unwrap().unwrap();
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_loses_the_time_since_something_was_recorded_and_never_more_than_a_minute() {
    for (then, keeps, lost) in [(30, true, 30), (90, false, 30), (90, false, 59), (20, true, 0)] {
        let home = tempfile::tempdir().unwrap();
        let (sandbox, clock) = open(home.path());
        let lives = async |span: u64| {
            clock.sleep_until(clock.now() + Span::secs(span)).await;
            sandbox.lived().unwrap();
        };
        lives(then).await;
        if keeps {
            sandbox.keep_time().unwrap();
        }
        let kept = clock.now();
        lives(lost).await;
        // Nothing of a killed process runs any more.
        std::mem::forget(sandbox);
        assert_eq!(open(home.path()).1.now(), kept, "{then} s, then {lost} s");
    }
}

#[test]
fn a_later_instant_of_the_journal_moves_the_clock_on_at_any_speed() {
    let book = runbook(DbEngine::Postgres);
    for speed in [Speed::Max, Speed::Times(1)] {
        let home = tempfile::tempdir().unwrap();
        let known = Opened::open(home.path(), &book, &options()).unwrap().now_at_open() + Span::mins(1);
        let later = Options { not_before: Some(known), speed: Some(speed), ..options() };
        let taken_up = Opened::take_up(home.path(), &book.digest, &later).unwrap();
        assert_eq!(taken_up.now_at_open(), known);
        let next = Opened::peek(home.path(), &book, &Options { speed: None, ..options() }).unwrap();
        assert!(speed == Speed::Max || next.now_at_open() >= known, "who looks now sees no earlier time than the run");
    }
}
