//! Where databases answer. Every question to a database itself needs it, and it hardly ever changes (RDS
//! makes it of the name): so it is kept for a while, and asked anew for all databases of a site at once.

use crate::{
    driver::{LookError, lately::Lately},
    world::rds::Db,
};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};
use tokio::sync::{Mutex as Turn, MutexGuard as MyTurn};

/// What is known of the databases of a site, by their names in lowercase.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    told: Lately<String, Known>,
    /// All that was ever asked for.
    wanted: Mutex<BTreeSet<String>>,
    asking: Turn<()>,
}

/// Of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Host and port.
    At(String),
    /// There is one, and nobody knows where yet.
    Nowhere,
    /// There is none of that name.
    Absent,
    /// Nobody told.
    Untold(LookError),
}

impl Addresses {
    /// What was told of a database lately.
    pub(super) fn of(&self, identifier: &str) -> Option<Known> {
        self.told.answer(&identifier.to_lowercase(), |known| matches!(known, Known::At(_)))
    }

    /// Waits for the turn to ask for one that is not known, and gives all that are to be asked for with it.
    pub(super) async fn turn(&self, identifier: &str) -> (MyTurn<'_, ()>, BTreeSet<String>) {
        let wanted = || self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted().insert(identifier.to_lowercase());
        let turn = self.asking.lock().await;
        (turn, wanted().clone())
    }

    /// These were found, asked for by their names among others.
    pub(super) fn learn(&self, names: &[String], found: &[Db]) {
        let missing = names.iter().filter(|name| !found.iter().any(|db| db.identifier.eq_ignore_ascii_case(name)));
        for db in found {
            let known = db.endpoint.clone().map_or(Known::Nowhere, Known::At);
            self.told.tell(db.identifier.to_lowercase(), known);
        }
        missing.for_each(|name| self.told.tell(name.clone(), Known::Absent));
    }

    /// Nobody told of these.
    pub(super) fn miss(&self, names: BTreeSet<String>, why: &LookError) {
        names.into_iter().for_each(|name| self.told.tell(name, Known::Untold(why.clone())));
    }
}
