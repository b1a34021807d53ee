//! What is drawn: no line too wide, no colour where none is wanted.

use super::{PLANNED, Place, RUNBOOK, end, modes, typed};
use std::path::Path;

#[test]
fn no_color_means_none() {
    let place = Place::new();
    let mut terminal = place.shell(&typed(&format!("{PLANNED} --speed max")), "cols 100", "NO_COLOR=1");
    let before = modes(&mut terminal);
    let (shown, _) = end(&mut terminal, &before);
    assert_eq!(colours(&shown), 0, "{shown}");
}

#[test]
fn sixty_columns_are_enough_for_everything_but_commands() {
    let place = Place::new();
    for line in ["plan RUNBOOK --sandbox", &format!("{PLANNED} --speed max"), "status RUNBOOK --sandbox"] {
        let mut terminal = place.shell(&typed(line), "cols 60", "");
        let before = modes(&mut terminal);
        let (shown, _) = end(&mut terminal, &before);
        // Of a run its closing report: rows that are drawn over each other are no lines of a text.
        let report = &shown[shown.rfind("outcome ").unwrap_or(0)..];
        let shown = console::strip_ansi_codes(report).into_owned();
        // A command is never broken: it is copied whole.
        let wide = shown
            .split(['\n', '\r'])
            .find(|l| console::measure_text_width(l) > 60 && !l.contains("lifeboat ") && !l.contains(file()));
        assert_eq!(wide, None, "{line}");
    }
}

fn file() -> &'static str {
    Path::new(RUNBOOK).file_name().and_then(|n| n.to_str()).unwrap()
}

/// How many colour codes a text holds.
fn colours(shown: &str) -> usize {
    let colour = |code: &&str| {
        let end = code.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
        code[end..].starts_with('m')
    };
    shown.split("\u{1b}[").skip(1).filter(colour).count()
}
