//! Somebody else changes the same thing otherwise while lifeboat's call is under way, and its answer is
//! lost: the run stops and says so, and sends nothing over what the other one did until a person says so.

use crate::{
    lab::Lab,
    proxy::{Fault, Rule},
    witness::Witness,
    world::{HOME, NAME, STANDBY, Wire},
};
use lifeboat::{
    event::{EventKind, RunOutcome},
    model::Direction,
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A failover in which it happens to a step's call, whether or not the server did that call before its
/// answer was lost. A person then has the step tried again.
async fn comes_between(step: &str, operation: &str, fault: Fault, other: fn(&Wire) -> Other) {
    let lab = Lab::new(Wire::at_once());
    let (account, other) = (lab.wire.account.clone(), other(&lab.wire));
    let (at_stop, proxy) = (Arc::new(Mutex::new(vec![])), lab.wire.proxy.clone());
    lab.wire.proxy.meanwhile(operation, move || other.done_in(&account));
    lab.wire.proxy.spoil(Rule::on(operation, fault.clone()).times(1));
    let plan = lab.plan(Direction::Failover, "r1").await;
    let (sent, name) = (at_stop.clone(), operation.to_owned());
    let react = move |event: &EventKind| {
        if matches!(event, EventKind::RunPaused { .. }) {
            sent.lock().unwrap().push(proxy.calls_of(&name).len());
        }
    };
    let ran = lab.run(plan, Box::new(react)).await;
    let told = || format!("{step} {fault:?}: {:?}\n{}", ran.stops, ran.told());
    let [(stopped, why)] = &ran.stops[..] else { panic!("{}", told()) };
    assert!(stopped == step && why.contains("changed by somebody else meanwhile"), "{}", told());
    assert_eq!(*at_stop.lock().unwrap(), [1], "{}", told());
    assert_eq!((ran.outcome, lab.wire.proxy.calls_of(operation).len()), (RunOutcome::Done, 2), "{}", told());
    let weights = lab.wire.witness.weights(&lab.wire.zone, NAME);
    assert!(weights[HOME.0] == 0 && weights[STANDBY.0] > 0, "{weights:?}\n{}", told());
    assert_eq!(lab.wire.witness.sizes(STANDBY.1, "web"), [4, 8, 16, 8], "{}", told());
    assert_eq!(lab.wire.witness.parameters(HOME.1, "orders-ohio")["default_transaction_read_only"], "1", "{}", told());
}

/// What somebody else does: service, Region, operation, and its parameters.
pub struct Other {
    call: (&'static str, &'static str, &'static str),
    parameters: Value,
}

impl Other {
    pub fn done_in(&self, account: &str) {
        let (service, region, call) = self.call;
        Witness::of(account).call(service, region, call, &self.parameters);
    }
}

#[tokio::test]
async fn servers_that_somebody_else_scales_otherwise_meanwhile() {
    for fault in [Fault::ResetAfter, Fault::ResetBefore] {
        let other = |_: &Wire| Other {
            call: ("autoscaling", STANDBY.1, "update_auto_scaling_group"),
            parameters: json!({ "AutoScalingGroupName": "web", "MinSize": 2, "DesiredCapacity": 3, "MaxSize": 9 }),
        };
        Box::pin(comes_between("grow", "UpdateAutoScalingGroup", fault, other)).await;
    }
}

#[tokio::test]
async fn a_parameter_that_somebody_else_sets_otherwise_meanwhile() {
    for fault in [Fault::ResetAfter, Fault::ResetBefore] {
        let other = |_: &Wire| {
            let parameter = "default_transaction_read_only";
            let set = json!([{ "ParameterName": parameter, "ParameterValue": "0", "ApplyMethod": "immediate" }]);
            Other {
                call: ("rds", HOME.1, "modify_db_parameter_group"),
                parameters: json!({ "DBParameterGroupName": "orders-ohio", "Parameters": set }),
            }
        };
        Box::pin(comes_between("freeze", "ModifyDBParameterGroup", fault, other)).await;
    }
}

#[tokio::test]
async fn weights_that_somebody_else_sets_otherwise_meanwhile() {
    for fault in [Fault::ResetAfter, Fault::ResetBefore] {
        Box::pin(comes_between("shift", "ChangeResourceRecordSets", fault, mostly_back)).await;
    }
}

/// Most users back home.
pub fn mostly_back(wire: &Wire) -> Other {
    let set = |id: &str, weight: u32, value: &str| {
        json!({ "Action": "UPSERT", "ResourceRecordSet": {
            "Name": NAME, "Type": "A", "SetIdentifier": id, "Weight": weight, "TTL": 60,
            "ResourceRecords": [{ "Value": value }],
        } })
    };
    let changes = [set(HOME.0, 90, "192.0.2.1"), set(STANDBY.0, 10, "192.0.2.2")];
    Other {
        call: ("route53", "us-east-1", "change_resource_record_sets"),
        parameters: json!({ "HostedZoneId": wire.zone, "ChangeBatch": { "Changes": changes } }),
    }
}
