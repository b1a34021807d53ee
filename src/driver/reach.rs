//! The way to a database: its address as RDS says, its user and password as the runbook says.

use super::{
    LookError,
    aws::Eyes,
    lately::{FRESH, Lately},
    live::Ground,
    postgres::{Reach, Tls},
};
use crate::{
    ids::SiteName,
    model::{Connection, DbEngine, Kind, Password, Tls as Protection},
};
use std::{path::Path, sync::Arc};

/// Finds the way to databases.
pub(super) struct Reaches {
    ground: Ground,
    eyes: Arc<Eyes>,
    /// For a while only: passwords may be rotated while a run goes on.
    secrets: Lately<(SiteName, String), String>,
}

impl Reaches {
    pub(super) fn new(ground: Ground, eyes: Arc<Eyes>) -> Self {
        Self { ground, eyes, secrets: Lately::default() }
    }

    /// The folder that files are relative to.
    pub(super) fn folder(&self) -> &Path {
        &self.ground.folder
    }

    /// How a database at a site is reached, by someone who may ask it.
    pub(super) async fn of(&self, site: &SiteName, identifier: &str) -> Result<Reach, LookError> {
        let permanent = |why: String| LookError::Permanent { why };
        let found = self.connection(site, identifier).ok_or_else(|| {
            permanent(format!("the runbook says no `connection` to {identifier}, so it cannot be asked"))
        })?;
        if matches!(found.engine, Some(DbEngine::Mysql | DbEngine::Mariadb)) {
            return Err(permanent(format!(
                "lifeboat connects to PostgreSQL alone, and {identifier} is another engine"
            )));
        }
        let user = found.connection.user.clone();
        let user = user.ok_or_else(|| permanent(format!("the `connection` to {identifier} names no user")))?;
        let (password, address) =
            tokio::join!(self.password(site, found.connection), Box::pin(self.address(site, identifier)));
        let (host, port) = address?;
        Ok(Reach {
            host,
            port,
            database: found.connection.database.clone().unwrap_or_else(|| "postgres".into()),
            user,
            password: password?,
            tls: match (found.connection.tls, &found.connection.ca) {
                (Protection::Disable, _) => Tls::Disable,
                (_, Some(ca)) => Tls::VerifyFull(Some(self.ground.folder.join(ca))),
                (Protection::VerifyFull, None) => Tls::VerifyFull(None),
                (Protection::Require, None) => Tls::Require,
            },
        })
    }

    /// The same, of the site in a Region.
    pub(super) async fn in_region(&self, region: &str, identifier: &str) -> Result<Reach, LookError> {
        let site = self
            .ground
            .sites
            .values()
            .find(|s| s.region.as_str() == region && self.connection(&s.name, identifier).is_some());
        let unknown = || LookError::Permanent { why: format!("the runbook has no {identifier} in {region}") };
        self.of(&site.ok_or_else(unknown)?.name, identifier).await
    }

    /// Where a database answers: host and port.
    pub(super) async fn address(&self, site: &SiteName, identifier: &str) -> Result<(String, u16), LookError> {
        let endpoint = Box::pin(self.eyes.endpoint(site, identifier)).await?;
        let stated = self.connection(site, identifier).and_then(|found| found.connection.port);
        let parts = endpoint.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let (host, reported) =
            parts.ok_or_else(|| LookError::Permanent { why: format!("{endpoint} is no address of a database") })?;
        Ok((host, stated.unwrap_or(reported)))
    }

    fn connection(&self, site: &SiteName, identifier: &str) -> Option<Found<'_>> {
        self.ground.resources.values().find_map(|resource| match &resource.kind {
            Kind::RdsInstance { engine, sites, connection: Some(connection) }
                if sites.get(site).is_some_and(|db| db.identifier == identifier) =>
            {
                Some(Found { connection, engine: *engine })
            }
            _ => None,
        })
    }

    async fn password(&self, site: &SiteName, connection: &Connection) -> Result<String, LookError> {
        match &connection.password {
            None => Ok(String::new()),
            Some(Password::Env(name)) => {
                std::env::var(name).map_err(|_| LookError::Permanent { why: format!("the variable {name} is not set") })
            }
            Some(Password::Secret(name)) => self.secret(site, name).await,
        }
    }

    async fn secret(&self, site: &SiteName, name: &str) -> Result<String, LookError> {
        let key = (site.clone(), name.to_owned());
        if let Some(password) = self.secrets.told(&key, FRESH) {
            return Ok(password);
        }
        let password = Box::pin(self.eyes.secret(site, name)).await?;
        self.secrets.tell(key, password.clone());
        Ok(password)
    }
}

/// What the runbook says of how to connect.
struct Found<'a> {
    connection: &'a Connection,
    engine: Option<DbEngine>,
}
