//! DNS zones: batches that change whole sets at once, name servers that learn of it within a
//! minute, clients that keep old answers.

use super::{
    chance,
    state::{Event, State},
};
use crate::{
    clock::{Span, Timestamp},
    ids::SiteName,
    model::Kind,
    world::dns::{Batch, ChangeStatus, RecordSet, Records},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A hosted zone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Zone {
    /// Its sets, as the API lists them.
    pub(super) records: Records,
    /// Its sets, as all its name servers know them.
    pub(super) served: Records,
    changes: Vec<Submitted>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Submitted {
    id: String,
    at: Timestamp,
    in_sync_at: Timestamp,
}

/// The name that clients use: the first weighted record of the runbook.
pub(super) struct Front {
    pub(super) zone: String,
    pub(super) name: String,
    pub(super) record_type: String,
    sites: BTreeMap<String, SiteName>,
}

impl State {
    pub(super) fn build_zones(&mut self) {
        let home = self.spec.sites[self.home()].name.clone();
        for resource in self.spec.resources.values() {
            let Kind::WeightedRecord { zone, records, record_type, sites } = &resource.kind else { continue };
            let zone = self.zones.entry(zone.clone()).or_default();
            for name in records {
                for (n, (site, identity)) in sites.iter().enumerate() {
                    let value = match record_type.as_str() {
                        "A" => format!("192.0.2.{}", n + 1),
                        "AAAA" => format!("2001:db8::{}", n + 1),
                        _ => format!("{site}.{name}"),
                    };
                    zone.records.sets.push(RecordSet {
                        name: name.to_lowercase().trim_end_matches('.').to_owned(),
                        record_type: record_type.clone(),
                        set_identifier: Some(identity.set_identifier.clone()),
                        weight: Some(if *site == home { 100 } else { 0 }),
                        ttl: Some(60),
                        values: vec![value],
                        rest: Value::Null,
                    });
                }
            }
        }
        for zone in self.zones.values_mut() {
            zone.served = zone.records.clone();
        }
    }

    /// The name that clients use; none where the runbook has no weighted record.
    pub(super) fn front(&self) -> Option<Front> {
        self.spec.resources.values().find_map(|resource| {
            let Kind::WeightedRecord { zone, records, record_type, sites } = &resource.kind else { return None };
            Some(Front {
                zone: zone.clone(),
                name: records.first()?.to_lowercase().trim_end_matches('.').to_owned(),
                record_type: record_type.clone(),
                sites: sites.iter().map(|(site, id)| (id.set_identifier.clone(), site.clone())).collect(),
            })
        })
    }

    /// Takes a batch: all of it, or none; why not.
    pub(super) fn change_records(&mut self, batch: &Batch) -> Result<String, super::calls::No> {
        use super::calls::No;
        let now = self.now;
        let id = format!("C{:014X}", self.chance("change id") >> 8);
        let in_sync_at = now + self.chance_span("in sync", Span::secs(30), Span::secs(60));
        let Some(zone) = self.zones.get_mut(&batch.zone) else {
            return Err(No::Never(format!("NoSuchHostedZone: there is no zone {}", batch.zone)));
        };
        if zone.changes.last().is_some_and(|last| now.since(last.at) < Span::secs(2)) {
            return Err(No::NotNow("PriorRequestNotComplete: another change of this zone is being taken".into()));
        }
        let before = zone.records.clone();
        for upsert in &batch.upserts {
            let same = |s: &RecordSet| {
                s.name == upsert.name
                    && s.record_type == upsert.record_type
                    && s.set_identifier == upsert.set_identifier
            };
            // An UPSERT replaces the whole set: what it does not carry is gone.
            match zone.records.sets.iter_mut().find(|s| same(s)) {
                Some(set) => *set = upsert.clone(),
                None => zone.records.sets.push(upsert.clone()),
            }
        }
        zone.changes.push(Submitted { id: id.clone(), at: now, in_sync_at });
        self.later(in_sync_at, Event::InSync(batch.zone.clone()));
        self.clients_will_ask(batch, &before, in_sync_at);
        Ok(id)
    }

    pub(super) fn in_sync(&mut self, zone: &str) {
        let now = self.now;
        if let Some(zone) = self.zones.get_mut(zone)
            && zone.changes.iter().all(|change| change.in_sync_at <= now)
        {
            zone.served = zone.records.clone();
        }
    }

    /// How far a change is; none where no zone knows it.
    pub(super) fn change_status(&self, id: &str) -> Option<ChangeStatus> {
        let change = self.zones.values().flat_map(|zone| &zone.changes).find(|change| change.id == id)?;
        Some(if self.now >= change.in_sync_at { ChangeStatus::InSync } else { ChangeStatus::Pending })
    }

    /// The set that one of many askers is answered with, each place between 0 and 1,000 another
    /// asker: in proportion to the weights, all alike where all are 0.
    pub(super) fn answer<'a>(records: &'a Records, name: &str, record_type: &str, place: u64) -> Option<&'a RecordSet> {
        let sets: Vec<_> = records
            .sets
            .iter()
            .filter(|s| s.name == name && s.record_type == record_type && s.weight.is_some())
            .collect();
        let total: u64 = sets.iter().filter_map(|s| s.weight).map(u64::from).sum();
        let weight = |s: &RecordSet| if total == 0 { 1 } else { u64::from(s.weight.unwrap_or(0)) };
        let all: u64 = sets.iter().map(|s| weight(s)).sum();
        let (mut seen, wanted) = (0, place * all);
        sets.into_iter().find(|set| {
            seen += weight(set) * 1000;
            seen > wanted
        })
    }

    /// The site that an asker of the clients' name is sent to; none where the answer is empty.
    pub(super) fn led_to(&self, records: &Records, front: &Front, place: u64) -> Option<usize> {
        let set = Self::answer(records, &front.name, &front.record_type, place)?;
        if set.values.is_empty() && set.rest.is_null() {
            return None;
        }
        self.site(front.sites.get(set.set_identifier.as_deref()?)?)
    }

    /// The site that most clients' weights are at: the active one.
    pub(super) fn active_site(&self) -> usize {
        let Some(front) = self.front() else { return self.home() };
        let Some(zone) = self.zones.get(&front.zone) else { return self.home() };
        self.led_to(&zone.records, &front, 500).unwrap_or(self.home())
    }

    /// Chance of a look: which asker it is.
    pub(super) fn asker(&self, purpose: &str, n: u64) -> u64 {
        chance::draw(self.seed, purpose, self.now.since(self.born).0 * 128 + n) % 1000
    }
}
