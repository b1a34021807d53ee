//! `promote-replica`: makes a replica the writer. The point of no return: what was promoted can
//! never be a replica again (RDS user guide, "Promoting a read replica").

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, StepCx,
    databases::{Database, answer, unknown},
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Outputs, Resource, Shape, Site, Ty, fact},
    world::{
        Call, Effect, Seen, Target, World, permission,
        rds::{self, ApplyStatus, Status},
    },
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "promote-replica",
        doc: "Makes a replica the writer, for ever: the point of no return.",
        fields: &[Field::default(
            "backup_retention",
            Ty::Int { min: 1, max: 35 },
            "7",
            "Days that backups are kept from then on; at least 1, or nothing can replicate from it.",
        )],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::To,
    outputs: &[Field::optional("endpoint", Ty::Text, "Host and port of the new writer.", "orders.example:5432")],
    impact: Impact::Irreversible,
    calls: &[permission::PROMOTE],
    timeout: Span::mins(30),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let backup_retention = f.count("backup_retention").unwrap_or(7);
    if !(1..=35).contains(&backup_retention) {
        f.complain("backup_retention", "backups must be kept for 1 to 35 days");
    }
    Some(Action::PromoteReplica(PromoteReplica { backup_retention }))
}

/// Parameters of `promote-replica`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromoteReplica {
    /// Days that backups are kept from then on.
    pub backup_retention: u32,
}

impl Behave for PromoteReplica {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item| {
            let db = Database::of(item, cx.at)?;
            Ok::<_, Next>(std::iter::once(db.target.clone()).chain(db.parameters().ok()))
        };
        cx.items.iter().filter_map(|item| of(item).ok()).flatten().collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| answer(|| self.promote(cx, item, w))))
    }
}

impl PromoteReplica {
    fn promote(&self, cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<Next, Next> {
        let database = Database::of(item, cx.at)?;
        let target = &database.target;
        let db = match w.seen(target) {
            Some(Seen::Db(db)) => db,
            Some(Seen::Absent) => {
                return Err(Next::stuck(
                    format!("{target} does not exist"),
                    "there is nothing to promote; is this the right site?",
                ));
            }
            seen => return Err(unknown(target, seen)),
        };
        if db.status.is_terminal() {
            return Err(Next::stuck(
                format!("{target} is {}", db.status),
                "repair it, or restore from a backup: a replica in this state cannot be promoted",
            ));
        }
        if !db.is_replica() {
            // The first `available` after a promotion is not the end of it while replication is still reported.
            return Ok(if db.usable() && db.replication_normal {
                let endpoint = db.endpoint.clone().map(|e| ("endpoint".to_owned(), e.into()));
                Next::Done {
                    outputs: Outputs::from_iter(endpoint),
                    facts: vec![fact(&db.identifier, format!("writer, {}", db.status))],
                }
            } else {
                Next::wait([target.clone()], format!("{} is {}, becoming a writer", db.identifier, db.status))
            });
        }
        if cx.past.last_on(target).is_some() {
            return Ok(Next::wait([target.clone()], format!("{} is {}, still a replica", db.identifier, db.status)));
        }
        follows_what_is_left(cx, item, db, w)?;
        may_promote(&database, db, w)?;
        let call = rds::Call::Promote {
            identifier: db.identifier.clone(),
            resource_id: db.resource_id.clone(),
            backup_retention: self.backup_retention,
        };
        let from = db.source.as_ref().map_or("?", |s| s.identifier.as_str());
        Ok(Next::send(Effect { target: target.clone(), call: Call::Rds(call) }, format!("replica of {from}")))
    }
}

/// A replica of anything else than the database being left holds old data, or another's: of one that
/// was retired, or of a third site. Followed up as far as can be seen; what cannot is believed.
fn follows_what_is_left(cx: &StepCx<'_>, item: &Resource, db: &rds::Db, w: &World) -> Result<(), Next> {
    let left = cx.sites.other(&cx.at.name);
    let mut source = db.source.as_ref();
    for _ in cx.all_sites {
        let Some(of) = source else { break };
        let is_it = |site: &&Site| {
            of.site.as_ref().is_none_or(|name| *name == site.name)
                && item.db(&site.name).is_some_and(|db| db.identifier == of.identifier)
        };
        let mut sites = std::iter::once(left).chain(cx.all_sites.values()).filter(|site| site.name != cx.at.name);
        match sites.find(is_it) {
            Some(site) if site.name == left.name => return Ok(()),
            Some(site) => match Database::of(item, site).ok().and_then(|up| w.db(&up.target)) {
                Some(up) => source = up.source.as_ref(),
                None => return Ok(()),
            },
            None => break,
        }
    }
    let of = db.source.as_ref().map_or("?", |s| s.identifier.as_str());
    let place = db.source.as_ref().and_then(|s| s.site.as_ref()).map_or_else(String::new, |s| format!(" at {s}"));
    Err(Next::stuck(
        format!(
            "{} at {} replicates from {of}{place}, not from {}: its data may be old",
            db.identifier, cx.at.name, left.name
        ),
        format!(
            "lifeboat reprotect --to {} makes it a replica of the active site; or choose another with --to",
            cx.at.name
        ),
    ))
}

/// The provider's refusals, told before it is asked.
fn may_promote(database: &Database<'_>, db: &rds::Db, w: &World) -> Result<(), Next> {
    let id = &db.identifier;
    if db.status == Status::BackingUp {
        return Err(Next::wait([database.target.clone()], format!("{id} is backing up, which refuses a promotion")));
    }
    if !db.usable() {
        return Err(Next::wait([database.target.clone()], format!("{id} is {}", db.status)));
    }
    if db.parameters == ApplyStatus::PendingReboot {
        return Err(Next::stuck(
            format!("{id} waits for a reboot to take on its parameters"),
            "reboot it, then resume",
        ));
    }
    let frozen = |group: &Target| match w.seen(group) {
        Some(Seen::Parameters(group)) => group.frozen(db.engine),
        _ => false,
    };
    match database.parameters() {
        Ok(group) if frozen(&group) => Err(Next::stuck(
            format!("{group} is frozen: {id} would become a writer that refuses writes"),
            "put `unfreeze-writes` with `at: to` before the promotion",
        )),
        _ => Ok(()),
    }
}
