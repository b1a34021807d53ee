//! A site is lost: what is saved, what is told, what is kept.

use crate::lab::{Lab, Ran, Went, id, told};
use async_trait::async_trait;
use lifeboat::{
    clock::Span,
    driver::{Look, LookError},
    event::{Event, EventKind, Objective, RunOutcome},
    model::{Direction, Impact, Mode},
    sandbox::Fault,
    world::{Sight, Target},
};
use std::sync::Arc;

/// Rows a second that a seed's world writes while all is well.
async fn rows_a_second(seed: u64) -> u64 {
    let lab = Lab::new(seed, &[]);
    let before = lab.lived().rows_written;
    lab.wait(Span::secs(1000)).await;
    (lab.lived().rows_written - before).div_ceil(1000)
}

/// What was lost is what was not replicated; what is told is at least that; and the snapshot keeps it, and
/// what was written at the lost site from its return until `reprotect`, begun after `rest`, had fenced it.
async fn loses_the_unreplicated_and_keeps_it(seed: u64, fault: &str, rest: Span) {
    let what = format!("seed {seed}, {fault}");
    let rate = rows_a_second(seed).await;
    let lab = Lab::new(seed, &[fault]);
    let ran = lab.go(Direction::Failover, Mode::Emergency).await;
    assert_eq!(ran.outcome(), RunOutcome::Unprotected, "{what}\n{}", ran.told());
    let lived = lab.lived();
    let told = ran.measure(Objective::Rpo).unwrap().at_most.unwrap();
    let lost = Span::secs(lived.rows_unreplicated_at_promotion / rate);
    assert!(told >= lost, "{what}: told {told}, lost {} rows, {lost}", lived.rows_unreplicated_at_promotion);
    assert_eq!(lived.rows_lost, lived.rows_unreplicated_at_promotion, "{what}: {lived:?}");
    assert_eq!(lived.returned_unfenced, [], "{what}: it is still dark");

    lab.wait(rest).await;
    let begun = lab.clock.now();
    let again = lab.go(Direction::Reprotect, Mode::Emergency).await;
    assert_eq!(again.outcome(), RunOutcome::Done, "{what}\n{}", again.told());
    let after = lab.lived();
    let returned = &after.returned_unfenced[..];
    let written_there: u64 = returned.iter().map(|r| r.rows).sum();
    assert!(returned.iter().all(|r| r.site.as_str() == "ohio" && r.rows_kept == r.rows), "{what}: {after:?}");
    let kept = lived.rows_unreplicated_at_promotion + written_there;
    assert_eq!((after.rows_lost, after.rows_kept_in_snapshot), (0, kept), "{what}: {lived:?} {after:?}");
    assert_eq!(after.two_writers, None, "{what}: nobody ever opened a second writer");
    assert_eq!(after.repeated, Vec::<String>::new(), "{what}");
    assert!(lab.has_nothing_to_do(Direction::Reprotect, Mode::Emergency).await, "{what}");
    for returned in returned {
        // Looked at every five seconds, of which a silent one takes three; groups in force after up to twenty.
        let unfenced = returned.until.unwrap().since(returned.from.max(begun));
        assert!(unfenced <= Span::secs(30), "{what}: {unfenced}");
    }
}

fn seeds() -> std::ops::Range<u64> {
    0..std::env::var("LIFEBOAT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

#[tokio::test(start_paused = true)]
async fn an_emergency_loses_what_was_not_replicated_says_so_and_the_snapshot_keeps_it() {
    for seed in seeds() {
        Box::pin(loses_the_unreplicated_and_keeps_it(seed, "primary-lost", Span::ZERO)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn so_does_one_whose_site_dies_while_it_runs() {
    for step in ["lag", "declare", "hold_deploys", "scale", "freeze", "open", "promote"] {
        for seed in 0..4 {
            // Back for a while before anybody comes: within 90 minutes.
            Box::pin(loses_the_unreplicated_and_keeps_it(seed, &format!("primary-lost@{step}"), Span::hours(2))).await;
        }
    }
}

/// A database that is being renamed is known by neither name: that it is not there by the new one says nothing.
#[tokio::test(start_paused = true)]
async fn a_rename_whose_answer_was_lost_is_waited_for() {
    for seed in 0..8 {
        let lab = Lab::new(seed, &["primary-lost"]);
        lab.go(Direction::Failover, Mode::Emergency).await;
        // The first is that of the tag before it.
        for fault in ["lost-answer@retire", "lost-answer@retire"] {
            lab.sandbox.strike(&Fault::parse(fault).unwrap()).unwrap();
        }
        let ran = lab.go(Direction::Reprotect, Mode::Emergency).await;
        assert_eq!(ran.outcome(), RunOutcome::Done, "{}", ran.told());
        let doubts = |e: &&Event| matches!(&e.kind, EventKind::EffectInDoubt { step, .. } if step.as_str() == "retire");
        assert_eq!(ran.events.iter().filter(doubts).count(), 2, "tag and name: {}", ran.told());
        assert_eq!(lab.lived().repeated, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn an_emergency_brings_the_service_home_when_the_active_standby_dies() {
    let lab = Lab::new(3, &["standby-lost@rest"]);
    for direction in [Direction::Failover, Direction::Reprotect] {
        let ran = lab.go(direction, Mode::Planned).await;
        assert_eq!(ran.outcome(), RunOutcome::Done, "{}", ran.told());
    }
    assert!(matches!(lab.attempt(Direction::Failback, Mode::Planned).await, Went::Refused(_)));
    let back = lab.go(Direction::Failback, Mode::Emergency).await;
    assert_eq!(back.outcome(), RunOutcome::Unprotected, "{}", back.told());
    assert_eq!(lab.situation().await.active_site().unwrap().as_str(), "ohio");
}

#[tokio::test(start_paused = true)]
async fn no_emergency_goes_home_where_home_holds_no_replica() {
    let lab = Lab::new(3, &["standby-lost@unpin"]);
    lab.go(Direction::Failover, Mode::Planned).await;
    let Went::Refused(refusal) = lab.attempt(Direction::Failback, Mode::Emergency).await else {
        panic!("there is nothing to promote")
    };
    assert!(refusal.why.contains("no replica of oregon"), "{refusal:?}");
}

/// Looks at one site never come back.
struct Hangs(Arc<dyn Look>, &'static str);

#[async_trait]
impl Look for Hangs {
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        if at.iter().any(|t| t.site.as_str() == self.1) {
            std::future::pending::<()>().await;
        }
        self.0.look(at).await
    }
}

/// From the command to the intent to promote.
fn until_promotion(lab_started: lifeboat::clock::Timestamp, ran: &Ran) -> Span {
    let promotes = ran
        .events
        .iter()
        .find(|e| matches!(&e.kind, EventKind::EffectIntended { call, .. } if call.impact() == Impact::Irreversible));
    promotes.unwrap_or_else(|| panic!("no promotion\n{}", told(&ran.events))).at.since(lab_started)
}

#[tokio::test(start_paused = true)]
async fn a_site_that_hangs_does_not_delay_an_emergency_by_more_than_a_minute() {
    for seed in 0..10 {
        for (fault, looks_hang) in [(&["hang"][..], false), (&["hang"][..], true), (&[][..], true)] {
            let mut lab = Lab::new(seed, fault);
            if looks_hang {
                lab.look = Arc::new(Hangs(lab.look.clone(), "ohio"));
            }
            let begun = lab.clock.now();
            let ran = lab.go(Direction::Failover, Mode::Emergency).await;
            assert!(ran.state.step(&id("promote")).unwrap().1.is_done(), "{}", ran.told());
            let took = until_promotion(begun, &ran);
            assert!(took <= Span::secs(60), "seed {seed}, {fault:?}, {looks_hang}: {took}\n{}", ran.told());
        }
    }
}
