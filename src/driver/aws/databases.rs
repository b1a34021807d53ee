//! Looks at RDS: instances, parameter groups, snapshots.

use super::{
    access::Clients,
    errors::Failed,
    eyes::{Asked, Place},
    instance,
};
use crate::{
    clock::Timestamp,
    driver::LookError,
    world::{
        Seen, What,
        probe::Answer,
        rds::{Db, Parameters, Snapshot, TAG_RETIRED_FROM},
    },
};
use aws_sdk_rds::types::{DbSnapshot, Filter};
use std::collections::BTreeMap;

/// No page is longer, and no list of names that is given to a service.
const PAGE: usize = 100;

/// All instances that were asked for, by one describe: by name where only names were asked for, and few.
pub(super) async fn instances(place: &Place<'_>, asked: &[&What]) -> Result<Vec<Db>, LookError> {
    let names: Vec<String> = asked.iter().filter_map(|what| named(what)).collect();
    let all = asked.iter().any(|what| matches!(what, What::Retired(_))) || names.len() > PAGE;
    place.turn("rds").await;
    let mut call = place.clients.rds.describe_db_instances();
    if names.is_empty() && !all {
        // Only whether it answers: a filter without values is refused, and the shortest page will do.
        call.max_records(20).send().await.map_err(|e| place.failed("rds", Failed::of(&e)))?;
        place.answered("rds");
        return Ok(vec![]);
    }
    if !all {
        call = call.filters(by("db-instance-id", &names));
    }
    let mut pages = call.into_paginator().items().send();
    let mut found = vec![];
    while let Some(instance) = pages.next().await {
        let instance = instance.map_err(|e| place.failed("rds", Failed::of(&e)))?;
        if let Some((owner, _)) = instance.db_instance_arn().and_then(|arn| arn.split_once(":db:")) {
            place.memory.owner.get_or_init(|| owner.to_owned());
        }
        found.extend(instance::read(&instance, &place.site, place.sites));
    }
    place.answered("rds");
    place.memory.addresses.learn(&names, &found);
    Ok(found)
}

fn by(what: &str, names: &[String]) -> Filter {
    Filter::builder().name(what).set_values(Some(names.to_vec())).build()
}

fn named(what: &What) -> Option<String> {
    match what {
        // Names are stored in lowercase.
        What::Db(name) | What::Snapshot(name) => Some(name.to_lowercase()),
        _ => None,
    }
}

/// What was asked of the instances.
pub(super) fn answer(what: &What, all: &[Db]) -> Seen {
    match what {
        What::Db(id) => {
            let found = all.iter().find(|db| db.identifier.eq_ignore_ascii_case(id));
            found.map_or(Seen::Absent, |db| Seen::Db(db.clone()))
        }
        What::Retired(id) => {
            let mut retired: Vec<_> =
                all.iter().filter(|db| db.tags.get(TAG_RETIRED_FROM) == Some(id)).cloned().collect();
            // The new name ends in the run's id, which begins with its time.
            retired.sort_by(|a, b| b.identifier.cmp(&a.identifier));
            Seen::Dbs(retired)
        }
        // That there is an answer at all is what was asked.
        _ => Seen::Answer(Answer::plain(true, "RDS answers")),
    }
}

/// A parameter group: the values that somebody set, and lifeboat's tags.
pub(super) async fn parameters(place: &Place<'_>, name: &str) -> Asked {
    place.turn("rds").await;
    let arn = match place.memory.owner.get() {
        Some(owner) => Ok(Some(format!("{owner}:pg:{name}"))),
        None => group_arn(place.clients, name).await,
    };
    let Some(arn) = arn.map_err(|f| place.failed("rds", f))? else { return Ok(Seen::Absent) };
    let tags = place.clients.rds.list_tags_for_resource().resource_name(arn).send();
    let (values, tags) = tokio::join!(values(place.clients, name), tags);
    let values = match values {
        Err(failed) if is_missing_group(&failed) => return Ok(Seen::Absent),
        values => values.map_err(|f| place.failed("rds", f))?,
    };
    let tags = tags.map_err(|e| place.failed("rds", Failed::of(&e)))?;
    place.answered("rds");
    Ok(Seen::Parameters(Parameters { name: name.to_owned(), values, tags: instance::tags(tags.tag_list()) }))
}

fn is_missing_group(failed: &Failed) -> bool {
    failed.code().is_some_and(|code| code.starts_with("DBParameterGroupNotFound"))
}

/// What was set in a parameter group by anyone.
async fn values(clients: &Clients, name: &str) -> Result<BTreeMap<String, String>, Failed> {
    let call = clients.rds.describe_db_parameters().db_parameter_group_name(name).source("user");
    let mut pages = call.into_paginator().items().send();
    let mut values = BTreeMap::new();
    while let Some(parameter) = pages.next().await {
        let parameter = parameter.map_err(|e| Failed::of(&e))?;
        if let (Some(name), Some(value)) = (parameter.parameter_name(), parameter.parameter_value()) {
            values.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(values)
}

/// The ARN of a parameter group, by which it is tagged; none where there is no such group.
pub(super) async fn group_arn(clients: &Clients, name: &str) -> Result<Option<String>, Failed> {
    match clients.rds.describe_db_parameter_groups().db_parameter_group_name(name).send().await {
        Ok(found) => {
            Ok(found.db_parameter_groups().first().and_then(|g| g.db_parameter_group_arn()).map(str::to_owned))
        }
        Err(e) => match Failed::of(&e) {
            failed if is_missing_group(&failed) => Ok(None),
            failed => Err(failed),
        },
    }
}

/// The snapshots that were asked for, by their names.
pub(super) async fn snapshots(place: &Place<'_>, asked: &[&What]) -> Result<BTreeMap<String, Snapshot>, LookError> {
    let names: Vec<String> = asked.iter().filter_map(|what| named(what)).collect();
    let mut found = BTreeMap::new();
    for some in names.chunks(PAGE) {
        place.turn("rds").await;
        let call = place.clients.rds.describe_db_snapshots().filters(by("db-snapshot-id", some));
        let mut pages = call.into_paginator().items().send();
        while let Some(snapshot) = pages.next().await {
            let snapshot = snapshot.map_err(|e| place.failed("rds", Failed::of(&e)))?;
            found.extend(snapshot.db_snapshot_identifier().map(|name| (name.to_lowercase(), read(name, &snapshot))));
        }
    }
    place.answered("rds");
    Ok(found)
}

/// Asks for none.
pub(super) fn no_snapshot() -> Filter {
    by("db-snapshot-id", &["none".to_owned()])
}

fn read(name: &str, seen: &DbSnapshot) -> Snapshot {
    let taken = seen.original_snapshot_create_time().or(seen.snapshot_create_time());
    Snapshot {
        name: name.to_owned(),
        of: seen.dbi_resource_id().unwrap_or_default().to_owned(),
        complete: seen.status() == Some("available"),
        // A snapshot that has only begun tells no time yet.
        taken: taken.and_then(|t| t.to_millis().ok()).map_or_else(Timestamp::wall, Timestamp),
    }
}

/// What was asked of the snapshots.
pub(super) fn kept(what: &What, all: &BTreeMap<String, Snapshot>) -> Seen {
    let found = named(what).and_then(|name| all.get(&name));
    found.map_or(Seen::Absent, |snapshot| Seen::Snapshot(snapshot.clone()))
}
