//! Looking before a run: bounded in time, what does not answer is unknown.

use crate::{
    clock::{Clock, Span},
    driver::Look,
    world::{Seen, Sight, Target, World},
};
use std::collections::{BTreeMap, BTreeSet};

/// Who looks does not wait longer for a site that may be gone.
pub(super) const QUICK: Span = Span::secs(3);
/// A planned move needs its answers, from a database under full load too.
pub(super) const PATIENT: Span = Span::secs(10);

/// Looks at targets, all sites at once, each within a limit.
pub(super) async fn look(look: &dyn Look, clock: &dyn Clock, targets: &BTreeSet<Target>, limit: Span) -> World {
    let mut sites: BTreeMap<_, Vec<Target>> = BTreeMap::new();
    for target in targets {
        sites.entry(target.site.clone()).or_default().push(target.clone());
    }
    let mut world = World::default();
    let mut looks = sites.into_values().map(|targets| Box::pin(one(look, clock, targets, limit))).collect::<Vec<_>>();
    // All start at once; each ends within the limit, so waiting for them in order costs one limit.
    let all = std::future::poll_fn(move |cx| {
        let mut done = vec![];
        looks.retain_mut(|look| match look.as_mut().poll(cx) {
            std::task::Poll::Ready(sights) => {
                done.push(sights);
                false
            }
            std::task::Poll::Pending => true,
        });
        for sights in done {
            sights.into_iter().for_each(|s| world.put(s));
        }
        if looks.is_empty() { std::task::Poll::Ready(std::mem::take(&mut world)) } else { std::task::Poll::Pending }
    });
    all.await
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
