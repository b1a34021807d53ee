//! What a step does with an answer: it tries again, gives up, or settles a doubt.

use super::{
    super::tests::{Run, db},
    *,
};
use crate::{
    event::{AcceptLoss, Policy, RunOutcome},
    ids::StepId,
    model::Mode,
    world::{What, probe::Answer, rds},
};

fn cut(more: &str) -> Run {
    let mut run = Run::planned(&format!("failover: [{{ id: cut, action: exec, with: {{ command: [cut] }} {more} }}]"));
    run.turn();
    run
}

/// The provider answers the one effect that is under way.
fn answer(run: &mut Run, result: Result<Receipt, SendError>) -> Vec<String> {
    let plan = run.state.plan.clone();
    let under_way = |(id, step): (&StepId, &StepRun)| {
        let sent = step.effects.iter().find(|(_, e)| e.status == EffectStatus::Intended);
        sent.map(|(no, _)| (id.clone(), *no))
    };
    let (id, no) = run.state.steps.iter().find_map(under_way).expect("an effect is under way");
    let cx = Cx { state: &run.state, world: &run.world, now: run.now, live: run.live };
    let events = answered(&cx, plan.step(&id).unwrap(), no, result);
    let mut names = run.tell(events);
    names.extend(run.turn());
    names
}

fn busy(run: &mut Run) -> Vec<String> {
    answer(run, Err(SendError::NotSent { after: None, why: "too busy".into() }))
}

fn refuse(run: &mut Run) -> Vec<String> {
    answer(run, Err(SendError::Refused { why: "exit 1".into() }))
}

fn failed(run: &Run) -> &str {
    let StepState::Failed(why) = run.state_of("cut") else { panic!("{:?}", run.state_of("cut")) };
    why
}

fn backoff(run: &Run) -> Span {
    let StepState::Backoff(until) = run.state_of("cut") else { panic!("{:?}", run.state_of("cut")) };
    until.since(run.now)
}

#[test]
fn a_command_is_tried_again_as_its_author_says_after_ever_longer_pauses() {
    let mut run = cut(", retry: { attempts: 3, delay: 10s, max_delay: 15s }");
    assert_eq!(refuse(&mut run), ["effect_refused cut", "attempt_failed cut"]);
    assert_eq!(backoff(&run), Span::secs(10));
    assert_eq!(run.later(Span::ms(9_999)), [""; 0]);
    assert_eq!(run.later(Span::ms(1)), ["attempt_started cut", "effect_intended cut"]);
    refuse(&mut run);
    assert_eq!(backoff(&run), Span::secs(15), "twice as long, yet no longer than that");
    run.later(Span::secs(15));
    refuse(&mut run);
    assert_eq!(failed(&run), "exit 1 (attempt 3, the last of 3)");
}

#[test]
fn nothing_is_tried_again_past_the_timeout() {
    let mut run = cut(", timeout: 25s, retry: { attempts: 9, delay: 10s }");
    refuse(&mut run);
    run.later(Span::secs(10));
    refuse(&mut run);
    assert_eq!(failed(&run), "exit 1 (attempt 2, no time for another within 25s)");
}

#[test]
fn a_later_attempt_keeps_the_deadline_of_the_first_and_a_retry_by_hand_gets_its_own() {
    let mut run = cut(", timeout: 1m, retry: { attempts: 2, delay: 10s }");
    let first = run.state.steps["cut"].deadline;
    assert_eq!(first, run.now + Span::mins(1));
    refuse(&mut run);
    run.later(Span::secs(10));
    assert_eq!(run.state.steps["cut"].deadline, first);
    refuse(&mut run);
    run.now = run.now + Span::mins(5);
    run.control(crate::event::Control::Retry { step: "cut".into() });
    assert_eq!(run.state.steps["cut"].deadline, run.now + Span::mins(1));
    assert_eq!(run.state.steps["cut"].attempt.0, 1);
}

#[test]
fn what_was_surely_not_sent_is_sent_again_soon_and_what_was_refused_is_not() {
    let mut run = cut("");
    assert_eq!(busy(&mut run), ["effect_refused cut", "attempt_failed cut"]);
    assert_eq!(backoff(&run), Span::secs(2));
    run.later(Span::secs(2));
    assert_eq!(refuse(&mut run), ["effect_refused cut", "step_failed cut", "run_paused"]);
    assert_eq!(failed(&run), "exit 1");
}

#[test]
fn an_answer_takes_a_step_on() {
    let mut run = cut("");
    assert_eq!(answer(&mut run, Ok(Receipt::default())).last().unwrap(), "run_finished done");
    assert_eq!(run.state.outcome, Some(RunOutcome::Done));
    assert!(run.state.touched());
    let mut doubtful = cut("");
    assert_eq!(answer(&mut doubtful, Err(SendError::InDoubt { why: "reset".into() }))[0], "effect_in_doubt cut");
}

/// Yes to everything, whatever is lost by that step.
fn consent(step: &str) -> Policy {
    let accept = [step.into()].into();
    Policy { accept, accept_loss: Some(AcceptLoss::Unknown), yes: true, ..Policy::default() }
}

/// An emergency whose promotion was just intended.
fn promoting() -> Run {
    let steps = "failover: [{ id: promote, action: promote-replica, resource: db }]";
    let mut run = Run::of(steps, Mode::Emergency, consent("promote"));
    run.turn();
    run.see("oregon", What::Db("db".into()), db(Some("ohio")));
    run.see("ohio", What::Db("db".into()), Seen::Absent);
    for (site, what) in [
        ("oregon", What::Parameters("pg".into())),
        ("oregon", What::Position("db".into())),
        ("oregon", What::Lag("db".into())),
    ] {
        run.see(site, what, Seen::Unknown { why: "no answer".into() });
    }
    let facts = run.turn();
    assert!(facts.contains(&"effect_intended promote".to_owned()), "{facts:?}");
    run
}

/// A promotion that is in doubt: its dark window, and what a look before its end and after it tells.
#[test]
fn a_no_counts_only_once_the_world_can_hide_nothing_more() {
    let mut run = promoting();
    run.in_doubt();
    let effect = run.state.steps["promote"].effects.values().next().unwrap();
    let (sent, dark) = (effect.sent_by, effect.effect.dark());
    run.see("oregon", What::Db("db".into()), db(Some("ohio")));
    assert_eq!(run.turn(), [""; 0]);
    let wake = super::super::decide(&run.state, &run.world, run.now, run.live).wake;
    assert_eq!(wake, Some(sent + dark), "then it can be told");
    run.now = sent + dark;
    assert_eq!(run.turn(), [""; 0], "what was seen before says nothing");
    let wake = super::super::decide(&run.state, &run.world, run.now, run.live).wake;
    assert_eq!(wake, Some(run.state.steps["promote"].deadline), "the next look tells, or the step's time is over");
    run.see("oregon", What::Db("db".into()), db(Some("ohio")));
    assert_eq!(run.turn()[0], "effect_settled promote");
    let settled = |run: &Run| run.state.steps["promote"].effects.values().next().unwrap().status.clone();
    assert_eq!(settled(&run), EffectStatus::Settled(Landed::No));
}

/// What has to be looked at.
fn looks(run: &Run) -> Vec<What> {
    let wanted = super::super::wanted(&run.state, &run.world, run.now, run.live);
    wanted.looks.into_keys().map(|target| target.what).collect()
}

#[test]
fn while_a_step_waits_what_it_waits_on_is_looked_at_and_all_else_once_more_before_it_is_done() {
    let (database, parameters) = (What::Db("db".into()), What::Parameters("pg".into()));
    let mut run = promoting();
    run.applied();
    assert_eq!(looks(&run), std::slice::from_ref(&database), "still a replica");
    assert_eq!(run.later(Span::mins(5)), [""; 0]);
    assert_eq!(looks(&run), std::slice::from_ref(&database), "however long it takes");
    run.see("oregon", database.clone(), db(None));
    assert_eq!(run.turn(), [""; 0], "whether it takes writes was seen minutes ago");
    assert_eq!(looks(&run), std::slice::from_ref(&parameters));
    run.see("oregon", parameters, Seen::Absent);
    assert_eq!(run.turn()[0], "step_succeeded promote");
}

#[test]
fn what_is_seen_to_be_done_at_the_last_moment_has_the_time_of_a_look_to_be_done() {
    let mut run = promoting();
    run.applied();
    run.now = run.state.steps["promote"].deadline - Span::ms(1);
    run.see("oregon", What::Db("db".into()), db(None));
    assert_eq!(run.later(Span::secs(2)), [""; 0], "its time is over, and the rest is being looked at");
    run.see("oregon", What::Parameters("pg".into()), Seen::Absent);
    assert_eq!(run.turn()[0], "step_succeeded promote");
    let mut slow = promoting();
    slow.applied();
    slow.now = slow.state.steps["promote"].deadline - Span::ms(1);
    slow.see("oregon", What::Db("db".into()), db(None));
    assert_eq!(slow.later(Span::mins(1))[0], "step_failed promote");
}

#[test]
fn a_probe_ends_an_attempt_only_by_what_it_says_now() {
    let steps = "failover: [{ id: near, action: promote-replica, resource: db, verify: [site_answers], retry: { attempts: 1 } }]";
    let mut run = Run::of(steps, Mode::Emergency, consent("near"));
    run.turn();
    let answer = |ok| Seen::Answer(Answer::plain(ok, "so"));
    for (site, what, seen) in [
        ("oregon", What::Db("db".into()), db(Some("ohio"))),
        ("ohio", What::Db("db".into()), Seen::Absent),
        ("oregon", What::Parameters("pg".into()), Seen::Absent),
        ("oregon", What::Site, answer(false)),
    ] {
        run.see(site, what, seen);
    }
    run.turn();
    run.applied();
    run.later(Span::mins(5));
    run.see("oregon", What::Db("db".into()), db(None));
    run.see("oregon", What::Parameters("pg".into()), Seen::Absent);
    assert_eq!(run.turn(), [""; 0], "that the site does not answer was seen minutes ago");
    run.see("oregon", What::Site, answer(true));
    assert_eq!(run.turn()[0], "step_succeeded near");
}

#[test]
fn what_holds_is_told_to_hold_only_on_what_was_seen_just_now() {
    let steps = "failover: [{ id: near, action: wait-for-replication, resource: db, with: { max_lag: 1m, for: 10m } }]";
    let mut run = Run::planned(steps);
    run.turn();
    let (database, lag) = (What::Db("db".into()), What::Lag("db".into()));
    run.see("oregon", database.clone(), db(Some("ohio")));
    run.later(Span::mins(1));
    let samples = vec![rds::LagSample { at: run.now, seconds: Some(3.0) }];
    run.see("oregon", lag, Seen::Lag(rds::Lag { samples }));
    assert_eq!(run.turn(), [""; 0], "whether it replicates was seen a minute ago");
    assert_eq!(looks(&run), std::slice::from_ref(&database));
    run.see("oregon", database, db(Some("ohio")));
    assert_eq!(run.turn(), ["observed near"]);
}

/// Two steps side by side.
fn pair(more: &str) -> Run {
    let step = |id: &str| format!("{{ id: {id}, needs: [], action: exec, with: {{ command: [{id}] }} {more} }}");
    let mut run = Run::planned(&format!("failover: [{}, {}]", step("cut"), step("other")));
    run.live.interactive = true;
    run.turn();
    run
}

fn question(run: &Run) -> Vec<(String, Question)> {
    let open = run.state.open_asks().filter_map(|(_, a)| Some((a.step.clone()?.to_string(), a.question)));
    open.collect()
}

#[test]
fn what_people_say_of_one_doubt_says_nothing_of_another() {
    let mut run = pair("");
    assert_eq!(run.in_doubt(), ["confirmation_asked cut in-doubt", "confirmation_asked other in-doubt"]);
    let first = run.state.open_asks().next().unwrap().0;
    run.control(crate::event::Control::Answer { ask: first, yes: true });
    assert_eq!(question(&run), [("other".to_owned(), Question::InDoubt)]);
    assert_eq!(*run.state_of("other"), StepState::Running);
}

#[test]
fn a_yes_to_the_start_of_a_step_is_none_to_whether_it_happened() {
    let mut run = cut(", confirm: true");
    run.live.interactive = true;
    run.turn();
    let ask = run.state.open_asks().next().unwrap().0;
    let facts = run.control(crate::event::Control::Answer { ask, yes: true });
    assert_eq!(facts.last().unwrap(), "effect_intended cut");
    assert_eq!(run.in_doubt(), ["confirmation_asked cut in-doubt"]);
    assert_eq!(question(&run), [("cut".to_owned(), Question::InDoubt)]);
}

#[test]
fn a_run_that_stopped_begins_nothing_more_in_the_same_turn() {
    let run = pair(", when: \"mode\"");
    assert_eq!(run.state_of("other"), &StepState::Pending, "the first could not be decided: the run waits for people");
    assert!(run.state.paused.is_some());
}

#[test]
fn a_pause_begins_no_attempt_and_a_run_that_goes_on_does() {
    let mut run = cut(", retry: { attempts: 3, delay: 10s }");
    refuse(&mut run);
    run.control(crate::event::Control::Pause);
    assert_eq!(run.later(Span::secs(10)), [""; 0]);
    let facts = run.control(crate::event::Control::Continue);
    assert_eq!(facts.last().unwrap(), "effect_intended cut");
}

#[test]
fn what_somebody_else_changed_before_it_was_sent_stops_the_step() {
    let mut run = cut("");
    let plan = run.state.plan.clone();
    let cx = Cx { state: &run.state, world: &run.world, now: run.now, live: run.live };
    let facts = overtaken(&cx, plan.step(&"cut".into()).unwrap(), EffectNo(1));
    assert_eq!(run.tell(facts), ["effect_refused cut", "step_failed cut", "run_paused"]);
    assert!(failed(&run).ends_with("was changed by somebody else meanwhile"), "{}", failed(&run));
    assert!(!run.state.steps["cut"].may_have_acted(), "it was not sent");
}

#[test]
fn what_somebody_else_replaced_while_it_was_in_doubt_stops_the_step() {
    let accepted = Policy { accept: ["promote".into()].into(), ..Policy::default() };
    let steps = "failover: [{ id: promote, action: promote-replica, resource: db }]";
    let mut run = Run::of(steps, Mode::Planned, accepted);
    run.turn();
    let target = Target::at(&run.state.plan.sites["oregon"], What::Db("db".into()));
    let promote = rds::Call::Promote { identifier: "db".into(), resource_id: "db-0".into(), backup_retention: 7 };
    let step = StepId::from("promote");
    run.tell(vec![
        EventKind::EffectIntended {
            step: step.clone(),
            effect: EffectNo(1),
            before: Arc::new(Sight { target: target.clone(), at: run.now, seen: db(Some("ohio")) }),
            call: Arc::new(Effect { target, call: Call::Rds(promote) }),
            predicted: true,
        },
        EventKind::EffectInDoubt { step, effect: EffectNo(1), why: "no answer".into() },
    ]);
    run.see("oregon", What::Db("db".into()), db(Some("ohio")));
    assert_eq!(run.turn(), ["effect_settled promote", "step_failed promote", "run_paused"]);
}

/// A run whose first step is done and whose second is under way; both can be taken back.
fn at_cut() -> Run {
    let mut run = Run::planned(
        "failover:
  - { id: base, action: exec, with: { command: [base] }, undo: { with: { command: [unbase] } } }
  - { id: cut, action: exec, with: { command: [cut] }, undo: { with: { command: [uncut] } } }",
    );
    run.live.interactive = true;
    run.turn();
    run.applied();
    run
}

/// A run that turned back while a step on the way there was in doubt.
#[test]
fn a_run_that_turns_back_settles_what_is_open_first() {
    let mut run = at_cut();
    run.in_doubt();
    run.control(crate::event::Control::Undo);
    assert_eq!(question(&run), [("cut".to_owned(), Question::InDoubt)], "nothing is taken back before that is known");
    let ask = run.state.open_asks().next().unwrap().0;
    let facts = run.control(crate::event::Control::Answer { ask, yes: false });
    assert!(facts.contains(&"effect_settled cut".to_owned()), "{facts:?}");
    assert!(facts.contains(&"attempt_started base".to_owned()), "what did not happen is not undone: {facts:?}");
}

#[test]
fn what_is_refused_while_the_run_turns_back_is_no_failure_of_its_undo() {
    let mut run = at_cut();
    assert_eq!(run.control(crate::event::Control::Undo), ["control_received", "undo_begun"], "cut is under way");
    assert_eq!(refuse(&mut run), ["effect_refused cut", "attempt_started base", "effect_intended base"]);
    assert_eq!(run.state.paused, None);
}
