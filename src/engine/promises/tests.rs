//! Promises that were broken once.

use super::super::{
    EffectStatus, StepState,
    tests::{Run, who},
};
use crate::{
    clock::Span,
    event::{Control, EventKind, Obligation, ObligationKind, Policy, RunOutcome, Who},
    ids::{AskId, EffectNo},
    model::{Direction, Outputs},
    runbook::Milestone,
    world::{Call, Effect, Receipt, Seen, Sight, Target, What, probe, rds},
};
use std::sync::Arc;

/// A run that protects the site it left again, but for its last step.
fn reprotect() -> Run {
    let steps = "failover: [{ id: reverse, action: reverse-replication, resource: db, at: from }]";
    let mut run = Run::planned(steps);
    Arc::make_mut(&mut run.state.plan).direction = Direction::Reprotect;
    run.state.owed.insert(Obligation { kind: ObligationKind::Reprotect, site: "ohio".into() });
    run.turn();
    run
}

#[test]
fn a_replica_that_nobody_built_is_still_owed() {
    let by_hand = [
        Control::Skip { step: "reverse".into(), why: "later".into() },
        Control::MarkDone { step: "reverse".into(), why: "I did".into() },
    ];
    for control in by_hand {
        let mut run = reprotect();
        run.fail_first("reverse");
        run.control(control);
        assert_eq!(run.state.outcome, Some(RunOutcome::Unprotected), "{:?}", run.state.owed);
        assert_eq!(run.state.owed.len(), 1);
    }
    let mut built = reprotect();
    built.tell(vec![EventKind::StepSucceeded { step: "reverse".into(), outputs: Outputs::new(), facts: vec![] }]);
    built.turn();
    assert_eq!(built.state.outcome, Some(RunOutcome::Done));

    // Built by hand and seen.
    let mut seen = reprotect();
    seen.fail_first("reverse");
    seen.see("ohio", What::Db("db".into()), super::super::tests::db(Some("oregon")));
    seen.control(Control::MarkDone { step: "reverse".into(), why: "I did".into() });
    assert_eq!(seen.state.outcome, Some(RunOutcome::Done), "{:?}", seen.state.owed);
}

#[test]
fn a_probe_beside_a_promotion_under_way_saw_no_write() {
    let steps = "failover:
  - { id: promote, action: promote-replica, resource: db }
  - { id: beside, needs: [], verify: [site_answers], at: to, timeout: 1h }
  - { id: writes, needs: [promote], verify: [site_answers], at: to }";
    let mut run = Run::planned(steps);
    run.state.policy.accept = ["promote".into()].into();
    run.turn();
    let ok = || Seen::Answer(probe::Answer::plain(true, String::new()));
    let intended = EventKind::EffectIntended {
        step: "promote".into(),
        effect: EffectNo(1),
        call: Arc::new(Effect {
            target: Target::at(&run.state.plan.sites["oregon"], What::Db("db".into())),
            call: Call::Rds(rds::Call::Promote {
                identifier: "db".into(),
                resource_id: "db-1".into(),
                backup_retention: 7,
            }),
        }),
        before: Arc::new(Sight {
            target: Target::at(&run.state.plan.sites["oregon"], What::Db("db".into())),
            at: run.now,
            seen: super::super::tests::db(Some("ohio")),
        }),
        predicted: true,
    };
    run.tell(vec![intended]);
    run.see("oregon", What::Site, ok());
    assert_eq!(run.turn(), ["step_succeeded beside"], "the promotion is only intended");
    run.now = run.now + Span::mins(5);
    run.tell(vec![EventKind::EffectApplied {
        step: "promote".into(),
        effect: EffectNo(1),
        receipt: Receipt::default(),
    }]);
    run.tell(vec![EventKind::StepSucceeded { step: "promote".into(), outputs: Outputs::new(), facts: vec![] }]);
    run.see("oregon", What::Site, ok());
    let facts = run.turn();
    let told = ["step_ready writes", "attempt_started writes", "step_succeeded writes", "milestone_reached writes"];
    assert_eq!(facts[..4], told);
    assert!(run.state.milestones.contains_key(&Milestone::WritesAccepted));
}

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
    let ask = *undone.state.asks.keys().next_back().unwrap();
    let late = undone.control(Control::Answer { ask, yes: true });
    assert_eq!(late, ["control_received"], "it is refused");
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
    let answer = probe::Answer::plain(false, String::new());
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

#[test]
fn what_another_machine_sent_may_arrive_for_a_whole_dark_window_whatever_its_clock_showed() {
    let steps = "failover: [{ id: cut, action: exec, with: { command: [cut], check: [is, cut] } }]";
    let no = |run: &mut Run| {
        let (argv, limit) = (vec!["is".into(), "cut".into()], Span::secs(30));
        let check = probe::Command { argv, limit, read_only: false, environment: vec![] };
        let seen = probe::Answer::plain(false, String::new());
        run.see("oregon", What::Command(check), Seen::Answer(seen));
    };
    let taken_over = |host: &str| {
        let mut run = Run::planned(steps);
        run.tell(vec![EventKind::LeaseTaken { holder: who(), from: None }]);
        run.turn();
        no(&mut run);
        run.turn();
        // Far less time may have passed on the first machine than the second one's clock shows.
        run.now = run.now + Span::hours(2);
        let by = Who { host: host.into(), ..who() };
        let policy = Policy::default();
        run.tell(vec![
            EventKind::LeaseTaken { holder: by.clone(), from: Some(who()) },
            EventKind::RunResumed { by, policy },
        ]);
        no(&mut run);
        run
    };
    assert_eq!(taken_over("here").turn()[0], "effect_settled cut", "of the same machine's clock it is long ago");
    let mut other = taken_over("there");
    assert_eq!(other.turn(), [""; 0]);
    let dark = other.state.steps["cut"].effects[&EffectNo(1)].effect.dark();
    other.now = other.now + dark;
    no(&mut other);
    assert_eq!(other.turn()[..2], ["effect_settled cut", "effect_intended cut"]);
}
