//! What AWS must allow: every operation that lifeboat calls, as a policy names it, and on what. The
//! guard of looks, the calls of effects and the policies that people are given read the same rows.
//!
//! Resources are those of the Service Authorization Reference; where a service knows none for an
//! operation, the row says so and the policy has `*`.

use std::fmt;

/// An operation, as a policy names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// `rds`.
    pub service: &'static str,
    /// `PromoteReadReplica`.
    pub name: &'static str,
    /// All that a policy must allow it on; nothing: everybody may.
    pub on: &'static [On],
    /// What for.
    pub what_for: &'static str,
}

/// What a permission is given on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// All databases of an account and Region: lists are asked of all.
    Databases,
    /// A database, also under the name that it is retired to.
    Database,
    /// A parameter group.
    ParameterGroup,
    /// The subnet groups and option groups of databases: no runbook names them.
    OtherGroups,
    /// A snapshot.
    Snapshot,
    /// All snapshots of databases of an account and Region: they are asked for by a list of names.
    Snapshots,
    /// The key of a database that is encrypted.
    Key,
    /// The metrics of databases; there is no narrower resource.
    Metrics,
    /// A group of servers.
    Group,
    /// Groups of servers; there is no narrower resource.
    Groups,
    /// A hosted zone.
    Zone,
    /// The records of a zone.
    Records,
    /// A change of a zone.
    Change,
    /// A state machine.
    Machine,
    /// Its executions.
    Execution,
    /// A secret.
    Secret,
    /// A role.
    Role,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.name)
    }
}

const fn row(service: &'static str, name: &'static str, on: &'static [On], what_for: &'static str) -> Permission {
    Permission { service, name, on, what_for }
}

/// Databases are listed: by it a Region is known to answer.
pub const SEE_DATABASES: Permission =
    row("rds", "DescribeDBInstances", &[On::Databases], "databases; whether the Region answers");

/// All operations that looks call, in the order of their names.
pub const READS: &[Permission] = &[
    row("autoscaling", "DescribeAutoScalingGroups", &[On::Groups], "sizes, and how many servers serve"),
    SEE_DATABASES,
    row("rds", "DescribeDBParameterGroups", &[On::ParameterGroup], "whether writes are frozen"),
    row("rds", "DescribeDBParameters", &[On::ParameterGroup], "whether writes are frozen"),
    row("rds", "DescribeDBSnapshots", &[On::Databases, On::Snapshots], "kept snapshots"),
    row("states", "DescribeExecution", &[On::Execution], "how an execution goes"),
    row("autoscaling", "DescribeScalingActivities", &[On::Groups], "why servers do not come"),
    row("states", "DescribeStateMachine", &[On::Machine], "whether a state machine is there"),
    row("sts", "GetCallerIdentity", &[], "who you are"),
    row("route53", "GetChange", &[On::Change], "whether a change is on all name servers"),
    row("route53", "GetHostedZone", &[On::Zone], "the name servers of a zone"),
    row("cloudwatch", "GetMetricData", &[On::Metrics], "replication lag"),
    row("secretsmanager", "GetSecretValue", &[On::Secret], "a database's password"),
    row("states", "ListExecutions", &[On::Machine], "which of many executions still run"),
    row("route53", "ListResourceRecordSets", &[On::Zone], "weights"),
    row("rds", "ListTagsForResource", &[On::ParameterGroup], "what a freeze keeps of before it"),
];

/// A database or a parameter group gets a tag.
pub const TAG: Permission =
    row("rds", "AddTagsToResource", &[On::Database, On::ParameterGroup], "keeps what was before, to restore it");
/// It loses it.
pub const UNTAG: Permission =
    row("rds", "RemoveTagsFromResource", &[On::Database, On::ParameterGroup], "forgets what was before");
/// Records get other weights.
pub const SHIFT: Permission = row("route53", "ChangeResourceRecordSets", &[On::Records], "moves users");
/// A replica is built.
pub const CREATE_REPLICA: Permission = row(
    "rds",
    "CreateDBInstanceReadReplica",
    &[On::Database, On::ParameterGroup, On::OtherGroups],
    "protects the active site again; asked at both sites",
);
/// A snapshot is taken.
pub const CREATE_SNAPSHOT: Permission =
    row("rds", "CreateDBSnapshot", &[On::Database, On::Snapshot], "keeps what was not replicated");
/// A key encrypts for RDS: beside a replica or a snapshot of what is encrypted.
pub const USE_KEY: Permission = row("kms", "CreateGrant", &[On::Key], "encrypts a new replica or snapshot");
/// The same.
pub const SEE_KEY: Permission = row("kms", "DescribeKey", &[On::Key], "encrypts a new replica or snapshot");
/// A database gets other security groups, or another name.
pub const MODIFY: Permission = row(
    "rds",
    "ModifyDBInstance",
    &[On::Database, On::ParameterGroup, On::OtherGroups],
    "quarantine, and retirement by rename",
);
/// A parameter is set.
pub const SET_PARAMETER: Permission =
    row("rds", "ModifyDBParameterGroup", &[On::ParameterGroup], "freezes writes, and opens them");
/// A replica becomes a writer.
pub const PROMOTE: Permission = row("rds", "PromoteReadReplica", &[On::Database], "makes the replica the writer");
/// A parameter is not set any more.
pub const RESET_PARAMETER: Permission = row("rds", "ResetDBParameterGroup", &[On::ParameterGroup], "opens writes");
/// An execution is started.
pub const START: Permission = row("states", "StartExecution", &[On::Machine], "runs a state machine");
/// A group of servers gets another size.
pub const RESIZE: Permission = row("autoscaling", "UpdateAutoScalingGroup", &[On::Group], "sizes groups of servers");

/// All that runs may call beside the reads.
pub const CHANGES: &[Permission] = &[
    RESIZE,
    USE_KEY,
    SEE_KEY,
    TAG,
    CREATE_REPLICA,
    CREATE_SNAPSHOT,
    MODIFY,
    SET_PARAMETER,
    PROMOTE,
    UNTAG,
    RESET_PARAMETER,
    SHIFT,
    START,
];

/// What the credentials of whoever types must be allowed where a site names a role.
pub const ASSUME: Permission = row("sts", "AssumeRole", &[On::Role], "becomes the role of a site");
