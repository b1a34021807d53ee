//! What stays closed when a run ends or gives way: told, taken over, opened again.

use super::{AGREED, Home, MAX};

/// A failover that waits for an answer while writes are frozen; and its run.
fn frozen() -> (Home, String) {
    let home = Home::with(&[
        ("hold: { max: 5m, then: undo }", "hold: { max: 5m, then: page }"),
        (
            "with: { drained: true, proof: lsn }, timeout: 3m",
            "with: { drained: true, proof: lsn }, confirm: { message: Go on?, timeout: 2m, on_timeout: undo }, timeout: 3m",
        ),
    ]);
    home.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} --accept promote --seed 2")).ends(23);
    home.run(&format!("approve {MAX}")).ends(0);
    home.run(&format!("resume {MAX}")).ends(23).says("Go on?").says("writes frozen at ohio since");
    let run = home.last_run();
    (home, run)
}

fn supersede(run: &str, mode: &str) -> String {
    format!("failover RUNBOOK --{mode} --no-reprotect --supersede {run} --reason fire {MAX}")
}

#[test]
fn what_an_abandoned_run_left_frozen_is_told_and_one_command_opens_it() {
    let (home, run) = frozen();
    let cancel = format!("lifeboat cancel {run} --sandbox");
    home.run(&format!("abandon {run} --reason enough {MAX}")).ends(0).says("writes frozen at ohio since").says(&cancel);
    home.run(&format!("show {run} --sandbox")).ends(0).says(&cancel);
    home.run(&format!("status RUNBOOK {MAX}"))
        .ends(23)
        .says("yet it is closed for writes")
        .says(&format!("by step freeze of run {run}"))
        .says(&cancel);
    let book = std::fs::read(home.file()).unwrap();
    std::fs::remove_file(home.file()).unwrap();
    home.run(&format!("cancel {run} {MAX}")).ends(20).says("rolled back");
    std::fs::write(home.file(), book).unwrap();
    home.run(&format!("status RUNBOOK {MAX}")).ends(0).says("held, owed nothing").says("(writer and weights agree)");
    home.run(&format!("cancel {run} {MAX}")).ends(10).says(&home.last_run());
    home.run(&format!("cancel {MAX}")).ends(10).says("has ended");
    assert_eq!(home.lived().two_writers, None);
}

#[test]
fn a_run_that_takes_over_holds_on_and_its_end_opens_what_was_frozen() {
    let (home, run) = frozen();
    home.run(&format!("{} --accept promote", supersede(&run, "planned")))
        .ends(23)
        .says("holds on: writes frozen at ohio since")
        .says(&format!("by run {run}"))
        .says("paused")
        .says("held: writes frozen at ohio since");
    let next = home.last_run();
    assert_ne!(next, run);
    home.run(&format!("status RUNBOOK {MAX}")).ends(23).says(&format!("by step freeze of run {run}"));
    home.run(&format!("cancel {next} {MAX}")).ends(20);
    home.run(&format!("status RUNBOOK {MAX}")).ends(0).says("held, owed nothing");
    assert_eq!(home.active(), "ohio");
}

#[test]
fn a_run_that_takes_over_ends_the_hold_by_its_promotion() {
    let (home, run) = frozen();
    let lost = "--fault primary-lost --accept-data-loss unknown";
    home.run(&format!("{} {AGREED} {lost}", supersede(&run, "emergency"))).ends(25);
    let lines = home.run("show --sandbox --output json").ends(0).objects();
    let opened: Vec<_> = lines.iter().filter(|l| l["event"] == "hold_opened").collect();
    assert_eq!((opened.len(), opened[0]["before"]["run"].as_str()), (1, Some(&*run)));
    assert!(lines.iter().any(|l| l["event"] == "hold_closed" && l["by"] == "promotion"));
    home.run(&format!("status RUNBOOK {MAX}")).ends(25).says("owed");
}

#[test]
fn a_run_is_not_ended_by_one_that_does_not_begin() {
    let (home, run) = frozen();
    home.run(&supersede(&run, "planned")).ends(10).says("--accept promote");
    home.run(&format!("failback RUNBOOK --supersede {run} --reason fire {MAX} {AGREED}")).ends(0).says("nothing to do");
    assert_eq!(home.counts()[0], 1);
    home.run(&format!("resume {MAX} --undo")).ends(20);
}

#[test]
fn status_tells_how_to_get_past_a_run_when_its_site_is_lost() {
    let (home, run) = frozen();
    home.run(&format!("status RUNBOOK {MAX} --fault primary-lost"))
        .ends(23)
        .says("by the weights alone: its writer cannot be seen")
        .says("lifeboat failover --emergency")
        .says(&format!("--supersede {run} --reason \"...\""));
    let calm = home.run(&format!("status RUNBOOK {MAX}")).ends(23);
    assert!(!calm.out.contains("--supersede"), "{}", calm.out);
}

#[test]
fn what_is_frozen_is_told_by_the_world_where_the_journal_is_lost() {
    let (home, _) = frozen();
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("sandbox.db") {
            std::fs::remove_file(path).unwrap();
        }
    }
    home.run(&format!("status RUNBOOK {MAX}"))
        .ends(23)
        .says("writes frozen at ohio by a run that this journal does not know");
}
