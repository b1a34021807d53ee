//! Trials: each read that a runbook needs, made once, to learn whether it may be made.

use super::{Eyes, databases, errors::Failed, eyes::Place, lag};
use crate::{
    driver::LookError,
    ids::SiteName,
    model::MachineArn,
    world::{What, permission::Permission},
};
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::Response;
use std::error::Error;

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It may be made.
    Allowed,
    /// It may be made, but what it asks about is not there.
    Absent,
    /// It may not. AWS's words.
    Denied(String),
    /// There was no answer that tells. Why.
    Unknown(String),
}

impl Eyes {
    /// Makes one of the reads at a site, about a thing of that name.
    pub async fn try_read(&self, site: &SiteName, read: &Permission, name: &str) -> Tried {
        let place = match self.place(site).await {
            Ok(place) => place,
            Err(e) => return Tried::Unknown(e.to_string()),
        };
        place.turn(read.service).await;
        let asked = match read.service {
            "rds" => Box::pin(rds(&place, read, name)).await,
            "autoscaling" => Box::pin(autoscaling(&place, read, name)).await,
            "route53" => Box::pin(route53(&place, read, name)).await,
            "states" => Box::pin(states(&place, read, name)).await,
            "cloudwatch" => return Box::pin(metrics(&place, name)).await,
            "secretsmanager" => of(place.clients.secrets.get_secret_value().secret_id(name).send().await),
            _ => of(place.clients.sts.get_caller_identity().send().await),
        };
        asked.map_or_else(tried, |()| Tried::Allowed)
    }
}

async fn rds(place: &Place<'_>, read: &Permission, name: &str) -> Result<(), Failed> {
    let rds = &place.clients.rds;
    match read.name {
        "DescribeDBParameterGroups" => {
            of(rds.describe_db_parameter_groups().db_parameter_group_name(name).send().await)
        }
        "DescribeDBParameters" => {
            of(rds.describe_db_parameters().db_parameter_group_name(name).max_records(20).send().await)
        }
        // As looks do: a list by names, of which there is none yet.
        "DescribeDBSnapshots" => of(rds.describe_db_snapshots().filters(databases::no_snapshot()).send().await),
        "ListTagsForResource" => match databases::group_arn(place.clients, name).await {
            Ok(Some(arn)) => of(rds.list_tags_for_resource().resource_name(arn).send().await),
            // That is said of the group itself.
            Ok(None) | Err(_) => Ok(()),
        },
        _ => of(rds.describe_db_instances().max_records(20).send().await),
    }
}

async fn autoscaling(place: &Place<'_>, read: &Permission, name: &str) -> Result<(), Failed> {
    let groups = &place.clients.autoscaling;
    match read.name {
        // A group that is not there is a refusal in AWS's words, and known by the other question.
        "DescribeScalingActivities" => {
            of(groups.describe_scaling_activities().auto_scaling_group_name(name).max_records(1).send().await)
                .or_else(unless_absent)
        }
        _ => match groups.describe_auto_scaling_groups().auto_scaling_group_names(name).send().await {
            Ok(found) if found.auto_scaling_groups().is_empty() => {
                Err(Failed::Refused("GroupNotFound".into(), String::new()))
            }
            other => of(other),
        },
    }
}

async fn route53(place: &Place<'_>, read: &Permission, name: &str) -> Result<(), Failed> {
    let zones = &place.clients.route53;
    match read.name {
        "GetChange" => of(zones.get_change().id(name).send().await).or_else(unless_absent),
        "GetHostedZone" => of(zones.get_hosted_zone().id(name).send().await),
        _ => of(zones.list_resource_record_sets().hosted_zone_id(name).max_items(1).send().await),
    }
}

async fn states(place: &Place<'_>, read: &Permission, name: &str) -> Result<(), Failed> {
    let machines = &place.clients.sfn;
    match read.name {
        "DescribeExecution" => {
            let Some(arn) = MachineArn::parse(name).map(|machine| machine.execution("none")) else { return Ok(()) };
            of(machines.describe_execution().execution_arn(arn).send().await).or_else(unless_absent)
        }
        "ListExecutions" => of(machines.list_executions().state_machine_arn(name).max_results(1).send().await),
        _ => of(machines.describe_state_machine().state_machine_arn(name).send().await),
    }
}

async fn metrics(place: &Place<'_>, name: &str) -> Tried {
    match lag::lags(place, &[&What::Lag(name.to_owned())]).await {
        Ok(_) => Tried::Allowed,
        Err(LookError::Permanent { why }) if denied(&why) => Tried::Denied(why),
        Err(e) => Tried::Unknown(e.to_string()),
    }
}

fn of<T, E: ProvideErrorMetadata + Error + 'static>(answer: Result<T, SdkError<E, Response>>) -> Result<(), Failed> {
    answer.map(drop).map_err(|e| Failed::of(&e))
}

/// Where nothing is expected under a name, its absence is a yes.
fn unless_absent(failed: Failed) -> Result<(), Failed> {
    if failed.code().is_some_and(|code| absent(code) || code == "ValidationError") { Ok(()) } else { Err(failed) }
}

fn tried(failed: Failed) -> Tried {
    match failed.code() {
        Some(code) if absent(code) => Tried::Absent,
        Some(code) if denied(code) => Tried::Denied(failed.into_look(None).to_string()),
        _ => Tried::Unknown(failed.into_look(None).to_string()),
    }
}

/// The services' codes for "there is no such thing".
fn absent(code: &str) -> bool {
    code.ends_with("NotFound")
        || code.ends_with("NotFoundFault")
        || code.ends_with("DoesNotExist")
        || ["NoSuchHostedZone", "NoSuchChange", "ResourceNotFoundException"].contains(&code)
}

/// The services' codes for "you may not".
fn denied(code: &str) -> bool {
    ["AccessDenied", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized"].iter().any(|c| code.starts_with(c))
}
