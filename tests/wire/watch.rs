//! Nobody at a terminal: an alarm of the double goes off, its topic tells a queue, and the service moves.

use crate::{
    binary::AGREED,
    double::Double,
    tower::{Heard, Tower},
    world::{HOME, NAME},
};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn an_alarm_moves_the_service_and_people_bring_it_home() {
    let tower = Tower::of("hold: 1s\n    autonomy: full\n    accept_data_loss: 1m");
    let desk = &tower.desk;
    let mut watch = tower.watches();
    watch.hears("watches");
    tower.goes("orders", "ALARM");
    tower.goes("canary", "ALARM");
    watch.until("run_started");
    watch.until("run_finished");
    assert_eq!(desk.wire.witness.weights(&desk.wire.zone, NAME)["oregon"], 100);
    let mut told = String::new();
    while !told.contains("it ended") {
        told += &tower.told();
    }
    for what in ["began by itself", "lifeboat show"] {
        assert!(told.contains(what), "no `{what}` in {told}");
    }
    while tower.left_in_the_queue() > 0 {
        // Its decision is on disk; the queue hears of it a moment later.
    }
    while !desk.run("watch --explain").ends(0).out.contains("told 127.0.0.1: ") {
        // By webhook too, a moment later.
    }
    watch.kill();
    let calls = Double::shared().calls(&desk.wire.account).len();
    assert!(calls > 0);
    desk.run(&format!("reprotect RUNBOOK {AGREED}")).ends(0);
    desk.run(&format!("failback RUNBOOK --no-reprotect {AGREED}")).ends(25);
    assert_eq!(desk.wire.witness.weights(&desk.wire.zone, NAME)["ohio"], 100);
}

#[test]
fn a_run_that_may_only_do_what_is_safe_pages_and_goes_on_by_approval_from_another_terminal() {
    let tower = Tower::of("hold: 1s\n    autonomy: safe\n    accept_data_loss: 1m");
    let mut watch = tower.watches();
    watch.hears("watches");
    tower.goes("orders", "ALARM");
    tower.goes("canary", "ALARM");
    watch.until("run_paused");
    watch.hears("\"note\":\"told\"");
    let frozen = |tower: &Tower| tower.desk.wire.witness.parameters(HOME.1, "orders-ohio");
    assert_eq!(frozen(&tower).get("default_transaction_read_only"), None, "nothing disruptive was sent");
    tower.desk.run("approve").ends(0).says("answered yes");
    watch.until("run_finished");
    assert_eq!(tower.desk.wire.witness.weights(&tower.desk.wire.zone, NAME)["oregon"], 100);
}

#[test]
fn a_watcher_that_is_killed_in_the_middle_of_a_failover_goes_on_with_it_when_it_is_started_again() {
    let tower = Tower::of("hold: 1s\n    autonomy: full\n    accept_data_loss: 1m");
    let mut watch = tower.watches();
    watch.hears("watches");
    tower.goes("orders", "ALARM");
    tower.goes("canary", "ALARM");
    watch.until("effect_intended");
    watch.kill();
    let mut again = tower.watches();
    again.until("run_resumed");
    again.until("run_finished");
    again.kill();
    let runs = tower.desk.run("runs --output json").ends(0).objects();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(tower.desk.wire.witness.weights(&tower.desk.wire.zone, NAME)["oregon"], 100);
    let promotions = Double::shared().calls(&tower.desk.wire.account);
    let promoted = promotions.iter().filter(|call| call.to_string().contains("PromoteReadReplica")).count();
    assert_eq!(promoted, 1);
}

/// Alarms that no trigger names: `LIFEBOAT_MESSAGES` of them, else 300.
fn of_others() -> Vec<(String, &'static str)> {
    let many = std::env::var("LIFEBOAT_MESSAGES").map_or(300, |many| many.parse().unwrap());
    (0..many).map(|n| (format!("other-{n}"), ["ALARM", "OK", "INSUFFICIENT_DATA"][n % 3])).collect()
}

#[test]
fn of_many_messages_those_that_matter_start_the_run_that_they_should_and_memory_stays_as_it_was() {
    let tower = Tower::of("hold: 1s\n    autonomy: full\n    accept_data_loss: 1m");
    let watch = Heard::of(tower.watches());
    let others = of_others();
    let (some, rest) = others.split_at(others.len() / 10);
    let among = |some: &[(String, &str)], what: [(&str, &str); 2]| {
        let (a, b) = some.split_at(some.len() / 2);
        for (some, (name, state)) in [a, b].into_iter().zip(what) {
            tower.send(some);
            tower.goes(name, state);
        }
    };
    let drained = || while tower.left_in_the_queue() > 0 {};
    among(some, [("orders", "ALARM"), ("canary", "ALARM")]);
    watch.until(|line| line.to_string().contains("\"began\""));
    while tower.desk.run("runs --output json").ends(0).objects().iter().all(|run| run["outcome"].is_null()) {}
    drained();
    let before = watch.memory();

    // It is over, and true again: a run that began by itself and that nobody knows of prevents another.
    among(rest, [("canary", "OK"), ("canary", "ALARM")]);
    drained();
    while !tower.desk.run("watch --explain").ends(0).out.contains("prevented: run ") {}
    let after = watch.memory();
    println!("{} messages: {before} KiB, then {after} KiB", others.len());
    assert!(after < before + (8 << 10), "{before} KiB, then {after} KiB");
    assert_eq!(tower.desk.run("runs --output json").ends(0).objects().len(), 1);
    let told = tower.desk.run("watch --explain --last 100000 --output json").ends(0).objects();
    let heard = |note: &Value| note.to_string().split("alarm:other-").nth(1)?.split('"').next().map(str::to_owned);
    let heard: BTreeSet<_> = told.iter().filter_map(heard).collect();
    assert_eq!(heard.len(), others.len(), "each is on record");
}
