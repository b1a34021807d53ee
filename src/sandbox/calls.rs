//! The calls that change databases: what is taken, what is refused, what is set going.

use super::{
    chance,
    db::{Busy, DbEvent, Instance, Kept, ParameterGroup},
    replication::Rows,
    state::{Event, State},
};
use crate::{
    clock::Span,
    ids::Region,
    world::{
        Receipt, Target,
        rds::{self, ApplyStatus, NewReplica, Status, Tagged},
    },
};
use std::collections::BTreeMap;

/// A call was not taken: refused for good, or not possible now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum No {
    /// The service says no, and will say no again.
    Never(String),
    /// The service says no as things are, and surely did nothing.
    NotNow(String),
}

pub(super) type Taken = Result<Receipt, No>;

fn never<T>(why: impl Into<String>) -> Result<T, No> {
    Err(No::Never(why.into()))
}

fn not_now<T>(why: impl Into<String>) -> Result<T, No> {
    Err(No::NotNow(why.into()))
}

impl State {
    /// Takes a call to the database service of the target's Region.
    pub(super) fn call_rds(&mut self, target: &Target, call: &rds::Call, expected: Option<Span>) -> Taken {
        use rds::Call as R;
        let region = &target.region;
        match call {
            R::Promote { identifier, resource_id, backup_retention } => {
                let db = self.meant(region, identifier, resource_id)?;
                self.promote(db, *backup_retention, expected)?;
            }
            R::SetParameter { group, parameter, value, .. } => self.set_parameter(region, group, (parameter, value))?,
            R::Tag { on, key, value } => self.tag(region, on, (key, value))?,
            R::SetSecurityGroups { identifier, resource_id, groups } => {
                let db = self.meant(region, identifier, resource_id)?;
                self.guard(db, groups)?;
            }
            R::Rename { identifier, resource_id, to } => {
                let db = self.meant(region, identifier, resource_id)?;
                self.rename(db, to, expected)?;
            }
            R::CreateSnapshot { identifier, resource_id, name } => {
                let db = self.meant(region, identifier, resource_id)?;
                self.create_snapshot(db, name, expected)?;
            }
            R::CreateReplica(new) => self.create_replica(target, new, expected)?,
            R::WriteMarker { identifier, marker } => self.write_marker(region, identifier, marker)?,
        }
        Ok(Receipt::default())
    }

    /// The instance of an identifier, if it is the very one that is meant.
    fn meant(&self, region: &Region, identifier: &str, resource_id: &str) -> Result<usize, No> {
        match self.listed(region, identifier) {
            None => never(format!("DBInstanceNotFound: there is no {identifier} in {region}")),
            Some(db) if self.dbs[db].resource_id != resource_id => {
                never(format!("{identifier} is another instance than {resource_id} by now"))
            }
            Some(db) => Ok(db),
        }
    }

    fn idle(&self, db: usize, also: &[Status]) -> Result<&Instance, No> {
        let instance = &self.dbs[db];
        if instance.busy.is_none() && (instance.status == Status::Available || also.contains(&instance.status)) {
            return Ok(instance);
        }
        let what = if instance.busy.is_some() && instance.status == Status::Available {
            "about to change".to_owned()
        } else {
            instance.status.to_string()
        };
        not_now(format!("InvalidDBInstanceState: {} is {what}", instance.identifier))
    }

    fn promote(&mut self, db: usize, retention: u32, expected: Option<Span>) -> Result<(), No> {
        let instance = self.idle(db, &[Status::StorageOptimization])?;
        if instance.source.is_none() {
            return never(format!("InvalidDBInstanceState: {} is not a read replica", instance.identifier));
        }
        let slow = if std::mem::take(&mut self.slow_promotion) { 4 } else { 1 };
        let takes = self.takes("promotion", expected, Span::mins(7)) * slow;
        let takes = takes.max(Span::secs(60));
        let now = self.now;
        self.dbs[db].busy = Some(Busy::Promote);
        let begins = self.chance_span("promotion begins", Span::secs(3), Span::secs(15));
        let share = |percent: u64| now + Span(takes.0 * percent / 100);
        let event = |event| Event::Db(db, event);
        self.later(now + begins, event(DbEvent::StopReplication));
        self.later(share(55), event(DbEvent::Status(Status::Modifying, Status::Rebooting)));
        self.later(share(80), event(DbEvent::SourceGone));
        if self.chance("early available").is_multiple_of(3) {
            // Available before it is settled: its replication is still reported, and not as normal.
            self.later(share(90), event(DbEvent::Status(Status::Rebooting, Status::Available)));
        }
        self.later(now + takes, event(DbEvent::Promoted(retention)));
        Ok(())
    }

    fn group_mut(&mut self, region: &Region, name: &str) -> Result<&mut ParameterGroup, No> {
        let of = |p: &&mut ParameterGroup| p.region == *region && p.group.name == name;
        match self.parameters.iter_mut().find(of) {
            Some(group) => Ok(group),
            None => never(format!("DBParameterGroupNotFound: there is no {name} in {region}")),
        }
    }

    /// A dynamic parameter goes to every instance on the group, each in its own time.
    fn set_parameter(
        &mut self,
        region: &Region,
        name: &str,
        (parameter, value): (&str, &Option<String>),
    ) -> Result<(), No> {
        let group = self.group_mut(region, name)?;
        if name.starts_with("default.") {
            return never(format!("InvalidDBParameterGroupState: {name} is a default group and cannot be modified"));
        }
        match value {
            Some(value) => group.group.values.insert(parameter.to_owned(), value.clone()),
            None => group.group.values.remove(parameter),
        };
        for db in 0..self.dbs.len() {
            if self.dbs[db].parameter_group != name || self.region(self.dbs[db].site) != region {
                continue;
            }
            // One that is being built takes the values on when it starts.
            if self.dbs[db].busy == Some(Busy::Create) {
                continue;
            }
            self.dbs[db].change += 1;
            self.dbs[db].apply = ApplyStatus::Applying;
            let (takes, change) = (self.takes("apply", None, Span::secs(15)), self.dbs[db].change);
            self.later(self.now + takes, Event::Db(db, DbEvent::InForce(change)));
        }
        Ok(())
    }

    fn tag(&mut self, region: &Region, on: &Tagged, (key, value): (&str, &Option<String>)) -> Result<(), No> {
        let tags = match on {
            Tagged::Db(identifier) => match self.listed(region, identifier) {
                Some(db) => &mut self.dbs[db].tags,
                None => return never(format!("DBInstanceNotFound: there is no {identifier} in {region}")),
            },
            Tagged::Parameters(name) => &mut self.group_mut(region, name)?.group.tags,
        };
        match value {
            Some(value) => tags.insert(key.to_owned(), value.clone()),
            None => tags.remove(key),
        };
        Ok(())
    }

    fn guard(&mut self, db: usize, groups: &[String]) -> Result<(), No> {
        self.idle(db, &[Status::StorageOptimization, Status::BackingUp, Status::Modifying])?;
        if groups.is_empty() {
            return never("InvalidVPCNetworkState: an instance needs at least one security group");
        }
        self.dbs[db].security_groups = groups.to_vec();
        self.dbs[db].security_groups.sort();
        let soon = self.chance_span("security groups", Span::secs(5), Span::secs(20));
        self.later(self.now + soon, Event::Db(db, DbEvent::Guarded));
        Ok(())
    }

    fn free(&self, region: &Region, identifier: &str) -> Result<(), No> {
        match self.named(region, identifier) {
            Some(_) => never(format!("DBInstanceAlreadyExists: there is a {identifier} in {region}")),
            None => Ok(()),
        }
    }

    /// The old name is gone at once; the new one shows after a while, and works after a longer one.
    fn rename(&mut self, db: usize, to: &str, expected: Option<Span>) -> Result<(), No> {
        self.idle(db, &[Status::StorageOptimization])?;
        self.free(&self.region(self.dbs[db].site).clone(), to)?;
        let takes = self.takes("rename", expected, Span::mins(8)).max(Span::secs(60));
        let hidden = Span(takes.0 / chance::between(self.chance("rename hidden"), 3, 6));
        let now = self.now;
        let instance = &mut self.dbs[db];
        to.clone_into(&mut instance.identifier);
        (instance.status, instance.busy) = (Status::Renaming, Some(Busy::Rename));
        instance.hidden_until = Some(now + hidden);
        instance.sessions.clear();
        self.later(now + takes, Event::Db(db, DbEvent::Renamed));
        Ok(())
    }

    fn create_snapshot(&mut self, db: usize, name: &str, expected: Option<Span>) -> Result<(), No> {
        self.idle(db, &[Status::StorageOptimization])?;
        let region = self.region(self.dbs[db].site).clone();
        if self.snapshots.iter().any(|kept| kept.region == region && kept.snapshot.name == name) {
            return never(format!("DBSnapshotAlreadyExists: there is a {name} in {region}"));
        }
        let (now, takes) = (self.now, self.takes("snapshot", expected, Span::mins(10)));
        let of = self.dbs[db].resource_id.clone();
        let snapshot = rds::Snapshot { name: name.to_owned(), of, complete: false, taken: now };
        let rows = self.rows(db, now);
        self.snapshots.push(Kept { region, snapshot, complete_at: now + takes, rows });
        // While its blocks are marked the instance shows as backing up.
        let marked = Span(takes.0 / 5).min(Span::mins(3));
        self.dbs[db].status = Status::BackingUp;
        self.later(now + marked, Event::Db(db, DbEvent::Status(Status::BackingUp, Status::Available)));
        Ok(())
    }

    fn create_replica(&mut self, target: &Target, new: &NewReplica, expected: Option<Span>) -> Result<(), No> {
        let Some(site) = self.site(&target.site) else {
            return never(format!("there is no site {}", target.site));
        };
        let from = Region::new(new.source_region.clone());
        let Some(source) = self.listed(&from, &new.source.identifier) else {
            return never(format!("DBInstanceNotFound: there is no {} in {from}", new.source.identifier));
        };
        let region = self.region(site).clone();
        self.free(&region, &new.identifier)?;
        self.group_mut(&region, &new.parameter_group)?;
        let writer = &self.dbs[source];
        if !self.alive(writer.site) {
            return not_now(format!("{from} does not answer"));
        }
        if writer.source.is_some() || writer.backup_retention == 0 {
            return never(format!("InvalidDBInstanceState: {} keeps no backups or is a replica", writer.identifier));
        }
        if writer.kms_key.is_some() && from != region && new.kms_key.is_none() {
            return never("KMSKeyNotAccessibleFault: an encrypted source needs a key in the replica's Region");
        }
        self.idle(source, &[Status::StorageOptimization, Status::BackingUp])?;
        let takes = self.takes("replica", expected, Span::mins(200));
        let now = self.now;
        let replica = self.blank_replica(site, source, new);
        self.dbs.push(replica);
        let behind = self.chance_span("replica behind", Span::mins(5), Span::mins(25)).min(takes);
        self.later(now + takes, Event::Db(self.dbs.len() - 1, DbEvent::Created(behind)));
        if self.dbs[source].status == Status::Available {
            self.dbs[source].status = Status::Modifying;
            let over = now + self.chance_span("source modifying", Span::secs(40), Span::secs(120));
            self.later(over, Event::Db(source, DbEvent::Status(Status::Modifying, Status::Available)));
        }
        Ok(())
    }

    /// What is being built: it holds what its source held when that began.
    fn blank_replica(&mut self, site: usize, source: usize, new: &NewReplica) -> Instance {
        let now = self.now;
        let mut security_groups = new.security_groups.clone();
        if security_groups.is_empty() {
            security_groups.push("default".into());
        }
        security_groups.sort();
        let backup_window = self.some_backup_window(Span::ZERO);
        Instance {
            resource: self.dbs[source].resource.clone(),
            site,
            identifier: new.identifier.clone(),
            resource_id: self.new_resource_id(),
            engine: new.engine,
            status: Status::Creating,
            busy: Some(Busy::Create),
            source: Some(source),
            replication_normal: true,
            parameter_group: new.parameter_group.clone(),
            apply: ApplyStatus::InSync,
            change: 0,
            in_force: None,
            security_groups,
            closed: false,
            backup_retention: 0,
            backup_window,
            kms_key: new.kms_key.clone(),
            settings: new.settings.clone(),
            tags: BTreeMap::new(),
            hidden_until: None,
            sessions: vec![],
            stream: None,
            held: self.rows(source, now).into_iter().filter(|(_, n)| *n > 0).collect::<Rows>(),
            links: vec![],
            stopped_at: None,
            log_base: self.log_end(source, now),
            log_since: now,
        }
    }

    /// A row that is written past the freeze.
    fn write_marker(&mut self, region: &Region, identifier: &str, marker: &str) -> Result<(), No> {
        let Some(db) = self.listed(region, identifier) else {
            return never(format!("there is no {identifier} in {region}"));
        };
        if !self.reachable(db) {
            return not_now(format!("{identifier} refuses connections"));
        }
        if self.dbs[db].source.is_some() {
            return never(format!("{identifier} is a replica: it takes no writes at all"));
        }
        if !self.has_marker(db, marker) {
            let (own, now) = (self.own_stream(db), self.now);
            self.streams[own].add(now, 1);
            let row = self.streams[own].rows(now);
            self.markers.entry(marker.to_owned()).or_default().insert(own, row);
        }
        Ok(())
    }

    /// Whether a marker is readable in an instance.
    pub(super) fn has_marker(&self, db: usize, marker: &str) -> bool {
        let rows = self.rows(db, self.now);
        let held = |(stream, row): (&usize, &u64)| rows.get(stream).is_some_and(|n| n >= row);
        self.markers.get(marker).is_some_and(|written| written.iter().any(held))
    }

    /// The snapshot of a name, as it is now.
    pub(super) fn snapshot(&self, region: &Region, name: &str) -> Option<rds::Snapshot> {
        let kept = self.snapshots.iter().find(|k| k.region == *region && k.snapshot.name == name)?;
        Some(rds::Snapshot { complete: self.now >= kept.complete_at, ..kept.snapshot.clone() })
    }

    /// The instances that were renamed away from an identifier, newest first.
    pub(super) fn retired(&self, region: &Region, identifier: &str) -> Vec<rds::Db> {
        let tagged = |db: &usize| {
            let instance = &self.dbs[*db];
            instance.tags.get(rds::TAG_RETIRED_FROM).is_some_and(|from| from == identifier)
                && instance.identifier != identifier
                && self.region(instance.site) == region
                && self.is_listed(*db)
        };
        (0..self.dbs.len()).rev().filter(tagged).map(|db| self.describe(db)).collect()
    }
}
