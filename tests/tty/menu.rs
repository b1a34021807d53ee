//! The menu on a failed step: each choice once, in a drill, to its end.

use super::{Place, end, modes, press};
use rexpect::session::PtySession;

/// A drill with a fault, one choice from the menu that it leads to, and why it was chosen. Gives all
/// that was shown after the menu, and the code.
fn chosen(fault: &str, down: usize, why: Option<&str>) -> (String, i32) {
    let (_place, mut terminal, before) = answered(fault, down, why);
    end(&mut terminal, &before)
}

/// The same up to the choice; its home lives as long as the place.
fn answered(fault: &str, down: usize, why: Option<&str>) -> (Place, PtySession, String) {
    let place = Place::new();
    let drill = "drill RUNBOOK --sandbox --speed max --seed 1 --yes --accept promote";
    let mut terminal = place.terminal(&format!("{drill} --fault {fault}"));
    let before = modes(&mut terminal);
    terminal.exp_string("What now?").unwrap();
    press(&mut terminal, &("j".repeat(down) + "\r"));
    if let Some(why) = why {
        terminal.exp_string("(empty: back)").unwrap();
        terminal.send_line(why).unwrap();
    }
    (place, terminal, before)
}

/// Without the two servers that the Region has no room for the run goes on to where they matter
/// again: it moves, and waits with the group that cannot be let go. There it is stopped.
fn goes_on_without(fault: &str, down: usize, why: &str) {
    let (_place, mut terminal, before) = answered(fault, down, Some(why));
    let shown = terminal.exp_string("What now?").unwrap();
    assert!(shown.contains(why) && shown.contains("holds from now on"), "{shown}");
    assert!(shown.contains("unpin failed") && shown.contains("owed: reprotect ohio"), "{shown}");
    press(&mut terminal, "jjj\r");
    let (shown, code) = end(&mut terminal, &before);
    assert!(shown.contains("--retry unpin --sandbox"), "{shown}");
    assert_eq!(code, 23, "{shown}");
}

#[test]
fn a_retry_goes_on_with_what_is_under_way_and_the_drill_comes_home() {
    let (shown, code) = chosen("slow-promotion@promote", 0, None);
    assert_eq!(code, 24, "the outage was longer than promised: {shown}");
    assert!(shown.contains("two writers     never"), "{shown}");
}

#[test]
fn a_skipped_step_is_left_out_for_the_reason_given() {
    goes_on_without("no-capacity@scale", 1, "six will do");
}

#[test]
fn a_step_done_by_hand_is_taken_as_done_for_the_reason_given() {
    goes_on_without("no-capacity@scale", 2, "grown by hand");
}

#[test]
fn an_undo_takes_all_back_and_ends_the_drill() {
    let (shown, code) = chosen("no-capacity@scale", 3, None);
    assert!(shown.contains("rolled back") && !shown.contains("holds from now on"), "{shown}");
    assert_eq!(code, 20, "{shown}");
}

#[test]
fn to_stop_leaves_the_run_waiting_and_says_what_to_type() {
    let (shown, code) = chosen("no-capacity@scale", 4, None);
    assert!(shown.contains("--retry scale --sandbox"), "{shown}");
    assert_eq!(code, 23, "{shown}");
}
