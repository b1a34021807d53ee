//! Looks at Route 53, and the sets that a change must carry whole.

use super::{
    errors::Failed,
    eyes::{Asked, Place},
};
use crate::{
    driver::LookError,
    world::{
        FEW_NAMES, Seen,
        dns::{Batch, ChangeStatus, RecordSet, Records},
    },
};
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The record sets of a zone, those of these names; pending changes are among them.
pub(super) async fn records(place: &Place<'_>, zone: &str, names: &BTreeSet<String>) -> Asked {
    let mut sets = vec![];
    if u64::try_from(names.len()).is_ok_and(|many| (1..=FEW_NAMES).contains(&many)) {
        for name in names {
            let Some(found) = list(place, zone, Some(name)).await? else { return Ok(Seen::Absent) };
            sets.extend(found);
        }
    } else {
        let Some(found) = list(place, zone, None).await? else { return Ok(Seen::Absent) };
        sets = found;
    }
    sets.retain(|set| names.is_empty() || names.contains(&set.name));
    Ok(Seen::Records(Records { sets }))
}

/// The sets of one name, or of the whole zone; none where there is no such zone.
async fn list(place: &Place<'_>, zone: &str, only: Option<&String>) -> Result<Option<Vec<RecordSet>>, LookError> {
    let (mut sets, mut from) = (vec![], only.map(|name| (name.clone(), None, None)));
    loop {
        place.turn("route53").await;
        let mut call = place.clients.route53.list_resource_record_sets().hosted_zone_id(zone);
        if let Some((name, record_type, identifier)) = from.clone() {
            call =
                call.start_record_name(name).set_start_record_type(record_type).set_start_record_identifier(identifier);
        }
        let page = match call.send().await {
            Ok(page) => page,
            Err(e) => {
                return match Failed::of(&e) {
                    failed if failed.code() == Some("NoSuchHostedZone") => Ok(None),
                    failed => Err(place.failed("route53", failed)),
                };
            }
        };
        place.answered("route53");
        let read: Vec<_> = page.resource_record_sets().iter().map(read).collect();
        let passed = only.is_some_and(|name| read.iter().any(|set| set.name != *name));
        sets.extend(read.into_iter().filter(|set| only.is_none_or(|name| set.name == *name)));
        let next = page.next_record_name().map(|name| {
            (name.to_owned(), page.next_record_type().cloned(), page.next_record_identifier().map(str::to_owned))
        });
        // A page that leads to itself would be read for ever.
        if passed || !page.is_truncated() || next.is_none() || next == from {
            return Ok(Some(sets));
        }
        from = next;
    }
}

/// A name as runbooks spell it: lowercase, no trailing dot, `*` as itself.
pub(super) fn plain(name: &str) -> String {
    name.trim_end_matches('.').replace("\\052", "*").to_lowercase()
}

fn read(set: &ResourceRecordSet) -> RecordSet {
    let number = |n: i64| u32::try_from(n).ok();
    RecordSet {
        name: plain(set.name()),
        record_type: set.r#type().as_str().to_owned(),
        set_identifier: set.set_identifier().map(str::to_owned),
        weight: set.weight().and_then(number),
        ttl: set.ttl().and_then(number),
        values: set.resource_records().iter().map(|r| r.value().to_owned()).collect(),
        rest: rest(set),
    }
}

fn rest(set: &ResourceRecordSet) -> Value {
    let mut rest = serde_json::Map::new();
    if let Some(alias) = set.alias_target() {
        let alias = json!({
            "zone": alias.hosted_zone_id(),
            "name": alias.dns_name(),
            "evaluate_target_health": alias.evaluate_target_health(),
        });
        rest.insert("alias".into(), alias);
    }
    if let Some(id) = set.health_check_id() {
        rest.insert("health_check".into(), id.into());
    }
    if let Some(id) = set.traffic_policy_instance_id() {
        rest.insert("traffic_policy".into(), id.into());
    }
    if rest.is_empty() { Value::Null } else { Value::Object(rest) }
}

/// The set as Route 53 takes it: an UPSERT replaces all of it, so all of it is said.
fn written(set: &RecordSet) -> Result<ResourceRecordSet, aws_sdk_route53::error::BuildError> {
    let record = |value: &String| ResourceRecord::builder().value(value).build();
    let values = set.values.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    let text = |at: &str| set.rest.pointer(at).and_then(Value::as_str);
    let mut built = ResourceRecordSet::builder()
        .name(&set.name)
        .r#type(RrType::from(set.record_type.as_str()))
        .set_set_identifier(set.set_identifier.clone())
        .set_weight(set.weight.map(i64::from))
        .set_ttl(set.ttl.map(i64::from))
        .set_health_check_id(text("/health_check").map(str::to_owned))
        .set_traffic_policy_instance_id(text("/traffic_policy").map(str::to_owned));
    if !values.is_empty() {
        built = built.set_resource_records(Some(values));
    }
    if set.rest.get("alias").is_some() {
        let health = set.rest.pointer("/alias/evaluate_target_health").and_then(Value::as_bool).unwrap_or(false);
        let alias = AliasTarget::builder()
            .hosted_zone_id(text("/alias/zone").unwrap_or_default())
            .dns_name(text("/alias/name").unwrap_or_default())
            .evaluate_target_health(health);
        built = built.alias_target(alias.build()?);
    }
    built.build()
}

/// A batch as Route 53 takes it; its comment says whose it is.
pub(super) fn batch(batch: &Batch, token: &str) -> Result<ChangeBatch, aws_sdk_route53::error::BuildError> {
    let change = |set| Change::builder().action(ChangeAction::Upsert).resource_record_set(written(set)?).build();
    let changes = batch.upserts.iter().map(change).collect::<Result<Vec<_>, _>>()?;
    ChangeBatch::builder().comment(format!("lifeboat {token}")).set_changes(Some(changes)).build()
}

/// How far a change is; one that is not known any more was stranded by a failover of Route 53 itself.
pub(super) async fn change(place: &Place<'_>, id: &str) -> Asked {
    place.turn("route53").await;
    match place.clients.route53.get_change().id(id).send().await {
        Ok(told) => {
            place.answered("route53");
            let done = told.change_info().is_some_and(|c| c.status().as_str() == "INSYNC");
            Ok(Seen::Change(if done { ChangeStatus::InSync } else { ChangeStatus::Pending }))
        }
        Err(e) => match Failed::of(&e) {
            failed if failed.code() == Some("NoSuchChange") => Ok(Seen::Absent),
            failed => Err(place.failed("route53", failed)),
        },
    }
}

/// The name servers that a zone is delegated to.
pub(super) async fn name_servers(place: &Place<'_>, zone: &str) -> Result<Vec<String>, LookError> {
    place.turn("route53").await;
    let told = place.clients.route53.get_hosted_zone().id(zone).send().await;
    let told = told.map_err(|e| place.failed("route53", Failed::of(&e)))?;
    place.answered("route53");
    Ok(told.delegation_set().map(|d| d.name_servers().to_vec()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_of_a_set_is_written_back_whole() {
        let alias = AliasTarget::builder()
            .hosted_zone_id("Z35SXDOTRQ7X7K")
            .dns_name("lb.us-east-1.elb.amazonaws.com.")
            .evaluate_target_health(true)
            .build()
            .expect("whole");
        let set = ResourceRecordSet::builder()
            .name("shop.example.com")
            .r#type(RrType::A)
            .set_identifier("ohio")
            .weight(100)
            .alias_target(alias)
            .health_check_id("hc-1")
            .build()
            .expect("whole");
        assert_eq!(written(&read(&set)).expect("whole"), set);
    }

    #[test]
    fn names_are_compared_as_runbooks_spell_them() {
        assert_eq!(plain("\\052.Shop.Example.COM."), "*.shop.example.com");
    }
}
