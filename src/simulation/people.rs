//! The people of a simulation: they take a run up that nobody drives, and say what they would say.
//!
//! They are patient and mean well. They know nothing that they could not know, but for one thing:
//! asked whether something happened that no look tells of, they find out and tell the truth.

use crate::{
    action::Question,
    clock::Span,
    engine::{EffectStatus, RunState, StepRun, StepState},
    event::Control,
    ids::{AskId, EffectNo, StepId},
    sandbox::Sandbox,
};
use std::collections::BTreeMap;

/// What they have tried so far.
#[derive(Default)]
pub(super) struct People {
    retries: BTreeMap<StepId, u32>,
    visits: u32,
}

/// How often a failed step is tried again before something else is.
const PATIENCE: u32 = 4;

impl People {
    /// When they come again: soon at first, later when a site has been dark for long.
    pub(super) fn come_after(&self, soon: Span) -> Span {
        if self.visits < 8 { soon } else { soon + Span::mins(15) }
    }

    /// What they ask of a run that stands still, before they take it up.
    pub(super) fn say(&mut self, state: &RunState, world: &Sandbox) -> Vec<Control> {
        self.visits += 1;
        let answer = |(ask, yes): (AskId, bool)| Control::Answer { ask, yes };
        let mut all: Vec<_> = state
            .open_asks()
            .map(|(id, ask)| {
                let yes = match (ask.question, &ask.step) {
                    (Question::InDoubt, Some(step)) => happened(state, step, world),
                    _ => true,
                };
                answer((id, yes))
            })
            .collect();
        let failed = state.steps.iter().filter(|(_, run)| matches!(run.state, StepState::Failed(_)));
        let failed: Vec<_> = failed.map(|(id, _)| id.clone()).collect();
        for step in failed.into_iter().filter(|id| !is_finally(state, id)) {
            all.push(self.mend(state, step));
        }
        if self.visits > 40 && !state.past_return() {
            all.push(Control::Cancel);
        }
        all
    }

    /// A failed step is tried again; later left out, where that may be, or all is taken back.
    fn mend(&mut self, state: &RunState, step: StepId) -> Control {
        let tried = self.retries.entry(step.clone()).or_default();
        *tried += 1;
        let skippable = state.plan.step(&step).is_some_and(|s| s.skippable);
        match *tried {
            n if n <= PATIENCE => Control::Retry { step },
            n if n % 2 == 1 && !state.past_return() => Control::Undo,
            n if skippable && (n > 20 || !state.past_return()) => {
                Control::Skip { step, why: "it does not get there".into() }
            }
            _ => Control::Retry { step },
        }
    }
}

fn is_finally(state: &RunState, step: &StepId) -> bool {
    state.plan.finally.iter().any(|s| s.id == *step)
}

/// Whether what a step is in doubt of happened: the truth.
fn happened(state: &RunState, step: &StepId, world: &Sandbox) -> bool {
    let open = |run: &StepRun| {
        run.effects.iter().find(|(_, e)| e.status == EffectStatus::InDoubt).map(|(no, _): (&EffectNo, _)| *no)
    };
    let no = state.steps.get(step).and_then(open);
    no.is_some_and(|no| world.was_applied(&format!("{}-{step}-{no}", state.run)))
}
