//! Many seeds, each with at least five faults of its own.

use super::{case, played};
use crate::lab::told;
use lifeboat::{
    model::{Direction, Mode},
    simulation::{Played, Seams},
};
use std::sync::Arc;

/// Nothing was broken that must never be.
fn all_is_well(what: &str, played: &Played) {
    let Played { seed, broken, rest, schedule, ends, events, .. } = played;
    let told = told(events);
    assert!(broken.is_empty(), "{what}, seed {seed}: {broken:#?}\n{rest:?}\n{schedule:#?}\n{ends:#?}\n{told}");
}

#[test]
fn nothing_is_lost_and_nothing_is_done_twice_whatever_goes_wrong() {
    let seams = Arc::new(Seams::default());
    let seeds: u64 = std::env::var("LIFEBOAT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    for seed in 0..seeds {
        let mode = if seed % 3 == 2 { Mode::Emergency } else { Mode::Planned };
        let played = played(&case(Direction::Failover, mode), seed, &seams);
        assert!(played.schedule.len() >= 5, "{:?}", played.schedule);
        all_is_well(&format!("{mode} failover"), &played);
    }
}
