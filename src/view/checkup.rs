//! What `store verify` found: which runs are what was recorded, which are not, and what to do.

use super::{Page, Tone, commands::Next, json, text};
use crate::ids::{RunId, Seq};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Write};

/// A run, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The run.
    pub run: RunId,
    /// What it is a run of; empty where that cannot be read.
    pub runbook: String,
    /// How it is.
    pub state: State,
    /// Its last event that is what was recorded.
    pub whole_up_to: Seq,
    /// How it is, in words.
    pub what: String,
    /// What to type; nothing where nothing has to be done.
    pub next: Vec<Next>,
}

/// How a stored run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As it was recorded.
    Whole,
    /// As it was recorded, by a lifeboat that knows more than this one.
    Foreign,
    /// Not as it was recorded.
    Damaged,
}

/// All of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub place: String,
    /// Its runs, newest first.
    pub runs: Vec<Row>,
    /// What is wrong with the store itself.
    pub problems: Vec<String>,
    /// What to type about that.
    pub next: Vec<Next>,
}

impl State {
    fn word(self) -> (&'static str, Tone) {
        match self {
            Self::Whole => ("whole", Tone::Good),
            Self::Foreign => ("foreign", Tone::Warn),
            Self::Damaged => ("damaged", Tone::Bad),
        }
    }
}

impl Found {
    /// How many of its runs are in a state.
    pub fn count(&self, state: State) -> usize {
        self.runs.iter().filter(|row| row.state == state).count()
    }
}

/// For people: a line a run, what to do below it, and the sum.
pub fn human(found: &Found, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    const INDENT: usize = 9;
    for problem in &found.problems {
        entry(State::Damaged, &format!("{}: {problem}", found.place), &[], (page, INDENT), out)?;
    }
    next(&found.next, (page, INDENT), out)?;
    for row in &found.runs {
        let what = format!("{} {}: {}", row.run, row.runbook, row.what);
        entry(row.state, &what, &row.next, (page, INDENT), out)?;
    }
    let bad = [State::Damaged, State::Foreign].map(|state| (found.count(state), state.word().0));
    let bad: Vec<_> = bad.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!(", {n} {word}")).collect();
    let all = if bad.is_empty() && found.problems.is_empty() { ", all whole" } else { "" };
    let runs = text::count(found.runs.len(), "run");
    let sum = if found.runs.is_empty() { "no runs".to_owned() } else { format!("{runs}{all}{}", bad.concat()) };
    writeln!(out, "{sum} in {}", found.place)
}

fn entry(state: State, what: &str, to_do: &[Next], at: (&Page, usize), out: &mut dyn Write) -> io::Result<()> {
    let (word, tone) = state.word();
    let head = at.0.paint(tone, &text::pad(word, at.1));
    for line in text::wrap(what, at.0.width, &head, at.1) {
        writeln!(out, "{line}")?;
    }
    next(to_do, at, out)
}

fn next(to_do: &[Next], (page, indent): (&Page, usize), out: &mut dyn Write) -> io::Result<()> {
    let hang = " ".repeat(indent);
    for Next { command, what } in to_do {
        writeln!(out, "{hang}next: {command}")?;
        for line in text::wrap(what, page.width, &format!("{hang}        "), indent + 8) {
            writeln!(out, "{}", page.paint(Tone::Dim, &line))?;
        }
    }
    Ok(())
}

/// For programs: an object a run, then one of the whole.
pub fn json(found: &Found, out: &mut dyn Write) -> io::Result<()> {
    for row in &found.runs {
        writeln!(out, "{}", json::of("stored_run", row))?;
    }
    let mut whole = json::typed("store");
    whole.insert("place".into(), json!(found.place));
    whole.insert("runs".into(), json!(found.runs.len()));
    whole.insert("damaged".into(), json!(found.count(State::Damaged)));
    whole.insert("foreign".into(), json!(found.count(State::Foreign)));
    whole.insert("problems".into(), json!(found.problems));
    whole.insert("next".into(), json!(found.next));
    writeln!(out, "{}", Value::Object(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: &str, state: State, what: &str, next: Vec<Next>) -> Row {
        Row { run: RunId::new(run), runbook: "storefront".into(), state, whole_up_to: Seq(11), what: what.into(), next }
    }

    fn found() -> Found {
        let next = Next { command: "lifeboat status FILE --store DIR".into(), what: "looks at how things are".into() };
        Found {
            place: "/home/ada/live.db".into(),
            runs: vec![
                row("r2", State::Damaged, "event 12: its hash does not fit", vec![next]),
                row("r1", State::Whole, "11 events, ended: done", vec![]),
            ],
            problems: vec![],
            next: vec![],
        }
    }

    fn said(found: &Found) -> String {
        let mut out = vec![];
        human(found, &Page::plain(60), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_a_run_what_to_do_below_it_and_the_sum() {
        insta::assert_snapshot!(said(&found()), @r"
        damaged  r2 storefront: event 12: its hash does not fit
                 next: lifeboat status FILE --store DIR
                         looks at how things are
        whole    r1 storefront: 11 events, ended: done
        2 runs, 1 damaged in /home/ada/live.db
        ");
    }

    #[test]
    fn a_whole_store_and_an_empty_one_say_so() {
        let whole = Found { runs: found().runs.split_off(1), ..found() };
        assert!(said(&whole).ends_with("1 run, all whole in /home/ada/live.db\n"));
        assert_eq!(said(&Found { runs: vec![], ..found() }), "no runs in /home/ada/live.db\n");
    }

    #[test]
    fn programs_get_an_object_a_run_and_one_of_the_whole() {
        let mut out = vec![];
        json(&found(), &mut out).unwrap();
        let lines = String::from_utf8(out).unwrap();
        assert_eq!(lines.lines().count(), 3);
        assert!(lines.lines().last().unwrap().contains(r#""damaged":1"#), "{lines}");
    }
}
