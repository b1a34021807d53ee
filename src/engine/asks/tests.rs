//! How far a run goes that began without a person.

use super::super::{
    state::Phase,
    step_run::StepState,
    tests::{Run, db},
};
use crate::{
    clock::Span,
    event::{Control, Policy, Reach, RunOutcome},
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

fn answers(ok: bool) -> Seen {
    Seen::Answer(Answer::plain(ok, ""))
}

fn site(run: &mut Run, name: &str, ok: bool) {
    run.see(name, What::Site, answers(ok));
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
    assert!(looks.keys().any(|t| t.what == What::Site && t.site.as_str() == "oregon"), "{looks:?}");
    site(&mut run, "oregon", true);
    site(&mut run, "ohio", false);
    assert_eq!(run.turn(), [""; 0], "one silence is not yet a death");
    run.now = run.now + Span::secs(10);
    site(&mut run, "ohio", false);
    assert_eq!(run.turn()[..2], ["observed freeze", "attempt_started freeze"], "and why is in the record");
    run.see("ohio", What::Db("db".into()), db(None));
    let (values, tags) = ([("default_transaction_read_only".to_owned(), "1".to_owned())].into(), BTreeMap::new());
    run.see("ohio", What::Parameters("pg".into()), Seen::Parameters(Parameters { name: "pg".into(), values, tags }));
    run.see("oregon", What::Db("db".into()), db(Some("ohio")));
    run.turn();
    let end = run.later(Span::mins(30));
    assert!(end.iter().all(|fact| !fact.contains("attempt_started gone")), "{end:?}");

    let mut answers = alone(Impact::Safe, true);
    answers.applied();
    site(&mut answers, "oregon", true);
    site(&mut answers, "ohio", true);
    assert_eq!(answers.turn(), ["confirmation_asked freeze consent", "run_paused"]);
}

#[test]
fn a_policy_that_goes_to_the_end_asks_for_no_consent() {
    let mut run = alone(Impact::Irreversible, false);
    run.applied();
    assert_eq!(*run.state_of("freeze"), StepState::Running);
    assert_eq!(run.state.asks.len(), 0);
}

/// A run at the end of its reach, with what its sites said ten seconds ago and say now.
fn at_the_end_of_its_reach(before: [Seen; 2], now: [Seen; 2]) -> Vec<String> {
    let mut run = alone(Impact::Safe, true);
    run.applied();
    for seen in [before, now] {
        run.now = run.now + Span::secs(10);
        let [ohio, oregon] = seen;
        run.see("ohio", What::Site, ohio);
        run.see("oregon", What::Site, oregon);
    }
    run.turn()
}

#[test]
fn only_silence_of_the_one_site_while_the_other_answers_is_death() {
    let refused = || Seen::Unknown { why: "AccessDenied".into() };
    let (silent, speaks) = (|| answers(false), || answers(true));
    let goes_on = |before, now| at_the_end_of_its_reach(before, now).contains(&"attempt_started freeze".to_owned());
    assert!(goes_on([silent(), speaks()], [silent(), speaks()]));
    for (why, before, now) in [
        ("a refusal is no silence", [refused(), speaks()], [refused(), speaks()]),
        ("our own network may be the dead one", [silent(), silent()], [silent(), silent()]),
        ("the other cannot be asked", [silent(), refused()], [silent(), refused()]),
        ("it answers again", [silent(), speaks()], [speaks(), speaks()]),
        ("a refusal ends a silence", [silent(), speaks()], [refused(), speaks()]),
    ] {
        assert!(!goes_on(before, now), "{why}");
    }
}

#[test]
fn a_silence_that_nobody_watched_begins_anew() {
    let mut run = alone(Impact::Safe, true);
    site(&mut run, "ohio", false);
    run.applied();
    let mut look = |after: Span| {
        run.now = run.now + after;
        site(&mut run, "ohio", false);
        site(&mut run, "oregon", true);
        run.turn().contains(&"attempt_started freeze".to_owned())
    };
    assert!(!look(Span::mins(1)), "two looks with nothing between them are no silence");
    assert!(look(Span::secs(10)));
}

#[test]
fn a_consent_whose_step_a_person_skipped_is_asked_anew_for_what_is_left() {
    let mut run = alone(Impact::Safe, false);
    run.applied();
    run.control(Control::Skip { step: "freeze".into(), why: "frozen by hand".into() });
    assert_eq!(run.state.open_asks().count(), 1, "{:?}", run.state.asks);
    let message = &run.state.asks[&AskId(2)].message;
    assert!(message.starts_with("All that is left needs a person: gone,"), "{message}");
    let facts = run.control(Control::Answer { ask: AskId(2), yes: true });
    assert!(facts.contains(&"attempt_started gone".to_owned()), "{facts:?}");
}

#[test]
fn a_run_that_was_cancelled_asks_for_what_is_left_of_it_alone() {
    let steps =
        format!("{STEPS}\nfinally: [{{ id: lock, action: exec, with: {{ command: [lock], impact: disruptive }} }}]");
    let reach = Some(Reach { most: Impact::Safe, disruptive_if_unreachable: false });
    let mut run = Run::of(&steps, Mode::Emergency, Policy { unattended: true, reach, ..Policy::default() });
    run.turn();
    run.control(Control::Cancel);
    run.applied();
    let asked: Vec<_> = run.state.open_asks().map(|(_, ask)| ask.message.as_str()).collect();
    assert_eq!(asked, ["All that is left needs a person: lock. Go on?"]);
}

#[test]
fn after_a_no_what_is_beyond_reach_of_finally_is_left_out_and_the_run_ends() {
    let steps = format!(
        "{STEPS}
finally:
  - {{ id: lock, action: exec, with: {{ command: [lock], impact: disruptive }} }}
  - {{ id: tell, action: exec, with: {{ command: [tell], impact: safe }} }}"
    );
    let reach = Some(Reach { most: Impact::Safe, disruptive_if_unreachable: false });
    let mut run = Run::of(&steps, Mode::Emergency, Policy { unattended: true, reach, ..Policy::default() });
    run.turn();
    run.applied();
    let facts = run.control(Control::Answer { ask: AskId(1), yes: false });
    assert!(facts.contains(&"step_skipped lock".to_owned()), "{facts:?}");
    assert!(facts.contains(&"attempt_started tell".to_owned()), "what is safe is done: {facts:?}");
    run.applied();
    assert_eq!(run.state.phase, Phase::Finished);
}

/// A run that has closed something and asks whether to go on; silence means what the word says.
fn asking(word: &str) -> Run {
    let steps = format!(
        "failover:
  - {{ id: close, action: exec, with: {{ command: [close] }}, undo: {{ with: {{ command: [open] }} }} }}
  - {{ id: ask, action: confirm, with: {{ message: Go?, timeout: 15m, on_timeout: {word} }} }}"
    );
    let mut run = Run::planned(&steps);
    run.live.interactive = true;
    run.turn();
    run.applied();
    run
}

#[test]
fn silence_means_what_the_question_says() {
    let mut page = asking("page");
    page.later(Span::mins(15));
    let ask = &page.state.asks[&AskId(1)];
    assert!(ask.paged && ask.is_open(), "people are called, and it waits on: {ask:?}");

    let mut proceed = asking("proceed");
    proceed.later(Span::mins(15));
    assert_eq!(proceed.state.outcome, Some(RunOutcome::Done));

    let mut abort = asking("abort");
    abort.later(Span::mins(15));
    assert_eq!(abort.state.outcome, Some(RunOutcome::Partial), "what was closed stays closed");

    let mut undo = asking("undo");
    let facts = undo.later(Span::mins(15));
    assert!(facts.contains(&"effect_intended close".to_owned()), "{facts:?}");
}

#[test]
fn a_yes_beforehand_is_no_consent_to_what_cannot_be_undone() {
    let steps = "failover:
  - { id: drop, action: exec, with: { command: [drop], impact: irreversible }, confirm: { message: Drop? } }";
    let mut run = Run::of(steps, Mode::Planned, Policy { yes: true, ..Policy::default() });
    assert_eq!(run.turn().last().unwrap(), "run_paused");
    run.state.policy.accept = ["drop".into()].into();
    let facts = run.control(Control::Continue);
    assert!(facts.contains(&"attempt_started drop".to_owned()), "{facts:?}");
    assert_eq!(run.state.asks.len(), 2, "consent and its own question, both by the flag");
}

#[test]
fn unattended_a_question_is_answered_as_it_says_itself() {
    let steps = |word: &str| {
        format!(
            "failover:
  - {{ id: go, action: exec, with: {{ command: [go] }}, confirm: {{ message: Go?, unattended: {word} }} }}"
        )
    };
    let alone = |word: &str| {
        let policy = Policy { unattended: true, ..Policy::default() };
        let mut run = Run::of(&steps(word), Mode::Planned, policy);
        run.turn()
    };
    assert!(alone("proceed").contains(&"attempt_started go".to_owned()));
    assert!(alone("abort").contains(&"closing_begun".to_owned()), "{:?}", alone("abort"));
    assert_eq!(alone("wait").last().unwrap(), "run_paused");
    assert_eq!(alone("proceed-within-rpo").last().unwrap(), "run_paused", "nobody knows the loss");
}

#[test]
fn nothing_else_is_decided_before_an_answer_is_taken_in() {
    let steps = "failover:
  - { id: asked, confirm: true, action: exec, with: { command: [a], impact: safe } }
  - { id: beside, needs: [], action: exec, with: { command: [b], impact: safe } }";
    let mut run = Run::of(steps, Mode::Planned, Policy { yes: true, ..Policy::default() });
    let facts = run.turn();
    let begun = ["step_ready asked", "step_ready beside", "confirmation_asked asked confirm", "attempt_started beside"];
    assert_eq!(facts[..4], begun);
    let next = ["confirmation_given yes", "attempt_started asked", "effect_intended beside", "effect_intended asked"];
    assert_eq!(facts[4..], next);
}
