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

impl Batch {
    /// A batch holds 1,000 values and 32,000 characters of them; an UPSERT counts twice
    /// (Route 53 quotas, ChangeResourceRecordSets).
    const VALUES: usize = 1_000 / 2;
    const CHARACTERS: usize = 32_000 / 2;

    /// As many of these sets as one batch takes, from the first on. The sets of one name and type
    /// stay together: between two batches their weights could all be 0, which answers with all.
    pub fn first_of(zone: String, upserts: &[RecordSet]) -> Self {
        let (mut taken, mut values, mut characters) = (0, 0, 0);
        for sets in upserts.chunk_by(|a, b| a.name == b.name && a.record_type == b.record_type) {
            // An alias counts as one value.
            values += sets.iter().map(|set| set.values.len().max(1)).sum::<usize>();
            characters += sets.iter().flat_map(|set| &set.values).map(String::len).sum::<usize>();
            if taken > 0 && (values > Self::VALUES || characters > Self::CHARACTERS) {
                break;
            }
            taken += sets.len();
        }
        Self { zone, upserts: upserts[..taken].to_vec() }
    }
}

/// A list as people read it: the first few, and how many more there are.
pub fn few(all: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 6;
    let more = all.len().saturating_sub(SHOWN);
    let mut text = all.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(n: usize) -> [RecordSet; 2] {
        ["ohio", "oregon"].map(|site| RecordSet {
            name: format!("r{n}.example.com"),
            record_type: "A".into(),
            set_identifier: Some(site.into()),
            weight: Some(0),
            ttl: Some(60),
            values: vec!["192.0.2.1".into()],
            rest: Value::Null,
        })
    }

    #[test]
    fn a_thousand_sets_need_two_batches_and_no_name_is_torn_apart() {
        let all: Vec<_> = (0..500).flat_map(pair).collect();
        let first = Batch::first_of("Z0".into(), &all);
        assert_eq!(first.upserts.len(), 500);
        let odd: Vec<_> = all[1..].to_vec();
        let first = Batch::first_of("Z0".into(), &odd);
        assert_eq!(first.upserts.len(), 499, "the last name would not fit whole");
        assert_eq!(Batch::first_of("Z0".into(), &all[500..]).upserts.len(), 500);
    }

    #[test]
    fn long_values_fill_a_batch_too() {
        let long = |n| pair(n).map(|set| RecordSet { values: vec!["x".repeat(4_000)], ..set });
        let all: Vec<_> = (0..10).flat_map(long).collect();
        assert_eq!(Batch::first_of("Z0".into(), &all).upserts.len(), 4);
    }
}
