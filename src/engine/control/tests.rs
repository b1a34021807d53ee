//! What becomes of what people ask.

use super::{
    super::tests::{Run, who},
    receive,
};
use crate::{
    event::{Control, EventKind, Posted, Verdict},
    ids::ControlId,
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
