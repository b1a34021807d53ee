//! What clients lived through and what the world counted: the measure of every run.

use super::{
    db::{Busy, Instance},
    state::State,
};
use crate::{
    clock::{Span, Timestamp},
    ids::{ResourceName, SiteName},
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
    /// Two databases took writes at the same time because somebody opened the second. Never, if all is well.
    pub two_writers: Option<Overlap>,
    /// Databases that took writes again because their lost site came back by itself, although another had
    /// taken over: nobody opened them, and they have to be fenced as soon as they answer.
    pub returned_unfenced: Vec<Returned>,
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

/// A database of a lost site that came back writable by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// Whose data it has.
    pub resource: ResourceName,
    /// Where.
    pub site: SiteName,
    /// When it came back.
    pub from: Timestamp,
    /// When the last of its writes could come: it was fenced then, or lost again; none: it still takes them.
    pub until: Option<Timestamp>,
    /// Rows that were written there meanwhile.
    pub rows: u64,
    /// Those of them that a snapshot holds.
    pub rows_kept: u64,
}

impl Returned {
    /// What came back, and what became of the rows, in words.
    pub fn words(&self) -> String {
        let Self { resource, site, from, .. } = self;
        let fenced = match self.until {
            Some(until) => format!("it took writes for {}", until.since(*from)),
            None => "it still takes writes".into(),
        };
        let rows = match (self.rows, self.rows_kept) {
            (0, _) => "none came".into(),
            (rows, 0) => format!("{rows} rows, not in any snapshot yet"),
            (rows, kept) if kept >= rows => format!("{rows} rows, all of them kept in a snapshot"),
            (rows, kept) => format!("{rows} rows, {kept} of them kept in a snapshot"),
        };
        format!("{resource} at {site}, writable, by itself at {}; {fenced}: {rows}", from.time_of_day())
    }
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
            returned_unfenced: self
                .returned_unfenced
                .iter()
                .filter(|returned| returned.until.is_none_or(|until| until > earlier.at))
                .cloned()
                .collect(),
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
    returns: Vec<Return>,
    pub(super) unreplicated: u64,
    applied: BTreeMap<String, u64>,
    tokens: BTreeSet<String>,
    /// Commands and requests by run, step and content: each is meant once.
    errands: BTreeSet<String>,
    repeated: Vec<String>,
}

/// A database that came back writable by itself after another had taken over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Return {
    db: usize,
    from: Timestamp,
    /// The rows of its own that it had.
    had: u64,
    /// When it took no more writes, and the rows that it had then.
    ended: Option<(Timestamp, u64)>,
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

    /// Whether the effect of a token was applied.
    pub(super) fn has_applied(&self, token: &str) -> bool {
        self.tokens.contains(token)
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
    /// A site is back: what writes there although another writer took over, or is about to, is noted.
    pub(super) fn note_returned(&mut self, site: usize) {
        for db in 0..self.dbs.len() {
            let of = &self.dbs[db].resource;
            let promoted = |other: &Instance| other.resource == *of && other.busy == Some(Busy::Promote);
            let left = self.active.get(of) != Some(&db) || self.dbs.iter().any(promoted);
            if self.dbs[db].site == site && left && self.takes_writes(db) {
                let noted = Return { db, from: self.now, had: self.own_rows(db), ended: None };
                self.account.returns.push(noted);
            }
        }
    }

    /// Notes which of those that came back take no more writes: who opens one of them again opens a second writer.
    pub(super) fn note_fenced(&mut self) {
        for i in 0..self.account.returns.len() {
            let Return { db, ended, .. } = self.account.returns[i];
            if ended.is_none() && !self.takes_writes(db) {
                self.account.returns[i].ended = Some((self.now, self.own_rows(db)));
            }
        }
    }

    /// It takes writes since its lost site came back by itself.
    pub(super) fn is_returned(&self, db: usize) -> bool {
        self.account.returns.iter().any(|r| r.db == db && r.ended.is_none())
    }

    fn own_rows(&self, db: usize) -> u64 {
        self.dbs[db].stream.map_or(0, |own| self.streams[own].rows(self.now))
    }

    fn returned(&self, of: &Return) -> Returned {
        let instance = &self.dbs[of.db];
        let has = of.ended.map_or_else(|| self.own_rows(of.db), |(_, rows)| rows);
        Returned {
            resource: instance.resource.clone(),
            site: self.spec.sites[instance.site].name.clone(),
            from: of.from,
            until: of.ended.map(|(at, _)| at),
            rows: has - of.had,
            rows_kept: instance.stream.map_or(0, |own| self.kept(own)).clamp(of.had, has) - of.had,
        }
    }

    /// The rows of a stream that snapshots hold.
    fn kept(&self, stream: usize) -> u64 {
        self.snapshots.iter().filter_map(|kept| kept.rows.get(&stream)).max().copied().unwrap_or(0)
    }

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
            returned_unfenced: account.returns.iter().map(|r| self.returned(r)).collect(),
            ..Lived::default()
        };
        for (stream, own) in self.streams.iter().enumerate() {
            let written = own.rows(now);
            let held = self.held_by_writer(&own.resource, stream);
            let kept = self.kept(stream);
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
