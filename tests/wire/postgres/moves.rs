//! A database moves while somebody writes to it.

use super::{
    runs::{Ended, Runs},
    server::{Pair, ask},
    writer::{Writer, Written, connect},
};
use crate::world::{HOME, STANDBY};
use serde_json::Value;

/// Every row that was confirmed, and no more than the one that was under way, are on a server.
fn nothing_is_lost(port: u16, written: &Written) {
    let all = format!("select count(*) from orders where id between 1 and {}", written.confirmed);
    assert_eq!(ask(port, "orders", &all), Ok(written.confirmed.to_string()), "rows lost");
    let more = format!("select count(*) <= 1 from orders where id > {}", written.confirmed);
    assert_eq!(ask(port, "orders", &more), Ok("t".into()), "rows that nobody wrote");
}

/// What a step told at its end.
fn output(runs: &Runs, step: &str, name: &str) -> Value {
    let ends = runs.events();
    let end = ends.iter().rev().find(|e| e["event"] == "step_succeeded" && e["step"] == step);
    end.unwrap_or_else(|| panic!("{step} did not end"))["outputs"][name].clone()
}

fn is_done(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
}

/// Moved, nothing lost, and the reprotect is owed, which the tests have asked for.
fn is_moved(ended: &Ended, proof: &str) {
    assert_eq!(ended.code, Some(25), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains(&format!("writes lost   none; proof: {proof}\n")), "{}", ended.out);
}

fn move_under_writes(proof: &str) {
    let pair = Pair::new();
    let runs = Runs::new(&pair, proof, "1m");
    let writer = Writer::start(pair.home);
    is_moved(&runs.failover(), proof);
    let written = writer.end();
    assert_eq!(written.end, "cannot execute INSERT in a read-only transaction");
    nothing_is_lost(pair.standby, &written);
    assert_eq!(output(&runs, "drained", "proof"), proof);
    assert!(ask(pair.home, "orders", "insert into orders (id) values (0)").is_err(), "two writers");
    assert_eq!(ask(pair.standby, "orders", "insert into orders (id) values (0)"), Ok(String::new()));
}

#[test]
fn a_planned_failover_loses_no_row_by_lsn_proof() {
    move_under_writes("lsn");
}

#[test]
fn a_planned_failover_loses_no_row_by_marker_proof() {
    move_under_writes("marker");
}

#[test]
fn a_drain_that_cannot_be_proven_stops_the_run_and_opens_the_site_again() {
    let pair = Pair::new();
    let runs = Runs::new(&pair, "lsn", "3s");
    pair.oregon.ask("select pg_wal_replay_pause()").unwrap();
    let writer = Writer::start(pair.home);
    let ended = runs.failover();
    let written = writer.end();
    assert_eq!(ended.code, Some(20), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("bytes left to replay"), "{}", ended.err);
    assert_eq!(ask(pair.home, "orders", "insert into orders (id) values (0)"), Ok(String::new()), "still frozen");
    assert!(pair.wire.witness.parameters(HOME.1, "orders-ohio").is_empty());
    assert_eq!(pair.oregon.ask("select pg_is_in_recovery()"), Ok("t".into()), "promoted");
    nothing_is_lost(pair.home, &written);
}

#[test]
fn who_began_to_write_before_the_freeze_is_waited_for() {
    let pair = Pair::new();
    let runs = Runs::new(&pair, "lsn", "5m");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let open = runtime.block_on(async {
        let open = connect(pair.home).await.unwrap();
        open.batch_execute("begin; insert into orders (id) values (-1)").await.unwrap();
        open
    });
    let mut run = runs.begin(Runs::FAILOVER);
    let so = |sql: &str| ask(pair.ohio.port, "postgres", sql).is_ok_and(|answer| answer == "t");
    while !so("select setting = 'on' from pg_settings where name = 'default_transaction_read_only'") {
        assert!(run.try_wait().unwrap().is_none(), "{:?}", Ended::from(run.wait_with_output().unwrap()));
    }
    // Sessions in that database are lifeboat's: one a look.
    let looks = "select sessions from pg_stat_database where datname = 'orders'";
    let before: u64 = ask(pair.ohio.port, "postgres", looks).unwrap().parse().unwrap();
    while !so(&format!("select ({looks}) >= {before} + 3")) {
        assert!(run.try_wait().unwrap().is_none(), "{:?}", Ended::from(run.wait_with_output().unwrap()));
    }
    runtime.block_on(open.batch_execute("commit")).unwrap();
    is_moved(&run.wait_with_output().unwrap().into(), "lsn");
    assert_eq!(ask(pair.standby, "orders", "select count(*) from orders where id = -1"), Ok("1".into()));
}

#[test]
fn a_database_comes_home_from_a_replica_that_was_built_anew() {
    let pair = Pair::new();
    let runs = Runs::new(&pair, "lsn", "1m");
    is_moved(&runs.failover(), "lsn");
    let rebuilt = pair.prepare_replica(HOME);
    let ended = runs.run(&["reprotect", "--yes"]);
    is_done(&ended);
    let quarantined = runs.events().iter().any(|e| e.to_string().contains("quarantined: a connection is refused"));
    assert!(quarantined, "proven by a refused connection: {}", ended.err);
    assert!(ask(pair.home, "orders", "select 1").is_err(), "its old server still lets clients in");

    let home = pair.endpoint(HOME);
    assert_eq!(ask(home, "orders", "select pg_is_in_recovery()"), Ok("t".into()));
    let moves = ["failback", "--no-reprotect", "--yes", "--accept", "promote"];
    let wrong = "insert into payments values (1, 1, 5)";
    ask(pair.standby, "orders", &format!("insert into orders (id) values (1); {wrong}")).unwrap();
    let ended = runs.run(&moves);
    assert_eq!(ended.code, Some(10), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("1 row violates checks/invariants.sql"), "{}", ended.err);
    ask(pair.standby, "orders", "truncate orders, payments").unwrap();

    let writer = Writer::start(pair.standby);
    is_moved(&runs.run(&moves), "lsn");
    let written = writer.end();
    nothing_is_lost(home, &written);
    assert_eq!(output(&runs, "drained", "proof"), "lsn");
    assert!(ask(pair.standby, "orders", "insert into orders (id) values (0)").is_err(), "two writers");
    assert_eq!(ask(rebuilt, "orders", "insert into orders (id) values (0)"), Ok(String::new()));
    assert_eq!(pair.wire.witness.db(STANDBY.1, "orders")["ReadReplicaSourceDBInstanceIdentifier"], Value::Null);
}
