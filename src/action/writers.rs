//! The single-writer invariant: of all sites of a resource at most one takes writes.
//!
//! The engine's own, not the runbook's: judged before every promote, unfreeze, shift and retire.
//! Closed is what cannot take writes as far as can be seen: absent, stopped, a replica, frozen, or
//! quarantined.

use super::{Action, StepCx, databases::Database};
use crate::{
    ids::{ResourceName, SiteName},
    model::{DbIdentity, KindName, Resource, Site},
    world::{
        Seen, Target, World,
        rds::{ApplyStatus, Db, Status, TAG_FROZEN},
    },
};

/// What stands against a step: the sites that must be closed for it and are not seen to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writers {
    /// Those that take writes: with them there would be two writers.
    pub open: Vec<Other>,
    /// Those of which it cannot be seen.
    pub unseen: Vec<Other>,
}

/// A site that stands against a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Which.
    pub site: SiteName,
    /// Whose database there.
    pub item: ResourceName,
    /// What of it, in words.
    pub why: String,
}

impl Writers {
    /// At most one site takes writes, before the step and after it.
    pub fn holds(&self) -> bool {
        self.open.is_empty() && self.unseen.is_empty()
    }
}

/// All of it in words.
pub fn words(others: &[Other]) -> String {
    others.iter().map(|o| o.why.as_str()).collect::<Vec<_>>().join("; ")
}

/// The databases of which no two sites must take writes, for a guarded step; empty for every other.
fn guarded<'a>(action: &Action, cx: &StepCx<'a>) -> Vec<&'a Resource> {
    match action {
        Action::PromoteReplica(_) | Action::UnfreezeWrites(_) | Action::Retire(_) => cx.items.clone(),
        Action::ShiftTraffic(_) => cx.resources.values().filter(|r| r.kind_name() == KindName::RdsInstance).collect(),
        _ => vec![],
    }
}

/// What must be looked at to judge a step, as far as what is seen already tells: a database that is
/// closed by itself needs no look at its parameter group. Empty once nothing more is needed that `w`
/// does not hold.
pub fn targets(action: &Action, cx: &StepCx<'_>, w: &World) -> Vec<Target> {
    let retires = matches!(action, Action::Retire(_));
    let judged = |site: &&Site| retires || site.name != cx.at.name;
    guarded(action, cx)
        .into_iter()
        .filter(|item| !matches!(action, Action::UnfreezeWrites(_)) || opens(item, cx.at, w))
        .flat_map(|item| cx.all_sites.values().filter(judged).flat_map(|site| gate_targets(item, site, w)))
        .collect()
}

/// Judges a step that is about to change something.
pub fn judge(action: &Action, cx: &StepCx<'_>, w: &World) -> Writers {
    let mut found = Writers::default();
    let retires = matches!(action, Action::Retire(_));
    for item in guarded(action, cx) {
        // Its group is opened, not it: a replica, an absent or a quarantined one stays closed.
        if matches!(action, Action::UnfreezeWrites(_)) && !opens(item, cx.at, w) {
            continue;
        }
        let writer = if retires { writer_beside(item, cx, w) } else { Some(cx.at) };
        for site in cx.all_sites.values().filter(|s| writer.is_none_or(|w| w.name != s.name)) {
            let other = |why| Other { site: site.name.clone(), item: item.name.clone(), why };
            match gate(item, site, w) {
                Gate::Open => found.open.push(other(format!("{} at {} takes writes", item.name, site.name))),
                // A retirement opens nothing: only what is retired has to be seen closed.
                Gate::Unknown(_) if retires && site.name != cx.at.name => {}
                Gate::Unknown(why) => found.unseen.push(other(format!("{} at {}: {why}", item.name, site.name))),
                Gate::Closed => {}
            }
        }
    }
    found
}

/// The one writer that a retirement leaves: an end of the run rather than a third site.
fn writer_beside<'a>(item: &Resource, cx: &StepCx<'a>, w: &World) -> Option<&'a Site> {
    [&cx.sites.to, &cx.sites.from]
        .into_iter()
        .chain(cx.all_sites.values())
        .find(|site| site.name != cx.at.name && gate(item, site, w) == Gate::Open)
}

/// Whether a database takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It does.
    Open,
    /// It cannot.
    Closed,
    /// It cannot be seen. Why.
    Unknown(String),
}

/// What tells whether the database of a resource at a site takes writes: itself, and the parameter
/// group of one that follows no other.
pub fn gate_targets(item: &Resource, site: &Site, w: &World) -> Vec<Target> {
    let Ok(database) = Database::of(item, site) else { return vec![] };
    let group = match w.seen(&database.target) {
        Some(Seen::Db(db)) if !db.is_replica() => database.parameters().ok(),
        _ => None,
    };
    std::iter::once(database.target).chain(group).collect()
}

/// Whether the database of a resource at a site takes writes.
pub fn gate(item: &Resource, site: &Site, w: &World) -> Gate {
    let Ok(database) = Database::of(item, site) else { return Gate::Closed };
    let db = match w.seen(&database.target) {
        Some(Seen::Db(db)) => db,
        Some(Seen::Absent) => return Gate::Closed,
        Some(Seen::Unknown { why }) => return Gate::Unknown(why.clone()),
        _ => return Gate::Unknown(format!("nobody looked at {}", database.target)),
    };
    if closed_by_itself(database.identity, db) {
        return Gate::Closed;
    }
    let frozen = match database.parameters().ok().map(|group| w.seen(&group).cloned()) {
        Some(Some(Seen::Parameters(group))) => group.name == db.parameter_group && group.frozen(db.engine),
        Some(Some(Seen::Unknown { why })) => return Gate::Unknown(why),
        _ => false,
    };
    if frozen && db.parameters == ApplyStatus::InSync { Gate::Closed } else { Gate::Open }
}

/// Whatever its parameters say, it takes no writes.
fn closed_by_itself(identity: &DbIdentity, db: &Db) -> bool {
    db.is_replica() || db.status == Status::Stopped || quarantined(identity, db)
}

fn quarantined(identity: &DbIdentity, db: &Db) -> bool {
    let mut groups = identity.quarantine_security_groups.clone();
    groups.sort();
    !groups.is_empty() && db.security_groups == groups
}

/// Whether a run froze the database of a resource at a site and nothing has opened it since: the tag
/// with the value before is there until then.
pub fn frozen_by_run(item: &Resource, site: &Site, w: &World) -> bool {
    let Ok(database) = Database::of(item, site) else { return false };
    match (w.db(&database.target), database.parameters().ok().and_then(|group| w.seen(&group))) {
        (Some(db), Some(Seen::Parameters(group))) => {
            group.name == db.parameter_group && group.frozen(db.engine) && group.tags.contains_key(TAG_FROZEN)
        }
        _ => false,
    }
}

/// Whether opening its parameter group would make the database take writes.
fn opens(item: &Resource, site: &Site, w: &World) -> bool {
    let Ok(database) = Database::of(item, site) else { return false };
    w.db(&database.target).is_some_and(|db| !db.is_replica() && !quarantined(database.identity, db))
}
