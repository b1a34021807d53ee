//! What many wait for costs as many requests as what one waits for.

use crate::{
    machines::{make, open_the_gate, patient},
    proxy::{Fault, Rule},
    world::{NAME, STANDBY, Wire},
};
use lifeboat::{
    driver::aws::Eyes,
    model::Size,
    world::{Call, Seen, What, asg, sfn::Status},
};
use serde_json::json;

/// What was seen, in the order asked.
async fn looks(wire: &Wire, eyes: &Eyes, whats: &[What]) -> Vec<Seen> {
    let targets: Vec<_> = whats.iter().map(|what| wire.at(STANDBY, what.clone())).collect();
    let seen = eyes.look(&targets.iter().collect::<Vec<_>>()).await;
    seen.into_iter().map(|seen| seen.unwrap()).collect()
}

/// All calls since the last time, by name.
fn calls(wire: &Wire) -> Vec<String> {
    let mut calls: Vec<_> = wire.proxy.calls().into_iter().map(|call| call.operation).collect();
    calls.sort();
    wire.proxy.forget();
    calls
}

#[tokio::test]
async fn snapshots_are_described_together() {
    let wire = Wire::at_once();
    let kept = ["tail-1", "tail-2"];
    for name in kept {
        let asked = json!({ "DBInstanceIdentifier": "orders", "DBSnapshotIdentifier": name });
        wire.witness.call("rds", STANDBY.1, "create_db_snapshot", &asked);
    }
    wire.proxy.forget();
    let seen = looks(&wire, &wire.eyes(), &["tail-1", "none", "tail-2"].map(|name| What::Snapshot(name.into()))).await;
    let names: Vec<_> = seen.iter().map(|s| if let Seen::Snapshot(s) = s { s.name.as_str() } else { "" }).collect();
    assert_eq!(names, ["tail-1", "", "tail-2"]);
    assert_eq!(seen[1], Seen::Absent);
    assert_eq!(calls(&wire), ["DescribeDBSnapshots"]);
}

#[tokio::test]
async fn one_list_tells_which_executions_of_a_machine_still_run() {
    let wire = Wire::at_once();
    let arn = make(&wire, STANDBY, &patient(), "STANDARD");
    let input = |n: u32| json!({ "database": "orders", "state": n });
    for n in 0..3 {
        let asked = json!({ "stateMachineArn": arn, "name": format!("warm-{n}"), "input": input(n).to_string() });
        wire.witness.call("stepfunctions", STANDBY.1, "start_execution", &asked);
    }
    wire.proxy.forget();
    let whats = [0, 1, 2].map(|n| What::Execution(arn.clone(), format!("warm-{n}")));
    let eyes = wire.eyes();
    let stands = async || {
        let seen = looks(&wire, &eyes, &whats).await;
        let one = |seen| if let Seen::Execution(e) = seen { (e.status, e.input) } else { panic!("{seen:?}") };
        seen.into_iter().map(one).collect::<Vec<_>>()
    };
    let running = [0, 1, 2].map(|n| (Status::Running, input(n)));
    assert_eq!(stands().await, running);
    assert_eq!(calls(&wire), ["DescribeExecution"; 3], "what they were given is told by each alone");
    assert_eq!(stands().await, running);
    assert_eq!(calls(&wire), ["ListExecutions"]);
    // Who may not list sees them all the same.
    wire.proxy.spoil(Rule::on("ListExecutions", Fault::AccessDenied));
    assert_eq!(stands().await, running);
    wire.proxy.mend();
    calls(&wire);
    open_the_gate(&wire);
    let ended = [0, 1, 2].map(|n| (Status::Succeeded, input(n)));
    while stands().await != ended {}
    let all = calls(&wire);
    let described = all.iter().filter(|call| *call == "DescribeExecution").count();
    assert!(described >= 3, "the end of each is described: {all:?}");
    stands().await;
    assert_eq!(calls(&wire), ["DescribeExecution"; 3], "no list tells of those that ended");
}

#[tokio::test]
async fn why_servers_do_not_come_is_asked_once_for_all_groups_and_not_at_every_look() {
    let wire = Wire::new();
    // The groups try again, but not while this test looks.
    wire.slowness(1_000_000);
    let groups = ["web", "workers"];
    for name in groups {
        let failing =
            json!({ "region": STANDBY.1, "group": name, "times": 1, "message": format!("no room for {name}") });
        wire.control("autoscaling/fail-launches", failing);
        let size = Size { min: 1, desired: 5, max: 16 };
        let larger = Call::Scaling(asg::Call::Update { name: name.into(), size, shrinks: false });
        wire.send(wire.at(STANDBY, What::Group(name.into())), larger).await.unwrap();
    }
    wire.proxy.forget();
    let eyes = wire.eyes();
    let why = async |names: &[&str]| {
        let whats: Vec<_> = names.iter().map(|name| What::Group((*name).into())).collect();
        let seen = looks(&wire, &eyes, &whats).await;
        let one = |seen| if let Seen::Group(group) = seen { group.failure.map(|(_, why)| why) } else { None };
        seen.into_iter().map(one).collect::<Vec<_>>()
    };
    let told = ["no room for web", "no room for workers"].map(|why| Some(why.to_owned()));
    assert_eq!(why(&groups).await, told);
    assert_eq!(calls(&wire), ["DescribeAutoScalingGroups", "DescribeScalingActivities"]);
    assert_eq!(why(&groups).await, told);
    assert_eq!(why(&groups[..1]).await, told[..1]);
    assert_eq!(calls(&wire), ["DescribeAutoScalingGroups"; 2]);
}

#[tokio::test]
async fn where_a_database_answers_is_asked_once_and_what_a_look_shows_counts() {
    let (wire, oregon) = (Wire::new(), STANDBY.0.into());
    let eyes = wire.eyes();
    let there = eyes.endpoint(&oregon, "orders").await.unwrap();
    assert_eq!(eyes.endpoint(&oregon, "Orders").await, Ok(there.clone()));
    assert_eq!(calls(&wire), ["DescribeDBInstances"]);
    for _ in 0..2 {
        let missing = eyes.endpoint(&oregon, "payments").await.unwrap_err();
        assert!(missing.to_string().contains("database payments at oregon does not exist"), "{missing}");
    }
    assert_eq!(calls(&wire), ["DescribeDBInstances"]);
    let rename =
        json!({ "DBInstanceIdentifier": "orders", "NewDBInstanceIdentifier": "payments", "ApplyImmediately": true });
    wire.witness.call("rds", STANDBY.1, "modify_db_instance", &rename);
    looks(&wire, &eyes, &["orders", "payments"].map(|name| What::Db(name.into()))).await;
    wire.proxy.forget();
    assert!(eyes.endpoint(&oregon, "payments").await.is_ok());
    assert!(eyes.endpoint(&oregon, "orders").await.is_err(), "it was seen to be gone");
    assert_eq!(calls(&wire), [""; 0]);
}

#[tokio::test]
async fn what_name_servers_have_to_answer_is_asked_once() {
    let wire = Wire::new();
    let eyes = wire.eyes();
    let (servers, records) = eyes.zone(&wire.zone).await.unwrap();
    assert_eq!((servers.is_empty(), records.weighted(NAME, "A").count()), (false, 2));
    assert_eq!(eyes.zone(&wire.zone).await, Ok((servers, records)));
    assert_eq!(calls(&wire), ["GetHostedZone", "ListResourceRecordSets"]);
    assert!(eyes.zone("Z0NONE").await.is_err());
}

#[tokio::test]
async fn no_request_has_more_names_than_its_service_takes() {
    let wire = Wire::new();
    let eyes = wire.eyes();
    let named = |what: fn(String) -> What, many: u32, last: &str| -> Vec<What> {
        (1..many).map(|n| what(format!("none-{n}"))).chain([what(last.into())]).collect()
    };
    let databases = looks(&wire, &eyes, &named(What::Db, 101, "orders")).await;
    assert!(matches!(databases.last(), Some(Seen::Db(_))) && databases[..100].iter().all(|s| *s == Seen::Absent));
    assert_eq!(calls(&wire), ["DescribeDBInstances"]);
    let groups = looks(&wire, &eyes, &named(What::Group, 101, "web")).await;
    assert!(matches!(groups.last(), Some(Seen::Group(_))) && groups[..100].iter().all(|s| *s == Seen::Absent));
    assert_eq!(calls(&wire), ["DescribeAutoScalingGroups"; 2]);
    let values = json!({ "region": STANDBY.1, "id": "orders", "values": [7], "then": null });
    wire.control("rds/metric", values);
    let lags = looks(&wire, &eyes, &named(What::Lag, 501, "orders")).await;
    let samples = |seen: &Seen| if let Seen::Lag(lag) = seen { lag.samples.len() } else { panic!("{seen:?}") };
    assert_eq!((samples(&lags[0]), samples(&lags[500]) > 0), (0, true));
    assert_eq!(calls(&wire), ["GetMetricData"; 2]);
}
