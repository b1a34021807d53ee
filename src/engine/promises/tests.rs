//! Promises that were broken once.

use super::super::{
    EffectStatus, StepState,
    tests::{Run, who},
};
use crate::{
    clock::Span,
    event::{Control, EventKind, Policy, RunOutcome},
    ids::AskId,
    world::{Seen, What, probe},
};

const ASK: &str = "failover: [{ id: ask, action: confirm, with: { message: Go?, timeout: 15m, on_timeout: abort } }]";

/// What a process that takes the run up writes, in its order.
fn take_up(run: &mut Run) -> Vec<String> {
    let taken = EventKind::LeaseTaken { holder: who(), from: None };
    run.tell(vec![taken, EventKind::RunResumed { by: who(), policy: Policy::default() }]);
    run.turn()
}

#[test]
fn time_without_a_process_is_nobodys_silence() {
    let mut run = Run::planned(ASK);
    assert_eq!(run.turn().last().unwrap(), "run_paused");
    run.now = run.now + Span::mins(25);
    assert_eq!(take_up(&mut run), ["run_paused"], "it still waits for its answer");
    run.live.interactive = true;
    run.now = run.now + Span::hours(3);
    run.control(Control::Continue);
    assert!(run.state.open_asks().next().is_some());
    assert_eq!(run.later(Span::mins(15))[0], "confirmation_given silence");
}

#[test]
fn a_question_that_is_moot_stops_nothing() {
    let steps = "failover:
  - { id: close, action: exec, with: { command: [close] }, undo: { with: { command: [open] } } }
  - { id: ask, action: confirm, with: { message: Go? } }
  - { id: last, action: exec, with: { command: [last] } }";
    let mut undone = Run::planned(steps);
    undone.turn();
    undone.applied();
    assert!(undone.state.paused.is_some(), "nobody answers");
    let facts = undone.control(Control::Undo);
    assert!(facts.contains(&"effect_intended close".to_owned()), "{facts:?}");
    undone.applied();
    assert_eq!(undone.state.outcome, Some(RunOutcome::RolledBack));

    let mut skipped = Run::planned(steps);
    skipped.turn();
    skipped.applied();
    skipped.control(Control::Skip { step: "ask".into(), why: "agreed by phone".into() });
    skipped.applied();
    assert_eq!(skipped.state.outcome, Some(RunOutcome::Done));
}

#[test]
fn a_doubt_that_no_look_settles_is_asked_in_the_end() {
    let steps = "failover: [{ id: cut, action: exec, timeout: 5m, with: { command: [cut], check: [is, cut] } }]";
    let mut run = Run::planned(steps);
    run.live.interactive = true;
    let check = || {
        What::Command(probe::Command {
            argv: vec!["is".into(), "cut".into()],
            limit: Span::secs(30),
            read_only: false,
            environment: vec![],
        })
    };
    let answer = probe::Answer { ok: false, why: String::new(), output: serde_json::Value::Null };
    run.turn();
    run.see("oregon", check(), Seen::Answer(answer));
    run.turn();
    run.in_doubt();
    run.see("oregon", check(), Seen::Unknown { why: "no answer".into() });
    assert_eq!(run.turn(), [""; 0]);
    assert_eq!(run.later(Span::mins(6)), ["confirmation_asked cut in-doubt"]);
    run.control(Control::Answer { ask: AskId(1), yes: true });
    assert!(run.state.steps["cut"].effects.values().all(|e| matches!(e.status, EffectStatus::Settled(_))));
}

#[test]
fn an_undo_that_cannot_be_built_pauses_once() {
    let steps = "failover:
  - { id: a, action: exec, with: { command: [a] }, undo: { with: { command: [b, \"${steps.a.output}\"] } } }
  - { id: ask, action: confirm, with: { message: Go? } }";
    let mut run = Run::planned(steps);
    run.live.interactive = true;
    run.turn();
    run.applied();
    let facts = run.control(Control::Undo);
    assert_eq!(facts[1..], ["undo_begun", "step_failed a", "run_paused"]);
    let facts = run.control(Control::Skip { step: "a".into(), why: "by hand".into() });
    assert!(facts.last().unwrap().starts_with("run_finished"), "{facts:?}");
}

#[test]
fn a_step_is_not_skipped_before_its_turn() {
    let steps = "failover:
  - { id: a, action: exec, with: { command: [a] } }
  - { id: b, action: exec, with: { command: [b] } }
  - { id: c, action: exec, with: { command: [c] } }";
    let mut run = Run::planned(steps);
    run.turn();
    run.control(Control::Skip { step: "b".into(), why: "no need".into() });
    assert_eq!(*run.state_of("b"), StepState::Pending);
    assert_eq!(*run.state_of("c"), StepState::Pending);
}
