//! What is on the agenda, whatever happened.

use super::{
    super::{state::RunState, tests::Run},
    *,
};
use crate::{
    event::{EventKind, How},
    ids::EffectNo,
    plan::Section,
    world::{Landed, Receipt},
};

/// The agenda as every step's own state tells it, and whether all are done. Asked after every fact of
/// every test of the engine.
pub(in super::super) fn check(state: &RunState) {
    let moves = |step: &crate::plan::PlanStep| {
        let run = &state.steps[&step.id];
        let waits = step.needs.iter().any(|need| !state.steps.get(need).is_some_and(StepRun::is_done));
        match run.state {
            StepState::Pending => !waits,
            StepState::Done(_) | StepState::Undone => run.has_open_effect(),
            StepState::Ready | StepState::Running | StepState::Backoff(_) | StepState::Failed(_) => true,
        }
    };
    let all = || state.plan.steps.iter().chain(&state.plan.finally);
    let expected: Vec<_> = all().filter(|step| moves(step)).map(|step| step.id.as_str()).collect();
    let found: Vec<_> = state.agenda().map(|(step, _)| step.id.as_str()).collect();
    assert_eq!(found, expected);
    let done = all().filter(|step| step.section != Section::Finally).all(|step| state.steps[&step.id].is_done());
    assert_eq!(state.steps.are_done(), done);
}

fn agenda(run: &Run) -> Vec<&str> {
    run.state.agenda().map(|(step, _)| step.id.as_str()).collect()
}

const FORK: &str = "failover:
  - { id: a, action: exec, with: { command: [a], impact: safe } }
  - { id: b, action: exec, needs: [a], with: { command: [b], impact: safe } }
  - { id: c, action: exec, needs: [a], with: { command: [c], impact: safe } }
  - { id: d, action: exec, needs: [b, c], with: { command: [d], impact: safe } }
finally:
  - { id: z, action: exec, with: { command: [z], impact: safe } }
";

#[test]
fn a_step_comes_up_when_the_last_that_it_needs_is_done() {
    let mut run = Run::planned(FORK);
    run.turn();
    assert_eq!(agenda(&run), ["a", "z"]);
    run.applied();
    run.turn();
    assert_eq!(agenda(&run), ["b", "c", "z"]);
    run.tell(vec![EventKind::EffectApplied { step: "b".into(), effect: EffectNo(1), receipt: Receipt::default() }]);
    run.turn();
    assert_eq!(agenda(&run), ["c", "z"]);
    run.applied();
    run.turn();
    assert_eq!((agenda(&run), run.state.steps.are_done()), (vec!["d", "z"], false));
    run.applied();
    run.turn();
    assert_eq!((agenda(&run), run.state.steps.are_done()), (vec!["z"], true));
}

#[test]
fn what_was_passed_while_it_was_in_doubt_stays_on_it_although_the_run_went_on() {
    let mut run = Run::planned(FORK);
    run.turn();
    run.in_doubt();
    run.tell(vec![EventKind::StepPassed { step: "a".into(), how: How::BestEffort }]);
    run.turn();
    assert_eq!(agenda(&run), ["a", "b", "c", "z"]);
    run.tell(vec![EventKind::EffectSettled { step: "a".into(), effect: EffectNo(1), landed: Landed::No }]);
    assert_eq!(agenda(&run), ["b", "c", "z"]);
}

#[test]
fn what_is_tried_again_after_it_was_done_makes_others_wait_again() {
    let mut run = Run::planned(FORK);
    run.turn();
    run.applied();
    run.turn();
    run.tell(vec![EventKind::StepUndone { step: "a".into() }]);
    assert_eq!(agenda(&run), ["b", "c", "z"], "they run");
    let mut other = Run::planned(FORK);
    other.tell(vec![EventKind::StepPassed { step: "a".into(), how: How::Continued }]);
    assert_eq!(agenda(&other), ["b", "c", "z"]);
    other.tell(vec![EventKind::StepFailed { step: "a".into(), why: "no".into(), hint: None }]);
    assert_eq!(agenda(&other), ["a", "z"]);
}
