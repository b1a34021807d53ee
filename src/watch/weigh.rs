//! What the witnesses of a trigger say together.

use super::ledger::Known;
use crate::{
    alarm::{AlarmArn, AlarmState},
    clock::Timestamp,
    ids::ProbeName,
    model::{Fact, Place, fact},
    runbook::{Condition, Silence, Witness},
};
use std::collections::BTreeMap;

/// What a look at a witness gave, or why it gave nothing.
pub type Seen<T> = Result<T, String>;

/// What was looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looked {
    /// Alarms; one that is not among them was not asked, and what is known of it counts.
    pub alarms: BTreeMap<AlarmArn, Seen<Known>>,
    /// Probes, by name and place: whether they hold; one that is not among them was not asked.
    pub probes: BTreeMap<(ProbeName, Place), Seen<bool>>,
}

/// What they say.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// How many are needed.
    pub needed: usize,
    /// How many speak for it.
    pub speak: usize,
    /// Of how many nobody knows.
    pub unknown: usize,
    /// When the incident began: the first change among the alarms that speak for it, else now.
    pub incident: Timestamp,
    /// Each in words.
    pub facts: Vec<Fact>,
}

impl Weighed {
    /// Enough speak for it.
    pub fn holds(&self) -> bool {
        self.speak >= self.needed
    }
    /// Enough might, were it known.
    pub fn might(&self) -> bool {
        self.speak + self.unknown >= self.needed
    }
    /// `1 of 2`.
    pub fn words(&self) -> String {
        let unknown = if self.unknown > 0 { format!(", {} unknown", self.unknown) } else { String::new() };
        format!("{} of {} needed{unknown}", self.speak, self.needed)
    }
}

/// What one says: for it, against it, or nobody knows; and since when.
struct Word {
    speaks: Option<bool>,
    text: String,
    since: Option<Timestamp>,
}

/// Weighs a condition by what is known and what was looked at.
pub fn weigh(when: &Condition, known: &BTreeMap<AlarmArn, Known>, looked: &Looked, now: Timestamp) -> Weighed {
    let words: Vec<_> = when.of.iter().map(|one| (&one.what, word(&one.what, known, looked))).collect();
    let count = |what: Option<bool>| words.iter().filter(|(_, word)| word.speaks == what).count();
    let first = words.iter().filter(|(_, w)| w.speaks == Some(true)).filter_map(|(_, w)| w.since).min();
    Weighed {
        needed: when.quorum,
        speak: count(Some(true)),
        unknown: count(None),
        incident: first.unwrap_or(now),
        facts: words.iter().map(|(what, word)| fact(what.words(), &word.text)).collect(),
    }
}

fn word(witness: &Witness, known: &BTreeMap<AlarmArn, Known>, looked: &Looked) -> Word {
    match witness {
        Witness::Alarm { arn, silence, muted_counts } => match (looked.alarms.get(arn), known.get(arn)) {
            (Some(Ok(seen)), _) | (None, Some(seen)) => of_alarm(seen, *silence, *muted_counts),
            (Some(Err(why)), _) => silent(*silence, &format!("cannot be asked: {why}"), None),
            (None, None) => Word { speaks: Some(false), text: "nothing heard".into(), since: None },
        },
        Witness::Probe { name, failing, at } => {
            let key = (name.clone(), at.clone());
            match looked.probes.get(&key) {
                Some(Ok(holds)) => Word {
                    speaks: Some(*holds != *failing),
                    text: if *holds { "holds" } else { "fails" }.into(),
                    since: None,
                },
                Some(Err(why)) => Word { speaks: None, text: format!("cannot be asked: {why}"), since: None },
                None => Word { speaks: None, text: "not asked".into(), since: None },
            }
        }
    }
}

fn of_alarm(seen: &Known, silence: Option<Silence>, muted_counts: bool) -> Word {
    let since = Some(seen.changed);
    let muted = seen.muted.as_ref().filter(|_| !muted_counts);
    match (seen.state, muted) {
        (AlarmState::Alarm, Some(why)) => {
            Word { speaks: Some(false), text: format!("ALARM since {}, muted: {why}", seen.changed), since }
        }
        (AlarmState::Alarm, None) => Word { speaks: Some(true), text: format!("ALARM since {}", seen.changed), since },
        (AlarmState::InsufficientData, None) => {
            let word = silent(silence, &format!("no data since {}", seen.changed), since);
            Word { speaks: Some(word.speaks == Some(true)), ..word }
        }
        (AlarmState::InsufficientData, Some(why)) => {
            Word { speaks: Some(false), text: format!("no data since {}, muted: {why}", seen.changed), since }
        }
        (AlarmState::Ok, _) => Word { speaks: Some(false), text: format!("OK since {}", seen.changed), since },
    }
}

/// What silence means, as far as the runbook says.
fn silent(silence: Option<Silence>, what: &str, since: Option<Timestamp>) -> Word {
    let (speaks, means) = match silence {
        Some(Silence::Alarm) => (Some(true), ", which counts as ALARM"),
        Some(Silence::Ok) => (Some(false), ", which counts as nothing"),
        None => (None, ""),
    };
    Word { speaks, text: format!("{what}{means}"), since }
}
