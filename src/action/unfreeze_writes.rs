//! `unfreeze-writes`: opens a parameter group again that was frozen, with the value it had before.
//! Works on the group, so it also opens one whose instance is gone or is a replica.

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, StepCx,
    databases::{Database, answer, unknown},
};
use crate::{
    clock::Span,
    model::{Fields, Impact, KindName, Resource, Shape, fact},
    world::{
        Call, Effect, Seen, Target, World, permission,
        rds::{self, ApplyStatus, TAG_FROZEN, UNSET},
    },
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "unfreeze-writes",
        doc: "Opens a database's parameter group for writes again, with the value it had before the freeze. Nothing to do where it is not frozen.",
        fields: &[],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::To,
    outputs: &[],
    impact: Impact::Safe,
    calls: &[permission::SET_PARAMETER, permission::RESET_PARAMETER, permission::UNTAG],
    timeout: Span::mins(5),
    undone_by: None,
    lower,
};

fn lower(_: &mut Fields<'_>) -> Option<Action> {
    Some(Action::UnfreezeWrites(UnfreezeWrites {}))
}

/// Parameters of `unfreeze-writes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfreezeWrites {}

impl Behave for UnfreezeWrites {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item| {
            let db = Database::of(item, cx.at)?;
            Ok::<_, Next>([db.target.clone(), db.parameters()?])
        };
        cx.items.iter().filter_map(|item| of(item).ok()).flatten().collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| answer(|| unfreeze(cx, item, w))))
    }
}

fn unfreeze(cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<Next, Next> {
    let database = Database::of(item, cx.at)?;
    let target = database.parameters()?;
    let group = match w.seen(&target) {
        Some(Seen::Parameters(group)) => group,
        Some(Seen::Absent) => {
            return Err(Next::stuck(
                format!("{target} does not exist"),
                "compare the runbook's parameter group with the account",
            ));
        }
        seen => return Err(unknown(&target, seen)),
    };
    let engine = database.engine(w);
    let parameter = engine.freeze_parameter();
    let kept = group.tags.get(TAG_FROZEN);
    let send = |call| {
        Next::send(
            Effect { target: target.clone(), call: Call::Rds(call) },
            format!("{parameter} {}", group.values.get(parameter).map_or("engine default", String::as_str)),
        )
    };
    if group.frozen(engine) {
        // A freeze by hand left no tag: the engine's default lets a writer write.
        let value = kept.filter(|v| *v != UNSET && !matches!(v.to_lowercase().as_str(), "1" | "on" | "true")).cloned();
        return Ok(send(rds::Call::SetParameter {
            group: group.name.clone(),
            parameter: parameter.into(),
            value,
            freezes: false,
        }));
    }
    if kept.is_some() {
        return Ok(send(rds::Call::Tag {
            on: rds::Tagged::Parameters(group.name.clone()),
            key: TAG_FROZEN.into(),
            value: None,
        }));
    }
    Ok(match w.db(&database.target) {
        Some(db) if db.parameter_group == group.name && db.parameters == ApplyStatus::Applying => {
            Next::wait([database.target.clone()], format!("{} to take on {parameter}", db.identifier))
        }
        _ => Next::done_with(vec![fact(&group.name, "not frozen")]),
    })
}
