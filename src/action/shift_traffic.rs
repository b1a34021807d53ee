//! `shift-traffic`: sends all users to a site. It takes the weight that the other had, the other
//! gets 0, in one atomic batch: two calls would pass through 0/0, which answers with both.

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, PastEffect, StepCx,
    databases::{answer, unknown},
};
use crate::{
    clock::Span,
    ids::SiteName,
    model::{Fields, Impact, Kind, KindName, Resource, Shape, fact},
    world::{
        Call, Effect, Seen, Target, What, World,
        dns::{Batch, ChangeStatus, RecordSet, Records, few},
        permission,
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "shift-traffic",
        doc: "Sends all users to a site, at once: it takes the weight the other had, the other 0, in one batch; waits until all name servers know.",
        fields: &[],
    },
    kinds: &[KindName::WeightedRecord],
    at: DefaultAt::To,
    outputs: &[],
    impact: Impact::Disruptive,
    calls: &[permission::SHIFT],
    timeout: Span::mins(10),
    undone_by: None,
    lower,
};

fn lower(_: &mut Fields<'_>) -> Option<Action> {
    Some(Action::ShiftTraffic(ShiftTraffic {}))
}

/// Parameters of `shift-traffic`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftTraffic {}

/// The zone of a weighted record; none for other kinds.
pub(super) fn zone(item: &Resource) -> Option<Target> {
    match &item.kind {
        Kind::WeightedRecord { zone, .. } => Some(Target::global(What::Records(zone.clone()))),
        Kind::RdsInstance { .. } | Kind::AutoscalingGroup { .. } | Kind::StateMachine { .. } => None,
    }
}

/// The largest weight that a site has among a resource's records; none where it has no set.
pub fn weight(item: &Resource, records: &Records, site: &SiteName) -> Option<u32> {
    let Kind::WeightedRecord { records: names, record_type, sites, .. } = &item.kind else { return None };
    let id = &sites.get(site)?.set_identifier;
    let of = |name| {
        records.weighted(name, record_type).find(|s| s.set_identifier.as_ref() == Some(id)).and_then(|s| s.weight)
    };
    names.iter().map(|name| of(name)).collect::<Option<Vec<_>>>()?.into_iter().max()
}

impl Behave for ShiftTraffic {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let changes = cx
            .past
            .sent
            .iter()
            .filter_map(|sent| sent.receipt.as_ref()?.id.clone())
            .map(|id| Target::global(What::Change(id)));
        cx.items.iter().filter_map(|item| zone(item)).chain(changes).collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        // All records of a zone move in one batch.
        let mut zones: BTreeMap<Target, Vec<&Resource>> = BTreeMap::new();
        for item in &cx.items {
            zones.entry(zone(item).unwrap_or_else(|| Target::at(cx.at, What::Site))).or_default().push(item);
        }
        Next::all(zones.into_iter().map(|(zone, items)| answer(|| shift(cx, &zone, &items, w))))
    }
}

fn shift(cx: &StepCx<'_>, zone: &Target, items: &[&Resource], w: &World) -> Result<Next, Next> {
    let records = match w.seen(zone) {
        Some(Seen::Records(records)) => records,
        Some(Seen::Absent) => {
            return Err(Next::stuck(
                format!("{zone} does not exist"),
                "compare the runbook's zone id with the account",
            ));
        }
        seen => return Err(unknown(zone, seen)),
    };
    let mut upserts = vec![];
    for item in items {
        upserts.extend(wanted(item, records, &cx.at.name)?);
    }
    if !upserts.is_empty() {
        let What::Records(id) = &zone.what else { return Err(Next::stuck("no zone", "name a weighted record")) };
        // One batch moves all, unless there is more than one batch takes; then the rest follows.
        let batch = Batch::first_of(id.clone(), &upserts);
        let before: Vec<_> = batch
            .upserts
            .iter()
            .filter_map(|new| {
                records.sets.iter().find(|s| {
                    s.name == new.name && s.record_type == new.record_type && s.set_identifier == new.set_identifier
                })
            })
            .collect();
        let one = |s: &&RecordSet| format!("{} {}", s.set_identifier.as_deref().unwrap_or("-"), s.weight.unwrap_or(0));
        let shown = few(before.iter().map(one));
        return Ok(Next::send(Effect { target: zone.clone(), call: Call::Dns(batch) }, shown));
    }
    in_sync(cx, zone, w)
}

/// The sets that have to change for a site to get everyone; each whole, as an UPSERT replaces all of it.
fn wanted(item: &Resource, records: &Records, site: &SiteName) -> Result<Vec<RecordSet>, Next> {
    let Kind::WeightedRecord { records: names, record_type, sites, .. } = &item.kind else { return Ok(vec![]) };
    let own = sites.get(site).map(|id| id.set_identifier.as_str());
    let mut changed = vec![];
    for name in names {
        let sets: Vec<_> = records.weighted(name, record_type).collect();
        let Some(here) = sets.iter().find(|s| s.set_identifier.as_deref() == own) else {
            return Err(Next::stuck(
                format!("{name} has no weighted set for {site}"),
                "create it with weight 0 beforehand",
            ));
        };
        let most = sets.iter().filter_map(|s| s.weight).max().unwrap_or(0);
        for set in &sets {
            let is_here = set.set_identifier == here.set_identifier;
            let weight = match (is_here, here.weight.unwrap_or(0)) {
                (false, _) => 0,
                (true, 0) => {
                    if most == 0 {
                        100
                    } else {
                        most
                    }
                }
                (true, own) => own,
            };
            if set.weight != Some(weight) {
                changed.push(RecordSet { weight: Some(weight), ..(*set).clone() });
            }
        }
    }
    Ok(changed)
}

/// Waits until all name servers know what was changed, where anything was.
fn in_sync(cx: &StepCx<'_>, zone: &Target, w: &World) -> Result<Next, Next> {
    let changes = cx.past.sent.iter().filter(|sent| sent.effect.target == *zone);
    let waits = changes.map(|sent| answer(|| followed(cx, sent, w)));
    Ok(match Next::all(waits) {
        Next::Done { .. } => Next::done_with(vec![fact("traffic", format!("all at {}", cx.at.name))]),
        other => other,
    })
}

/// Waits until all name servers know one change.
fn followed(cx: &StepCx<'_>, sent: &PastEffect, w: &World) -> Result<Next, Next> {
    /// Route 53 propagates "usually within 60 seconds" (GetChange).
    const USUALLY: Span = Span::secs(60);
    let Some(receipt) = &sent.receipt else {
        // Settled by looking: there is no change to follow, so the usual time is waited out.
        let until = sent.at + USUALLY;
        let wait = Next::Wait {
            on: vec![sent.effect.target.clone()],
            why: "the change to reach all name servers".into(),
            until: Some(until),
            holds: None,
        };
        return Ok(if cx.now >= until { Next::done() } else { wait });
    };
    let Some(id) = receipt.id.clone() else { return Ok(Next::done()) };
    let change = Target::global(What::Change(id));
    match w.seen(&change) {
        Some(Seen::Change(ChangeStatus::InSync)) => Ok(Next::done()),
        Some(Seen::Change(ChangeStatus::Pending)) => Ok(Next::wait([change], "the change to reach all name servers")),
        // A change that is not known any more was stranded by a failover of Route 53 itself.
        Some(Seen::Absent) => Err(Next::stuck(
            "Route 53 does not know the change any more",
            "resume with --retry: the records are looked at and changed again if needed",
        )),
        seen => Err(unknown(&change, seen)),
    }
}
