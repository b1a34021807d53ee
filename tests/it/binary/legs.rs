//! There and back again, each command in a process of its own, the world on disk between them.

use super::{AGREED, Home, MAX};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::Stdio,
};

/// A move or a reprotect: its command line, its code, the site that serves after it.
type Leg = (&'static str, i32, &'static str);

fn travel(home: &Home, legs: &[Leg]) {
    for (command, code, active) in legs {
        let line = format!("{command} RUNBOOK {MAX} {AGREED}");
        home.run(&line).ends(*code);
        assert_eq!(home.active(), *active, "after {command}");
        assert_eq!(home.lived().repeated, Vec::<String>::new(), "after {command}");
        let before = (home.counts(), home.lived().applied);
        let again = home.run(&line).ends(0).says("nothing to do");
        assert_eq!(again.out.lines().count(), 1, "{}", again.out);
        assert_eq!((home.counts(), home.lived().applied), before, "{command} again changed something");
    }
}

#[test]
fn planned_moves_go_there_and_back_and_there_again_and_lose_nothing() {
    let home = Home::new();
    home.run(&format!("status RUNBOOK {MAX} --seed 1")).ends(0);
    let stay = "--no-reprotect --seed 1 --planned";
    travel(
        &home,
        &[
            (Box::leak(format!("failover {stay}").into_boxed_str()), 25, "oregon"),
            ("reprotect", 0, "oregon"),
            ("failback --no-reprotect", 25, "ohio"),
            ("reprotect", 0, "ohio"),
            ("failover --planned", 0, "oregon"),
        ],
    );
    let lived = home.lived();
    assert_eq!((lived.rows_lost, lived.two_writers), (0, None));
}

#[test]
fn an_emergency_is_owed_a_reprotect_before_a_planned_way_home() {
    let home = Home::new();
    let lost = "failover --emergency --fault primary-lost --accept-data-loss unknown --seed 1";
    home.run(&format!("{lost} RUNBOOK {MAX} {AGREED}")).ends(25);
    assert_eq!(home.active(), "oregon");
    home.run(&format!("status RUNBOOK {MAX}")).ends(25).says("lifeboat reprotect");
    let before = home.counts();
    home.run(&format!("failback RUNBOOK {MAX} {AGREED}")).ends(10).says("ohio");
    assert_eq!(home.counts(), before);
    travel(&home, &[("reprotect", 0, "oregon"), ("failback", 0, "ohio"), ("failover --planned", 0, "oregon")]);
    let lived = home.lived();
    assert_eq!(lived.rows_lost, 0, "what was not replicated is kept");
    assert_eq!(lived.applied["PromoteReadReplica"], 3);
}

#[test]
fn a_drill_starts_from_home_and_ends_there() {
    let home = Home::new();
    let drilled = home.run(&format!("drill RUNBOOK {MAX} {AGREED} --seed 1")).ends(0).says("two writers never");
    assert!(drilled.out.contains("rows lost       0"), "{}", drilled.out);
    assert_eq!(home.active(), "ohio");
    home.run(&format!("failover RUNBOOK {MAX} {AGREED} --planned")).ends(0);
    let before = home.counts();
    let away = home.run(&format!("drill RUNBOOK {MAX} {AGREED}")).ends(10).says("oregon");
    assert!(away.err.contains("lifeboat failback"), "{}", away.err);
    assert_eq!(home.counts(), before);
}

#[test]
fn a_drill_tells_by_its_code_that_an_emergency_lost_more_than_promised() {
    let home = Home::with(&[]);
    let lost = "--emergency --accept-data-loss unknown --fault primary-lost";
    let drilled = home.run(&format!("drill RUNBOOK {MAX} {AGREED} --seed 3 {lost}")).ends(24);
    assert!(drilled.out.contains("promised 1m: missed"), "{}", drilled.out);
    home.run("status RUNBOOK --sandbox").ends(0).says("ohio");
}

#[test]
fn an_interrupt_between_two_legs_ends_the_drill_there() {
    let home = Home::new();
    // Nobody takes the report of the first leg until the signal was sent: the drill stands between two legs.
    let (mut report, mut full) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&full, true).unwrap();
    while full.write(&[b' '; 512]).is_ok() {}
    rustix::io::ioctl_fionbio(&full, false).unwrap();
    let mut command = home.command(&format!("drill RUNBOOK {MAX} {AGREED} --seed 1"));
    let mut drill = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let mut said = BufReader::new(drill.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("ended: done")));
    let pid = rustix::process::Pid::from_child(&drill);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    report.read_to_string(&mut String::new()).unwrap();
    let said = said.collect::<Vec<_>>().join("\n");
    assert_eq!(drill.wait().unwrap().code(), Some(25), "{said}");
    assert!(said.contains("interrupted before the reprotect began") && said.contains("lifeboat reprotect"), "{said}");
    assert_eq!((home.counts()[0], home.active().as_str()), (1, "oregon"));
}

#[test]
fn a_run_is_listed_and_told_as_it_went() {
    let home = Home::new();
    home.run(&format!("failover RUNBOOK {MAX} {AGREED} --planned --no-reprotect --seed 1")).ends(25);
    let run = home.last_run();
    home.run("runs --sandbox").ends(0).says(&run).says("planned failover");
    home.run(&format!("show {run} --sandbox")).ends(0).says("answered yes, by --accept promote").says("ended: done");
    let told = home.run("show --sandbox --output json").ends(0).objects();
    assert_eq!(told.iter().filter(|o| o["type"] == "event").count(), usize::try_from(home.counts()[1]).unwrap());
    home.run(&format!("resume {run} {MAX}")).ends(0).says("done (planned failover");
    assert_eq!(home.counts()[0], 1);
}
