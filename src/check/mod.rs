//! What is wrong with a runbook beyond its spelling: order, safety, holds, outputs, time.
//!
//! Assumes that all names lead somewhere, which `syntax` tells; what does not is passed over.
//! Every rule judges the runbook as it would run in one direction and mode (a [`case`]), so that
//! nothing is said about steps that are left out there. Rules are pure, know no text and name their
//! places by path; each finding is told once, however many cases show it. A runbook without errors
//! becomes [`Checked`], the only thing that a plan is made of.

mod advice;
mod case;
mod codes;
pub mod graph;
mod groups;
mod holds;
mod order;
mod outputs;
mod safety;
mod timing;
mod triggers;
mod undo;

pub use codes::CODES;

use crate::{
    diagnostic::{Diagnostic, any_error},
    runbook::Runbook,
};
use case::{Case, MODES, directions};
use std::collections::BTreeSet;

/// A runbook without errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked(Runbook);

impl Checked {
    /// A runbook that nobody judged, for tests of what comes after.
    #[cfg(test)]
    pub fn unproven(runbook: Runbook) -> Self {
        Self(runbook)
    }
    /// The runbook.
    pub fn runbook(&self) -> &Runbook {
        &self.0
    }
    /// The runbook, for good.
    pub fn into_runbook(self) -> Runbook {
        self.0
    }
}

/// Judges a runbook: all that is wrong with it, and the runbook where no error is among that.
pub fn check(runbook: &Runbook) -> (Option<Checked>, Vec<Diagnostic>) {
    let mut found = vec![];
    for rule in OF_THE_FILE {
        rule(runbook, &mut found);
    }
    // A list whose steps wait for each other is no case: the circle has to go first.
    let cases = directions(runbook).flat_map(|direction| MODES.map(|mode| (direction, mode)));
    for case in cases.filter_map(|(direction, mode)| Case::new(runbook, direction, mode)) {
        for rule in OF_A_CASE {
            rule(&case, &mut found);
        }
    }
    let mut told = BTreeSet::new();
    found.retain(|d| told.insert((d.code, d.labels.iter().map(|l| l.path.clone()).collect::<Vec<_>>())));
    let checked = (!any_error(&found)).then(|| Checked(runbook.clone()));
    (checked, found)
}

/// Rules over the whole file.
const OF_THE_FILE: &[fn(&Runbook, &mut Vec<Diagnostic>)] = &[
    order::order,
    outputs::finally_outputs,
    safety::finally,
    groups::own_groups,
    advice::left_behind,
    advice::replicated_back,
    advice::sites,
    triggers::triggers,
];

/// Rules over a list as it runs in one direction and mode.
const OF_A_CASE: &[fn(&Case<'_>, &mut Vec<Diagnostic>)] = &[
    outputs::outputs,
    safety::planned_promotion,
    safety::stays_closed,
    safety::emergency_promotion,
    safety::traffic,
    safety::best_effort,
    safety::blind_retry,
    undo::point_of_no_return,
    undo::undos,
    holds::holds,
    timing::recovery_time,
    timing::expectations,
    timing::write_outage,
    timing::fencing_time,
    advice::data_test,
    advice::loss_known,
];

#[cfg(test)]
mod tests;
