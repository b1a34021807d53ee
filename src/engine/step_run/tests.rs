//! What a step knows of its own past, on the way there and on the way back.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp(second * 1000)
}

#[test]
fn what_holds_does_so_since_it_first_did_and_anew_after_a_break() {
    let mut run = StepRun::new(at(0));
    run.observed(Some(true), at(1));
    run.observed(Some(true), at(2));
    run.observed(None, at(3));
    assert_eq!(run.past_now().holding_since, Some(at(1)));
    run.observed(Some(false), at(4));
    assert_eq!(run.past_now().holding_since, None);
    run.observed(Some(true), at(5));
    assert_eq!(run.past_now().holding_since, Some(at(5)));
}

#[test]
fn the_way_back_has_a_past_of_its_own() {
    let mut run = StepRun::new(at(0));
    run.observed(Some(true), at(1));
    run.way = Way::Undo;
    assert_eq!(run.past_now().holding_since, None);
    run.observed(Some(true), at(2));
    assert_eq!((run.undo_past.holding_since, run.past.holding_since), (Some(at(2)), Some(at(1))));
    run.retry();
    assert_eq!((run.undo_past.retries, run.past.retries), (1, 0));
    assert_eq!(run.state, StepState::Done(How::Succeeded), "a failed undo is one more undo of what was done");
}
