use super::*;
use crate::{
    event::{EventKind, PauseReason},
    view::sample,
};

fn shown(events: &[Event], width: usize) -> String {
    let mut out = vec![];
    of(events, None).unwrap().human(&Page::plain(width), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn paused(why: PauseReason) -> Vec<Event> {
    let mut all = sample::frozen();
    let failed = EventKind::StepFailed {
        step: "drained".into(),
        why: "still 12s behind after 3m".into(),
        hint: Some("look at the replica's log".into()),
    };
    all.extend([(50, sample::attempt("drained", 1)), (230, failed), (231, EventKind::RunPaused { why })]);
    sample::events(all)
}

#[test]
fn a_finished_run_says_what_was_kept_and_what_is_owed() {
    insta::assert_snapshot!(shown(&sample::finished(), 80), @r"
    outcome       service restored, unprotected (planned failover of storefront,
                  ohio -> oregon, run r1kf, 10m22s, in the sandbox)
    RTO           10m20s, promised 10m: missed; clock from the command; decide 30s,
                  execute 9m50s
    writes lost   none, promised 10m: kept; proof: lsn
    write outage  unknown, promised 10m: unproven; no proof
    owed          reprotect ohio
    effects       2 sent, 2 happened
    next: lifeboat reprotect runbooks/storefront.yaml --sandbox
            pays what is owed: reprotect ohio
    next: lifeboat status runbooks/storefront.yaml --sandbox
            looks at how things are now
    ");
}

#[test]
fn a_paused_run_says_what_is_held_and_what_to_type() {
    insta::assert_snapshot!(shown(&paused(PauseReason::StepFailed("drained".into())), 60), @r#"
    outcome       paused: drained failed (planned failover of
                  storefront, ohio -> oregon, run r1kf, 3m51s,
                  in the sandbox)
    held          writes frozen at ohio since 03:12:32, until
                  03:18:05 at most while its process lives; by
                  freeze
    failed        drained: still 12s behind after 3m
    not started   promote, moved, allow_deploys
    effects       1 sent, 1 happened
    next: lifeboat resume r1kf --retry drained --sandbox
            tries it again
    next: lifeboat resume r1kf --skip drained --reason "..." --sandbox
            goes on without it
    next: lifeboat resume r1kf --mark-done drained --reason "..." --sandbox
            takes it as done: you did it by hand
    next: lifeboat resume r1kf --undo --sandbox
            takes back all that was done
    next: lifeboat cancel r1kf --sandbox
            releases what is held and ends the run as it stands
    "#);
}

#[test]
fn nothing_is_undone_once_the_promotion_was_intended() {
    let undo = |events: &[Event]| of(events, None).unwrap().next.iter().any(|n| n.command.contains("--undo"));
    assert!(undo(&paused(PauseReason::Signal)));
    let mut later = sample::frozen();
    later.push((60, sample::intended("promote", sample::promote())));
    later.push((61, EventKind::RunPaused { why: PauseReason::Signal }));
    assert!(!undo(&sample::events(later)));
}

#[test]
fn the_commands_are_those_that_were_typed() {
    let commands = Commands { file: "x.yaml".into(), flags: " --sandbox --store /tmp/s".into() };
    let summary = of(&sample::finished(), Some(&commands)).unwrap();
    assert_eq!(summary.next[0].command, "lifeboat reprotect x.yaml --sandbox --store /tmp/s");
}

#[test]
fn programs_get_the_same() {
    let value = of(&sample::finished(), None).unwrap().json();
    assert_eq!(value["outcome"], "unprotected");
    assert_eq!(value["measured"][0]["objective"], "rto");
    let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(names.join(" "), @"by direction effects ended ends held irrevocable measured mode next outcome owed realm run runbook schema standing started steps type");
}
