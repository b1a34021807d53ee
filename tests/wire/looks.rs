//! Looks over the wire: each is as the witness says, and asks no more than it has to.

use crate::{
    proxy::{Fault, Rule},
    world::{HOME, NAME, STANDBY, Wire},
};
use lifeboat::{
    driver::LookError,
    model::{DbEngine, Size},
    world::{
        Call, Seen, What, asg,
        rds::{ApplyStatus, Db, Lag, Source, Status},
    },
};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};

async fn db(wire: &Wire, site: (&str, &str), identifier: &str) -> Db {
    match wire.look(site, What::Db(identifier.into())).await {
        Ok(Seen::Db(db)) => db,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_writer_and_its_replica() {
    let wire = Wire::new();
    let (writer, replica) = (db(&wire, HOME, "orders").await, db(&wire, STANDBY, "orders").await);
    assert_eq!(writer.resource_id, wire.resource_id(HOME.1, "orders"));
    assert_eq!(replica.resource_id, wire.resource_id(STANDBY.1, "orders"));
    assert_eq!((writer.source, writer.backup_retention), (None, 7));
    assert_eq!(replica.source, Some(Source { site: Some(HOME.0.into()), identifier: "orders".into() }));
    assert_eq!((replica.backup_retention, replica.replication_normal), (0, true));
    assert_eq!((replica.engine, replica.status), (DbEngine::Postgres, Status::Available));
    assert_eq!((replica.parameter_group.as_str(), replica.parameters), ("orders-oregon", ApplyStatus::InSync));
    assert_eq!(replica.security_groups, ["sg-app-oregon"]);
    assert_eq!(replica.kms_key.as_deref(), Some("alias/orders"));
    assert_eq!((replica.settings.class.as_str(), replica.settings.multi_az), ("db.r6g.large", true));
    assert_eq!(replica.settings.option_group, None, "a default group is given anew");
    let told = &wire.witness.db(STANDBY.1, "orders")["Endpoint"];
    let endpoint = format!("{}:{}", told["Address"].as_str().unwrap(), told["Port"]);
    assert_eq!(replica.endpoint.as_deref(), Some(endpoint.as_str()));
    assert_eq!(wire.eyes().endpoint(&STANDBY.0.into(), "orders").await, Ok(endpoint));
    assert_eq!(writer.tags, BTreeMap::new(), "tags of others are theirs");
}

#[tokio::test]
async fn what_an_instance_does_and_whether_it_replicates() {
    let wire = Wire::new();
    let infos = json!([{ "StatusType": "read replication", "Normal": false, "Status": "error" }]);
    let state = json!({ "region": STANDBY.1, "id": "orders", "status": "storage-optimization", "status_infos": infos });
    wire.control("rds/instance", state);
    let replica = db(&wire, STANDBY, "orders").await;
    assert_eq!((replica.status, replica.replication_normal), (Status::StorageOptimization, false));
}

#[tokio::test]
async fn what_is_not_there_is_absent_and_what_is_renamed_is_found_by_its_tag() {
    let wire = Wire::new();
    let arn = wire.witness.db(HOME.1, "orders")["DBInstanceArn"].clone();
    let tag = json!({ "ResourceName": arn, "Tags": [{ "Key": "lifeboat:retired-from", "Value": "orders" }] });
    wire.witness.call("rds", HOME.1, "add_tags_to_resource", &tag);
    let rename = json!({ "DBInstanceIdentifier": "orders", "NewDBInstanceIdentifier": "orders-old-r1", "ApplyImmediately": true });
    wire.witness.call("rds", HOME.1, "modify_db_instance", &rename);
    assert_eq!(wire.look(HOME, What::Db("orders".into())).await, Ok(Seen::Absent));
    let Ok(Seen::Dbs(retired)) = wire.look(HOME, What::Retired("orders".into())).await else { panic!("no list") };
    assert_eq!(retired.iter().map(|db| db.identifier.as_str()).collect::<Vec<_>>(), ["orders-old-r1"]);
    assert_eq!(wire.look(HOME, What::Retired("payments".into())).await, Ok(Seen::Dbs(vec![])));
    for what in [What::Parameters("none".into()), What::Snapshot("none".into()), What::Group("none".into())] {
        assert_eq!(wire.look(HOME, what).await, Ok(Seen::Absent));
    }
    assert_eq!(wire.look(HOME, What::Records("Z0NONE".into())).await, Ok(Seen::Absent));
    assert_eq!(wire.look(HOME, What::Change("C0NONE".into())).await, Ok(Seen::Absent));
}

#[tokio::test]
async fn parameters_that_were_set_and_lifeboats_tags() {
    let wire = Wire::new();
    let Ok(Seen::Parameters(seen)) = wire.look(HOME, What::Parameters("orders-ohio".into())).await else {
        panic!("not seen")
    };
    assert_eq!((seen.values, seen.tags), (BTreeMap::new(), BTreeMap::new()), "defaults are nobody's setting");
    let frozen =
        json!({ "ParameterName": "default_transaction_read_only", "ParameterValue": "1", "ApplyMethod": "immediate" });
    let change = json!({ "DBParameterGroupName": "orders-ohio", "Parameters": [frozen] });
    wire.witness.call("rds", HOME.1, "modify_db_parameter_group", &change);
    let Ok(Seen::Parameters(seen)) = wire.look(HOME, What::Parameters("orders-ohio".into())).await else {
        panic!("not seen")
    };
    assert_eq!(seen.values, wire.witness.parameters(HOME.1, "orders-ohio"));
    assert!(seen.frozen(DbEngine::Postgres));
}

#[tokio::test]
async fn a_snapshot_under_way_and_complete() {
    let wire = Wire::new();
    wire.control("rds/instance", json!({ "region": HOME.1, "id": "orders", "status": "available" }));
    let asked = json!({ "DBInstanceIdentifier": "orders", "DBSnapshotIdentifier": "tail" });
    wire.witness.call("rds", HOME.1, "create_db_snapshot", &asked);
    let Ok(Seen::Snapshot(snapshot)) = wire.look(HOME, What::Snapshot("tail".into())).await else { panic!("not seen") };
    assert_eq!((snapshot.name.as_str(), snapshot.complete), ("tail", true));
    assert_eq!(snapshot.of, wire.resource_id(HOME.1, "orders"));
}

#[tokio::test]
async fn groups_and_why_they_cannot_grow() {
    let wire = Wire::new();
    let Ok(Seen::Group(web)) = wire.look(HOME, What::Group("web".into())).await else { panic!("not seen") };
    let seen = [web.size.min, web.size.desired, web.size.max, web.in_service].map(u64::from);
    assert_eq!(seen, wire.witness.sizes(HOME.1, "web"));
    assert_eq!((web.suspended, web.failure), (vec![], None));
    let failing = json!({ "region": STANDBY.1, "group": "web", "times": 1, "message": "no capacity" });
    wire.control("autoscaling/fail-launches", failing);
    let suspend = json!({ "AutoScalingGroupName": "web", "ScalingProcesses": ["AlarmNotification"] });
    wire.witness.call("autoscaling", STANDBY.1, "suspend_processes", &suspend);
    // The group tries again, but not while this test looks.
    wire.slowness(1_000_000);
    let size = Size { min: 1, desired: 5, max: 16 };
    let larger = Call::Scaling(asg::Call::Update { name: "web".into(), size, shrinks: false });
    wire.send(wire.at(STANDBY, What::Group("web".into())), larger).await.unwrap();
    let Ok(Seen::Group(web)) = wire.look(STANDBY, What::Group("web".into())).await else { panic!("not seen") };
    assert_eq!((web.size.desired, web.in_service), (5, 2));
    assert_eq!(web.suspended, ["AlarmNotification"]);
    assert_eq!(web.failure.unwrap().1, "no capacity");
}

#[tokio::test]
async fn records_of_a_zone_and_its_name_servers() {
    let wire = Wire::new();
    let Ok(Seen::Records(records)) = wire.look(HOME, What::Records(wire.zone.clone())).await else {
        panic!("not seen")
    };
    let seen: BTreeMap<_, _> = records
        .weighted(NAME, "A")
        .map(|s| (s.set_identifier.clone().unwrap(), u64::from(s.weight.unwrap())))
        .collect();
    assert_eq!(seen, wire.witness.weights(&wire.zone, NAME));
    assert!(records.sets.iter().all(|set| set.name == NAME && set.ttl == Some(60) && set.values.len() == 1));
    let (servers, answers) = wire.eyes().zone(&wire.zone).await.unwrap();
    assert_eq!(answers, records);
    let told = wire.witness.call("route53", "us-east-1", "get_hosted_zone", &json!({ "Id": wire.zone }));
    assert_eq!(json!(servers), told["DelegationSet"]["NameServers"]);
}

#[tokio::test]
async fn a_zone_longer_than_a_page_is_read_to_its_end_once() {
    let wire = Wire::new();
    let set = |n: u32| {
        json!({ "Action": "CREATE", "ResourceRecordSet": {
        "Name": format!("n{n:03}.example.com"), "Type": "A", "TTL": 60, "ResourceRecords": [{ "Value": "192.0.2.9" }] } })
    };
    let changes: Vec<_> = (0..310).map(set).collect();
    let batch = json!({ "HostedZoneId": wire.zone, "ChangeBatch": { "Changes": changes } });
    wire.witness.call("route53", "us-east-1", "change_resource_record_sets", &batch);
    let whole = lifeboat::driver::aws::Eyes::new(wire.premises(), BTreeMap::new(), Arc::default());
    let seen = whole.look(&[&wire.at(HOME, What::Records(wire.zone.clone()))]).await.remove(0);
    let Ok(Seen::Records(records)) = seen else { panic!("{seen:?}") };
    let named = |name: &str| records.sets.iter().filter(|set| set.name == name).count();
    assert_eq!((named("n000.example.com"), named("n309.example.com"), named(NAME)), (1, 1, 2));
    assert_eq!(records.sets.len(), 310 + 4, "the zone's own NS and SOA, and the two that were there");
    assert_eq!(wire.proxy.calls_of("ListResourceRecordSets").len(), 2);
    // Of one name a page is enough, wherever in the zone it is.
    wire.proxy.forget();
    assert!(wire.look(HOME, What::Records(wire.zone.clone())).await.is_ok());
    assert_eq!(wire.proxy.calls_of("ListResourceRecordSets").len(), 1);
}

#[tokio::test]
async fn lag_of_a_replica_and_of_a_slot() {
    let wire = Wire::new();
    wire.control("rds/metric", json!({ "region": STANDBY.1, "id": "orders", "values": [7, 3, -1], "then": null }));
    let slots = json!({ "region": HOME.1, "id": "orders", "metric": "OldestReplicationSlotLag", "values": [4096, 0], "then": null });
    wire.control("rds/metric", slots);
    let lag = async |site, what| match wire.look(site, what).await {
        Ok(Seen::Lag(Lag { samples })) => {
            assert!(samples.is_sorted_by_key(|s| s.at));
            samples.into_iter().map(|s| s.seconds).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(lag(STANDBY, What::Lag("orders".into())).await, [Some(7.0), Some(3.0), None]);
    assert_eq!(lag(HOME, What::SlotLag("orders".into())).await, [Some(4096.0), Some(0.0)]);
    assert_eq!(lag(HOME, What::Lag("orders".into())).await, [], "a writer has none");
}

#[tokio::test]
async fn a_region_answers_and_a_password_is_read() {
    let wire = Wire::new();
    let seen = wire.look(STANDBY, What::Site).await;
    assert!(matches!(&seen, Ok(Seen::Answer(answer)) if answer.ok), "{seen:?}");
    let secret = |name: &str, text: &str| {
        let asked = json!({ "Name": name, "SecretString": text });
        wire.witness.call("secretsmanager", STANDBY.1, "create_secret", &asked);
    };
    secret("plain", "open sesame");
    secret("managed", r#"{"username":"lifeboat","password":"swordfish"}"#);
    let (eyes, oregon) = (wire.eyes(), STANDBY.0.into());
    assert_eq!(eyes.secret(&oregon, "plain").await, Ok("open sesame".into()));
    assert_eq!(eyes.secret(&oregon, "managed").await, Ok("swordfish".into()));
    assert!(matches!(eyes.secret(&oregon, "none").await, Err(LookError::Permanent { .. })));
}

#[tokio::test]
async fn a_region_that_says_no_or_stumbles_is_not_silent_and_one_that_hangs_up_is() {
    for (fault, silent) in [
        (Fault::AccessDenied, false),
        (Fault::Throttle, false),
        (Fault::Error(403, "ExpiredToken"), false),
        (Fault::Error(503, "ServiceUnavailable"), false),
        (Fault::Page(502), false),
        (Fault::ResetBefore, true),
        (Fault::CutAfter(0), true),
    ] {
        let wire = Wire::new();
        wire.proxy.spoil(Rule::on("DescribeDBInstances", fault.clone()));
        let seen = wire.look(HOME, What::Site).await;
        assert_eq!(matches!(seen, Err(LookError::Silent { .. })), silent, "{fault:?}: {seen:?}");
        assert!(seen.is_err(), "{fault:?}: {seen:?}");
    }
}

#[tokio::test]
async fn one_describe_serves_many_targets_and_each_service_is_asked_once() {
    let wire = Wire::new();
    let asked = [
        What::Db("orders".into()),
        What::Db("payments".into()),
        What::Site,
        What::Retired("orders".into()),
        What::Group("web".into()),
        What::Group("workers".into()),
        What::Lag("orders".into()),
        What::SlotLag("orders".into()),
    ];
    let targets: Vec<_> = [HOME, STANDBY].iter().flat_map(|s| asked.clone().map(|what| wire.at(*s, what))).collect();
    let seen = wire.eyes().look(&targets.iter().collect::<Vec<_>>()).await;
    assert!(seen.iter().all(Result::is_ok), "{seen:#?}");
    let mut calls: Vec<_> = wire.proxy.calls().into_iter().map(|c| format!("{} {}", c.region, c.operation)).collect();
    calls.sort();
    let each = ["DescribeAutoScalingGroups", "DescribeDBInstances", "GetMetricData"];
    let expected: Vec<_> = [HOME, STANDBY].iter().flat_map(|s| each.map(|call| format!("{} {call}", s.1))).collect();
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn a_region_that_is_gone_does_not_hold_up_the_other() {
    let wire = Wire::new();
    wire.proxy.spoil(Rule::region_gone(HOME.1));
    let (eyes, start) = (wire.eyes(), Instant::now());
    let (gone, there) = (wire.at(HOME, What::Db("orders".into())), wire.at(STANDBY, What::Db("orders".into())));
    let limit = Duration::from_secs(3);
    let (gone, there) = ([&gone], [&there]);
    let lost = timeout(limit, eyes.look(&gone));
    let found = async {
        let found = eyes.look(&there).await.remove(0);
        wire.proxy.arrived("DescribeDBInstances", 2).await;
        // From here the limit passes as soon as there is nothing else to do.
        tokio::time::pause();
        found
    };
    let (lost, found) = tokio::join!(lost, found);
    assert!(lost.is_err(), "it is given up when the caller says so");
    assert!(matches!(found, Ok(Seen::Db(_))));
    assert!(start.elapsed() < limit + Duration::from_millis(100));
}
