//! What a run says where it stops for the single writer.

use super::super::{
    StepState,
    tests::{Run, db},
};
use crate::{
    clock::Timestamp,
    event::{EventKind, Policy, SkipReason},
    model::{Direction, Mode, Outputs},
    world::{Seen, What, rds::Parameters},
};
use std::{collections::BTreeMap, sync::Arc};

fn group(frozen: bool) -> Seen {
    let values = frozen.then(|| ("default_transaction_read_only".to_owned(), "1".to_owned()));
    Seen::Parameters(Parameters { name: "pg".into(), values: values.into_iter().collect(), tags: BTreeMap::new() })
}

/// A reprotect of ohio while oregon serves.
fn reprotect(step: &str) -> Run {
    let mut run = Run::of(&format!("failover: [{step}]"), Mode::Emergency, Policy::default());
    let plan = Arc::make_mut(&mut run.state.plan);
    plan.direction = Direction::Reprotect;
    run.turn();
    run.see("oregon", What::Db("db".into()), db(None));
    run.see("oregon", What::Parameters("pg".into()), group(false));
    run
}

fn stopped(run: &mut Run, step: &str) -> (String, String) {
    let facts = super::super::decide(&run.state, &run.world, Timestamp(1_000_000), run.live).events;
    let said = facts.into_iter().find_map(|e| match e {
        EventKind::StepFailed { why, hint, .. } => Some((why, hint.unwrap_or_default())),
        _ => None,
    });
    assert_eq!(*run.state_of(step), StepState::Running);
    said.expect("it stops")
}

#[test]
fn a_reprotect_says_what_to_close_and_never_the_site_that_serves() {
    let step = "{ id: retire, action: retire, resource: db, at: from, with: { rename: old } }";
    let mut open = reprotect(step);
    open.see("ohio", What::Db("db".into()), db(None));
    open.see("ohio", What::Db("old".into()), Seen::Absent);
    open.see("ohio", What::Retired("db".into()), Seen::Dbs(vec![]));
    open.see("ohio", What::Parameters("pg".into()), group(false));
    let (why, hint) = stopped(&mut open, "retire");
    assert_eq!(why, "two writers: db at ohio takes writes");
    assert_eq!(hint, "close ohio for writes first, then resume with --retry");
    open.see("ohio", What::Parameters("pg".into()), Seen::Unknown { why: "no answer".into() });
    let (why, hint) = stopped(&mut open, "retire");
    assert_eq!(why, "it cannot be seen whether two sites would take writes: db at ohio: no answer");
    assert_eq!(hint, "when ohio answers again, resume with --retry");

    let mut release = reprotect("{ id: release, action: unfreeze-writes, resource: db, at: from }");
    release.see("ohio", What::Db("db".into()), db(None));
    release.see("ohio", What::Parameters("pg".into()), group(true));
    let (why, hint) = stopped(&mut release, "release");
    assert_eq!(why, "two writers: db at oregon takes writes");
    assert_eq!(hint, "oregon serves: close or retire the database at ohio first, then resume with --retry");
}

#[test]
fn a_planned_move_says_that_an_emergency_goes_without_the_site_being_left() {
    let mut run = Run::planned("failover: [{ id: promote, action: promote-replica, resource: db }]");
    run.live.interactive = true;
    run.state.policy.accept = ["promote".into()].into();
    run.turn();
    run.see("oregon", What::Db("db".into()), db(Some("ohio")));
    run.see("oregon", What::Parameters("pg".into()), group(false));
    for what in [What::Db("db".into()), What::Parameters("pg".into())] {
        run.see("ohio", what, Seen::Unknown { why: "no answer".into() });
    }
    let (_, hint) = stopped(&mut run, "promote");
    assert_eq!(hint, "a planned move needs to see ohio; if it is lost, cancel and use --emergency");
}

/// A planned move that was promoted and is about to open the new writer, when the site being left falls silent.
fn promoted(freeze: &EventKind) -> Run {
    let steps = "failover:
  - { id: freeze, action: freeze-writes, resource: db }
  - { id: promote, action: promote-replica, resource: db }
  - { id: open, action: unfreeze-writes, resource: db, at: to }";
    let mut run = Run::planned(steps);
    run.live.interactive = true;
    run.state.policy.accept = ["promote".into()].into();
    run.turn();
    run.tell(vec![freeze.clone()]);
    run.turn();
    run.tell(vec![succeeded("promote")]);
    run.turn();
    run.see("oregon", What::Db("db".into()), db(None));
    run.see("oregon", What::Parameters("pg".into()), group(true));
    for what in [What::Db("db".into()), What::Parameters("pg".into())] {
        run.see("ohio", what, Seen::Unknown { why: "no answer".into() });
    }
    run
}

fn succeeded(step: &str) -> EventKind {
    EventKind::StepSucceeded { step: step.into(), outputs: Outputs::new(), facts: vec![] }
}

#[test]
fn past_the_promotion_the_silence_of_a_site_that_this_run_closed_stops_nothing_and_is_owed() {
    let facts = promoted(&succeeded("freeze")).turn();
    assert_eq!(facts, ["obligation_opened", "effect_intended open"]);
}

#[test]
fn past_the_promotion_a_silent_site_that_nobody_saw_closed_is_waited_for() {
    let skipped = EventKind::StepSkipped { step: "freeze".into(), why: SkipReason::When };
    let (why, hint) = stopped(&mut promoted(&skipped), "open");
    assert_eq!(why, "it cannot be seen whether two sites would take writes: db at ohio: no answer");
    assert_eq!(hint, "when ohio answers again, resume with --retry");
}
