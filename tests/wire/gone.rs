//! The Region being left does not answer: it takes every call and says nothing.

use crate::{
    binary::{AGREED, Desk},
    proxy::Rule,
    world::{HOME, NAME, STANDBY, Wire},
};
use serde_json::Value;

/// What an emergency tries at the site being left, and for how long.
const TRIES: [&str; 2] = ["idle_workers", "freeze"];

fn desk() -> Desk {
    let shorter = [
        ("timeout: 45s, needs: [declare]", "timeout: 4s, needs: [declare]"),
        ("timeout: 45s, with:", "timeout: 4s, with:"),
    ];
    let desk = Desk::of(Wire::at_once(), &shorter);
    desk.wire.proxy.spoil(Rule::region_gone(HOME.1));
    desk
}

/// Milliseconds from one event of a step to another.
fn lasted(events: &[Value], step: &str) -> i64 {
    let of_step = events.iter().filter(|e| e["step"] == step);
    let at: Vec<_> = of_step.map(|e| e["at"].as_i64().unwrap()).collect();
    at[at.len() - 1] - at[0]
}

#[test]
fn an_emergency_leaves_a_region_that_is_gone_and_owes_what_could_not_be_done() {
    let desk = desk();
    desk.run("status RUNBOOK").says("ohio");
    desk.run("plan RUNBOOK --emergency").ends(0);
    let line = format!("failover RUNBOOK --emergency --accept-data-loss unknown {AGREED}");
    let ran = desk.run(&format!("{line} --output json")).ends(25);
    for step in TRIES {
        // Its timeout, a look of 3 s that was under way, and room for a busy machine.
        let lasted = lasted(&ran.objects(), step);
        assert!(lasted <= 4_000 + 3_000 + 8_000, "{step} lasted {lasted} ms");
    }
    assert_eq!(desk.wire.witness.weights(&desk.wire.zone, NAME)[STANDBY.0], 100);
    assert!(desk.wire.witness.db(STANDBY.1, "orders")["ReadReplicaSourceDBInstanceIdentifier"].is_null());
    desk.wire.proxy.mend();
    desk.run("reprotect RUNBOOK --yes").ends(0);
    assert!(desk.wire.witness.db(HOME.1, "orders")["ReadReplicaSourceDBInstanceIdentifier"].is_string());
}
