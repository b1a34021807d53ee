//! What a simulation found, for people: the figures over all seeds, what ended badly, and what to
//! type to see one of them.

use super::{Page, text};
use crate::{
    clock::Span,
    model::{Direction, Mode},
};
use serde::Serialize;
use std::io::{self, Write};

/// What was found over all seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Simulated {
    /// Of which runbook.
    pub runbook: String,
    /// Which way.
    pub direction: Direction,
    /// Planned or emergency.
    pub mode: Mode,
    /// How many seeds were played.
    pub seeds: u64,
    /// How many things went wrong in all of them.
    pub mishaps: usize,
    /// Lengths of time, over the runs that got there.
    pub figures: Vec<Figure>,
    /// Rows that users had written and lost.
    pub rows_lost: Rows,
    /// How the runs ended, the most frequent first.
    pub endings: Vec<Ending>,
    /// Those that ended badly.
    pub bad: Vec<Bad>,
}

/// A length of time over all seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// Of what.
    pub name: String,
    /// Half of the runs took no longer; none: no run got there.
    pub median: Option<Span>,
    /// The longest; none: in some run it is not known.
    pub worst: Option<Span>,
    /// In which seed.
    pub seed: Option<u64>,
    /// What was promised.
    pub objective: Option<Span>,
    /// Seeds in which that was missed, or is unproven.
    pub missed: Vec<u64>,
}

/// Rows over all seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// Half of the runs lost no more.
    pub median: u64,
    /// The most.
    pub worst: u64,
    /// In which seed.
    pub seed: Option<u64>,
}

/// An ending and the seeds that had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// In words.
    pub how: String,
    /// Which.
    pub seeds: Vec<u64>,
}

/// A seed that ended badly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bad {
    /// Which.
    pub seed: u64,
    /// How it ended, in words.
    pub how: String,
    /// The steps that did not get there.
    pub steps: Vec<String>,
    /// What must never be so and was: a mistake of lifeboat itself.
    pub broken: Vec<String>,
}

/// Writes it for people. `again` is the command that plays one seed.
pub fn human(found: &Simulated, again: &str, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let Simulated { runbook, mode, direction, seeds, mishaps, .. } = found;
    writeln!(out, "{runbook}, {mode} {direction}: {}, {mishaps} things went wrong", counted(*seeds, "seed"))?;
    writeln!(out)?;
    for line in text::table(&table(found), page.width, 0) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    for Ending { how, seeds } in &found.endings {
        let first = format!("{:>6}  ", seeds.len());
        let which = if found.endings.len() > 1 { format!("{how} ({})", few(seeds)) } else { how.clone() };
        for line in text::wrap(&which, page.width, &first, first.len()) {
            writeln!(out, "{line}")?;
        }
    }
    ends_badly(found, page, out)?;
    writeln!(out)?;
    for line in text::wrap(MEANING, page.width, "", 0) {
        writeln!(out, "{line}")?;
    }
    let one = worth_a_look(found);
    writeln!(out, " hint: {again} --seed {one} --trace     plays seed {one}, step by step")
}

const MEANING: &str = "Each seed is another world in which other things go wrong: answers are lost, processes die, the \
    store fails, and people come back within two minutes. Times are the sandbox's: what an operation typically takes, or \
    the step's `expect`. They compare runbooks; they promise nothing about your databases.";

fn table(found: &Simulated) -> Vec<Vec<String>> {
    let span = |span: Option<Span>| span.map_or_else(|| "unknown".to_owned(), |span| text::short(span).to_string());
    let mut rows = vec![["", "median", "worst", "in seed", "promised"].map(str::to_owned).to_vec()];
    for figure in found.figures.iter().filter(|figure| figure.median.is_some()) {
        let promised = match (figure.objective, figure.missed.len()) {
            (Some(objective), 0) => format!("{}, kept", text::short(objective)),
            (Some(objective), n) => format!("{}, not kept in {}", text::short(objective), counted(n as u64, "seed")),
            (None, _) => "nothing".to_owned(),
        };
        let seed = figure.seed.map_or_else(String::new, |seed| seed.to_string());
        rows.push(vec![figure.name.clone(), span(figure.median), span(figure.worst), seed, promised]);
    }
    let Rows { median, worst, seed } = found.rows_lost;
    let seed = seed.map_or_else(String::new, |seed| seed.to_string());
    rows.push(vec!["rows lost".into(), median.to_string(), worst.to_string(), seed, String::new()]);
    rows
}

fn ends_badly(found: &Simulated, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    if found.bad.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nends badly")?;
    for Bad { seed, how, steps, broken } in &found.bad {
        let at = if steps.is_empty() { String::new() } else { format!(", at {}", steps.join(", ")) };
        let bug =
            if broken.is_empty() { String::new() } else { format!("; a mistake of lifeboat: {}", broken.join("; ")) };
        for line in text::wrap(&format!("{how}{at}{bug}"), page.width, &format!("  seed {seed}  "), 4) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// The seed that one would look at first: what ended badly, else the slowest.
fn worth_a_look(found: &Simulated) -> u64 {
    let bad = found.bad.first().map(|bad| bad.seed);
    let missed = found.figures.iter().find_map(|figure| figure.missed.first().copied());
    let slow = found.figures.iter().find_map(|figure| figure.seed);
    bad.or(missed).or(slow).unwrap_or(0)
}

fn few(seeds: &[u64]) -> String {
    const MOST: usize = 8;
    let shown: Vec<_> = seeds.iter().take(MOST).map(u64::to_string).collect();
    let more = if seeds.len() > MOST { format!(" and {} more", seeds.len() - MOST) } else { String::new() };
    let word = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!("{word} {}{more}", shown.join(", "))
}

fn counted(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Simulated {
        Simulated {
            runbook: "storefront".into(),
            direction: Direction::Failover,
            mode: Mode::Planned,
            seeds: 3,
            mishaps: 21,
            figures: vec![Figure {
                name: "RTO".into(),
                median: Some(Span::mins(14)),
                worst: Some(Span::mins(80)),
                seed: Some(2),
                objective: Some(Span::hours(1)),
                missed: vec![2],
            }],
            rows_lost: Rows::default(),
            endings: vec![
                Ending { how: "done".into(), seeds: vec![0, 2] },
                Ending { how: "ended part-way".into(), seeds: vec![1] },
            ],
            bad: vec![Bad {
                seed: 1,
                how: "ended part-way".into(),
                steps: vec!["start_workers".into()],
                broken: vec![],
            }],
        }
    }

    #[test]
    fn the_figures_say_what_is_promised_and_what_to_type() {
        let mut out = vec![];
        human(&found(), "lifeboat simulate x.yaml", &Page::plain(72), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for said in [
            "storefront, planned failover: 3 seeds, 21 things went wrong",
            "1h, not kept in 1 seed",
            "done (seeds 0, 2)",
            "seed 1  ended part-way, at start_workers",
            " hint: lifeboat simulate x.yaml --seed 1 --trace     plays seed 1, step by step",
        ] {
            assert!(text.contains(said), "no `{said}` in:\n{text}");
        }
    }
}
