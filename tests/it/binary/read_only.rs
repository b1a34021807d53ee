//! What only looks leaves nothing behind.

use super::{AGREED, Home, MAX};

const LOOKS: &[&str] = &[
    "plan RUNBOOK",
    "plan RUNBOOK --direction failback",
    "plan RUNBOOK --direction reprotect --emergency",
    "plan RUNBOOK --fault primary-lost",
    "status RUNBOOK",
    "status RUNBOOK --fault primary-lost",
    "failover RUNBOOK --planned --dry-run",
    "failover RUNBOOK --emergency --dry-run --fault primary-lost",
    "failback RUNBOOK --dry-run",
    "runs",
];

/// What the world's file says, whole.
fn world(home: &Home) -> String {
    let connection = rusqlite::Connection::open(home.path().join("sandbox-world.db")).unwrap();
    connection
        .query_row("SELECT world.version || state || clock.world || wall || speed FROM world, clock", [], |row| {
            row.get(0)
        })
        .unwrap()
}

#[test]
fn looking_changes_neither_journal_nor_world() {
    let home = Home::new();
    home.run(&format!("failover RUNBOOK --planned {MAX} {AGREED} --seed 1")).ends(0);
    let before = (home.counts(), world(&home));
    for line in LOOKS {
        for speed in ["", "--speed max", "--speed 60"] {
            home.run(&format!("{line} --sandbox {speed}"));
            assert_eq!((home.counts(), world(&home)), before, "{line} {speed}");
        }
    }
}

#[test]
fn looking_at_a_sandbox_that_nobody_used_leaves_no_world() {
    for line in LOOKS {
        let home = Home::new();
        home.run(&format!("{line} --sandbox --speed max"));
        assert!(!home.path().join("sandbox-world.db").exists(), "{line}");
        assert_eq!(home.counts(), [0, 0, 0], "{line}");
    }
}

#[test]
fn looking_with_another_runbook_leaves_the_world_of_the_first() {
    let (home, other) = (Home::new(), Home::with(&[("us-west-2", "eu-west-1")]));
    home.run(&format!("failover RUNBOOK --planned {MAX} {AGREED} --seed 1")).ends(0);
    let before = (home.counts(), world(&home));
    for line in LOOKS {
        let line = line.replace("RUNBOOK", other.file().to_str().unwrap());
        home.run(&format!("{line} {MAX}"));
        assert_eq!((home.counts(), world(&home)), before, "{line}");
    }
}

#[test]
fn a_dry_run_tells_the_same_as_the_plan_for_people_and_for_programs() {
    let home = Home::new();
    let people = home.run(&format!("failover RUNBOOK --planned --dry-run {MAX} --seed 1")).ends(0);
    for words in ["promote", "irreversible", "rds:PromoteReadReplica", "us-west-2"] {
        assert!(people.out.contains(words), "no {words} in {}", people.out);
    }
    let programs = home.run(&format!("plan RUNBOOK {MAX} --seed 1 --output json")).ends(0).objects();
    let modes: Vec<_> = programs.iter().map(|plan| plan["mode"].as_str().unwrap()).collect();
    assert_eq!(modes, ["planned", "emergency"]);
}
