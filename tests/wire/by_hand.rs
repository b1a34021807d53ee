//! Somebody else: does by boto3, past the proxy and past lifeboat, what lifeboat was about to do.

use crate::{witness::Witness, world::STANDBY};
use lifeboat::world::{Call, Effect, asg, dns, rds};
use serde_json::{Value, json};

/// Does the very same.
pub fn do_it(witness: &Witness, account: &str, effect: &Effect) {
    let region = effect.target.region.as_str();
    match &effect.call {
        Call::Rds(call) => {
            let (operation, parameters) = database(account, region, call);
            witness.call("rds", region, operation, &parameters);
        }
        Call::Scaling(asg::Call::Update { name, size, .. }) => {
            let sizes = json!({
                "AutoScalingGroupName": name,
                "MinSize": size.min, "DesiredCapacity": size.desired, "MaxSize": size.max,
            });
            witness.call("autoscaling", region, "update_auto_scaling_group", &sizes);
        }
        Call::Dns(batch) => {
            let changes: Vec<_> = batch.upserts.iter().map(upsert).collect();
            let batch = json!({ "HostedZoneId": batch.zone, "ChangeBatch": { "Changes": changes } });
            witness.call("route53", "us-east-1", "change_resource_record_sets", &batch);
        }
        other => panic!("nobody does this by hand here: {other:?}"),
    }
}

fn upsert(set: &dns::RecordSet) -> Value {
    let values: Vec<_> = set.values.iter().map(|value| json!({ "Value": value })).collect();
    json!({ "Action": "UPSERT", "ResourceRecordSet": {
        "Name": set.name, "Type": set.record_type, "SetIdentifier": set.set_identifier,
        "Weight": set.weight, "TTL": set.ttl, "ResourceRecords": values,
    } })
}

fn database(account: &str, region: &str, call: &rds::Call) -> (&'static str, Value) {
    use rds::Call as R;
    match call {
        R::Promote { identifier, backup_retention, .. } => (
            "promote_read_replica",
            json!({ "DBInstanceIdentifier": identifier, "BackupRetentionPeriod": backup_retention }),
        ),
        R::SetParameter { group, parameter, value: Some(value), .. } => {
            let set = json!([{ "ParameterName": parameter, "ParameterValue": value, "ApplyMethod": "immediate" }]);
            ("modify_db_parameter_group", json!({ "DBParameterGroupName": group, "Parameters": set }))
        }
        R::SetParameter { group, parameter, value: None, .. } => {
            let reset = json!([{ "ParameterName": parameter, "ApplyMethod": "immediate" }]);
            ("reset_db_parameter_group", json!({ "DBParameterGroupName": group, "Parameters": reset }))
        }
        R::Tag { on, key, value } => {
            let name = match on {
                rds::Tagged::Db(id) => format!("arn:aws:rds:{region}:{account}:db:{id}"),
                rds::Tagged::Parameters(group) => format!("arn:aws:rds:{region}:{account}:pg:{group}"),
            };
            match value {
                Some(value) => {
                    ("add_tags_to_resource", json!({ "ResourceName": name, "Tags": [{ "Key": key, "Value": value }] }))
                }
                None => ("remove_tags_from_resource", json!({ "ResourceName": name, "TagKeys": [key] })),
            }
        }
        R::SetSecurityGroups { identifier, groups, .. } => (
            "modify_db_instance",
            json!({ "DBInstanceIdentifier": identifier, "VpcSecurityGroupIds": groups, "ApplyImmediately": true }),
        ),
        R::Rename { identifier, to, .. } => (
            "modify_db_instance",
            json!({ "DBInstanceIdentifier": identifier, "NewDBInstanceIdentifier": to, "ApplyImmediately": true }),
        ),
        R::CreateSnapshot { identifier, name, .. } => {
            ("create_db_snapshot", json!({ "DBInstanceIdentifier": identifier, "DBSnapshotIdentifier": name }))
        }
        R::CreateReplica(new) => (
            "create_db_instance_read_replica",
            json!({
                "DBInstanceIdentifier": new.identifier,
                "SourceDBInstanceIdentifier": format!("arn:aws:rds:{}:{account}:db:{}", STANDBY.1, new.source.identifier),
                "DBInstanceClass": new.settings.class,
                "DBParameterGroupName": new.parameter_group,
                "VpcSecurityGroupIds": new.security_groups,
                "KmsKeyId": new.kms_key,
                "MultiAZ": new.settings.multi_az,
            }),
        ),
        R::WriteMarker { .. } => panic!("nobody writes a marker by hand"),
    }
}
