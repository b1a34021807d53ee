//! SIGKILL at any moment of a run over the wire, and at the calls by which requests leave, then
//! `resume`: the right end, and by the server's own count no changing request applied twice.
//!
//! Which moments is drawn from a seed: so many lines of the journal, and a fraction of the time
//! between two. `LIFEBOAT_KILLS=100` kills that often. Several runs go on side by side, each in a
//! world of its own: what was cut off between intent and answer waits out its dark window.

use crate::{
    binary::{AGREED, Chance, Desk, Ran, kill_after, ran},
    share::Share,
    world::{NAME, STANDBY, Wire},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
};

/// How often the server applied which request. Whose it is and why is no part of a request.
fn applied(desk: &Desk) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for mut call in desk.wire.calls().into_iter().filter(|call| call["applied"] == true) {
        if let Some(batch) = call.pointer_mut("/parameters/ChangeBatch") {
            batch.as_object_mut().unwrap().remove("Comment");
        }
        let request = format!("{} {} {}", call["operation"], call["region"], call["parameters"]);
        let request = request.replace(&desk.wire.account, "ACCOUNT").replace(&desk.wire.zone, "ZONE");
        *counts.entry(request).or_default() += 1;
    }
    counts
}

/// What an undisturbed failover ends with, and what the server applies of it.
struct Clean {
    code: i32,
    applied: BTreeMap<String, u64>,
}

/// A command that was cut off may still go on: that it has not done its work is believed only when its
/// limit is over. Here it is short.
fn desk() -> Desk {
    Desk::of(Wire::at_once(), &[("simulate: { takes: 1s }", "simulate: { takes: 1s }, timeout: 10s")])
}

const FAILOVER: &str = "failover RUNBOOK --planned --no-reprotect";

impl Clean {
    fn run() -> Self {
        let desk = desk();
        let code = desk.run(&format!("{FAILOVER} {AGREED}")).code;
        Self { code, applied: applied(&desk) }
    }

    /// Kills a run and its resumptions until one gets to its end, or until there were kills enough.
    fn killed(&self, chance: &mut Chance, kills: &AtomicU64, enough: u64) {
        let (desk, mut said) = (desk(), vec![]);
        let code = loop {
            let begun = !desk.run("runs --output json").out.trim().is_empty();
            let line = if begun { "resume" } else { FAILOVER };
            let line = format!("{line} {AGREED}");
            let lines = if kills.load(Ordering::SeqCst) < enough { chance.below(30) } else { u64::MAX };
            let micros = chance.below(200_000);
            said.push(format!("{line}: {lines} lines, {micros} us"));
            match kill_after(desk.start(&line), lines, micros) {
                None => drop(kills.fetch_add(1, Ordering::SeqCst)),
                // Too busy a machine to see all of a site in time: refused before anything was begun.
                Some(10) if !begun && said.len() < 50 => assert_eq!(desk.wire.served(), []),
                Some(code) => break code,
            }
        };
        self.ends_right(&desk, code, &format!("{said:#?}"));
    }

    /// Kills a run at its n-th call of a kind, if it gets there, and lets it be resumed. Whether it got there.
    fn killed_at(&self, (call, nth): &(String, usize)) -> bool {
        let desk = desk();
        let at = format!("-o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={nth}");
        let first = traced(&desk, &at);
        let mut code = first.code;
        for _ in 0..50 {
            if code != -1 && (code != 10 || !desk.wire.served().is_empty()) {
                break;
            }
            let begun = !desk.run("runs --output json").out.trim().is_empty();
            code = desk.run(&format!("{} {AGREED}", if begun { "resume" } else { FAILOVER })).code;
        }
        self.ends_right(&desk, code, &format!("killed at {call} {nth}: {first:?}"));
        first.code == -1
    }

    fn ends_right(&self, desk: &Desk, code: i32, what: &str) {
        let told = || format!("{what}\n{}\n{:#?}", desk.run("show").out, desk.wire.calls());
        // A run that had ended before the kill tells its own outcome: the debt is its command's.
        assert!(code == self.code || code == 0, "{code}: {}", told());
        assert_eq!(applied(desk), self.applied, "{}", told());
        assert_eq!(desk.wire.witness.weights(&desk.wire.zone, NAME)[STANDBY.0], 100, "{}", told());
        let writer = desk.wire.witness.db(STANDBY.1, "orders");
        assert!(writer.get("ReadReplicaSourceDBInstanceIdentifier").is_none_or(|s| s == ""), "{}", told());
    }
}

/// Runs a failover under `strace`.
fn traced(desk: &Desk, options: &str) -> Ran {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq"]).args(options.split_whitespace());
    let ran = ran(&mut desk.by(strace, &format!("{FAILOVER} {AGREED}")));
    assert!(!ran.err.contains("strace:"), "{}", ran.err);
    ran
}

/// The calls of an undisturbed failover to the network, each as the n-th of its kind in a thread.
fn calls_out() -> BTreeSet<(String, usize)> {
    let (desk, log) = (desk(), tempfile::NamedTempFile::new().unwrap());
    traced(&desk, &format!("-yy -o {} -e trace={NETWORK}", log.path().display())).ends(25);
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    let log = std::fs::read_to_string(log).unwrap();
    let nth = |line: &str| {
        let (thread, rest) = line.split_once(char::is_whitespace)?;
        let (call, about) = rest.trim_start().split_once('(')?;
        if !NETWORK.split(',').any(|known| known == call) {
            return None;
        }
        let nth = counts.entry((thread.to_owned(), call.to_owned())).or_default();
        *nth += 1;
        let out = about.contains("TCP") || about.contains("socket:");
        out.then(|| (call.to_owned(), *nth))
    };
    log.lines().filter_map(nth).collect()
}

/// By which a request gets to the network.
const NETWORK: &str = "connect,sendto,sendmsg,writev";

/// `LIFEBOAT_CRASHES=all` kills it at all of them, `LIFEBOAT_CRASHES=1/4` at a part.
#[test]
fn a_failover_that_is_killed_as_a_request_leaves_is_resumed_to_the_same_end() {
    let (clean, all) = (Clean::run(), Vec::from_iter(calls_out()));
    let places: Vec<_> = Share::asked("LIFEBOAT_CRASHES").of(all.len(), 14).map(|n| &all[n]).collect();
    let (next, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(place) = places.get(next.fetch_add(1, Ordering::SeqCst)) {
                    killed.fetch_add(usize::from(clean.killed_at(place)), Ordering::SeqCst);
                }
            });
        }
    });
    let (killed, tried, all) = (killed.into_inner(), places.len(), all.len());
    println!("killed at {killed} of {tried} calls, of {all}");
    // Threads share the work anew in every run: some do not get so far.
    assert!(killed * 2 >= tried, "{killed} of {tried}");
}

#[test]
fn a_failover_that_is_killed_anywhere_is_resumed_to_the_same_end_and_no_request_is_applied_twice() {
    let wanted = std::env::var("LIFEBOAT_KILLS").map_or(25, |n| n.parse().unwrap());
    let clean = Clean::run();
    assert!(clean.applied.values().all(|times| *times == 1), "{:#?}", clean.applied);
    let kills = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 0..4 {
            let (clean, kills) = (&clean, &kills);
            scope.spawn(move || {
                let mut chance = Chance(0x6c69_6665 + seed);
                while kills.load(Ordering::SeqCst) < wanted {
                    clean.killed(&mut chance, kills, wanted);
                }
            });
        }
    });
    println!("{} kills", kills.into_inner());
}
