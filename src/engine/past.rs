//! How long calls took before: what a wait on the same is looked at by.
//!
//! A cache and no fact of a run: what is not known here costs a few looks. Kept is how long it took from
//! the send to what the step saw it to be done by, where this process watched all the while.

use super::{state::RunState, wanted::Interest};
use crate::{
    clock::{Span, Timestamp},
    event::{Event, EventKind},
    ids::Region,
    store::Store,
    world::{Effect, Target},
};
use std::collections::{BTreeMap, btree_map::Entry};

/// What takes less is seen soon enough without.
const WORTH_IT: Span = Span::secs(10);
/// So few say nothing of what is usual.
const FEW: usize = 3;
/// And the oldest of so many no longer do.
const NEWEST: usize = 20;

/// When something was done after it was sent, nine times out of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usual {
    /// Not before that.
    pub(super) from: Span,
    /// Not after that.
    pub(super) to: Span,
}

impl Usual {
    /// Out of past durations, newest first.
    fn of(mut past: Vec<Span>) -> Option<Self> {
        past.truncate(NEWEST);
        past.sort();
        let outliers = past.len() / 10;
        let (fast, slow) = (past.get(outliers)?, past.get(past.len() - 1 - outliers)?);
        (past.len() >= FEW).then(|| Self { from: Span(fast.0 * 9 / 10), to: Span(slow.0 * 11 / 10) })
    }
}

/// What is known of past durations, as far as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Past(BTreeMap<(String, Region), Option<Usual>>);

impl Past {
    #[cfg(test)]
    pub(super) fn of(effect: &Effect, usual: Usual) -> Self {
        Self(BTreeMap::from([(key(effect), Some(usual))]))
    }

    /// What is usual for a call.
    pub(super) fn usual(&self, effect: &Effect) -> Option<Usual> {
        self.0.get(&key(effect)).copied().flatten()
    }

    /// Asks the store what it kept of the calls that are waited for, each once.
    pub(super) async fn recall(&mut self, store: &dyn Store, looks: &BTreeMap<Target, Interest<'_>>, now: Timestamp) {
        // Who has only begun to wait looks often anyway.
        let waits = looks.values().filter(|interest| now.since(interest.since) >= Span::secs(2));
        for effect in waits.filter_map(|interest| interest.after) {
            if let Entry::Vacant(unasked) = self.0.entry(key(effect)) {
                let (call, region) = unasked.key();
                let usual = Usual::of(store.past_durations(call, region).await);
                unasked.insert(usual);
            }
        }
    }
}

/// How long a call took, and when it was done.
#[derive(Debug)]
pub(super) struct Took {
    call: String,
    region: Region,
    span: Span,
    at: Timestamp,
}

/// What facts tell of how long calls took. `watched`: since when this process has seen all that happened.
pub(super) fn took(state: &RunState, events: &[Event], watched: Timestamp) -> Vec<Took> {
    let one = |event: &Event| {
        let (EventKind::StepSucceeded { step, .. } | EventKind::StepUndone { step }) = &event.kind else { return None };
        let sent = state.steps.get(step)?.past_now().sent.last()?;
        let took = event.at.since(sent.at);
        if sent.at <= watched || took < WORTH_IT {
            return None;
        }
        let (call, region) = key(&sent.effect);
        Some(Took { call, region, span: took, at: event.at })
    };
    events.iter().filter_map(one).collect()
}

/// Keeps it in the store.
pub(super) async fn keep(store: &dyn Store, all: Vec<Took>) {
    for Took { call, region, span, at } in all {
        store.note_took(&call, &region, span, at).await;
    }
}

fn key(effect: &Effect) -> (String, Region) {
    let call = effect.call();
    (format!("{}:{}", call.service, call.operation), effect.target.region.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_leaves_out_the_tenth_that_was_not() {
        let minutes = |all: &[u64]| all.iter().map(|n| Span::mins(*n)).collect::<Vec<_>>();
        assert_eq!(Usual::of(minutes(&[10, 20])), None);
        let usual = |from, to| Some(Usual { from: Span::mins(from), to: Span::mins(to) });
        assert_eq!(Usual::of(minutes(&[20, 10, 10])), usual(9, 22));
        assert_eq!(Usual::of(minutes(&[1, 10, 10, 10, 10, 20, 20, 20, 20, 90])), usual(9, 22));
        // A hundred older ones were slower, in another year.
        assert_eq!(Usual::of([minutes(&[10; 20]), minutes(&[60; 80])].concat()), usual(9, 11));
    }
}
