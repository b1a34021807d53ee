//! The hash chain: how an event is stored, and how it is known to be the one that was stored.
//!
//! `hash = sha256(previous hash ‖ run ‖ seq ‖ epoch ‖ at ‖ body as stored)`: numbers as eight bytes,
//! highest first; the hash before the first event is zeros. What is hashed are the stored bytes,
//! never a second writing of the value. The parts cannot run into each other: a run's name holds no
//! zero byte, and the first byte of every `seq` in reach is one.
//!
//! It tells of bit rot, edits, gaps and a missing end; it does not stop somebody who may write the
//! file and computes the chain anew. Both stores use it, so that what the memory store gives back
//! has gone through the stored form too.

use super::{Applied, Fence, Head, StoreError};
use crate::{
    clock::Timestamp,
    event::{Event, EventKind, RunOutcome},
    ids::{Epoch, RunId, Seq},
};
use sha2::{Digest as _, Sha256};

/// The end of a journal that has no events.
pub(super) const START: Head = Head { seq: Seq(0), hash: [0; 32] };

/// An event as it is stored; its run is known from where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub seq: Seq,
    pub epoch: Epoch,
    pub at: Timestamp,
    /// The kind, as JSON.
    pub body: Vec<u8>,
    pub hash: [u8; 32],
}

impl Link {
    fn sum(&self, prev: &[u8; 32], run: &RunId) -> [u8; 32] {
        let mut sum = Sha256::new();
        sum.update(prev);
        sum.update(run.as_str());
        sum.update(self.seq.0.to_be_bytes());
        sum.update(self.epoch.0.to_be_bytes());
        sum.update(self.at.0.to_be_bytes());
        sum.update(&self.body);
        sum.finalize().into()
    }
}

/// The stored form of a batch that is to lie right after `head`.
pub(super) fn links(run: &RunId, head: &Head, batch: &[Event]) -> Result<Vec<Link>, StoreError> {
    let mut prev = head.hash;
    let mut links = Vec::with_capacity(batch.len());
    for event in batch {
        let body = serde_json::to_vec(&event.kind).map_err(|why| StoreError::Outage {
            applied: Applied::No,
            why: format!("event {} has no stored form: {why}", event.seq),
        })?;
        let mut link = Link { seq: event.seq, epoch: event.epoch, at: event.at, body, hash: [0; 32] };
        link.hash = link.sum(&prev, run);
        prev = link.hash;
        links.push(link);
    }
    Ok(links)
}

/// A batch as a store would give it back.
pub(super) fn as_read(batch: &[Event]) -> Result<Vec<Event>, StoreError> {
    let through = |event: &Event| {
        let kind = serde_json::to_vec(&event.kind).and_then(|body| serde_json::from_slice(&body))?;
        Ok(Event { kind, ..event.clone() })
    };
    batch.iter().map(through).collect::<Result<_, serde_json::Error>>().map_err(|why| StoreError::Outage {
        applied: Applied::Unknown,
        why: format!("the batch has no stored form: {why}"),
    })
}

/// A batch may be added only by who holds the lease that its events name, right after the place
/// that it was made for.
pub(super) fn check_batch(fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<(), StoreError> {
    let mut seq = after;
    for event in batch {
        seq = seq.next();
        if event.run != *run || event.seq != seq {
            return Err(StoreError::Conflict);
        }
        if event.epoch != fence.epoch {
            return Err(StoreError::Fenced(format!("epoch {}, the event is of {}", fence.epoch, event.epoch)));
        }
    }
    Ok(())
}

/// How the run ended, where it did with this batch.
pub(super) fn outcome(batch: &[Event]) -> Option<RunOutcome> {
    match batch.last()?.kind {
        EventKind::RunFinished { outcome } => Some(outcome),
        _ => None,
    }
}

/// The runbook of a run that begins with this batch; empty where its first event does not say.
pub(super) fn runbook(batch: &[Event]) -> String {
    match batch.first().map(|e| &e.kind) {
        Some(EventKind::RunStarted { plan, .. }) => plan.runbook.clone(),
        _ => String::new(),
    }
}

/// Reads a chain from its first link on and stops at the first that is wrong.
#[derive(Debug)]
pub(super) struct Verifier {
    run: RunId,
    head: Head,
    epoch: Epoch,
}

impl Verifier {
    pub(super) fn new(run: RunId) -> Self {
        Self { run, head: START, epoch: Epoch(0) }
    }

    /// The event of the next link.
    pub(super) fn take(&mut self, link: &Link) -> Result<Event, StoreError> {
        let expected = self.head.seq.next();
        if link.seq != expected {
            return Err(self.damaged(expected, format!("it is missing; event {} follows", link.seq)));
        }
        if link.hash != link.sum(&self.head.hash, &self.run) {
            return Err(self.damaged(expected, "its hash does not fit what is stored".to_owned()));
        }
        if link.epoch < self.epoch {
            return Err(self.damaged(expected, format!("epoch {} follows epoch {}", link.epoch, self.epoch)));
        }
        // It is what was stored: whoever wrote it knew more than we do.
        let kind = serde_json::from_slice(&link.body).map_err(|why| StoreError::Unreadable {
            run: self.run.clone(),
            seq: expected,
            // Not all that would have been known.
            why: why.to_string().split(", expected").next().unwrap_or_default().to_owned(),
        })?;
        self.head = Head { seq: link.seq, hash: link.hash };
        self.epoch = link.epoch;
        Ok(Event { run: self.run.clone(), seq: link.seq, epoch: link.epoch, at: link.at, kind })
    }

    /// After the last link: it must be the one that the run's head names.
    pub(super) fn end(&self, head: &Head) -> Result<(), StoreError> {
        let last = self.head.seq;
        if last < head.seq {
            return Err(self.damaged(last.next(), format!("it is missing; the run goes on to event {}", head.seq)));
        }
        if self.head != *head {
            return Err(self.damaged(last, format!("the run's head names event {} and does not fit", head.seq)));
        }
        Ok(())
    }

    /// What is wrong with an event.
    fn damaged(&self, seq: Seq, why: String) -> StoreError {
        StoreError::Damaged { run: self.run.clone(), seq, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::StepId;

    /// The stored form is what runs of today are read by for years: a change is a new format.
    #[test]
    fn the_stored_form_of_format_1_stays() {
        let kind = EventKind::StepReady { step: StepId::from("promote") };
        let event = Event { run: RunId::from("r1"), seq: Seq(1), epoch: Epoch(2), at: Timestamp(3), kind };
        let link = links(&event.run, &START, std::slice::from_ref(&event)).unwrap().remove(0);
        assert_eq!(String::from_utf8_lossy(&link.body), r#"{"event":"step_ready","step":"promote"}"#);
        let half = |at| u128::from_be_bytes(*link.hash[at..].first_chunk().unwrap());
        assert_eq!(half(0), 0xf946_6867_a9be_989f_ddee_661c_fcd9_8185);
        assert_eq!(half(16), 0x06d0_e24c_b48d_5bff_c6ce_ae0c_3a99_4168);
    }

    #[test]
    fn an_epoch_never_goes_back() {
        let run = RunId::from("r1");
        let event = |seq, epoch| Event {
            run: run.clone(),
            seq: Seq(seq),
            epoch: Epoch(epoch),
            at: Timestamp(0),
            kind: EventKind::ClosingBegun,
        };
        let links = links(&run, &START, &[event(1, 2), event(2, 1)]).unwrap();
        let mut chain = Verifier::new(run.clone());
        chain.take(&links[0]).unwrap();
        let damaged = chain.take(&links[1]).unwrap_err().to_string();
        assert_eq!(damaged, "the journal of run r1 is damaged at event 2: epoch 1 follows epoch 2");
    }
}
