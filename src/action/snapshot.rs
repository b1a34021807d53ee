//! `snapshot`: keeps a copy of a database as it is. A repeat under the same name is done already.

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, StepCx,
    databases::{Database, answer, protected, unknown},
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Outputs, Resource, Shape, Ty, fact},
    world::{
        Call, Effect, Seen, Target, What, World, permission,
        rds::{self, Status},
    },
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "snapshot",
        doc: "Keeps a copy of a database as it is.",
        fields: &[Field::required(
            "name",
            Ty::Text,
            "The snapshot's name; a repeat under the same name is done already.",
            "orders-tail-${run.id}",
        )],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::From,
    outputs: &[Field::optional(
        "snapshot",
        Ty::Text,
        "The snapshot's name; absent where nothing had to be kept.",
        "orders-tail-1",
    )],
    impact: Impact::Safe,
    calls: &[permission::CREATE_SNAPSHOT, permission::USE_KEY, permission::SEE_KEY],
    timeout: Span::hours(1),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    Some(Action::Snapshot(Snapshot { name: f.text("name")? }))
}

/// Parameters of `snapshot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name; of several databases each gets its resource's name appended.
    pub name: String,
}

impl Behave for Snapshot {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item| {
            let db = Database::of(item, cx.at).ok()?;
            Some([db.beside(What::Snapshot(self.name_for(cx, item))), db.target.clone(), db.retired])
        };
        cx.items.iter().filter_map(|item| of(item)).flatten().collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| answer(|| self.keep(cx, item, w))))
    }
}

impl Snapshot {
    fn name_for(&self, cx: &StepCx<'_>, item: &Resource) -> String {
        if cx.items.len() == 1 { self.name.clone() } else { format!("{}-{}", self.name, item.name) }
    }

    fn keep(&self, cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<Next, Next> {
        let database = Database::of(item, cx.at)?;
        let name = self.name_for(cx, item);
        let target = database.beside(What::Snapshot(name.clone()));
        match w.seen(&target) {
            Some(Seen::Snapshot(snapshot)) if foreign(&database, snapshot, w) => {
                return Err(Next::stuck(
                    format!("the snapshot {name} is of another database than {}", database.identity.identifier),
                    "give the snapshot of each database a name of its own",
                ));
            }
            Some(Seen::Snapshot(snapshot)) if snapshot.complete => {
                let outputs = Outputs::from([("snapshot".to_owned(), name.clone().into())]);
                return Ok(Next::Done {
                    outputs,
                    facts: vec![fact("snapshot", format!("{name}, as of {}", snapshot.taken))],
                });
            }
            Some(Seen::Snapshot(_)) => return Ok(Next::wait([target], format!("{name} to be complete"))),
            Some(Seen::Absent) => {}
            seen => return Err(unknown(&target, seen)),
        }
        if cx.past.last_on(&target).is_some() {
            return Ok(Next::wait([target], format!("{name} to appear")));
        }
        let db = database.see(w)?;
        if protected(cx, item, db) {
            return Ok(Next::done_with(vec![fact(
                &db.identifier,
                "already a replica of the active site: it has no tail of its own",
            )]));
        }
        if !matches!(db.status, Status::Available | Status::StorageOptimization) {
            return Ok(Next::wait([database.target.clone()], format!("{} is {}", db.identifier, db.status)));
        }
        let call =
            rds::Call::CreateSnapshot { identifier: db.identifier.clone(), resource_id: db.resource_id.clone(), name };
        Ok(Next::send(Effect { target, call: Call::Rds(call) }, "no snapshot"))
    }
}

/// It was taken of an instance that is neither there now nor was renamed away.
fn foreign(database: &Database<'_>, snapshot: &rds::Snapshot, w: &World) -> bool {
    let there = w.db(&database.target).map(|db| &db.resource_id);
    let retired: &[rds::Db] = match w.seen(&database.retired) {
        Some(Seen::Dbs(all)) => all,
        _ => &[],
    };
    let mut own = there.into_iter().chain(retired.iter().map(|db| &db.resource_id)).peekable();
    own.peek().is_some() && own.all(|id| *id != snapshot.of)
}
