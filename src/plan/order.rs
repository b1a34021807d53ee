//! The order of steps: needs resolved, a topological order stable to the file's, waves.

use crate::{ids::StepId, model::Mode, runbook::Step};
use std::collections::BTreeMap;

/// A step's place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its index in the list.
    pub(super) index: usize,
    /// What must be done before.
    pub(super) needs: Vec<StepId>,
    /// 1 for steps that can start at once.
    pub(super) wave: u32,
}

/// The steps of a list in an order that respects their needs. Default needs: every step above.
/// Names a step of a cycle where there is one.
pub(super) fn order(steps: &[Step], mode: Mode) -> Result<Vec<Place>, StepId> {
    let needs_of = |i: usize| -> Vec<StepId> {
        let spec = steps[i].spec(mode);
        spec.needs.clone().unwrap_or_else(|| steps[..i].iter().map(|s| s.id.clone()).collect())
    };
    let mut waves: BTreeMap<StepId, u32> = BTreeMap::new();
    let mut left: Vec<usize> = (0..steps.len()).collect();
    let mut places = vec![];
    while !left.is_empty() {
        // The first in the file whose needs are placed: the order stays the author's where it can.
        let ready = left
            .iter()
            .position(|&i| needs_of(i).iter().all(|n| waves.contains_key(n) || !steps.iter().any(|s| s.id == *n)));
        let Some(at) = ready else { return Err(steps[left[0]].id.clone()) };
        let index = left.remove(at);
        let needs = needs_of(index);
        let wave = 1 + needs.iter().filter_map(|n| waves.get(n)).max().copied().unwrap_or(0);
        waves.insert(steps[index].id.clone(), wave);
        places.push(Place { index, needs, wave });
    }
    Ok(places)
}
