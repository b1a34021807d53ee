//! Which messages are settled, so that their duplicates are not asked about again.
//!
//! A courtesy to those who decide, who must know duplicates by themselves: this forgets, at a
//! restart and when it is full.

use crate::{
    clock::{Span, Timestamp},
    ids::Digest,
};
use std::collections::{HashSet, VecDeque};

/// SNS delivers again for so long.
const KEPT: Span = Span::hours(1);
/// More are not kept, whatever comes.
const MOST: usize = 10_000;

/// The ids of settled messages, the oldest first; their digests, since an id may be of any length.
#[derive(Debug, Default)]
pub(super) struct Settled {
    ids: HashSet<Digest>,
    order: VecDeque<(Timestamp, Digest)>,
}

impl Settled {
    pub(super) fn has(&mut self, id: &str, now: Timestamp) -> bool {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) > KEPT) {
            self.forget();
        }
        self.ids.contains(&Digest::of(id.as_bytes()))
    }

    pub(super) fn add(&mut self, id: &str, now: Timestamp) {
        let id = Digest::of(id.as_bytes());
        if self.ids.insert(id.clone()) {
            self.order.push_back((now, id));
        }
        while self.order.len() > MOST {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.ids.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_for_an_hour() {
        let (mut settled, then) = (Settled::default(), Timestamp(0));
        settled.add("a", then);
        settled.add("a", then + Span::mins(30));
        assert!(settled.has("a", then + Span::hours(1)));
        assert!(!settled.has("b", then));
        assert!(!settled.has("a", then + Span::hours(1) + Span::ms(1)));
        settled.add("a", then + Span::hours(2));
        assert!(settled.has("a", then + Span::hours(3)));
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        let mut settled = Settled::default();
        for n in 0..=MOST {
            settled.add(&n.to_string(), Timestamp(0));
        }
        assert!(!settled.has("0", Timestamp(0)) && settled.has("1", Timestamp(0)));
        assert_eq!((settled.ids.len(), settled.order.len()), (MOST, MOST));
    }
}
