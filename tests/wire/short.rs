//! A short runbook: every changing call of a move and of its reprotect, and nothing that waits for people,
//! commands or a workload.

use crate::world::{HOME, STANDBY, Wire};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

const TEXT: &str = r#"
version: 1
name: short
sites:
  ohio: { region: us-east-2, account: "ACCOUNT", endpoint_url: "URL" }
  oregon: { region: us-west-2, account: "ACCOUNT", endpoint_url: "URL" }
aws: { endpoint_url: "URL" }
primary: ohio
standby: oregon
resources:
  orders:
    kind: rds-instance
    engine: postgres
    sites:
      ohio: { identifier: orders, parameter_group: orders-ohio, quarantine_security_groups: [sg-0a], kms_key: alias/orders }
      oregon: { identifier: orders, parameter_group: orders-oregon, quarantine_security_groups: [sg-0b], kms_key: alias/orders }
  web:
    kind: autoscaling-group
    sizes: { serving: { min: 4, desired: 8, max: 16 }, resting: { min: 1, desired: 2, max: 16 } }
    sites: { ohio: { name: web }, oregon: { name: web } }
  www:
    kind: weighted-record
    zone: ZONE
    records: [www.example.com]
    type: A
    sites: { ohio: { set_identifier: ohio }, oregon: { set_identifier: oregon } }

failover:
  - { id: grow, action: scale, resource: web, at: to, with: { to: serving } }
  - { id: freeze, needs: [], action: freeze-writes, resource: orders, at: from, hold: { max: 20m, then: undo }, undo: unfreeze-writes, skippable: false, emergency: { run: best-effort, timeout: 45s } }
  - { id: drained, needs: [freeze], action: wait-for-replication, resource: orders, at: to, with: { drained: true, proof: metric }, timeout: 3m, skippable: false }
  - { id: promote, needs: [drained, freeze, grow], action: promote-replica, resource: orders, at: to, timeout: 10m, skippable: false }
  - { id: shift, action: shift-traffic, resource: www, at: to, milestone: service-restored }

failback: mirror

reprotect:
  - { id: fence, action: freeze-writes, resource: orders, at: from }
  - { id: quarantine, action: quarantine, resource: orders, at: from }
  - { id: keep_tail, action: snapshot, resource: orders, at: from, with: { name: "orders-tail-${run.id}" } }
  - { id: retire, action: retire, resource: orders, at: from, with: { rename: "orders-old-${run.id}" } }
  - { id: release, action: unfreeze-writes, resource: orders, at: from }
  - { id: reverse, action: reverse-replication, resource: orders, at: from, with: { settings: like-retired } }
  - { id: rest, needs: [], action: scale, resource: web, at: from, with: { to: resting } }
"#;

/// Writes it to a folder, and gives the source of its world what the drain is proven by.
pub fn write(wire: &Wire, folder: &Path) -> PathBuf {
    for site in [HOME, STANDBY] {
        let idle = json!({ "region": site.1, "id": "orders", "metric": "OldestReplicationSlotLag", "values": 0 });
        wire.control("rds/metric", idle);
    }
    let text = [("ACCOUNT", wire.account.clone()), ("URL", wire.proxy.url()), ("ZONE", wire.zone.clone())]
        .iter()
        .fold(TEXT.to_owned(), |text, (from, to)| text.replace(from, to));
    let path = folder.join("short.yaml");
    fs::write(&path, text).unwrap();
    path
}
