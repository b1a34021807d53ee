//! When to look again. `decide` says what it waits on, never when to look.
//!
//! One look serves all who wait on a site's Region: descriptions are asked for together, what takes
//! a time of its own is asked for alone and keeps nobody waiting. Where one request describes many
//! things ([`Question`]), all who wait for an answer to it have one as often as the one among them who
//! needs it most. How long an answer may take is the target's own ([`What::patience`]).
//!
//! What was never seen is looked at once; what moves is looked at in proportion to how long it has
//! moved already. What is done at once is seen at once (pauses begin at 50 ms), then a look costs 1.7 %
//! of the wait on average (3.4 %, at least 0.7 s, at most ten), which makes 150 looks in the first ten
//! minutes. Where the store tells how long a call takes as a rule, looks are half as many before that
//! time, and three times as many in it. What does not answer does not move: how long its silence has
//! lasted says nothing of its end, and a site that returns writable must be met at once, so it is looked
//! at every five seconds (every ten, once the allowance below is spent).
//!
//! However many wait, no question is asked more often than [`Allowance`] grants. It counts repeated
//! looks alone: a step that begins never waits for it.

use super::{
    past::{Past, Usual},
    wanted::Interest,
};
use crate::{
    clock::{Span, Timestamp},
    driver::{Look, look_within},
    ids::{Region, SiteName},
    world::{Question, Seen, Sight, Target, What, World},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// When a target is due again.
fn due(interest: &Interest<'_>, last: Option<&Sight>, usual: Option<Usual>, now: Timestamp) -> Timestamp {
    let Some(last) = last.filter(|last| last.at >= interest.oldest) else { return now.max(interest.not_before) };
    let silent = matches!(last.seen, Seen::Unknown { .. });
    let pause =
        if silent { Span(proportional(waited(interest, now)).0.min(5_000)) } else { pause(interest, usual, now) };
    (last.at + pause).max(interest.not_before)
}

fn waited(interest: &Interest<'_>, now: Timestamp) -> Span {
    now.since(interest.since)
}

fn proportional(waited: Span) -> Span {
    let least = (50 + waited.0 / 3).min(700);
    Span((waited.0 * 34 / 1000).clamp(least, 10_000))
}

/// How long after a look the next one is due, of what moves.
fn pause(interest: &Interest<'_>, usual: Option<Usual>, now: Timestamp) -> Span {
    let waited = waited(interest, now);
    let pause = proportional(waited);
    match usual {
        // Not beyond the first moment at which it may well be done.
        Some(usual) if waited < usual.from => {
            Span((pause.0 * 2).min(10_000).min((usual.from.0 - waited.0).max(pause.0)))
        }
        // Sixty looks at most, however wide that time is.
        Some(usual) if waited <= usual.to => {
            let often = Span((pause.0 / 3).max((usual.to.0 - usual.from.0) / 60).max(700));
            often.min(pause)
        }
        _ => pause,
    }
}

/// How often a question may be repeated: 150 times in ten minutes at most, ninety of them at once, and
/// while many begin to wait one after another no more often than for one of them.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    looks: u64,
    /// When the last one was added.
    filled: Timestamp,
    /// Since when somebody has waited all the time.
    since: Timestamp,
    /// The last look.
    last: Option<Timestamp>,
}

impl Allowance {
    const AT_ONCE: u64 = 90;
    const ONE_EVERY: Span = Span::secs(10);

    fn full(now: Timestamp) -> Self {
        Self { looks: Self::AT_ONCE, filled: now, since: now, last: None }
    }

    /// When the next look may be made.
    fn next(&mut self, now: Timestamp) -> Timestamp {
        let more = now.since(self.filled).0 / Self::ONE_EVERY.0;
        self.filled = self.filled + Self::ONE_EVERY * more;
        self.looks += more;
        if self.looks >= Self::AT_ONCE {
            (self.looks, self.filled) = (Self::AT_ONCE, now);
        }
        let gap = proportional(now.since(self.since)).0.min(700);
        let rested = self.last.map_or(now, |last| last + Span(gap));
        if self.looks > 0 { rested } else { rested.max(self.filled + Self::ONE_EVERY) }
    }

    fn take(&mut self, now: Timestamp) {
        self.looks -= 1;
        self.last = Some(now);
    }
}

/// Who looks, at what, and what is on its way.
pub(super) struct Poller {
    look: Arc<dyn Look>,
    /// The site being left, and how long a look there may take at most. Commands run on this machine.
    limits: BTreeMap<SiteName, Span>,
    flying: BTreeMap<u64, BTreeSet<Target>>,
    next: u64,
    allowances: BTreeMap<Asked, Allowance>,
    /// How long calls took before.
    pub(super) past: Past,
}

/// A question to a site.
type Asked = (SiteName, Region, Question);

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

/// Who waits for one answer, and when it is due.
struct Waiting<'a> {
    targets: Vec<&'a Target>,
    /// For somebody who has seen nothing yet.
    first: Option<Timestamp>,
    /// For somebody who looks again.
    again: Option<Timestamp>,
}

impl Poller {
    pub(super) fn new(look: Arc<dyn Look>, limits: BTreeMap<SiteName, Span>) -> Self {
        let (flying, allowances, past) = Default::default();
        Self { look, limits, flying, next: 0, allowances, past }
    }

    /// The looks that are due now, and when the next one will be.
    pub(super) fn due(
        &mut self,
        wanted: &BTreeMap<Target, Interest<'_>>,
        world: &World,
        now: Timestamp,
    ) -> (Vec<Glance>, Option<Timestamp>) {
        let moves = wanted.iter().filter(|(_, interest)| interest.after.is_some());
        let moving: BTreeSet<_> = moves.filter_map(|(target, _)| asked(target)).collect();
        let over = self.allowances.iter_mut().filter(|(asked, _)| !moving.contains(*asked));
        over.for_each(|(_, allowance)| allowance.since = now);
        let (mut groups, mut next): (BTreeMap<_, Vec<Target>>, Option<Timestamp>) = (BTreeMap::new(), None);
        for waiting in self.waiting(wanted, world, now) {
            let at = self.leaves(&waiting, &moving, now);
            if at <= now {
                for target in waiting.targets {
                    // Another service of a site that hangs must not make the site look dead.
                    let alone = target.what == What::Site;
                    groups.entry((target.company(), alone)).or_default().push(target.clone());
                }
            } else {
                next = Some(next.map_or(at, |n| n.min(at)));
            }
        }
        let glances = groups.into_values().map(|mut targets| {
            targets.sort();
            self.next += 1;
            self.flying.insert(self.next, targets.iter().cloned().collect());
            let limit = targets.iter().map(|target| self.limit(target)).max().unwrap_or_default();
            Glance { id: self.next, targets, limit, look: self.look.clone() }
        });
        (glances.collect(), next)
    }

    /// All who wait and are not being answered, by the request that would answer them.
    fn waiting<'a>(
        &self,
        wanted: &'a BTreeMap<Target, Interest<'_>>,
        world: &World,
        now: Timestamp,
    ) -> Vec<Waiting<'a>> {
        let flying: BTreeSet<_> = self.flying.values().flatten().collect();
        let mut shared: BTreeMap<Asked, Waiting<'a>> = BTreeMap::new();
        let mut alone = vec![];
        for (target, interest) in wanted.iter().filter(|(t, _)| !flying.contains(t)) {
            let last = world.sight(target);
            let at = due(interest, last, interest.after.and_then(|call| self.past.usual(call)), now);
            let begins = interest.after.is_none() && last.is_none_or(|last| last.at < interest.oldest);
            let (first, again) = if begins { (Some(at), None) } else { (None, Some(at)) };
            let Some(asked) = asked(target) else {
                alone.push(Waiting { targets: vec![target], first: Some(at), again: None });
                continue;
            };
            let all = shared.entry(asked).or_insert_with(|| Waiting { targets: vec![], first, again });
            if interest.not_before <= now {
                all.targets.push(target);
            }
            all.first = [all.first, first].into_iter().flatten().min();
            all.again = [all.again, again].into_iter().flatten().min();
        }
        alone.extend(shared.into_values());
        alone
    }

    /// When a look for those who wait leaves; where that is now, it is counted.
    fn leaves(&mut self, waiting: &Waiting<'_>, moving: &BTreeSet<Asked>, now: Timestamp) -> Timestamp {
        let Some(asked) = waiting.targets.first().and_then(|target| asked(target)) else {
            return waiting.first.or(waiting.again).unwrap_or(now);
        };
        let Some(again) = waiting.again else {
            if !moving.contains(&asked) {
                // Nobody waits for something that moves: what follows is another wait.
                self.allowances.remove(&asked);
            }
            return waiting.first.unwrap_or(now);
        };
        if let Some(first) = waiting.first.filter(|first| *first <= now) {
            return first;
        }
        let allowance = self.allowances.entry(asked).or_insert_with(|| Allowance::full(now));
        let at = again.max(allowance.next(now));
        if at <= now {
            allowance.take(now);
        }
        waiting.first.map_or(at, |first| first.min(at))
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

fn asked(target: &Target) -> Option<Asked> {
    target.what.question().map(|question| (target.site.clone(), target.region.clone(), question))
}

/// Makes a look, within its limit; what does not answer is unknown.
pub(super) async fn glance(glance: &Glance, clock: &dyn crate::clock::Clock) -> Vec<Sight> {
    look_within(&*glance.look, clock, &glance.targets, glance.limit).await
}

#[cfg(test)]
mod tests;
