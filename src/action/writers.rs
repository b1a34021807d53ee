//! The single-writer invariant: of the two ends of a run at most one takes writes.
//!
//! The engine's own, not the runbook's: judged before every promote, unfreeze, shift and retire.
//! Closed is what cannot take writes as far as can be seen: absent, stopped, a replica, frozen, or
//! quarantined.

use super::{Action, StepCx, databases::Database};
use crate::{
    model::{KindName, Resource, Site},
    world::{
        Seen, Target, World,
        rds::{ApplyStatus, Status, TAG_FROZEN},
    },
};

/// Whether the invariant will still hold after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writers {
    /// At most one end takes writes.
    Holds,
    /// Both would. Who, in words.
    Violated(String),
    /// It cannot be seen. Why.
    Unknown(String),
}

/// The databases of which the two ends must not both take writes, for a guarded step; empty for
/// every other.
fn guarded<'a>(action: &Action, cx: &StepCx<'a>) -> Vec<&'a Resource> {
    match action {
        Action::PromoteReplica(_) | Action::UnfreezeWrites(_) | Action::Retire(_) => cx.items.clone(),
        Action::ShiftTraffic(_) => cx.resources.values().filter(|r| r.kind_name() == KindName::RdsInstance).collect(),
        _ => vec![],
    }
}

/// What must be looked at to judge a step.
pub fn targets(action: &Action, cx: &StepCx<'_>) -> Vec<Target> {
    let of = |item: &Resource, site: &Site| {
        let db = Database::of(item, site).ok()?;
        Some([Some(db.target.clone()), db.parameters().ok()])
    };
    let ends = [&cx.sites.from, &cx.sites.to];
    guarded(action, cx)
        .into_iter()
        .flat_map(|item| ends.map(|site| of(item, site)))
        .flatten()
        .flatten()
        .flatten()
        .collect()
}

/// Judges a step that is about to change something.
pub fn judge(action: &Action, cx: &StepCx<'_>, w: &World) -> Writers {
    let other = cx.sites.other(&cx.at.name);
    let mut unknown = None;
    for item in guarded(action, cx) {
        let (here, there) = (gate(item, cx.at, w), gate(item, other, w));
        let verdict = match action {
            // Its group is opened, not it: a replica, an absent or a quarantined one stays closed.
            Action::UnfreezeWrites(_) if !opens(item, cx.at, w) => Writers::Holds,
            Action::Retire(_) => match here {
                Gate::Open => Writers::Violated(format!("{} at {} still takes writes", item.name, cx.at.name)),
                Gate::Unknown(why) => Writers::Unknown(why),
                Gate::Closed => Writers::Holds,
            },
            _ => match there {
                Gate::Open => Writers::Violated(format!("{} at {} takes writes", item.name, other.name)),
                Gate::Unknown(why) => Writers::Unknown(why),
                Gate::Closed => Writers::Holds,
            },
        };
        match verdict {
            Writers::Violated(_) => return verdict,
            Writers::Unknown(_) => unknown = Some(verdict),
            Writers::Holds => {}
        }
    }
    unknown.unwrap_or(Writers::Holds)
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

/// Whether the database of a resource at a site takes writes.
pub fn gate(item: &Resource, site: &Site, w: &World) -> Gate {
    let Ok(database) = Database::of(item, site) else { return Gate::Closed };
    let db = match w.seen(&database.target) {
        Some(Seen::Db(db)) => db,
        Some(Seen::Absent) => return Gate::Closed,
        Some(Seen::Unknown { why }) => return Gate::Unknown(why.clone()),
        _ => return Gate::Unknown(format!("nobody looked at {}", database.target)),
    };
    let mut quarantine = database.identity.quarantine_security_groups.clone();
    quarantine.sort();
    if db.is_replica() || db.status == Status::Stopped || (!quarantine.is_empty() && db.security_groups == quarantine) {
        return Gate::Closed;
    }
    let frozen = match database.parameters().ok().map(|group| w.seen(&group).cloned()) {
        Some(Some(Seen::Parameters(group))) => group.name == db.parameter_group && group.frozen(db.engine),
        Some(Some(Seen::Unknown { why })) => return Gate::Unknown(why),
        _ => false,
    };
    if frozen && db.parameters == ApplyStatus::InSync { Gate::Closed } else { Gate::Open }
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
    let quarantined = |db: &crate::world::rds::Db| {
        let mut groups = database.identity.quarantine_security_groups.clone();
        groups.sort();
        !groups.is_empty() && db.security_groups == groups
    };
    w.db(&database.target).is_some_and(|db| !db.is_replica() && !quarantined(db))
}
