//! SIGKILL at a call into the kernel, then `resume`: the same end, no effect twice.
//!
//! A planned failover makes some 5,800 such calls at 5,200 places, an emergency 4,200 at 3,800. By
//! default 150 places of the one and 60 of the other are tried, of every kind of call on every file;
//! with `LIFEBOAT_CRASHES=1000` so many of each, with `LIFEBOAT_CRASHES=all` all of them, which takes hours,
//! with `LIFEBOAT_CRASHES=3/20` the third twentieth of these.

use super::{Case, Place, each, sample};
use crate::binary::Home;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Kills a failover at each of these places, and lets it be resumed.
fn killed(case: &Case, places: Vec<Place>) -> String {
    let (all, there, earlier) = (places.len(), AtomicUsize::new(0), AtomicUsize::new(0));
    each(places, |mut place| {
        let wanted = place.nth;
        // Threads share the work anew in every run. One that does not get so far is met earlier.
        while place.nth > 0 && !is_killed(case, &place) {
            place.nth /= 2;
        }
        let at = if place.nth == wanted { &there } else { &earlier };
        at.fetch_add(usize::from(place.nth > 0), Ordering::Relaxed);
    });
    let (there, earlier) = (there.into_inner(), earlier.into_inner());
    let (calls, places) = (case.calls.len(), case.places().len());
    let told = format!("{calls} calls at {places} places; killed at {there} of {all}, and earlier at {earlier}");
    assert!(there * 2 >= all && (there + earlier) * 10 >= all * 9, "{told}");
    told
}

/// Kills one at a place, if it gets there, and lets it be resumed.
fn is_killed(case: &Case, place: &Place) -> bool {
    let home = Home::new();
    let ran = case.with(&home, "signal=KILL", place, "");
    let killed = ran.code == -1;
    assert!(killed || ran.code == case.code, "{place:?}: {ran:?}");
    case.goes_on(&home, &format!("{place:?}"));
    killed
}

#[test]
fn a_planned_failover_that_is_killed_at_a_call_is_resumed_to_the_same_end() {
    let case = Case::planned();
    println!("{}", killed(&case, sample(case.places(), 150, 7)));
}

#[test]
fn an_emergency_that_is_killed_at_a_call_is_resumed_to_the_same_end() {
    let case = Case::emergency();
    println!("{}", killed(&case, sample(case.places(), 60, 11)));
}
