//! `simulate`: figures over many worlds, one of them step by step, and nothing left behind.

use super::Home;
use serde_json::json;

#[test]
fn a_simulation_tells_how_long_how_much_and_how_it_ends() {
    let home = Home::with(&[("rto: 1h, rpo", "rto: 2h, rpo")]);
    let ran = home.run("simulate RUNBOOK --seeds 2 --output json").ends(0);
    let found = &ran.objects()[0];
    assert_eq!((&found["type"], &found["seeds"]), (&"simulated".into(), &2.into()), "{found}");
    let names: Vec<_> = found["figures"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["RTO", "write outage", "downtime", "RPO"]);
    assert!(found["mishaps"].as_u64().unwrap() >= 10, "five a world at least: {found}");
    assert_eq!(found["rows_lost"]["worst"], 0, "a planned move loses nothing: {found}");
    assert!(!home.path().exists(), "nothing of it is kept");
}

#[test]
fn its_figures_are_those_of_the_worlds_that_it_played() {
    const PROMISED: u64 = 1_200_000;
    let home = Home::with(&[("rto: 1h, rpo", "rto: 20m, rpo")]);
    let measured = |seed: u64| {
        let events = home.run(&format!("simulate RUNBOOK --seed {seed} --trace --output json")).objects();
        let rto = events.iter().find(|e| e["event"] == "objective_measured" && e["objective"] == "rto");
        (rto.unwrap()["value"]["at_most"].as_u64().unwrap(), seed)
    };
    let mut all: Vec<_> = (0..3).map(measured).collect();
    let late: Vec<_> = all.iter().filter(|(rto, _)| *rto > PROMISED).map(|(_, seed)| *seed).collect();
    all.sort_unstable();
    let found = &home.run("simulate RUNBOOK --seeds 3 --output json").objects()[0]["figures"][0];
    let [_, (median, _), (worst, seed)] = all[..] else { panic!("{all:?}") };
    let told = [("median", json!(median)), ("worst", json!(worst)), ("seed", json!(seed)), ("missed", json!(late))];
    for (name, value) in told {
        assert_eq!(found[name], value, "{name}: {found}");
    }
    assert!(!late.is_empty() && late.len() < 3, "some keep the promise, some do not: {all:?}");
}

#[test]
fn one_seed_is_told_step_by_step_with_what_goes_wrong_in_it() {
    let ran = Home::new().run("simulate RUNBOOK --seed 2 --trace");
    ran.ends(0).says("seed 2: what goes wrong").says("1 seed").says("--seed 2 --trace");
}

#[test]
fn a_fault_that_is_named_is_all_that_goes_wrong() {
    let ran = Home::new().run("simulate RUNBOOK --seed 1 --fault lost-answer@promote --output json").ends(0);
    assert_eq!(ran.objects()[0]["mishaps"], 1);
}

#[test]
fn what_cannot_be_simulated_is_told_before_anything_is_played() {
    Home::new().run("simulate RUNBOOK --fault lost-answer@nowhere").ends(2).says("nowhere");
    Home::new().run("simulate RUNBOOK --trace").ends(2).says("--seed");
    Home::new().run("plan RUNBOOK --seed 1").ends(2).says("--seed needs --sandbox");
}
