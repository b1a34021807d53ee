//! Notes: what is recorded of starting without people, beside the journals of runs. What came in, what
//! was decided of it and why, also where nothing was done; what people said meanwhile.
//!
//! One book for a store, in order, without gaps; several watchers write into the same. Whoever reads
//! all of it knows where every trigger stands, so a watcher that is killed loses nothing.

use super::Who;
use crate::{
    alarm::Signal,
    clock::{Span, Timestamp},
    ids::{NoteNo, RunId, SiteName, TriggerName},
    model::{Fact, Mode},
    runbook::Autonomy,
};
use serde::{Deserialize, Serialize};

/// One note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Its place in the book.
    pub no: NoteNo,
    /// When.
    pub at: Timestamp,
    /// Who wrote it.
    pub by: Who,
    /// What.
    pub kind: NoteKind,
}

/// A trigger of a runbook.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TriggerId {
    /// The runbook's name.
    pub runbook: String,
    /// The trigger's.
    pub trigger: TriggerName,
}

impl std::fmt::Display for TriggerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.runbook, self.trigger)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum NoteKind {
    /// An alarm changed its state, as somebody told or as was seen by looking.
    Heard {
        /// What it said.
        signal: Box<Signal>,
        /// Why nothing follows from it, where nothing can: no trigger names it, it is older than what is known.
        idle: Option<String>,
    },
    /// What became of a trigger.
    Decided {
        /// Which.
        id: TriggerId,
        /// What.
        decision: Decision,
    },
    /// A run that was decided began.
    Began {
        /// The note that decided it.
        decision: NoteNo,
        /// The run.
        run: RunId,
    },
    /// A run that was decided did not begin, and will not.
    NotBegun {
        /// The note that decided it.
        decision: NoteNo,
        /// Why.
        why: String,
    },
    /// People were told, or could not be.
    Told {
        /// Where: a topic or the host of a webhook.
        to: String,
        /// What.
        message: String,
        /// Why they could not; none: they were.
        failed: Option<String>,
    },
    /// Nothing starts by itself from here on.
    Braked {
        /// Why.
        why: String,
    },
    /// The brake is lifted.
    Released {
        /// Why.
        why: String,
    },
    /// A person knows of a run that began by itself.
    Acknowledged {
        /// Which.
        run: RunId,
    },
}

/// What became of a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Nothing is done.
    Nothing {
        /// Why.
        why: String,
        /// What speaks for it and what does not.
        facts: Vec<Fact>,
    },
    /// All that is needed is true; it is looked at again later.
    Hold {
        /// When the incident began: the first of the alarms.
        incident: Timestamp,
        /// When it is looked at again.
        until: Timestamp,
        /// What speaks for it and what does not.
        facts: Vec<Fact>,
    },
    /// It was true, and whether it still is cannot be seen: people are told, and it is looked at on and on.
    Unseen {
        /// When the incident began.
        incident: Timestamp,
        /// What is missing.
        why: String,
        /// What speaks for it and what does not.
        facts: Vec<Fact>,
    },
    /// All that is needed is still true; people are told, and nothing begins.
    Observed {
        /// When the incident began.
        incident: Timestamp,
        /// What speaks for it and what does not.
        facts: Vec<Fact>,
    },
    /// It would begin, and something stands against it. Nothing begins until it has been untrue once.
    Prevented {
        /// What stands against it.
        why: String,
        /// What a person can type.
        next: String,
        /// What speaks for it and what does not.
        facts: Vec<Fact>,
    },
    /// A failover begins.
    Start(Box<Begin>),
    /// It is not true any more, and may begin anew.
    Over,
}

/// A failover that begins without people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// When the incident began.
    pub incident: Timestamp,
    /// The mode of the run.
    pub mode: Mode,
    /// How far it goes without people.
    pub autonomy: Autonomy,
    /// It goes on to what is disruptive while the site being left is observed dead.
    pub disruptive_if_unreachable: bool,
    /// So much loss of writes needs no person.
    pub accept_data_loss: Option<Span>,
    /// The standby; none: the first.
    pub to: Option<SiteName>,
    /// What speaks for it and what does not.
    pub facts: Vec<Fact>,
    /// A person said so, and why; none: alarms did.
    pub by_hand: Option<String>,
}

/// Why a run began without people; part of its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The trigger.
    pub trigger: TriggerName,
    /// The note that decided it.
    pub decision: NoteNo,
    /// When it was decided: a book that was made anew counts its notes anew. None: an older lifeboat began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Timestamp>,
    /// What spoke for it.
    pub facts: Vec<Fact>,
}

impl Cause {
    /// Whether it is this decision.
    pub fn is(&self, decision: NoteNo, trigger: &TriggerName, at: Timestamp) -> bool {
        self.decision == decision && self.trigger == *trigger && self.decided.is_none_or(|decided| decided == at)
    }
}
