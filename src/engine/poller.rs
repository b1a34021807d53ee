//! When to look again. `decide` says what it waits on, never when to look.
//!
//! One look serves all who wait on a site's Region: targets are grouped and asked together. What
//! was never seen is looked at once; what moves is looked at in proportion to how long it has moved
//! already (3 %, at least half a second, at most ten), which costs 1.4 % of the wait on average. What
//! does not answer does not move: how long its silence has lasted says nothing of its end, and a site that
//! returns writable must be met at once, so it is looked at every five seconds at least.

use super::wanted::Interest;
use crate::{
    clock::{Span, Timestamp},
    driver::Look,
    ids::SiteName,
    world::{Seen, Sight, Target, World},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// When a target is due again.
pub(super) fn due(interest: &Interest, last: Option<&Sight>, now: Timestamp) -> Timestamp {
    let Some(last) = last else { return now.max(interest.not_before) };
    let waited = now.since(interest.since);
    let most = if matches!(last.seen, Seen::Unknown { .. }) { 5_000 } else { 10_000 };
    let pause = Span((waited.0 * 3 / 100).clamp(500, most));
    (last.at + pause).max(interest.not_before)
}

/// Who looks, at what, and what is on its way.
pub(super) struct Poller {
    look: Arc<dyn Look>,
    /// The site being left, and how long a look there may take at most.
    limits: BTreeMap<SiteName, Span>,
    flying: BTreeMap<u64, BTreeSet<Target>>,
    next: u64,
}

/// A look to be made.
pub(super) struct Glance {
    /// Its number.
    pub(super) id: u64,
    /// What is looked at; one site's Region.
    pub(super) targets: Vec<Target>,
    /// It may take so long, of real or run time alike.
    pub(super) limit: Span,
    /// Who looks.
    pub(super) look: Arc<dyn Look>,
}

impl Poller {
    const LIMIT: Span = Span::secs(10);

    pub(super) fn new(look: Arc<dyn Look>, limits: BTreeMap<SiteName, Span>) -> Self {
        Self { look, limits, flying: BTreeMap::new(), next: 0 }
    }

    /// The looks that are due now, and when the next one will be.
    pub(super) fn due(
        &mut self,
        wanted: &BTreeMap<Target, Interest>,
        world: &World,
        now: Timestamp,
    ) -> (Vec<Glance>, Option<Timestamp>) {
        let flying: BTreeSet<_> = self.flying.values().flatten().cloned().collect();
        let (mut groups, mut next): (BTreeMap<_, Vec<Target>>, Option<Timestamp>) = (BTreeMap::new(), None);
        for (target, interest) in wanted.iter().filter(|(t, _)| !flying.contains(*t)) {
            let at = due(interest, world.sight(target), now);
            if at <= now {
                groups.entry((target.site.clone(), target.region.clone())).or_default().push(target.clone());
            } else {
                next = Some(next.map_or(at, |n| n.min(at)));
            }
        }
        let glances = groups.into_iter().map(|((site, _), targets)| {
            self.next += 1;
            self.flying.insert(self.next, targets.iter().cloned().collect());
            let limit = self.limits.get(&site).copied().unwrap_or(Self::LIMIT);
            Glance { id: self.next, targets, limit, look: self.look.clone() }
        });
        (glances.collect(), next)
    }

    /// A look came back: the sights that still count.
    pub(super) fn landed(&mut self, id: u64, sights: Vec<Sight>) -> Vec<Sight> {
        let fresh = self.flying.remove(&id).unwrap_or_default();
        sights.into_iter().filter(|s| fresh.contains(&s.target)).collect()
    }

    /// Everything may have changed: no look that has begun counts.
    pub(super) fn forget_all(&mut self) {
        self.flying.values_mut().for_each(BTreeSet::clear);
    }

    /// A target has changed: a look that began before does not count.
    pub(super) fn forget(&mut self, target: &Target) {
        for targets in self.flying.values_mut() {
            targets.remove(target);
        }
    }
}

/// Makes a look, within its limit; what does not answer is unknown.
pub(super) async fn glance(glance: &Glance, clock: &dyn crate::clock::Clock) -> Vec<Sight> {
    let unknown =
        |target: &Target, why: String| Sight { target: target.clone(), at: clock.now(), seen: Seen::Unknown { why } };
    let limit = clock.now() + glance.limit;
    tokio::select! {
        biased;
        results = glance.look.look(&glance.targets) => {
            let sight = |(target, result): (&Target, Result<Sight, crate::driver::LookError>)| result.unwrap_or_else(|e| unknown(target, e.to_string()));
            glance.targets.iter().zip(results).map(sight).collect()
        }
        () = clock.sleep_until(limit) => {
            let why = format!("no answer within {}", glance.limit);
            glance.targets.iter().map(|t| unknown(t, why.clone())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(seen: &Seen, after: Span) -> Span {
        let start = Timestamp(0);
        let interest = Interest { since: start, not_before: start };
        let at = start + after;
        let target = Target::global(crate::world::What::Site);
        due(&interest, Some(&Sight { target, at, seen: seen.clone() }), at).since(at)
    }

    #[test]
    fn looks_grow_sparser_with_the_wait() {
        let pause = |after| pause(&Seen::Absent, after);
        assert_eq!(pause(Span::secs(1)), Span::ms(500));
        assert_eq!(pause(Span::mins(2)), Span::ms(3600));
        assert_eq!(pause(Span::hours(3)), Span::secs(10));
        let interest = Interest { since: Timestamp(0), not_before: Timestamp(7) };
        assert_eq!(due(&interest, None, Timestamp(3)), Timestamp(7));
    }

    #[test]
    fn what_is_silent_is_looked_at_every_few_seconds_however_long_it_lasts() {
        let silence = Seen::Unknown { why: "no answer".into() };
        assert_eq!(pause(&silence, Span::secs(1)), Span::ms(500));
        for hours in [1, 3, 24] {
            assert_eq!(pause(&silence, Span::hours(hours)), Span::secs(5));
        }
    }
}
