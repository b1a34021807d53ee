//! What clients lived through and what the world counted: the measure of every run.

use super::state::State;
use crate::{
    clock::{Span, Timestamp},
    ids::ResourceName,
    world::{Call, Class, Effect},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What clients lived through since the world was opened first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lived {
    /// Until when it was measured.
    pub at: Timestamp,
    /// How long fewer than half of the clients were answered at all.
    pub downtime: Span,
    /// How long fewer than half of the clients could write.
    pub write_outage: Span,
    /// Rows that were ever accepted.
    pub rows_written: u64,
    /// Rows that were accepted, but the newest writer does not hold and no snapshot either.
    pub rows_lost: u64,
    /// Rows that the newest writer does not hold, but a snapshot does.
    pub rows_kept_in_snapshot: u64,
    /// Rows that sources held and replicas did not when these stopped replicating to be promoted.
    pub rows_unreplicated_at_promotion: u64,
    /// Both sites' databases took writes at the same time.
    pub two_writers: Option<Overlap>,
    /// Effects that were applied, by the provider's name of the call.
    pub applied: BTreeMap<String, u64>,
    /// Effects that were applied twice although once was meant, in words. Never, if all is well.
    pub repeated: Vec<String>,
}

/// A time in which two writers took writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// From the first such instant.
    pub from: Timestamp,
    /// Until the last.
    pub until: Timestamp,
    /// How long in all.
    pub total: Span,
}

impl Lived {
    /// What was lived through since an earlier measure. What is lost or kept is not a sum: it is as
    /// it is now.
    pub fn since(&self, earlier: &Self) -> Self {
        let more = |name: &String, n: u64| n - earlier.applied.get(name).copied().unwrap_or(0).min(n);
        let applied: BTreeMap<_, _> = self.applied.iter().map(|(name, n)| (name.clone(), more(name, *n))).collect();
        Self {
            downtime: self.downtime.saturating_sub(earlier.downtime),
            write_outage: self.write_outage.saturating_sub(earlier.write_outage),
            rows_written: self.rows_written.saturating_sub(earlier.rows_written),
            rows_unreplicated_at_promotion: self
                .rows_unreplicated_at_promotion
                .saturating_sub(earlier.rows_unreplicated_at_promotion),
            two_writers: self.two_writers.filter(|now| earlier.two_writers.is_none_or(|then| now.total > then.total)),
            applied: applied.into_iter().filter(|(_, n)| *n > 0).collect(),
            repeated: self.repeated.iter().skip(earlier.repeated.len()).cloned().collect(),
            ..self.clone()
        }
    }
}

/// The running sums behind [`Lived`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Account {
    down: Sum,
    shut: Sum,
    both: Sum,
    first_both: Option<Timestamp>,
    last_both: Option<Timestamp>,
    pub(super) unreplicated: u64,
    applied: BTreeMap<String, u64>,
    tokens: BTreeSet<String>,
    /// Commands and requests by run, step and content: each is meant once.
    errands: BTreeSet<String>,
    repeated: Vec<String>,
}

/// How long something has been so in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sum {
    total: Span,
    since: Option<Timestamp>,
}

impl Sum {
    fn set(&mut self, so: bool, at: Timestamp) {
        match (self.since, so) {
            (None, true) => self.since = Some(at),
            (Some(since), false) => {
                self.total = self.total + at.since(since);
                self.since = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    fn until(&self, at: Timestamp) -> Span {
        self.total + self.since.map_or(Span::ZERO, |since| at.since(since))
    }
}

impl Account {
    /// From an instant on: no answers, no writes; two writers.
    pub(super) fn lives(&mut self, at: Timestamp, (down, shut): (bool, bool), both: bool) {
        self.down.set(down, at);
        self.shut.set(shut, at);
        if both {
            self.first_both.get_or_insert(at);
        } else if self.both.since.is_some() {
            self.last_both = Some(at);
        }
        self.both.set(both, at);
    }

    /// An effect is about to be applied. Whether it is a repeat that its receiver recognises by
    /// its token.
    pub(super) fn recognises(&self, token: &str, effect: &Effect) -> bool {
        effect.class() == Class::Token && self.tokens.contains(token)
    }

    /// An effect was applied.
    pub(super) fn count(&mut self, token: &str, effect: &Effect) {
        let name = match &effect.call {
            Call::Run(_) => "command".to_owned(),
            Call::Rds(_) | Call::Scaling(_) | Call::Dns(_) | Call::Machine(_) | Call::Post(_) => {
                effect.call().operation
            }
        };
        *self.applied.entry(name).or_default() += 1;
        let known = !self.tokens.insert(token.to_owned());
        let errand = match &effect.call {
            Call::Run(run) => Some(format!("{} {} {}", super::script::run_of(token), run.step, run.argv.join(" "))),
            Call::Post(post) => {
                Some(format!("{} {} {} {}", super::script::run_of(token), post.step, post.url, post.body))
            }
            // Its name makes a repeat harmless, and another name another execution.
            Call::Rds(_) | Call::Scaling(_) | Call::Dns(_) | Call::Machine(_) => None,
        };
        let again = errand.is_some_and(|errand| !self.errands.insert(errand));
        if again || (known && effect.class() != Class::Desired) {
            let words = effect.words();
            self.repeated.push(format!("{token}: {words}"));
        }
    }
}

impl State {
    /// What clients lived through until now.
    pub(super) fn lived(&self) -> Lived {
        let (now, account) = (self.now, &self.account);
        let mut lived = Lived {
            at: now,
            downtime: account.down.until(now),
            write_outage: account.shut.until(now),
            rows_unreplicated_at_promotion: account.unreplicated,
            applied: account.applied.clone(),
            repeated: account.repeated.clone(),
            two_writers: account.first_both.map(|from| Overlap {
                from,
                until: if account.both.since.is_some() { now } else { account.last_both.unwrap_or(from) },
                total: account.both.until(now),
            }),
            ..Lived::default()
        };
        for (stream, own) in self.streams.iter().enumerate() {
            let written = own.rows(now);
            let held = self.held_by_writer(&own.resource, stream);
            let kept = self.snapshots.iter().filter_map(|kept| kept.rows.get(&stream)).max().copied().unwrap_or(0);
            lived.rows_written += written;
            lived.rows_lost += written.saturating_sub(held.max(kept));
            lived.rows_kept_in_snapshot += written.min(kept).saturating_sub(held);
        }
        lived
    }

    /// The rows of a stream that the newest writer of a resource holds.
    fn held_by_writer(&self, resource: &ResourceName, stream: usize) -> u64 {
        let writer = self.active.get(resource);
        writer.and_then(|db| self.rows(*db, self.now).get(&stream).copied()).unwrap_or(0)
    }
}
