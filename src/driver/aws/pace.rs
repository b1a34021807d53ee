//! How often a service may be called: a token bucket each service, Region and account, in which a
//! change goes before any look. Throttling slows everyone down here rather than fails a step.

use super::errors::Failed;
use crate::{clock::Span, ids::SiteName};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// What is paced together: AWS counts per account and Region, and a site is one of each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) site: SiteName,
    pub(super) service: &'static str,
}

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    Look,
    Change,
}

/// All lanes. One is shared by all who call, looks and changes alike.
#[derive(Debug, Default)]
pub struct Pace(Mutex<BTreeMap<Lane, Bucket>>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
    burst: f64,
    a_second: f64,
    /// Changes that wait for a token: no look takes one before them.
    changes_waiting: u32,
    /// The service said that it is too much: nothing goes before that.
    not_before: Instant,
    /// How long it was told to be quiet the last time.
    quiet: Duration,
}

/// A service that keeps saying "too much" is left alone for so long at most.
const QUIET_AT_MOST: Duration = Duration::from_secs(20);

impl Bucket {
    fn of(service: &str, now: Instant) -> Self {
        // Route 53 counts for the whole account, a busy neighbour included (its throttling page:
        // 50 at once, 10 a second); the others publish no figures.
        let (burst, a_second) = if service == "route53" { (10.0, 5.0) } else { (20.0, 10.0) };
        Self { tokens: burst, filled: now, burst, a_second, changes_waiting: 0, not_before: now, quiet: Duration::ZERO }
    }

    /// Takes a token, or tells when there may be one.
    fn take(&mut self, urgency: Urgency, now: Instant) -> Result<(), Instant> {
        let passed = now.duration_since(self.filled).as_secs_f64();
        (self.tokens, self.filled) = ((self.tokens + passed * self.a_second).min(self.burst), now);
        if now < self.not_before {
            return Err(self.not_before);
        }
        let ahead = if urgency == Urgency::Look { f64::from(self.changes_waiting) } else { 0.0 };
        let missing = 1.0 + ahead - self.tokens;
        if missing > 0.0 {
            return Err(now + Duration::from_secs_f64(missing / self.a_second).max(Duration::from_millis(1)));
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

impl Pace {
    /// Waits for its turn.
    pub(super) async fn turn(&self, lane: &Lane, urgency: Urgency) {
        let mut queued = Queued { pace: self, lane, counts: false };
        loop {
            let now = Instant::now();
            let taken = self.with(lane, now, |bucket| bucket.take(urgency, now));
            let Err(at) = taken else { return };
            if urgency == Urgency::Change && !queued.counts {
                queued.counts = true;
                self.with(lane, now, |bucket| bucket.changes_waiting += 1);
            }
            sleep_until(at).await;
        }
    }

    /// It failed. How long it is left alone now, where it was too much.
    pub(super) fn failed(&self, lane: &Lane, failed: &Failed) -> Option<Span> {
        let quiet = matches!(failed, Failed::Throttled(_)).then(|| self.throttled(lane))?;
        Some(Span::from_secs_f64(quiet.as_secs_f64()))
    }

    /// The service said that it is too much. How long it is left alone now.
    fn throttled(&self, lane: &Lane) -> Duration {
        let now = Instant::now();
        self.with(lane, now, |bucket| {
            let grown = (bucket.quiet * 2).clamp(Duration::from_secs(1), QUIET_AT_MOST);
            (bucket.quiet, bucket.tokens, bucket.not_before) = (grown, 0.0, now + grown);
            grown
        })
    }

    /// It answered as it should.
    pub(super) fn answered(&self, lane: &Lane) {
        self.with(lane, Instant::now(), |bucket| bucket.quiet = Duration::ZERO);
    }

    fn with<T>(&self, lane: &Lane, now: Instant, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut lanes: MutexGuard<'_, _> = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(lanes.entry(lane.clone()).or_insert_with(|| Bucket::of(lane.service, now)))
    }
}

/// A change in the queue: leaves it however its wait ends, given up included.
struct Queued<'a> {
    pace: &'a Pace,
    lane: &'a Lane,
    counts: bool,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if self.counts {
            self.pace.with(self.lane, Instant::now(), |bucket| bucket.changes_waiting -= 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> Lane {
        Lane { site: SiteName::new("ohio"), service: "rds" }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_in_turn() {
        let (pace, start) = (Pace::default(), Instant::now());
        for _ in 0..20 {
            pace.turn(&lane(), Urgency::Look).await;
        }
        assert_eq!(Instant::now(), start);
        pace.turn(&lane(), Urgency::Look).await;
        assert!(Instant::now() - start >= Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_goes_before_looks_that_came_first() {
        let pace = Pace::default();
        for _ in 0..20 {
            pace.turn(&lane(), Urgency::Look).await;
        }
        let order = Mutex::new(vec![]);
        let goes = async |urgency, name| {
            pace.turn(&lane(), urgency).await;
            order.lock().expect("not poisoned").push(name);
        };
        tokio::join!(goes(Urgency::Look, "look"), goes(Urgency::Change, "change"));
        assert_eq!(*order.lock().expect("not poisoned"), ["change", "look"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_throttled_waits_longer_each_time_until_it_is_answered() {
        let pace = Pace::default();
        let quiet: Vec<_> = (0..6).map(|_| pace.throttled(&lane()).as_secs()).collect();
        assert_eq!(quiet, [1, 2, 4, 8, 16, 20]);
        let start = Instant::now();
        pace.turn(&lane(), Urgency::Change).await;
        assert!(Instant::now() - start >= Duration::from_secs(20));
        pace.answered(&lane());
        assert_eq!(pace.throttled(&lane()).as_secs(), 1);
    }
}
