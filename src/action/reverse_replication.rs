//! `reverse-replication`: builds a replica of the active site's database at the site that was left,
//! under the name it had, with the settings of the one that was retired. Takes hours: the old data
//! cannot be used again (RDS has no reversing call for these engines).

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, StepCx,
    databases::{Database, answer, protected, unknown},
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Outputs, Resource, Shape, Ty, fact},
    world::{
        Call, Effect, Seen, Target, World, permission,
        rds::{self, NewReplica, Source, Status, TAG_SECURITY_GROUPS},
    },
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "reverse-replication",
        doc: "Builds a replica of the active site's database at the site that was left. Takes hours.",
        fields: &[Field::default(
            "settings",
            Ty::OneOf(&["like-retired"]),
            "like-retired",
            "What it is built with: class, networks and groups of the retired one.",
        )],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::From,
    outputs: &[Field::optional("replica", Ty::Text, "The replica's identifier.", "orders")],
    impact: Impact::Safe,
    calls: &[permission::CREATE_REPLICA, permission::TAG, permission::USE_KEY, permission::SEE_KEY],
    timeout: Span::hours(12),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    f.text("settings");
    Some(Action::ReverseReplication(ReverseReplication {}))
}

/// Parameters of `reverse-replication`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseReplication {}

impl Behave for ReverseReplication {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item| {
            let (here, source) = pair(cx, item).ok()?;
            Some([here.target, here.retired, source.target])
        };
        cx.items.iter().filter_map(|item| of(item)).flatten().collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| answer(|| build(cx, item, w))))
    }
}

fn pair<'a>(cx: &StepCx<'a>, item: &'a Resource) -> Result<(Database<'a>, Database<'a>), Next> {
    Ok((Database::of(item, cx.at)?, Database::of(item, cx.sites.other(&cx.at.name))?))
}

fn build(cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<Next, Next> {
    let (here, source) = pair(cx, item)?;
    let id = &here.identity.identifier;
    match w.seen(&here.target) {
        Some(Seen::Db(db)) if protected(cx, item, db) => {
            if db.status.is_terminal() {
                return Err(Next::stuck(
                    format!("{} is {}", here.target, db.status),
                    "delete the broken replica, then resume",
                ));
            }
            return Ok(if db.status == Status::Creating || !db.usable() {
                Next::wait([here.target.clone()], format!("{id} is {}", db.status))
            } else {
                let outputs = Outputs::from([("replica".to_owned(), id.clone().into())]);
                Next::Done {
                    outputs,
                    facts: vec![fact(
                        id,
                        format!("replica of {} at {}", source.identity.identifier, cx.sites.other(&cx.at.name).name),
                    )],
                }
            });
        }
        Some(Seen::Db(_)) => {
            return Err(Next::stuck(
                format!("{} is still a database of its own", here.target),
                "retire it first: its name is needed",
            ));
        }
        Some(Seen::Absent) => {}
        seen => return Err(unknown(&here.target, seen)),
    }
    if cx.past.last_on(&here.target).is_some() {
        return Ok(Next::wait([here.target], format!("{id} to appear")));
    }
    let writer = match w.seen(&source.target) {
        Some(Seen::Db(db)) if db.is_replica() => {
            return Err(Next::stuck(
                format!("{} is itself a replica", source.target),
                "reprotect from the active site",
            ));
        }
        Some(Seen::Db(db)) if db.backup_retention == 0 => {
            return Err(Next::stuck(
                format!("{} keeps no backups, so nothing can replicate from it", source.target),
                "set its backup retention to at least 1, then resume",
            ));
        }
        Some(Seen::Db(db)) if !db.usable() => {
            return Ok(Next::wait([source.target], format!("{} is {}", db.identifier, db.status)));
        }
        Some(Seen::Db(db)) => db,
        Some(Seen::Absent) => {
            return Err(Next::stuck(format!("{} does not exist", source.target), "there is nothing to replicate from"));
        }
        seen => return Err(unknown(&source.target, seen)),
    };
    let call = Call::Rds(rds::Call::CreateReplica(Box::new(like_retired(cx, &here, writer, w)?)));
    Ok(Next::send(Effect { target: here.target, call }, "absent"))
}

/// The replica as the retired instance was; as its source is, where none was retired.
fn like_retired(cx: &StepCx<'_>, here: &Database<'_>, writer: &rds::Db, w: &World) -> Result<NewReplica, Next> {
    let retired = match w.seen(&here.retired) {
        Some(Seen::Dbs(all)) => all.first(),
        seen => return Err(unknown(&here.retired, seen)),
    };
    let like = retired.unwrap_or(writer);
    // The retired one was quarantined: its own groups are in the tag.
    let groups = match like.tags.get(TAG_SECURITY_GROUPS) {
        Some(kept) => kept.split(' ').filter(|g| !g.is_empty()).map(str::to_owned).collect(),
        None if retired.is_some() => like.security_groups.clone(),
        None => vec![],
    };
    let other = cx.sites.other(&cx.at.name);
    Ok(NewReplica {
        identifier: here.identity.identifier.clone(),
        source: Source { site: Some(other.name.clone()), identifier: writer.identifier.clone() },
        source_region: other.region.to_string(),
        engine: writer.engine,
        parameter_group: here.identity.parameter_group.clone().unwrap_or_else(|| like.parameter_group.clone()),
        security_groups: groups,
        kms_key: here.identity.kms_key.clone().or_else(|| retired.and_then(|db| db.kms_key.clone())),
        settings: like.settings.clone(),
    })
}
