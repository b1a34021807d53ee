//! What the actions on databases share: where a database is, and what its absence means.

use super::{Next, StepCx};
use crate::{
    model::{DbEngine, DbIdentity, Resource, Site},
    world::{Seen, Target, What, World, rds},
};

/// The database of a resource at a site, and the targets that tell of it.
pub(super) struct Database<'a> {
    /// Its identity in the runbook.
    pub(super) identity: &'a DbIdentity,
    /// Itself.
    pub(super) target: Target,
    /// The instances that were retired from its name.
    pub(super) retired: Target,
    site: &'a Site,
    resource: &'a Resource,
}

impl<'a> Database<'a> {
    /// Of a resource at a site; an answer where it has none there.
    pub(super) fn of(resource: &'a Resource, site: &'a Site) -> Result<Self, Next> {
        let Some(identity) = resource.db(&site.name) else {
            return Err(Next::stuck(
                format!("{} has no database at {}", resource.name, site.name),
                "add it under `sites` of the resource",
            ));
        };
        let at = |what| Target::at(site, what);
        Ok(Self {
            identity,
            target: at(What::Db(identity.identifier.clone())),
            retired: at(What::Retired(identity.identifier.clone())),
            site,
            resource,
        })
    }

    /// Another thing of the same site.
    pub(super) fn beside(&self, what: What) -> Target {
        Target::at(self.site, what)
    }

    /// Its parameter group; an answer where the runbook names none.
    pub(super) fn parameters(&self) -> Result<Target, Next> {
        match &self.identity.parameter_group {
            Some(name) => Ok(self.beside(What::Parameters(name.clone()))),
            None => Err(Next::stuck(
                format!("{} at {} has no parameter group to freeze it by", self.resource.name, self.site.name),
                "give it a `parameter_group` of its own",
            )),
        }
    }

    /// Itself, as seen; otherwise the answer that its absence or our ignorance means.
    pub(super) fn see<'w>(&self, w: &'w World) -> Result<&'w rds::Db, Next> {
        match w.seen(&self.target) {
            Some(Seen::Db(db)) => Ok(db),
            Some(Seen::Absent) => Err(self.absent(w)),
            seen => Err(unknown(&self.target, seen)),
        }
    }

    /// Its absence: nothing is left to do where it was retired already, else nothing can be done.
    fn absent(&self, w: &World) -> Next {
        match w.seen(&self.retired) {
            Some(Seen::Dbs(retired)) if !retired.is_empty() => {
                Next::done_with(vec![crate::model::fact(&self.identity.identifier, "already retired")])
            }
            Some(Seen::Unknown { .. }) => unknown(&self.retired, w.seen(&self.retired)),
            _ => Next::stuck(
                format!("{} does not exist", self.target),
                "compare the runbook's identifier with the account",
            ),
        }
    }

    /// The engine: as seen, else as stated, else MySQL's.
    pub(super) fn engine(&self, w: &World) -> DbEngine {
        w.db(&self.target).map(|db| db.engine).or(self.resource.engine()).unwrap_or(DbEngine::Mysql)
    }
}

/// It replicates from the database of the same resource at the other end of the run, which is what
/// `reprotect` is for: its steps have nothing left to do then.
pub(super) fn protected(cx: &StepCx<'_>, resource: &Resource, db: &rds::Db) -> bool {
    let other = cx.sites.other(&cx.at.name);
    let from = db.source.as_ref().filter(|s| s.site.as_ref().is_none_or(|site| *site == other.name));
    !cx.direction.is_move()
        && from.is_some_and(|s| resource.db(&other.name).is_some_and(|o| o.identifier == s.identifier))
}

/// What is not known is waited for: the step's timeout is the limit.
pub(super) fn unknown(target: &Target, seen: Option<&Seen>) -> Next {
    let why = match seen {
        Some(Seen::Unknown { why }) => why.clone(),
        _ => "not looked at yet".to_owned(),
    };
    Next::wait([target.clone()], format!("{target} unknown: {why}"))
}

/// Runs a part of an action that ends early with an answer.
pub(super) fn answer(part: impl FnOnce() -> Result<Next, Next>) -> Next {
    part().unwrap_or_else(|early| early)
}
