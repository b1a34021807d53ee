//! A run that is stopped: before the promotion the old site serves on, after it is never opened again.

use crate::lab::{Lab, Ran, id};
use lifeboat::{
    clock::Span,
    event::{Control, EventKind, RunOutcome, Way},
    model::{Direction, Impact, Mode},
    runbook::FailurePolicy,
    world::Effect,
};

/// The steps up to the promotion, it included.
const BEFORE: [&str; 10] =
    ["lag", "declare", "hold_deploys", "scale", "ready", "idle_workers", "freeze", "drained", "open", "promote"];

/// How a run is stopped at a step.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// When the step starts.
    Ask(fn() -> Control),
    /// When it is done.
    AskAfter(fn() -> Control),
    /// It fails before it does anything.
    Fails(FailurePolicy),
    /// It fails with something under way.
    FailsLate(FailurePolicy),
}

const STOPS: [Stop; 8] = [
    Stop::Ask(|| Control::Cancel),
    Stop::Ask(|| Control::Undo),
    Stop::AskAfter(|| Control::Cancel),
    Stop::AskAfter(|| Control::Undo),
    Stop::Fails(FailurePolicy::Abort),
    Stop::Fails(FailurePolicy::Undo),
    Stop::FailsLate(FailurePolicy::Abort),
    Stop::FailsLate(FailurePolicy::Undo),
];

async fn stopped_at(lab: &Lab, step: &'static str, stop: Stop) -> Ran {
    let Ok(mut plan) = lab.planned(Direction::Failover, Mode::Planned).await else { panic!("it can be planned") };
    if let Stop::Fails(policy) | Stop::FailsLate(policy) = stop {
        let step = plan.steps.iter_mut().find(|s| s.id == id(step)).unwrap();
        step.on_failure = policy;
        step.timeout = if matches!(stop, Stop::Fails(_)) { Span::ZERO } else { Span::secs(1) };
    }
    let react = move |event: &lifeboat::event::Event, hands: &crate::process::Hands| match (&event.kind, stop) {
        (EventKind::AttemptStarted { step: at, way: Way::Forward, .. }, Stop::Ask(control))
        | (EventKind::StepSucceeded { step: at, .. }, Stop::AskAfter(control))
            if *at == id(step) =>
        {
            hands.ask(control());
        }
        _ => {}
    };
    lab.run(plan, Box::new(react)).await.unwrap()
}

fn promoted(ran: &Ran) -> bool {
    let happened = |e: &lifeboat::engine::EffectRun| e.effect.impact() == Impact::Irreversible && e.may_have_happened();
    ran.state.steps.values().flat_map(|s| s.effects.values()).any(|effect| happened(effect))
}

/// Effects at the site being left that were meant after the promotion was.
fn at_ohio_after_promotion(ran: &Ran) -> Vec<&Effect> {
    let calls = ran.events.iter().filter_map(|e| match &e.kind {
        EventKind::EffectIntended { call, .. } => Some(&**call),
        _ => None,
    });
    let after = calls.skip_while(|c| c.impact() != Impact::Irreversible);
    after.filter(|c| c.target.site.as_str() == "ohio" && c.impact() >= Impact::Disruptive).collect()
}

async fn writes_go_on(lab: &Lab) -> bool {
    // Connections come back within some minutes.
    lab.wait(Span::mins(5)).await;
    let before = lab.lived();
    lab.wait(Span::mins(10)).await;
    let after = lab.lived();
    after.rows_written > before.rows_written && after.write_outage == before.write_outage
}

#[tokio::test(start_paused = true)]
async fn a_planned_run_stopped_before_the_promotion_leaves_the_old_site_writable_and_nothing_held() {
    for stop in STOPS {
        for step in BEFORE {
            let what = format!("{stop:?} at {step}");
            let lab = Lab::new(21, &[]);
            let ran = stopped_at(&lab, step, stop).await;
            // A step that is done at its first look does not fail by its limit.
            let failed = ran.events.iter().any(|e| matches!(e.kind, EventKind::StepFailed { .. }));
            let went_through = matches!(stop, Stop::Fails(_) | Stop::FailsLate(_)) && !failed;
            if promoted(&ran) {
                assert!(step == "promote" || went_through, "{what}: promoted\n{}", ran.told());
                assert!(at_ohio_after_promotion(&ran).is_empty(), "{what}");
                continue;
            }
            let ends = [RunOutcome::RolledBack, RunOutcome::Partial, RunOutcome::Refused];
            assert!(ends.contains(&ran.outcome()), "{what}: {:?}\n{}", ran.outcome(), ran.told());
            assert!(ran.state.holds.is_empty(), "{what}: {:?}", ran.state.holds);
            assert_eq!(lab.situation().await.active_site().unwrap().as_str(), "ohio", "{what}");
            assert!(writes_go_on(&lab).await, "{what}: no writes\n{}", ran.told());
            let lived = lab.lived();
            assert_eq!((lived.rows_lost, lived.two_writers), (0, None), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_promotion_nothing_opens_the_old_site_again() {
    for control in [(|| Control::Cancel) as fn() -> Control, || Control::Undo] {
        for step in ["promote", "writable", "shift", "moved", "start_workers", "soak", "unpin"] {
            let lab = Lab::new(22, &[]);
            let ran = stopped_at(&lab, step, Stop::AskAfter(control)).await;
            assert!(promoted(&ran), "{}", ran.told());
            assert!(
                at_ohio_after_promotion(&ran).iter().all(|e| !matches!(
                    e.target.what,
                    lifeboat::world::What::Parameters(_) | lifeboat::world::What::Db(_)
                )),
                "{step}: {:?}",
                at_ohio_after_promotion(&ran)
            );
            assert!(ran.state.holds.is_empty());
            lab.wait(Span::hours(1)).await;
            assert_eq!(lab.lived().two_writers, None, "{step}");
            assert_eq!(lab.lived().rows_lost, 0, "{step}");
        }
    }
}
