//! A run as it is stored, to be kept elsewhere or taken to another machine.
//!
//! As text it is JSON, one object a line: the run, then its events in order. An event's `body` is
//! the text of the bytes that its `hash` is made of, so nothing that reads and writes JSON in
//! between breaks the chain. What the events themselves tell (runbook, start, outcome) is not said
//! again. The format is that of the events:
//!
//! ```text
//! {"type":"journal","format":2,"run":"r2rv","key":"storefront","events":57,"hash":"9f…"}
//! {"type":"link","run":"r2rv","seq":1,"epoch":1,"at":1795236745000,"hash":"4c…","body":"{\"event\":…}"}
//! {"type":"link","run":"r2rv","seq":2,"epoch":1,"at":1795236745000,"hash":"b7…","body":"[{\"event\":…},…]"}
//! ```

use super::{
    Head, RunHead, StoreError,
    chain::{self, Link, Verifier},
};
use crate::{
    clock::Timestamp,
    event::{Event, EventKind, FORMAT},
    ids::{ControlId, Epoch, LeaseKey, RunId, Seq},
};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// A whole run: its chain was verified when it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    run: RunId,
    key: LeaseKey,
    end: Head,
    links: Vec<Link>,
    events: Vec<Event>,
}

/// Why a text is no stored run.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A line is not what stands there in an export.
    #[error("line {line} is not of an export, or damaged: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The lines can be read, but what they say was not what was stored.
    #[error(transparent)]
    Run(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Journal { format: u32, run: RunId, key: LeaseKey, events: Seq, hash: String },
    Link { run: RunId, seq: Seq, epoch: Epoch, at: Timestamp, hash: String, body: String },
}

impl StoredRun {
    /// From its parts, if they are a whole chain up to `head`.
    pub(super) fn verified(
        run: RunId,
        key: LeaseKey,
        found: impl IntoIterator<Item = Result<Link, String>>,
        end: &Head,
    ) -> Result<Self, StoreError> {
        let found: Vec<_> = found.into_iter().collect();
        let (events, whole) = Verifier::new(run.clone()).all(end, &found);
        whole?;
        Ok(Self { run, key, end: end.clone(), links: found.into_iter().flatten().collect(), events })
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }
    /// What it excludes others from.
    pub fn key(&self) -> &LeaseKey {
        &self.key
    }
    /// What happened in it.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }
    pub(super) fn end(&self) -> &Head {
        &self.end
    }
    pub(super) fn head(&self) -> RunHead {
        row(&self.run, &self.key, &self.events)
    }
    /// The epoch under which it was written last. Whoever goes on with it needs one above.
    pub(super) fn epoch(&self) -> Epoch {
        self.links.last().map_or(Epoch(0), |link| link.epoch)
    }
    /// The last control that it took from its inbox. Those to come must be numbered above.
    pub(super) fn last_control(&self) -> ControlId {
        let taken = |event: &Event| match &event.kind {
            EventKind::ControlReceived { id, .. } => Some(*id),
            _ => None,
        };
        self.events.iter().filter_map(taken).max().unwrap_or(ControlId(0))
    }

    /// As text.
    pub fn to_text(&self) -> String {
        let (head, run) = (self.end(), &self.run);
        let first = Line::Journal {
            format: FORMAT,
            run: run.clone(),
            key: self.key.clone(),
            events: head.seq,
            hash: hex(&head.hash),
        };
        let link = |link: &Link| Line::Link {
            run: run.clone(),
            seq: link.seq,
            epoch: link.epoch,
            at: link.at,
            hash: hex(&link.hash),
            // They were read as JSON, which is text.
            body: String::from_utf8_lossy(&link.body).into_owned(),
        };
        let lines = std::iter::once(first).chain(self.links.iter().map(link));
        lines.fold(String::new(), |text, line| text + &serde_json::to_string(&line).expect("texts and numbers") + "\n")
    }

    /// All runs of a text, each verified.
    pub fn all_of(text: &str) -> Result<Vec<Self>, TextError> {
        let lines = (1..).zip(text.lines()).map(|(at, line)| Ok((at, parse(at, line)?)));
        let mut lines = lines.collect::<Result<Vec<_>, TextError>>()?.into_iter().peekable();
        let mut all = vec![];
        while let Some((at, line)) = lines.next() {
            let Line::Journal { format, run, key, events, hash } = line else {
                return Err(TextError::Line { line: at, why: "the line of its run is missing before it".into() });
            };
            if format == 0 {
                return Err(TextError::Line { line: at, why: format!("there is no format {format}") });
            }
            let head = Head { seq: events, hash: bytes(at, &hash)? };
            let mut links = vec![];
            while let Some((at, line)) = lines.next_if(|(_, line)| matches!(line, Line::Link { .. })) {
                links.push(link(at, line, &run)?);
            }
            all.push(Self::verified(run, key, links.into_iter().map(Ok), &head)?);
        }
        Ok(all)
    }
}

fn parse(at: usize, line: &str) -> Result<Line, TextError> {
    newer(line)?;
    serde_json::from_str(line).map_err(|why| TextError::Line { line: at, why: why.to_string() })
}

/// A later format may have other fields: it is told by its number before they are read.
fn newer(line: &str) -> Result<(), TextError> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    match serde_json::from_str::<Format>(line) {
        Ok(Format { format }) if format > FORMAT => Err(StoreError::Newer { found: format, known: FORMAT }.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn link(at: usize, line: Line, of: &RunId) -> Result<Link, TextError> {
    match line {
        Line::Link { run, seq, epoch, at: time, hash, body } if run == *of => {
            Ok(Link { seq, epoch, at: time, hash: bytes(at, &hash)?, body: body.into_bytes() })
        }
        Line::Link { run, .. } | Line::Journal { run, .. } => {
            Err(TextError::Line { line: at, why: format!("it is of run {run}, among those of run {of}") })
        }
    }
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all");
        hex
    })
}

fn bytes(line: usize, hex: &str) -> Result<[u8; 32], TextError> {
    let mut hash = [0; 32];
    let digits = hex.as_bytes();
    let lower = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 64 || !digits.iter().all(lower) {
        return Err(TextError::Line { line, why: "its hash is not 64 hexadecimal digits".into() });
    }
    for (byte, two) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let text = std::str::from_utf8(two).expect("they are digits");
        *byte = u8::from_str_radix(text, 16).expect("they are digits");
    }
    Ok(hash)
}

/// What a store keeps beside a run's events, as they tell it.
pub(super) fn row(run: &RunId, key: &LeaseKey, events: &[Event]) -> RunHead {
    RunHead {
        id: run.clone(),
        key: key.clone(),
        runbook: chain::runbook(events),
        started: events.first().map_or(Timestamp(0), |first| first.at),
        seq: events.last().map_or(Seq(0), |last| last.seq),
        outcome: chain::outcome(events),
    }
}

#[cfg(test)]
mod tests;
