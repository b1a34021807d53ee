//! Many seeds, each with at least five faults of its own.

use super::{all_is_well, bundled, case, each, ferry, played, seeds};
use lifeboat::{
    model::{Direction, Mode},
    simulation::Seams,
};
use std::sync::Arc;

/// Two thirds planned, one third emergencies.
fn mode(seed: u64) -> Mode {
    if seed % 3 == 2 { Mode::Emergency } else { Mode::Planned }
}

#[test]
fn nothing_is_lost_and_nothing_is_done_twice_whatever_goes_wrong() {
    let seams = Arc::new(Seams::default());
    let cases = [Mode::Planned, Mode::Emergency].map(|mode| (mode, case(ferry(), Direction::Failover, mode)));
    each(seeds(300), |seed| {
        let (mode, case) = cases.iter().find(|(of, _)| *of == mode(seed)).unwrap();
        let played = played(case, seed, &seams);
        assert!(played.schedule.len() >= 5, "{:?}", played.schedule);
        all_is_well(&format!("ferry, {mode}"), &played);
    });
}

#[test]
fn so_it_is_for_every_direction_of_the_bundled_runbook() {
    let seams = Arc::new(Seams::default());
    let directions = [Direction::Failover, Direction::Failback, Direction::Reprotect];
    let cases: Vec<_> = directions
        .into_iter()
        .flat_map(|direction| [Mode::Planned, Mode::Emergency].map(|mode| case(bundled(), direction, mode)))
        .collect();
    each(seeds(24), |seed| {
        let case = &cases[usize::try_from(seed).unwrap() % cases.len()];
        all_is_well(&format!("bundled, {} {}", case.mode, case.direction), &played(case, seed, &seams));
    });
}
