//! State machines over the wire: their definitions are executed for real, each once, whatever becomes
//! of the process that started one.

use crate::{
    environment,
    proxy::{Fault, Rule},
    witness::Witness,
    world::{HOME, NAME, STANDBY, Wire},
};
use lifeboat::{
    ids::StepId,
    model::Impact,
    world::{
        Call, Effect, Landed, Seen, What,
        sfn::{Start, Status},
    },
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

/// A task that calls a service, as AWS spells it.
fn task(call: &str, parameters: &Value, result: &Value, next: &str) -> Value {
    let resource = format!("arn:aws:states:::aws-sdk:{call}");
    json!({ "Type": "Task", "Resource": resource, "Parameters": parameters, "ResultPath": result, "Next": next })
}

/// Looks whether the gate is open, which is a tag on the database. If so it tags the database with what
/// it was given and tells that; if not it goes on by another state.
fn gated(shut: (&str, Value)) -> Value {
    let seen = "$.seen.DbInstances[0]";
    let tags = json!([{ "Key": "caches", "Value.$": "$.state" }]);
    let tag = json!({ "ResourceName.$": format!("{seen}.DbInstanceArn"), "Tags": tags });
    let open = json!({ "Variable": format!("{seen}.TagList[0].Key"), "IsPresent": true, "Next": "Warm" });
    let mut states = json!({
        "Look": task("rds:describeDBInstances", &json!({ "DbInstanceIdentifier.$": "$.database" }), &json!("$.seen"), "Gate"),
        "Gate": { "Type": "Choice", "Choices": [open], "Default": shut.0 },
        "Warm": task("rds:addTagsToResource", &tag, &Value::Null, "Told"),
        "Told": { "Type": "Pass", "Parameters": { "caches.$": "$.state" }, "End": true },
    });
    states[shut.0] = shut.1;
    json!({ "StartAt": "Look", "States": states })
}

/// Goes on when the gate is open.
pub fn patient() -> Value {
    gated(("Again", json!({ "Type": "Wait", "Seconds": 1, "Next": "Look" })))
}

/// Fails where the gate is shut.
fn brittle() -> Value {
    gated(("Cold", json!({ "Type": "Fail", "Error": "Caches.Cold", "Cause": "nobody answers" })))
}

/// Makes a state machine; its ARN.
pub fn make(wire: &Wire, (_, region): (&str, &str), definition: &Value, kind: &str) -> String {
    let role = format!("arn:aws:iam::{}:role/warm", wire.account);
    let name = format!("warm-{}", kind.to_lowercase());
    let asked = json!({ "name": name, "definition": definition.to_string(), "roleArn": role, "type": kind });
    let made = wire.witness.call("stepfunctions", region, "create_state_machine", &asked);
    made["stateMachineArn"].as_str().unwrap().to_owned()
}

pub fn open_the_gate(wire: &Wire) {
    let arn = wire.witness.db(STANDBY.1, "orders")["DBInstanceArn"].clone();
    let tag = json!({ "ResourceName": arn, "Tags": [{ "Key": "gate", "Value": "open" }] });
    wire.witness.call("rds", STANDBY.1, "add_tags_to_resource", &tag);
}

/// What the machine told the database: the tag that it wrote.
fn caches(wire: &Wire) -> Option<String> {
    Witness::tags(&wire.witness.db(STANDBY.1, "orders")).remove("caches")
}

/// Someone at work with a runbook that runs a machine, passes its output on, and moves users.
struct Desk {
    wire: Wire,
    arn: String,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new(definition: &Value) -> Self {
        let wire = Wire::at_once();
        let [home, arn] = [HOME, STANDBY].map(|site| make(&wire, site, definition, "STANDARD"));
        let desk = Self { wire, arn: arn.clone(), folder: tempfile::tempdir().unwrap() };
        desk.write([&home, &arn]);
        desk.wire.proxy.forget();
        desk
    }

    fn write(&self, arns: [&str; 2]) {
        let (account, zone, endpoint) = (&self.wire.account, &self.wire.zone, self.wire.proxy.url());
        let site =
            |region: &str| format!("{{ region: {region}, account: \"{account}\", endpoint_url: \"{endpoint}\" }}");
        let text = format!(
            r#"version: 1
name: caches
sites: {{ ohio: {}, oregon: {} }}
aws: {{ endpoint_url: "{endpoint}" }}
primary: ohio
standby: oregon
resources:
  caches: {{ kind: state-machine, sites: {{ ohio: {{ arn: "{}" }}, oregon: {{ arn: "{}" }} }} }}
  www: {{ kind: weighted-record, zone: {zone}, records: [{NAME}], type: A, sites: {{ ohio: {{ set_identifier: ohio }}, oregon: {{ set_identifier: oregon }} }} }}
failover:
  - {{ id: warm, action: run-state-machine, resource: caches, with: {{ input: {{ database: orders, state: "warm by ${{run.id}}" }}, impact: safe }}, timeout: 5m }}
  - {{ id: note, action: exec, with: {{ command: [./note, "${{steps.warm.output.caches}}"], impact: safe }} }}
  - {{ id: look, verify: [site_answers] }}
  - {{ id: shift, action: shift-traffic, resource: www, milestone: service-restored }}
failback: mirror
"#,
            site(HOME.1),
            site(STANDBY.1),
            arns[0],
            arns[1],
        );
        fs::write(self.path("caches.yaml"), text).unwrap();
        fs::write(self.path("note"), "#!/bin/sh\nprintf %s \"$1\" > noted\n").unwrap();
        fs::set_permissions(self.path("note"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        command.env_clear();
        environment::give(&mut command)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USER", "ada")
            .env("HOME", self.folder.path())
            .env("LIFEBOAT_HOME", self.path("home"))
            .current_dir(self.folder.path())
            .args(line.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end; all it said.
    fn run(&self, line: &str, code: i32) -> String {
        ended(self.command(line).output().unwrap(), code)
    }

    /// Starts it, and gives it once its execution is followed.
    fn start_and_follow(&self, line: &str) -> Child {
        let child = self.command(line).spawn().unwrap();
        self.wire.proxy.await_calls("StartExecution", 1);
        let before = self.wire.proxy.calls_of("DescribeExecution").len();
        self.wire.proxy.await_calls("DescribeExecution", before + 2);
        child
    }

    /// Every execution, oldest first: its name and how it is.
    fn executions(&self) -> Vec<(String, String)> {
        let asked = json!({ "stateMachineArn": self.arn });
        let all = self.wire.witness.call("stepfunctions", STANDBY.1, "list_executions", &asked);
        let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        let mut all: Vec<_> =
            all["executions"].as_array().unwrap().iter().map(|e| (text(e, "name"), text(e, "status"))).collect();
        all.sort();
        all
    }

    /// The starts that the server saw, and which of them it applied.
    fn starts(&self) -> Vec<bool> {
        self.wire
            .served()
            .into_iter()
            .filter(|(call, _)| call == "StartExecution")
            .map(|(_, applied)| applied)
            .collect()
    }

    fn noted(&self) -> Option<String> {
        fs::read_to_string(self.path("noted")).ok()
    }
}

fn ended(output: Output, code: i32) -> String {
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Takes up a run whose process was killed while its execution goes on, lets the execution come to
/// its end, and tells whether all is as if nothing had happened.
fn resumed_to_the_end(desk: &Desk) {
    let [(name, status)] = &desk.executions()[..] else { panic!("{:?}", desk.executions()) };
    assert_eq!(status, "RUNNING");
    desk.wire.proxy.mend();
    desk.wire.proxy.forget();
    let again = desk.command("resume --yes").spawn().unwrap();
    desk.wire.proxy.await_calls("DescribeExecution", 2);
    assert_eq!(caches(&desk.wire), None, "it is in the middle of it");
    open_the_gate(&desk.wire);
    ended(again.wait_with_output().unwrap(), 0);
    assert_eq!(desk.executions(), [(name.clone(), "SUCCEEDED".to_owned())]);
    assert_eq!(desk.starts(), [true], "one start, applied once");
    let run = name.strip_suffix("-warm-1").unwrap();
    assert_eq!(caches(&desk.wire), Some(format!("warm by {run}")), "it really did it");
    assert_eq!(desk.noted(), caches(&desk.wire), "and a later step was told");
    assert_eq!(desk.wire.witness.weights(&desk.wire.zone, NAME)["oregon"], 100);
    desk.wire.proxy.forget();
    desk.run(&format!("resume {run}"), 0);
    assert_eq!(desk.wire.proxy.changes(), [], "what is done is done");
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_an_execution_is_resumed_and_starts_it_once() {
    let desk = Desk::new(&patient());
    kill(desk.start_and_follow("failover caches.yaml --planned --yes"));
    resumed_to_the_end(&desk);
}

#[test]
fn a_run_that_is_killed_before_it_heard_of_its_execution_finds_it() {
    let desk = Desk::new(&patient());
    desk.wire.proxy.spoil(Rule::on("StartExecution", Fault::HangAfter));
    let child = desk.command("failover caches.yaml --planned --yes").spawn().unwrap();
    desk.wire.proxy.await_calls("StartExecution", 1);
    // The proxy has it; the server takes it whatever becomes of who sent it.
    while desk.executions().is_empty() {
        std::thread::yield_now();
    }
    kill(child);
    resumed_to_the_end(&desk);
}

#[test]
fn a_machine_that_fails_pauses_the_run_and_a_retry_starts_another_execution() {
    let desk = Desk::new(&brittle());
    let said = desk.run("failover caches.yaml --planned --yes", 23);
    assert!(said.contains("failed: Caches.Cold: nobody answers"), "{said}");
    assert!(said.contains("--retry"), "{said}");
    desk.run("resume --yes", 23);
    assert_eq!(desk.starts(), [true], "nothing tries it blindly");
    open_the_gate(&desk.wire);
    desk.run("resume --retry warm --yes", 0);
    let [(first, failed), (second, succeeded)] = &desk.executions()[..] else { panic!("{:?}", desk.executions()) };
    assert_eq!((failed.as_str(), succeeded.as_str()), ("FAILED", "SUCCEEDED"));
    assert_eq!(first.strip_suffix("-warm-1"), second.strip_suffix("-warm-2"), "{first} {second}");
    assert_eq!(desk.starts(), [true, true]);
    assert_eq!(desk.noted(), caches(&desk.wire));
}

#[test]
fn a_plan_tells_what_would_be_started_and_refuses_what_is_not_there() {
    let desk = Desk::new(&patient());
    let said = desk.run("plan caches.yaml --planned", 0);
    assert!(said.contains("-> started with"), "{said}");
    let nowhere = |region: &str| format!("arn:aws:states:{region}:{}:stateMachine:nobody", desk.wire.account);
    desk.write([&nowhere(HOME.1), &nowhere(STANDBY.1)]);
    let missing = "state machine nobody at oregon does not exist";
    let said = desk.run("plan caches.yaml --planned", 0);
    assert!(said.contains(missing), "{said}");
    let said = desk.run("failover caches.yaml --planned --yes", 10);
    assert!(said.contains(missing), "{said}");
    assert_eq!(desk.wire.proxy.changes(), []);
    assert!(!Path::new(&desk.path("noted")).exists());
}

#[tokio::test]
async fn what_is_seen_of_machines_and_their_executions() {
    let wire = Wire::at_once();
    let arn = make(&wire, STANDBY, &brittle(), "STANDARD");
    let ok = |seen: Result<Seen, _>| match seen {
        Ok(Seen::Answer(answer)) => answer.ok,
        other => panic!("{other:?}"),
    };
    assert!(ok(wire.look(STANDBY, What::Machine(arn.clone())).await));
    let express = make(&wire, STANDBY, &brittle(), "EXPRESS");
    assert!(!ok(wire.look(STANDBY, What::Machine(express)).await), "it can be neither named once nor followed");
    assert_eq!(wire.look(STANDBY, What::Machine(format!("{arn}-other"))).await, Ok(Seen::Absent));
    let execution = || What::Execution(arn.clone(), "r1-warm-1".into());
    assert_eq!(wire.look(STANDBY, execution()).await, Ok(Seen::Absent));
    let start = |input: Value| {
        let (step, name, impact) = (StepId::from("warm"), "r1-warm-1".into(), Impact::Safe);
        Call::Machine(Start { step, machine: arn.clone(), name, input, impact })
    };
    let given = json!({ "database": "orders", "share": 0.1 });
    let receipt = wire.send(wire.at(STANDBY, execution()), start(given.clone())).await.unwrap();
    assert!(receipt.id.unwrap().ends_with(":execution:warm-standard:r1-warm-1"));
    let failed = loop {
        match wire.look(STANDBY, execution()).await {
            Ok(Seen::Execution(seen)) if seen.status != Status::Running => break seen,
            Ok(Seen::Execution(_)) => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((failed.status, failed.why.as_deref()), (Status::Failed, Some("Caches.Cold: nobody answers")));
    assert_eq!((&failed.input, &failed.output), (&given, &None));
    // A name that has ended is never another execution: who sends it again finds what there is.
    for input in [given, json!({})] {
        let ours = input == failed.input;
        let effect = Effect { target: wire.at(STANDBY, execution()), call: start(input) };
        wire.send(effect.target.clone(), effect.call.clone()).await.unwrap();
        let seen = wire.look(STANDBY, execution()).await.unwrap();
        let expected = if ours { Landed::Yes } else { Landed::Superseded };
        assert_eq!(effect.happened(&Seen::Absent, &seen), expected);
    }
}
