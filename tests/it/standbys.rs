//! A primary with two standbys: moves to the second, and what a third site may not do meanwhile.

use crate::lab::{Lab, Ran, Went};
use async_trait::async_trait;
use lifeboat::{
    driver::{Look, LookError},
    engine::Ended,
    event::{EventKind, ObligationKind, RunOutcome},
    ids::SiteName,
    model::{Direction, Mode},
    runbook::Runbook,
    syntax,
    world::{Seen, Sight, Target, What},
};
use std::sync::Arc;

/// The bundled runbook with a second standby.
fn three() -> Runbook {
    let text = std::fs::read_to_string("runbooks/warm-standby.yaml").unwrap();
    let mut more = text.clone();
    for (two, third) in [
        ("oregon: { region: us-west-2 }", "texas: { region: us-south-1 }"),
        ("oregon: { name: web }", "texas: { name: web }"),
        ("oregon: { name: workers }", "texas: { name: workers }"),
        ("oregon: { set_identifier: oregon }", "texas: { set_identifier: texas }"),
    ] {
        more = more.replace(two, &format!("{two}, {third}"));
    }
    let database = |site: &str, group: &str| {
        format!(
            "{site} {{ identifier: orders, parameter_group: orders-{}, quarantine_security_groups: [{group}], kms_key: alias/orders }}",
            site.trim_end_matches(':')
        )
    };
    more = more.replace(
        &database("oregon:", "sg-0b"),
        &format!("{}\n      {}", database("oregon:", "sg-0b"), database("texas:", "sg-0c")),
    );
    more = more.replace("standby: oregon\n", "standby: [oregon, texas]\n");
    let loaded = syntax::parse("three.yaml", more.as_bytes(), Some(std::path::Path::new("runbooks")));
    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
    loaded.runbook.unwrap()
}

fn lab(seed: u64, faults: &[&str], to: &str) -> Lab {
    let mut lab = Lab::of(&three(), seed, faults);
    lab.to = Some(SiteName::new(to));
    lab
}

async fn active(lab: &Lab) -> String {
    lab.situation().await.active_site().map_or_else(|| "none".into(), ToString::to_string)
}

fn ends(ran: &Ran) -> (&str, &str) {
    (ran.plan.ends.from.name.as_str(), ran.plan.ends.to.name.as_str())
}

#[tokio::test(start_paused = true)]
async fn a_move_to_the_second_standby_and_back_loses_nothing() {
    let mut lab = lab(3, &[], "texas");
    let legs = [
        (Direction::Failover, ("ohio", "texas")),
        (Direction::Reprotect, ("ohio", "texas")),
        (Direction::Failback, ("texas", "ohio")),
    ];
    for (direction, expected) in legs {
        let ran = lab.go(direction, Mode::Planned).await;
        assert_eq!((ran.outcome(), ends(&ran)), (RunOutcome::Done, expected), "{}", ran.told());
        assert_eq!(active(&lab).await, expected.1);
    }
    // The site that was left is next, whoever is named first among the standbys.
    lab.to = None;
    let ran = lab.go(Direction::Reprotect, Mode::Planned).await;
    assert_eq!((ran.outcome(), ends(&ran)), (RunOutcome::Done, ("texas", "ohio")), "{}", ran.told());
    lab.to = Some(SiteName::new("texas"));
    let ran = lab.go(Direction::Failover, Mode::Planned).await;
    assert_eq!((ran.outcome(), ends(&ran)), (RunOutcome::Done, ("ohio", "texas")), "{}", ran.told());
    let lived = lab.lived();
    assert_eq!((lived.rows_lost, lived.two_writers, lived.repeated), (0, None, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_move_from_home_is_refused_while_another_standby_serves() {
    let mut lab = lab(4, &[], "oregon");
    lab.go(Direction::Failover, Mode::Planned).await;
    assert!(lab.has_nothing_to_do(Direction::Failover, Mode::Planned).await);
    lab.to = Some(SiteName::new("texas"));
    for mode in [Mode::Planned, Mode::Emergency] {
        let Err(Went::Refused(refusal)) = lab.planned(Direction::Failover, mode).await else { panic!("a refusal") };
        assert_eq!(refusal.why, "oregon serves, neither ohio nor texas");
        assert!(refusal.hint.contains("lifeboat failback"), "{}", refusal.hint);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_of_what_was_retired_is_not_promoted() {
    let mut lab = lab(5, &[], "texas");
    for direction in [Direction::Failover, Direction::Reprotect, Direction::Failback] {
        lab.go(direction, Mode::Planned).await;
    }
    lab.to = Some(SiteName::new("oregon"));
    let plan = failover(&lab, Mode::Planned).await;
    let stuck = plan.step(&"promote".into()).unwrap().prediction.stuck.clone().unwrap();
    assert!(stuck.0.contains("not from ohio"), "{stuck:?}");
    assert!(stuck.1.contains("lifeboat reprotect --to oregon"), "{stuck:?}");
    assert!(plan.cautions.iter().any(|c| c.refuses));
    let (home, stale) = (SiteName::new("ohio"), SiteName::new("oregon"));
    for mode in [Mode::Planned, Mode::Emergency] {
        let refusal = lab.situation().await.refusal(Direction::Failover, mode, &home, &stale);
        assert!(refusal.is_some_and(|r| r.hint.contains("lifeboat reprotect --to oregon")), "{mode}");
    }
    let again = lab.go(Direction::Reprotect, Mode::Planned).await;
    assert_eq!(ends(&again), ("oregon", "ohio"));
    assert_eq!(again.outcome(), RunOutcome::Unprotected, "texas is still owed its own: {}", again.told());
    assert_eq!(lab.go(Direction::Failover, Mode::Planned).await.outcome(), RunOutcome::Done);
}

/// What one site's database looks like instead, as somebody made it by hand.
struct Meddled {
    inner: Arc<dyn Look>,
    site: &'static str,
    seen: fn(Seen) -> Seen,
}

#[async_trait]
impl Look for Meddled {
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        let is_it = |sight: &Sight| sight.target.site.as_str() == self.site && matches!(sight.target.what, What::Db(_));
        let seen = |result: Result<Sight, LookError>| {
            result.map(|s| if is_it(&s) { Sight { seen: (self.seen)(s.seen), ..s } } else { s })
        };
        self.inner.look(at).await.into_iter().map(seen).collect()
    }
}

/// A lab in which texas shows as a writer of its own, or does not show.
fn meddled(seed: u64, seen: fn(Seen) -> Seen) -> Lab {
    let mut lab = lab(seed, &[], "oregon");
    lab.look = Arc::new(Meddled { inner: lab.look.clone(), site: "texas", seen });
    lab
}

fn writer(seen: Seen) -> Seen {
    match seen {
        Seen::Db(mut db) => {
            db.source = None;
            Seen::Db(db)
        }
        other => other,
    }
}

fn dark(_: Seen) -> Seen {
    Seen::Unknown { why: "no answer".into() }
}

async fn failover(lab: &Lab, mode: Mode) -> lifeboat::plan::Plan {
    lab.plan(Direction::Failover, mode, (SiteName::new("ohio"), SiteName::new("oregon"))).await
}

#[tokio::test(start_paused = true)]
async fn a_third_writer_stops_a_planned_move_before_the_promotion() {
    let lab = meddled(6, writer);
    let plan = failover(&lab, Mode::Planned).await;
    let caution = plan.cautions.iter().find(|c| c.refuses).unwrap();
    assert!(caution.what.contains("orders at texas takes writes"), "{}", caution.what);
    assert!(caution.what.contains("lifeboat reprotect --to texas"), "{}", caution.what);
    let ran = lab.run(plan, Box::new(|_, _| {})).await.unwrap();
    let failed = ran.events.iter().find_map(|e| match &e.kind {
        EventKind::StepFailed { why, hint, .. } => Some((why.clone(), hint.clone().unwrap_or_default())),
        _ => None,
    });
    let (why, hint) = failed.unwrap();
    assert_eq!(why, "two writers: orders at texas takes writes");
    assert!(hint.contains("close texas for writes first"), "{hint}");
    assert!(!ran.state.past_return(), "{}", ran.told());
}

#[tokio::test(start_paused = true)]
async fn an_emergency_asks_about_a_third_writer() {
    let lab = meddled(7, writer);
    let plan = failover(&lab, Mode::Emergency).await;
    let ran = lab.run(plan, Box::new(|_, _| {})).await.unwrap();
    assert!(matches!(ran.ended, Ended::Waiting(_)), "{}", ran.told());
    let asked = ran.state.open_asks().next().unwrap().1.message.clone();
    assert!(asked.starts_with("texas answers and still takes writes"), "{asked}");
    assert!(!ran.state.past_return());
}

#[tokio::test(start_paused = true)]
async fn an_unseen_third_site_stops_a_planned_move_and_is_owed_a_fence_by_an_emergency() {
    let mut lab = meddled(8, dark);
    let plan = failover(&lab, Mode::Planned).await;
    assert!(plan.cautions.iter().any(|c| c.refuses && c.what.contains("orders at texas")), "{:?}", plan.cautions);
    let plan = failover(&lab, Mode::Emergency).await;
    let ran = lab.run(plan, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(ran.outcome(), RunOutcome::Unprotected, "{}", ran.told());
    let owed: Vec<_> = ran.state.owed.iter().map(|o| (o.kind, o.site.as_str())).collect();
    assert!(owed.contains(&(ObligationKind::Fence, "texas")), "{owed:?}");
    // Both sites are owed something: the one that was left comes first, then the other.
    (lab.look, lab.to) = (lab.sandbox.clone(), None);
    for from in ["ohio", "texas"] {
        let ran = lab.go(Direction::Reprotect, Mode::Emergency).await;
        assert_eq!(ends(&ran), (from, "oregon"), "{}", ran.told());
    }
    assert!(lab.owed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_third_site_that_goes_dark_after_the_plan_leaves_nobody_without_a_writer() {
    let mut lab = lab(9, &[], "oregon");
    let plan = failover(&lab, Mode::Planned).await;
    assert!(plan.cautions.iter().all(|c| !c.refuses), "{:?}", plan.cautions);
    lab.look = Arc::new(Meddled { inner: lab.look.clone(), site: "texas", seen: dark });
    let ran = lab.run(plan, Box::new(|_, _| {})).await.unwrap();
    assert_eq!(ran.outcome(), RunOutcome::Done, "{}", ran.told());
    assert!(ran.state.owed.iter().all(|o| o.site.as_str() == "ohio"), "{:?}", ran.state.owed);
}
