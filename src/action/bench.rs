//! A step without an engine: what tests of actions ask it with.

use super::{Action, Next, PastEffect, StepCx, StepPast, lower};
use crate::{
    clock::{Span, Timestamp},
    ids::{ResourceName, RunId, SiteName, StepId},
    model::{DbEngine, DbIdentity, Direction, FromTo, GroupIdentity, Kind, Mode, RecordIdentity, Resource, Site, Size},
    world::{
        Effect, Receipt, Seen, Sight, Target, What, World,
        rds::{ApplyStatus, Db, Parameters, Settings, Source, Status, TAG_FROZEN},
    },
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const NOW: Timestamp = Timestamp(10_000_000);

pub(super) fn site(name: &str) -> Site {
    Site::new(name, name)
}

pub(super) fn resources() -> BTreeMap<ResourceName, Resource> {
    let at = |make: &dyn Fn(&str) -> Value| json!({ "ohio": make("ohio"), "oregon": make("oregon") });
    let dbs: BTreeMap<SiteName, DbIdentity> = serde_json::from_value(at(&|s| json!({ "identifier": "db", "parameter_group": format!("pg-{s}"), "quarantine_security_groups": ["sg-q"] }))).unwrap();
    let groups: BTreeMap<SiteName, GroupIdentity> = serde_json::from_value(at(&|_| json!({ "name": "web" }))).unwrap();
    let records: BTreeMap<SiteName, RecordIdentity> =
        serde_json::from_value(at(&|s| json!({ "set_identifier": s }))).unwrap();
    let sizes = [("serving", 4, 8), ("resting", 1, 2)]
        .map(|(name, min, desired)| (name.to_owned(), Size { min, desired, max: 16 }));
    let kinds = [
        ("db", Kind::RdsInstance { engine: Some(DbEngine::Postgres), sites: dbs, connection: None }),
        ("web", Kind::AutoscalingGroup { sizes: sizes.into(), sites: groups }),
        (
            "www",
            Kind::WeightedRecord {
                zone: "Z1".into(),
                records: vec!["www".into()],
                record_type: "A".into(),
                sites: records,
            },
        ),
    ];
    let machines = ["warm", "cold"].map(|name| {
        let arn = |site: &str| json!({ "arn": format!("arn:aws:states:{site}:111122223333:stateMachine:{name}") });
        (name, Kind::StateMachine { sites: serde_json::from_value(at(&arn)).unwrap() })
    });
    let all = kinds.into_iter().chain(machines);
    all.map(|(name, kind)| (name.into(), Resource { name: name.into(), kind })).collect()
}

/// A step that is asked what is left to do.
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) past: StepPast,
    pub(super) mode: Mode,
    pub(super) direction: Direction,
    pub(super) hold: Option<Span>,
    pub(super) at: &'static str,
    pub(super) undoing: bool,
    pub(super) resources: BTreeMap<ResourceName, Resource>,
}

impl Bench {
    pub(super) fn at(at: &'static str) -> Self {
        let past = StepPast { started: NOW - Span::mins(1), ..StepPast::default() };
        let (mode, direction) = (Mode::Planned, Direction::Failover);
        let (world, resources) = (World::default(), resources());
        Self { world, past, mode, direction, hold: None, at, undoing: false, resources }
    }
    pub(super) fn see(mut self, site_name: &str, what: What, seen: Seen) -> Self {
        let target =
            if site_name == Target::GLOBAL { Target::global(what) } else { Target::at(&site(site_name), what) };
        self.world.put(Sight { target, at: NOW, seen });
        self
    }
    pub(super) fn sent(mut self, effect: &Effect, receipt: Option<Receipt>) -> Self {
        self.past.sent.push(PastEffect { effect: effect.clone().into(), at: NOW, receipt });
        self
    }
    /// The context of a step; `items`: its resources, a blank between them.
    pub(super) fn cx<T>(&self, items: &str, with: impl FnOnce(&StepCx<'_>) -> T) -> T {
        let probes = BTreeMap::new();
        let sites = FromTo { from: site("ohio"), to: site("oregon") };
        let at = site(self.at);
        let all_sites = ["ohio", "oregon", "texas"].map(|name| (name.into(), site(name))).into();
        let cx = StepCx {
            run: &RunId::new("r1"),
            step: &StepId::new("step"),
            sites: &sites,
            all_sites: &all_sites,
            at: &at,
            items: items.split(' ').map(|name| &self.resources[name]).collect(),
            resources: &self.resources,
            probes: &probes,
            mode: self.mode,
            direction: self.direction,
            past: &self.past,
            undoing: self.undoing,
            now: NOW,
            limit: Span::mins(10),
            hold: self.hold,
            incident: NOW - Span::mins(2),
        };
        with(&cx)
    }
    pub(super) fn next(&self, action: &str, resource: &str, with: Value) -> Next {
        let action = action_of(action, &with);
        self.cx(resource, |cx| {
            let missing: Vec<_> =
                action.behave().targets(cx).into_iter().filter(|t| self.world.sight(t).is_none()).collect();
            assert!(missing.is_empty(), "the test shows nothing of {missing:?}");
            action.behave().next(cx, &self.world)
        })
    }
}

pub(super) fn action_of(name: &str, with: &Value) -> Action {
    lower(name, with.as_object().unwrap()).unwrap()
}

pub(super) fn db(status: Status, source: Option<&str>) -> Db {
    Db {
        identifier: "db".into(),
        resource_id: "db-1".into(),
        engine: DbEngine::Postgres,
        status,
        source: source.map(|s| Source { site: Some(s.into()), identifier: "db".into() }),
        replication_normal: true,
        parameter_group: "pg-oregon".into(),
        parameters: ApplyStatus::InSync,
        security_groups: vec!["sg-app".into()],
        backup_retention: 7,
        backup_window: None,
        kms_key: None,
        settings: Settings::default(),
        endpoint: None,
        tags: BTreeMap::new(),
    }
}

pub(super) fn group(site: &str, frozen: bool, tag: Option<&str>) -> Seen {
    let values =
        if frozen { [("default_transaction_read_only".to_owned(), "1".to_owned())].into() } else { BTreeMap::new() };
    let tags = tag.map(|v| (TAG_FROZEN.to_owned(), v.to_owned())).into_iter().collect();
    Seen::Parameters(Parameters { name: format!("pg-{site}"), values, tags })
}

pub(super) fn call(next: &Next) -> String {
    match next {
        Next::Send { effect, .. } => format!("{} {}", effect.call().operation, effect.words().value),
        Next::Done { .. } => "done".into(),
        Next::Wait { why, .. } => format!("wait: {why}"),
        Next::Ask { question, .. } => format!("ask: {question:?}"),
        Next::Stuck { why, .. } => format!("stuck: {why}"),
    }
}
