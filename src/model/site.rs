//! Sites, the two ends of a move, its direction and its mode.

use crate::{
    clock::Span,
    ids::{Account, Region, SiteName},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A place the workload can run, and how its provider is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its name in the runbook.
    pub name: SiteName,
    /// Its Region.
    pub region: Region,
    /// Its account, where it is not the caller's own.
    pub account: Option<Account>,
    /// A role to assume there.
    pub role_arn: Option<String>,
    /// The external id that the role asks for.
    pub external_id: Option<String>,
    /// A named profile for its credentials.
    pub profile: Option<String>,
    /// Where its provider's API answers, other than the public address.
    pub endpoint_url: Option<String>,
}

impl Site {
    /// A site in the caller's own account, reached as its provider is by default.
    pub fn new(name: impl Into<SiteName>, region: impl Into<Region>) -> Self {
        Self {
            name: name.into(),
            region: region.into(),
            account: None,
            role_arn: None,
            external_id: None,
            profile: None,
            endpoint_url: None,
        }
    }
}

/// Which way a run moves. The ends follow from it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the primary to a standby.
    Failover,
    /// From a standby home to the primary.
    Failback,
    /// No move: makes the site that was left the replica of the active one.
    Reprotect,
}

impl Direction {
    /// Whether the run moves the service.
    pub fn is_move(self) -> bool {
        self != Self::Reprotect
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
            Self::Reprotect => "reprotect",
        })
    }
}

/// Whether the site being left can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A switchover: nothing may be lost, the site being left must answer.
    Planned,
    /// The site being left may be gone.
    Emergency,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Planned => "planned",
            Self::Emergency => "emergency",
        })
    }
}

/// The two ends of a run. In a move `from` is left for `to`; in `reprotect` `from` is the site
/// that was left and `to` the active one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromTo {
    /// The site being left, or that was left.
    pub from: Site,
    /// The site that serves, or will.
    pub to: Site,
}

impl FromTo {
    /// The end that is not `site`; `from` for a third site.
    pub fn other(&self, site: &SiteName) -> &Site {
        if self.from.name == *site { &self.to } else { &self.from }
    }
    /// The end of that name.
    pub fn named(&self, site: &SiteName) -> Option<&Site> {
        [&self.from, &self.to].into_iter().find(|s| s.name == *site)
    }
}

/// Where a step works.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// At the site being left.
    From,
    /// At the site being moved to.
    To,
    /// At that site, whatever the direction.
    Site(SiteName),
}

/// What a runbook promises; a run is measured against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objectives {
    /// Longest acceptable time from disruption to restored service.
    pub rto: Option<Span>,
    /// Longest acceptable window of lost writes.
    pub rpo: Option<Span>,
    /// Longest acceptable time without accepted writes in a planned move.
    pub write_outage: Option<Span>,
}
