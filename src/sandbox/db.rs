//! Database instances: what they are, whether they serve, whether they take writes. What happens to them is in `life`, the calls
//! that change them are in `calls`, the first ones are built in `build`.

use super::{
    chance,
    replication::{Link, Rows},
    state::State,
};
use crate::{
    clock::{Span, Timestamp},
    ids::{Region, ResourceName},
    model::{DbEngine, DbIdentity},
    world::backup::BackupWindow,
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
    /// When a backup begins, each day that there is one.
    pub(super) backup_window: BackupWindow,
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
    pub(super) fn read_only(&self) -> bool {
        let value = self.in_force.as_deref().map(str::to_lowercase);
        let promoting = self.busy == Some(Busy::Promote);
        match value.as_deref() {
            Some("1" | "on" | "true") => true,
            // MySQL's own default is {TrueIfReplica}; a plain 0 opens even a replica.
            Some("0" | "off" | "false") if self.engine != DbEngine::Postgres => promoting,
            _ => promoting || self.source.is_some(),
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

    /// Something can be written, be it only by transactions that go on.
    pub(super) fn takes_writes(&self, db: usize) -> bool {
        self.accepts(db) || (self.reachable(db) && !self.dbs[db].sessions.is_empty())
    }

    /// Some sessions are inside a transaction that writes.
    pub(super) fn writing(&self, db: usize) -> u32 {
        let open = u32::try_from(self.dbs[db].sessions.len()).unwrap_or(u32::MAX);
        let busy = self.accepts(db) && self.dbs[db].stream.is_some_and(|own| self.streams[own].rate() > 0);
        let drawn = chance::draw(self.seed, "writing", self.now.since(self.born).0);
        open + if busy { 2 + u32::try_from(drawn % 8).unwrap_or(0) } else { 0 }
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
            backup_window: Some(i.backup_window),
            kms_key: i.kms_key.clone(),
            settings: i.settings.clone(),
            endpoint,
            tags: i.tags.clone(),
        }
    }
}
