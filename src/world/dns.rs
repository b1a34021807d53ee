//! DNS record sets and the batch that changes them (Route 53 API reference: a batch is atomic, an
//! UPSERT replaces the whole set).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The record sets of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// All sets that were asked for, in the provider's order.
    pub sets: Vec<RecordSet>,
}

impl Records {
    /// The weighted sets of a name and type.
    pub fn weighted<'a>(&'a self, name: &'a str, record_type: &'a str) -> impl Iterator<Item = &'a RecordSet> {
        self.sets.iter().filter(move |s| s.name == name && s.record_type == record_type && s.weight.is_some())
    }
}

/// One record set, whole: what a change must carry, or it is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// Its name: lowercase, no trailing dot.
    pub name: String,
    /// `A`, `CNAME`, …
    pub record_type: String,
    /// Which of the sets of that name it is.
    pub set_identifier: Option<String>,
    /// Its share is weight / sum of weights; all 0 means all alike.
    pub weight: Option<u32>,
    /// Seconds that answers may be kept; none for an alias.
    pub ttl: Option<u32>,
    /// Its values; empty for an alias.
    pub values: Vec<String>,
    /// Everything else of it (alias target, health check, …), as the provider gave it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub rest: Value,
}

/// Changes of a zone that happen together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The zone.
    pub zone: String,
    /// The sets as they shall be, each whole.
    pub upserts: Vec<RecordSet>,
}

/// How far a submitted change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeStatus {
    /// Not on all name servers yet.
    Pending,
    /// On all name servers of the zone.
    InSync,
}
