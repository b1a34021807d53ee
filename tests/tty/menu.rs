//! The menu on a failed step: each choice once, in a drill, to its end.

use super::{Place, end, modes, press};

/// A drill with a fault, one choice from the menu that it leads to, and why it was chosen. Gives all
/// that was shown after the menu, and the code.
fn chosen(fault: &str, down: usize, why: Option<&str>) -> (String, i32) {
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
    end(&mut terminal, &before)
}

#[test]
fn a_retry_goes_on_with_what_is_under_way_and_the_drill_comes_home() {
    let (shown, code) = chosen("slow-promotion@promote", 0, None);
    assert_eq!(code, 24, "the outage was longer than promised: {shown}");
    assert!(shown.contains("two writers     never"), "{shown}");
}

// With this seed a backup of the replica comes between: the hold runs out, and all is taken back.

#[test]
fn a_skipped_step_is_left_out_for_the_reason_given() {
    let (shown, code) = chosen("no-capacity@scale", 1, Some("six will do"));
    assert!(shown.contains("left out: by") && shown.contains("six will do"), "{shown}");
    assert!(shown.contains("holds from now on"), "the run went on: {shown}");
    assert_eq!(code, 20, "{shown}");
}

#[test]
fn a_step_done_by_hand_is_taken_as_done_for_the_reason_given() {
    let (shown, code) = chosen("no-capacity@scale", 2, Some("grown by hand"));
    assert!(shown.contains("grown by hand") && shown.contains("holds from now on"), "{shown}");
    assert_eq!(code, 20, "{shown}");
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
