//! The list of runs.

use super::{Page, Tone, json, text};
use crate::{clock::Timestamp, event::RunOutcome, ids::RunId};
use serde::Serialize;
use std::io::{self, Write};

/// A run, as far as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The run.
    pub run: RunId,
    /// What it is a run of: the runbook's name.
    pub runbook: String,
    /// Which way and how: `planned failover`; empty where the journal was not read.
    pub kind: String,
    /// When it began.
    pub started: Timestamp,
    /// How it ended; none: it did not.
    pub outcome: Option<RunOutcome>,
    /// Where it stands while it has not ended: `paused: promote failed`, `running, held by …`.
    pub standing: String,
}

/// Writes them for people, in the order given.
pub fn human(rows: &[Row], now: Timestamp, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "no runs yet");
    }
    let head = ["run", "began", "of", "what", "outcome"].map(str::to_owned).to_vec();
    let body = rows.iter().map(|r| {
        let outcome = r.outcome.map_or_else(|| r.standing.clone(), |o| o.to_string());
        vec![r.run.to_string(), text::ago(r.started, now), r.runbook.clone(), r.kind.clone(), outcome]
    });
    let all: Vec<_> = std::iter::once(head).chain(body).collect();
    for (n, line) in text::table(&all, page.width, 0).iter().enumerate() {
        writeln!(out, "{}", if n == 0 { page.paint(Tone::Strong, line) } else { line.clone() })?;
    }
    Ok(())
}

/// Writes them for programs, one object a line.
pub fn json(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    for row in rows {
        writeln!(out, "{}", json::of("run", row))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Span;

    fn rows() -> Vec<Row> {
        let row = |run: &str, mins, kind: &str, outcome, standing: &str| Row {
            run: RunId::new(run),
            runbook: "storefront".into(),
            kind: kind.into(),
            started: Timestamp(0) + Span::mins(mins),
            outcome,
            standing: standing.into(),
        };
        vec![
            row("r2", 50, "emergency failover", None, "paused: promote failed"),
            row("r1", 1, "planned failover", Some(RunOutcome::RolledBack), ""),
        ]
    }

    #[test]
    fn an_unfinished_run_says_where_it_stands() {
        let mut out = vec![];
        human(&rows(), Timestamp(0) + Span::hours(1), &Page::plain(80), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        run  began    of          what                outcome
        r2   10m ago  storefront  emergency failover  paused: promote failed
        r1   59m ago  storefront  planned failover    rolled back
        ");
    }

    #[test]
    fn programs_get_one_object_a_run() {
        let mut out = vec![];
        json(&rows(), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        {"kind":"emergency failover","outcome":null,"run":"r2","runbook":"storefront","schema":1,"standing":"paused: promote failed","started":3000000,"type":"run"}
        {"kind":"planned failover","outcome":"rolled-back","run":"r1","runbook":"storefront","schema":1,"standing":"","started":60000,"type":"run"}
        "#);
    }
}
