//! A holder that stood still past its lease does no harm when it wakes.
//!
//! The lease is of real time, so this takes as long as a lease; all zombies sleep at once. 12 of them;
//! `LIFEBOAT_ZOMBIES=50` stops that many.

use crate::binary::{AGREED, Chance, Home, MAX, Running};
use lifeboat::store::LEASE;
use rusqlite::Connection;
use std::{collections::BTreeMap, fs, path::Path, thread, time::Duration};

/// A failover that was stopped somewhere before its end, in virtual time, so that the world stands
/// still with it; and not amid a commit, where it would keep others from writing at all.
fn stopped(chance: &mut Chance) -> (Home, Running) {
    loop {
        let home = Home::new();
        let mut run = home.start(&format!("failover RUNBOOK --planned --no-reprotect {MAX} --seed 2 {AGREED}"));
        run.until("effect_intended");
        for _ in 0..chance.below(30) {
            run.line();
        }
        run.signal(rustix::process::Signal::STOP);
        let stands = home.run("runs --sandbox").ends(0).out.contains("running, held by");
        if stands && ["sandbox.db", "sandbox-world.db"].iter().all(|file| writable(&home.path().join(file))) {
            return (home, run);
        }
    }
}

/// What a run left in journal and world. Without local commands: one that was started before runs
/// on in the sandbox when its process does.
fn sent(home: &Home) -> (i64, BTreeMap<String, u64>) {
    let mut applied = home.lived().applied;
    applied.remove("command");
    (home.counts()[1], applied)
}

/// Nobody is amid a commit.
fn writable(file: &Path) -> bool {
    let file = Connection::open(file).unwrap();
    file.busy_timeout(Duration::ZERO).unwrap();
    file.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok()
}

#[test]
fn a_holder_that_stood_still_past_its_lease_sends_nothing_when_another_took_over() {
    let mut chance = Chance(0x7a6f_6d62);
    let zombies = std::env::var("LIFEBOAT_ZOMBIES").map_or(12, |n| n.parse().unwrap());
    let mut all: Vec<_> = (0..zombies).map(|_| stopped(&mut chance)).collect();
    thread::sleep(Duration::from_millis(LEASE.0 + 1000));
    let (mut fenced, mut went_on) = (0, 0);
    for (n, (home, zombie)) in all.iter_mut().enumerate() {
        let resume = format!("resume {MAX} {AGREED}");
        // A stopped process lives: nobody takes its lease from it.
        home.run(&resume).ends(12).says("holds run");
        let taken_over = n % 3 != 0;
        if taken_over {
            // Somebody who deletes its locks gets it all the same.
            fs::remove_dir_all(home.path().join("locks")).unwrap();
            home.run(&resume).ends(25);
        }
        let before = sent(home);
        zombie.signal(rustix::process::Signal::CONT);
        let code = zombie.end();
        let lived = home.lived();
        assert_eq!((lived.repeated, lived.two_writers), (vec![], None), "zombie {n}");
        if taken_over {
            assert_eq!(code, Some(12), "zombie {n}");
            assert_eq!(sent(home), before, "zombie {n} did something");
            fenced += 1;
        } else {
            assert_eq!(code, Some(25), "zombie {n}");
            went_on += 1;
        }
        assert_eq!(home.active(), "oregon", "zombie {n}");
        home.run("store verify --sandbox").ends(0);
    }
    println!("{fenced} zombies were fenced, {went_on} still held their lease and went on");
}
