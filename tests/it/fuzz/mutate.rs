//! Inputs that are nearly right: entries of a corpus, changed a little, by a seed.

use crate::binary::Chance;

/// Words that a target's texts are made of.
pub(super) struct Words(pub(super) &'static [&'static str]);

/// What stands in everywhere: extremes, ends and openings, bytes that are no text.
const COMMON: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1",
    b"255",
    b"65536",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551615",
    b"99999999999999999999",
    b"1e308",
    b"0.1",
    b"null",
    b"true",
    b"\"",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"\\",
    b":",
    b",",
    b"\n",
    b"\t",
    b" ",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    "é".as_bytes(),
    "\u{202e}".as_bytes(),
    "𝒳".as_bytes(),
];

/// Longer ones are cut.
const LONGEST: usize = 64 << 10;

/// An entry, or two of them, changed in one to six places.
pub(super) fn mutated(corpus: &[Vec<u8>], words: &Words, chance: &mut Chance) -> Vec<u8> {
    let mut input = pick(corpus, chance).clone();
    for _ in 0..=chance.below(6) {
        change(&mut input, corpus, words, chance);
    }
    input.truncate(LONGEST);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &Words, chance: &mut Chance) {
    let (from, to) = stretch(input, chance);
    match chance.below(10) {
        0 => drop(input.splice(from..to, [])),
        1 => {
            let again = input[from..to].to_vec();
            drop(input.splice(to..to, again));
        }
        2 => {
            if let Some(byte) = input.get_mut(from) {
                *byte ^= 1 << chance.below(8);
            }
        }
        3 => input.truncate(from),
        4 => {
            let other = pick(corpus, chance);
            let (a, b) = stretch(other, chance);
            drop(input.splice(from..to, other[a..b].to_vec()));
        }
        5 => number(input, from, chance),
        6 => lines(input, chance),
        7 | 8 => drop(input.splice(from..from, word(words, chance))),
        _ => drop(input.splice(from..to, word(words, chance))),
    }
}

/// Some bytes in a row, mostly few.
fn stretch(of: &[u8], chance: &mut Chance) -> (usize, usize) {
    let below = |n: usize, chance: &mut Chance| usize::try_from(chance.below(n as u64 + 1)).unwrap();
    let from = below(of.len(), chance);
    let most = if chance.below(8) == 0 { of.len() } else { 12 };
    (from, from + below(most.min(of.len() - from), chance))
}

fn pick<'a, T>(from: &'a [T], chance: &mut Chance) -> &'a T {
    &from[usize::try_from(chance.below(from.len() as u64)).unwrap()]
}

fn word(words: &Words, chance: &mut Chance) -> Vec<u8> {
    if chance.below(3) == 0 { pick(COMMON, chance).to_vec() } else { pick(words.0, chance).as_bytes().to_vec() }
}

/// Another number where the next one stands.
fn number(input: &mut Vec<u8>, from: usize, chance: &mut Chance) {
    let Some(at) = input[from..].iter().position(u8::is_ascii_digit) else { return };
    let at = from + at;
    let end = input[at..].iter().position(|b| !b.is_ascii_digit()).map_or(input.len(), |n| at + n);
    let other = pick(&COMMON[..11], chance).to_vec();
    drop(input.splice(at..end, other));
}

/// Two lines change places, or one changes its depth.
fn lines(input: &mut Vec<u8>, chance: &mut Chance) {
    let mut all: Vec<Vec<u8>> = input.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let at = |chance: &mut Chance| usize::try_from(chance.below(all.len() as u64)).unwrap();
    let (one, other) = (at(chance), at(chance));
    if chance.below(2) == 0 {
        all.swap(one, other);
    } else {
        drop(all[one].splice(0..0, b"  ".to_vec()));
    }
    *input = all.join(&b'\n');
}
