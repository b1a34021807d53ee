//! Ctrl-C, as fast as fingers and machines can press it.

use super::{PLANNED, Place, end, modes, press};

#[test]
fn three_presses_in_one_breath_are_three_every_time() {
    for _ in 0..20 {
        let place = Place::new();
        let mut terminal = place.terminal(&format!("{PLANNED} --seed 1 --fault lost-answer@scale"));
        let before = modes(&mut terminal);
        terminal.exp_string("sends web").unwrap();
        press(&mut terminal, "\u{3}\u{3}\u{3}");
        let (shown, code) = end(&mut terminal, &before);
        assert_eq!(code, 130, "{shown}");
    }
}

#[test]
fn two_presses_while_writes_are_held_say_what_is_held_and_what_to_type() {
    let place = Place::new();
    let mut terminal = place.terminal(&format!("{PLANNED} --seed 1 --speed 40"));
    let before = modes(&mut terminal);
    terminal.exp_string("holds from now on").unwrap();
    press(&mut terminal, "\u{3}\u{3}");
    let (shown, code) = end(&mut terminal, &before);
    assert_eq!(code, 23, "{shown}");
    let report = console::strip_ansi_codes(&shown[shown.rfind("outcome ").unwrap()..]).into_owned();
    assert!(report.contains("writes frozen at ohio since"), "{report}");
    for next in ["--undo --sandbox", "next: lifeboat resume", "next: lifeboat cancel"] {
        assert!(report.contains(next), "{report}");
    }
}
