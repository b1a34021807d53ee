//! SIGKILL at a call into the kernel, then `resume`: the same end, no effect twice.
//!
//! A planned failover makes some 4,500 such calls, of which others hear at 700 places; an emergency has 500
//! places, the way home 600, a reprotect, which waits long, 1,000. By default 150 places of a planned
//! failover are tried and fewer of the others, of every kind of call on every file; with
//! `LIFEBOAT_CRASHES=1000` so many of each, with `LIFEBOAT_CRASHES=all` all of them, which takes half an hour,
//! with `LIFEBOAT_CRASHES=3/20` the third twentieth of these.

use super::{Case, Place, each, sample};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Kills it at each of these places, and lets it be resumed.
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
    let home = case.home();
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

#[test]
fn a_reprotect_that_is_killed_at_a_call_is_resumed_to_the_same_end() {
    let case = Case::reprotect();
    println!("{}", killed(&case, sample(case.places(), 20, 3)));
}

#[test]
fn a_way_home_that_is_killed_at_a_call_is_resumed_to_the_same_end() {
    let case = Case::failback();
    println!("{}", killed(&case, sample(case.places(), 40, 5)));
}
