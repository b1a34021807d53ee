//! When to look again. `decide` says what it waits on, never when to look.
//!
//! One look serves all who wait on a site's Region: descriptions are asked for together, what takes
//! a time of its own is asked for alone and keeps nobody waiting. How long an answer may take is the
//! target's own ([`What::patience`]).
//!
//! What was never seen is looked at once; what moves is looked at in proportion to how long it has
//! moved already. What is done at once is seen at once (pauses begin at 50 ms), then a look costs 1.7 %
//! of the wait on average (3.4 %, at least 0.7 s, at most ten), which makes 150 looks in the first ten
//! minutes. What does not answer does not move: how long its silence has lasted says nothing of its end,
//! and a site that returns writable must be met at once, so it is looked at every five seconds at least.

use super::wanted::Interest;
use crate::{
    clock::{Span, Timestamp},
    driver::{Look, look_within},
    ids::SiteName,
    world::{Seen, Sight, Target, What, World},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// When a target is due again.
pub(super) fn due(interest: &Interest, last: Option<&Sight>, now: Timestamp) -> Timestamp {
    let Some(last) = last.filter(|last| last.at >= interest.oldest) else { return now.max(interest.not_before) };
    let waited = now.since(interest.since).0;
    let most = if matches!(last.seen, Seen::Unknown { .. }) { 5_000 } else { 10_000 };
    let least = (50 + waited / 3).min(700);
    (last.at + Span((waited * 34 / 1000).clamp(least, most))).max(interest.not_before)
}

/// Who looks, at what, and what is on its way.
pub(super) struct Poller {
    look: Arc<dyn Look>,
    /// The site being left, and how long a look there may take at most. Commands run on this machine.
    limits: BTreeMap<SiteName, Span>,
    flying: BTreeMap<u64, BTreeSet<Target>>,
    next: u64,
}

/// A look to be made.
pub(super) struct Glance {
    /// Its number.
    pub(super) id: u64,
    /// What is looked at together.
    pub(super) targets: Vec<Target>,
    /// It may take so long, of real or run time alike.
    pub(super) limit: Span,
    /// Who looks.
    pub(super) look: Arc<dyn Look>,
}

impl Poller {
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
                groups.entry(target.company()).or_default().push(target.clone());
            } else {
                next = Some(next.map_or(at, |n| n.min(at)));
            }
        }
        let glances = groups.into_values().map(|targets| {
            self.next += 1;
            self.flying.insert(self.next, targets.iter().cloned().collect());
            let limit = targets.iter().map(|target| self.limit(target)).max().unwrap_or_default();
            Glance { id: self.next, targets, limit, look: self.look.clone() }
        });
        (glances.collect(), next)
    }

    fn limit(&self, target: &Target) -> Span {
        let patience = target.what.patience();
        match (self.limits.get(&target.site), &target.what) {
            (None, _) | (Some(_), What::Command(_)) => patience,
            (Some(limit), _) => patience.min(*limit),
        }
    }

    /// A look came back: the sights that still count.
    pub(super) fn landed(&mut self, id: u64, sights: Vec<Sight>) -> Vec<Sight> {
        let fresh = self.flying.remove(&id).unwrap_or_default();
        sights.into_iter().filter(|s| fresh.contains(&s.target)).collect()
    }

    /// What is being looked at.
    pub(super) fn flying(&self) -> impl Iterator<Item = &Target> {
        self.flying.values().flatten()
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
    look_within(&*glance.look, clock, &glance.targets, glance.limit).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::Region,
        world::probe::{Command, Http, Sql},
    };

    struct Nobody;

    #[async_trait::async_trait]
    impl Look for Nobody {
        async fn look(&self, _: &[Target]) -> Vec<Result<Sight, crate::driver::LookError>> {
            vec![]
        }
    }

    fn at_ohio(what: What) -> Target {
        Target { site: SiteName::new("ohio"), region: Region::new("us-east-2"), account: None, what }
    }

    fn check(minutes: u64) -> What {
        let (argv, limit) = (vec!["ci".into()], Span::mins(minutes));
        What::Command(Command { argv, limit, read_only: true, environment: vec![] })
    }

    fn sql() -> What {
        let queries = vec!["invariants.sql".into()];
        What::Sql(Sql { identifier: "orders".into(), queries, same_tables: vec![], other: None })
    }

    fn http(times: u32) -> What {
        let (headers, json) = (BTreeMap::new(), BTreeMap::new());
        What::Http(Http { url: "http://ohio".into(), times, status: None, headers, json })
    }

    /// What is looked at together, and for how long at most, where all is due.
    fn glances(whats: Vec<What>, limits: &[(&str, Span)]) -> Vec<(Vec<What>, Span)> {
        let limits = limits.iter().map(|(site, limit)| (SiteName::new(*site), *limit)).collect();
        let interest = Interest { since: Timestamp(0), not_before: Timestamp(0), oldest: Timestamp(0) };
        let wanted = whats.into_iter().map(|what| (at_ohio(what), interest)).collect();
        let (glances, _) = Poller::new(Arc::new(Nobody), limits).due(&wanted, &World::default(), Timestamp(0));
        glances.into_iter().map(|g| (g.targets.into_iter().map(|t| t.what).collect(), g.limit)).collect()
    }

    #[test]
    fn what_takes_long_has_its_time_and_keeps_no_description_waiting() {
        let descriptions = vec![What::Db("orders".into()), What::Group("web".into()), What::Site];
        let all = [descriptions.clone(), vec![http(1), http(6), sql(), check(30)]].concat();
        let more = Span::secs(5);
        assert_eq!(
            glances(all, &[]),
            [
                (descriptions, Span::secs(10)),
                (vec![http(1)], Span::secs(10)),
                (vec![http(6)], Span::secs(30) + more),
                (vec![sql()], Span::mins(15) + more),
                (vec![check(30)], Span::mins(30) + more),
            ]
        );
    }

    #[test]
    fn a_site_that_may_be_gone_has_three_seconds_and_a_command_here_its_own() {
        let limit = Span::secs(3);
        let found = glances(vec![What::Site, sql(), check(1)], &[("ohio", limit)]);
        assert_eq!(found, [(vec![What::Site], limit), (vec![sql()], limit), (vec![check(1)], Span::secs(65))]);
    }

    fn pause(seen: &Seen, after: Span) -> Span {
        let start = Timestamp(0);
        let interest = Interest { since: start, not_before: start, oldest: start };
        let at = start + after;
        let target = Target::global(crate::world::What::Site);
        due(&interest, Some(&Sight { target, at, seen: seen.clone() }), at).since(at)
    }

    #[test]
    fn looks_grow_sparser_with_the_wait() {
        let pause = |after| pause(&Seen::Absent, after);
        assert_eq!(pause(Span::ZERO), Span::ms(50));
        assert_eq!(pause(Span::secs(1)), Span::ms(383));
        assert_eq!(pause(Span::mins(2)), Span::ms(4080));
        assert_eq!(pause(Span::hours(3)), Span::secs(10));
        let interest = Interest { since: Timestamp(0), not_before: Timestamp(7), oldest: Timestamp(0) };
        assert_eq!(due(&interest, None, Timestamp(3)), Timestamp(7));
    }

    #[test]
    fn ten_minutes_cost_no_more_than_150_looks() {
        let (mut waited, mut looks) = (Span::ZERO, 0);
        while waited < Span::mins(10) {
            waited = waited + pause(&Seen::Absent, waited);
            looks += 1;
        }
        assert!((100..=150).contains(&looks), "{looks}");
    }

    #[test]
    fn what_is_silent_is_looked_at_every_few_seconds_however_long_it_lasts() {
        let silence = Seen::Unknown { why: "no answer".into() };
        assert_eq!(pause(&silence, Span::secs(10)), Span::ms(700));
        for hours in [1, 3, 24] {
            assert_eq!(pause(&silence, Span::hours(hours)), Span::secs(5));
        }
    }
}
