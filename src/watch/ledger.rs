//! The fold of the notes: where every trigger stands.

use super::weigh::Looked;
use crate::{
    alarm::{AlarmArn, AlarmState, Signal, Way},
    clock::Timestamp,
    event::{Begin, Decision, Note, NoteKind, TriggerId, Who},
    ids::{NoteNo, RunId},
    store::{Book, StoreError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What the notes come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// The last note folded.
    pub head: NoteNo,
    /// What each alarm said last.
    pub alarms: BTreeMap<AlarmArn, Known>,
    /// Why its actions were muted, by the last message of each alarm, and of which change that was.
    pub mutes: BTreeMap<AlarmArn, (Timestamp, Option<String>)>,
    /// Changes that were heard of before they were, by their own clock: when.
    pub ahead: BTreeMap<(AlarmArn, Timestamp), Timestamp>,
    /// Triggers that are not quiet.
    pub standing: BTreeMap<TriggerId, Standing>,
    /// Nothing begins by itself.
    pub brake: Option<Brake>,
    /// Runs that began by themselves and that a person knows of.
    pub acknowledged: BTreeSet<RunId>,
    /// Of which trigger each failover is that was decided to begin.
    pub starts: BTreeMap<NoteNo, TriggerId>,
    /// What was decided to begin, and did neither begin nor fail to.
    pub pending: BTreeMap<NoteNo, Pending>,
}

/// That nothing begins by itself: who said so, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brake {
    /// Who.
    pub by: Who,
    /// When.
    pub since: Timestamp,
    /// Why.
    pub why: String,
}

impl fmt::Display for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} put the brake on at {}: {}", self.by.operator, self.since, self.why)
    }
}

/// What an alarm said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its state.
    pub state: AlarmState,
    /// Since when.
    pub changed: Timestamp,
    /// Why its actions are muted.
    pub muted: Option<String>,
}

/// Where a trigger stands that is not quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is true, and looked at again later.
    Holding {
        /// When the incident began.
        incident: Timestamp,
        /// When it is looked at again.
        until: Timestamp,
    },
    /// It acted, or was kept from it: first it must be untrue.
    Spent,
}

/// A failover that is to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// Of which trigger.
    pub id: TriggerId,
    /// What.
    pub begin: Begin,
    /// When it was decided.
    pub at: Timestamp,
    /// Who decided it.
    pub by: Who,
}

/// Why a failover that was decided is not to begin any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// It began, or will not: somebody wrote so.
    Settled(NoteNo),
    /// Nothing begins by itself.
    Braked(Brake),
    /// It is not true any more.
    Over,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settled(decision) => write!(f, "what became of note {decision} is written already"),
            Self::Braked(brake) => brake.fmt(f),
            Self::Over => f.write_str("it is not true any more"),
        }
    }
}

/// How many notes are read at once.
const PAGE: usize = 1000;

impl Ledger {
    /// Why a failover that was decided is not to begin any more, by what was written since; none: it is.
    pub async fn withdrawn(book: &dyn Book, decision: NoteNo) -> Result<Option<Withdrawn>, StoreError> {
        let mut since = Self { head: NoteNo(decision.0.saturating_sub(1)), ..Self::default() };
        since.catch_up(book).await?;
        let Some(Pending { id, begin, .. }) = since.pending.get(&decision) else {
            return Ok(Some(Withdrawn::Settled(decision)));
        };
        let is_over = begin.by_hand.is_none() && since.is_over(id);
        Ok(since.brake.map(Withdrawn::Braked).or(is_over.then_some(Withdrawn::Over)))
    }

    /// Whether a trigger that acted has been untrue since.
    pub(super) fn is_over(&self, id: &TriggerId) -> bool {
        self.standing.get(id) != Some(&Standing::Spent)
    }

    /// Takes in what was written since, by whomever.
    pub async fn catch_up(&mut self, book: &dyn Book) -> Result<(), StoreError> {
        loop {
            let notes = book.read(self.head, PAGE).await?;
            notes.iter().for_each(|note| self.apply(note));
            if notes.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// Takes a note in.
    pub fn apply(&mut self, note: &Note) {
        self.head = note.no;
        match &note.kind {
            NoteKind::Heard { signal, .. } => self.hear(signal, note.at),
            NoteKind::Decided { id, decision } => self.decided(note, id, decision),
            NoteKind::Began { decision, .. } | NoteKind::NotBegun { decision, .. } => {
                self.pending.remove(decision);
            }
            NoteKind::Braked { why } => {
                self.brake = Some(Brake { by: note.by.clone(), since: note.at, why: why.clone() });
            }
            NoteKind::Released { .. } => self.brake = None,
            NoteKind::Acknowledged { run } => {
                self.acknowledged.insert(run.clone());
            }
            NoteKind::Told { .. } => {}
        }
    }

    fn decided(&mut self, note: &Note, id: &TriggerId, decision: &Decision) {
        let standing = match decision {
            Decision::Nothing { .. } | Decision::Over => None,
            Decision::Hold { incident, until, .. } => Some(Standing::Holding { incident: *incident, until: *until }),
            Decision::Unseen { incident, .. } => Some(Standing::Holding { incident: *incident, until: note.at }),
            Decision::Observed { .. } | Decision::Prevented { .. } | Decision::Start(_) => Some(Standing::Spent),
        };
        match standing {
            Some(standing) => self.standing.insert(id.clone(), standing),
            None => self.standing.remove(id),
        };
        if let Decision::Start(begin) = decision {
            let pending = Pending { id: id.clone(), begin: (**begin).clone(), at: note.at, by: note.by.clone() };
            self.starts.insert(note.no, id.clone());
            self.pending.insert(note.no, pending);
        }
    }

    /// Messages come late, twice and in any order: the newest change is what counts.
    fn hear(&mut self, signal: &Signal, at: Timestamp) {
        if self.outdated(signal, at).is_some() {
            return;
        }
        if signal.changed > at {
            self.ahead.entry((signal.alarm.clone(), signal.changed)).or_insert(at);
        }
        let told = self.told(signal, at);
        if signal.from.way != Way::Looked {
            self.mutes.insert(signal.alarm.clone(), (told.changed, signal.muted.clone()));
        }
        self.alarms.insert(signal.alarm.clone(), told);
    }

    /// Why a signal that came at a time tells nothing new; none: it does.
    pub fn outdated(&self, signal: &Signal, at: Timestamp) -> Option<String> {
        let (known, told) = (self.alarms.get(&signal.alarm)?, self.told(signal, at));
        if told.changed < known.changed {
            return Some(format!("a change at {} is known already", known.changed));
        }
        (*known == told).then(|| "it is known already".to_owned())
    }

    /// What was looked at, with the mutes that messages told: a look does not see every one.
    pub fn with_mutes(&self, mut looked: Looked) -> Looked {
        for (alarm, seen) in &mut looked.alarms {
            if let (Ok(seen), Some((of, muted))) = (seen, self.mutes.get(alarm))
                && *of == self.since(alarm, seen.changed)
                && seen.muted.is_none()
            {
                seen.muted.clone_from(muted);
            }
        }
        looked
    }

    /// What an alarm says by a signal. A change is no later than its message: a clock that is ahead must not
    /// make it deaf. A look does not see every mute, nor does every message tell of it: neither takes away
    /// what the other said of the same change.
    fn told(&self, signal: &Signal, at: Timestamp) -> Known {
        let (alarm, changed) = (&signal.alarm, self.since(&signal.alarm, signal.changed).min(at));
        let before = match signal.from.way {
            Way::Looked => self.mutes.get(alarm).filter(|(of, _)| *of == changed).and_then(|(_, muted)| muted.clone()),
            _ => self.alarms.get(alarm).filter(|known| known.changed == changed).and_then(|known| known.muted.clone()),
        };
        Known { state: signal.state, changed, muted: signal.muted.clone().or(before) }
    }

    /// When a change was, that may have been told by a clock that is ahead: then, when it was first heard of.
    fn since(&self, alarm: &AlarmArn, changed: Timestamp) -> Timestamp {
        self.ahead.get(&(alarm.clone(), changed)).copied().unwrap_or(changed)
    }
}
