//! What facts make of a run.

use super::{
    super::tests::{Run, who},
    *,
};
use crate::{
    clock::Span,
    event::{Answered, Policy, SkipReason},
    ids::EffectNo,
    model::Mode,
    world::Landed,
};

const CUT: &str = "failover: [{ id: cut, action: exec, with: { command: [cut] } }, { id: next, action: exec, with: { command: [next] } }]";

/// A run whose first command is under way.
fn cut() -> Run {
    let mut run = Run::planned(CUT);
    run.turn();
    run
}

fn event(state: &RunState, epoch: u64, kind: EventKind) -> Event {
    Event { run: state.run.clone(), seq: state.head.next(), epoch: Epoch(epoch), at: state.last_at, kind }
}

fn asked(ask: u32, step: &str, question: Question) -> EventKind {
    let (step, message) = (Some(step.into()), String::new());
    EventKind::ConfirmationAsked { ask: AskId(ask), step, question, message, facts: vec![], until: None, loss: None }
}

/// Which questions still wait for an answer.
fn open(run: &Run) -> Vec<u32> {
    run.state.open_asks().map(|(id, _)| id.0).collect()
}

#[test]
fn epochs_only_grow() {
    let mut state = cut().state;
    let paused = || EventKind::RunPaused { why: crate::event::PauseReason::Signal };
    state.apply(&event(&state, 3, paused())).unwrap();
    let before = state.clone();
    assert!(state.apply(&event(&state, 2, paused())).is_err());
    assert_eq!(state, before, "what is refused changes nothing");
    state.apply(&event(&state, 3, paused())).unwrap();
}

#[test]
fn the_incident_is_when_it_was_said_to_begin_else_when_the_run_did() {
    let mut state = cut().state;
    assert_eq!(state.incident(), state.started);
    state.since = Some(Timestamp(7));
    assert_eq!(state.incident(), Timestamp(7));
}

#[test]
fn what_was_refused_touched_nothing_and_what_is_in_doubt_may_have() {
    let mut refused = cut();
    refused.tell(vec![EventKind::EffectRefused {
        step: "cut".into(),
        effect: EffectNo(1),
        why: "no".into(),
        lasting: true,
    }]);
    let mut doubtful = cut();
    doubtful.answer_all(|step, effect| EventKind::EffectInDoubt { step, effect, why: "reset".into() });
    assert_eq!((refused.state.touched(), doubtful.state.touched()), (false, true));
    assert_eq!(
        (refused.state.steps["cut"].may_have_acted(), doubtful.state.steps["cut"].may_have_acted()),
        (false, true)
    );
}

#[test]
fn only_what_is_irreversible_and_may_have_happened_leaves_no_way_back() {
    let steps = "failover: [{ id: cut, action: exec, with: { command: [cut], impact: irreversible } }]";
    let policy = Policy { accept: ["cut".into()].into(), yes: true, ..Policy::default() };
    let mut run = Run::of(steps, Mode::Planned, policy);
    assert!(!run.state.past_return());
    run.turn();
    assert!(run.state.past_return());
    run.tell(vec![EventKind::EffectRefused {
        step: "cut".into(),
        effect: EffectNo(1),
        why: "no".into(),
        lasting: true,
    }]);
    assert!(!run.state.past_return());
    assert_eq!(run.state.promoted(), None);
    run.tell(vec![EventKind::StepMarkedDone { step: "cut".into(), by: who(), why: "by hand".into() }]);
    assert!(run.state.past_return());
    assert_eq!(run.state.promoted(), Some(run.now));
}

#[test]
fn a_runbook_that_promotes_is_promoted_when_its_promotions_are_done() {
    let steps = "failover:
  - { id: promote, action: promote-replica, resource: db }
  - { id: cut, action: exec, with: { command: [cut], impact: irreversible } }";
    let mut run = Run::planned(steps);
    assert_eq!(run.state.promoted(), None);
    run.tell(vec![EventKind::StepSucceeded { step: "promote".into(), outputs: Outputs::new(), facts: vec![] }]);
    assert_eq!(run.state.promoted(), Some(run.now), "what else is irreversible is no promotion");
}

#[test]
fn a_step_that_ended_has_no_question_left_but_whether_its_effect_happened() {
    for end in [
        EventKind::StepSucceeded { step: "cut".into(), outputs: Outputs::new(), facts: vec![] },
        EventKind::StepSkipped { step: "cut".into(), why: SkipReason::When },
        EventKind::StepMarkedDone { step: "cut".into(), by: who(), why: "so".into() },
    ] {
        let mut run = cut();
        run.tell(vec![
            asked(1, "cut", Question::Confirm),
            asked(2, "cut", Question::InDoubt),
            asked(3, "next", Question::Confirm),
            asked(4, "next", Question::InDoubt),
        ]);
        run.tell(vec![end]);
        assert_eq!(open(&run), [2, 3, 4]);
    }
}

#[test]
fn an_answer_to_a_doubt_is_about_one_effect() {
    let mut run = cut();
    run.tell(vec![
        asked(1, "cut", Question::InDoubt),
        asked(2, "cut", Question::Confirm),
        asked(3, "next", Question::InDoubt),
    ]);
    let settled = EventKind::EffectSettled { step: "cut".into(), effect: EffectNo(1), landed: Landed::Yes };
    run.tell(vec![settled]);
    assert_eq!(open(&run), [2, 3]);
}

#[test]
fn what_was_answered_is_not_made_moot() {
    let mut run = cut();
    let by = AnsweredBy::Runbook("proceed".into());
    run.tell(vec![
        asked(1, "cut", Question::Confirm),
        EventKind::ConfirmationGiven { ask: AskId(1), answer: Answered::Yes, by },
    ]);
    run.tell(vec![EventKind::StepSucceeded { step: "cut".into(), outputs: Outputs::new(), facts: vec![] }]);
    assert!(!run.state.asks[&AskId(1)].moot);
}

/// By how much a resumption after two idle minutes puts a step's deadline off, which has an effect in doubt.
fn put_off(step: &str, mode: Mode) -> (Span, Span) {
    let mut run = Run::of(&format!("failover: [{step}]"), mode, Policy::default());
    run.turn();
    run.in_doubt();
    let state = |run: &Run| {
        (run.state.steps["cut"].deadline, run.state.steps["cut"].effects.values().next().unwrap().effect.dark())
    };
    let (before, dark) = state(&run);
    run.tell(vec![EventKind::RunPaused { why: crate::event::PauseReason::Signal }]);
    run.now = run.now + Span::mins(2);
    run.tell(vec![EventKind::RunResumed { by: who(), policy: Policy::default() }]);
    (state(&run).0.since(before), dark)
}

#[test]
fn a_doubt_is_no_work_of_its_step_but_a_best_effort_at_the_site_being_left_is_not_waited_for() {
    let step =
        |at: &str, more: &str| format!("{{ id: cut, action: exec, at: {at}, with: {{ command: [cut] }} {more} }}");
    let best = ", emergency: best-effort";
    for (step, mode, waits) in [
        (step("from", ""), Mode::Planned, true),
        (step("to", ""), Mode::Emergency, true),
        (step("to", best), Mode::Emergency, true),
        (step("from", best), Mode::Emergency, false),
    ] {
        let (later, dark) = put_off(&step, mode);
        assert!(dark > Span::ZERO, "{step}");
        assert_eq!(later, Span::mins(2) + if waits { dark } else { Span::ZERO }, "{step}");
    }
}

#[test]
fn what_is_no_journal_of_a_run_is_refused_by_what_is_wrong_with_it() {
    let wrong = |state: &RunState, seq: Seq| {
        let kind = EventKind::StepReady { step: "cut".into() };
        let event = Event { run: state.run.clone(), seq, epoch: state.epoch, at: state.last_at, kind };
        (state.clone().apply(&event).map_err(|no| no.why), RunState::begin(&event).map(drop).map_err(|no| no.why))
    };
    let no = |why: &str| Err(why.to_owned());
    assert_eq!(RunState::replay(&[]).map(drop).map_err(|no| no.why), no("the run has no events"));
    let mut run = Run::planned("failover: [{ id: cut, action: exec, with: { command: [cut] } }]");
    let next = run.state.head.next();
    assert_eq!(wrong(&run.state, next), (Ok(()), no("a run begins with its start")));
    assert_eq!(wrong(&run.state, next.next()).0, no("a gap in the sequence"));
    run.tell(vec![EventKind::RunFinished { outcome: RunOutcome::Done }]);
    assert_eq!(wrong(&run.state, next.next()).0, no("the run has ended already"));
}
