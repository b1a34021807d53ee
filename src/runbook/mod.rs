//! What a runbook file says, with every word understood and nothing resolved: expressions stand in
//! it as they were written. `syntax` makes it, `check` judges it, `plan` turns it into a plan.

mod kinds;
mod shapes;
mod step;
mod trigger;

pub use kinds::{KINDS, KindRow, kind_row};
pub use shapes::{HOLD, OBJECTIVES, OVERRIDE, RESERVED, RUNBOOK, STEP, reserved};
pub use step::{
    Confirm, FailurePolicy, HoldEnd, HoldSpec, Milestone, OnTimeout, Only, Retry, RunWord, Simulate, Spec, Step,
    Unattended, UndoSpec,
};
pub use trigger::{Autonomy, Condition, Evidence, Notify, Silence, Trigger, Witness};

use crate::{
    diagnostic::Path,
    ids::{Digest, ParamName, ProbeName, ResourceName, SiteName},
    model::{Direction, Objectives, Resource, Site},
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A runbook.
#[derive(Clone, Debug, PartialEq)]
pub struct Runbook {
    /// Its name; with the realm it is what a lease is taken for.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What kind of recovery it is; for lint alone.
    pub strategy: Option<String>,
    /// What it promises.
    pub objectives: Objectives,
    /// Its sites.
    pub sites: BTreeMap<SiteName, Site>,
    /// Where global services answer, other than the public address.
    pub global_endpoint: Option<String>,
    /// The home of the service.
    pub primary: SiteName,
    /// Where it can move; the first is the target unless `--to` says otherwise.
    pub standbys: Vec<SiteName>,
    /// What can be set from outside.
    pub parameters: BTreeMap<ParamName, Parameter>,
    /// What it moves.
    pub resources: BTreeMap<ResourceName, Resource>,
    /// Questions to the workload.
    pub probes: BTreeMap<ProbeName, Probe>,
    /// The steps of a failover, in the order of the file.
    pub failover: Vec<Step>,
    /// The steps of a failback. Where the file says `mirror` these are failover's, with
    /// `mirrored` set.
    pub failback: Vec<Step>,
    /// `failback: mirror`: its steps are failover's.
    pub mirrored: bool,
    /// The steps of a reprotect.
    pub reprotect: Vec<Step>,
    /// The steps after every run.
    pub finally: Vec<Step>,
    /// When a failover begins by itself.
    pub triggers: Vec<Trigger>,
    /// Where people are told what they must do.
    pub notify: Vec<Notify>,
    /// SHA-256 over the file's bytes and those of every file it names.
    pub digest: Digest,
}

impl Runbook {
    /// The steps of a direction, those left out by `only` included.
    pub fn steps(&self, direction: Direction) -> &[Step] {
        match direction {
            Direction::Failover => &self.failover,
            Direction::Failback => &self.failback,
            Direction::Reprotect => &self.reprotect,
        }
    }
}

/// Something that can be set from outside, by `--param name=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// What its value is.
    pub ty: ParamType,
    /// Its value where none is given; none: one must be given.
    pub default: Option<Value>,
    /// What it is for.
    pub description: Option<String>,
    /// Where it stands.
    pub path: Path,
}

/// What a parameter's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// Any text.
    String,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Number,
    /// True or false.
    Boolean,
    /// A length of time.
    Duration,
    /// One of these words.
    Choice(Vec<String>),
}

/// A question to the workload, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// A `verify-…` action.
    pub action: String,
    /// The resource it asks about, where its action needs one.
    pub resources: Vec<ResourceName>,
    /// Its parameters, unresolved.
    pub with: Map<String, Value>,
    /// Where it stands.
    pub path: Path,
}

/// The built-in probe: the Region of the step's site answers reads.
pub const SITE_ANSWERS: &str = "site_answers";
