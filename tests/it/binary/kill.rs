//! SIGKILL at any moment, then `resume`: the same end, no effect twice.
//!
//! Which moments is drawn from a seed: so many lines of the journal, and a fraction of the time
//! between two lines. `LIFEBOAT_KILLS=500` kills that often.

use super::{
    AGREED, Home, MAX,
    killing::{Chance, kill_after},
};
use std::collections::BTreeMap;

/// The command line of a failover, its code, and what the world applies where nobody kills it.
struct Case {
    line: String,
    code: i32,
    applied: BTreeMap<String, u64>,
}

impl Case {
    fn new(flags: &str, code: i32) -> Self {
        let line = format!("failover RUNBOOK {MAX} {AGREED} {flags} --seed 2");
        let home = Home::new();
        home.run(&line).ends(code);
        Self { line, code, applied: home.lived().applied }
    }

    /// Kills a run and its resumptions until one gets to its end. How many were killed.
    fn killed(&self, chance: &mut Chance) -> u64 {
        let home = Home::new();
        let (mut kills, mut said) = (0, vec![]);
        let code = loop {
            let line = if home.counts()[0] == 0 {
                self.line.clone()
            } else {
                format!("resume {MAX} {AGREED} --accept-data-loss unknown")
            };
            let (lines, micros) = (chance.below(45), chance.below(5000));
            said.push(format!("{line}: {lines} lines, {micros} us"));
            match kill_after(home.start(&line), lines, micros) {
                None => kills += 1,
                Some(code) => break code,
            }
        };
        let told = || format!("{said:#?}\n{}", home.run("show --sandbox").out);
        let lived = home.lived();
        // A run that had ended before the kill tells its own outcome: the debt is its command's.
        assert!(code == self.code || code == 0, "{code}: {}", told());
        assert_eq!(lived.repeated, Vec::<String>::new(), "{}", told());
        assert_eq!(lived.two_writers, None, "{}", told());
        assert_eq!(sure(&lived.applied), sure(&self.applied), "{}", told());
        assert_eq!(home.active(), "oregon", "{}", told());
        assert_eq!(home.counts()[0], 1, "{}", told());
        kills
    }
}

#[test]
fn a_failover_that_is_killed_anywhere_is_resumed_to_the_same_end_and_no_effect_is_applied_twice() {
    let wanted = std::env::var("LIFEBOAT_KILLS").map_or(40, |n| n.parse().unwrap());
    let planned = Case::new("--planned --no-reprotect", 25);
    let emergency = Case::new("--emergency --fault primary-lost --accept-data-loss unknown", 25);
    let mut chance = Chance(0x6c69_6665);
    let (mut kills, mut runs) = (0, 0);
    while kills < wanted {
        kills += if runs % 2 == 0 { &planned } else { &emergency }.killed(&mut chance);
        runs += 1;
    }
    println!("{kills} kills in {runs} runs");
}

/// Without local commands: in an emergency these are best effort, and one that was cut off by the
/// kill is let go when its time is over. That none ran twice is told by `repeated`.
fn sure(applied: &BTreeMap<String, u64>) -> BTreeMap<&String, u64> {
    applied.iter().filter(|(call, _)| !call.starts_with("local")).map(|(call, n)| (call, *n)).collect()
}
