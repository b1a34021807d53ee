//! A zone of a thousand record sets, through plan and run: two changing calls, and no name whose
//! weights are all 0 in between.

use crate::{
    binary::{Ran, ran},
    environment,
    world::{HOME, STANDBY, Wire},
};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

const NAMES: usize = 500;
/// What a page of a zone holds at most.
const PAGE: usize = 300;

fn name(n: usize) -> String {
    format!("shop{n}.example.com")
}

/// Builds the names, a set for each site, all weight at home.
fn fill(wire: &Wire) {
    let set = |n: usize, (site, weight, address): (&str, u32, &str)| {
        let records = [json!({ "Value": address })];
        json!({ "Action": "CREATE", "ResourceRecordSet": {
            "Name": name(n), "Type": "A", "SetIdentifier": site, "Weight": weight, "TTL": 60, "ResourceRecords": records,
        } })
    };
    let sets = |n| [(HOME.0, 100, "192.0.2.1"), (STANDBY.0, 0, "192.0.2.2")].map(|site| set(n, site));
    for half in [0..NAMES / 2, NAMES / 2..NAMES] {
        let changes: Vec<Value> = half.flat_map(sets).collect();
        let batch = json!({ "HostedZoneId": wire.zone, "ChangeBatch": { "Changes": changes } });
        wire.witness.call("route53", "us-east-1", "change_resource_record_sets", &batch);
    }
}

fn runbook(wire: &Wire) -> String {
    let endpoint = wire.proxy.url();
    let account = &wire.account;
    let site = |(name, region): (&str, &str)| {
        format!("  {name}: {{ region: {region}, account: \"{account}\", endpoint_url: \"{endpoint}\" }}\n")
    };
    let names: Vec<_> = (0..NAMES).map(name).collect();
    format!(
        "version: 1
name: shops
sites:
{}{}aws: {{ endpoint_url: \"{endpoint}\" }}
primary: ohio
standby: oregon
resources:
  shops:
    kind: weighted-record
    zone: {}
    type: A
    records: [{}]
    sites: {{ ohio: {{ set_identifier: ohio }}, oregon: {{ set_identifier: oregon }} }}
failover:
  - {{ id: traffic, action: shift-traffic, resource: shops }}
",
        site(HOME),
        site(STANDBY),
        wire.zone,
        names.join(", "),
    )
}

fn lifeboat(home: &Path, line: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(line.split(' ')).arg(home.join("shops.yaml")).arg("--store").arg(home.join("store"));
    ran(environment::give(&mut command)).ends(0)
}

/// The weights of a name in a recorded batch, each with its site.
fn weights(batch: &str, name: &str) -> Vec<(String, String)> {
    let tag = |text: &str, tag: &str| {
        let inside = text.split_once(&format!("<{tag}>"))?.1;
        Some(inside.split_once('<')?.0.to_owned())
    };
    let sets = batch.split("<ResourceRecordSet>").skip(1).filter(|set| tag(set, "Name").as_deref() == Some(name));
    sets.map(|set| (tag(set, "SetIdentifier").unwrap(), tag(set, "Weight").unwrap())).collect()
}

#[test]
fn a_thousand_record_sets_move_by_two_calls() {
    let (wire, home) = (Wire::at_once(), tempfile::tempdir().unwrap());
    fill(&wire);
    wire.forget();
    fs::write(home.path().join("shops.yaml"), runbook(&wire)).unwrap();

    let plan = lifeboat(home.path(), "plan --output json");
    assert_eq!(wire.proxy.changes(), [], "a plan reads");
    let planned = plan.out.matches("ChangeResourceRecordSets").count();
    assert!(planned >= 2, "the plan tells both calls: {planned}");

    wire.forget();
    lifeboat(home.path(), "failover --planned --yes --no-reprotect");
    let batches = wire.proxy.changes();
    let call = ("ChangeResourceRecordSets".to_owned(), true);
    assert_eq!(wire.served(), [call.clone(), call]);
    // A batch happens whole or not at all: whatever moves a name moves both of its sets.
    for n in 0..NAMES {
        let moved: Vec<_> =
            batches.iter().map(|b| weights(&b.parameters, &name(n))).filter(|w| !w.is_empty()).collect();
        let [moved] = &moved[..] else { panic!("{} is in {} batches", name(n), moved.len()) };
        let both = [("ohio", "0"), ("oregon", "100")].map(|(site, weight)| (site.to_owned(), weight.to_owned()));
        assert_eq!(moved[..], both);
    }
    // Seen before the run, at its step, after each batch: and each time no page twice.
    let pages = (2 * NAMES).div_ceil(PAGE) + 1;
    let read = wire.proxy.calls_of("ListResourceRecordSets").len();
    assert!(read <= 4 * pages, "{read} pages were read");

    wire.forget();
    lifeboat(home.path(), "failover --planned --yes --no-reprotect");
    assert_eq!(wire.proxy.changes(), [], "all users are there already");
}
