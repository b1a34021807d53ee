//! `quarantine`: lets nobody into a database any more, by its security groups. The groups before
//! are kept as a tag on the instance first.

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, StepCx,
    databases::{Database, answer, protected, unknown},
};
use crate::{
    clock::Span,
    model::{Fields, Impact, Kind, KindName, Resource, Shape, fact},
    world::{
        Call, Effect, Seen, Target, What, World, permission,
        rds::{self, TAG_SECURITY_GROUPS},
    },
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "quarantine",
        doc: "Lets nobody into a database any more, by its `quarantine_security_groups`; proven by a refused connection where a `connection` is configured.",
        fields: &[],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::From,
    outputs: &[],
    impact: Impact::Disruptive,
    calls: &[permission::TAG, permission::MODIFY],
    timeout: Span::mins(10),
    undone_by: None,
    lower,
};

fn lower(_: &mut Fields<'_>) -> Option<Action> {
    Some(Action::Quarantine(Quarantine {}))
}

/// Parameters of `quarantine`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {}

impl Behave for Quarantine {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item: &&Resource| {
            let db = Database::of(item, cx.at).ok()?;
            Some([Some(db.target.clone()), connect(item, &db), Some(db.retired)])
        };
        cx.items.iter().filter_map(of).flatten().flatten().collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| answer(|| close(cx, item, w))))
    }
}

/// What proves it, where the runbook says how to connect.
fn connect(item: &Resource, db: &Database<'_>) -> Option<Target> {
    match &item.kind {
        Kind::RdsInstance { connection: Some(_), .. } => Some(db.beside(What::Connect(db.identity.identifier.clone()))),
        _ => None,
    }
}

fn close(cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<Next, Next> {
    let database = Database::of(item, cx.at)?;
    let db = database.see(w)?;
    if protected(cx, item, db) {
        return Ok(Next::done_with(vec![fact(&db.identifier, "already a replica of the active site")]));
    }
    let mut groups = database.identity.quarantine_security_groups.clone();
    groups.sort();
    if groups.is_empty() {
        return Err(Next::stuck(
            format!("{} at {} has no quarantine_security_groups", item.name, cx.at.name),
            "name one that lets nobody in",
        ));
    }
    if db.security_groups != groups {
        let call = if db.tags.contains_key(TAG_SECURITY_GROUPS) {
            rds::Call::SetSecurityGroups {
                identifier: db.identifier.clone(),
                resource_id: db.resource_id.clone(),
                groups,
            }
        } else {
            rds::Call::Tag {
                on: rds::Tagged::Db(db.identifier.clone()),
                key: TAG_SECURITY_GROUPS.into(),
                value: Some(db.security_groups.join(" ")),
            }
        };
        return Ok(Next::send(
            Effect { target: database.target.clone(), call: Call::Rds(call) },
            db.security_groups.join(" "),
        ));
    }
    let Some(connect) = connect(item, &database) else {
        return Ok(Next::done_with(vec![fact(
            &db.identifier,
            "quarantined; not proven, since no `connection` is configured",
        )]));
    };
    Ok(match w.seen(&connect) {
        Some(Seen::Answer(answer)) if answer.ok => {
            Next::wait([connect, database.target.clone()], format!("{} still accepts connections", db.identifier))
        }
        Some(Seen::Answer(_)) => Next::done_with(vec![fact(&db.identifier, "quarantined: a connection is refused")]),
        seen => unknown(&connect, seen),
    })
}
