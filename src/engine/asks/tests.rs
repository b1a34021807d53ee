//! How far a run goes that began without a person.

use super::super::{
    state::Phase,
    step_run::StepState,
    tests::{Run, db},
};
use crate::{
    event::{Control, Policy, Reach},
    ids::AskId,
    model::{Impact, Mode},
    world::{Seen, What, probe::Answer, rds::Parameters},
};
use std::collections::BTreeMap;

const STEPS: &str = "failover:
  - { id: warm, action: exec, with: { command: [warm], impact: safe } }
  - { id: freeze, action: freeze-writes, resource: db, at: from, hold: { max: 5m, then: page } }
  - { id: gone, action: exec, with: { command: [gone], impact: irreversible } }";

fn alone(most: Impact, disruptive_if_unreachable: bool) -> Run {
    let reach = Some(Reach { most, disruptive_if_unreachable });
    let mut run = Run::of(STEPS, Mode::Emergency, Policy { unattended: true, reach, ..Policy::default() });
    run.turn();
    run
}

fn site(run: &mut Run, answers: bool) {
    let answer = Answer { ok: answers, why: String::new(), output: serde_json::Value::Null };
    run.see("ohio", What::Site, Seen::Answer(answer));
}

#[test]
fn what_is_safe_is_done_and_all_else_waits_for_one_person_once() {
    let mut run = alone(Impact::Safe, false);
    assert_eq!(*run.state_of("warm"), StepState::Running, "no consent is asked before it is needed");
    let facts = run.applied();
    assert_eq!(facts[1..], ["step_ready freeze", "confirmation_asked freeze consent", "run_paused"]);
    let message = &run.state.asks[&AskId(1)].message;
    assert!(message.contains("freeze, gone, without a way back: gone"), "{message}");
    let facts = run.control(Control::Answer { ask: AskId(1), yes: true });
    assert!(facts.contains(&"attempt_started freeze".to_owned()), "{facts:?}");
    assert_eq!(run.state.open_asks().count(), 0, "and nothing more is asked for the rest");
}

#[test]
fn a_no_ends_it() {
    let mut run = alone(Impact::Safe, false);
    run.applied();
    run.control(Control::Answer { ask: AskId(1), yes: false });
    assert_eq!(run.state.phase, Phase::Finished);
}

#[test]
fn a_site_that_is_seen_dead_is_frozen_and_nothing_further_begins() {
    let mut run = alone(Impact::Safe, true);
    let facts = run.applied();
    assert_eq!(facts[1..], ["step_ready freeze"], "first it is looked at");
    let looks = super::super::wanted(&run.state, &run.world, run.now, run.live).looks;
    assert!(looks.keys().any(|t| t.what == What::Site && t.site.as_str() == "ohio"), "{looks:?}");
    site(&mut run, false);
    assert_eq!(run.turn()[0], "attempt_started freeze");
    run.see("ohio", What::Db("db".into()), db(None));
    let (values, tags) = ([("default_transaction_read_only".to_owned(), "1".to_owned())].into(), BTreeMap::new());
    run.see("ohio", What::Parameters("pg".into()), Seen::Parameters(Parameters { name: "pg".into(), values, tags }));
    run.see("oregon", What::Db("db".into()), db(Some("ohio")));
    run.turn();
    let end = run.later(crate::clock::Span::mins(30));
    assert!(end.iter().all(|fact| !fact.contains("attempt_started gone")), "{end:?}");

    let mut answers = alone(Impact::Safe, true);
    answers.applied();
    site(&mut answers, true);
    assert_eq!(answers.turn(), ["confirmation_asked freeze consent", "run_paused"]);
}

#[test]
fn a_policy_that_goes_to_the_end_asks_for_no_consent() {
    let mut run = alone(Impact::Irreversible, false);
    run.applied();
    assert_eq!(*run.state_of("freeze"), StepState::Running);
    assert_eq!(run.state.asks.len(), 0);
}
