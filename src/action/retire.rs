//! `retire`: frees a database's name for its successor, by renaming it; never deletes. A tag tells
//! what it was, so that its settings and its data are found again.

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, StepCx,
    databases::{Database, answer, protected, unknown},
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Outputs, Resource, Shape, Ty, fact},
    world::{
        Call, Effect, Seen, Target, What, World, permission,
        rds::{self, Status, TAG_RETIRED_FROM},
    },
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "retire",
        doc: "Renames a database, so that a replica can be built under its name. Never deletes.",
        fields: &[Field::required("rename", Ty::Text, "Its new identifier.", "orders-old-${run.id}")],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::From,
    outputs: &[Field::optional(
        "retired",
        Ty::Text,
        "Its new identifier; absent where nothing had to be renamed.",
        "orders-old-1",
    )],
    impact: Impact::Disruptive,
    calls: &[permission::TAG, permission::MODIFY],
    timeout: Span::mins(30),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    Some(Action::Retire(Retire { rename: f.text("rename")? }))
}

/// Parameters of `retire`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retire {
    /// Its new identifier; of several databases each gets its resource's name appended.
    pub rename: String,
}

impl Behave for Retire {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item| {
            let db = Database::of(item, cx.at).ok()?;
            Some([db.beside(What::Db(self.name_for(cx, item))), db.target.clone(), db.retired])
        };
        cx.items.iter().filter_map(|item| of(item)).flatten().collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| answer(|| self.rename(cx, item, w))))
    }
}

impl Retire {
    fn name_for(&self, cx: &StepCx<'_>, item: &Resource) -> String {
        if cx.items.len() == 1 { self.rename.clone() } else { format!("{}-{}", self.rename, item.name) }
    }

    fn rename(&self, cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<Next, Next> {
        let database = Database::of(item, cx.at)?;
        let name = self.name_for(cx, item);
        let renamed = database.beside(What::Db(name.clone()));
        match w.seen(&renamed) {
            Some(Seen::Db(db)) if db.tags.get(TAG_RETIRED_FROM) != Some(&database.identity.identifier) => {
                return Err(Next::stuck(
                    format!("{renamed} exists already and is something else"),
                    "choose another name",
                ));
            }
            Some(Seen::Db(db)) if db.status == Status::Available => {
                let outputs = Outputs::from([("retired".to_owned(), name.clone().into())]);
                return Ok(Next::Done {
                    outputs,
                    facts: vec![fact(&database.identity.identifier, format!("retired as {name}"))],
                });
            }
            Some(Seen::Db(db)) => return Ok(Next::wait([renamed], format!("{name} is {}", db.status))),
            Some(Seen::Absent) => {}
            seen => return Err(unknown(&renamed, seen)),
        }
        // It was here when it was tagged: a rename that was in doubt goes on. For about ten minutes neither name
        // is known (RDS User Guide, Renaming a DB instance).
        let tagged = cx.past.last_on(&database.target).is_some();
        let gone = tagged && matches!(w.seen(&database.target), Some(Seen::Absent));
        if gone || cx.past.last_on(&renamed).is_some() {
            return Ok(Next::wait([renamed], format!("{name} to appear: its name is gone for minutes")));
        }
        let db = database.see(w)?;
        if protected(cx, item, db) {
            return Ok(Next::done_with(vec![fact(&db.identifier, "already a replica of the active site")]));
        }
        if !db.usable() {
            return Ok(Next::wait([database.target.clone()], format!("{} is {}", db.identifier, db.status)));
        }
        let id = db.identifier.clone();
        if db.tags.get(TAG_RETIRED_FROM) != Some(&id) {
            let call =
                rds::Call::Tag { on: rds::Tagged::Db(id.clone()), key: TAG_RETIRED_FROM.into(), value: Some(id) };
            return Ok(Next::send(Effect { target: database.target.clone(), call: Call::Rds(call) }, "no tag"));
        }
        let call = rds::Call::Rename { identifier: id.clone(), resource_id: db.resource_id.clone(), to: name };
        Ok(Next::send(Effect { target: renamed, call: Call::Rds(call) }, id))
    }
}
