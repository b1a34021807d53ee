//! Diagnostics: all problems of a runbook at once, for people with the guilty characters
//! underlined, for programs one object a line.

use super::{Page, text::count};
use crate::diagnostic::{Diagnostic, Severity, SourceMap};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode, ThemeCharacters, ThemeStyles,
};
use serde_json::{Value, json};
use std::{
    fmt,
    io::{self, Write},
};

/// Writes them for people, in the order of the file, and a line that counts them.
pub fn human(all: &[Diagnostic], source: &SourceMap, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let theme = GraphicalTheme {
        characters: if page.unicode { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() },
        styles: if page.colour { ThemeStyles::ansi() } else { ThemeStyles::none() },
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(page.width).with_links(false);
    let text = (source.text.len() <= LARGEST).then(|| NamedSource::new(&source.file, source.text.clone()));
    for one in sorted(all, source) {
        let mut shown = String::new();
        let problem = Problem { one, source, text: text.as_ref().filter(|_| readable(one, source)) };
        handler.render_report(&mut shown, &problem).map_err(io::Error::other)?;
        for line in shown.trim_matches('\n').lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)?;
    }
    if !all.is_empty() {
        writeln!(out, "{} in {}", counted(all), source.file)?;
    }
    Ok(())
}

/// Longer texts are not shown, only places in them.
const LARGEST: usize = 4 << 20;

/// Whether a person can read the lines around a problem: a document on one line is no help.
fn readable(one: &Diagnostic, source: &SourceMap) -> bool {
    const WIDEST: usize = 500;
    let Some(label) = one.labels.first() else { return false };
    let (line, _) = position(&source.text, source.bytes(label).start);
    let mut around = source.text.lines().skip(line.saturating_sub(2)).take(3).peekable();
    around.peek().is_some() && around.all(|l| l.len() <= WIDEST)
}

/// Writes them for programs: one object a line.
pub fn json(all: &[Diagnostic], source: &SourceMap, out: &mut dyn Write) -> io::Result<()> {
    for one in sorted(all, source) {
        writeln!(out, "{}", object(one, source))?;
    }
    Ok(())
}

/// `2 errors, 1 warning`.
pub fn counted(all: &[Diagnostic]) -> String {
    let of = |severity| all.iter().filter(|d| d.severity == severity).count();
    match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => "no problems".into(),
        (errors, 0) => count(errors, "error"),
        (0, warnings) => count(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    }
}

fn sorted<'a>(all: &'a [Diagnostic], source: &SourceMap) -> Vec<&'a Diagnostic> {
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_by_key(|d| d.labels.first().map_or(0, |l| source.bytes(l).start));
    sorted
}

fn object(one: &Diagnostic, source: &SourceMap) -> Value {
    let place = |label: &crate::diagnostic::Label| {
        let bytes = source.bytes(label);
        let (start, end) = (position(&source.text, bytes.start), position(&source.text, bytes.end));
        json!({
            "path": label.path, "text": label.text,
            "line": start.0, "column": start.1, "end_line": end.0, "end_column": end.1,
        })
    };
    let first = one.labels.first().map_or(json!({}), place);
    json!({
        "type": "diagnostic", "schema": super::SCHEMA,
        "code": one.code, "severity": one.severity, "message": one.message, "file": source.file,
        "line": first["line"], "column": first["column"],
        "end": { "line": first["end_line"], "column": first["end_column"] },
        "labels": one.labels.iter().map(place).collect::<Vec<_>>(),
        "help": one.help,
    })
}

/// Line and column of a byte, both from 1; columns count characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A diagnostic as miette wants it.
struct Problem<'a> {
    one: &'a Diagnostic,
    source: &'a SourceMap,
    text: Option<&'a NamedSource<String>>,
}

impl fmt::Debug for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.one.fmt(f)
    }
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.one.message)?;
        match self.one.labels.first() {
            Some(label) if self.text.is_none() => {
                let (line, column) = position(&self.source.text, self.source.bytes(label).start);
                write!(f, " ({}:{line}:{column})", self.source.file)
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Problem<'_> {}

impl miette::Diagnostic for Problem<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let word = match self.one.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        Some(Box::new(format!("{word} {}", self.one.code)))
    }
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.one.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.one.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.text.map(|text| text as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.one.labels.iter().enumerate().map(|(i, label)| {
            let bytes = self.source.bytes(label);
            let end = first_line(&self.source.text, bytes.start, bytes.end);
            let text = (!label.text.is_empty()).then(|| label.text.clone());
            let span = (bytes.start, end - bytes.start);
            if i == 0 { LabeledSpan::new_primary_with_span(text, span) } else { LabeledSpan::new_with_span(text, span) }
        })))
    }
}

/// Where the part of a span ends that is on its first line: a step of twenty lines is not underlined whole.
fn first_line(text: &str, start: usize, end: usize) -> usize {
    let (start, end) = (start.min(text.len()), end.min(text.len()));
    text.get(start..end).and_then(|t| t.find('\n')).map_or(end, |line| start + line).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Path;

    fn source() -> SourceMap {
        let text = "version: 1\nfailover:\n  - { id: lag, action: mesure-lag }\n";
        let at = text.find("mesure-lag").unwrap();
        let path = Path::root().key("failover").index(0).key("action");
        let mut source = SourceMap { file: "runbooks/x.yaml".into(), text: text.into(), ..SourceMap::default() };
        source.values.insert(path, at..at + 10);
        source
    }

    fn problems() -> Vec<Diagnostic> {
        let path = Path::root().key("failover").index(0).key("action");
        vec![
            Diagnostic::error("LB0102", &path, "there is no action `mesure-lag`")
                .here("not an action")
                .help("did you mean `measure-lag`?"),
            Diagnostic::warning("LB0300", &Path::root(), "no `objectives`"),
        ]
    }

    #[test]
    fn the_guilty_characters_are_underlined() {
        let mut out = vec![];
        human(&problems(), &source(), &Page::plain(60), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        warning LB0300

          ! no `objectives`
           ,-[runbooks/x.yaml:1:1]
         1 | version: 1
           : ^
         2 | failover:
           `----

        error LB0102

          x there is no action `mesure-lag`
           ,-[runbooks/x.yaml:3:24]
         2 | failover:
         3 |   - { id: lag, action: mesure-lag }
           :                        ^^^^^|^^^^
           :                             `-- not an action
           `----
          help: did you mean `measure-lag`?

        1 error, 1 warning in runbooks/x.yaml
        ");
    }

    #[test]
    fn a_program_gets_one_object_a_line() {
        let mut out = vec![];
        json(&problems(), &source(), &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        {"code":"LB0300","column":1,"end":{"column":1,"line":1},"file":"runbooks/x.yaml","help":null,"labels":[{"column":1,"end_column":1,"end_line":1,"line":1,"path":"","text":""}],"line":1,"message":"no `objectives`","schema":1,"severity":"warning","type":"diagnostic"}
        {"code":"LB0102","column":24,"end":{"column":34,"line":3},"file":"runbooks/x.yaml","help":"did you mean `measure-lag`?","labels":[{"column":24,"end_column":34,"end_line":3,"line":3,"path":"failover[0].action","text":"not an action"}],"line":3,"message":"there is no action `mesure-lag`","schema":1,"severity":"error","type":"diagnostic"}
        "#);
    }

    #[test]
    fn an_empty_file_has_diagnostics_too() {
        let empty = SourceMap { file: "x.yaml".into(), ..SourceMap::default() };
        let mut out = vec![];
        human(&problems()[1..], &empty, &Page::plain(60), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("no `objectives` (x.yaml:1:1)") && text.contains("1 warning in x.yaml"), "{text}");
    }

    #[test]
    fn a_document_on_one_line_is_not_printed_whole() {
        let long = SourceMap { file: "x.yaml".into(), text: "[".repeat(100_000), ..SourceMap::default() };
        let problem = Diagnostic::at_bytes("LB0003", 64..65, "nested too deeply");
        let mut out = vec![];
        human(&[problem], &long, &Page::plain(60), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.len() < 200 && text.contains("nested too deeply (x.yaml:1:65)"), "{text}");
    }
}
