//! Looks at Auto Scaling groups.

use super::{errors::Failed, eyes::Place};
use crate::{
    clock::Timestamp,
    driver::{LookError, lately::FRESH},
    model::Size,
    world::{Seen, What, asg::Group},
};
use aws_sdk_autoscaling::types::{Activity, AutoScalingGroup, LifecycleState, ScalingActivityStatusCode};
use std::{collections::BTreeMap, time::Duration};

/// A request takes no more names, and gives no more groups.
const PAGE: usize = 100;

/// The groups that were asked for, by one describe; a name without a group is simply not among them.
pub(super) async fn groups(place: &Place<'_>, asked: &[&What]) -> Result<Vec<Group>, LookError> {
    let name = |what: &&What| if let What::Group(name) = what { Some(name.clone()) } else { None };
    let names: Vec<_> = asked.iter().filter_map(name).collect();
    let mut found = vec![];
    for some in names.chunks(PAGE) {
        place.turn("autoscaling").await;
        let call = place.clients.autoscaling.describe_auto_scaling_groups().max_records(100);
        let mut pages = call.set_auto_scaling_group_names(Some(some.to_vec())).into_paginator().items().send();
        while let Some(group) = pages.next().await {
            let group = group.map_err(|e| place.failed("autoscaling", Failed::of(&e)))?;
            found.extend(read(&group));
        }
    }
    // Only a group that lacks servers has a failure worth telling.
    let lacking: Vec<_> = found.iter_mut().filter(|g| g.in_service < g.size.desired).collect();
    if !lacking.is_empty() {
        tell_failures(place, lacking).await?;
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

/// Why a group's last launch failed, and when.
pub(super) type Failure = Option<(Timestamp, String)>;

/// Tells of groups that lack servers why: the call that asked for them succeeds whatever comes of it. One
/// request for all of them, and not at every look.
async fn tell_failures(place: &Place<'_>, mut lacking: Vec<&mut Group>) -> Result<(), LookError> {
    if lacking.iter().any(|group| place.memory.failures.told(&group.name, FRESH).is_none()) {
        let newest = newest(place, &lacking).await?;
        for group in &lacking {
            // What is not among the newest failed as it did.
            let known = || place.memory.failures.told(&group.name, Duration::MAX).flatten();
            let failure = newest.get(&group.name).cloned().unwrap_or_else(known);
            place.memory.failures.tell(group.name.clone(), failure);
        }
    }
    for group in &mut lacking {
        group.failure = place.memory.failures.told(&group.name, FRESH).flatten();
    }
    Ok(())
}

/// The newest activity of each group, where it failed: of several groups as far as they are among the
/// hundred newest of the Region.
async fn newest(place: &Place<'_>, lacking: &[&mut Group]) -> Result<BTreeMap<String, Failure>, LookError> {
    place.turn("autoscaling").await;
    let call = place.clients.autoscaling.describe_scaling_activities();
    let call = match lacking {
        [group] => call.auto_scaling_group_name(&group.name).max_records(1),
        _ => call.max_records(100),
    };
    let told = call.send().await.map_err(|e| place.failed("autoscaling", Failed::of(&e)))?;
    let mut newest: BTreeMap<String, &Activity> = BTreeMap::new();
    for activity in told.activities() {
        let known = newest.entry(activity.auto_scaling_group_name().unwrap_or_default().to_owned()).or_insert(activity);
        if activity.start_time() > known.start_time() {
            *known = activity;
        }
    }
    Ok(newest.into_iter().map(|(name, activity)| (name, failure(activity))).collect())
}

fn failure(activity: &Activity) -> Failure {
    if activity.status_code() != Some(&ScalingActivityStatusCode::Failed) {
        return None;
    }
    let at = activity.end_time().or(activity.start_time()).and_then(|t| t.to_millis().ok());
    let why = activity.status_message().or(activity.cause()).unwrap_or("no reason given");
    Some((at.map_or_else(Timestamp::wall, Timestamp), why.to_owned()))
}
