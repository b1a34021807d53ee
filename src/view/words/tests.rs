use super::*;
use crate::{
    event::{AnsweredBy, Event, HeldBefore, Obligation, ObligationKind, RunOutcome, SkipReason},
    ids::{ControlId, EffectNo},
    model::fact,
    view::{json, sample},
    world::Receipt,
};
use std::collections::BTreeSet;

/// One of each kind. The match has no wildcard: a new kind does not compile until it stands here.
fn all() -> Vec<EventKind> {
    use EventKind as K;
    let (step, effect, ask, by) = (StepId::new("promote"), EffectNo(1), AskId(1), sample::ana());
    let why = || "no answer within 30s".to_owned();
    let owed = Obligation { kind: ObligationKind::Fence, site: "ohio".into() };
    let accepting = Policy { yes: true, accept: [step.clone()].into(), ..Policy::default() };
    let measure = Measure { at_most: None, proof: "none".into(), objective: None, met: None, parts: vec![] };
    let kinds = vec![
        sample::started(),
        K::PlanSealed { digest: "3f9a".into() },
        K::LeaseTaken { holder: by.clone(), from: Some(by.clone()) },
        K::RunResumed { by: by.clone(), policy: accepting },
        K::RunPaused { why: PauseReason::InDoubt(step.clone()) },
        K::RunContinued { by: by.clone() },
        K::StepReady { step: step.clone() },
        sample::asked(Question::DataLoss),
        K::ConfirmationGiven { ask, answer: Answered::Silence, by: AnsweredBy::Runbook("abort".into()) },
        sample::attempt("promote", 2),
        sample::intended("promote", sample::promote()),
        K::EffectApplied { step: step.clone(), effect, receipt: Receipt::default() },
        K::EffectRefused { step: step.clone(), effect, why: why(), lasting: true },
        K::EffectInDoubt { step: step.clone(), effect, why: why() },
        K::EffectSettled { step: step.clone(), effect, landed: Landed::Yes },
        K::Observed { step: step.clone(), facts: vec![fact("lag", "2s")], holds: Some(true) },
        K::AttemptFailed { step: step.clone(), why: why(), retry_at: Some(sample::START) },
        sample::done("promote"),
        K::StepSkipped { step: step.clone(), why: SkipReason::Mode },
        K::StepFailed { step: step.clone(), why: why(), hint: Some("look at it".into()) },
        K::StepPassed { step: step.clone(), how: How::BestEffort },
        K::StepMarkedDone { step: step.clone(), by: by.clone(), why: "by hand".into() },
        K::StepRetried { step: step.clone(), by: by.clone() },
        K::UndoBegun { why: why(), holds_only: true },
        K::StepUndone { step: step.clone() },
        K::ClosingBegun,
        K::HoldOpened { step: step.clone(), until: sample::START, what: "writes frozen at ohio".into(), before: None },
        K::HoldOpened {
            step: step.clone(),
            until: sample::START,
            what: "writes frozen at ohio".into(),
            before: Some(HeldBefore { run: "r0".into(), since: sample::START, past_return: false }),
        },
        K::HoldOverdue { step: step.clone() },
        K::HoldClosed { step: step.clone(), by: HoldEndedBy::Undo },
        K::ObligationOpened { owed: owed.clone(), why: why() },
        K::ObligationPaid { owed },
        K::MilestoneReached { milestone: Milestone::ServiceRestored, step },
        K::ControlReceived { id: ControlId(1), by, control: Control::Pause, verdict: Verdict::Accepted },
        K::ObjectiveMeasured { objective: Objective::Rto, value: measure },
        K::RunFinished { outcome: RunOutcome::Done },
    ];
    for kind in &kinds {
        match kind {
            K::RunStarted { .. } | K::PlanSealed { .. } | K::LeaseTaken { .. } => {}
            K::RunResumed { .. } | K::RunPaused { .. } | K::RunContinued { .. } | K::StepReady { .. } => {}
            K::ConfirmationAsked { .. } | K::ConfirmationGiven { .. } | K::AttemptStarted { .. } => {}
            K::EffectIntended { .. } | K::EffectApplied { .. } | K::EffectRefused { .. } => {}
            K::EffectInDoubt { .. } | K::EffectSettled { .. } | K::Observed { .. } | K::AttemptFailed { .. } => {}
            K::StepSucceeded { .. } | K::StepSkipped { .. } | K::StepFailed { .. } | K::StepPassed { .. } => {}
            K::StepMarkedDone { .. } | K::StepRetried { .. } | K::UndoBegun { .. } | K::StepUndone { .. } => {}
            K::ClosingBegun | K::HoldOpened { .. } | K::HoldOverdue { .. } | K::HoldClosed { .. } => {}
            K::ObligationOpened { .. } | K::ObligationPaid { .. } | K::MilestoneReached { .. } => {}
            K::ControlReceived { .. } | K::ObjectiveMeasured { .. } | K::RunFinished { .. } => {}
        }
    }
    kinds
}

fn event(kind: EventKind) -> Event {
    let mut one = sample::events(vec![(0, kind)]);
    one.remove(0)
}

#[test]
fn every_fact_has_words() {
    let said = |kind: &EventKind| {
        let said = words(kind, &Progress::default());
        assert!(!said.text.starts_with('{'), "no words for {}", said.text);
        format!("{}: {}", said.subject(), said.text)
    };
    insta::assert_snapshot!(all().iter().map(said).collect::<Vec<_>>().join("\n"), @r"
    run: planned failover of storefront, ohio (us-east-2) -> oregon (us-west-2), started by ana on bastion, in the sandbox
    run: plan sealed, sha256 3f9a
    run: held by ana on bastion (pid 77), before by ana on bastion (pid 77)
    run: resumed by ana on bastion; answered beforehand: --accept promote --yes
    run: paused: an effect of promote is in doubt and nothing tells
    run: continued by ana on bastion
    promote: may start
    declare: asks whether writes may be lost: Move storefront from ohio to oregon? [lag: 2s; active site: ohio]; would lose an unknown part of the last writes; silence until 03:27:00 is a no
    run: nobody answered in time; what that means: the runbook (abort)
    promote: started, attempt 2
    promote: sends orders: replica -> writer, backups kept 7 d (rds:PromoteReadReplica in us-west-2)
    promote: accepted by the provider
    promote: refused, nothing happened: no answer within 30s
    promote: may or may not have happened: no answer within 30s; looking
    promote: doubt settled: it happened
    promote: holds now [lag: 2s]
    promote: failed: no answer within 30s; tried again at 03:12:00
    promote: done
    promote: left out: not in this mode
    promote: failed: no answer within 30s; hint: look at it
    promote: failed, the run goes on (best effort)
    promote: marked done by ana on bastion: by hand
    promote: to be tried again, by ana on bastion
    run: releases what it holds: no answer within 30s
    promote: undone
    run: nothing is left but `finally`
    promote: holds from now on: writes frozen at ohio, until 03:12:00 at most
    promote: holds on: writes frozen at ohio since 2026-11-21T03:12:00Z by run r0, until 03:12:00 at most
    promote: held too long, people are called
    promote: hold ended: open again
    run: owed from now on: fence ohio (no answer within 30s)
    run: no longer owed: fence ohio
    run: service restored, with promote
    run: ana on bastion asked to pause; accepted
    run: RTO: unknown; no proof
    run: ended: done
    ");
}

#[test]
fn the_names_in_json_do_not_drift() {
    let every = ["at", "epoch", "event", "run", "schema", "seq", "text", "time", "type"];
    let own = |kind: EventKind| {
        let plain = serde_json::to_value(&kind).unwrap();
        let object = json::event(&event(kind), &Progress::default());
        let (plain, object) = (plain.as_object().unwrap(), object.as_object().unwrap());
        // What every event has is not overwritten by what this kind has.
        assert!(plain.keys().all(|k| k == "event" || !every.contains(&k.as_str())), "{plain:?}");
        assert!(every.iter().all(|k| object.contains_key(*k)));
        let names: BTreeSet<_> = object.keys().map(String::as_str).filter(|k| !every.contains(k)).collect();
        format!("{} {}", object["event"].as_str().unwrap(), names.into_iter().collect::<Vec<_>>().join(" "))
    };
    insta::assert_snapshot!(all().into_iter().map(own).collect::<Vec<_>>().join("\n"), @r"
    run_started by owed plan policy realm since supersedes
    plan_sealed digest
    lease_taken from holder
    run_resumed by policy
    run_paused why
    run_continued by
    step_ready step
    confirmation_asked ask facts loss message question step until
    confirmation_given answer ask by
    attempt_started attempt deadline inputs step way
    effect_intended before call effect predicted step
    effect_applied effect receipt step
    effect_refused effect lasting step why
    effect_in_doubt effect step why
    effect_settled effect landed step
    observed facts holds step
    attempt_failed retry_at step why
    step_succeeded facts outputs step
    step_skipped step why
    step_failed hint step why
    step_passed how step
    step_marked_done by step why
    step_retried by step
    undo_begun holds_only why
    step_undone step
    closing_begun 
    hold_opened before step until what
    hold_opened before step until what
    hold_overdue step
    hold_closed by step
    obligation_opened owed why
    obligation_paid owed
    milestone_reached milestone step
    control_received by control id verdict
    objective_measured objective value
    run_finished outcome
    ");
}

#[test]
fn a_missed_objective_and_an_unproven_one_are_told_apart() {
    let value =
        |at_most, met| Measure { at_most, proof: String::new(), objective: Some(Span::mins(1)), met, parts: vec![] };
    let rto = |m| measure(Objective::Rto, &m);
    assert_eq!(rto(value(Some(Span::secs(59)), Some(true))), "59s, promised 1m: kept");
    assert_eq!(rto(value(Some(Span::secs(61)), Some(false))), "1m1s, promised 1m: missed");
    assert_eq!(rto(value(Some(Span::secs(59)), Some(false))), "59s, promised 1m: unproven");
    assert_eq!(rto(value(None, Some(false))), "unknown, promised 1m: unproven");
    assert_eq!(measure(Objective::Rpo, &value(Some(Span::ZERO), None)), "none, promised 1m");
}

#[test]
fn silence_says_what_it_means() {
    let so_far = Progress::of(&sample::events(vec![(0, sample::started())]));
    let said = words(&sample::asked(Question::Confirm), &so_far).text;
    assert!(said.ends_with("silence until 03:27:00 is a no and ends the run"), "{said}");
}

#[test]
fn a_change_the_plan_did_not_foresee_says_so() {
    let EventKind::EffectIntended { step, effect, call, before, .. } = sample::intended("promote", sample::promote())
    else {
        panic!("an intent")
    };
    let kind = EventKind::EffectIntended { step, effect, call, before, predicted: false };
    assert!(words(&kind, &Progress::default()).text.contains("not foreseen by the plan"));
}
