//! What could not be done now and is tried again, ever later: a store that is locked, a network that is
//! down, credentials that have run out must not cost a failover that was decided.

use crate::clock::{Span, Timestamp};
use std::collections::BTreeMap;

const FIRST: Span = Span::secs(2);
const LONGEST: Span = Span::mins(1);

/// Tries, by what is tried.
#[derive(Debug)]
pub(super) struct Again<K>(BTreeMap<K, Try>);

impl<K> Default for Again<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

#[derive(Clone, Copy, Debug)]
struct Try {
    failed: u32,
    next: Timestamp,
    waits: bool,
}

impl<K: Ord + Clone> Again<K> {
    /// It failed. Gives how often it has by now, and after how long it is due again.
    pub(super) fn failed(&mut self, what: &K, now: Timestamp) -> (u32, Span) {
        let failed = self.0.get(what).map_or(0, |before| before.failed) + 1;
        let pause = Span(FIRST.0 << (failed - 1).min(10)).min(LONGEST);
        self.0.insert(what.clone(), Try { failed, next: now + pause, waits: true });
        (failed, pause)
    }

    /// What is due, each once until it has failed again.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<K> {
        let due = self.0.iter_mut().filter(|(_, one)| one.waits && now >= one.next);
        due.map(|(what, one)| {
            one.waits = false;
            what.clone()
        })
        .collect()
    }

    /// Whether it waits for its next try.
    pub(super) fn waits(&self, what: &K, now: Timestamp) -> bool {
        self.0.get(what).is_some_and(|one| now < one.next)
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.values().filter(|one| one.waits).map(|one| one.next).min()
    }

    /// It was done, or is not tried any more.
    pub(super) fn done(&mut self, what: &K) {
        self.0.remove(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_and_again_is_tried_ever_later_and_for_ever() {
        let (mut again, mut now) = (Again::default(), Timestamp(0));
        let pauses: Vec<_> = (0..8)
            .map(|_| {
                let (_, pause) = again.failed(&"a", now);
                assert_eq!((again.due(now), again.next()), (vec![], Some(now + pause)));
                now = now + pause;
                assert_eq!((again.due(now), again.due(now)), (vec!["a"], vec![]), "once a try");
                pause.0 / 1000
            })
            .collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        again.done(&"a");
        assert_eq!(again.failed(&"a", now).0, 1, "it begins anew");
    }
}
