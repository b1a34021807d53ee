//! When to look again. `decide` says what it waits on, never when to look.
//!
//! One look serves all who wait on a site's Region: descriptions are asked for together, what takes
//! a time of its own is asked for alone and keeps nobody waiting. All who wait for an answer to one
//! [`Question`] have one as often as the one among them who needs it most. How long an answer may take is
//! the target's own ([`What::patience`]).
//!
//! What was never seen is looked at once; what moves is looked at in proportion to how long it has
//! moved already. What is done at once is seen at once (pauses begin at 50 ms), then a look costs 1.9 %
//! of the wait on average (3.8 %, at least 0.9 s, at most twelve), which makes 125 looks in the first ten
//! minutes. Where the store tells how long a call takes as a rule, looks are half as many before that
//! time, and three times as many in it. What does not answer does not move: how long its silence has
//! lasted says nothing of its end, and a site that returns writable must be met at once, so it is looked
//! at every five seconds (every ten, once the allowance below is spent).
//!
//! However many wait, a service of a Region is asked again no more often than for one of them: where it takes
//! several requests to answer all of them, each is made as many times more seldom, within one
//! [`Allowance`]. What was not seen since it was needed or changed does not wait for it: neither a step that
//! begins nor one that ends does.

mod allowance;

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
use allowance::Allowance;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// When a target is due again, where so many requests share its service.
fn due(interest: &Interest<'_>, last: Option<&Sight>, usual: Option<Usual>, load: u64, now: Timestamp) -> Timestamp {
    let Some(last) = last.filter(|last| last.at >= interest.oldest) else { return now.max(interest.not_before) };
    let waited = last.at.since(interest.since);
    let silent = matches!(last.seen, Seen::Unknown { .. });
    let pause = if silent { Span(proportional(waited).0.min(5_000)) } else { pause(waited, usual) };
    (last.at + pause * load).max(interest.not_before)
}

fn proportional(waited: Span) -> Span {
    let least = (50 + waited.0 / 2).min(900);
    Span((waited.0 * 38 / 1000).clamp(least, 12_000))
}

/// How long after a look the next one is due, of what has moved so long then.
fn pause(waited: Span, usual: Option<Usual>) -> Span {
    let pause = proportional(waited);
    match usual {
        // Not beyond the first moment at which it may well be done.
        Some(usual) if waited < usual.from => {
            Span((pause.0 * 2).min(12_000).min((usual.from.0 - waited.0).max(pause.0)))
        }
        // Sixty looks at most, however wide that time is.
        Some(usual) if waited <= usual.to => {
            let often = Span((pause.0 / 3).max((usual.to.0 - usual.from.0) / 60).max(700));
            often.min(pause)
        }
        _ => pause,
    }
}

/// Who looks, at what, and what is on its way.
pub(super) struct Poller {
    look: Arc<dyn Look>,
    /// The site being left, and how long a look there may take at most. Commands run on this machine.
    limits: BTreeMap<SiteName, Span>,
    flying: BTreeMap<u64, BTreeSet<Target>>,
    next: u64,
    allowances: BTreeMap<Office, Allowance>,
    /// How long calls took before.
    pub(super) past: Past,
}

/// Who is asked: a service of a site's Region.
type Office = (SiteName, Region, &'static str);

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

/// Who wants to see something.
struct Wants<'a> {
    target: &'a Target,
    interest: &'a Interest<'a>,
    last: Option<&'a Sight>,
    stage: Stage,
}

/// How a look stands to what was seen before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was seen that counts.
    Begins,
    /// It was changed since.
    Changed,
    /// It moves.
    Moves,
}

impl Stage {
    fn of(interest: &Interest<'_>, last: Option<&Sight>) -> Self {
        match last {
            // What was changed is forgotten.
            None if interest.after.is_some() => Self::Changed,
            Some(last) if last.at >= interest.oldest => Self::Moves,
            _ => Self::Begins,
        }
    }
}

/// All who want something of a service, by their questions.
#[derive(Default)]
struct Queue<'a>(BTreeMap<Question, Vec<Wants<'a>>>);

impl Queue<'_> {
    /// How many requests are repeated for all of them.
    fn load(&self) -> u64 {
        let repeats = self.0.iter().filter(|(_, all)| all.iter().any(|wants| wants.stage == Stage::Moves));
        repeats.map(|(question, _)| question.requests()).sum::<u64>().max(1)
    }

    /// The questions that are waited for.
    fn moving(&self) -> BTreeSet<Question> {
        let moves = |all: &[Wants<'_>]| all.iter().any(|wants| wants.interest.after.is_some());
        self.0.iter().filter(|(_, all)| moves(all)).map(|(question, _)| question.clone()).collect()
    }
}

/// Who waits for one answer, and when it is due.
struct Waiting<'a> {
    /// What a service is asked, of which so many requests are repeated; none where no service is.
    asked: Option<(&'a Office, &'a Question, u64)>,
    targets: Vec<&'a Target>,
    /// For somebody who has seen nothing yet.
    first: Option<Timestamp>,
    /// For somebody who has seen nothing since it was changed.
    anew: Option<Timestamp>,
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
        let (queues, others) = queues(wanted, world);
        for (office, allowance) in &mut self.allowances {
            allowance.keep(&queues.get(office).map(Queue::moving).unwrap_or_default());
        }
        let (mut groups, mut next): (BTreeMap<_, Vec<Target>>, Option<Timestamp>) = (BTreeMap::new(), None);
        for waiting in self.waiting(&queues, &others, now) {
            let at = self.leaves(&waiting, now);
            if at <= now {
                for target in waiting.targets {
                    // Another service that hangs must not make the databases look dead.
                    let alone = target.what.question() == Some(Question::Instances);
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

    /// All who wait and are not being answered, by the request that would answer them; who is due longest
    /// comes first.
    fn waiting<'a>(
        &self,
        queues: &'a BTreeMap<Office, Queue<'a>>,
        others: &'a [Wants<'a>],
        now: Timestamp,
    ) -> Vec<Waiting<'a>> {
        let flying: BTreeSet<_> = self.flying.values().flatten().collect();
        let due = |wants: &Wants<'_>, load| {
            let usual = wants.interest.after.and_then(|call| self.past.usual(call));
            due(wants.interest, wants.last, usual, load, now)
        };
        let unanswered = |wants: &&Wants<'_>| !flying.contains(wants.target);
        let mut all = vec![];
        for wants in others.iter().filter(unanswered) {
            let (first, anew, again) = (Some(due(wants, 1)), None, None);
            all.push(Waiting { asked: None, targets: vec![wants.target], first, anew, again });
        }
        for (office, queue) in queues {
            let load = queue.load();
            for (question, everybody) in &queue.0 {
                let asked = Some((office, question, load));
                let mut waiting = Waiting { asked, targets: vec![], first: None, anew: None, again: None };
                for wants in everybody.iter().filter(unanswered) {
                    if wants.interest.not_before <= now {
                        waiting.targets.push(wants.target);
                    }
                    let (side, at) = match wants.stage {
                        Stage::Begins => (&mut waiting.first, now.max(wants.interest.not_before)),
                        Stage::Changed => (&mut waiting.anew, now.max(wants.interest.not_before)),
                        Stage::Moves => (&mut waiting.again, due(wants, load)),
                    };
                    *side = Some(side.map_or(at, |earlier| earlier.min(at)));
                }
                if [waiting.first, waiting.anew, waiting.again] != [None; 3] {
                    all.push(waiting);
                }
            }
        }
        all.sort_by_key(|waiting| waiting.again);
        all
    }

    /// When a look for those who wait leaves; where that is now, it is counted.
    fn leaves(&mut self, waiting: &Waiting<'_>, now: Timestamp) -> Timestamp {
        let Some((office, question, load)) = waiting.asked else { return waiting.first.unwrap_or(now) };
        let allowance = self.allowances.entry(office.clone()).or_insert_with(|| Allowance::full(now));
        let again = waiting.again.map(|again| again.max(allowance.repeats(question, load, now)));
        // One look serves many that were changed one after another; what is asked for each waits for none.
        let rested = if question.is_shared() { allowance.rested(question, 1, now) } else { now };
        let anew = waiting.anew.map(|anew| anew.max(rested));
        let at = [waiting.first, anew, again].into_iter().flatten().min().unwrap_or(now);
        // Nor does it take from the others what they have.
        let repeats = [waiting.first, anew].into_iter().flatten().all(|soon| soon > now);
        if at <= now && (question.is_shared() || repeats) {
            allowance.take(question, repeats, now);
        }
        at
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

/// All who want to see something: by the service that is asked, and those who ask none.
fn queues<'a>(
    wanted: &'a BTreeMap<Target, Interest<'_>>,
    world: &'a World,
) -> (BTreeMap<Office, Queue<'a>>, Vec<Wants<'a>>) {
    let (mut queues, mut others): (BTreeMap<_, Queue<'a>>, _) = (BTreeMap::new(), vec![]);
    for (target, interest) in wanted {
        let last = world.sight(target);
        let wants = Wants { target, interest, last, stage: Stage::of(interest, last) };
        let Some((service, question)) = target.what.service().zip(target.what.question()) else {
            others.push(wants);
            continue;
        };
        let office = (target.site.clone(), target.region.clone(), service);
        queues.entry(office).or_default().0.entry(question).or_default().push(wants);
    }
    (queues, others)
}

/// Makes a look, within its limit; what does not answer is unknown.
pub(super) async fn glance(glance: &Glance, clock: &dyn crate::clock::Clock) -> Vec<Sight> {
    look_within(&*glance.look, clock, &glance.targets, glance.limit).await
}

#[cfg(test)]
mod tests;
