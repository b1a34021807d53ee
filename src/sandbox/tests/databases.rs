//! Promotion, freezing, renaming, building, snapshots.

use super::{Bench, not_now, postgres, refused};
use crate::{
    clock::Span,
    driver::LookError,
    model::DbEngine,
    sandbox::script::Script,
    world::{
        Seen, What,
        rds::{self, ApplyStatus, Status},
    },
};

/// A seed whose standby is at rest for the first half hour.
fn calm(engine: DbEngine) -> Bench {
    let quiet = |bench: &Bench| {
        let mut later = Bench { state: bench.state.clone(), script: bench.script.clone(), sent: 0 };
        (0..60).all(|_| {
            later.wait(Span::secs(30));
            later.db("oregon").status == Status::Available && later.db("ohio").status == Status::Available
        })
    };
    (0..100).map(|seed| Bench::new(engine, seed)).find(quiet).unwrap()
}

#[test]
fn the_first_available_after_the_call_is_not_the_end_of_a_promotion() {
    let mut bench = calm(DbEngine::Postgres);
    bench.promote("oregon").unwrap();
    let db = bench.db("oregon");
    assert_eq!((&db.status, db.is_replica(), db.replication_normal), (&Status::Available, true, true));
    let mut seen = vec![];
    for _ in 0..1200 {
        let db = bench.db("oregon");
        let now = (db.status.clone(), db.is_replica(), db.replication_normal);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        bench.wait(Span::secs(1));
    }
    let expected = [
        (Status::Available, true, true),
        (Status::Modifying, true, false),
        (Status::Rebooting, true, false),
        (Status::Rebooting, false, false),
    ];
    assert_eq!(seen[..4], expected);
    // Available or not, it is over only when nothing abnormal is reported any more.
    let settled = seen.iter().position(|(_, replica, normal)| !replica && *normal).unwrap();
    assert!(seen[4..settled].iter().all(|s| *s == (Status::Available, false, false)), "{seen:?}");
    assert!(
        seen[settled..]
            .iter()
            .all(|(status, replica, _)| { !replica && matches!(status, Status::Available | Status::BackingUp) })
    );
}

#[test]
fn a_promotion_takes_five_to_ten_minutes_where_the_runbook_does_not_say() {
    for seed in 0..30 {
        let mut bench = postgres(seed);
        bench.script = Script::default();
        if bench.promote("oregon").is_ok() {
            let took = bench.until("a writer", |b| b.position_of("oregon").is_some_and(|p| p.writable));
            assert!((Span::secs(294)..=Span::secs(589)).contains(&took), "{took}");
        }
    }
}

#[test]
fn the_runbooks_expectation_of_a_step_is_heeded() {
    let mut bench = calm(DbEngine::Postgres);
    let resource_id = bench.db("oregon").resource_id;
    let call = rds::Call::Promote { identifier: "orders".into(), resource_id, backup_retention: 7 };
    bench.send_as("run1-promote-1", "oregon", What::Site, crate::world::Call::Rds(call)).unwrap();
    let took = bench.until("a writer", |b| b.position_of("oregon").is_some_and(|p| p.writable));
    assert!((Span::secs(336)..=Span::secs(673)).contains(&took), "8m, give or take: {took}");
}

#[test]
fn a_promotion_is_refused_while_backing_up_and_then_surely_did_nothing() {
    let mut bench = (0..100).map(postgres).find(|b| b.db("oregon").backup_retention > 0).unwrap();
    bench.until("a backup", |b| b.db("oregon").status == Status::BackingUp);
    let before = bench.db("oregon");
    assert!(not_now(bench.promote("oregon")).contains("backing-up"));
    assert_eq!(bench.db("oregon"), before);
    assert_eq!(bench.lived().applied.len(), 0);
    let lasts = bench.until("its end", |b| b.db("oregon").status == Status::Available);
    assert!((Span::mins(3)..=Span::mins(12)).contains(&lasts), "{lasts}");
    bench.promote("oregon").unwrap();
}

#[test]
fn what_was_promoted_never_replicates_again() {
    let mut bench = calm(DbEngine::Postgres);
    bench.promoted("oregon");
    bench.until("idle", |b| b.db("oregon").status == Status::Available);
    assert!(refused(bench.promote("oregon")).contains("not a read replica"));
    assert_eq!(bench.db("oregon").backup_retention, 7);
}

#[test]
fn a_parameter_goes_to_every_instance_on_the_group_in_its_own_time() {
    let mut bench = calm(DbEngine::Postgres);
    bench.promoted("oregon");
    bench.until("idle", |b| b.db("oregon").status == Status::Available);
    bench.retire("ohio", "orders-old");
    bench.replica("ohio", "oregon").unwrap();
    bench.until("built", |b| b.db("ohio").status == Status::Available);
    bench.set("ohio", Some("1"));
    let old = |b: &Bench| match b.see("ohio", What::Db("orders-old".into())) {
        Seen::Db(db) => db.parameters,
        other => panic!("{other:?}"),
    };
    assert_eq!((old(&bench), bench.db("ohio").parameters), (ApplyStatus::Applying, ApplyStatus::Applying));
    bench.wait(Span::secs(25));
    assert_eq!((old(&bench), bench.db("ohio").parameters), (ApplyStatus::InSync, ApplyStatus::InSync));
}

#[test]
fn a_freeze_is_in_force_only_after_a_while_and_open_transactions_still_commit() {
    let mut lingered = 0;
    for seed in 0..20 {
        let mut bench = postgres(seed);
        bench.set("ohio", Some("1"));
        assert!(bench.position("ohio").writable, "not in force yet");
        let took = bench.until("in force", |b| b.db("ohio").parameters == ApplyStatus::InSync);
        assert!((Span::secs(10)..=Span::secs(22)).contains(&took), "{took}");
        let (before, rows) = (bench.position("ohio"), bench.lived().rows_written);
        assert!(!before.writable);
        let quiet = bench.until("quiet", |b| b.position("ohio").writing == 0);
        assert!(quiet <= Span::secs(26));
        lingered += bench.lived().rows_written - rows;
        let rows = bench.lived().rows_written;
        bench.wait(Span::mins(5));
        assert_eq!(bench.lived().rows_written, rows, "quiet is quiet");
    }
    assert!(lingered > 0, "some transaction commits after the freeze");
}

#[test]
fn frozen_state_sticks_to_the_group_whatever_becomes_of_the_instance() {
    let mut bench = calm(DbEngine::Postgres);
    bench.set("oregon", Some("1"));
    bench.promoted("oregon");
    assert!(!bench.position("oregon").writable, "it was promoted into a frozen group");
    bench.set("oregon", None);
    bench.wait(Span::secs(30));
    assert!(bench.position("oregon").writable);
}

#[test]
fn a_mysql_replica_is_read_only_by_default_and_open_with_a_plain_zero() {
    let mut bench = calm(DbEngine::Mysql);
    assert!(!bench.position("oregon").writable, "{{TrueIfReplica}}");
    bench.set("oregon", Some("0"));
    bench.wait(Span::secs(30));
    assert!(bench.position("oregon").writable, "0 opens a replica: two writers");
    assert!(bench.lived().two_writers.is_some());
    let mut postgres = calm(DbEngine::Postgres);
    postgres.set("oregon", Some("0"));
    postgres.wait(Span::secs(30));
    assert!(!postgres.position("oregon").writable, "a PostgreSQL replica never writes");
}

#[test]
fn default_parameter_groups_cannot_be_changed_and_unknown_ones_do_not_exist() {
    let mut bench = postgres(1);
    let set = |group: &str| rds::Call::SetParameter {
        group: group.into(),
        parameter: "default_transaction_read_only".into(),
        value: Some("1".into()),
        freezes: true,
    };
    assert!(refused(bench.rds("ohio", set("nobody"))).contains("DBParameterGroupNotFound"));
    assert_eq!(bench.see("ohio", What::Parameters("orders-oregon".into())), Seen::Absent, "groups belong to a Region");
}

#[test]
fn a_renamed_database_is_gone_at_once_and_back_under_its_new_name_after_minutes() {
    let mut bench = calm(DbEngine::Postgres);
    bench.retire("ohio", "orders-old");
    let old = |b: &Bench| b.see("ohio", What::Db("orders".into()));
    let new = |b: &Bench| match b.see("ohio", What::Db("orders-old".into())) {
        Seen::Absent => None,
        Seen::Db(db) => Some(db.status),
        other => panic!("{other:?}"),
    };
    assert_eq!((old(&bench), new(&bench)), (Seen::Absent, None), "for a while neither name is there");
    let hidden = bench.until("listed", |b| new(b).is_some());
    assert_eq!(new(&bench), Some(Status::Renaming));
    let renaming = bench.until("renamed", |b| new(b) == Some(Status::Available));
    assert!(hidden > Span::secs(30) && hidden + renaming > Span::mins(5), "{hidden}, {renaming}");
    let Seen::Dbs(retired) = bench.see("ohio", What::Retired("orders".into())) else { panic!() };
    assert_eq!(retired.iter().map(|db| db.identifier.as_str()).collect::<Vec<_>>(), ["orders-old"]);
}

#[test]
fn a_replica_needs_a_free_name_a_source_with_backups_and_takes_hours() {
    let mut bench = calm(DbEngine::Postgres);
    assert!(refused(bench.replica("ohio", "oregon")).contains("DBInstanceAlreadyExists"));
    bench.retire("ohio", "orders-old");
    assert!(refused(bench.replica("ohio", "oregon")).contains("keeps no backups or is a replica"));
    bench.promoted("oregon");
    bench.until("idle", |b| b.db("oregon").status == Status::Available);
    bench.size("oregon", "workers", (2, 2, 4));
    bench.replica("ohio", "oregon").unwrap();
    assert_eq!(bench.db("oregon").status, Status::Modifying, "its source is touched too");
    let db = bench.db("ohio");
    assert_eq!((&db.status, &db.endpoint, db.is_replica()), (&Status::Creating, &None, true));
    assert_eq!(db.security_groups, ["sg-a", "sg-b"]);
    assert!(matches!(bench.look("ohio", What::Position("orders".into())), Err(LookError::Transient { .. })));
    let took = bench.until("built", |b| b.db("ohio").status == Status::Available);
    assert!((Span::hours(2)..=Span::hours(5)).contains(&took), "{took}");
    let left = bench.until("caught up", |b| b.position("oregon").lsn - b.position("ohio").lsn < 100_000);
    assert!(left > Span::secs(30), "it is far behind when it is available: {left}");
}

#[test]
fn a_snapshot_is_of_its_instant_pending_for_minutes_and_taken_once() {
    let mut bench = calm(DbEngine::Postgres);
    let at = bench.now();
    bench.snapshot("ohio", "tail").unwrap();
    assert!(not_now(bench.snapshot("ohio", "tail")).contains("backing-up"), "one thing at a time");
    let snapshot = |b: &Bench| match b.see("ohio", What::Snapshot("tail".into())) {
        Seen::Snapshot(snapshot) => snapshot,
        other => panic!("{other:?}"),
    };
    assert_eq!((snapshot(&bench).complete, snapshot(&bench).taken), (false, at));
    let took = bench.until("complete", |b| snapshot(b).complete);
    assert!((Span::mins(6)..=Span::mins(15)).contains(&took), "{took}");
    assert_eq!(snapshot(&bench).taken, at);
    bench.until("idle", |b| b.db("ohio").status == Status::Available);
    assert!(refused(bench.snapshot("ohio", "tail")).contains("DBSnapshotAlreadyExists"));
}

#[test]
fn a_quarantined_database_lets_nobody_in_neither_us_nor_clients() {
    let mut bench = calm(DbEngine::Postgres);
    bench.guard("ohio", "sg-closed-ohio");
    assert!(bench.answer("ohio", What::Connect("orders".into())).ok, "not in force yet");
    bench.wait(Span::secs(21));
    assert!(!bench.answer("ohio", What::Connect("orders".into())).ok);
    assert!(matches!(bench.look("ohio", What::Position("orders".into())), Err(LookError::Transient { .. })));
    let rows = bench.lived().rows_written;
    bench.wait(Span::mins(5));
    assert_eq!(bench.lived().rows_written, rows);
    assert_eq!(bench.db("ohio").status, Status::Available, "the API still shows it");
}

#[test]
fn another_instance_under_the_same_name_is_not_the_one_that_is_meant() {
    let mut bench = calm(DbEngine::Postgres);
    let call = rds::Call::Promote { identifier: "orders".into(), resource_id: "db-OTHER".into(), backup_retention: 7 };
    assert!(refused(bench.rds("oregon", call)).contains("another instance"));
}
