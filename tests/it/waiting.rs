//! What a run does while it waits: questions, silence, holds, doubts.

use crate::{
    asked::Counting,
    lab::{Lab, Ran, Went, bundled, id},
    there_and_back::ROUND,
};
use lifeboat::{
    clock::Span,
    engine::{Ended, StepState},
    event::{Control, EventKind, How, PauseReason, RunOutcome, SkipReason},
    ids::Region,
    model::{Direction, Mode},
    plan::Plan,
    store::Store as _,
};

async fn planned(lab: &Lab) -> Plan {
    match lab.planned(Direction::Failover, Mode::Planned).await {
        Ok(plan) => plan,
        Err(Went::Nothing | Went::Refused(_) | Went::Ran(_)) => panic!("it can be planned"),
    }
}

fn times(ran: &Ran, what: impl Fn(&EventKind) -> bool) -> usize {
    ran.events.iter().filter(|e| what(&e.kind)).count()
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_never_comes_to_its_end_is_taken_back_when_the_hold_is_over() {
    let lab = Lab::new(31, &[]);
    let mut plan = planned(&lab).await;
    let step = |plan: &mut Plan, name: &str| plan.steps.iter().position(|s| s.id == id(name)).unwrap();
    // The promotion waits for something that takes longer than writes may be frozen.
    let (open, soak) = (step(&mut plan, "open"), step(&mut plan, "soak"));
    let long = plan.steps[soak].draft.clone();
    plan.steps[open].draft = lifeboat::plan::StepDraft {
        verify: vec![],
        probes: [].into(),
        with: serde_json::from_value(serde_json::json!({ "for": "1h" })).unwrap(),
        ..long
    };
    plan.steps[open].timeout = Span::hours(2);
    let ran = lab.run(plan, Box::new(|_, _| {})).await.unwrap();
    assert!(matches!(ran.outcome(), RunOutcome::RolledBack | RunOutcome::Partial), "{}", ran.told());
    assert_eq!(times(&ran, |e| matches!(e, EventKind::HoldOverdue { .. })), 1);
    let opened = ran.events.iter().find(|e| matches!(e.kind, EventKind::HoldOpened { .. })).unwrap().at;
    let closed = ran.events.iter().find(|e| matches!(e.kind, EventKind::HoldClosed { .. })).unwrap().at;
    assert!(closed.since(opened) <= Span::mins(7), "{}", closed.since(opened));
    assert_eq!(lab.situation().await.active_site().unwrap().as_str(), "ohio");
    assert!(ran.state.holds.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_no_to_a_question_ends_the_run_before_any_outage() {
    let mut lab = Lab::new(32, &[]);
    lab.policy.yes = false;
    lab.policy.interactive = true;
    let plan = planned(&lab).await;
    let react = |event: &lifeboat::event::Event, hands: &crate::process::Hands| {
        if let EventKind::ConfirmationAsked { ask, step: Some(_), .. } = &event.kind {
            hands.ask(Control::Answer { ask: *ask, yes: false });
        }
    };
    let ran = lab.run(plan, Box::new(react)).await.unwrap();
    assert_eq!(ran.state.step(&id("freeze")).unwrap().1.effects.len(), 0, "{}", ran.told());
    assert!(matches!(ran.outcome(), RunOutcome::Refused | RunOutcome::RolledBack | RunOutcome::Partial));
    assert_eq!(lab.lived().write_outage, Span::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_makes_the_run_wait_and_an_answer_lets_it_go_on() {
    let mut lab = Lab::new(33, &[]);
    lab.policy.yes = false;
    let plan = planned(&lab).await;
    let ran = lab.run(plan.clone(), Box::new(|_, _| {})).await.unwrap();
    assert!(matches!(ran.ended, Ended::Waiting(PauseReason::Unanswered(_))), "{}", ran.told());
    assert!(!ran.state.past_return());
    lab.policy.yes = true;
    let ran = lab.resume(&plan, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(ran.outcome(), RunOutcome::Done, "{}", ran.told());
}

#[tokio::test(start_paused = true)]
async fn time_without_a_process_does_not_count_as_silence() {
    let mut lab = Lab::new(34, &[]);
    lab.policy.yes = false;
    lab.policy.interactive = true;
    let plan = planned(&lab).await;
    let react = |event: &lifeboat::event::Event, hands: &crate::process::Hands| {
        if let EventKind::ConfirmationAsked { step: Some(_), .. } = &event.kind {
            // The terminal stays open, nobody types.
            drop(hands.ask.send(lifeboat::event::Request::Leave));
        }
    };
    let ran = lab.run(plan.clone(), Box::new(react)).await.unwrap();
    assert!(matches!(ran.ended, Ended::Waiting(_)), "{}", ran.told());
    lab.wait(Span::mins(20)).await;
    lab.policy.interactive = false;
    // Time without a process is nobody's fault: the question has its fifteen minutes again.
    let ran = lab.resume(&plan, Box::new(react)).await.unwrap();
    let (_, ask) = ran.state.open_asks().next().unwrap_or_else(|| panic!("answered\n{}", ran.told()));
    assert!(ask.until.unwrap() >= lab.clock.now() + Span::mins(14), "{:?}", ask.until);
}

#[tokio::test(start_paused = true)]
async fn a_best_effort_that_fails_is_passed_and_the_emergency_goes_on() {
    let mut runbook = bundled().clone();
    let lock = runbook.failover.iter_mut().find(|s| s.id == id("hold_deploys")).unwrap();
    for spec in [&mut lock.planned, &mut lock.emergency] {
        spec.simulate.as_mut().unwrap().exit = Some(1);
    }
    let lab = Lab::of(&runbook, 35, &["primary-lost"]);
    let ran = lab.go(Direction::Failover, Mode::Emergency).await;
    assert_eq!(ran.state.steps[&id("hold_deploys")].state, StepState::Done(How::BestEffort));
    assert_eq!(ran.outcome(), RunOutcome::Unprotected, "{}", ran.told());
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_nothing_can_tell_of_is_asked_about_and_finally_runs_once() {
    let mut runbook = bundled().clone();
    let lock = runbook.failover.iter_mut().find(|s| s.id == id("hold_deploys")).unwrap();
    for spec in [&mut lock.planned, &mut lock.emergency] {
        spec.with.remove("check");
    }
    let lab = Lab::of(&runbook, 36, &["lost-answer@hold_deploys"]);
    let plan = planned(&lab).await;
    let ran = lab.run(plan.clone(), Box::new(|_, _| {})).await.unwrap();
    assert_eq!(ran.ended, Ended::Waiting(PauseReason::InDoubt(id("hold_deploys"))), "{}", ran.told());
    let unlocked =
        |ran: &Ran| times(ran, |e| matches!(e, EventKind::EffectIntended { step, .. } if *step == id("allow_deploys")));
    assert_eq!(unlocked(&ran), 0, "`finally` does not run on a pause");
    let (ask, _) = ran.state.open_asks().next().unwrap();
    let by = lifeboat::event::Who { operator: "ada".into(), host: "test".into(), pid: 1 };
    let answer = Control::Answer { ask, yes: true };
    lifeboat::store::Store::post(&lab.store, &plan.run, &answer, &by, lab.clock.now()).await.unwrap();
    let ran = lab.resume(&plan, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(ran.outcome(), RunOutcome::Done, "{}", ran.told());
    assert_eq!(unlocked(&ran), 1);
    assert_eq!(lab.lived().repeated, Vec::<String>::new());
    let skipped = |e: &EventKind| matches!(e, EventKind::StepSkipped { why: SkipReason::Person { .. }, .. });
    assert_eq!(times(&ran, skipped), 0);
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_is_throttled_past_its_limit_says_so_holds_nothing_and_can_be_tried_again() {
    let lab = Lab::new(37, &["throttled@freeze"]);
    let mut plan = planned(&lab).await;
    plan.steps.iter_mut().find(|s| s.id == id("freeze")).unwrap().timeout = Span::secs(50);
    let ran = lab.run(plan.clone(), Box::new(|_, _| {})).await.unwrap();
    assert_eq!(ran.ended, Ended::Waiting(PauseReason::StepFailed(id("freeze"))), "{}", ran.told());
    let why = "Throttling: rate exceeded (attempt 5, no time for another within 50s)";
    assert_eq!(
        times(&ran, |e| matches!(e, EventKind::StepFailed { why: told, .. } if told == why)),
        1,
        "{}",
        ran.told()
    );
    assert!(ran.state.holds.is_empty());
    lab.wait(Span::mins(2)).await;
    retried(&lab, &plan).await;
}

/// The failed freeze is tried again, and the run goes on from there.
async fn retried(lab: &Lab, plan: &Plan) {
    let by = lifeboat::event::Who { operator: "ada".into(), host: "test".into(), pid: 1 };
    let retry = Control::Retry { step: id("freeze") };
    lifeboat::store::Store::post(&lab.store, &plan.run, &retry, &by, lab.clock.now()).await.unwrap();
    let ran = lab.resume(plan, Box::new(|_, _| {})).await.unwrap();
    assert!(ran.state.step(&id("promote")).unwrap().1.is_done(), "{}", ran.told());
    assert_eq!((lab.lived().rows_lost, lab.lived().two_writers), (0, None));
}

/// The first world from a seed on whose standby is backed up daily, and when today's window opens and closes.
async fn with_backups_at_the_standby(seed: u64) -> (Lab, [lifeboat::clock::Timestamp; 2]) {
    for seed in seed.. {
        let lab = Lab::new(seed, &[]);
        let (opens, closes, kept) = lab.backup_window("oregon").await;
        if kept {
            return (lab, [opens, closes]);
        }
    }
    unreachable!("half of all worlds have backups there")
}

/// Waits until an instant.
async fn until(lab: &Lab, at: lifeboat::clock::Timestamp) {
    lab.wait(at.since(lab.clock.now())).await;
}

#[tokio::test(start_paused = true)]
async fn a_planned_move_is_refused_near_the_backup_window_of_its_target_and_open_again_after_it() {
    for seed in [41, 61, 81] {
        let (lab, [opens, closes]) = with_backups_at_the_standby(seed).await;
        for before in [Span::mins(8), Span::ZERO] {
            until(&lab, opens - before).await;
            let Err(Went::Refused(refusal)) = lab.planned(Direction::Failover, Mode::Planned).await else {
                panic!("it would freeze writes for nothing")
            };
            assert!(refusal.why.starts_with("the backup window of database orders at oregon"), "{}", refusal.why);
        }
        until(&lab, closes).await;
        let ran = lab.go(Direction::Failover, Mode::Planned).await;
        assert_eq!(ran.outcome(), RunOutcome::Done, "seed {seed}\n{}", ran.told());
        assert_eq!(lab.lived().rows_lost, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_gets_late_into_a_backup_window_stops_before_the_freeze_and_goes_on_after_it() {
    let (lab, [opens, closes]) = with_backups_at_the_standby(44).await;
    until(&lab, opens - Span::mins(30)).await;
    let plan = planned(&lab).await;
    until(&lab, opens - Span::mins(7)).await;
    let ran = lab.run(plan.clone(), Box::new(|_, _| {})).await.unwrap();
    assert_eq!(ran.ended, Ended::Waiting(PauseReason::StepFailed(id("freeze"))), "{}", ran.told());
    assert!(ran.state.holds.is_empty());
    assert_eq!(lab.lived().write_outage, Span::ZERO);
    until(&lab, closes).await;
    retried(&lab, &plan).await;
}

#[tokio::test(start_paused = true)]
async fn no_backup_window_is_in_the_way_of_an_emergency() {
    let (lab, [opens, _]) = with_backups_at_the_standby(47).await;
    until(&lab, opens).await;
    let ran = lab.go(Direction::Failover, Mode::Emergency).await;
    assert_eq!(ran.outcome(), RunOutcome::Unprotected, "{}", ran.told());
}

/// From its send to its end.
fn promotion(ran: &Ran) -> Span {
    let at = |what: &dyn Fn(&EventKind) -> bool| ran.events.iter().find(|e| what(&e.kind)).unwrap().at;
    let promote = id("promote");
    let sent = at(&|e| matches!(e, EventKind::EffectApplied { step, .. } if *step == promote));
    at(&|e| matches!(e, EventKind::StepSucceeded { step, .. } if *step == promote)).since(sent)
}

#[tokio::test(start_paused = true)]
async fn how_long_promotions_took_is_kept_and_later_runs_look_by_it() {
    let mut lab = Lab::new(41, &[]);
    let eyes = Counting::in_lab(&mut lab);
    let (mut took, mut looks) = (vec![], vec![]);
    for _ in 0..4 {
        for direction in ROUND {
            let before = eyes.databases();
            let ran = lab.go(direction, Mode::Planned).await;
            if direction == Direction::Failover {
                took.insert(0, promotion(&ran));
                looks.push(eyes.databases() - before);
            }
        }
    }
    let kept = lab.store.past_durations("rds:PromoteReadReplica", &Region::from("us-west-2")).await;
    assert_eq!(kept, took, "newest first");
    assert!(looks[3] < looks[0], "{looks:?}");
}
