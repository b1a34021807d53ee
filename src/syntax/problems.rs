//! Collects what is wrong, up to a number that a person can use. A problem that shows in several
//! places of the same text (an alias used twice, both modes of a step) is told once.

use crate::diagnostic::{Diagnostic, Path};
use std::collections::HashSet;

/// The problems found so far.
#[derive(Debug)]
pub(super) struct Problems {
    all: Vec<Diagnostic>,
    most: usize,
    seen: HashSet<(&'static str, Path, String)>,
    untold: bool,
}

impl Default for Problems {
    fn default() -> Self {
        // More than that helps nobody, and a hostile file could make millions.
        Self { all: vec![], most: 100, seen: HashSet::new(), untold: false }
    }
}

impl Problems {
    /// None yet, and no room for more than this one has.
    pub(super) fn beside(&self) -> Self {
        Self { most: self.most.saturating_sub(self.all.len()), ..Self::default() }
    }

    /// Adds a problem unless it was told already.
    pub(super) fn add(&mut self, problem: Diagnostic) {
        let place = problem.labels.first().map(|l| l.path.clone()).unwrap_or_default();
        if self.seen.contains(&(problem.code, place.clone(), problem.message.clone())) {
            return;
        }
        if self.full() {
            self.untold = true;
            return;
        }
        self.seen.insert((problem.code, place, problem.message.clone()));
        self.all.push(problem);
    }

    /// Nothing more will be looked for, since nothing more would be told.
    pub(super) fn cut(&mut self) {
        self.untold = true;
    }

    /// Nothing more will be told: whoever would search long for a suggestion need not.
    pub(super) fn full(&self) -> bool {
        self.all.len() >= self.most
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
        let Some(emergency) = emergency else { return self.append(planned) };
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
        self.untold |= planned.untold || emergency.untold;
        let first: Vec<_> = planned.all.iter().cloned().map(|d| in_mode(d, &emergency, ", in a planned run")).collect();
        let second: Vec<_> = emergency.all.iter().cloned().map(|d| in_mode(d, &planned, ", in an emergency")).collect();
        first.into_iter().chain(second).for_each(|d| self.add(d));
    }

    /// Takes over the problems of a part.
    pub(super) fn append(&mut self, part: Self) {
        self.untold |= part.untold;
        part.all.into_iter().for_each(|d| self.add(d));
    }

    /// All of them, in the order they were found.
    pub(super) fn into_all(mut self) -> Vec<Diagnostic> {
        if self.untold {
            let message = format!("only the first {} problems are shown", self.all.len());
            self.all.push(Diagnostic::error("LB0114", &Path::root(), message).help("mend these, then validate again"));
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

/// A suggestion where one of the known words is near, and all of them where they are few.
pub(super) fn choices(wrong: &str, known: &[&str]) -> String {
    const FEW: usize = 30;
    // Nobody misspells a word of that length, and the distance takes its square.
    const LONGEST: usize = 64;
    // A file of ten thousand names must not cost a second for each that is wrong.
    const MOST: usize = 500;
    let near = |word: &&&str| wrong.len() <= LONGEST && word.len().abs_diff(wrong.len()) <= 1 + wrong.len() / 4;
    let meant = crate::diagnostic::did_you_mean(wrong, known.iter().filter(near).take(MOST).copied());
    let meant = meant.map(|word| format!("did you mean `{word}`?"));
    let all = match known.len() {
        0 => "there is none".to_owned(),
        1..=FEW => format!("known: {}", known.join(", ")),
        many => format!("{many} are known"),
    };
    meant.map_or(all.clone(), |meant| format!("{meant} {all}"))
}
