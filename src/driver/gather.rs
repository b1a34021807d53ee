//! Looking before a run: bounded in time, what does not answer is unknown.

use super::{Look, look_within, one_after_another};
use crate::{
    clock::{Clock, Span},
    world::{Target, World},
};
use std::collections::{BTreeMap, BTreeSet};

/// What does not answer within this is taken for gone, by whoever has no time.
pub const HASTE: Span = Span::secs(3);
/// What a plan grants to a question that takes longer than a description; more only a run does.
pub const LEISURE: Span = Span::secs(30);

/// Looks at targets, all at once: descriptions within three seconds, what takes a time of its own
/// within that time, yet no longer than `most`.
pub async fn look(look: &dyn Look, clock: &dyn Clock, targets: &BTreeSet<Target>, most: Span) -> World {
    let mut together: BTreeMap<_, Vec<Target>> = BTreeMap::new();
    for target in targets {
        together.entry(target.company()).or_default().push(target.clone());
    }
    let looks = together.into_iter().map(|((_, _, alone), targets)| {
        let limit = alone.map_or(HASTE, |what| what.patience().min(most));
        Box::pin(async move { look_within(look, clock, &targets, limit).await })
    });
    World::of(one_after_another(looks).await.into_iter().flatten())
}

/// Looks until nothing more is asked for: one look may show that another is needed.
pub async fn until_told(
    (look, clock): (&dyn Look, &dyn Clock),
    ask: impl Fn(&World) -> BTreeSet<Target> + Send,
) -> World {
    let mut seen = World::default();
    loop {
        let mut missing = ask(&seen);
        missing.retain(|target| seen.sight(target).is_none());
        if missing.is_empty() {
            return seen;
        }
        self::look(look, clock, &missing, HASTE).await.sights().cloned().for_each(|sight| seen.put(sight));
    }
}

/// Adds what is missing: as it was seen before, if that was a moment ago, else as a look shows it.
pub async fn more(
    seen: &mut World,
    (look, clock): (&dyn Look, &dyn Clock),
    (before, missing): (&World, &BTreeSet<Target>),
    most: Span,
) {
    const MOMENT: Span = Span::secs(5);
    let now = clock.now();
    let known = |target: &Target| before.sight(target).filter(|sight| now.since(sight.at) < MOMENT);
    missing.iter().filter_map(known).cloned().for_each(|sight| seen.put(sight));
    let unknown = missing.iter().filter(|target| known(target).is_none()).cloned().collect();
    self::look(look, clock, &unknown, most).await.sights().cloned().for_each(|sight| seen.put(sight));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Timestamp, TokioClock},
        driver::LookError,
        ids::{Region, SiteName},
        world::{Seen, Sight, What, probe},
    };

    /// Answers after five seconds.
    struct Slow(TokioClock);

    #[async_trait::async_trait]
    impl Look for Slow {
        async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
            self.0.sleep_until(self.0.now() + Span::secs(5)).await;
            let sight = |target: &Target| Sight { target: target.clone(), at: self.0.now(), seen: Seen::Absent };
            at.iter().map(|target| Ok(sight(target))).collect()
        }
    }

    fn at_ohio(what: What) -> Target {
        Target { site: SiteName::new("ohio"), region: Region::new("us-east-2"), account: None, what }
    }

    fn both() -> [Target; 2] {
        let (argv, limit) = (vec!["ci".into()], Span::secs(30));
        let check = probe::Command { argv, limit, read_only: true, environment: vec![] };
        [at_ohio(What::Db("orders".into())), at_ohio(What::Command(check))]
    }

    #[tokio::test(start_paused = true)]
    async fn a_description_has_three_seconds_and_a_check_its_own_time_unless_there_is_none() {
        let clock = TokioClock::virtual_from(Timestamp(0));
        let (slow, [db, check]) = (Slow(clock.clone()), both());
        let targets = BTreeSet::from([db.clone(), check.clone()]);
        let silence = Some(Seen::Unknown { why: "no answer within 3s".into() });
        let seen = look(&slow, &clock, &targets, LEISURE).await;
        assert_eq!((seen.seen(&db), seen.seen(&check)), (silence.as_ref(), Some(&Seen::Absent)));
        let seen = look(&slow, &clock, &targets, HASTE).await;
        assert_eq!((seen.seen(&db), seen.seen(&check)), (silence.as_ref(), silence.as_ref()));
    }

    /// Says the same of everything.
    struct Says(LookError);

    #[async_trait::async_trait]
    impl Look for Says {
        async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
            at.iter().map(|_| Err(self.0.clone())).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn that_a_site_is_silent_is_the_answer_to_whether_it_answers_and_a_refusal_is_none() {
        let clock = TokioClock::virtual_from(Timestamp(0));
        let targets = [at_ohio(What::Site), at_ohio(What::Db("orders".into()))];
        let why = || "connection refused".to_owned();
        let (slow, silent) = (Slow(clock.clone()), Says(LookError::Silent { why: why() }));
        let looks: [(&dyn Look, Option<&str>); 4] = [
            (&silent, Some("connection refused")),
            (&slow, Some("no answer within 3s")),
            (&Says(LookError::Permanent { why: "AccessDenied".into() }), None),
            (&Says(LookError::Transient { after: None, why: "Throttling".into() }), None),
        ];
        for (look, silence) in looks {
            let seen = look_within(look, &clock, &targets, Span::secs(3)).await;
            let site = silence.map(|why| Seen::Answer(probe::Answer::plain(false, why)));
            let expected = site.unwrap_or_else(|| seen[1].seen.clone());
            assert_eq!(seen[0].seen, expected);
            assert!(matches!(seen[1].seen, Seen::Unknown { .. }), "{seen:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_seen_a_moment_ago_is_not_looked_at_again() {
        let clock = TokioClock::virtual_from(Timestamp(0));
        let (slow, [db, _]) = (Slow(clock.clone()), both());
        let before = World::of([Sight { target: db.clone(), at: clock.now(), seen: Seen::Absent }]);
        let missing = BTreeSet::from([db.clone()]);
        let mut seen = World::default();
        more(&mut seen, (&slow, &clock), (&before, &missing), HASTE).await;
        assert_eq!((seen.seen(&db), clock.now()), (Some(&Seen::Absent), Timestamp(0)));
        clock.sleep_until(Timestamp(0) + Span::secs(6)).await;
        let mut seen = World::default();
        more(&mut seen, (&slow, &clock), (&before, &missing), HASTE).await;
        assert!(matches!(seen.seen(&db), Some(Seen::Unknown { .. })));
    }
}
