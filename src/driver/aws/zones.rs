//! What the name servers of zones have to answer, and which they are. Every question to a name server needs it,
//! and it hardly ever changes: weights do, and no server tells them.

use super::{eyes::Place, records};
use crate::{
    driver::{LookError, lately::Lately},
    world::dns::Records,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard as MyTurn};

/// The servers of a zone, and its records.
type Told = Result<(Vec<String>, Records), LookError>;

/// What is known of zones.
#[derive(Debug, Default)]
pub(super) struct Zones {
    told: Lately<String, Told>,
    /// They do not change while a run goes on.
    servers: Lately<String, Vec<String>>,
    asking: Mutex<BTreeMap<String, Arc<Turn<()>>>>,
}

impl Zones {
    /// Waits for the turn to ask about a zone.
    pub(super) async fn turn(&self, zone: &str) -> MyTurn<()> {
        let asking = || self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = asking().entry(zone.to_owned()).or_default().clone();
        turn.lock_owned().await
    }

    /// What was told of a zone lately.
    pub(super) fn told(&self, zone: &str) -> Option<Told> {
        self.told.answer(&zone.to_owned(), Result::is_ok)
    }

    /// It was told now.
    pub(super) fn tell(&self, zone: &str, told: Told) {
        self.told.tell(zone.to_owned(), told);
    }

    /// The name servers of a zone.
    pub(super) async fn servers(&self, place: &Place<'_>, zone: &str) -> Result<Vec<String>, LookError> {
        if let Some(servers) = self.servers.told(&zone.to_owned(), Duration::MAX) {
            return Ok(servers);
        }
        let servers = records::name_servers(place, zone).await?;
        self.servers.tell(zone.to_owned(), servers.clone());
        Ok(servers)
    }
}
