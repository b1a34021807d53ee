//! Relational databases: what is seen of them and the calls that change them.
//! Facts of behaviour: RDS API reference and user guide (promotion, renaming, parameter groups).

use super::backup::BackupWindow;
use crate::{
    clock::{Span, Timestamp},
    ids::SiteName,
    model::DbEngine,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Tag on a renamed instance: the identifier it had while it served.
pub const TAG_RETIRED_FROM: &str = "lifeboat:retired-from";
/// Tag on a quarantined instance: the security groups it had before, joined by spaces.
pub const TAG_SECURITY_GROUPS: &str = "lifeboat:security-groups";
/// Tag on a frozen parameter group: the value its freeze parameter had before; [`UNSET`] for none.
pub const TAG_FROZEN: &str = "lifeboat:frozen-from";
/// What [`TAG_FROZEN`] holds where the parameter was not set: tags cannot be empty in every API.
pub const UNSET: &str = "unset";

/// A database instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Db {
    /// Its identifier; it changes with a rename.
    pub identifier: String,
    /// What stays the same through renames and is never used again (`DbiResourceId`).
    pub resource_id: String,
    /// Its engine.
    pub engine: DbEngine,
    /// What it is doing.
    pub status: Status,
    /// What it replicates from; none: it is a writer.
    pub source: Option<Source>,
    /// Its replication is reported as working (`StatusInfos` normal, or none reported).
    pub replication_normal: bool,
    /// The name of its parameter group.
    pub parameter_group: String,
    /// Whether the group's values are in force.
    pub parameters: ApplyStatus,
    /// Its security groups, sorted.
    pub security_groups: Vec<String>,
    /// Days that backups are kept; 0: no backups, so nothing can replicate from it.
    pub backup_retention: u32,
    /// When they are made, where the service says so.
    pub backup_window: Option<BackupWindow>,
    /// Its key, where it is encrypted.
    pub kms_key: Option<String>,
    /// What a replica built in its place must be given.
    pub settings: Settings,
    /// Host and port, where it has one already.
    pub endpoint: Option<String>,
    /// Its tags, where lifeboat's own are.
    pub tags: BTreeMap<String, String>,
}

impl Db {
    /// It takes part in nothing else: a change may be sent.
    pub fn usable(&self) -> bool {
        matches!(self.status, Status::Available | Status::BackingUp | Status::StorageOptimization)
    }
    /// It replicates from another.
    pub fn is_replica(&self) -> bool {
        self.source.is_some()
    }
}

/// Where a replica gets its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The site of the source, where the runbook knows it.
    pub site: Option<SiteName>,
    /// The source's identifier.
    pub identifier: String,
}

/// What an instance was built with, beside what [`Db`] names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Its class.
    pub class: String,
    /// Its subnet group.
    pub subnet_group: Option<String>,
    /// Its option group.
    pub option_group: Option<String>,
    /// Whether it has a synchronous standby.
    pub multi_az: bool,
}

/// What an instance is doing (DBInstanceStatus).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing else.
    Available,
    /// A backup; it serves, but refuses a promotion.
    BackingUp,
    /// A change of its settings; it may serve.
    Modifying,
    /// A restart; it does not serve.
    Rebooting,
    /// It is being built.
    Creating,
    /// Its name is changing; it does not serve.
    Renaming,
    /// Background work; it serves.
    StorageOptimization,
    /// It is stopped.
    Stopped,
    /// Any other, as the provider spells it.
    Other(String),
}

impl Status {
    /// It will not leave this status by itself (DescribeDBInstances waiter, user guide's status table).
    pub fn is_terminal(&self) -> bool {
        const BAD: &[&str] =
            &["failed", "deleting", "deleted", "restore-error", "storage-full", "insufficient-capacity"];
        match self {
            Self::Stopped => true,
            Self::Other(name) => {
                BAD.contains(&name.as_str()) || name.starts_with("incompatible") || name.starts_with("inaccessible")
            }
            _ => false,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Available => "available",
            Self::BackingUp => "backing-up",
            Self::Modifying => "modifying",
            Self::Rebooting => "rebooting",
            Self::Creating => "creating",
            Self::Renaming => "renaming",
            Self::StorageOptimization => "storage-optimization",
            Self::Stopped => "stopped",
            Self::Other(name) => name,
        })
    }
}

/// Whether a parameter group's values are in force on an instance (ParameterApplyStatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplyStatus {
    /// They are.
    InSync,
    /// They will be in a moment.
    Applying,
    /// After a reboot.
    PendingReboot,
    /// They could not be put in force.
    Failed,
}

/// A parameter group, as far as freezing goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// Its name.
    pub name: String,
    /// The values set in it, by parameter; absent: the engine's default.
    pub values: BTreeMap<String, String>,
    /// Its tags, where the value before a freeze is kept.
    pub tags: BTreeMap<String, String>,
}

impl Parameters {
    /// Whether it makes the instances on it refuse writes.
    pub fn frozen(&self, engine: DbEngine) -> bool {
        self.values
            .get(engine.freeze_parameter())
            .is_some_and(|v| matches!(v.to_lowercase().as_str(), "1" | "on" | "true"))
    }
}

/// Samples of replication lag, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// The samples that have arrived; the newest may be minutes old.
    pub samples: Vec<LagSample>,
}

/// One sample of lag.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LagSample {
    /// What instant it speaks of.
    pub at: Timestamp,
    /// Seconds behind; none where the service reports -1: replication does not work, or it does not know.
    pub seconds: Option<f64>,
}

impl LagSample {
    /// The lag, where it is known.
    pub fn lag(&self) -> Option<Span> {
        self.seconds.map(Span::from_secs_f64)
    }
}

impl Lag {
    /// The newest sample that knows the lag, at or before an instant.
    pub fn last_good(&self, until: Timestamp) -> Option<(Timestamp, Span)> {
        self.samples.iter().rev().filter(|s| s.at <= until).find_map(|s| Some((s.at, s.lag()?)))
    }

    /// What the last good sample before an instant tells of a loss at that instant.
    pub fn loss_at(&self, instant: Timestamp) -> Option<Loss> {
        let (at, lag) = self.last_good(instant)?;
        Some(Loss { lag, age: instant.since(at), at_most: lag + instant.since(at) })
    }
}

/// What would be lost if nothing more were ever replicated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The lag at the sample.
    pub lag: Span,
    /// How old the sample is: what was written since may be lost too.
    pub age: Span,
    /// The most that is lost, as a length of time.
    pub at_most: Span,
}

/// Where in its log a database stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// A writer: the end of its log. A replica: how far it has replayed. Bytes.
    pub lsn: u64,
    /// New transactions may write.
    pub writable: bool,
    /// Sessions that are still inside a transaction that writes.
    pub writing: u32,
}

/// A database snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// The `resource_id` of the instance it was taken of.
    pub of: String,
    /// Its copy is complete; until then it is pending.
    pub complete: bool,
    /// The instant it captures.
    pub taken: Timestamp,
}

/// A call that changes a database or what belongs to one. One wire call each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// PromoteReadReplica: it becomes a writer, for ever.
    Promote {
        /// The replica.
        identifier: String,
        /// The very instance that is meant.
        resource_id: String,
        /// Days of backups it keeps from now on, at least 1.
        backup_retention: u32,
    },
    /// ModifyDBParameterGroup, or ResetDBParameterGroup where `value` is none: sets one dynamic parameter at once.
    SetParameter {
        /// The group.
        group: String,
        /// The parameter.
        parameter: String,
        /// Its value; none: the engine's default.
        value: Option<String>,
        /// It freezes writes; the opposite opens them.
        freezes: bool,
    },
    /// AddTagsToResource, or RemoveTagsFromResource where `value` is none.
    Tag {
        /// What carries the tag.
        on: Tagged,
        /// The tag.
        key: String,
        /// Its value; none: remove it.
        value: Option<String>,
    },
    /// ModifyDBInstance: replaces its security groups.
    SetSecurityGroups {
        /// The instance.
        identifier: String,
        /// The very instance that is meant.
        resource_id: String,
        /// All it has afterwards, sorted.
        groups: Vec<String>,
    },
    /// ModifyDBInstance: gives it another name, at once.
    Rename {
        /// The instance.
        identifier: String,
        /// The very instance that is meant.
        resource_id: String,
        /// Its new identifier.
        to: String,
    },
    /// CreateDBSnapshot.
    CreateSnapshot {
        /// The instance.
        identifier: String,
        /// The very instance that is meant.
        resource_id: String,
        /// The snapshot's name: also what makes a repeat harmless.
        name: String,
    },
    /// CreateDBInstanceReadReplica, in the Region of the new replica.
    CreateReplica(Box<NewReplica>),
    /// A row written over a database connection past the freeze: `lifeboat_marker(run, marker)`.
    WriteMarker {
        /// The instance.
        identifier: String,
        /// The row's key.
        marker: String,
    },
}

/// What carries a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tagged {
    /// An instance, by identifier.
    Db(String),
    /// A parameter group, by name.
    Parameters(String),
}

/// A replica to build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReplica {
    /// Its identifier.
    pub identifier: String,
    /// What it replicates from.
    pub source: Source,
    /// The Region of its source.
    pub source_region: String,
    /// Its engine, that of its source.
    pub engine: DbEngine,
    /// Its parameter group.
    pub parameter_group: String,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// Its key, where the source is encrypted.
    pub kms_key: Option<String>,
    /// What else it is given.
    pub settings: Settings,
}
