//! A disk that fails: nothing is lost, it is told, and what comes after is the same as ever.

use super::{Case, each, sample};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A failover whose journal cannot be written at some place, once or from then on.
fn failing(error: &str, from_then_on: &str) -> String {
    let case = Case::planned();
    let journal =
        |file: &Option<String>| file.as_deref().is_some_and(|f| f.starts_with("sandbox.db") && !f.ends_with("shm"));
    let mut places = case.places();
    places.retain(|place| matches!(place.name.as_str(), "pwrite64" | "fsync" | "fdatasync") && journal(&place.file));
    let places = sample(places, 16, 5);
    let (all, stopped) = (places.len(), AtomicUsize::new(0));
    each(places, |place| {
        let home = case.home();
        let ran = case.with(&home, &format!("error={error}"), &place, from_then_on);
        let told = format!("{error} at {place:?}{from_then_on}: {ran:?}");
        match ran.code {
            // What failed once was done at the second try, or was not needed.
            25 => {}
            30 => {
                stopped.fetch_add(1, Ordering::Relaxed);
                assert!(ran.err.contains("sandbox.db"), "{told}");
                assert!(ran.err.contains("lifeboat resume"), "{told}");
            }
            11 => assert!(ran.err.contains("sandbox.db") && super::runs(&home) == 0, "{told}"),
            _ => panic!("{told}"),
        }
        case.goes_on(&home, &told);
    });
    let stopped = stopped.into_inner();
    assert!(from_then_on.is_empty() || stopped > 2, "{stopped} of {all}");
    format!("{error}{from_then_on}: stopped with 30 at {stopped} of {all} places")
}

#[test]
fn a_write_that_fails_once_loses_nothing() {
    println!("{}", failing("EIO", ""));
}

#[test]
fn a_write_for_which_there_is_no_room_once_loses_nothing() {
    println!("{}", failing("ENOSPC", ""));
}

#[test]
fn a_disk_that_fails_for_good_stops_the_run_with_30_and_loses_nothing() {
    println!("{}", failing("EIO", "+"));
}

#[test]
fn a_disk_that_is_full_for_good_stops_the_run_with_30_and_loses_nothing() {
    println!("{}", failing("ENOSPC", "+"));
}
