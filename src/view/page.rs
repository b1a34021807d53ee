//! The surface that a text is written for: how wide it is, whether it shows colours and which
//! letters it can draw. Colour is never the only carrier of a meaning.

use console::{Style, Term};
use std::env;

/// What a text may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Columns.
    pub width: usize,
    /// Colours are shown.
    pub colour: bool,
    /// More than ASCII can be drawn.
    pub unicode: bool,
}

/// What a piece of text wants to say by its colour; its words say it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing.
    Plain,
    /// A heading.
    Strong,
    /// Less important.
    Dim,
    /// As it should be.
    Good,
    /// Look at it.
    Warn,
    /// Wrong, or without a way back.
    Bad,
}

impl Page {
    /// Narrower surfaces are written as if they were this wide.
    const NARROWEST: usize = 40;
    /// The width of what is no terminal.
    const FILE: usize = 100;

    /// ASCII without colour.
    pub const fn plain(width: usize) -> Self {
        Self { width, colour: false, unicode: false }
    }

    /// What a terminal, or what stands in its place, can show. `NO_COLOR` and `TERM=dumb` are heeded.
    pub fn of(term: &Term) -> Self {
        let width = term.size_checked().map_or(Self::FILE, |(_, columns)| usize::from(columns));
        Self { width: width.max(Self::NARROWEST), colour: term.features().colors_supported(), unicode: utf8() }
    }

    /// A text in the colour of a tone, or as it is.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let style = Style::new().force_styling(true);
        let style = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => style.bold(),
            Tone::Dim => style.dim(),
            Tone::Good => style.green(),
            Tone::Warn => style.yellow(),
            Tone::Bad => style.red(),
        };
        style.apply_to(text).to_string()
    }
}

/// Whether the locale speaks UTF-8 (POSIX: the first of the three that is set decides).
fn utf8() -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env::var(name).ok().filter(|v| !v.is_empty()));
    locale.is_some_and(|l| l.to_lowercase().replace('-', "").contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_nothing_is_added() {
        assert_eq!(Page::plain(60).paint(Tone::Bad, "failed"), "failed");
        let page = Page { colour: true, ..Page::plain(60) };
        assert_eq!(console::strip_ansi_codes(&page.paint(Tone::Bad, "failed")), "failed");
        assert_ne!(page.paint(Tone::Bad, "failed"), "failed");
    }
}
