//! What was told lately is not asked again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What is asked beside a look (where a database answers, its password, why servers do not come) counts so
/// long: looks are made every few moments, and each of these would be another request.
pub(super) const FRESH: Duration = Duration::from_secs(90);

/// What has no answer yet gets one sooner or later: it is asked again after that.
const MISSING: Duration = Duration::from_secs(15);

/// What was told of each, and when.
#[derive(Debug)]
pub(super) struct Lately<K, V>(Mutex<BTreeMap<K, (Instant, V)>>);

impl<K, V> Default for Lately<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord, V: Clone> Lately<K, V> {
    /// What was told within that time.
    pub(super) fn told(&self, of: &K, within: Duration) -> Option<V> {
        let all = self.all();
        let (at, told) = all.get(of)?;
        (at.elapsed() < within).then(|| told.clone())
    }

    /// What was told lately; where it is no answer, only a moment ago.
    pub(super) fn answer(&self, of: &K, is_one: impl Fn(&V) -> bool) -> Option<V> {
        let told = self.told(of, FRESH)?;
        if is_one(&told) { Some(told) } else { self.told(of, MISSING) }
    }

    /// It was told now.
    pub(super) fn tell(&self, of: K, told: V) {
        self.all().insert(of, (Instant::now(), told));
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<K, (Instant, V)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_told_counts_until_it_is_old() {
        let lately = Lately::default();
        assert_eq!(lately.told(&"orders", FRESH), None);
        lately.tell("orders", 5432);
        tokio::time::advance(Duration::from_secs(89)).await;
        assert_eq!(lately.told(&"orders", FRESH), Some(5432));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(lately.told(&"orders", FRESH), None);
    }
}
