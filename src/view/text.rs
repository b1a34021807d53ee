//! Text that fits: wrapping, padding, tables and times, all by the width that a terminal gives them.

use crate::clock::{Span, Timestamp};
use console::measure_text_width;

/// Breaks a text into lines no wider than `width`: between words where it can, inside a word that
/// alone is too wide. The first line begins with `first`, the others with as many spaces as `rest`.
/// Line breaks of the text stay; other control characters become `?`, since texts come from
/// providers and commands too and must not move anybody's cursor.
pub fn wrap(text: &str, width: usize, first: &str, rest: usize) -> Vec<String> {
    let text = &text.replace(|c: char| c.is_control() && c != '\n', "?");
    let mut lines = vec![];
    let mut line = first.to_owned();
    let mut empty = true;
    let hang = " ".repeat(rest);
    for (n, paragraph) in text.split('\n').enumerate() {
        if n > 0 {
            lines.push(std::mem::replace(&mut line, hang.clone()));
            empty = true;
        }
        for word in paragraph.split(' ').filter(|w| !w.is_empty()) {
            let space = usize::from(!empty);
            if !empty && measure_text_width(&line) + space + measure_text_width(word) > width {
                lines.push(std::mem::replace(&mut line, hang.clone()));
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            let mut word = word;
            while let Some((fits, left)) = too_wide(word, width.saturating_sub(measure_text_width(&line))) {
                line += fits;
                lines.push(std::mem::replace(&mut line, hang.clone()));
                word = left;
            }
            line += word;
            empty = false;
        }
    }
    lines.push(line);
    lines.iter().map(|l| l.trim_end().to_owned()).collect()
}

/// Cuts a word that is wider than `room`; none where it fits, or where nothing sensible can be cut.
fn too_wide(word: &str, room: usize) -> Option<(&str, &str)> {
    const FEWEST: usize = 8;
    if room < FEWEST || measure_text_width(word) <= room {
        return None;
    }
    let mut cut = 0;
    for (at, c) in word.char_indices() {
        if measure_text_width(&word[..at + c.len_utf8()]) > room {
            break;
        }
        cut = at + c.len_utf8();
    }
    (cut > 0).then(|| word.split_at(cut))
}

/// A text made `width` wide by spaces behind it; longer ones stay.
pub fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(measure_text_width(text))))
}

/// A text on one line, without control characters.
pub fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// A text cut to `width`, the cut shown by `..`.
pub fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "..").into_owned()
}

/// Rows as aligned columns, two spaces between; the last column wraps.
pub fn table(rows: &[Vec<String>], width: usize, indent: usize) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|t| measure_text_width(t)).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns.saturating_sub(1)).map(widest).collect();
    let mut lines = vec![];
    for row in rows {
        let Some((last, front)) = row.split_last() else { continue };
        let cells: Vec<_> = front.iter().zip(&widths).map(|(text, w)| pad(text, *w)).collect();
        let mut first = " ".repeat(indent);
        for cell in cells {
            first += &cell;
            first += "  ";
        }
        let hang = measure_text_width(&first).min(width / 2);
        lines.extend(wrap(last, width, &first, hang));
    }
    lines
}

/// A length of time for people: without milliseconds above ten seconds, without seconds above an
/// hour.
pub fn short(span: Span) -> Span {
    const HOUR: u64 = 3_600_000;
    match span.0 {
        ms if ms >= HOUR => Span(ms / 60_000 * 60_000),
        ms if ms >= 10_000 => Span(ms / 1000 * 1000),
        ms if ms >= 1000 => Span(ms / 100 * 100),
        ms => Span(ms),
    }
}

/// How long ago that was: `3m12s ago`, `just now`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let span = short(now.since(then));
    if span < Span::secs(1) { "just now".to_owned() } else { format!("{span} ago") }
}

/// A whole number and its noun: `1 error`, `2 errors`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_and_hang_below_the_first() {
        assert_eq!(wrap("one two three", 9, "- ", 2), ["- one two", "  three"]);
        assert_eq!(wrap("one\ntwo", 20, "- ", 2), ["- one", "  two"]);
        assert_eq!(wrap("", 9, "- ", 2), ["-"]);
    }

    #[test]
    fn a_word_wider_than_the_page_is_cut() {
        assert_eq!(wrap("https://example.com/ready", 12, "", 2), ["https://exam", "  ple.com/re", "  ady"]);
    }

    #[test]
    fn colours_take_no_room() {
        let red = console::Style::new().force_styling(true).red().apply_to("failed").to_string();
        assert_eq!(measure_text_width(&pad(&red, 10)), 10);
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        assert_eq!(wrap("a\u{1b}[2Jb", 20, "", 0), ["a?[2Jb"]);
        assert_eq!(one_line("a\nb\r\u{7}"), "a b  ");
    }

    #[test]
    fn columns_align_and_the_last_one_wraps() {
        let rows = [vec!["a".into(), "one two".into()], vec!["long".into(), "three".into()]];
        assert_eq!(table(&rows, 14, 1), [" a     one two", " long  three"]);
        assert_eq!(table(&rows, 12, 1), [" a     one", "      two", " long  three"]);
    }

    #[test]
    fn times_are_as_exact_as_they_are_useful() {
        assert_eq!(short(Span::ms(250)).to_string(), "250ms");
        assert_eq!(short(Span::ms(1234)).to_string(), "1.2s");
        assert_eq!(short(Span::ms(192_345)).to_string(), "3m12s");
        assert_eq!(short(Span::secs(3_725)).to_string(), "1h2m");
        assert_eq!(ago(Timestamp(0), Timestamp(192_345)), "3m12s ago");
        assert_eq!(ago(Timestamp(5), Timestamp(0)), "just now");
    }
}
