//! Facts about the sandbox's world, each a trap of the cloud that it must not leave out.

mod accounts;
mod databases;
mod door;
mod histories;
mod kept;
mod lag;
mod machines;
mod outages;
mod workload;

use super::{
    command::{Command, Reply},
    faults::Fault,
    lived::Lived,
    script::Script,
    state::{Spec, State},
};
use crate::{
    clock::{Span, Timestamp},
    driver::{LookError, SendError},
    ids::{Digest, ResourceName, SiteName, StepId},
    model::{DbEngine, DbIdentity, GroupIdentity, Impact, Kind, Objectives, RecordIdentity, Resource, Site, Size},
    runbook::{Runbook, Simulate, Spec as StepSpec, Step},
    world::{
        Call, Effect, Receipt, Run, Seen, Target, What, asg, dns,
        probe::{self, Answer},
        rds::{self, Status},
    },
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) const START: Timestamp = Timestamp(1_800_000_000_000);

fn site(name: &str, region: &str) -> (SiteName, Site) {
    (name.into(), Site::new(name, region))
}

fn both<T>(one: impl Fn(&str) -> T) -> BTreeMap<SiteName, T> {
    ["ohio", "oregon"].map(|name| (name.into(), one(name))).into()
}

fn resources(engine: DbEngine) -> BTreeMap<ResourceName, Resource> {
    let size = |min, desired, max| Size { min, desired, max };
    let db = |site: &str| DbIdentity {
        identifier: "orders".into(),
        parameter_group: Some(format!("orders-{site}")),
        quarantine_security_groups: vec![format!("sg-closed-{site}")],
        kms_key: Some("alias/orders".into()),
    };
    let group = |name: &'static str| move |_: &str| GroupIdentity { name: name.into() };
    let kinds = [
        ("orders", Kind::RdsInstance { engine: Some(engine), sites: both(db), connection: None }),
        (
            "web",
            Kind::AutoscalingGroup {
                sizes: [("serving".into(), size(4, 8, 16)), ("resting".into(), size(1, 2, 16))].into(),
                sites: both(group("web")),
            },
        ),
        (
            "workers",
            Kind::AutoscalingGroup {
                sizes: [("serving".into(), size(2, 2, 4)), ("idle".into(), size(0, 0, 4))].into(),
                sites: both(group("workers")),
            },
        ),
        (
            "www",
            Kind::WeightedRecord {
                zone: "Z0".into(),
                records: vec!["www.example.com".into()],
                record_type: "A".into(),
                sites: both(|site| RecordIdentity { set_identifier: site.into() }),
            },
        ),
    ];
    kinds.map(|(name, kind)| (name.into(), Resource { name: name.into(), kind })).into()
}

#[expect(clippy::default_trait_access, reason = "the sandbox knows nothing of places in files")]
fn step(id: &str, action: &str, with: Value, change: impl FnOnce(&mut StepSpec)) -> Step {
    let Value::Object(with) = with else { unreachable!("parameters are a mapping") };
    let mut spec = StepSpec { action: Some(action.into()), with, ..StepSpec::default() };
    change(&mut spec);
    Step { id: id.into(), path: Default::default(), planned: spec.clone(), emergency: spec }
}

/// A warm standby of two sites.
pub(super) fn runbook(engine: DbEngine) -> Runbook {
    let simulated = |simulate: Simulate| move |spec: &mut StepSpec| spec.simulate = Some(simulate);
    let nothing = || Value::Object(Map::new());
    Runbook {
        name: "storefront".into(),
        description: None,
        owner: None,
        strategy: None,
        objectives: Objectives::default(),
        sites: [site("ohio", "us-east-2"), site("oregon", "us-west-2")].into(),
        global_endpoint: None,
        primary: "ohio".into(),
        standbys: vec!["oregon".into()],
        parameters: BTreeMap::new(),
        resources: resources(engine),
        probes: BTreeMap::new(),
        failover: vec![
            step("lock", "exec", nothing(), simulated(Simulate { takes: Some(Span::secs(1)), ..Simulate::default() })),
            step("break", "exec", nothing(), simulated(Simulate { exit: Some(3), ..Simulate::default() })),
            step(
                "data_test",
                "verify-sql",
                json!({ "queries": ["bad.sql"] }),
                simulated(Simulate { output: Some(json!([[1], [2]])), ..Simulate::default() }),
            ),
            step("promote", "promote-replica", nothing(), |spec| spec.expect = Some("8m".into())),
            step("shift", "shift-traffic", nothing(), |_| {}),
        ],
        failback: vec![],
        mirrored: true,
        reprotect: vec![step("reverse", "reverse-replication", nothing(), |_| {})],
        finally: vec![],
        triggers: vec![],
        notify: vec![],
        digest: Digest::new(""),
    }
}

/// A world under test, driven without a clock.
pub(super) struct Bench {
    pub(super) state: State,
    script: Script,
    sent: u32,
}

pub(super) fn postgres(seed: u64) -> Bench {
    Bench::new(DbEngine::Postgres, seed)
}

impl Bench {
    pub(super) fn new(engine: DbEngine, seed: u64) -> Self {
        Self::of(&runbook(engine), seed)
    }

    pub(super) fn of(runbook: &Runbook, seed: u64) -> Self {
        Self { state: State::new(Spec::of(runbook), seed, START), script: Script::of(runbook), sent: 0 }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.state.now
    }

    pub(super) fn wait(&mut self, span: Span) {
        self.state.advance(self.state.now + span);
    }

    /// Waits until something holds, looking every second; how long that took.
    pub(super) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Span {
        let began = self.now();
        while !holds(self) {
            self.wait(Span::secs(1));
            assert!(self.now().since(began) < Span::hours(30), "never: {what}");
        }
        self.now().since(began)
    }

    pub(super) fn command(&mut self, command: &Command) -> Result<Reply, SendError> {
        let mut next = self.state.clone();
        let reply = next.take(command, self.state.now)?;
        self.state = next;
        Ok(reply)
    }

    pub(super) fn fault(&mut self, text: &str) {
        self.command(&Command::Fault(Fault::parse(text).unwrap())).unwrap();
    }

    pub(super) fn send_as(&mut self, token: &str, site: &str, what: What, call: Call) -> Result<Reply, SendError> {
        let effect = Effect { target: self.target(site, what), call };
        let expected = self.script.expect(super::script::step_of(token), &effect);
        self.command(&Command::Effect { token: token.into(), effect: Box::new(effect), expected })
    }

    pub(super) fn send(&mut self, site: &str, call: Call) -> Result<Receipt, SendError> {
        self.sent += 1;
        let token = format!("run1-step-{}", self.sent);
        match self.send_as(&token, site, What::Site, call)? {
            Reply::Heard(receipt) => Ok(receipt),
            Reply::Silence => Err(SendError::InDoubt { why: "silence".into() }),
        }
    }

    pub(super) fn rds(&mut self, site: &str, call: rds::Call) -> Result<Receipt, SendError> {
        self.send(site, Call::Rds(call))
    }

    pub(super) fn target(&self, site: &str, what: What) -> Target {
        if site == Target::GLOBAL {
            return Target::global(what);
        }
        let at = self.state.site(&SiteName::from(site)).unwrap();
        Target::at(&self.state.spec.sites[at], what)
    }

    pub(super) fn look(&self, site: &str, what: What) -> Result<Seen, LookError> {
        self.state.see(&self.target(site, what), &self.script)
    }

    pub(super) fn see(&self, site: &str, what: What) -> Seen {
        self.look(site, what).unwrap()
    }

    pub(super) fn db(&self, site: &str) -> rds::Db {
        self.db_of(site).expect("it is there")
    }

    /// The same, where it is seen.
    pub(super) fn db_of(&self, site: &str) -> Option<rds::Db> {
        match self.look(site, What::Db("orders".into())) {
            Ok(Seen::Db(db)) => Some(db),
            _ => None,
        }
    }

    pub(super) fn position(&self, site: &str) -> rds::Position {
        match self.see(site, What::Position("orders".into())) {
            Seen::Position(position) => position,
            other => panic!("{other:?}"),
        }
    }

    /// The same, where a connection is let in.
    pub(super) fn position_of(&self, site: &str) -> Option<rds::Position> {
        match self.look(site, What::Position("orders".into())) {
            Ok(Seen::Position(position)) => Some(position),
            _ => None,
        }
    }

    pub(super) fn group(&self, site: &str, name: &str) -> asg::Group {
        match self.see(site, What::Group(name.into())) {
            Seen::Group(group) => group,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn answer(&self, site: &str, what: What) -> Answer {
        match self.see(site, what) {
            Seen::Answer(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn http(&self, site: &str, url: &str) -> Answer {
        self.answer(site, What::Http(http(url, &[])))
    }

    pub(super) fn lag(&self, site: &str) -> Vec<rds::LagSample> {
        match self.see(site, What::Lag("orders".into())) {
            Seen::Lag(lag) => lag.samples,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn lived(&self) -> Lived {
        self.state.lived()
    }

    pub(super) fn promote(&mut self, site: &str) -> Result<Receipt, SendError> {
        let resource_id = self.db(site).resource_id;
        self.rds(site, rds::Call::Promote { identifier: "orders".into(), resource_id, backup_retention: 7 })
    }

    /// Promotes as soon as it is not refused any more, and waits until it is done.
    pub(super) fn promoted(&mut self, site: &str) {
        while let Err(error) = self.promote(site) {
            assert!(matches!(error, SendError::NotSent { .. }), "{error:?}");
            self.wait(Span::secs(30));
        }
        self.until("promoted", |b| {
            let db = b.db(site);
            !db.is_replica() && db.usable() && db.replication_normal
        });
    }

    pub(super) fn set(&mut self, site: &str, value: Option<&str>) {
        self.try_set(site, value).unwrap();
    }

    pub(super) fn try_set(&mut self, site: &str, value: Option<&str>) -> Result<Receipt, SendError> {
        let freezes = value.is_some();
        let parameter = self.state.dbs[0].engine.freeze_parameter().to_owned();
        let group = format!("orders-{site}");
        self.rds(site, rds::Call::SetParameter { group, parameter, value: value.map(str::to_owned), freezes })
    }

    /// Freezes a site and waits until nobody writes there.
    pub(super) fn frozen(&mut self, site: &str) {
        self.set(site, Some("1"));
        self.until("quiet", |b| {
            let position = b.position(site);
            !position.writable && position.writing == 0
        });
    }

    /// Sends all clients to a site.
    pub(super) fn shift(&mut self, site: &str) -> Receipt {
        let Seen::Records(records) = self.see(Target::GLOBAL, What::Records("Z0".into())) else { panic!("no zone") };
        let to = |set: dns::RecordSet| {
            let weight = if set.set_identifier.as_deref() == Some(site) { 100 } else { 0 };
            dns::RecordSet { weight: Some(weight), ..set }
        };
        let upserts = records.sets.into_iter().map(to).collect();
        self.send(Target::GLOBAL, Call::Dns(dns::Batch { zone: "Z0".into(), upserts })).unwrap()
    }

    pub(super) fn size(&mut self, site: &str, name: &str, (min, desired, max): (u32, u32, u32)) {
        let wanted = Size { min, desired, max };
        let call = asg::Call::Update { name: name.into(), size: wanted, shrinks: false };
        self.send(site, Call::Scaling(call)).unwrap();
    }

    pub(super) fn try_size(&mut self, site: &str, desired: u32) -> Result<Receipt, SendError> {
        let wanted = Size { min: desired / 2, desired, max: 16 };
        self.send(site, Call::Scaling(asg::Call::Update { name: "web".into(), size: wanted, shrinks: false }))
    }

    pub(super) fn guard(&mut self, site: &str, group: &str) {
        self.try_guard_by(site, group).unwrap();
    }

    pub(super) fn try_guard(&mut self, site: &str) -> Result<Receipt, SendError> {
        self.try_guard_by(site, &format!("sg-closed-{site}"))
    }

    fn try_guard_by(&mut self, site: &str, group: &str) -> Result<Receipt, SendError> {
        let resource_id = self.db(site).resource_id;
        let call =
            rds::Call::SetSecurityGroups { identifier: "orders".into(), resource_id, groups: vec![group.into()] };
        self.rds(site, call)
    }

    pub(super) fn snapshot(&mut self, site: &str, name: &str) -> Result<Receipt, SendError> {
        let resource_id = self.db(site).resource_id;
        self.rds(site, rds::Call::CreateSnapshot { identifier: "orders".into(), resource_id, name: name.into() })
    }

    /// Renames a site's database away, as `retire` does.
    pub(super) fn retire(&mut self, site: &str, to: &str) {
        self.until("idle", |b| b.db(site).status == Status::Available);
        let tag = rds::Call::Tag {
            on: rds::Tagged::Db("orders".into()),
            key: rds::TAG_RETIRED_FROM.into(),
            value: Some("orders".into()),
        };
        self.rds(site, tag).unwrap();
        self.try_rename(site, to).unwrap();
    }

    pub(super) fn try_rename(&mut self, site: &str, to: &str) -> Result<Receipt, SendError> {
        let resource_id = self.db(site).resource_id;
        self.rds(site, rds::Call::Rename { identifier: "orders".into(), resource_id, to: to.into() })
    }

    pub(super) fn replica(&mut self, site: &str, of: &str) -> Result<Receipt, SendError> {
        let region = self.target(of, What::Site).region.to_string();
        self.rds(
            site,
            rds::Call::CreateReplica(Box::new(rds::NewReplica {
                identifier: "orders".into(),
                source: rds::Source { site: Some(of.into()), identifier: "orders".into() },
                source_region: region,
                engine: self.state.dbs[0].engine,
                parameter_group: format!("orders-{site}"),
                security_groups: vec!["sg-b".into(), "sg-a".into()],
                kms_key: Some("alias/orders".into()),
                settings: rds::Settings::default(),
            })),
        )
    }
}

pub(super) fn http(url: &str, json: &[(&str, &str)]) -> probe::Http {
    probe::Http {
        url: url.into(),
        times: 3,
        status: None,
        headers: BTreeMap::new(),
        json: json.iter().map(|(k, v)| ((*k).to_owned(), format!("{v:?}"))).collect(),
    }
}

pub(super) fn run(step: &str, argv: &[&str], check: Option<&[&str]>) -> Call {
    let words = |argv: &[&str]| argv.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>();
    let check = check.map(|argv| probe::Command {
        argv: words(argv),
        limit: Span::secs(30),
        read_only: false,
        environment: vec![],
    });
    Call::Run(Run {
        step: StepId::from(step),
        argv: words(argv),
        check,
        environment: vec![],
        limit: Span::mins(5),
        impact: Impact::Safe,
    })
}

pub(super) fn refused(result: Result<Receipt, SendError>) -> String {
    match result {
        Err(SendError::Refused { why }) => why,
        other => panic!("{other:?}"),
    }
}

pub(super) fn not_now(result: Result<Receipt, SendError>) -> String {
    match result {
        Err(SendError::NotSent { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}
