//! Collects what is wrong, up to a number that a person can use. A problem that shows in several
//! places of the same text (an alias used twice, both modes of a step) is told once.

use crate::diagnostic::{Diagnostic, Path};
use std::collections::HashSet;

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    all: Vec<Diagnostic>,
    seen: HashSet<(&'static str, Path, String)>,
    untold: usize,
}

impl Problems {
    /// More than that helps nobody, and a hostile file could make millions.
    pub(super) const MOST: usize = 100;

    /// Adds a problem unless it was told already.
    pub(super) fn add(&mut self, problem: Diagnostic) {
        let place = problem.labels.first().map(|l| l.path.clone()).unwrap_or_default();
        if self.seen.contains(&(problem.code, place.clone(), problem.message.clone())) {
            return;
        }
        if self.full() {
            self.untold += 1;
            return;
        }
        self.seen.insert((problem.code, place, problem.message.clone()));
        self.all.push(problem);
    }

    /// Nothing more will be told: whoever would search long for a suggestion need not.
    pub(super) fn full(&self) -> bool {
        self.all.len() >= Self::MOST
    }

    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        !self.all.is_empty()
    }

    /// Whether any problem is about the file, its YAML or its shape, so that its values cannot be trusted.
    pub(super) fn misshapen(&self) -> bool {
        self.all.iter().any(|d| !d.code.starts_with("LB03"))
    }

    /// Takes over the problems of one mode of a step. Those that the other mode does not have say so.
    pub(super) fn merge_modes(&mut self, planned: Self, emergency: Option<Self>) {
        let Some(emergency) = emergency else { return planned.all.into_iter().for_each(|d| self.add(d)) };
        let only = |d: &Diagnostic, other: &Self| {
            let place = d.labels.first().map(|l| l.path.clone()).unwrap_or_default();
            !other.seen.contains(&(d.code, place, d.message.clone()))
        };
        let in_mode = |mut d: Diagnostic, other: &Self, words: &str| {
            if only(&d, other) {
                d.message += words;
            }
            d
        };
        let first: Vec<_> = planned.all.iter().cloned().map(|d| in_mode(d, &emergency, ", in a planned run")).collect();
        let second: Vec<_> = emergency.all.iter().cloned().map(|d| in_mode(d, &planned, ", in an emergency")).collect();
        first.into_iter().chain(second).for_each(|d| self.add(d));
    }

    /// All of them, in the order they were found.
    pub(super) fn into_all(mut self) -> Vec<Diagnostic> {
        if self.untold > 0 {
            let message = format!("{} more problems are not shown", self.untold);
            self.all.push(
                Diagnostic::error("LB0114", &Path::root(), message).help("mend the first ones, then validate again"),
            );
        }
        self.all
    }
}

/// A text as it can be quoted in a message: short, on one line.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}

/// "did you mean `x`? ", where one of the known words is near.
pub(super) fn meant<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // Nobody misspells a word of that length, and the distance takes its square.
    if wrong.len() > 64 {
        return None;
    }
    crate::diagnostic::did_you_mean(wrong, known).map(|word| format!("did you mean `{word}`?"))
}

/// A suggestion, and all known words.
pub(super) fn choices<'a>(wrong: &str, known: &[&'a str]) -> String {
    let all = if known.is_empty() { "there is none".to_owned() } else { format!("known: {}", known.join(", ")) };
    match meant(wrong, known.iter().copied()) {
        Some(meant) => format!("{meant} {all}"),
        None => all,
    }
}
