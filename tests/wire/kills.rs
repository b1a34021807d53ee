//! SIGKILL at any moment of a run over the wire, then `resume`: the right end, and by the server's
//! own count no changing request applied twice.
//!
//! Which moments is drawn from a seed: so many lines of the journal, and a fraction of the time
//! between two. `LIFEBOAT_KILLS=100` kills that often. Several runs go on side by side, each in a
//! world of its own: what was cut off between intent and answer waits out its dark window.

use crate::{
    binary::{AGREED, Chance, Desk, kill_after},
    world::{NAME, STANDBY, Wire},
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
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
        let told = || format!("{said:#?}\n{}\n{:#?}", desk.run("show").out, desk.wire.calls());
        // A run that had ended before the kill tells its own outcome: the debt is its command's.
        assert!(code == self.code || code == 0, "{code}: {}", told());
        assert_eq!(applied(&desk), self.applied, "{}", told());
        assert_eq!(desk.wire.witness.weights(&desk.wire.zone, NAME)[STANDBY.0], 100, "{}", told());
        let writer = desk.wire.witness.db(STANDBY.1, "orders");
        assert!(writer.get("ReadReplicaSourceDBInstanceIdentifier").is_none_or(|s| s == ""), "{}", told());
    }
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
