//! Where benches play: the double, and a world of two Regions on it that is as ever before each round. Its
//! database is promoted already, and whatever is called has happened when it is answered, so that all that is
//! measured is what the client does.

use crate::{double::Double, environment, witness::Witness};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// The account of calls that say none.
pub const ACCOUNT: &str = "123456789012";
pub const HOME: (&str, &str) = ("ohio", "us-east-2");
pub const STANDBY: (&str, &str) = ("oregon", "us-west-2");
const NAME: &str = "www.example.com";

pub struct Stage {
    pub endpoint: String,
    pub witness: Witness,
    pub zone: String,
    pub folder: tempfile::TempDir,
}

impl Stage {
    pub fn new() -> Self {
        environment::settle();
        let double = Double::shared();
        let witness = Witness::of(ACCOUNT);
        let zone = witness.build(HOME, STANDBY);
        double.control("POST", "clock", &json!({ "scale": 0 }));
        // Promoted, and nobody else is a writer.
        witness.call("rds", STANDBY.1, "promote_read_replica", &json!({ "DBInstanceIdentifier": "orders" }));
        let gone = json!({ "DBInstanceIdentifier": "orders", "SkipFinalSnapshot": true });
        witness.call("rds", HOME.1, "delete_db_instance", &gone);
        let endpoint = format!("http://{}", double.address());
        Self { endpoint, witness, zone, folder: tempfile::tempdir().unwrap() }
    }

    /// A call of the standby's Region, past lifeboat.
    pub fn call(&self, service: &str, operation: &str, asked: &Value) -> Value {
        self.witness.call(service, STANDBY.1, operation, asked)
    }

    /// Writes the runbook, with more in it.
    pub fn runbook(&self, more: &str) -> PathBuf {
        let path = self.folder.path().join("flow.yaml");
        fs::write(&path, self.text(more)).unwrap();
        path
    }

    fn text(&self, more: &str) -> String {
        let (endpoint, zone) = (&self.endpoint, &self.zone);
        let site = |(name, region)| format!("{name}: {{ region: {region}, endpoint_url: \"{endpoint}\" }}");
        let (home, standby) = (site(HOME), site(STANDBY));
        let each = |what: &str| {
            let one = |(name, _): (&str, &str)| format!("{name}: {{ {} }}", what.replace("SITE", name));
            format!("sites: {{ {}, {} }}", one(HOME), one(STANDBY))
        };
        format!(
            "version: 1
name: flow
sites: {{ {home}, {standby} }}
aws: {{ endpoint_url: \"{endpoint}\" }}
primary: ohio
standby: oregon
resources:
  orders: {{ kind: rds-instance, engine: postgres, {orders} }}
  web: {{ kind: autoscaling-group, sizes: {{ serving: {{ min: 4, desired: 8, max: 16 }} }}, {web} }}
  www: {{ kind: weighted-record, zone: {zone}, type: A, records: [{NAME}], {www} }}
{more}failover:
  - {{ id: promote, action: promote-replica, resource: orders, planned: skip }}
  - {{ id: grow, action: scale, resource: web, with: {{ to: serving }} }}
  - {{ id: traffic, action: shift-traffic, resource: www }}
",
            orders = each("identifier: orders"),
            web = each("name: web"),
            www = each("set_identifier: SITE"),
        )
    }

    /// The world before the flow.
    pub fn reset(&self) {
        let size = json!({ "AutoScalingGroupName": "web", "MinSize": 1, "DesiredCapacity": 2, "MaxSize": 16 });
        self.call("autoscaling", "update_auto_scaling_group", &size);
        let change = |(site, weight, address): (&str, u32, &str)| {
            let records = [json!({ "Value": address })];
            let set = json!({ "Name": NAME, "Type": "A", "SetIdentifier": site, "Weight": weight, "TTL": 60, "ResourceRecords": records });
            json!({ "Action": "UPSERT", "ResourceRecordSet": set })
        };
        let changes = [(HOME.0, 100, "192.0.2.1"), (STANDBY.0, 0, "192.0.2.2")].map(change);
        let batch = json!({ "HostedZoneId": self.zone, "ChangeBatch": { "Changes": changes } });
        self.witness.call("route53", "us-east-1", "change_resource_record_sets", &batch);
    }

    /// Where the flow leads users.
    pub fn weights(&self) -> BTreeMap<String, u64> {
        self.witness.weights(&self.zone, NAME)
    }
}
