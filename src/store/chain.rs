//! The hash chain: how events are stored, and how they are known to be those that were stored.
//!
//! A link is what was added by one commit at one time: an event, as a JSON object, or several, as an
//! array of them, of which the link's `seq` is the first's. (Format 1 had a link for each event.) What
//! is decided together is stored together: the disk takes it whole or not at all anyway, and a wide run
//! costs what its commits cost.
//!
//! `hash = sha256(previous hash ‖ run ‖ seq ‖ epoch ‖ at ‖ body as stored)`: numbers as eight bytes,
//! highest first; the hash before the first link is zeros. What is hashed are the stored bytes,
//! never a second writing of the value. The parts cannot run into each other: a run's name holds no
//! zero byte, and the first byte of every `seq` in reach is one.
//!
//! It tells of bit rot, edits, gaps and a missing end; it does not stop somebody who may write the
//! file and computes the chain anew. Both stores use it, so that what the memory store gives back
//! has gone through the stored form too.

use super::{Applied, Fence, Head, StoreError};
use crate::{
    both::both,
    clock::Timestamp,
    event::{Event, EventKind, RunOutcome},
    ids::{Epoch, RunId, Seq, Sum},
};
use serde::{
    Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};
use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The end of a journal that has no events.
pub(super) const START: Head = Head { seq: Seq(0), hash: [0; 32] };

/// So many events are in one link at most: what one flipped bit can cost.
const LONGEST: usize = 1000;

/// Events as they are stored; their run is known from where they lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The first one's place.
    pub seq: Seq,
    pub epoch: Epoch,
    pub at: Timestamp,
    /// The kind, as JSON; of several events the kinds.
    pub body: Vec<u8>,
    pub hash: [u8; 32],
}

impl Link {
    fn sum(&self, prev: &[u8; 32], run: &RunId) -> [u8; 32] {
        let mut sum = Sum::default();
        sum.add(prev);
        sum.add(run.as_str());
        sum.add(self.seq.0.to_be_bytes());
        sum.add(self.epoch.0.to_be_bytes());
        sum.add(self.at.0.to_be_bytes());
        sum.add(&self.body);
        sum.finish()
    }
}

/// What a link's body says: written.
#[derive(Serialize)]
#[serde(untagged)]
enum Kinds<'a> {
    One(&'a EventKind),
    #[serde(serialize_with = "kinds")]
    Several(&'a [Event]),
}

fn kinds<S: Serializer>(events: &&[Event], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(events.iter().map(|event| &event.kind))
}

/// The same: read. Where it cannot be, the first that cannot, and why.
fn parse(body: &[u8]) -> Result<Vec<EventKind>, (usize, serde_json::Error)> {
    if body.first() != Some(&b'[') {
        return serde_json::from_slice(body).map(|kind| vec![kind]).map_err(|why| (0, why));
    }
    let (mut json, mut kinds) = (serde_json::Deserializer::from_slice(body), vec![]);
    let whole = json.deserialize_seq(Each(&mut kinds)).and_then(|()| json.end());
    whole.map_err(|why| (kinds.len(), why)).map(|()| kinds)
}

/// Kinds, one after the other: those before the first that cannot be read are kept.
struct Each<'a>(&'a mut Vec<EventKind>);

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut each: A) -> Result<(), A::Error> {
        while let Some(kind) = each.next_element()? {
            self.0.push(kind);
        }
        Ok(())
    }
}

/// The stored form of a batch; its links hang on nothing yet. A long one is written by two threads, each of
/// which takes what comes next: sends wait for it, and the link that begins a run holds all of its plan.
pub(super) fn loose(batch: &[Event]) -> Result<Vec<Link>, StoreError> {
    let moments = batch.chunk_by(|a, b| (a.epoch, a.at) == (b.epoch, b.at));
    let all: Vec<_> = moments.flat_map(|moment| moment.chunks(LONGEST)).collect();
    let next = AtomicUsize::new(0);
    let take = || all.get(next.fetch_add(1, Ordering::Relaxed));
    let write = || std::iter::from_fn(take).map(|events| link(events)).collect::<Result<Vec<_>, _>>();
    if batch.len() <= LONGEST {
        return write();
    }
    let (one, other) = both(write, write);
    let mut links = one?;
    links.extend(other?);
    links.sort_by_key(|link| link.seq);
    Ok(links)
}

/// Events of one moment, as one link.
fn link(events: &[Event]) -> Result<Link, StoreError> {
    /// So many bytes an event takes, about.
    const USUAL: usize = 300;
    let first = &events[0];
    let kinds = if let [one] = events { Kinds::One(&one.kind) } else { Kinds::Several(events) };
    let mut body = Vec::with_capacity(USUAL * events.len());
    serde_json::to_writer(&mut body, &kinds).map_err(|why| StoreError::Outage {
        applied: Applied::No,
        why: format!("event {} has no stored form: {why}", first.seq),
    })?;
    Ok(Link { seq: first.seq, epoch: first.epoch, at: first.at, body, hash: [0; 32] })
}

/// The stored form of a batch that is to lie right after `end`.
pub(super) fn links(run: &RunId, end: &Head, batch: &[Event]) -> Result<Vec<Link>, StoreError> {
    let mut links = loose(batch)?;
    hang(&mut links, run, end.hash);
    Ok(links)
}

/// Hangs them on the hash of a run's end, one on the other.
fn hang(links: &mut [Link], run: &RunId, end: [u8; 32]) {
    let hashes = hashes(links, run, end);
    links.iter_mut().zip(hashes).for_each(|(link, hash)| link.hash = hash);
}

/// Their hashes, hung on that of a run's end, one on the other.
pub(super) fn hashes(links: &[Link], run: &RunId, end: [u8; 32]) -> Vec<[u8; 32]> {
    let next = |end: &mut [u8; 32], link: &Link| {
        *end = link.sum(end, run);
        Some(*end)
    };
    links.iter().scan(end, next).collect()
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

/// A chain of so many bytes is verified by two threads: whoever takes a run up waits for it.
const LONG: usize = 256 << 10;

/// Reads a chain from its first link on and stops at the first that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Verifier {
    run: RunId,
    head: Head,
    epoch: Epoch,
}

impl Verifier {
    pub(super) fn new(run: RunId) -> Self {
        Self { run, head: START, epoch: Epoch(0) }
    }

    /// All events of a chain that ends at `head`. What of it could not be read is told in words.
    pub(super) fn all(mut self, head: &Head, links: &[Result<Link, String>]) -> (Vec<Event>, Result<(), StoreError>) {
        if let Some((events, last)) = self.in_two(links) {
            return (events, last.end(head));
        }
        let (events, whole) = self.each(links);
        (events, whole.and_then(|()| self.end(head)))
    }

    /// The events of the next links, up to the first that is wrong.
    fn each(&mut self, links: &[Result<Link, String>]) -> (Vec<Event>, Result<(), StoreError>) {
        let mut events = vec![];
        let whole = links.iter().try_for_each(|link| {
            let link = link.as_ref().map_err(|why| self.damaged(self.head.seq.next(), why.clone()))?;
            events.extend(self.take(link)?);
            Ok(())
        });
        (events, whole)
    }

    /// The events of a long chain and where it ends: a link says what it hangs on, so that two threads may each
    /// verify a half, and the halves must meet. None: it is not long, or something is wrong, which only going
    /// through it in order tells.
    fn in_two(&self, links: &[Result<Link, String>]) -> Option<(Vec<Event>, Self)> {
        let ends = links.iter().scan(0, |sum, link| {
            *sum += link.as_ref().map_or(0, |link| link.body.len());
            Some(*sum)
        });
        let ends: Vec<_> = ends.collect();
        let whole = ends.last().copied().filter(|bytes| *bytes >= LONG)?;
        let (front, back) = links.split_at(ends.partition_point(|end| *end < whole / 2));
        let (before, after) = (front.last()?.as_ref().ok()?, back.first()?.as_ref().ok()?);
        let middle = Head { seq: Seq(after.seq.0.checked_sub(1)?), hash: before.hash };
        let second = Self { run: self.run.clone(), head: middle.clone(), epoch: before.epoch };
        let (first, second) = both(|| self.clone().half(front), || second.half(back));
        let ((mut events, met), (more, last)) = (first?, second?);
        events.extend(more);
        (met.head == middle).then_some((events, last))
    }

    /// The events of these links and where they end, if they are whole.
    fn half(mut self, links: &[Result<Link, String>]) -> Option<(Vec<Event>, Self)> {
        let (events, whole) = self.each(links);
        whole.is_ok().then_some((events, self))
    }

    /// The events of the next link.
    pub(super) fn take(&mut self, link: &Link) -> Result<Vec<Event>, StoreError> {
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
        let kinds = parse(&link.body).map_err(|(at, why)| StoreError::Unreadable {
            run: self.run.clone(),
            seq: Seq(expected.0 + at as u64),
            // Not all that would have been known.
            why: why.to_string().split(", expected").next().unwrap_or_default().to_owned(),
        })?;
        let places = link.seq.0..;
        let event = |(seq, kind)| Event { run: self.run.clone(), seq: Seq(seq), epoch: link.epoch, at: link.at, kind };
        let events: Vec<_> = places.zip(kinds).map(event).collect();
        let Some(last) = events.last() else { return Err(self.damaged(expected, "it holds no event".to_owned())) };
        self.head = Head { seq: last.seq, hash: link.hash };
        self.epoch = link.epoch;
        Ok(events)
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

    fn run() -> RunId {
        RunId::from("r1")
    }

    fn ready(seq: u64, epoch: u64, at: i64) -> Event {
        let kind = EventKind::StepReady { step: StepId::from("promote") };
        Event { run: run(), seq: Seq(seq), epoch: Epoch(epoch), at: Timestamp(at), kind }
    }

    /// What a batch is stored as, and what is read of that.
    fn through(batch: &[Event]) -> (Vec<Link>, Vec<Event>) {
        let links = links(&run(), &START, batch).unwrap();
        let end = Head { seq: batch.last().unwrap().seq, hash: links.last().unwrap().hash };
        let (events, whole) = Verifier::new(run()).all(&end, &links.iter().cloned().map(Ok).collect::<Vec<_>>());
        whole.unwrap();
        (links, events)
    }

    fn bodies(links: &[Link]) -> Vec<&str> {
        links.iter().map(|link| std::str::from_utf8(&link.body).unwrap()).collect()
    }

    /// The stored form is what runs of today are read by for years: a change is a new format.
    #[test]
    fn the_stored_form_of_one_event_stays_that_of_format_1() {
        let link = links(&run(), &START, &[ready(1, 2, 3)]).unwrap().remove(0);
        assert_eq!(String::from_utf8_lossy(&link.body), r#"{"event":"step_ready","step":"promote"}"#);
        let half = |at| u128::from_be_bytes(*link.hash[at..].first_chunk().unwrap());
        assert_eq!(half(0), 0xf946_6867_a9be_989f_ddee_661c_fcd9_8185);
        assert_eq!(half(16), 0x06d0_e24c_b48d_5bff_c6ce_ae0c_3a99_4168);
    }

    #[test]
    fn what_is_committed_at_one_time_is_one_link() {
        let batch = [ready(1, 1, 3), ready(2, 1, 3), ready(3, 1, 4), ready(4, 2, 4)];
        let (links, events) = through(&batch);
        let one = r#"{"event":"step_ready","step":"promote"}"#;
        assert_eq!(bodies(&links), [format!("[{one},{one}]").as_str(), one, one]);
        assert_eq!(links.iter().map(|link| link.seq.0).collect::<Vec<_>>(), [1, 3, 4]);
        assert_eq!(events, batch);
    }

    #[test]
    fn a_link_is_no_longer_than_what_one_flipped_bit_may_cost() {
        let batch: Vec<_> = (1..=2500).map(|seq| ready(seq, 1, 3)).collect();
        let (links, events) = through(&batch);
        assert_eq!(links.iter().map(|link| link.seq.0).collect::<Vec<_>>(), [1, 1001, 2001]);
        assert_eq!(events, batch);
    }

    #[test]
    fn what_cannot_be_read_in_a_link_is_named_by_its_place() {
        let mut links = links(&run(), &START, &[ready(1, 1, 3), ready(2, 1, 3), ready(3, 1, 3)]).unwrap();
        let mut read = |body: &str| {
            links[0].body = body.into();
            hang(&mut links, &run(), START.hash);
            Verifier::new(run()).take(&links[0]).unwrap_err().to_string()
        };
        let one = r#"{"event":"closing_begun"}"#;
        let unread = read(&format!(r#"[{one},{{"event":"run_dreamt"}},{one}]"#));
        assert!(unread.starts_with("event 2 of run r1 is whole, but another lifeboat wrote it"), "{unread}");
        assert!(unread.ends_with("unknown variant `run_dreamt`"), "{unread}");
        let empty = read("[]");
        assert_eq!(empty, "the journal of run r1 is damaged at event 1: it holds no event");
    }

    /// Long enough for two threads.
    fn long() -> (Vec<Event>, Vec<Link>, Head) {
        let batch: Vec<_> = (1..=8000).map(|seq| ready(seq, 1 + seq / 4500, seq.cast_signed() / 3)).collect();
        let links = links(&run(), &START, &batch).unwrap();
        assert!(links.iter().map(|link| link.body.len()).sum::<usize>() >= LONG);
        let end = Head { seq: Seq(8000), hash: links.last().unwrap().hash };
        (batch, links, end)
    }

    fn read(links: Vec<Link>, end: &Head) -> (Vec<Event>, Result<(), String>) {
        let (events, whole) = Verifier::new(run()).all(end, &links.into_iter().map(Ok).collect::<Vec<_>>());
        (events, whole.map_err(|why| why.to_string()))
    }

    #[test]
    fn a_long_chain_is_read_whole() {
        let (batch, links, end) = long();
        assert!(Verifier::new(run()).in_two(&links.iter().cloned().map(Ok).collect::<Vec<_>>()).is_some());
        assert_eq!(read(links, &end), (batch, Ok(())));
    }

    #[test]
    fn whatever_is_wrong_in_a_long_chain_is_told_and_what_is_before_it_is_kept() {
        let (batch, links, end) = long();
        let middle = links.len() / 2;
        let spoilt = |spoil: &dyn Fn(&mut Vec<Link>, usize), at: usize| {
            let mut links = links.clone();
            let seq = links[at].seq.0;
            spoil(&mut links, at);
            let (events, whole) = read(links, &end);
            assert_eq!(events, batch[..usize::try_from(seq).unwrap() - 1], "link {at}");
            (seq, whole.unwrap_err())
        };
        for at in [0, middle - 2, middle - 1, middle, middle + 1, links.len() - 1] {
            let (seq, gone) = spoilt(&|links, at| drop(links.remove(at)), at);
            assert!(gone.contains(&format!("event {seq}: it is missing")), "{at}: {gone}");
            let (seq, flipped) = spoilt(&|links, at| links[at].body[9] ^= 1, at);
            assert!(flipped.contains(&format!("event {seq}: its hash does not fit")), "{at}: {flipped}");
            let (seq, hash) = spoilt(&|links, at| links[at].hash[9] ^= 1, at);
            assert!(hash.contains(&format!("event {seq}: its hash does not fit")), "{at}: {hash}");
        }
    }

    #[test]
    fn an_epoch_never_goes_back() {
        let links = links(&run(), &START, &[ready(1, 2, 0), ready(2, 1, 0)]).unwrap();
        let mut chain = Verifier::new(run());
        chain.take(&links[0]).unwrap();
        let damaged = chain.take(&links[1]).unwrap_err().to_string();
        assert_eq!(damaged, "the journal of run r1 is damaged at event 2: epoch 1 follows epoch 2");
    }
}
