//! What a plan foresees: it only reads, and the run then sends what was foreseen, call by call.

use crate::{
    binary::{AGREED, Desk},
    runbook,
};
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn plan_and_status_of_every_bundled_runbook_only_read() {
    let bundled = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks")).unwrap();
    let paths = bundled.map(|entry| entry.unwrap().path());
    let runbooks = paths.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    let names: Vec<_> = runbooks.map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["warm-standby.yaml"], "the tests over the wire know how to adapt these alone");
    let (desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    let path = runbook::write(&desk.wire, &desk.web, folder.path());
    for line in
        ["status", "plan", "plan --direction failback", "plan --direction reprotect", "failover --planned --dry-run"]
    {
        desk.run(&format!("{line} {}", path.display())).ends(0);
    }
    let calls = desk.wire.proxy.calls();
    assert!(calls.len() > 20 && calls.iter().all(|call| !call.changes), "{calls:#?}");
    assert_eq!(desk.wire.served(), []);
}

/// It is no command: whether those are needed a plan does not find out, where running their `check`
/// might change something.
fn to_aws(effect: &Value) -> bool {
    effect["call"]["run"].is_null()
}

/// The calls to AWS that a plan names: operation and Region.
fn foreseen(desk: &Desk, line: &str) -> (Vec<(String, String)>, Vec<String>) {
    let plan = desk.run(&format!("plan RUNBOOK {line} --output json")).ends(0).objects().remove(0);
    let of_aws = plan["calls"].as_array().unwrap().iter().filter(|c| c["call"]["service"] != "local");
    let mut calls: Vec<_> = of_aws
        .map(|c| (text(&c["call"]["operation"]).to_owned(), text(&c["call"]["region"]).replace("global", "us-east-1")))
        .collect();
    let steps = ["steps", "finally"].map(|list| plan[list].as_array().unwrap().clone()).concat();
    let effects = steps.iter().flat_map(|step| step["prediction"]["effects"].as_array().unwrap().clone());
    let mut effects: Vec<_> = effects.map(|e| e["effect"].clone()).filter(to_aws).map(|e| e.to_string()).collect();
    calls.sort();
    effects.sort();
    (calls, effects)
}

/// Plans, runs, and compares: steps go side by side, so order is no part of it.
#[track_caller]
fn comes_true(desk: &Desk, plan: &str, run: &str, code: i32) {
    let (foreseen, planned) = foreseen(desk, plan);
    desk.wire.forget();
    let events = desk.run(&format!("{run} --output json")).ends(code).objects();
    let mut sent: Vec<_> = desk.wire.proxy.changes().into_iter().map(|c| (c.operation, c.region)).collect();
    sent.sort();
    assert_eq!(sent, foreseen, "{run}: calls");
    let id = events.iter().find_map(|e| e["run"].as_str()).unwrap().to_owned();
    let intended = events.iter().filter(|e| e["event"] == "effect_intended" && to_aws(&e["call"]));
    let mut intended: Vec<_> = intended.map(|e| e["call"].to_string().replace(&id, "thisrun")).collect();
    intended.sort();
    assert_eq!(intended, planned, "{run}: effects");
}

#[test]
fn a_plan_comes_true_call_by_call() {
    let desk = Desk::new();
    let there = format!("failover RUNBOOK --planned --no-reprotect {AGREED}");
    comes_true(&desk, "--planned", &there, 25);
    comes_true(&desk, "--direction reprotect --planned", "reprotect RUNBOOK --yes", 0);
    let home = format!("failback RUNBOOK --emergency --accept-data-loss unknown {AGREED}");
    comes_true(&desk, "--direction failback --emergency", &home, 25);
}
