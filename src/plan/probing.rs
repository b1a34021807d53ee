//! Asking the probes of a runbook by themselves, before there is a run: each as a step of its own that
//! does nothing else, of a failover that is never begun.

use super::{
    draft::{Request, draft_of},
    predict::context,
    scope::inputs,
    types::Plan,
};
use crate::{
    action::{Inputs, Next, StepCx, StepPast},
    clock::Timestamp,
    diagnostic::Path,
    ids::{ProbeName, StepId},
    model::Place,
    runbook::{Runbook, Spec, Step},
    world::{Target, World},
};
use std::collections::{BTreeMap, BTreeSet};

/// Probes of a runbook, ready to be asked, in the order they were named.
#[derive(Clone, Debug)]
pub struct Probing(Plan);

impl Probing {
    /// Probes, each at a place, of a failover as it was asked for. Otherwise all that is wrong with that.
    pub fn of(runbook: &Runbook, request: &Request, probes: &[(ProbeName, Place)]) -> Result<Self, Vec<String>> {
        let step = |(i, (name, at)): (usize, &(ProbeName, Place))| {
            let spec =
                Spec { at: Some(at.clone()), needs: Some(vec![]), verify: vec![name.clone()], ..Spec::default() };
            let id = StepId::new(format!("probe_{i}"));
            Step { id, path: Path::default(), planned: spec.clone(), emergency: spec }
        };
        let failover = probes.iter().enumerate().map(step).collect();
        let alone = Runbook { failover, finally: vec![], ..runbook.clone() };
        draft_of(&alone, request).map(Self)
    }

    /// What must be looked at.
    pub fn targets(&self, now: Timestamp) -> BTreeSet<Target> {
        self.ask(now, Inputs::targets).into_iter().flatten().collect()
    }

    /// Whether each holds, by what was seen.
    pub fn hold(&self, seen: &World, now: Timestamp) -> Vec<bool> {
        self.ask(now, |inputs, cx| matches!(inputs.next(cx, seen), Next::Done { .. }))
    }

    fn ask<T>(&self, now: Timestamp, what: impl Fn(&Inputs, &StepCx<'_>) -> T) -> Vec<T> {
        let past = StepPast::default();
        let mut steps: Vec<_> = self.0.steps.iter().collect();
        // A plan has its steps in an order of its own.
        steps.sort_by_key(|step| step.id.as_str().trim_start_matches("probe_").parse::<usize>().unwrap_or(0));
        let one = |step| {
            let inputs = inputs(step, &BTreeMap::new).ok()?;
            Some(what(&inputs, &context(&self.0, step, &inputs.probes, &past, now)))
        };
        steps.into_iter().filter_map(one).collect()
    }
}
