//! Looks at Auto Scaling groups.

use super::{errors::Failed, eyes::Place};
use crate::{
    clock::Timestamp,
    driver::LookError,
    model::Size,
    world::{Seen, What, asg::Group},
};
use aws_sdk_autoscaling::types::{AutoScalingGroup, LifecycleState, ScalingActivityStatusCode};

/// The groups that were asked for, by one describe; a name without a group is simply not among them.
pub(super) async fn groups(place: &Place<'_>, asked: &[&What]) -> Result<Vec<Group>, LookError> {
    let name = |what: &&What| if let What::Group(name) = what { Some(name.clone()) } else { None };
    place.turn("autoscaling").await;
    let call = place.clients.autoscaling.describe_auto_scaling_groups();
    let mut pages = call
        .set_auto_scaling_group_names(Some(asked.iter().filter_map(name).collect()))
        .into_paginator()
        .items()
        .send();
    let mut found = vec![];
    while let Some(group) = pages.next().await {
        let group = group.map_err(|e| place.failed("autoscaling", Failed::of(&e)))?;
        found.extend(read(&group));
    }
    // Only a group that lacks servers has a failure worth telling.
    for group in found.iter_mut().filter(|g| g.in_service < g.size.desired) {
        group.failure = failure(place, &group.name).await?;
    }
    place.answered("autoscaling");
    Ok(found)
}

/// What was asked of the groups.
pub(super) fn answer(what: &What, all: &[Group]) -> Seen {
    let found = all.iter().find(|group| matches!(what, What::Group(name) if *name == group.name));
    found.map_or(Seen::Absent, |group| Seen::Group(group.clone()))
}

fn read(seen: &AutoScalingGroup) -> Option<Group> {
    let count = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let serves = |i: &&aws_sdk_autoscaling::types::Instance| {
        i.lifecycle_state() == Some(&LifecycleState::InService) && i.health_status() == Some("Healthy")
    };
    // With weights the desired capacity counts weight, not machines.
    let weight = |i: &aws_sdk_autoscaling::types::Instance| {
        i.weighted_capacity().and_then(|w| w.parse::<u32>().ok()).unwrap_or(1)
    };
    Some(Group {
        name: seen.auto_scaling_group_name()?.to_owned(),
        size: Size {
            min: count(seen.min_size()),
            desired: count(seen.desired_capacity()),
            max: count(seen.max_size()),
        },
        in_service: seen.instances().iter().filter(serves).map(weight).sum(),
        suspended: seen.suspended_processes().iter().filter_map(|p| p.process_name().map(str::to_owned)).collect(),
        failure: None,
    })
}

/// The newest activity, where it failed: the call that asked for servers succeeds whatever comes of it.
async fn failure(place: &Place<'_>, name: &str) -> Result<Option<(Timestamp, String)>, LookError> {
    place.turn("autoscaling").await;
    let call = place.clients.autoscaling.describe_scaling_activities().auto_scaling_group_name(name).max_records(1);
    let told = call.send().await.map_err(|e| place.failed("autoscaling", Failed::of(&e)))?;
    let newest = told.activities().first().filter(|a| a.status_code() == Some(&ScalingActivityStatusCode::Failed));
    Ok(newest.map(|activity| {
        let at = activity.end_time().or(activity.start_time()).and_then(|t| t.to_millis().ok());
        let why = activity.status_message().or(activity.cause()).unwrap_or("no reason given");
        (at.map_or_else(Timestamp::wall, Timestamp), why.to_owned())
    }))
}
