//! The real engine in worlds, stores and processes that fail on purpose: nothing is lost, nothing is
//! done twice, and every run comes to an end that tells the truth.

mod schedules;

use crate::lab::bundled;
use lifeboat::{
    check,
    model::{Direction, Mode},
    simulation::{Case, Played, Seams, Troubles, play},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

/// The bundled runbook's run in a direction and mode.
fn case(direction: Direction, mode: Mode) -> Case {
    static CHECKED: OnceLock<Arc<check::Checked>> = OnceLock::new();
    Case {
        checked: CHECKED.get_or_init(|| Arc::new(check::check(bundled()).0.unwrap())).clone(),
        direction,
        mode,
        to: None,
        parameters: BTreeMap::new(),
        folder: "runbooks".into(),
        file: "warm-standby.yaml".into(),
        troubles: Troubles::Drawn,
    }
}

/// Plays one seed in a virtual time of its own.
fn played(case: &Case, seed: u64, seams: &Arc<Seams>) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let played = runtime.block_on(play(case, seed, seams));
    runtime.shutdown_background();
    played
}
