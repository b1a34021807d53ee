//! One run at a time; a dead one lets go at once; an emergency is never blocked.

use super::{AGREED, Home, MAX, Running};

/// A planned failover in time that a person could watch: it holds for a minute.
fn held(home: &Home) -> (Running, String) {
    let mut first = home.start(&format!("failover RUNBOOK --planned --sandbox --speed 20 --seed 1 {AGREED}"));
    let run = first.until("lease_taken")["run"].as_str().unwrap().to_owned();
    (first, run)
}

#[test]
fn a_second_run_is_told_who_holds_the_first() {
    let home = Home::new();
    let (mut first, run) = held(&home);
    first.until("effect_intended");
    for second in ["failover RUNBOOK --planned", "failover RUNBOOK --emergency", "failback RUNBOOK", "resume"] {
        let agreed = if second == "resume" { "" } else { AGREED };
        let busy = home.run(&format!("{second} --sandbox {agreed}")).ends(12).says(&run).says("ada");
        assert!(busy.err.contains(&format!("lifeboat pause {run}")), "{}", busy.err);
    }
    assert_eq!(home.counts()[0], 1);
    home.run("runs --sandbox").ends(0).says("running, held by");
    home.run("status RUNBOOK --sandbox").ends(0).says(&run);
}

#[test]
fn a_held_run_is_paused_from_elsewhere_and_taken_up_elsewhere() {
    let home = Home::new();
    let (mut first, run) = held(&home);
    first.until("effect_intended");
    home.run(&format!("pause {run} --sandbox")).ends(0).says("asked to pause");
    assert_eq!(first.end(), Some(23));
    home.run("status RUNBOOK --sandbox").ends(23).says(&format!("lifeboat resume {run}"));
    home.run(&format!("resume {MAX} --yes")).ends(25);
    assert_eq!(home.active(), "oregon");
    assert_eq!(home.lived().repeated, Vec::<String>::new());
}

#[test]
fn a_killed_holder_lets_go_at_once() {
    let home = Home::new();
    let (mut first, run) = held(&home);
    first.until("effect_intended");
    first.kill();
    let other = home.run(&format!("failover RUNBOOK --planned {MAX} {AGREED}")).ends(10).says(&run);
    assert!(other.err.contains(&format!("lifeboat resume {run}")), "{}", other.err);
    home.run(&format!("status RUNBOOK {MAX}")).ends(23).says(&format!("lifeboat resume {run}"));
    home.run(&format!("resume {MAX} --yes")).ends(25);
    assert_eq!(home.active(), "oregon");
}

#[test]
fn of_many_that_start_together_exactly_one_runs() {
    for _ in 0..4 {
        let home = Home::new();
        home.run(&format!("failover RUNBOOK --planned {MAX} --seed 1")).ends(10);
        let line = format!("failover RUNBOOK --planned --no-reprotect {MAX} {AGREED}");
        let mut all: Vec<_> = (0..6).map(|_| home.start(&line)).collect();
        let mut codes: Vec<_> = all.iter_mut().map(Running::end).collect();
        codes.sort_unstable();
        assert_eq!(home.counts()[0], 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|c| **c == Some(25)).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|c| matches!(c, Some(0 | 12 | 25))), "{codes:?}");
        let lived = home.lived();
        assert_eq!((lived.repeated.len(), lived.applied["PromoteReadReplica"]), (0, 1));
    }
}

fn supersede(run: &str) -> String {
    format!(
        "failover RUNBOOK --emergency --supersede {run} --reason fire {MAX} {AGREED} --accept-data-loss unknown \
         --fault primary-lost"
    )
}

#[test]
fn an_emergency_takes_over_from_a_run_that_was_killed() {
    let home = Home::new();
    let (mut first, run) = held(&home);
    first.until("effect_intended");
    first.kill();
    home.run(&supersede(&run)).ends(25);
    assert_eq!(home.active(), "oregon");
    home.run("runs --sandbox").ends(0).says("emergency failover").says("in doubt");
}

#[test]
fn an_emergency_takes_over_from_a_run_that_a_living_process_holds() {
    let home = Home::new();
    let (mut first, run) = held(&home);
    first.until("effect_intended");
    home.run(&supersede(&run)).ends(25);
    assert_eq!(first.end(), Some(21));
    assert_eq!(home.active(), "oregon");
    assert_eq!(home.counts()[0], 2);
}

#[test]
fn the_debts_of_a_superseded_run_are_paid_by_the_one_after() {
    let home = Home::new();
    let lost = "--emergency --fault primary-lost --accept-data-loss unknown --seed 1";
    let mut first = home.start(&format!("failover RUNBOOK {MAX} {AGREED} {lost}"));
    first.until("obligation_opened");
    first.kill();
    let run = home.last_run();
    home.run(&format!("reprotect RUNBOOK {MAX}")).ends(10).says("--supersede");
    home.run(&format!(
        "failover RUNBOOK {MAX} {AGREED} --emergency --supersede {run} --reason again --accept-data-loss unknown"
    ))
    .ends(25);
    home.run(&format!("status RUNBOOK {MAX}")).ends(25).says("lifeboat reprotect");
    home.run(&format!("reprotect RUNBOOK {MAX} --yes")).ends(0);
    home.run(&format!("status RUNBOOK {MAX}")).ends(0).says("owed nothing");
    assert_eq!(home.lived().rows_lost, 0, "what was not replicated is kept");
}

#[test]
fn the_third_interrupt_leaves_at_once_and_the_journal_is_safe() {
    let home = Home::new();
    let mut first =
        home.start(&format!("failover RUNBOOK --planned --sandbox --seed 1 {AGREED} --fault lost-answer@scale"));
    while first.until("effect_intended")["step"] != "scale" {}
    first.interrupt();
    first.until("run_paused");
    first.interrupt();
    first.hears("no new calls");
    first.interrupt();
    assert_eq!(first.end(), Some(130));
    home.run(&format!("resume {MAX} {AGREED}")).ends(25);
    assert_eq!(home.active(), "oregon");
    assert_eq!(home.lived().repeated, Vec::<String>::new());
}
