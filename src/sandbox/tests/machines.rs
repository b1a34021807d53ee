//! Executions of state machines: as long as their step says, ending as it says, one for each name.

use super::{Bench, refused, runbook, step};
use crate::{
    clock::Span,
    driver::SendError,
    ids::SiteName,
    model::{DbEngine, Impact, Kind, MachineIdentity, Resource},
    runbook::Simulate,
    world::{
        Call, Seen, What,
        sfn::{Execution, Start, Status, TYPICAL},
    },
};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:states:us-west-2:111122223333:stateMachine:warm";

/// The warm standby with a state machine at oregon, and steps that run it.
fn bench() -> Bench {
    let mut book = runbook(DbEngine::Postgres);
    let sites = [(SiteName::from("oregon"), MachineIdentity { arn: ARN.into() })].into();
    book.resources.insert("warm".into(), Resource { name: "warm".into(), kind: Kind::StateMachine { sites } });
    let told = |id: &str, simulate: Simulate, expect: Option<&str>| {
        step(id, "run-state-machine", json!({}), |spec| {
            (spec.simulate, spec.expect) = (Some(simulate), expect.map(str::to_owned));
        })
    };
    let (output, takes) = (Some(json!({ "warmed": 40 })), Some(Span::mins(2)));
    book.failover.extend([
        told("warm", Simulate { takes, output, ..Simulate::default() }, Some("9m")),
        told("expected", Simulate::default(), Some("9m")),
        told("plain", Simulate::default(), None),
        told("fails", Simulate { exit: Some(3), ..Simulate::default() }, None),
    ]);
    Bench::of(&book, 1)
}

fn start(step: &str, input: Value) -> Call {
    let name = format!("run1-{step}-1");
    Call::Machine(Start { step: step.into(), machine: ARN.into(), name, input, impact: Impact::Safe })
}

fn send(bench: &mut Bench, step: &str) {
    bench.send_as(&format!("run1-{step}-1"), "oregon", What::Site, start(step, json!({}))).unwrap();
}

fn seen(bench: &Bench, step: &str) -> Option<Execution> {
    match bench.see("oregon", What::Execution(ARN.into(), format!("run1-{step}-1"))) {
        Seen::Execution(execution) => Some(execution),
        Seen::Absent => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_execution_takes_and_gives_what_its_step_says() {
    let mut bench = bench();
    assert_eq!(seen(&bench, "warm"), None);
    for (step, takes) in [("warm", Span::mins(2)), ("expected", Span::mins(9)), ("plain", TYPICAL)] {
        send(&mut bench, step);
        assert_eq!(seen(&bench, step).map(|e| (e.status, e.output)), Some((Status::Running, None)));
        let ended = |b: &Bench| seen(b, step).is_some_and(|e| e.status != Status::Running);
        assert_eq!(bench.until(step, ended), takes, "{step}");
    }
    assert_eq!(seen(&bench, "warm").and_then(|e| e.output), Some(json!({ "warmed": 40 })));
    assert_eq!(seen(&bench, "plain").and_then(|e| e.output), Some(json!({})));
    send(&mut bench, "fails");
    bench.wait(TYPICAL);
    let failed = seen(&bench, "fails").unwrap();
    assert_eq!((failed.status, failed.why.as_deref(), failed.output), (Status::Failed, Some("exit 3"), None));
}

#[test]
fn a_name_is_one_execution_and_never_of_another_input() {
    let mut bench = bench();
    send(&mut bench, "warm");
    bench.wait(Span::mins(1));
    send(&mut bench, "warm");
    bench.wait(Span::mins(1));
    assert_eq!(seen(&bench, "warm").map(|e| e.status), Some(Status::Succeeded), "it was not begun anew");
    assert!(refused(bench.send("oregon", start("warm", json!(1)))).starts_with("ExecutionAlreadyExists"));
}

#[test]
fn a_machine_is_where_the_runbook_says_and_goes_dark_with_its_site() {
    let mut bench = bench();
    let machine = || What::Machine(ARN.into());
    assert!(matches!(bench.see("oregon", machine()), Seen::Answer(answer) if answer.ok));
    assert_eq!(bench.see("ohio", machine()), Seen::Absent);
    bench.fault("standby-lost");
    assert!(bench.look("oregon", machine()).is_err());
    assert!(matches!(bench.send("oregon", start("warm", json!({}))), Err(SendError::InDoubt { .. })));
}
