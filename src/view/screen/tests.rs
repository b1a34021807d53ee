use super::*;
use crate::{
    clock::{Span, Timestamp},
    event::{EventKind, PauseReason},
    view::sample,
};
use std::sync::{Mutex, PoisonError};

/// A writer that can be read afterwards.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn shown(face: Face, events: Vec<(u64, EventKind)>) -> String {
    let kept = Kept::default();
    let (screen, _requests) =
        Screen::start(Setup { face, out: Box::new(kept.clone()), commands: None, interrupted: Box::new(|| {}) });
    let watcher = screen.watcher();
    for event in sample::events(events) {
        watcher.tell(Notice::Event(Box::new(event)));
    }
    watcher.tell(Notice::Tick(Timestamp(0) + Span::hours(1)));
    screen.close();
    let bytes = kept.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn waiting() -> Vec<(u64, EventKind)> {
    let mut events = sample::frozen();
    let why = "still 12s behind after 3m".to_owned();
    events.push((230, EventKind::StepFailed { step: "drained".into(), why, hint: None }));
    events.push((231, EventKind::RunPaused { why: PauseReason::StepFailed("drained".into()) }));
    events
}

#[test]
fn without_a_terminal_every_fact_is_a_line_and_what_waits_says_what_to_type() {
    insta::assert_snapshot!(shown(Face::Lines, waiting()), @r#"
    03:12:00 +0s     run       planned failover of storefront, ohio (us-east-2) -> oregon (us-west-2), started by ana on bastion, in the sandbox
    03:12:01 +1s     declare   asks: Move storefront from ohio to oregon? [lag: 2s; active site: ohio]; silence until 03:27:00 is a no and ends the run
    03:12:31 +31s    declare   answered yes, by ana
    03:12:31 +31s    declare   done
    03:12:32 +32s    freeze    started
    03:12:32 +32s    freeze    holds from now on: writes frozen at ohio, until 03:18:05 at most
    03:12:32 +32s    freeze    sends orders-ohio: default_transaction_read_only off -> on (rds:ModifyDBParameterGroup in us-east-2)
    03:12:48 +48s    freeze    done [orders: writes frozen by default_transaction_read_only]
    03:15:50 +3m50s  drained   failed: still 12s behind after 3m
    03:15:51 +3m51s  run       paused: drained failed; held: writes frozen at ohio since 03:12:32, until 03:18:05 at most
      next: lifeboat resume r1kf --retry drained --sandbox   (tries it again)
      next: lifeboat resume r1kf --skip drained --reason "..." --sandbox   (goes on without it)
      next: lifeboat resume r1kf --mark-done drained --reason "..." --sandbox   (takes it as done: you did it by hand)
      next: lifeboat resume r1kf --undo --sandbox   (takes back all that was done)
      next: lifeboat cancel r1kf --sandbox   (releases what is held and ends the run as it stands)
    "#);
}

#[test]
fn programs_get_an_object_a_fact() {
    let text = shown(Face::Json, waiting());
    let objects: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(objects.len(), waiting().len() + 1);
    assert_eq!(objects[0]["event"], "run_started");
    assert_eq!(objects[0]["type"], "event");
    assert_eq!(objects.last().unwrap()["type"], "next");
    assert_eq!(objects.last().unwrap()["next"][0]["command"], "lifeboat resume r1kf --retry drained --sandbox");
}

#[test]
fn what_happened_before_is_known_and_not_shown_again() {
    let kept = Kept::default();
    let (screen, _requests) = Screen::start(Setup {
        face: Face::Lines,
        out: Box::new(kept.clone()),
        commands: None,
        interrupted: Box::new(|| {}),
    });
    let all = sample::finished();
    screen.watcher().recall(all[..all.len() - 1].to_vec());
    screen.watcher().tell(Notice::Event(Box::new(all[all.len() - 1].clone())));
    screen.close();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text, "03:22:22 +10m22s run       ended: service restored, unprotected\n");
}

#[test]
fn a_screen_that_cannot_keep_up_drops_progress_and_no_fact() {
    let (tell, heard) = channel();
    let watcher = Watcher { tell, backlog: Arc::new(AtomicUsize::new(Screen::BACKLOG)), shows_progress: true };
    watcher.tell(Notice::Tick(Timestamp(0)));
    watcher.line("a fact");
    assert!(matches!(heard.try_recv(), Ok(Heard::Notice(Notice::Line(_)))));
    assert!(heard.try_recv().is_err());
}

#[test]
fn progress_wakes_no_screen_that_has_no_rows_for_it() {
    let (tell, heard) = channel();
    let watcher = Watcher { tell, backlog: Arc::default(), shows_progress: false };
    watcher.tell(Notice::Tick(Timestamp(0)));
    watcher.tell(Notice::Seen(vec![]));
    assert!(heard.try_recv().is_err());
    watcher.line("a fact");
    assert!(matches!(heard.try_recv(), Ok(Heard::Notice(Notice::Line(_)))));
}

#[test]
fn a_reader_that_went_away_stops_nothing() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let (screen, _requests) =
        Screen::start(Setup { face: Face::Lines, out: Box::new(Closed), commands: None, interrupted: Box::new(|| {}) });
    for event in sample::finished() {
        screen.watcher().tell(Notice::Event(Box::new(event)));
    }
    screen.close();
}
