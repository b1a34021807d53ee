//! Sends over the wire: each is one changing call, and afterwards the world is as the witness says.

use crate::world::{HOME, NAME, STANDBY, Wire};
use lifeboat::{
    clock::{BootClock, BootInstant},
    driver::SendError,
    ids::SiteName,
    model::{DbEngine, Size},
    world::{
        Call, Effect, Receipt, Seen, Target, What, asg, dns,
        dns::ChangeStatus,
        rds::{self, NewReplica, Settings, Source, Tagged},
    },
};
use std::collections::BTreeMap;

/// What the runbook sends, and by which operation.
pub struct Sample {
    pub target: Target,
    pub call: Call,
    pub operation: &'static str,
}

/// One of each call that AWS answers, in an order in which each can be taken, one after another.
pub fn samples(wire: &Wire) -> Vec<Sample> {
    let (home, standby) = (wire.resource_id(HOME.1, "orders"), wire.resource_id(STANDBY.1, "orders"));
    let orders = || What::Db("orders".into());
    let frozen = |value: Option<&str>| {
        let (group, parameter) = ("orders-ohio".into(), "default_transaction_read_only".into());
        rds::Call::SetParameter { group, parameter, value: value.map(str::to_owned), freezes: value.is_some() }
    };
    let tag = |on: Tagged, value: Option<&str>| rds::Call::Tag {
        on,
        key: "lifeboat:frozen-from".into(),
        value: value.map(str::to_owned),
    };
    let (db, group) = (|| Tagged::Db("orders".into()), || Tagged::Parameters("orders-ohio".into()));
    let parameters = || What::Parameters("orders-ohio".into());
    let name = || "orders".to_owned();
    let rds = |site, what, call, operation| Sample { target: wire.at(site, what), call: Call::Rds(call), operation };
    let quarantine =
        rds::Call::SetSecurityGroups { identifier: name(), resource_id: home.clone(), groups: vec!["sg-0a".into()] };
    let snapshot =
        rds::Call::CreateSnapshot { identifier: name(), resource_id: home.clone(), name: "orders-tail-r1".into() };
    let rename = rds::Call::Rename { identifier: name(), resource_id: home, to: "orders-old-r1".into() };
    let promote = rds::Call::Promote { identifier: name(), resource_id: standby, backup_retention: 7 };
    let size = Size { min: 4, desired: 5, max: 16 };
    vec![
        rds(HOME, parameters(), tag(group(), Some("unset")), "AddTagsToResource"),
        rds(HOME, parameters(), frozen(Some("1")), "ModifyDBParameterGroup"),
        rds(HOME, parameters(), frozen(None), "ResetDBParameterGroup"),
        rds(HOME, parameters(), tag(group(), None), "RemoveTagsFromResource"),
        rds(HOME, orders(), tag(db(), Some("sg-app-ohio")), "AddTagsToResource"),
        rds(HOME, orders(), quarantine, "ModifyDBInstance"),
        rds(HOME, What::Snapshot("orders-tail-r1".into()), snapshot, "CreateDBSnapshot"),
        Sample {
            target: wire.at(STANDBY, What::Group("web".into())),
            call: Call::Scaling(asg::Call::Update { name: "web".into(), size, shrinks: false }),
            operation: "UpdateAutoScalingGroup",
        },
        rds(STANDBY, orders(), promote, "PromoteReadReplica"),
        shift(wire),
        rds(HOME, orders(), rename, "ModifyDBInstance"),
        rds(HOME, orders(), replica(), "CreateDBInstanceReadReplica"),
    ]
}

/// All weight to the standby.
fn shift(wire: &Wire) -> Sample {
    let set = |id: &str, weight, value: &str| dns::RecordSet {
        name: NAME.into(),
        record_type: "A".into(),
        set_identifier: Some(id.into()),
        weight: Some(weight),
        ttl: Some(60),
        values: vec![value.into()],
        rest: serde_json::Value::Null,
    };
    let upserts = vec![set("ohio", 0, "192.0.2.1"), set("oregon", 100, "192.0.2.2")];
    Sample {
        target: Target::global(What::Records(wire.zone.clone())),
        call: Call::Dns(dns::Batch { zone: wire.zone.clone(), upserts }),
        operation: "ChangeResourceRecordSets",
    }
}

/// Home follows the standby.
fn replica() -> rds::Call {
    rds::Call::CreateReplica(Box::new(NewReplica {
        identifier: "orders".into(),
        source: Source { site: Some(SiteName::new(STANDBY.0)), identifier: "orders".into() },
        source_region: STANDBY.1.into(),
        engine: DbEngine::Postgres,
        parameter_group: "orders-ohio".into(),
        security_groups: vec!["sg-app-ohio".into()],
        kms_key: Some("alias/orders".into()),
        settings: Settings { class: "db.r6g.large".into(), subnet_group: None, option_group: None, multi_az: true },
    }))
}

#[tokio::test]
async fn a_whole_move_call_by_call() {
    let wire = Wire::at_once();
    let (witness, home, standby) = (&wire.witness, HOME.1, STANDBY.1);
    let old = wire.resource_id(home, "orders");
    let mut sent = vec![];
    for (n, sample) in samples(&wire).into_iter().enumerate() {
        let receipt = wire.send(sample.target, sample.call).await;
        let Ok(Receipt { id, .. }) = receipt else { panic!("{n} {}: {receipt:?}", sample.operation) };
        sent.push((sample.operation.to_owned(), true));
        match n {
            0 => assert_eq!(witness.group_tags(home, "orders-ohio")["lifeboat:frozen-from"], "unset"),
            1 => assert_eq!(witness.parameters(home, "orders-ohio")["default_transaction_read_only"], "1"),
            2 => assert_eq!(witness.parameters(home, "orders-ohio"), BTreeMap::new()),
            3 => assert_eq!(witness.group_tags(home, "orders-ohio"), BTreeMap::new()),
            4 => {
                let tags = crate::witness::Witness::tags(&witness.db(home, "orders"));
                assert_eq!(tags["lifeboat:frozen-from"], "sg-app-ohio");
                assert_eq!(tags["team"], "storefront", "tags of others stay");
            }
            5 => assert_eq!(witness.db(home, "orders")["VpcSecurityGroups"][0]["VpcSecurityGroupId"], "sg-0a"),
            6 => assert_eq!(witness.snapshots(home, "orders"), ["orders-tail-r1"]),
            7 => assert_eq!(witness.sizes(standby, "web"), [4, 5, 16, 5]),
            8 => {
                let db = witness.db(standby, "orders");
                assert!(db.get("ReadReplicaSourceDBInstanceIdentifier").is_none_or(|s| s == ""));
                assert_eq!(db["BackupRetentionPeriod"], 7);
            }
            9 => {
                let weights = [("ohio".to_owned(), 0), ("oregon".to_owned(), 100)];
                assert_eq!(witness.weights(&wire.zone, NAME), BTreeMap::from(weights));
                let change = wire.at(HOME, What::Change(id.expect("Route 53 names its changes")));
                let seen = wire.eyes().look(&[&change]).await.remove(0);
                assert_eq!(seen, Ok(Seen::Change(ChangeStatus::InSync)));
            }
            10 => assert_eq!(witness.db(home, "orders-old-r1")["DbiResourceId"], old),
            _ => {
                let source = format!("arn:aws:rds:{standby}:{}:db:orders", wire.account);
                let db = witness.db(home, "orders");
                assert_eq!(db["ReadReplicaSourceDBInstanceIdentifier"], source);
                assert_eq!((&db["MultiAZ"], &db["KmsKeyId"]), (&true.into(), &"alias/orders".into()));
            }
        }
    }
    assert_eq!(wire.served(), sent, "one changing call each, and no other");
    assert!(wire.proxy.changes().iter().all(|call| call.attempt.starts_with("attempt=1")));
}

#[tokio::test]
async fn a_batch_says_whose_it_is() {
    let wire = Wire::at_once();
    let shift = shift(&wire);
    wire.send(shift.target, shift.call).await.unwrap();
    let [call] = &wire.proxy.changes()[..] else { panic!("{:#?}", wire.proxy.calls()) };
    assert!(call.parameters.contains("<Comment>lifeboat r1-step-1</Comment>"), "{}", call.parameters);
}

#[tokio::test]
async fn a_change_submitted_is_pending_at_first() {
    let wire = Wire::new();
    wire.slowness(1_000_000);
    let shift = shift(&wire);
    let id = wire.send(shift.target, shift.call).await.unwrap().id.unwrap();
    assert_eq!(wire.look(HOME, What::Change(id)).await, Ok(Seen::Change(ChangeStatus::Pending)));
}

/// The lease ended long ago.
struct Late;

impl BootClock for Late {
    fn boot(&self) -> BootInstant {
        BootInstant(u64::MAX)
    }
}

#[tokio::test]
async fn nothing_leaves_after_the_end_of_the_lease() {
    let wire = Wire::at_once();
    for sample in samples(&wire) {
        let effect = Effect { target: sample.target, call: sample.call };
        let sent = wire.hand(Late).send(&crate::permits::permit(&effect).await, &effect).await;
        assert!(matches!(sent, Err(SendError::NotSent { .. })), "{}: {sent:?}", sample.operation);
    }
    assert_eq!(wire.proxy.changes(), []);
}

#[tokio::test]
async fn an_instance_that_took_over_the_name_is_not_touched() {
    let wire = Wire::at_once();
    let another = || "db-ANOTHER".to_owned();
    let name = || "orders".to_owned();
    for call in [
        rds::Call::Promote { identifier: name(), resource_id: another(), backup_retention: 7 },
        rds::Call::SetSecurityGroups { identifier: name(), resource_id: another(), groups: vec!["sg-0b".into()] },
        rds::Call::Rename { identifier: name(), resource_id: another(), to: "orders-old-r1".into() },
        rds::Call::CreateSnapshot { identifier: name(), resource_id: another(), name: "tail".into() },
    ] {
        let sent = wire.send(wire.at(STANDBY, What::Db(name())), Call::Rds(call.clone())).await;
        let Err(SendError::Refused { why }) = sent else { panic!("{call:?}: {sent:?}") };
        assert!(why.contains("another instance"), "{why}");
    }
    assert_eq!(wire.proxy.changes(), []);
}

#[tokio::test]
async fn what_is_not_there_is_refused() {
    let wire = Wire::at_once();
    let none = || "none".to_owned();
    let tag = |on| rds::Call::Tag { on, key: "lifeboat:frozen-from".into(), value: Some("unset".into()) };
    let parameter = "default_transaction_read_only".to_owned();
    let size = Size { min: 0, desired: 0, max: 0 };
    for call in [
        Call::Rds(rds::Call::Promote { identifier: none(), resource_id: none(), backup_retention: 7 }),
        Call::Rds(rds::Call::SetParameter { group: none(), parameter, value: None, freezes: false }),
        Call::Rds(tag(Tagged::Db(none()))),
        Call::Rds(tag(Tagged::Parameters(none()))),
        Call::Rds(rds::Call::WriteMarker { identifier: "orders".into(), marker: "m1".into() }),
        Call::Scaling(asg::Call::Update { name: none(), size, shrinks: true }),
        Call::Dns(dns::Batch { zone: "Z0NONE".into(), upserts: vec![] }),
    ] {
        let sent = wire.send(wire.at(HOME, What::Db(none())), call.clone()).await;
        assert!(matches!(sent, Err(SendError::Refused { .. })), "{call:?}: {sent:?}");
    }
    assert!(wire.served().iter().all(|(_, applied)| !applied));
}
