//! Executions: one name, one execution, whatever became of the process that started it.

use super::{super::bench::*, *};
use crate::{
    ids::{RunId, StepId},
    world::{Landed, Receipt, probe::Answer, sfn::Execution},
};
use serde_json::json;
use std::collections::BTreeSet;

fn arn(name: &str) -> String {
    format!("arn:aws:states:oregon:111122223333:stateMachine:{name}")
}

fn machine(name: &str) -> What {
    What::Machine(arn(name))
}

fn nth(n: u32) -> What {
    What::Execution(arn("warm"), format!("r1-step-{n}"))
}

fn there(ok: bool, why: &str) -> Seen {
    Seen::Answer(Answer::plain(ok, why))
}

fn execution(status: Status) -> Seen {
    let output = (status == Status::Succeeded).then(|| json!({ "warmed": 40 }));
    let why = (status == Status::Failed).then(|| "Caches.Cold: nobody answers".to_owned());
    Seen::Execution(Execution { status, input: json!({ "share": 0.1 }), output, why })
}

fn with() -> Value {
    json!({ "input": { "share": 0.1 } })
}

/// A state machine that is active, after so many retries of the step.
fn after(retries: u32) -> Bench {
    let mut bench = Bench::at("oregon").see("oregon", machine("warm"), there(true, "is active"));
    bench.past.retries = retries;
    bench
}

fn next(bench: &Bench) -> Next {
    bench.next("run-state-machine", "warm", with())
}

fn start(bench: &Bench) -> Effect {
    let Next::Send { effect, .. } = next(bench) else { panic!("{:?}", next(bench)) };
    *effect
}

#[test]
fn an_execution_is_started_followed_and_its_output_passed_on() {
    let fresh = after(0).see("oregon", nth(1), Seen::Absent);
    assert_eq!(call(&next(&fresh)), r#"StartExecution -> started with {"share":0.1}"#);
    let running = after(0).see("oregon", nth(1), execution(Status::Running));
    assert_eq!(call(&next(&running)), "wait: execution r1-step-1 at oregon to end");
    let ended = after(0).see("oregon", nth(1), execution(Status::Succeeded));
    let Next::Done { outputs, .. } = next(&ended) else { panic!("it is done") };
    assert_eq!(outputs["output"], json!({ "warmed": 40 }));
    // Once it is started its definition is of no interest any more.
    let bench = Bench::at("oregon").sent(&start(&fresh), Some(Receipt::default()));
    assert_eq!(call(&next(&bench.see("oregon", nth(1), execution(Status::Succeeded)))), "done");
}

#[test]
fn nothing_is_started_where_it_could_not_be_followed() {
    let seen = |machine_seen| {
        let bench = Bench::at("oregon").see("oregon", nth(1), Seen::Absent);
        call(&next(&bench.see("oregon", machine("warm"), machine_seen)))
    };
    assert_eq!(seen(Seen::Absent), "stuck: state machine warm at oregon does not exist");
    assert_eq!(seen(there(false, "is being deleted")), "stuck: state machine warm at oregon is being deleted");
    assert!(seen(Seen::Unknown { why: "dark".into() }).starts_with("wait: state machine warm at oregon unknown"));
    let unseen = after(0).see("oregon", nth(1), Seen::Unknown { why: "dark".into() });
    assert!(call(&next(&unseen)).starts_with("wait: execution r1-step-1 at oregon unknown"));
}

#[test]
fn what_was_started_may_take_a_while_to_show() {
    let fresh = after(0).see("oregon", nth(1), Seen::Absent);
    let mut sent = Bench::at("oregon").sent(&start(&fresh), Some(Receipt::default()));
    sent = sent.see("oregon", nth(1), Seen::Absent);
    assert_eq!(call(&next(&sent)), "wait: execution r1-step-1 at oregon to show");
    sent.past.sent[0].at = NOW - Span::mins(2);
    assert_eq!(call(&next(&sent)), "stuck: execution r1-step-1 at oregon was started and is gone");
}

#[test]
fn one_that_failed_is_started_again_by_a_person_alone_and_never_beside_one_that_runs() {
    let failed = |bench: Bench| bench.see("oregon", nth(1), execution(Status::Failed));
    let Next::Stuck { why, hint } = next(&failed(after(0))) else { panic!("nothing tries it blindly") };
    assert_eq!(why, "execution r1-step-1 at oregon failed: Caches.Cold: nobody answers");
    assert!(hint.contains("resume with --retry"), "{hint}");
    let again = |first| after(1).see("oregon", nth(1), first).see("oregon", nth(2), Seen::Absent);
    let Call::Machine(call_again) = start(&again(execution(Status::Failed))).call else { panic!("a start") };
    assert_eq!(call_again.name, "r1-step-2");
    // It timed out and runs on, was redriven, ended well after all, or was never begun.
    assert_eq!(call(&next(&again(execution(Status::Running)))), "wait: execution r1-step-1 at oregon to end");
    assert_eq!(call(&next(&again(execution(Status::Succeeded)))), "done");
    assert!(call(&next(&again(Seen::Unknown { why: "dark".into() }))).starts_with("wait"), "it may run");
    assert!(call(&next(&again(Seen::Absent))).starts_with("StartExecution"));
    let twice = failed(after(1)).see("oregon", nth(2), execution(Status::Failed));
    assert!(call(&next(&twice)).starts_with("stuck: execution r1-step-2"));
}

#[test]
fn an_execution_of_our_name_that_was_given_something_else_is_not_ours() {
    let other = Execution { status: Status::Succeeded, input: json!({}), output: Some(json!(1)), why: None };
    let bench = after(0).see("oregon", nth(1), Seen::Execution(other.clone()));
    assert!(call(&next(&bench)).starts_with("stuck: execution r1-step-1 at oregon was given something else"));
    let ours = start(&after(0).see("oregon", nth(1), Seen::Absent));
    let landed = |seen| ours.happened(&Seen::Absent, &seen);
    assert_eq!(landed(Seen::Execution(other)), Landed::Superseded);
    assert_eq!(landed(Seen::Absent), Landed::No);
    assert_eq!(landed(Seen::Unknown { why: "dark".into() }), Landed::Unclear);
    assert_eq!(landed(execution(Status::Running)), Landed::InProgress);
    assert_eq!(landed(execution(Status::Failed)), Landed::Yes, "it was started");
}

#[test]
fn several_machines_run_side_by_side_and_what_they_gave_goes_by_their_names() {
    let cold = |bench: Bench, seen| {
        bench.see("oregon", machine("cold"), there(true, "is active")).see(
            "oregon",
            What::Execution(arn("cold"), "r1-step-1".into()),
            seen,
        )
    };
    let both =
        |warm, seen| cold(after(0).see("oregon", nth(1), warm), seen).next("run-state-machine", "warm cold", with());
    assert!(call(&both(execution(Status::Running), Seen::Absent)).starts_with("StartExecution"));
    assert!(call(&both(execution(Status::Failed), execution(Status::Running))).starts_with("stuck"));
    assert!(call(&both(execution(Status::Succeeded), execution(Status::Running))).starts_with("wait"));
    let Next::Done { outputs, .. } = both(execution(Status::Succeeded), execution(Status::Succeeded)) else {
        panic!("both are done")
    };
    assert_eq!(outputs["output"], json!({ "warm": { "warmed": 40 }, "cold": { "warmed": 40 } }));
}

#[test]
fn names_are_legal_short_and_each_of_one_execution() {
    let long = "a_step_that_says_so_much_about_itself_that_its_name_does_not_fit_into_the_name_of_an_execution";
    let (run, mut names) = (RunId::new("r7k2m9x0qabcd"), BTreeSet::new());
    for step in ["a".to_owned(), "warm_caches".into(), long.into(), format!("{long}_again")] {
        for (undoing, n) in [(false, 1), (false, 2), (true, 1), (true, 12)] {
            let bench = Bench { undoing, ..Bench::at("oregon") };
            let step = StepId::new(step.clone());
            let name = bench.cx("warm", |cx| name(&StepCx { run: &run, step: &step, ..cx.clone() }, n));
            assert!(name.len() <= 80 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{name}");
            assert!(names.insert(name.clone()), "{name} twice");
        }
    }
    assert!(names.contains("r7k2m9x0qabcd-warm_caches-undo-12"), "{names:?}");
}

#[test]
fn taking_a_step_back_is_another_execution() {
    let undone = |n: u32| What::Execution(arn("warm"), format!("r1-step-undo-{n}"));
    let bench = Bench { undoing: true, ..after(0).see("oregon", undone(1), Seen::Absent) };
    let Call::Machine(start) = start(&bench).call else { panic!("a start") };
    assert_eq!(start.name, "r1-step-undo-1");
}

#[test]
fn its_author_says_what_it_does_and_an_input_too_large_is_refused_beforehand() {
    let impact = |with: Value| {
        let Action::RunStateMachine(action) = action_of("run-state-machine", &with) else { panic!("it is") };
        action.impact
    };
    assert_eq!(impact(json!({})), Impact::Disruptive);
    assert_eq!(impact(json!({ "impact": "irreversible" })), Impact::Irreversible);
    let large = json!({ "input": { "all": "x".repeat(INPUT_LIMIT) } });
    let problems = super::super::lower("run-state-machine", large.as_object().unwrap()).unwrap_err();
    assert_eq!(problems[0].0, "input");
}

#[test]
fn what_it_gives_only_the_run_will_know() {
    let bench = after(0).see("oregon", nth(1), Seen::Absent);
    let mut foreseen = bench.world.clone();
    start(&bench).predict(&mut foreseen, NOW);
    let Next::Done { outputs, .. } = next(&Bench { world: foreseen, ..bench }) else { panic!("it will succeed") };
    assert!(outputs.is_empty());
}
