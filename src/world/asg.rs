//! Groups of servers: what is seen of them and the call that changes them.

use crate::{clock::Timestamp, model::Size};
use serde::{Deserialize, Serialize};

/// A group of servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub size: Size,
    /// Servers in service and healthy.
    pub in_service: u32,
    /// Processes that are suspended; with `Launch` among them it cannot grow.
    pub suspended: Vec<String>,
    /// The newest activity, where it failed: when, and what the provider says.
    pub failure: Option<(Timestamp, String)>,
}

/// A call that changes a group. One wire call each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// UpdateAutoScalingGroup: min, desired and max together.
    Update {
        /// The group.
        name: String,
        /// All three.
        size: Size,
        /// Fewer servers are wanted than before: users may feel it.
        shrinks: bool,
    },
}
