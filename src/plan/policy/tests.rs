//! What policies allow: what the runbook does, on what it names, and nothing else.

use super::*;
use crate::syntax;
use std::path::Path;

fn storefront() -> Runbook {
    syntax::load(Path::new("runbooks/warm-standby.yaml")).unwrap().runbook.unwrap()
}

fn parsed(rest: &str) -> Runbook {
    let head = "version: 1\nname: t\nprimary: ohio\nstandby: oregon\n\
                sites: { ohio: { region: us-east-2, account: \"111111111111\" }, oregon: { region: us-west-2, account: \"222222222222\", role_arn: \"arn:aws:iam::222222222222:role/dr\" } }\n";
    let loaded = syntax::parse("t.yaml", format!("{head}{rest}").as_bytes(), None);
    loaded.runbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// The things that a policy allows an action on.
fn on(policy: &Value, action: &str) -> Vec<String> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    let of = statements.filter(|s| s["Action"].as_array().unwrap().iter().any(|a| a == action));
    of.flat_map(|s| s["Resource"].as_array().unwrap()).map(|arn| arn.as_str().unwrap().to_owned()).collect()
}

#[test]
fn looking_is_allowed_nothing_that_changes() {
    let policy = policy(&storefront(), false).to_string();
    for change in CHANGES {
        assert!(!policy.contains(&format!("\"{change}\"")), "{change}");
    }
}

#[test]
fn each_thing_is_named_where_it_stands_and_what_a_run_names_by_a_pattern() {
    let policy = policy(&storefront(), true);
    assert_eq!(
        on(&policy, "rds:PromoteReadReplica"),
        ["us-east-2", "us-west-2"]
            .map(|r| [format!("arn:aws:rds:{r}:*:db:orders"), format!("arn:aws:rds:{r}:*:db:orders-old-*")])
            .concat()
    );
    assert_eq!(
        on(&policy, "rds:ModifyDBParameterGroup"),
        ["arn:aws:rds:us-east-2:*:pg:orders-ohio", "arn:aws:rds:us-west-2:*:pg:orders-oregon"]
    );
    assert!(on(&policy, "rds:CreateDBSnapshot").contains(&"arn:aws:rds:us-east-2:*:snapshot:orders-tail-*".to_owned()));
    assert_eq!(on(&policy, "route53:ChangeResourceRecordSets"), ["arn:aws:route53:::hostedzone/Z0EXAMPLE"]);
    let text = policy.to_string();
    assert!(text.contains(r#""route53:ChangeResourceRecordSetsNormalizedRecordNames":["www.example.com"]"#), "{text}");
    assert!(text.contains(r#""kms:ResourceAliases":"alias/orders""#), "{text}");
    assert_eq!(on(&policy, "states:StartExecution"), Vec::<String>::new());
}

#[test]
fn what_a_runbook_does_not_do_is_not_allowed() {
    let runbook = parsed(
        "resources: { web: { kind: autoscaling-group, sizes: { big: { min: 1, desired: 2, max: 3 } }, sites: { ohio: { name: web }, oregon: { name: web } } } }
failover:
  - { id: grow, action: scale, resource: web, at: oregon, with: { to: big } }
",
    );
    let policy = policy(&runbook, true);
    assert_eq!(
        on(&policy, "autoscaling:UpdateAutoScalingGroup"),
        ["arn:aws:autoscaling:us-west-2:222222222222:autoScalingGroup:*:autoScalingGroupName/web"]
    );
    assert_eq!(on(&policy, "sts:AssumeRole"), ["arn:aws:iam::222222222222:role/dr"]);
    assert_eq!(on(&policy, "cloudwatch:GetMetricData"), Vec::<String>::new());
    assert_eq!(
        on(&policy, "rds:DescribeDBInstances"),
        ["arn:aws:rds:us-east-2:111111111111:db:*", "arn:aws:rds:us-west-2:222222222222:db:*"],
        "whether a Region answers"
    );
}

#[test]
fn secrets_and_machines_are_named_and_other_partitions_spelt_so() {
    let runbook = parsed(
        "resources:
  orders: { kind: rds-instance, engine: postgres, sites: { ohio: { identifier: orders }, oregon: { identifier: orders } }, connection: { user: lifeboat, password: { secret: orders/lifeboat } } }
  warm: { kind: state-machine, sites: { oregon: { arn: \"arn:aws:states:us-west-2:222222222222:stateMachine:warm\" } } }
failover:
  - { id: warm, action: run-state-machine, resource: warm, at: oregon }
",
    );
    let policy = policy(&runbook, true);
    assert!(
        on(&policy, "secretsmanager:GetSecretValue")
            .contains(&"arn:aws:secretsmanager:us-west-2:222222222222:secret:orders/lifeboat-??????".to_owned())
    );
    assert_eq!(on(&policy, "states:StartExecution"), ["arn:aws:states:us-west-2:222222222222:stateMachine:warm"]);
    assert_eq!(on(&policy, "states:DescribeExecution"), ["arn:aws:states:us-west-2:222222222222:execution:warm:*"]);
    let mut away = runbook.clone();
    away.sites.values_mut().for_each(|site| site.region = crate::ids::Region::new("cn-north-1"));
    assert!(
        on(&super::policy(&away, false), "rds:DescribeDBInstances").iter().all(|arn| arn.starts_with("arn:aws-cn:"))
    );
}

#[test]
fn expressions_become_patterns() {
    assert_eq!(pattern("orders-old-${run.id}"), "orders-old-*");
    assert_eq!(pattern("${at.name}-x"), "*-x");
    assert_eq!(pattern("plain"), "plain");
}
