//! `verify-dns`: the names lead to a site, as the zone's own servers tell it; and whoever asked
//! before the shift has had time to forget.

use super::{
    Action, ActionRow, Assumed, Behave, DefaultAt, Next, StepCx,
    databases::unknown,
    shift_traffic::{weight, zone},
    verify_http::{assume, judge},
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, Kind, KindName, Resource, Shape, Ty, fact},
    world::{Seen, Target, What, World, probe},
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "verify-dns",
        doc: "Waits until names lead to a site, as the zone's own name servers answer.",
        fields: &[Field::default("wait_old_ttl", Ty::Flag, "false", "Also waits as long as old answers may be kept.")],
    },
    kinds: &[KindName::WeightedRecord],
    at: DefaultAt::To,
    outputs: &[],
    impact: Impact::Read,
    calls: &[],
    timeout: Span::mins(10),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    Some(Action::VerifyDns(VerifyDns { wait_old_ttl: f.flag("wait_old_ttl").unwrap_or(false) }))
}

/// Parameters of `verify-dns`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyDns {
    /// Also wait as long as old answers may be kept.
    pub wait_old_ttl: bool,
}

/// The DNS questions about a resource.
fn questions(cx: &StepCx<'_>, item: &Resource) -> Vec<Target> {
    let Kind::WeightedRecord { zone, records, record_type, sites } = &item.kind else { return vec![] };
    let Some(own) = sites.get(&cx.at.name) else { return vec![] };
    let ask = |name: &String| probe::Dns {
        zone: zone.clone(),
        name: name.clone(),
        record_type: record_type.clone(),
        set_identifier: own.set_identifier.clone(),
    };
    records.iter().map(|name| Target::at(cx.at, What::Dns(ask(name)))).collect()
}

impl Behave for VerifyDns {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        cx.items.iter().flat_map(|item| questions(cx, item).into_iter().chain(zone(item))).collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| self.verify(cx, item, w)))
    }

    fn assume(&self, cx: &StepCx<'_>, w: &mut World) -> Option<Assumed> {
        cx.items.iter().flat_map(|item| questions(cx, item)).for_each(|q| assume(&q, cx, w));
        Some(Assumed { what: "the name servers answer with the new site".into(), takes: Span::secs(5) })
    }
}

impl VerifyDns {
    fn verify(&self, cx: &StepCx<'_>, item: &Resource, w: &World) -> Next {
        let Some(zone) = zone(item) else {
            return Next::stuck(format!("{} is no DNS record", item.name), "name a weighted record");
        };
        let Some(Seen::Records(records)) = w.seen(&zone) else { return unknown(&zone, w.seen(&zone)) };
        if weight(item, records, &cx.at.name).is_none_or(|w| w == 0) {
            return Next::Wait {
                on: vec![zone],
                why: format!("{} to be weighted to {}", item.name, cx.at.name),
                until: None,
                holds: Some(false),
            };
        }
        let answered = Next::all(questions(cx, item).iter().map(|q| judge(q, w)));
        if !self.wait_old_ttl || !matches!(answered, Next::Done { .. }) {
            return answered;
        }
        let Kind::WeightedRecord { records: names, record_type, .. } = &item.kind else { return answered };
        let ttl =
            names.iter().flat_map(|name| records.weighted(name, record_type)).filter_map(|s| s.ttl).max().unwrap_or(60);
        let ttl = Span::secs(ttl.into());
        match cx.past.holding_since {
            Some(since) if cx.now.since(since) >= ttl => Next::done_with(vec![fact(
                item.name.as_str(),
                format!("leads to {}; answers older than {ttl} are gone", cx.at.name),
            )]),
            since => Next::Wait {
                on: questions(cx, item),
                why: format!("old answers to expire, {ttl}"),
                until: Some(since.unwrap_or(cx.now) + ttl),
                holds: Some(true),
            },
        }
    }
}
