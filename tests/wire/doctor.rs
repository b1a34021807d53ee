//! `doctor` and the refusal of wrong credentials, by the real program.

use crate::{
    binary::{AGREED, Desk, Ran, ran},
    proxy::{Fault, Rule},
    world::{HOME, STANDBY, Wire},
};

/// What was found of a level.
fn found(told: &Ran, level: &str) -> Vec<String> {
    let of = told.objects().into_iter().filter(|object| object["level"] == level);
    of.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect()
}

/// A desk whose runbook says something else of oregon than the account it is in.
fn oregon(says: impl FnOnce(&str) -> String) -> Desk {
    let wire = Wire::at_once();
    let stated = format!("region: {}, account: \"{}\"", STANDBY.1, wire.account);
    let changed = says(&stated);
    Desk::of(wire, &[(&stated, &changed)])
}

const DOCTOR: &str = "doctor RUNBOOK --output json";

#[test]
fn all_is_fine_and_every_read_was_made_and_nothing_else() {
    let desk = Desk::new();
    let told = desk.run(DOCTOR);
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    assert_eq!((found(&told, "problem"), found(&told, "warning")), (vec![], vec![]), "{}", told.out);
    let fine = found(&told, "ok").join("\n");
    let account = &desk.wire.account;
    for part in [&format!("ohio (us-east-2): account {account}"), &format!("Route 53: account {account}"), "as AWS's"] {
        assert!(fine.contains(part), "no {part} in {fine}");
    }
    let untested = found(&told, "untested").join("\n");
    assert!(untested.contains("oregon: autoscaling:UpdateAutoScalingGroup"), "{untested}");
    assert!(untested.contains("Route 53: route53:ChangeResourceRecordSets"), "{untested}");
    assert_eq!(desk.wire.proxy.changes(), []);
    for read in
        ["DescribeDBInstances", "DescribeDBParameters", "ListTagsForResource", "DescribeAutoScalingGroups", "GetChange"]
    {
        assert!(!desk.wire.proxy.calls_of(read).is_empty(), "{read} was not tried");
    }
    let human = desk.run("doctor RUNBOOK");
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
        ("ListResourceRecordSets", ("Route 53", "us-east-1"), "missing route53:ListResourceRecordSets at Route 53"),
    ];
    let desk = Desk::new();
    for (operation, (_, region), missing) in reads {
        desk.wire.proxy.spoil(Rule::on(operation, Fault::AccessDenied).at(region));
        let told = desk.run(DOCTOR);
        desk.wire.proxy.mend();
        assert_eq!((told.code, found(&told, "problem")), (11, vec![(*missing).to_owned()]), "{}", told.out);
    }
}

#[test]
fn what_is_not_there_is_told_by_its_name() {
    let desk = Desk::of(Wire::at_once(), &[("parameter_group: orders-oregon", "parameter_group: orders-orgon")]);
    let told = desk.run(DOCTOR);
    assert_eq!((told.code, found(&told, "problem")), (11, vec!["orders-orgon at oregon is not there".to_owned()]));
}

#[test]
fn another_account_than_the_runbook_says_is_a_problem_and_no_run_begins() {
    for command in ["failover RUNBOOK --planned", "failover RUNBOOK --emergency"] {
        let desk = oregon(|_| format!("region: {}, account: \"999999999999\"", STANDBY.1));
        let wrong = format!("at oregon you are in account {}, and the runbook says 999999999999", desk.wire.account);
        let told = desk.run(DOCTOR).ends(11);
        assert!(found(&told, "problem").join("\n").contains(&wrong), "{}", told.out);
        desk.run(&format!("{command} {AGREED}")).ends(11).says(&wrong);
        assert_eq!(desk.wire.proxy.changes(), []);
        assert_eq!(desk.run("runs").out, "no runs yet\n");
    }
}

#[test]
fn no_credentials_and_expired_ones_end_with_11_before_anything_is_recorded() {
    let desk = Desk::new();
    let failover = format!("failover RUNBOOK --planned {AGREED}");
    let mut without = desk.command(&failover);
    let without = ran(without.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY"));
    without.ends(11).says("there are no credentials for AWS").says("lifeboat doctor storefront.yaml");
    let mut status = desk.command("status RUNBOOK");
    let status = ran(status.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY")).ends(0);
    assert!(!status.out.contains("--emergency"), "who cannot see must not be told to move: {}", status.out);
    status.says("lifeboat doctor storefront.yaml");
    desk.wire.proxy.spoil(Rule::on("GetCallerIdentity", Fault::Error(403, "ExpiredToken")));
    desk.run(&failover).ends(11).says("ExpiredToken");
    assert_eq!(desk.wire.proxy.changes(), []);
    assert_eq!(desk.run("runs").out, "no runs yet\n");
}

#[test]
fn a_role_that_cannot_be_assumed_is_told_apart() {
    let desk = oregon(|stated| format!("{stated}, role_arn: \"arn:aws:iam::123456789012:role/dr\""));
    desk.wire.proxy.spoil(Rule::on("AssumeRole", Fault::AccessDenied));
    let told = desk.run(DOCTOR).ends(11);
    let problems = found(&told, "problem");
    assert!(problems[0].starts_with("at oregon nothing can be done: its role cannot be assumed"), "{problems:?}");
}

#[test]
fn an_emergency_asks_the_site_being_left_for_nothing() {
    let desk = Desk::new();
    // It would be refused there; the run goes on all the same.
    desk.wire.proxy.spoil(Rule::on("GetCallerIdentity", Fault::Error(403, "InvalidClientTokenId")).at(HOME.1));
    let told =
        desk.run("failover RUNBOOK --emergency --yes --accept promote --accept freeze --accept-data-loss unknown");
    assert_ne!(told.code, 11, "{}", told.err);
    assert_eq!(desk.wire.proxy.calls_of("PromoteReadReplica").len(), 1, "{}", told.err);
}

#[test]
fn a_clock_that_is_wrong_is_seen_by_the_answers_date() {
    let desk = Desk::new();
    desk.wire.proxy.spoil(Rule::on("GetCallerIdentity", Fault::Dated("Sat, 01 Jan 2000 00:00:00 GMT")).at(HOME.1));
    let told = desk.run(DOCTOR).ends(11);
    let problems = found(&told, "problem");
    assert!(problems.len() == 1 && problems[0].ends_with("ahead of AWS's"), "{problems:?}");
}

#[test]
fn an_endpoint_in_the_environment_is_a_problem_unless_it_is_allowed() {
    let desk = Desk::new();
    let stray = |line: &str| ran(desk.command(line).env("AWS_ENDPOINT_URL_RDS", desk.wire.proxy.url()));
    let refused = stray(DOCTOR).ends(11);
    assert!(found(&refused, "problem")[0].contains("AWS_ENDPOINT_URL_RDS"), "{}", refused.out);
    assert_eq!(desk.wire.proxy.calls(), [], "nobody was asked");
    let allowed = stray(&format!("{DOCTOR} --allow-endpoint-override")).ends(0);
    assert_eq!(found(&allowed, "warning").len(), 1, "{}", allowed.out);
}
