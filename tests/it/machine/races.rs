//! Many operators start the same failover at once: one runs it, the others hear by whom.
//!
//! 20 rounds of 16; `LIFEBOAT_ROUNDS=200` races that often.

use crate::binary::{AGREED, Home, MAX, Ran};
use std::process::Stdio;

const OPERATORS: usize = 16;

/// Lets all of them start, waiting for one and the same end of a pipe to close.
fn race(home: &Home, line: &str) -> Vec<Ran> {
    let (gate, open) = std::io::pipe().unwrap();
    let racers: Vec<_> = (0..OPERATORS)
        .map(|_| {
            // The shell waits for the end of its input, then becomes the program.
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", "read -r _; exec \"$0\" \"$@\""]);
            let mut racer = home.by(shell, line);
            racer.stdin(gate.try_clone().unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    drop((gate, open));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ends = racers.into_iter().map(|racer| racer.wait_with_output().unwrap());
    ends.map(|end| Ran { code: end.status.code().unwrap_or(-1), out: text(end.stdout), err: text(end.stderr) })
        .collect()
}

/// Who was refused is told who holds it, where, since when, and how lately that one was heard of.
fn told_who(ran: &Ran) {
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    // Who comes between the end of one and the start of this one is told to type it again.
    if said.contains("another run began or ended while this one was planned") {
        return;
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    for word in [
        "ada on ",
        host.as_str(),
        "(pid ",
        " holds",
        " since 20",
        ", last heartbeat 20",
        "lifeboat pause",
        "lifeboat show",
    ] {
        assert!(said.contains(word), "no `{word}` in {said}");
    }
}

#[test]
fn of_sixteen_that_start_one_failover_at_once_exactly_one_runs_it() {
    let rounds = std::env::var("LIFEBOAT_ROUNDS").map_or(20, |n| n.parse().unwrap());
    let line = format!("failover RUNBOOK --planned --no-reprotect {MAX} {AGREED} --seed 1");
    let (mut refused, mut late) = (0, 0);
    for _ in 0..rounds {
        let home = Home::new();
        let all = race(&home, &line);
        let codes: Vec<_> = all.iter().map(|ran| ran.code).collect();
        assert_eq!(codes.iter().filter(|code| **code == 25).count(), 1, "{codes:?}");
        for ran in all.iter().filter(|ran| ran.code != 25) {
            match ran.code {
                12 => {
                    told_who(ran);
                    refused += 1;
                }
                // It came when all was done.
                0 => {
                    assert!(ran.out.contains("nothing to do"), "{ran:?}");
                    late += 1;
                }
                _ => panic!("{codes:?}: {ran:?}"),
            }
        }
        assert_eq!(home.counts()[0], 1, "{codes:?}");
        let lived = home.lived();
        assert_eq!((lived.repeated, lived.two_writers, lived.applied["PromoteReadReplica"]), (vec![], None, 1));
        home.run("store verify --sandbox").ends(0);
    }
    println!("{rounds} rounds: {rounds} runs, {refused} refused, {late} came late");
    assert!(refused > 0);
}
