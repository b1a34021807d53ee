//! What `doctor` found: a line each, fit or not, and what to do.

use super::{Page, Tone, json, text};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, Write};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// What it is about: `who`, `clock`, `reads`, …
    pub about: &'static str,
    /// How it is, in words.
    pub what: String,
    /// What to do; none where nothing has to be done.
    pub hint: Option<String>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It cannot be tried without changing something.
    Untested,
    /// A run is possible, yet somebody should look at it.
    Warning,
    /// A run would be refused, or would stop half-way.
    Problem,
}

impl Finding {
    /// As it should be.
    pub fn ok(about: &'static str, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, about, what: what.into(), hint: None }
    }
    /// Anything else, and what to do.
    pub fn new(level: Level, about: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level, about, what: what.into(), hint: Some(hint.into()) }
    }
}

impl Level {
    fn word(self) -> (&'static str, Tone) {
        match self {
            Self::Ok => ("ok", Tone::Good),
            Self::Untested => ("untested", Tone::Plain),
            Self::Warning => ("warning", Tone::Warn),
            Self::Problem => ("problem", Tone::Bad),
        }
    }
}

/// For people: the lines in their order, then how many are wrong.
pub fn human(findings: &[Finding], page: &Page, out: &mut dyn Write) -> io::Result<()> {
    const INDENT: usize = 21;
    for finding in findings {
        let (word, tone) = finding.level.word();
        let head = format!("{}{}", page.paint(tone, &text::pad(word, 10)), text::pad(finding.about, INDENT - 10));
        for line in text::wrap(&finding.what, page.width, &head, INDENT) {
            writeln!(out, "{line}")?;
        }
        for line in finding.hint.iter().flat_map(|h| text::wrap(h, page.width, &" ".repeat(INDENT), INDENT)) {
            writeln!(out, "{}", page.paint(Tone::Dim, &line))?;
        }
    }
    let (problems, warnings) = counts(findings);
    let told = if problems + warnings == 0 {
        "nothing is wrong".to_owned()
    } else {
        format!("{}, {}", text::count(problems, "problem"), text::count(warnings, "warning"))
    };
    writeln!(out, "\n{told}")
}

/// For programs: an object a finding, then one of the whole.
pub fn json(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{}", json::of("finding", finding))?;
    }
    let (problems, warnings) = counts(findings);
    let mut whole = json::typed("doctor");
    whole.insert("problems".into(), json!(problems));
    whole.insert("warnings".into(), json!(warnings));
    writeln!(out, "{}", Value::Object(whole))
}

fn counts(findings: &[Finding]) -> (usize, usize) {
    let of = |level| findings.iter().filter(|f| f.level == level).count();
    (of(Level::Problem), of(Level::Warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_each_what_to_do_below_it_and_the_sum() {
        let findings = [
            Finding::ok("clock", "within a second of AWS's"),
            Finding::new(Level::Problem, "reads", "missing rds:DescribeDBInstances at oregon", "allow it"),
        ];
        let mut out = vec![];
        human(&findings, &Page::plain(60), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        ok        clock      within a second of AWS's
        problem   reads      missing rds:DescribeDBInstances at
                             oregon
                             allow it

        1 problem, 0 warnings
        ");
    }
}
