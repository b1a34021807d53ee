//! Many seeds, each with at least five faults of its own.

use super::{all_is_well, bundled, case, each, ferry, played, seeds};
use lifeboat::{
    event::{EventKind, SkipReason},
    model::{Direction, Mode},
    sandbox::Fault,
    simulation::{Case, Played, Rest, Seams, Troubles},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// A case, and what it does to a world in which nothing else goes wrong.
struct Crossing {
    case: Case,
    applied: BTreeMap<String, u64>,
}

impl Crossing {
    fn new(mode: Mode, seams: &Arc<Seams>) -> Self {
        let case = case(ferry(), Direction::Failover, mode);
        let lost = if mode == Mode::Emergency { vec![Fault::parse("primary-lost").unwrap()] } else { vec![] };
        let undisturbed = played(&Case { troubles: Troubles::Only(lost), ..case.clone() }, 0, seams);
        assert!(undisturbed.got_there(), "{:?}", undisturbed.rest);
        Self { case, applied: undisturbed.lived.applied }
    }

    /// A run that got there by itself did all that an undisturbed one does. Whether it was such a one.
    fn lost_nothing(&self, played: &Played) -> bool {
        if !played.got_there() || played.events.iter().any(|event| lets_go(&event.kind)) {
            return false;
        }
        for (call, times) in &self.applied {
            let applied = played.lived.applied.get(call).copied().unwrap_or(0);
            assert!(applied >= *times, "seed {}: {call} was applied {applied} times, not {times}", played.seed);
        }
        true
    }
}

/// A step is left out, let go or taken back.
fn lets_go(kind: &EventKind) -> bool {
    match kind {
        EventKind::StepSkipped { why, .. } => matches!(why, SkipReason::Person { .. }),
        EventKind::StepMarkedDone { .. } | EventKind::StepPassed { .. } | EventKind::UndoBegun { .. } => true,
        _ => false,
    }
}

/// What became of all schedules.
#[derive(Default)]
struct Tally {
    rests: BTreeMap<String, usize>,
    struck: Vec<usize>,
    there: usize,
    whole: usize,
}

impl Tally {
    fn take(&mut self, played: &Played, whole: bool) {
        let rest = match &played.rest {
            Rest::Finished(outcome) => outcome.to_string(),
            Rest::NotBegun(_) => "not begun".into(),
            Rest::Stuck(_) => "stuck".into(),
        };
        *self.rests.entry(rest).or_default() += 1;
        self.struck.push(played.struck);
        self.there += usize::from(played.got_there());
        self.whole += usize::from(whole);
    }

    /// In words. What is simulated is a failover that gets there, much as it is disturbed.
    fn told(mut self) -> String {
        self.struck.sort_unstable();
        let (all, five) = (self.struck.len(), self.struck.iter().filter(|struck| **struck >= 5).count());
        let Self { rests, there, whole, .. } = self;
        let told = format!(
            "{all} schedules, of which {five} were struck five times and more, half of all {} times: {rests:?}; \
             {there} got there, {whole} without a step let go",
            self.struck[all / 2]
        );
        // A few tell nothing of the most.
        let enough = all < 100 || (five * 2 >= all && there * 3 >= all * 2 && whole * 5 >= all * 2);
        assert!(enough, "{told}");
        assert!(!rests.contains_key("not begun"), "{told}");
        told
    }
}

#[test]
fn nothing_is_lost_and_nothing_is_done_twice_whatever_goes_wrong() {
    let seams = Arc::new(Seams::default());
    let crossings = [Mode::Planned, Mode::Emergency].map(|mode| Crossing::new(mode, &seams));
    let tally = Mutex::new(Tally::default());
    each(seeds(300), |seed| {
        // Two thirds planned, one third emergencies.
        let crossing = &crossings[usize::from(seed % 3 == 2)];
        let played = played(&crossing.case, seed, &seams);
        assert!(played.schedule.len() >= 5, "{:?}", played.schedule);
        all_is_well(&format!("ferry, {}", crossing.case.mode), &played);
        let whole = crossing.lost_nothing(&played);
        tally.lock().unwrap().take(&played, whole);
    });
    println!("{}", tally.into_inner().unwrap().told());
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
