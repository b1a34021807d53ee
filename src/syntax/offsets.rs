//! The YAML parser counts characters, all else counts bytes.

use saphyr_parser::Span;
use std::ops::Range;

/// From characters to bytes.
pub(super) struct Offsets {
    /// Byte of each character; none where each character is one byte.
    bytes: Option<Vec<u32>>,
}

impl Offsets {
    /// For a text of less than 4 GiB.
    pub(super) fn of(text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| {
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .map(|at| u32::try_from(at).unwrap_or(u32::MAX))
                .collect()
        });
        Self { bytes }
    }

    fn byte(&self, character: usize, len: usize) -> usize {
        match &self.bytes {
            None => character.min(len),
            Some(bytes) => bytes.get(character).map_or(len, |&at| at as usize),
        }
    }

    /// The bytes of a span, without the blanks and line ends that the parser counts to a block.
    pub(super) fn range(&self, span: Span, text: &str) -> Range<usize> {
        let start = self.byte(span.start.index(), text.len());
        let end = self.byte(span.end.index(), text.len()).max(start);
        start..start + text[start..end].trim_end().len()
    }
}
