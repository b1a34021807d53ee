//! What becomes of what people ask.

use super::{
    super::{
        StepRun,
        tests::{Run, who},
    },
    receive,
};
use crate::{
    event::{Control, EventKind, Posted, RunOutcome, Verdict},
    ids::{ControlId, EffectNo},
    world::Landed,
};

const TWO: &str = "failover:
  - { id: cut, action: exec, with: { command: [cut] } }
  - { id: last, action: exec, with: { command: [last] } }";

fn posted(run: &Run, id: i64, control: Control) -> Posted {
    Posted { id: ControlId(id), at: run.now, by: who(), control }
}

/// Why a control is refused.
fn refused(run: &Run, control: Control) -> String {
    match receive(&run.state, &posted(run, 0, control)).remove(0) {
        EventKind::ControlReceived { verdict: Verdict::Refused(why), .. } => why,
        other => panic!("{other:?}"),
    }
}

/// The provider refuses what is under way, and the step gives up.
fn no(run: &mut Run, step: &str) {
    let effect = *run.state.steps[step].effects.keys().next_back().unwrap();
    let why = || "no".to_owned();
    run.tell(vec![EventKind::EffectRefused { step: step.into(), effect, why: why(), lasting: true }]);
    run.tell(vec![EventKind::StepFailed { step: step.into(), why: why(), hint: None }]);
    run.turn();
}

fn mark(step: &str) -> Control {
    Control::MarkDone { step: step.into(), why: "done by hand".into() }
}

#[test]
fn what_a_newer_lifeboat_asks_is_refused_and_keeps_nobody_else_waiting() {
    let control: Control = serde_json::from_str(r#"{"control":"dance","with":"ada"}"#).unwrap();
    let mut run = Run::planned("failover: [{ id: cut, action: exec, with: { command: [cut] } }]");
    run.turn();
    assert_eq!(run.control(control), ["control_received"]);
    assert_eq!(run.control(Control::Pause), ["control_received", "run_paused"]);
}

#[test]
fn a_control_is_taken_once_and_none_after_the_end() {
    let mut run = Run::planned(TWO);
    run.turn();
    let pause = posted(&run, 1, Control::Pause);
    run.tell(receive(&run.state, &pause));
    assert_eq!(receive(&run.state, &pause), [], "it is known already");
    run.applied();
    run.control(Control::Abandon { why: "by hand from here".into() });
    let late = posted(&run, 2, Control::Continue);
    assert_eq!(receive(&run.state, &late), []);
}

#[test]
fn a_run_whose_step_failed_is_not_simply_continued() {
    let mut run = Run::planned(TWO);
    run.turn();
    run.fail_first("cut");
    assert!(refused(&run, Control::Continue).starts_with("a step has failed"));
}

#[test]
fn what_is_done_or_not_settled_is_not_marked_as_done() {
    let mut run = Run::planned(TWO);
    run.turn();
    assert!(refused(&run, mark("cut")).starts_with("cut cannot be marked as done now"), "a call is under way");
    run.applied();
    assert!(refused(&run, mark("cut")).starts_with("cut cannot be marked as done now"), "it is done");
    assert!(refused(&run, mark("gone")).contains("no step gone"));
}

#[test]
fn a_run_is_not_ended_while_a_call_is_under_way() {
    let mut run = Run::planned(TWO);
    run.turn();
    let abandon = || Control::Abandon { why: "enough".into() };
    assert_eq!(refused(&run, abandon()), "a call is under way: ask again in a moment");
    run.in_doubt();
    assert!(run.control(abandon()).iter().any(|fact| fact.starts_with("run_finished")));
}

#[test]
fn a_failed_step_may_be_said_to_be_done_and_the_run_ends_once_it_is_known_what_became_of_its_change() {
    let mut run = Run::planned(TWO);
    run.turn();
    run.in_doubt();
    run.fail_first("cut");
    run.control(mark("cut"));
    run.control(mark("last"));
    assert!(run.state.steps.values().all(StepRun::is_done));
    assert_eq!(run.state.outcome, None);
    let landed = Landed::Yes;
    run.tell(vec![EventKind::EffectSettled { step: "cut".into(), effect: EffectNo(1), landed }]);
    run.control(Control::Continue);
    assert_eq!(run.state.outcome, Some(RunOutcome::Done));
}

#[test]
fn an_interrupt_that_stops_new_calls_stops_those_that_take_back_too() {
    let mut run = Run::planned(
        "failover:
  - { id: cut, action: exec, with: { command: [cut] }, undo: { with: { command: [uncut] } } }
  - { id: last, action: exec, with: { command: [last] } }",
    );
    run.turn();
    run.applied();
    run.live.stop_calls = true;
    run.applied();
    assert_eq!(run.control(Control::Undo), ["control_received", "undo_begun"]);
    run.live.stop_calls = false;
    assert!(run.turn().contains(&"attempt_started cut".to_owned()));
}

#[test]
fn a_move_whose_closing_steps_fail_is_done_in_part() {
    let mut run = Run::planned(
        "failover: [{ id: cut, action: exec, with: { command: [cut] } }]
finally: [{ id: bye, action: exec, with: { command: [bye], impact: safe } }]",
    );
    run.turn();
    run.applied();
    no(&mut run, "bye");
    assert_eq!(run.state.outcome, Some(RunOutcome::Partial));
}
