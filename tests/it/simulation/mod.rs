//! The real engine in worlds, stores and processes that fail on purpose: nothing is lost, nothing is
//! done twice, and every run comes to an end that tells the truth.
//!
//! `ferry.yaml` is played by the thousand, since it is short and holds every class of effect; the bundled
//! runbook as often as time allows. `LIFEBOAT_SEEDS` asks for another number of seeds.

mod found;
mod mutants;
mod replays;
mod schedules;
mod stale;

use crate::lab::{bundled, told};
use lifeboat::{
    check,
    model::{Direction, Mode},
    runbook::Runbook,
    simulation::{Case, Played, Seams, Troubles, play},
    syntax,
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A runbook's run in a direction and mode, with whatever each seed draws.
fn case(runbook: &Runbook, direction: Direction, mode: Mode) -> Case {
    Case {
        checked: Arc::new(check::check(runbook).0.unwrap()),
        direction,
        mode,
        to: None,
        parameters: BTreeMap::new(),
        folder: "runbooks".into(),
        file: "runbook.yaml".into(),
        troubles: Troubles::Drawn,
    }
}

/// The short runbook.
fn ferry() -> &'static Runbook {
    static READ: OnceLock<Runbook> = OnceLock::new();
    READ.get_or_init(|| syntax::load(Path::new("tests/it/simulation/ferry.yaml")).unwrap().runbook.unwrap())
}

/// Its planned failover.
fn crossing() -> Case {
    case(ferry(), Direction::Failover, Mode::Planned)
}

/// Plays one seed in a virtual time of its own.
fn played(case: &Case, seed: u64, seams: &Arc<Seams>) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let played = runtime.block_on(play(case, seed, seams));
    runtime.shutdown_background();
    played
}

/// Does something for each seed below a number, two at a time.
fn each(seeds: u64, one: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    one(seed);
                }
            });
        }
    });
}

/// How many seeds are played: as many as asked for, else so many.
fn seeds(usually: u64) -> u64 {
    std::env::var("LIFEBOAT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usually)
}

/// Nothing was broken that must never be.
fn all_is_well(what: &str, played: &Played) {
    let Played { seed, broken, rest, schedule, ends, events, .. } = played;
    let told = told(events);
    assert!(broken.is_empty(), "{what}, seed {seed}: {broken:#?}\n{rest:?}\n{schedule:#?}\n{ends:#?}\n{told}");
}
