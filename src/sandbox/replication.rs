//! Rows: who wrote them, who holds them, how far replicas are.
//!
//! Every instance that takes writes has a stream of its own, a growing number of rows. Copies are
//! made in order, so whatever holds rows of a stream holds its first n: what an instance, a replica
//! or a snapshot holds is one number per stream, and what is lost is a subtraction.

use super::{chance, state::State};
use crate::{
    clock::{Span, Timestamp},
    ids::ResourceName,
    model::DbEngine,
    world::rds::LagSample,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many rows of each stream something holds.
pub(super) type Rows = BTreeMap<usize, u64>;

/// A server writes something into its log at least so often, also when nobody else does.
const HEARTBEAT: Span = Span::mins(5);
/// Samples of lag are taken so often.
const SAMPLED: Span = Span::mins(1);
/// So much of the past is shown.
const SHOWN: Span = Span::mins(35);

/// The rows that one instance accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stream {
    /// Whose data it is.
    pub(super) resource: ResourceName,
    segments: Vec<Segment>,
}

/// From an instant on, rows come at one rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Segment {
    from: Timestamp,
    base: u64,
    /// Rows in 1,000 seconds.
    rate: u64,
}

impl Segment {
    fn rows(&self, at: Timestamp) -> u64 {
        self.base + at.since(self.from).0 * self.rate / 1_000_000
    }
}

impl Stream {
    /// An empty one.
    pub(super) fn new(resource: ResourceName) -> Self {
        Self { resource, segments: vec![] }
    }

    fn segment(&self, at: Timestamp) -> Option<&Segment> {
        self.segments[..self.segments.partition_point(|s| s.from <= at)].last()
    }

    /// Its rows at an instant.
    pub(super) fn rows(&self, at: Timestamp) -> u64 {
        self.segment(at).map_or(0, |s| s.rows(at))
    }

    /// Rows in 1,000 seconds, now.
    pub(super) fn rate(&self) -> u64 {
        self.segments.last().map_or(0, |s| s.rate)
    }

    /// From now on rows come at that rate.
    pub(super) fn set_rate(&mut self, at: Timestamp, rate: u64) {
        if rate != self.rate() {
            self.push(Segment { from: at, base: self.rows(at), rate });
        }
    }

    /// Some rows at once.
    pub(super) fn add(&mut self, at: Timestamp, rows: u64) {
        let segment = Segment { from: at, base: self.rows(at) + rows, rate: self.rate() };
        self.push(segment);
    }

    fn push(&mut self, segment: Segment) {
        if self.segments.last().is_some_and(|last| last.from == segment.from) {
            self.segments.pop();
        }
        self.segments.push(segment);
    }

    /// When the last row came, until an instant.
    fn last_row(&self, at: Timestamp) -> Option<Timestamp> {
        let until = self.segments.partition_point(|s| s.from <= at);
        let writing = self.segments[..until].iter().rposition(|s| s.rate > 0);
        let ended = match writing {
            Some(i) if i + 1 == until => at,
            Some(i) => self.segments[i + 1].from,
            None => Timestamp::default(),
        };
        // Rows that came at once begin a segment with a higher base.
        let jumped = self.segments[..until].last().map_or(ended, |s| s.from);
        (until > 0).then(|| ended.max(jumped))
    }
}

/// A time in which a replica replays its source's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Link {
    /// The source.
    pub(super) source: usize,
    /// It works since then.
    pub(super) from: Timestamp,
    /// How far behind it was then, beyond the usual; it catches up three seconds in a second.
    pub(super) behind: Span,
    /// What the source wrote before that is there in any case.
    pub(super) floor: Timestamp,
    /// It worked until then.
    pub(super) until: Option<Timestamp>,
}

impl State {
    /// Up to which instant of the source a link had replayed at an instant. Never goes back: lag
    /// grows by less than a second in a second.
    pub(super) fn replayed(&self, replica: usize, link: &Link, at: Timestamp) -> Timestamp {
        let at = link.until.map_or(at, |until| at.min(until));
        let behind = link.behind.saturating_sub(at.since(link.from) * 3);
        (at - (self.usual_lag(replica, at) + behind)).max(link.floor)
    }

    /// The lag of a replica that works: 0.2 to 8 s, now and then up to 40 s.
    fn usual_lag(&self, replica: usize, at: Timestamp) -> Span {
        let age = at.since(self.born).0;
        let salt = replica as u64 * 0x1_0000_0000;
        let minute = |n: u64| {
            let drawn = chance::draw(self.seed, "lag", salt + n);
            let (share, spike) = (drawn % 1000, (drawn >> 32).is_multiple_of(60));
            if spike { 10_000 + 30 * share } else { 200 + 7_800 * share * share / 1_000_000 }
        };
        let (n, part) = (age / 60_000, age % 60_000);
        Span((minute(n) * (60_000 - part) + minute(n + 1) * part) / 60_000)
    }

    /// What an instance holds at an instant: now, or in the past of its present link.
    pub(super) fn rows(&self, db: usize, at: Timestamp) -> Rows {
        let mut rows = self.written(db, at);
        if let Some(link) = self.dbs[db].link() {
            for (stream, n) in self.written(link.source, self.replayed(db, link, at)) {
                let held = rows.entry(stream).or_default();
                *held = n.max(*held);
            }
        }
        rows
    }

    /// What it holds without what it is replicating.
    fn written(&self, db: usize, at: Timestamp) -> Rows {
        let instance = &self.dbs[db];
        let mut rows = instance.held.clone();
        if let Some(own) = instance.stream {
            rows.insert(own, self.streams[own].rows(at));
        }
        rows
    }

    /// The stream that an instance writes to.
    pub(super) fn own_stream(&mut self, db: usize) -> usize {
        if let Some(own) = self.dbs[db].stream {
            return own;
        }
        self.streams.push(Stream::new(self.dbs[db].resource.clone()));
        let own = self.streams.len() - 1;
        self.dbs[db].stream = Some(own);
        own
    }

    /// The end of an instance's log, or how far it has replayed its source's.
    pub(super) fn log_end(&self, db: usize, at: Timestamp) -> u64 {
        const ROW: u64 = 256;
        const BEAT: u64 = 64;
        let instance = &self.dbs[db];
        if let Some(link) = instance.link() {
            return self.log_end(link.source, self.replayed(db, link, at)).max(instance.log_base);
        }
        let own = instance.stream.map_or(0, |s| self.streams[s].rows(at));
        let beats = if instance.source.is_some() {
            0
        } else {
            self.beats(at) - self.beats(instance.log_since).min(self.beats(at))
        };
        instance.log_base + ROW * own + BEAT * beats
    }

    fn beats(&self, at: Timestamp) -> u64 {
        at.since(self.born).0 / HEARTBEAT.0
    }

    /// When a writer last wrote to its log, until an instant.
    fn last_written(&self, db: usize, at: Timestamp) -> Timestamp {
        let beat = self.born + HEARTBEAT * self.beats(at);
        let row = self.dbs[db].stream.and_then(|s| self.streams[s].last_row(at));
        row.map_or(beat, |row| row.max(beat)).min(at)
    }

    /// Whether a writer wrote to its log between two instants.
    fn wrote_between(&self, db: usize, from: Timestamp, to: Timestamp) -> bool {
        self.log_end(db, from) != self.log_end(db, to)
    }

    /// The links of a lost site break, at both ends.
    pub(super) fn break_links(&mut self, site: usize, at: Timestamp) {
        for db in 0..self.dbs.len() {
            let Some(link) = self.dbs[db].link() else { continue };
            let ends = [self.dbs[db].site, self.dbs[link.source].site];
            if ends.contains(&site)
                && let Some(link) = self.dbs[db].links.last_mut()
            {
                link.until.get_or_insert(at);
            }
            self.dbs[db].replication_normal = self.dbs[db].link().is_none_or(|l| l.until.is_none());
        }
        for instance in self.dbs.iter_mut().filter(|db| db.site == site) {
            instance.sessions.clear();
        }
    }

    /// Replicas that were not promoted meanwhile go on where they were cut off.
    pub(super) fn resume_links(&mut self) {
        for db in 0..self.dbs.len() {
            let Some(link) = self.dbs[db].link().filter(|l| l.until.is_some()) else { continue };
            if !self.alive(self.dbs[db].site) || !self.alive(self.dbs[link.source].site) {
                continue;
            }
            let (source, floor, now) = (link.source, self.replayed(db, link, self.now), self.now);
            let link = Link { source, from: now, behind: now.since(floor), floor, until: None };
            self.dbs[db].links.push(link);
            self.dbs[db].replication_normal = true;
        }
    }
}

// What metrics tell of it.
impl State {
    /// The samples of a replica's lag that have arrived: each a minute, 1 to 3 minutes late, some missing.
    pub(super) fn lag(&self, db: usize) -> Vec<LagSample> {
        self.samples(db as u64 * 2, |at| self.lag_at(db, at))
    }

    /// The same for what the source says of its replicas.
    pub(super) fn slot_lag(&self, db: usize) -> Vec<LagSample> {
        self.samples(db as u64 * 2 + 1, |at| self.slot_lag_at(db, at))
    }

    fn samples(&self, series: u64, sample: impl Fn(Timestamp) -> Option<LagSample>) -> Vec<LagSample> {
        let phase = chance::draw(self.seed, "sampled", series) % SAMPLED.0;
        let age = self.now.since(self.born).0;
        let (first, last) = (age.saturating_sub(SHOWN.0) / SAMPLED.0, age / SAMPLED.0);
        let mut samples = vec![];
        for n in first..=last {
            let at = self.born + Span(phase + n * SAMPLED.0);
            let drawn = chance::draw(self.seed, "sample", series * 0x1_0000_0000 + n);
            let (late, missing) = (Span(60_000 + drawn % 110_000), (drawn >> 32).is_multiple_of(33));
            if at + late > self.now || missing {
                continue;
            }
            samples.extend(sample(at));
        }
        samples
    }

    /// What the service reports of a replica: nothing, -1 (none), or seconds.
    fn lag_at(&self, db: usize, at: Timestamp) -> Option<LagSample> {
        let instance = &self.dbs[db];
        let link = instance.links.iter().rev().find(|link| link.from <= at)?;
        let replica = instance.stopped_at.is_none_or(|stopped| at < stopped);
        if !replica || !self.was_alive(instance.site, at) {
            return None;
        }
        let replayed = self.replayed(db, link, at);
        let works = link.until.is_none_or(|until| at < until);
        let last = self.last_written(link.source, replayed);
        let seconds = match instance.engine {
            // The age of the last transaction replayed: it grows when none comes.
            DbEngine::Postgres => Some(at.since(last).as_secs_f64()),
            DbEngine::Mysql | DbEngine::Mariadb if !works => None,
            DbEngine::Mysql | DbEngine::Mariadb if !self.wrote_between(link.source, replayed, at) => Some(0.0),
            DbEngine::Mysql | DbEngine::Mariadb => Some(at.since(replayed).as_secs_f64().ceil()),
        };
        Some(LagSample { at, seconds })
    }

    /// How far the replica that is furthest behind is, as its source sees it.
    fn slot_lag_at(&self, db: usize, at: Timestamp) -> Option<LagSample> {
        if self.dbs[db].engine != DbEngine::Postgres || !self.was_alive(self.dbs[db].site, at) {
            return None;
        }
        let lag = |(no, replica): (usize, &super::db::Instance)| {
            let link = replica.links.iter().rev().find(|link| link.from <= at && link.source == db)?;
            let attached = replica.stopped_at.is_none_or(|stopped| at < stopped);
            let replayed = self.replayed(no, link, at);
            let behind = at.since(replayed).as_secs_f64().max(0.6);
            attached.then(|| if self.wrote_between(db, replayed, at) { behind } else { 0.0 })
        };
        let worst = self.dbs.iter().enumerate().filter_map(lag).max_by(f64::total_cmp);
        worst.map(|seconds| LagSample { at, seconds: Some(seconds) })
    }
}
