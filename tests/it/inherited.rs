//! What a run takes over from one that was killed and given up while it held writes closed.

use crate::lab::{Lab, Ran, id};
use lifeboat::{
    clock::Timestamp,
    engine::RunState,
    event::{Control, Event, EventKind, HoldEndedBy, RunOutcome},
    model::{Direction, Impact, Mode},
};

/// A run that was killed at an event and abandoned.
async fn abandoned(lab: &Lab, at: impl Fn(&EventKind) -> bool + Send + Sync + 'static) -> RunState {
    let Ok(plan) = lab.planned(Direction::Failover, Mode::Planned).await else { panic!("it can be planned") };
    let killed = lab.run(
        plan.clone(),
        Box::new(move |event, hands| {
            if at(&event.kind) {
                hands.kill();
            }
        }),
    );
    assert!(killed.await.is_none());
    lab.abandon(&plan).await
}

fn frozen(kind: &EventKind) -> bool {
    matches!(kind, EventKind::StepSucceeded { step, .. } if *step == id("freeze"))
}

fn promoting(kind: &EventKind) -> bool {
    matches!(kind, EventKind::EffectIntended { call, .. } if call.impact() == Impact::Irreversible)
}

/// The next run, cancelled at its first step.
async fn cancelled(lab: &Lab) -> Ran {
    let Ok(plan) = lab.planned(Direction::Failover, Mode::Planned).await else { panic!("it can be planned") };
    let react = |event: &Event, hands: &crate::process::Hands| {
        if matches!(event.kind, EventKind::StepReady { .. }) {
            hands.ask(Control::Cancel);
        }
    };
    lab.run(plan, Box::new(react)).await.unwrap()
}

/// Holds that a run opened: since when, where an earlier run closed it.
fn opened(ran: &Ran) -> Vec<Option<Timestamp>> {
    let hold = |e: &Event| match &e.kind {
        EventKind::HoldOpened { before, .. } => Some(before.as_ref().map(|b| b.since)),
        _ => None,
    };
    ran.events.iter().filter_map(hold).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_frozen_is_held_on_from_the_start_and_opened_by_an_abort() {
    let lab = Lab::new(41, &[]);
    let left = abandoned(&lab, frozen).await;
    let since = left.holds[&id("freeze")].since;
    let ran = cancelled(&lab).await;
    assert_eq!(opened(&ran), [Some(since)], "{}", ran.told());
    assert_eq!(ran.outcome(), RunOutcome::RolledBack, "{}", ran.told());
    assert!(ran.state.holds.is_empty());
    let after = lab.situation().await;
    assert!(!after.is_held_closed(&"ohio".into()));
    assert_eq!(after.evidence(), "writer and weights agree");
}

#[tokio::test(start_paused = true)]
async fn what_was_frozen_is_held_on_until_the_promotion() {
    let lab = Lab::new(42, &[]);
    let left = abandoned(&lab, frozen).await;
    assert!(lab.situation().await.is_held_closed(&"ohio".into()));
    let ran = lab.go(Direction::Failover, Mode::Planned).await;
    assert_eq!(opened(&ran), [Some(left.holds[&id("freeze")].since)], "{}", ran.told());
    let closed = |e: &Event| matches!(&e.kind, EventKind::HoldClosed { by: HoldEndedBy::Promotion, .. });
    assert!(ran.events.iter().any(closed), "{}", ran.told());
    assert!(!lab.situation().await.is_held_closed(&"ohio".into()), "left, not held");
    assert_eq!(lab.lived().two_writers, None);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_promoted_already_is_never_opened_again() {
    let lab = Lab::new(22, &[]);
    let left = abandoned(&lab, promoting).await;
    assert!(left.past_return() && !left.holds.is_empty());
    let ran = cancelled(&lab).await;
    assert_eq!(ran.state.holds.len(), 1, "{}", ran.told());
    assert!(ran.state.holds[&id("freeze")].past_return);
    assert_eq!(ran.state.steps[&id("freeze")].effects.len(), 0, "{}", ran.told());
    let ran = lab.go(Direction::Failover, Mode::Planned).await;
    assert!(ran.state.holds.is_empty(), "{}", ran.told());
    assert_eq!(lab.lived().two_writers, None);
}
