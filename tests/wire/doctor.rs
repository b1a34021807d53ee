//! `doctor` and the refusal of wrong credentials, by the real program.

use crate::{
    environment,
    proxy::{Fault, Rule},
    world::{HOME, NAME, STANDBY, Wire},
};
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A runbook of everything that needs no connection to a database, and a home for its journal.
struct Case {
    wire: Wire,
    folder: tempfile::TempDir,
    runbook: PathBuf,
}

/// What a command said, and its code.
struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Told {
    fn findings(&self) -> Vec<Value> {
        let all = self.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|object| object["type"] == "finding").collect()
    }

    /// What was found of a level.
    fn of(&self, level: &str) -> Vec<String> {
        let of = self.findings().into_iter().filter(|f| f["level"] == level);
        of.map(|f| f["what"].as_str().unwrap().to_owned()).collect()
    }
}

impl Case {
    fn new(change: impl FnOnce(String) -> String) -> Self {
        let wire = Wire::at_once();
        let endpoint = wire.proxy.url();
        let site = |(name, region): (&str, &str)| {
            format!("{name}: {{ region: {region}, account: \"{}\", endpoint_url: \"{endpoint}\" }}", wire.account)
        };
        let at =
            |of: &dyn Fn(&str) -> String| format!("{{ {}: {}, {}: {} }}", HOME.0, of(HOME.0), STANDBY.0, of(STANDBY.0));
        let text = format!(
            "version: 1
name: storefront
sites: {{ {}, {} }}
aws: {{ endpoint_url: \"{endpoint}\" }}
primary: {}
standby: {}
resources:
  orders: {{ kind: rds-instance, engine: postgres, sites: {} }}
  web: {{ kind: autoscaling-group, sizes: {{ serving: {{ min: 4, desired: 8, max: 16 }} }}, sites: {} }}
  www: {{ kind: weighted-record, zone: {}, records: [{NAME}], type: A, sites: {} }}
failover:
  - {{ id: lag, action: measure-lag, resource: orders, at: to, with: {{ limit: 1h, over_limit: refuse }} }}
  - {{ id: freeze, action: freeze-writes, resource: orders, at: from, hold: {{ max: 5m, then: undo }}, undo: unfreeze-writes, emergency: {{ run: best-effort, timeout: 45s, hold: {{ max: 15m, then: page }} }} }}
  - {{ id: drained, action: wait-for-replication, resource: orders, at: to, with: {{ drained: true, proof: metric }}, on_failure: undo, emergency: skip }}
  - {{ id: promote, action: promote-replica, resource: orders }}
  - {{ id: shift, action: shift-traffic, resource: www, milestone: service-restored }}
failback: mirror
",
            site(HOME),
            site(STANDBY),
            HOME.0,
            STANDBY.0,
            at(&|site| format!("{{ identifier: orders, parameter_group: orders-{site} }}")),
            at(&|_| "{ name: web }".into()),
            wire.zone,
            at(&|site| format!("{{ set_identifier: {site} }}")),
        );
        let folder = tempfile::tempdir().unwrap();
        let runbook = folder.path().join("storefront.yaml");
        fs::write(&runbook, change(text)).unwrap();
        wire.proxy.forget();
        Self { wire, folder, runbook }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        environment::give(&mut command);
        command.env("LIFEBOAT_HOME", self.folder.path().join("home")).stdin(Stdio::null());
        for word in line.split(' ') {
            if word == "RUNBOOK" {
                command.arg(&self.runbook)
            } else {
                command.arg(word)
            };
        }
        command
    }

    fn run(&self, line: &str) -> Told {
        told(&mut self.command(line))
    }
}

fn told(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

const DOCTOR: &str = "doctor RUNBOOK --output json";

#[test]
fn all_is_fine_and_every_read_was_made_and_nothing_else() {
    let case = Case::new(|text| text);
    let told = case.run(DOCTOR);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    assert_eq!((told.of("problem"), told.of("warning")), (vec![], vec![]), "{}", told.out);
    let fine = told.of("ok").join("\n");
    let account = &case.wire.account;
    for part in [&format!("ohio (us-east-2): account {account}"), &format!("Route 53: account {account}"), "as AWS's"] {
        assert!(fine.contains(part), "no {part} in {fine}");
    }
    let untested = told.of("untested").join("\n");
    assert!(untested.contains("oregon: rds:AddTagsToResource"), "{untested}");
    assert!(untested.contains("global: route53:ChangeResourceRecordSets"), "{untested}");
    assert_eq!(case.wire.proxy.changes(), []);
    for read in
        ["DescribeDBInstances", "DescribeDBParameters", "ListTagsForResource", "DescribeAutoScalingGroups", "GetChange"]
    {
        assert!(!case.wire.proxy.calls_of(read).is_empty(), "{read} was not tried");
    }
    let human = case.run("doctor RUNBOOK");
    assert!(human.out.ends_with("nothing is wrong\n"), "{}", human.out);
}

#[test]
fn a_read_that_is_denied_is_named_with_its_site() {
    let reads: &[(&str, (&str, &str), &str)] = &[
        ("DescribeDBInstances", STANDBY, "missing rds:DescribeDBInstances at oregon"),
        ("DescribeDBParameters", HOME, "missing rds:DescribeDBParameters at ohio"),
        ("ListTagsForResource", STANDBY, "missing rds:ListTagsForResource at oregon"),
        ("GetMetricData", STANDBY, "missing cloudwatch:GetMetricData at oregon"),
        ("DescribeScalingActivities", HOME, "missing autoscaling:DescribeScalingActivities at ohio"),
        ("ListResourceRecordSets", ("global", "us-east-1"), "missing route53:ListResourceRecordSets at global"),
    ];
    let case = Case::new(|text| text);
    for (operation, (_, region), missing) in reads {
        case.wire.proxy.spoil(Rule::on(operation, Fault::AccessDenied).at(region));
        let told = case.run(DOCTOR);
        case.wire.proxy.mend();
        assert_eq!((told.code, told.of("problem")), (11, vec![(*missing).to_owned()]), "{}", told.out);
    }
}

#[test]
fn what_is_not_there_is_told_by_its_name() {
    let case = Case::new(|text| text.replace("parameter_group: orders-oregon", "parameter_group: orders-orgon"));
    let told = case.run(DOCTOR);
    assert_eq!((told.code, told.of("problem")), (11, vec!["orders-orgon at oregon is not there".to_owned()]));
}

#[test]
fn another_account_than_the_runbook_says_is_a_problem_and_no_run_begins() {
    for command in ["failover RUNBOOK --planned", "failover RUNBOOK --emergency"] {
        let case = Case::new(|text| text);
        let oregon = format!("oregon: {{ region: {}, account: \"{}\"", STANDBY.1, case.wire.account);
        let text = fs::read_to_string(&case.runbook).unwrap();
        fs::write(&case.runbook, text.replace(&oregon, "oregon: { region: us-west-2, account: \"999999999999\""))
            .unwrap();
        let told = case.run(DOCTOR);
        let problems = told.of("problem").join("\n");
        let wrong = format!("at oregon you are in account {}, and the runbook says 999999999999", case.wire.account);
        assert!(told.code == 11 && problems.contains(&wrong), "{}", told.out);
        let told = case.run(&format!("{command} --yes --accept promote"));
        assert!(told.code == 11 && told.err.contains(&wrong), "{}: {}", told.code, told.err);
        assert_eq!(case.wire.proxy.changes(), []);
        assert_eq!(case.run("runs").out, "no runs yet\n");
    }
}

#[test]
fn no_credentials_and_expired_ones_end_with_11_before_anything_is_recorded() {
    let case = Case::new(|text| text);
    let failover = "failover RUNBOOK --planned --yes --accept promote";
    let mut without = case.command(failover);
    let told_without = told(without.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY"));
    assert_eq!(told_without.code, 11, "{}", told_without.err);
    assert!(told_without.err.contains("there are no credentials for AWS"), "{}", told_without.err);
    case.wire.proxy.spoil(Rule::on("GetCallerIdentity", Fault::Error(403, "ExpiredToken")));
    let expired = case.run(failover);
    assert!(expired.code == 11 && expired.err.contains("ExpiredToken"), "{}: {}", expired.code, expired.err);
    assert_eq!(case.wire.proxy.changes(), []);
    assert_eq!(case.run("runs").out, "no runs yet\n");
}

#[test]
fn a_role_that_cannot_be_assumed_is_told_apart() {
    let role = "arn:aws:iam::123456789012:role/dr";
    let case = Case::new(|text| {
        text.replace("oregon: { region: us-west-2,", &format!("oregon: {{ region: us-west-2, role_arn: \"{role}\","))
    });
    case.wire.proxy.spoil(Rule::on("AssumeRole", Fault::AccessDenied));
    let told = case.run(DOCTOR);
    let problems = told.of("problem").join("\n");
    assert!(
        told.code == 11 && problems.contains("oregon") && problems.contains("role cannot be assumed"),
        "{}",
        told.out
    );
}

#[test]
fn an_emergency_asks_the_site_being_left_for_nothing() {
    let case = Case::new(|text| text);
    // It would be refused there; the run goes on all the same.
    case.wire.proxy.spoil(Rule::on("GetCallerIdentity", Fault::Error(403, "InvalidClientTokenId")).at(HOME.1));
    let told =
        case.run("failover RUNBOOK --emergency --yes --accept promote --accept freeze --accept-data-loss unknown");
    assert_ne!(told.code, 11, "{}", told.err);
    assert_eq!(case.wire.proxy.calls_of("PromoteReadReplica").len(), 1, "{}", told.err);
}

#[test]
fn a_clock_that_is_wrong_is_seen_by_the_answers_date() {
    let case = Case::new(|text| text);
    let told = told(case.command(DOCTOR).env("AWS_MAX_ATTEMPTS", "1"));
    assert!(told.of("ok").iter().any(|what| what == "as AWS's, within seconds"), "{}", told.out);
}

#[test]
fn an_endpoint_in_the_environment_is_a_problem_unless_it_is_allowed() {
    let case = Case::new(|text| text);
    let stray = told(case.command(DOCTOR).env("AWS_ENDPOINT_URL_RDS", case.wire.proxy.url()));
    assert!(stray.code == 11 && stray.of("problem")[0].contains("AWS_ENDPOINT_URL_RDS"), "{}", stray.out);
    assert_eq!(case.wire.proxy.calls(), [], "nobody was asked");
    let line = format!("{DOCTOR} --allow-endpoint-override");
    let allowed = told(case.command(&line).env("AWS_ENDPOINT_URL_RDS", case.wire.proxy.url()));
    assert!(allowed.code == 0 && allowed.of("warning").len() == 1, "{}", allowed.out);
}
