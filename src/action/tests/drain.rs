//! When nothing is left to replicate, and what proves it.

use super::lag_of;
use crate::{
    action::{
        Next,
        bench::{Bench, NOW, action_of, call, db},
    },
    model::{DbEngine, Direction},
    world::{
        Seen, What,
        rds::{Db, Position, Status},
    },
};
use serde_json::{Value, json};

#[test]
fn a_drain_is_proven_only_when_nobody_writes_any_more() {
    let at = |writable, writing, source, replica| {
        let bench = Bench::at("oregon").see(
            "ohio",
            What::Position("db".into()),
            Seen::Position(Position { lsn: source, writable, writing }),
        );
        let follower = Seen::Db(db(Status::Available, Some("ohio")));
        let bench = bench.see("oregon", What::Db("db".into()), follower).see(
            "oregon",
            What::Position("db".into()),
            Seen::Position(Position { lsn: replica, writable: false, writing: 0 }),
        );
        call(&bench.next("wait-for-replication", "db", json!({ "drained": true, "proof": "lsn" })))
    };
    assert_eq!(at(false, 0, 100, 100), "done");
    assert_eq!(at(true, 0, 100, 100), "wait: db still takes writes");
    assert_eq!(at(false, 2, 100, 100), "wait: 2 sessions still write to db");
    assert_eq!(at(false, 0, 100, 60), "wait: 40 bytes left to replay");
}

#[test]
fn what_a_quiet_source_logs_by_itself_is_not_chased() {
    let with = json!({ "drained": true, "proof": "lsn" });
    let action = action_of("wait-for-replication", &with);
    let position = |lsn, writable| Seen::Position(Position { lsn, writable, writing: 0 });
    let seen = |bench: Bench, source: Seen, replica| {
        let bench = bench.see("ohio", What::Position("db".into()), source);
        bench.see("oregon", What::Position("db".into()), position(replica, false))
    };
    let holds = |bench: &Bench| match bench.next("wait-for-replication", "db", with.clone()) {
        Next::Wait { holds, .. } => holds,
        other => panic!("{other:?}"),
    };
    let sources_looked_at = |bench: &Bench| {
        let targets = bench.cx("db", |cx| action.behave().targets(cx));
        targets.iter().filter(|t| t.site.as_str() == "ohio").count()
    };
    let bench = Bench::at("oregon").see("oregon", What::Db("db".into()), Seen::Db(db(Status::Available, Some("ohio"))));
    let bench = seen(bench, position(100, true), 60);
    assert_eq!((holds(&bench), sources_looked_at(&bench)), (None, 1), "it may still write more");
    let mut bench = seen(bench, position(100, false), 60);
    assert_eq!(holds(&bench), Some(true), "this is the end");
    bench.past.holding_since = Some(NOW);
    assert_eq!((holds(&bench), sources_looked_at(&bench)), (Some(true), 0));
    let bench = seen(bench, position(100, false), 100);
    assert_eq!(call(&bench.next("wait-for-replication", "db", with.clone())), "done");
    let bench = seen(bench, Seen::Unknown { why: "gone".into() }, 100);
    assert_eq!(holds(&bench), Some(false), "an end that is forgotten is looked for again");
}

fn drained_by_metric(source: Seen, replica: Seen, slot_lag: Seen, lag: Seen) -> Next {
    Bench::at("oregon")
        .see("ohio", What::Db("db".into()), source)
        .see("oregon", What::Db("db".into()), replica)
        .see("ohio", What::SlotLag("db".into()), slot_lag)
        .see("oregon", What::Lag("db".into()), lag)
        .next("wait-for-replication", "db", json!({ "drained": true, "proof": "metric" }))
}

#[test]
fn the_metric_of_a_drain_is_that_of_the_engine_that_is_there() {
    let zeros = || lag_of(&[(40, Some(0.0)), (10, Some(0.0))]);
    let of = |source: Option<&str>| Seen::Db(Db { engine: DbEngine::Mysql, ..db(Status::Available, source) });
    // The runbook states PostgreSQL.
    assert_eq!(call(&drained_by_metric(of(None), of(Some("ohio")), lag_of(&[]), zeros())), "done");
    assert!(call(&drained_by_metric(of(None), of(Some("ohio")), zeros(), lag_of(&[]))).starts_with("wait"));
    let dark = || Seen::Unknown { why: "dark".into() };
    assert_eq!(call(&drained_by_metric(dark(), of(Some("ohio")), dark(), zeros())), "done", "as its replica says");
    assert_eq!(call(&drained_by_metric(dark(), dark(), zeros(), dark())), "done", "as stated");
}

#[test]
fn nothing_is_waited_for_from_a_database_that_is_no_replica() {
    let next = |at: &'static str, direction, with: Value| {
        let mut bench = Bench::at(at);
        for site in ["ohio", "oregon"] {
            bench = bench.see(site, What::Db("db".into()), Seen::Db(db(Status::Available, None)));
            bench = bench.see(site, What::Lag("db".into()), lag_of(&[]));
            bench = bench.see(site, What::SlotLag("db".into()), lag_of(&[]));
            let position = Position { lsn: 1, writable: false, writing: 0 };
            bench = bench.see(site, What::Position("db".into()), Seen::Position(position));
        }
        bench.direction = direction;
        bench.next("wait-for-replication", "db", with)
    };
    for with in [
        json!({ "drained": true, "proof": "metric" }),
        json!({ "drained": true, "proof": "lsn" }),
        json!({ "max_lag": "30s", "for": "10m" }),
    ] {
        let Next::Done { outputs, facts } = next("oregon", Direction::Failover, with.clone()) else {
            panic!("it was promoted already: {with}")
        };
        assert!(outputs.is_empty(), "nothing was proven by this step");
        assert_eq!(facts[0].value, "a writer already: nothing is left to replicate");
        let stuck = call(&next("ohio", Direction::Reprotect, with));
        assert_eq!(stuck, "stuck: database db at ohio is no replica: nothing replicates to it");
    }
}

#[test]
fn a_metric_proves_a_drain_by_two_samples_after_the_freeze() {
    let metric = |samples: &[(u64, Option<f64>)]| {
        let replica = Seen::Db(db(Status::Available, Some("ohio")));
        call(&drained_by_metric(Seen::Db(db(Status::Available, None)), replica, lag_of(samples), lag_of(&[])))
    };
    assert_eq!(metric(&[(40, Some(0.0)), (10, Some(0.0))]), "done");
    assert_eq!(metric(&[(90, Some(0.0)), (10, Some(0.0))]), "wait: 1 of 2 samples after the freeze say zero");
    assert_eq!(metric(&[(40, Some(0.0)), (10, None)]), "wait: 0 of 2 samples after the freeze say zero");
}
