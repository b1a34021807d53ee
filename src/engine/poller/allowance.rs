//! How often a service of a Region may be asked again, whatever waits for it.

use super::proportional;
use crate::{
    clock::{Span, Timestamp},
    world::Question,
};
use std::collections::{BTreeMap, BTreeSet};

/// 136 requests in ten minutes at most, 76 of them at once. What begins and what was changed takes of them too,
/// and waits for none; drivers ask a little beside the questions, every minute and a half. There is room for
/// both up to 150.
#[derive(Debug, Clone)]
pub(super) struct Allowance {
    requests: u64,
    /// When the last one was added.
    filled: Timestamp,
    /// When something may be repeated, where there are few.
    free: Timestamp,
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
    const AT_ONCE: u64 = 76;
    const ONE_EVERY: Span = Span::secs(10);
    /// So many are kept for what begins and what was changed, which wait for none: what only moves is asked
    /// for as slowly as they come back.
    const KEPT: u64 = 3;

    pub(super) fn full(now: Timestamp) -> Self {
        Self { requests: Self::AT_ONCE, filled: now, free: now, rhythms: BTreeMap::new() }
    }

    /// When a question may be repeated, where so many requests share the service.
    pub(super) fn repeats(&mut self, question: &Question, load: u64, now: Timestamp) -> Timestamp {
        let rested = self.rested(question, load, now);
        if self.requests > Self::KEPT { rested } else { rested.max(self.free) }
    }

    /// When a question that was not asked only just now may be asked.
    pub(super) fn rested(&mut self, question: &Question, load: u64, now: Timestamp) -> Timestamp {
        self.fill(now);
        let rhythm = self.rhythms.entry(question.clone()).or_insert(Rhythm { since: now, last: None });
        let gap = Span(proportional(now.since(rhythm.since)).0.min(900)) * load;
        let gap = if self.requests == 0 { gap.max(Span::secs(3)) } else { gap };
        rhythm.last.map_or(now, |last| last + gap)
    }

    fn fill(&mut self, now: Timestamp) {
        let more = now.since(self.filled).0 / Self::ONE_EVERY.0;
        self.filled = self.filled + Self::ONE_EVERY * more;
        self.requests += more;
        if self.requests >= Self::AT_ONCE {
            (self.requests, self.filled) = (Self::AT_ONCE, now);
        }
    }

    /// A question is asked. Who repeats it pays for it: whoever comes next waits as long as it cost, so that a
    /// question of several requests has its turn like any other.
    pub(super) fn take(&mut self, question: &Question, repeats: bool, now: Timestamp) {
        self.requests = self.requests.saturating_sub(question.requests());
        if repeats {
            self.free = now + Self::ONE_EVERY * question.requests();
        }
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
        Self { requests: 0, free: now + Self::ONE_EVERY, ..Self::full(now) }
    }
}
