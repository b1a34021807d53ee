//! Resources: the things of a workload that a failover moves, per kind and per site.

use crate::ids::{ResourceName, SiteName};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// A resource of the runbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its name in the runbook.
    pub name: ResourceName,
    /// What it is, and what it is called at each site.
    pub kind: Kind,
}

/// The kinds of resources, each with what identifies one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    /// A database instance with a cross-Region replica.
    RdsInstance {
        /// Stated by the author; compared with the world where it can be.
        engine: Option<DbEngine>,
        /// The instance at each site.
        sites: BTreeMap<SiteName, DbIdentity>,
        /// How to connect to it, for proofs and data tests.
        connection: Option<Connection>,
    },
    /// A group of servers.
    AutoscalingGroup {
        /// Named sizes.
        sizes: BTreeMap<String, Size>,
        /// The group at each site.
        sites: BTreeMap<SiteName, GroupIdentity>,
    },
    /// DNS records with one weighted set per site.
    WeightedRecord {
        /// The hosted zone's id.
        zone: String,
        /// Fully qualified names, without a trailing dot.
        records: Vec<String>,
        /// `A`, `AAAA`, `CNAME`, …
        record_type: String,
        /// The set at each site.
        sites: BTreeMap<SiteName, RecordIdentity>,
    },
    /// A Step Functions state machine: what a team has automated already.
    StateMachine {
        /// The state machine at each site.
        sites: BTreeMap<SiteName, MachineIdentity>,
    },
}

/// A kind without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KindName {
    /// See [`Kind::RdsInstance`].
    RdsInstance,
    /// See [`Kind::AutoscalingGroup`].
    AutoscalingGroup,
    /// See [`Kind::WeightedRecord`].
    WeightedRecord,
    /// See [`Kind::StateMachine`].
    StateMachine,
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RdsInstance => "rds-instance",
            Self::AutoscalingGroup => "autoscaling-group",
            Self::WeightedRecord => "weighted-record",
            Self::StateMachine => "state-machine",
        })
    }
}

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DbEngine {
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// PostgreSQL.
    Postgres,
}

impl DbEngine {
    /// The dynamic parameter that makes every new transaction read-only
    /// (RDS parameter group reference; no reboot needed).
    pub fn freeze_parameter(self) -> &'static str {
        match self {
            Self::Mysql | Self::Mariadb => "read_only",
            Self::Postgres => "default_transaction_read_only",
        }
    }
}

/// A database instance at a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DbIdentity {
    /// The instance identifier.
    pub identifier: String,
    /// Its own parameter group, through which writes are frozen.
    pub parameter_group: Option<String>,
    /// Security groups that let nobody in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine_security_groups: Vec<String>,
    /// The key that encrypts a replica built here.
    pub kms_key: Option<String>,
}

/// A group of servers at a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupIdentity {
    /// The group's name.
    pub name: String,
}

/// A weighted set at a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordIdentity {
    /// The set's identifier.
    pub set_identifier: String,
}

/// A state machine at a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineIdentity {
    /// Its ARN.
    pub arn: String,
}

/// A size of a group of servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Fewest servers.
    pub min: u32,
    /// Servers wanted.
    pub desired: u32,
    /// Most servers.
    pub max: u32,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "min {} desired {} max {}", self.min, self.desired, self.max)
    }
}

/// How to connect to a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The database.
    pub database: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// Where the password is; never the password.
    pub password: Option<Password>,
    /// The port, where it is not the one that the instance reports.
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: Tls,
    /// The file with the authorities that vouch for the server, relative to the runbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// How a connection is protected, in the words of libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// Encrypted; whoever answers is taken for the server.
    #[default]
    Require,
    /// Encrypted, and the server proves its name.
    VerifyFull,
    /// In the clear.
    Disable,
}

/// Where a password is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Password {
    /// In that environment variable.
    Env(String),
    /// In that secret of Secrets Manager, in the site's own Region.
    Secret(String),
}

impl Resource {
    /// Its kind without the data.
    pub fn kind_name(&self) -> KindName {
        match self.kind {
            Kind::RdsInstance { .. } => KindName::RdsInstance,
            Kind::AutoscalingGroup { .. } => KindName::AutoscalingGroup,
            Kind::WeightedRecord { .. } => KindName::WeightedRecord,
            Kind::StateMachine { .. } => KindName::StateMachine,
        }
    }

    /// The database at a site; none for other kinds and where it has none.
    pub fn db(&self, site: &SiteName) -> Option<&DbIdentity> {
        match &self.kind {
            Kind::RdsInstance { sites, .. } => sites.get(site),
            Kind::AutoscalingGroup { .. } | Kind::WeightedRecord { .. } | Kind::StateMachine { .. } => None,
        }
    }

    /// The engine as stated; none for other kinds and where the author did not say.
    pub fn engine(&self) -> Option<DbEngine> {
        match &self.kind {
            Kind::RdsInstance { engine, .. } => *engine,
            Kind::AutoscalingGroup { .. } | Kind::WeightedRecord { .. } | Kind::StateMachine { .. } => None,
        }
    }

    /// The group of servers at a site; none for other kinds and where it has none.
    pub fn group(&self, site: &SiteName) -> Option<&GroupIdentity> {
        match &self.kind {
            Kind::AutoscalingGroup { sites, .. } => sites.get(site),
            Kind::RdsInstance { .. } | Kind::WeightedRecord { .. } | Kind::StateMachine { .. } => None,
        }
    }

    /// A named size of a group of servers.
    pub fn size(&self, name: &str) -> Option<Size> {
        match &self.kind {
            Kind::AutoscalingGroup { sizes, .. } => sizes.get(name).copied(),
            Kind::RdsInstance { .. } | Kind::WeightedRecord { .. } | Kind::StateMachine { .. } => None,
        }
    }

    /// The state machine at a site; none for other kinds and where it has none.
    pub fn machine(&self, site: &SiteName) -> Option<&MachineIdentity> {
        match &self.kind {
            Kind::StateMachine { sites } => sites.get(site),
            Kind::RdsInstance { .. } | Kind::AutoscalingGroup { .. } | Kind::WeightedRecord { .. } => None,
        }
    }

    /// What expressions read as `at.RESOURCE.NAME`: the identity at a site as a map of texts and lists.
    pub fn attributes(&self, site: &SiteName) -> Value {
        let known = match &self.kind {
            Kind::RdsInstance { sites, .. } => sites.get(site).map(serde_json::to_value),
            Kind::AutoscalingGroup { sites, .. } => sites.get(site).map(serde_json::to_value),
            Kind::WeightedRecord { sites, .. } => sites.get(site).map(serde_json::to_value),
            Kind::StateMachine { sites } => sites.get(site).map(serde_json::to_value),
        };
        known.and_then(Result::ok).unwrap_or(Value::Null)
    }

    /// The sites it is at.
    pub fn sites(&self) -> Vec<&SiteName> {
        match &self.kind {
            Kind::RdsInstance { sites, .. } => sites.keys().collect(),
            Kind::AutoscalingGroup { sites, .. } => sites.keys().collect(),
            Kind::WeightedRecord { sites, .. } => sites.keys().collect(),
            Kind::StateMachine { sites } => sites.keys().collect(),
        }
    }
}
