//! `freeze-writes`: closes a database for writes, through its parameter group, so that it lasts
//! and shows. The value before is kept as a tag on the group first: whoever opens it again, in this
//! run or a later one, knows what to restore.

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, StepCx,
    databases::{Database, answer, protected, unknown},
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Mode, Resource, Shape, Ty, fact},
    world::{
        Call, Effect, Seen, Target, World, permission,
        rds::{self, ApplyStatus, Status, TAG_FROZEN, UNSET},
    },
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "freeze-writes",
        doc: "Closes a database for writes, until `unfreeze-writes` or the promotion of its replica.",
        fields: &[Field::default(
            "if_alive_unfenced",
            Ty::OneOf(&["ask", "stop"]),
            "ask",
            "Emergency: what to do before a promotion if the site answers, yet the freeze failed. Never covered by `--yes`.",
        )],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::From,
    outputs: &[],
    impact: Impact::Disruptive,
    calls: &[permission::TAG, permission::SET_PARAMETER],
    timeout: Span::mins(5),
    undone_by: Some("unfreeze-writes"),
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    Some(Action::FreezeWrites(FreezeWrites { stop_if_alive: f.text("if_alive_unfenced").as_deref() == Some("stop") }))
}

/// Parameters of `freeze-writes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeWrites {
    /// In an emergency, a site that answers although the freeze failed stops the run instead of raising a question.
    pub stop_if_alive: bool,
}

impl Behave for FreezeWrites {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item| {
            let db = Database::of(item, cx.at)?;
            Ok::<_, Next>([db.target.clone(), db.parameters()?, db.retired])
        };
        let there = cx.items.iter().filter_map(|item| Some(to_be_promoted(cx, item)?.target));
        cx.items.iter().filter_map(|item| of(item).ok()).flatten().chain(there).collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| answer(|| freeze(cx, item, w))))
    }
}

fn freeze(cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<Next, Next> {
    let database = Database::of(item, cx.at)?;
    let group_target = database.parameters()?;
    let db = database.see(w)?;
    if protected(cx, item, db) {
        return Ok(Next::done_with(vec![fact(&db.identifier, "already a replica of the active site")]));
    }
    let group = match w.seen(&group_target) {
        Some(Seen::Parameters(group)) => group,
        Some(Seen::Absent) => {
            return Err(Next::stuck(
                format!("{group_target} does not exist"),
                "create it and attach it to the instance beforehand",
            ));
        }
        seen => return Err(unknown(&group_target, seen)),
    };
    if db.parameter_group != group.name {
        let why = format!("{} uses the parameter group {}, not {}", database.target, db.parameter_group, group.name);
        return Err(Next::stuck(
            why,
            "attach the group that the runbook names; that needs a reboot, so do it beforehand",
        ));
    }
    let parameter = db.engine.freeze_parameter();
    let before = group.values.get(parameter).cloned();
    if !group.frozen(db.engine) {
        no_backup_comes_between(cx, item, w)?;
        let call = if group.tags.contains_key(TAG_FROZEN) {
            rds::Call::SetParameter {
                group: group.name.clone(),
                parameter: parameter.into(),
                value: Some("1".into()),
                freezes: true,
            }
        } else {
            let kept = before.clone().unwrap_or_else(|| UNSET.into());
            rds::Call::Tag {
                on: rds::Tagged::Parameters(group.name.clone()),
                key: TAG_FROZEN.into(),
                value: Some(kept),
            }
        };
        let shown = before.map_or_else(|| "engine default".to_owned(), |v| format!("{parameter} {v}"));
        return Ok(Next::send(Effect { target: group_target, call: Call::Rds(call) }, shown));
    }
    Ok(match db.parameters {
        ApplyStatus::InSync => Next::done_with(vec![fact(&db.identifier, format!("writes frozen by {parameter}"))]),
        ApplyStatus::Applying => {
            Next::wait([database.target.clone()], format!("{} to take on {parameter}", db.identifier))
        }
        ApplyStatus::PendingReboot | ApplyStatus::Failed => Next::stuck(
            format!("{} did not take on {parameter}", db.identifier),
            "look at the group's apply status; a reboot may be pending",
        ),
    })
}

/// The database at the other end, where what is frozen is held until its promotion. In an emergency nothing
/// waits for it.
fn to_be_promoted<'a>(cx: &StepCx<'a>, item: &'a Resource) -> Option<Database<'a>> {
    let follows = cx.mode == Mode::Planned && cx.direction.is_move() && cx.hold.is_some();
    follows.then(|| Database::of(item, cx.sites.other(&cx.at.name)).ok())?
}

/// No replica is promoted while it is being backed up (RDS API, PromoteReadReplica): the freeze would be held
/// until its time is over, and taken back for nothing.
fn no_backup_comes_between(cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<(), Next> {
    let (Some(there), Some(hold)) = (to_be_promoted(cx, item), cx.hold) else { return Ok(()) };
    let db = match w.seen(&there.target) {
        Some(Seen::Db(db)) if db.is_replica() => db,
        Some(Seen::Db(_) | Seen::Absent) => return Ok(()),
        seen => return Err(unknown(&there.target, seen)),
    };
    if let Some(window) = db.backup_window.filter(|_| db.backup_retention > 0) {
        let (opens, closes) = window.at_or_after(cx.now);
        if opens < cx.now + hold {
            return Err(Next::stuck(
                format!(
                    "the backup window of {}, {window} UTC, is too near: no promotion is taken during a backup, and writes would be frozen for nothing",
                    there.target
                ),
                format!("try again after {closes}, or move that window (PreferredBackupWindow)"),
            ));
        }
    }
    if db.status == Status::BackingUp {
        let why = format!("{} is backing up, which refuses a promotion: writes are frozen after that", there.target);
        return Err(Next::wait([there.target], why));
    }
    Ok(())
}
