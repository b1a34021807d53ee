//! A run goes on by its sealed plan: its runbook's file may have changed, broken or gone.

use super::{Home, MAX};

/// What somebody did to the runbook's file, and what is told of it.
const DONE_TO_IT: [(&str, Option<&str>, &str); 4] = [
    ("deleted", None, "cannot be read any more"),
    ("broken", Some("version: [1"), "is no valid runbook any more"),
    ("emptied", Some(""), "is no valid runbook any more"),
    ("replaced", Some(ANOTHER), "has changed since the run began"),
];

/// A runbook of something else.
const ANOTHER: &str = "version: 1
name: elsewhere
sites: { paris: { region: eu-west-3 }, milan: { region: eu-south-1 } }
primary: paris
standby: milan
resources:
  web: { kind: autoscaling-group, sizes: { serving: { min: 1, desired: 1, max: 1 } }, sites: { paris: { name: web }, milan: { name: web } } }
failover:
  - { id: scale, action: scale, resource: web, at: to, with: { to: serving } }
";

/// A planned failover that waits for an answer, in a home of its own.
fn waiting() -> (Home, String) {
    let home = Home::with(&[]);
    home.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} --accept promote --seed 2")).ends(23);
    let run = home.last_run();
    (home, run)
}

fn replace(home: &Home, text: Option<&str>) {
    match text {
        Some(text) => std::fs::write(home.file(), text).unwrap(),
        None => std::fs::remove_file(home.file()).unwrap(),
    }
}

#[test]
fn a_run_is_taken_up_whatever_became_of_its_runbook() {
    for (what, text, told) in DONE_TO_IT {
        let (home, run) = waiting();
        let book = std::fs::read_to_string(home.file()).unwrap();
        replace(&home, text);
        println!("{what}");
        let ran = home.run(&format!("resume {MAX} --yes")).ends(25).says(told).says("the plan it was started with");
        assert!(!ran.err.contains("error"), "{}", ran.err);
        home.run("resume --sandbox").ends(0).says(&run);
        replace(&home, Some(&book));
        assert_eq!(home.active(), "oregon");
        assert_eq!(home.lived().repeated, Vec::<String>::new());
    }
}

#[test]
fn no_command_on_a_run_needs_its_runbook() {
    for last in ["cancel", "cancel --undo", "resume --undo", "abandon RUN --reason enough"] {
        let (home, run) = waiting();
        replace(&home, None);
        for line in ["pause", "show", "runs", "approve"] {
            home.run(&format!("{line} {MAX}")).ends(0).says(&run);
        }
        let code = if last.starts_with("abandon") { 0 } else { 10 };
        let ran = home.run(&format!("{} {MAX}", last.replace("RUN", &run)));
        assert!(ran.code == code || ran.code == 20, "{last}: {ran:?}");
    }
}

#[test]
fn what_the_runbook_told_the_sandbox_is_kept_with_the_world() {
    let home = Home::with(&[("simulate: { takes: 1s }, emergency", "simulate: { takes: 7m }, timeout: 9m, emergency")]);
    home.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} --accept promote --seed 2")).ends(23);
    std::fs::remove_file(home.file()).unwrap();
    home.run(&format!("resume {MAX} --yes --fault lost-answer@nosuch")).ends(11).says("lost-answer@nosuch");
    let ran = home.run(&format!("resume {MAX} --yes --output json")).ends(25);
    let at = |event: &str| {
        let of = |o: &&serde_json::Value| o["event"] == event && o["step"] == "hold_deploys";
        ran.objects().iter().find(of).unwrap()["at"].as_i64().unwrap()
    };
    assert!(at("effect_applied") - at("effect_intended") >= 7 * 60_000);
}

#[test]
fn a_run_is_not_taken_up_in_a_world_that_it_was_not_begun_in() {
    let (home, _) = waiting();
    let world = home.path().join("sandbox-world.db");
    std::fs::remove_file(&world).unwrap();
    home.run(&format!("resume {MAX} --yes")).ends(11).says("not the one that this run was begun in");
    assert!(!world.exists());
}

#[test]
fn another_runbook_does_not_take_the_world_of_an_unfinished_run() {
    let (home, run) = waiting();
    let book = std::fs::read_to_string(home.file()).unwrap();
    replace(&home, Some(ANOTHER));
    home.run(&format!("failover RUNBOOK --planned {MAX}")).ends(10).says(&run).says("another home");
    replace(&home, Some(&book));
    home.run(&format!("resume {MAX} --yes")).ends(25);
    assert_eq!(home.active(), "oregon");
    replace(&home, Some(ANOTHER));
    let refused = home.run(&format!("failover RUNBOOK --planned {MAX}")).ends(10).says("paris");
    assert!(!refused.err.contains("unfinished"), "{}", refused.err);
}
