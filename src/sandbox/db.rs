//! Database instances: what they are, whether they serve and take writes, and what happens to them
//! by itself. The calls that change them are in `calls`.

use super::{
    chance,
    replication::{Link, Rows},
    state::{Event, State},
};
use crate::{
    clock::{Span, Timestamp},
    ids::{Region, ResourceName},
    model::{DbEngine, DbIdentity, Kind},
    world::rds::{self, ApplyStatus, Settings, Source, Status},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Instance {
    pub(super) resource: ResourceName,
    pub(super) site: usize,
    pub(super) identifier: String,
    pub(super) resource_id: String,
    pub(super) engine: DbEngine,
    pub(super) status: Status,
    /// Something under way that refuses everything else.
    pub(super) busy: Option<Busy>,
    /// What it replicates from, as reported.
    pub(super) source: Option<usize>,
    pub(super) replication_normal: bool,
    pub(super) parameter_group: String,
    pub(super) apply: ApplyStatus,
    /// Changes of its group so far; only the last is put in force.
    pub(super) change: u32,
    /// The freeze parameter's value that is in force.
    pub(super) in_force: Option<String>,
    pub(super) security_groups: Vec<String>,
    /// Nobody is let in.
    pub(super) closed: bool,
    pub(super) backup_retention: u32,
    pub(super) kms_key: Option<String>,
    pub(super) settings: Settings,
    pub(super) tags: BTreeMap<String, String>,
    /// Renamed: not listed until then.
    pub(super) hidden_until: Option<Timestamp>,
    /// When sessions end that were inside a transaction when writes were frozen.
    pub(super) sessions: Vec<Timestamp>,
    /// The rows it accepted itself.
    pub(super) stream: Option<usize>,
    /// The rows it was given before it wrote any.
    pub(super) held: Rows,
    /// Its replication, past and present.
    pub(super) links: Vec<Link>,
    /// When it stopped replicating for ever.
    pub(super) stopped_at: Option<Timestamp>,
    /// The end of its log when that became its own.
    pub(super) log_base: u64,
    /// When its log became its own; of a replica being built, what it was copied at.
    pub(super) log_since: Timestamp,
}

/// What an instance is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Busy {
    /// It is being promoted.
    Promote,
    /// It is being renamed.
    Rename,
    /// It is being built.
    Create,
}

/// What happens to an instance by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum DbEvent {
    /// It shows another status, if it still shows the first.
    Status(Status, Status),
    /// A promotion stops its replication.
    StopReplication,
    /// A promotion shows in what it replicates from.
    SourceGone,
    /// It is a writer, with that many days of backups.
    Promoted(u32),
    /// Change number n of its parameter group is in force.
    InForce(u32),
    /// Its security groups are in force.
    Guarded,
    /// A transaction that had begun before the freeze commits so many rows.
    SessionEnds(u64),
    /// A backup begins; every day one, or this once.
    BackupStarts(bool),
    /// Its new name is in force.
    Renamed,
    /// A replica is built; so far behind.
    Created(Span),
}

/// A parameter group of a Region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ParameterGroup {
    pub(super) region: Region,
    pub(super) engine: DbEngine,
    pub(super) group: rds::Parameters,
}

/// A snapshot and what is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) region: Region,
    pub(super) snapshot: rds::Snapshot,
    pub(super) complete_at: Timestamp,
    pub(super) rows: Rows,
}

impl Instance {
    /// Its present link, unless it stopped replicating for ever.
    pub(super) fn link(&self) -> Option<&Link> {
        self.links.last().filter(|_| self.stopped_at.is_none())
    }

    /// It answers queries, if its network lets them through.
    pub(super) fn serves(&self) -> bool {
        matches!(self.status, Status::Available | Status::BackingUp | Status::Modifying | Status::StorageOptimization)
    }

    /// New transactions cannot write.
    fn read_only(&self) -> bool {
        let value = self.in_force.as_deref().map(str::to_lowercase);
        let replica = self.source.is_some() || self.busy == Some(Busy::Promote);
        match (self.engine, value.as_deref()) {
            (_, Some("1" | "on" | "true")) => true,
            (DbEngine::Postgres, _) => replica,
            // MySQL's own default is {TrueIfReplica}; a plain 0 opens even a replica.
            (DbEngine::Mysql | DbEngine::Mariadb, Some("0" | "off" | "false")) => self.busy == Some(Busy::Promote),
            (DbEngine::Mysql | DbEngine::Mariadb, _) => replica,
        }
    }
}

// Questions.
impl State {
    /// The instance of an identifier in a Region, also one that is not listed while it is renamed.
    pub(super) fn named(&self, region: &Region, identifier: &str) -> Option<usize> {
        let here = |db: &Instance| db.identifier == identifier && self.region(db.site) == region;
        self.dbs.iter().position(here)
    }

    /// The same, if it is listed.
    pub(super) fn listed(&self, region: &Region, identifier: &str) -> Option<usize> {
        self.named(region, identifier).filter(|db| self.is_listed(*db))
    }

    /// It is not hidden by a rename.
    pub(super) fn is_listed(&self, db: usize) -> bool {
        self.dbs[db].hidden_until.is_none_or(|until| self.now >= until)
    }

    /// The runbook's identity of an instance's resource at its site.
    fn identity(&self, db: usize) -> Option<&DbIdentity> {
        let instance = &self.dbs[db];
        self.spec.resources.get(&instance.resource)?.db(&self.spec.sites[instance.site].name)
    }

    /// The instance that the applications of a site use for a resource.
    pub(super) fn used_at(&self, site: usize, resource: &ResourceName) -> Option<usize> {
        let identity = self.spec.resources.get(resource)?.db(&self.spec.sites[site].name)?;
        self.listed(self.region(site), &identity.identifier)
    }

    /// It can be connected to.
    pub(super) fn reachable(&self, db: usize) -> bool {
        let instance = &self.dbs[db];
        self.alive(instance.site) && instance.serves() && !instance.closed && self.is_listed(db)
    }

    /// New transactions can write.
    pub(super) fn accepts(&self, db: usize) -> bool {
        self.reachable(db) && !self.dbs[db].read_only()
    }

    /// All its security groups let nobody in.
    pub(super) fn quarantined(&self, db: usize) -> bool {
        let closed = self.identity(db).map(|identity| &identity.quarantine_security_groups);
        let groups = &self.dbs[db].security_groups;
        !groups.is_empty() && closed.is_some_and(|closed| groups.iter().all(|group| closed.contains(group)))
    }

    /// The freeze parameter's value in an instance's group.
    pub(super) fn wanted_value(&self, db: usize) -> Option<String> {
        let instance = &self.dbs[db];
        let region = self.region(instance.site);
        let of = |p: &&ParameterGroup| p.region == *region && p.group.name == instance.parameter_group;
        let group = &self.parameters.iter().find(of)?.group;
        group.values.get(instance.engine.freeze_parameter()).cloned()
    }

    /// As the service describes it.
    pub(super) fn describe(&self, db: usize) -> rds::Db {
        let i = &self.dbs[db];
        let source = i.source.map(|source| {
            let source = &self.dbs[source];
            Source { site: Some(self.spec.sites[source.site].name.clone()), identifier: source.identifier.clone() }
        });
        let port = if i.engine == DbEngine::Postgres { 5432 } else { 3306 };
        let endpoint = (i.busy != Some(Busy::Create))
            .then(|| format!("{}.sandbox.{}.rds.amazonaws.com:{port}", i.identifier, self.region(i.site)));
        rds::Db {
            identifier: i.identifier.clone(),
            resource_id: i.resource_id.clone(),
            engine: i.engine,
            status: i.status.clone(),
            source,
            replication_normal: i.replication_normal,
            parameter_group: i.parameter_group.clone(),
            parameters: i.apply,
            security_groups: i.security_groups.clone(),
            backup_retention: i.backup_retention,
            kms_key: i.kms_key.clone(),
            settings: i.settings.clone(),
            endpoint,
            tags: i.tags.clone(),
        }
    }
}

// What happens.
impl State {
    pub(super) fn db_event(&mut self, db: usize, event: DbEvent) {
        let now = self.now;
        match event {
            DbEvent::Status(from, to) => {
                let instance = &mut self.dbs[db];
                if instance.status == from {
                    instance.status = to;
                }
            }
            DbEvent::StopReplication => self.stop_replication(db),
            DbEvent::SourceGone => self.dbs[db].source = None,
            DbEvent::Promoted(retention) => self.promoted(db, retention),
            DbEvent::InForce(change) if change == self.dbs[db].change => self.in_force(db),
            DbEvent::InForce(_) => {}
            DbEvent::Guarded => self.dbs[db].closed = self.quarantined(db),
            DbEvent::SessionEnds(rows) => self.session_ends(db, rows),
            DbEvent::BackupStarts(daily) => self.backup_starts(db, daily),
            DbEvent::Renamed => {
                let instance = &mut self.dbs[db];
                (instance.status, instance.busy, instance.hidden_until) = (Status::Available, None, None);
                self.in_force(db);
            }
            DbEvent::Created(behind) => {
                let source = self.dbs[db].source.expect("what is being created replicates");
                let floor = self.dbs[db].log_since;
                let until = (!self.alive(self.dbs[source].site)).then_some(now);
                let instance = &mut self.dbs[db];
                instance.links.push(Link { source, from: now, behind, floor, until });
                (instance.status, instance.busy) = (Status::Available, None);
                instance.replication_normal = until.is_none();
                self.in_force(db);
            }
        }
    }

    fn stop_replication(&mut self, db: usize) {
        let now = self.now;
        let (held, log) = (self.rows(db, now), self.log_end(db, now));
        let source = self.dbs[db].link().map(|link| link.source);
        let instance = &mut self.dbs[db];
        instance.status = Status::Modifying;
        instance.replication_normal = false;
        instance.held = held;
        if let Some(own) = instance.stream {
            instance.held.remove(&own);
        }
        (instance.log_base, instance.log_since) = (log, now);
        instance.stopped_at = Some(now);
        if let Some(source) = source {
            let here = self.rows(db, now);
            let missing = |(stream, n): (usize, u64)| n.saturating_sub(here.get(&stream).copied().unwrap_or(0));
            self.account.unreplicated += self.rows(source, now).into_iter().map(missing).sum::<u64>();
        }
    }

    fn promoted(&mut self, db: usize, retention: u32) {
        let now = self.now;
        let instance = &mut self.dbs[db];
        (instance.status, instance.busy, instance.source) = (Status::Available, None, None);
        (instance.replication_normal, instance.backup_retention) = (true, retention);
        self.active.insert(self.dbs[db].resource.clone(), db);
        self.in_force(db);
        if self.chance("first backup").is_multiple_of(2) {
            let soon = self.chance_span("first backup", Span::secs(10), Span::secs(40));
            self.later(now + soon, Event::Db(db, DbEvent::BackupStarts(false)));
        }
        self.plan_backup(db);
    }

    /// Its group's values are in force; transactions that had begun may still end.
    fn in_force(&mut self, db: usize) {
        let wrote = self.accepts(db) && self.dbs[db].stream.is_some_and(|own| self.streams[own].rate() > 0);
        let value = self.wanted_value(db);
        let instance = &mut self.dbs[db];
        instance.in_force = value;
        instance.apply = ApplyStatus::InSync;
        if !wrote || !instance.read_only() {
            return;
        }
        let longest = if instance.engine == DbEngine::Postgres { Span::secs(25) } else { Span::secs(4) };
        for _ in 0..self.chance("sessions") % 6 {
            let ends = self.now + self.chance_span("session", Span::secs(1), longest);
            let rows = self.chance("session rows") % 4;
            self.dbs[db].sessions.push(ends);
            self.later(ends, Event::Db(db, DbEvent::SessionEnds(rows)));
        }
    }

    fn session_ends(&mut self, db: usize, rows: u64) {
        let now = self.now;
        let open = self.dbs[db].sessions.len();
        self.dbs[db].sessions.retain(|ends| *ends > now);
        // A session that was cut off commits nothing.
        if rows > 0 && self.dbs[db].sessions.len() < open && self.reachable(db) {
            let own = self.own_stream(db);
            self.streams[own].add(now, rows);
        }
    }

    fn backup_starts(&mut self, db: usize, daily: bool) {
        if self.dbs[db].busy.is_some() || self.dbs[db].status != Status::Available {
            self.later(self.now + Span::mins(10), Event::Db(db, DbEvent::BackupStarts(daily)));
            return;
        }
        self.dbs[db].status = Status::BackingUp;
        let ends = self.now + self.chance_span("backup", Span::mins(4), Span::mins(12));
        self.later(ends, Event::Db(db, DbEvent::Status(Status::BackingUp, Status::Available)));
        if daily {
            self.plan_backup(db);
        }
    }

    /// The next of the daily backups, where there are any.
    pub(super) fn plan_backup(&mut self, db: usize) {
        if self.dbs[db].backup_retention > 0 {
            let next = self.now + self.chance_span("next backup", Span::hours(20), Span::hours(28));
            self.later(next, Event::Db(db, DbEvent::BackupStarts(true)));
        }
    }
}

// The first ones.
impl State {
    pub(super) fn build_databases(&mut self) {
        for (name, resource) in self.spec.resources.clone() {
            let Kind::RdsInstance { engine, sites, .. } = &resource.kind else { continue };
            let engine = engine.unwrap_or(DbEngine::Mysql);
            let order: Vec<_> = (0..self.spec.sites.len())
                .filter_map(|site| Some((site, sites.get(&self.spec.sites[site].name)?.clone())))
                .collect();
            let mut writer = None;
            for (site, identity) in order {
                let db = self.first_instance(&name, engine, (site, &identity), writer);
                writer = writer.or(Some(db));
            }
            if let Some(writer) = writer {
                self.active.insert(name, writer);
            }
        }
    }

    fn first_instance(
        &mut self,
        resource: &ResourceName,
        engine: DbEngine,
        (site, identity): (usize, &DbIdentity),
        source: Option<usize>,
    ) -> usize {
        let parameter_group =
            identity.parameter_group.clone().unwrap_or_else(|| format!("default.{engine:?}").to_lowercase());
        self.ensure_parameters(site, engine, &parameter_group);
        let born = self.born;
        // A new replica has its backups off; half of those that have stood for a while have them on.
        let backup_retention =
            if source.is_none() { 7 } else { u32::from(self.chance("replica backups").is_multiple_of(2)) };
        let instance = Instance {
            resource: resource.clone(),
            site,
            identifier: identity.identifier.clone(),
            resource_id: self.new_resource_id(),
            engine,
            status: Status::Available,
            busy: None,
            source,
            replication_normal: true,
            parameter_group,
            apply: ApplyStatus::InSync,
            change: 0,
            in_force: None,
            security_groups: vec![format!("sg-{}-{}", resource, self.spec.sites[site].name)],
            closed: false,
            backup_retention,
            kms_key: identity.kms_key.clone(),
            settings: Settings {
                class: "db.r6g.xlarge".into(),
                subnet_group: Some(format!("{}-private", self.spec.sites[site].name)),
                option_group: None,
                multi_az: source.is_none(),
            },
            tags: BTreeMap::new(),
            hidden_until: None,
            sessions: vec![],
            stream: None,
            held: Rows::new(),
            links: source
                .map(|source| Link { source, from: born, behind: Span::ZERO, floor: born, until: None })
                .into_iter()
                .collect(),
            stopped_at: None,
            log_base: 1 << 32,
            log_since: born,
        };
        self.dbs.push(instance);
        let db = self.dbs.len() - 1;
        if backup_retention > 0 {
            // One world in four is met with a backup at hand: a promotion that comes then is refused.
            let soon = self.chance("backup window").is_multiple_of(4);
            let (lo, hi) = if soon { (Span::ZERO, Span::mins(20)) } else { (Span::mins(20), Span::hours(24)) };
            let first = self.opened + self.chance_span("backup window", lo, hi);
            self.later(first, Event::Db(db, DbEvent::BackupStarts(true)));
        }
        db
    }

    pub(super) fn new_resource_id(&mut self) -> String {
        format!("db-{:016X}", self.chance("resource id"))
    }

    fn ensure_parameters(&mut self, site: usize, engine: DbEngine, name: &str) {
        let region = self.region(site).clone();
        if !self.parameters.iter().any(|p| p.region == region && p.group.name == name) {
            let group = rds::Parameters { name: name.to_owned(), values: BTreeMap::new(), tags: BTreeMap::new() };
            self.parameters.push(ParameterGroup { region, engine, group });
        }
    }

    /// Some sessions are inside a transaction that writes.
    pub(super) fn writing(&self, db: usize) -> u32 {
        let open = u32::try_from(self.dbs[db].sessions.len()).unwrap_or(u32::MAX);
        let busy = self.accepts(db) && self.dbs[db].stream.is_some_and(|own| self.streams[own].rate() > 0);
        let drawn = chance::draw(self.seed, "writing", self.now.since(self.born).0);
        open + if busy { 2 + u32::try_from(drawn % 8).unwrap_or(0) } else { 0 }
    }
}
