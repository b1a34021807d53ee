//! Looking before a run: bounded in time, what does not answer is unknown.

use crate::{
    clock::{Clock, Span},
    driver::Look,
    world::{Seen, Sight, Target, World},
};
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// What does not answer within this is taken for gone, by whoever has no time.
pub(super) const HASTE: Span = Span::secs(3);
/// What a plan grants to a question that takes longer than a description; more only a run does.
pub(super) const LEISURE: Span = Span::secs(30);

/// Looks at targets, all at once: descriptions within three seconds, what takes a time of its own
/// within that time, yet no longer than `most`.
pub(super) async fn look(look: &dyn Look, clock: &dyn Clock, targets: &BTreeSet<Target>, most: Span) -> World {
    let mut together: BTreeMap<_, Vec<Target>> = BTreeMap::new();
    for target in targets {
        together.entry(target.company()).or_default().push(target.clone());
    }
    let looks = together.into_iter().map(|((_, _, alone), targets)| {
        let limit = alone.map_or(HASTE, |what| what.patience().min(most));
        Box::pin(one(look, clock, targets, limit))
    });
    World::of(join_all(looks).await.into_iter().flatten())
}

/// Adds what is missing: as it was seen before, if that was a moment ago, else as a look shows it.
pub(super) async fn more(
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

async fn one(look: &dyn Look, clock: &dyn Clock, targets: Vec<Target>, limit: Span) -> Vec<Sight> {
    let unknown =
        |target: &Target, why: String| Sight { target: target.clone(), at: clock.now(), seen: Seen::Unknown { why } };
    tokio::select! {
        biased;
        results = look.look(&targets) => targets.iter().zip(results).map(|(t, r)| r.unwrap_or_else(|e| unknown(t, e.to_string()))).collect(),
        () = clock.sleep_until(clock.now() + limit) => targets.iter().map(|t| unknown(t, format!("no answer within {limit}"))).collect(),
    }
}
