//! What the world counts: rows, outages, repeats; and that looking changes nothing.

use super::{Bench, START, postgres, run};
use crate::{
    clock::Span,
    ids::StepId,
    model::{DbEngine, Impact},
    sandbox::{Returned, command::Reply},
    world::{Call, Post, What},
};

/// A planned move, as the runbook does it: freeze, drain, promote, shift.
fn planned(bench: &mut Bench, from: &str, to: &str) {
    bench.size(to, "web", (8, 8, 16));
    bench.wait(Span::mins(6));
    bench.size(from, "workers", (0, 0, 4));
    bench.frozen(from);
    bench.until("drained", |b| b.position(to).lsn >= b.position(from).lsn);
    bench.set(to, None);
    bench.promoted(to);
    bench.shift(to);
    bench.wait(Span::mins(3));
    bench.size(to, "workers", (2, 2, 4));
}

/// Fence, quarantine, keep the tail, retire, reverse.
fn reprotect(bench: &mut Bench, from: &str, to: &str, n: u32) {
    bench.frozen(from);
    bench.guard(from, &format!("sg-closed-{from}"));
    bench.wait(Span::secs(30));
    while bench.snapshot(from, &format!("tail-{n}")).is_err() {
        bench.wait(Span::mins(1));
    }
    bench.retire(from, &format!("orders-old-{n}"));
    bench.set(from, None);
    bench.until("idle", |b| b.db(to).usable());
    bench.replica(from, to).unwrap();
    bench.until("built", |b| b.db(from).usable());
    bench.wait(Span::mins(30));
    bench.size(from, "web", (1, 2, 16));
}

#[test]
fn a_planned_move_there_and_back_loses_no_row_and_never_has_two_writers() {
    for seed in 0..25 {
        let engine = if seed % 2 == 0 { DbEngine::Postgres } else { DbEngine::Mysql };
        let mut bench = Bench::new(engine, seed);
        for (n, from, to) in [(1, "ohio", "oregon"), (2, "oregon", "ohio"), (3, "ohio", "oregon")] {
            planned(&mut bench, from, to);
            reprotect(&mut bench, from, to, n);
        }
        let lived = bench.lived();
        assert_eq!((lived.rows_lost, lived.two_writers), (0, None), "seed {seed}");
        assert_eq!((lived.rows_unreplicated_at_promotion, lived.rows_kept_in_snapshot), (0, 0), "seed {seed}");
        assert!(lived.write_outage > Span::mins(12) && lived.downtime < lived.write_outage, "{lived:?}");
        assert_eq!(lived.applied["PromoteReadReplica"], 3);
        assert_eq!(lived.repeated, [""; 0]);
    }
}

#[test]
fn an_emergency_loses_what_was_not_replicated_and_the_snapshot_keeps_all_of_it() {
    let mut lost = 0;
    for seed in 0..25 {
        let mut bench = postgres(seed);
        bench.size("oregon", "web", (8, 8, 16));
        bench.wait(Span::mins(6));
        bench.fault("primary-lost");
        bench.promoted("oregon");
        bench.shift("oregon");
        let gone = bench.lived();
        assert_eq!(gone.rows_lost, gone.rows_unreplicated_at_promotion);
        bench.until("back", |b| b.answer("ohio", What::Site).ok);
        reprotect(&mut bench, "ohio", "oregon", 1);
        let lived = bench.lived();
        assert_eq!((lived.rows_lost, lived.two_writers), (0, None), "seed {seed}");
        let [returned] = &lived.returned_unfenced[..] else { panic!("it came back writable") };
        assert!(returned.until.is_some() && returned.rows_kept == returned.rows, "{returned:?}");
        assert_eq!(lived.rows_kept_in_snapshot, gone.rows_lost + returned.rows);
        lost += gone.rows_lost;
    }
    assert!(lost > 0, "replication was behind in some of them");
}

#[test]
fn opening_a_site_that_came_back_and_was_fenced_opens_a_second_writer() {
    let mut bench = postgres(29);
    bench.fault("primary-lost");
    bench.promoted("oregon");
    bench.until("back", |b| b.answer("ohio", What::Site).ok);
    bench.wait(Span::mins(2));
    let before = bench.lived();
    let [back] = &before.returned_unfenced[..] else { panic!("{before:?}") };
    assert!(back.rows > 0 && back.words().ends_with("rows, not in any snapshot yet"), "{}", back.words());
    bench.frozen("ohio");
    bench.wait(Span::mins(1));
    assert_eq!(bench.lived().two_writers, None);
    bench.set("ohio", None);
    bench.wait(Span::mins(2));
    let lived = bench.lived().since(&before);
    assert!(lived.two_writers.is_some() && lived.returned_unfenced.len() == 1, "{lived:?}");
    let [fenced] = &lived.returned_unfenced[..] else { panic!("{lived:?}") };
    assert!(fenced.until.unwrap() < bench.now() - Span::mins(2), "what it writes now is another matter");
    assert_eq!(bench.lived().since(&bench.lived()).returned_unfenced, []);
}

#[test]
fn what_came_back_is_told_in_words() {
    let from: crate::clock::Timestamp = "2026-11-21T03:52:10Z".parse().unwrap();
    let mut back =
        Returned { resource: "orders".into(), site: "ohio".into(), from, until: None, rows: 12, rows_kept: 0 };
    let came = "orders at ohio, writable, by itself at 03:52:10; it";
    assert_eq!(back.words(), format!("{came} still takes writes: 12 rows, not in any snapshot yet"));
    (back.until, back.rows_kept) = (Some(from + Span::secs(14)), 12);
    assert_eq!(back.words(), format!("{came} took writes for 14s: 12 rows, all of them kept in a snapshot"));
}

#[test]
fn a_promotion_without_a_drain_loses_rows() {
    let mut bench = postgres(30);
    bench.promoted("oregon");
    let lived = bench.lived();
    assert!(lived.rows_lost > 0 && lived.two_writers.is_some(), "{lived:?}");
}

#[test]
fn looking_more_often_changes_nothing() {
    for seed in 0..5 {
        let script = |bench: &mut Bench, pause: &mut dyn FnMut(&mut Bench, Span)| {
            pause(bench, Span::mins(11));
            bench.fault("primary-lost@promote");
            bench.size("oregon", "web", (4, 8, 16));
            pause(bench, Span::mins(9));
            bench.promote("oregon").ok();
            pause(bench, Span::mins(25));
            bench.shift("oregon");
            pause(bench, Span::hours(8));
        };
        let (mut seldom, mut often) = (postgres(seed), postgres(seed));
        script(&mut seldom, &mut |bench, span| bench.wait(span));
        script(&mut often, &mut |bench, span| {
            let until = bench.now() + span;
            while bench.now() < until {
                bench.wait(Span::ms(1_700).min(until.since(bench.now())));
                for site in ["ohio", "oregon"] {
                    bench.look(site, What::Lag("orders".into())).ok();
                    bench.look(site, What::Position("orders".into())).ok();
                }
            }
        });
        assert_eq!(seldom.state, often.state, "seed {seed}");
        assert_ne!(seldom.state, postgres(seed + 1).state);
    }
}

#[test]
fn days_of_idle_time_are_a_few_events() {
    let mut bench = postgres(31);
    bench.state.advance(START + Span::hours(24 * 365));
    assert!(bench.lived().rows_written > 1_000_000);
}

#[test]
fn a_command_that_runs_twice_is_told() {
    let mut bench = postgres(32);
    let lock = || run("lock", &["./ci", "lock"], None);
    bench.send_as("run1-lock-1", "oregon", What::Site, lock()).unwrap();
    bench.send_as("run2-lock-1", "oregon", What::Site, lock()).unwrap();
    assert_eq!(bench.lived().repeated, [""; 0], "another run may do the same");
    bench.send_as("run1-lock-2", "oregon", What::Site, lock()).unwrap();
    assert_eq!(bench.lived().repeated, ["run1-lock-2: command: ./ci lock"]);
}

#[test]
fn a_request_with_a_known_token_is_recognised_and_done_once() {
    let mut bench = postgres(33);
    let post = || {
        Call::Post(Post {
            step: StepId::from("lock"),
            method: "POST".into(),
            url: "https://flags.example.com".into(),
            body: "x".into(),
            impact: Impact::Safe,
        })
    };
    for _ in 0..2 {
        let reply = bench.send_as("run1-lock-1", "oregon", What::Site, post()).unwrap();
        assert!(matches!(reply, Reply::Heard(_)));
    }
    assert_eq!((bench.lived().applied["POST"], bench.lived().repeated.len()), (1, 0));
    bench.send_as("run1-lock-2", "oregon", What::Site, post()).unwrap();
    assert_eq!(bench.lived().repeated.len(), 1, "another token is another request");
}

#[test]
fn what_one_run_lived_through_is_a_difference() {
    let mut bench = postgres(34);
    bench.fault("primary-lost");
    bench.wait(Span::mins(1));
    let before = bench.lived();
    bench.wait(Span::mins(2));
    let since = bench.lived().since(&before);
    assert_eq!((since.downtime, since.rows_written), (Span::mins(2), 0));
}
