//! How often a service of a Region may be asked again, whatever waits for it.

use super::proportional;
use crate::{
    clock::{Span, Timestamp},
    world::Question,
};
use std::collections::{BTreeMap, BTreeSet};

/// 143 requests in ten minutes at most, 93 of them at once. With what drivers ask beside the questions, once
/// in a minute and a half, these are 150.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    requests: u64,
    /// When the last one was added.
    filled: Timestamp,
    /// When one was last taken.
    taken: Timestamp,
    rhythms: BTreeMap<Question, Rhythm>,
}

/// While many begin to wait one after another, their question is asked no more often than for one of them.
#[derive(Debug, Clone, Copy)]
struct Rhythm {
    /// Since when somebody has waited all the time.
    since: Timestamp,
    /// The last time.
    last: Option<Timestamp>,
}

impl Allowance {
    const AT_ONCE: u64 = 93;
    const ONE_EVERY: Span = Span::secs(12);
    /// So many are kept for what begins and what was changed, which wait for none: what only moves is asked
    /// for as slowly as they come back.
    const KEPT: u64 = 10;

    pub(super) fn full(now: Timestamp) -> Self {
        Self { requests: Self::AT_ONCE, filled: now, taken: now, rhythms: BTreeMap::new() }
    }

    /// When a question may be asked again, where so many requests share the service.
    pub(super) fn next(&mut self, question: &Question, load: u64, now: Timestamp) -> Timestamp {
        let more = now.since(self.filled).0 / Self::ONE_EVERY.0;
        self.filled = self.filled + Self::ONE_EVERY * more;
        self.requests += more;
        if self.requests >= Self::AT_ONCE {
            (self.requests, self.filled) = (Self::AT_ONCE, now);
        }
        let rested = self.rested(question, load, now);
        let needed = question.requests();
        if self.requests >= Self::KEPT + needed {
            return rested;
        }
        let comes = self.filled + Self::ONE_EVERY * needed.saturating_sub(self.requests);
        rested.max(self.taken + Self::ONE_EVERY * needed).max(if self.requests < needed { comes } else { now })
    }

    /// When it was not asked only just now.
    pub(super) fn rested(&mut self, question: &Question, load: u64, now: Timestamp) -> Timestamp {
        let rhythm = self.rhythms.entry(question.clone()).or_insert(Rhythm { since: now, last: None });
        let gap = Span(proportional(now.since(rhythm.since)).0.min(900)) * load;
        rhythm.last.map_or(now, |last| last + gap)
    }

    /// It is asked.
    pub(super) fn take(&mut self, question: &Question, now: Timestamp) {
        (self.requests, self.taken) = (self.requests.saturating_sub(question.requests()), now);
        if let Some(rhythm) = self.rhythms.get_mut(question) {
            rhythm.last = Some(now);
        }
    }

    /// Only these questions are still waited for: who has another one next begins to wait then.
    pub(super) fn keep(&mut self, moving: &BTreeSet<Question>) {
        self.rhythms.retain(|question, _| moving.contains(question));
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> u64 {
        self.requests
    }

    #[cfg(test)]
    pub(super) fn spent(now: Timestamp) -> Self {
        Self { requests: 0, ..Self::full(now) }
    }
}
