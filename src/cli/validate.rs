//! `lifeboat validate`: every problem at once, offline.

use super::{
    args::{Common, Output, ValidateArgs},
    exit::{Failure, code},
    wiring::{diagnostics, examine, page, read},
};
use crate::{
    check,
    diagnostic::{CodeRow, did_you_mean},
    syntax, view,
};
use std::io::Write as _;

/// `lifeboat validate`.
pub(super) fn run(common: &Common, args: &ValidateArgs) -> Result<u8, Failure> {
    if let Some(code) = &args.explain {
        return explain(code);
    }
    let mut worst = code::DONE;
    for file in &args.files {
        let (checked, problems, source) = examine(file)?;
        diagnostics(common, &problems, &source)?;
        if checked.is_none() {
            worst = code::INVALID;
        } else if common.output == Output::Human {
            read(writeln!(std::io::stdout().lock(), "{}: valid", file.display()))?;
        }
    }
    Ok(worst)
}

fn codes() -> impl Iterator<Item = &'static CodeRow> {
    syntax::CODES.iter().chain(check::CODES)
}

fn explain(code: &str) -> Result<u8, Failure> {
    let wanted = code.to_uppercase();
    let Some(row) = codes().find(|row| row.code == wanted) else {
        let failure = Failure::usage(format!("there is no code {code}"));
        return Err(did_you_mean(&wanted, codes().map(|r| r.code)).map_or(Failure::usage(failure.what.clone()), |c| {
            Failure::usage(failure.what).hint(format!("did you mean {c}?"))
        }));
    };
    read(explained(row, &mut std::io::stdout().lock()))?;
    Ok(code::DONE)
}

fn explained(row: &CodeRow, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    writeln!(out, "{}: {}\n", row.code, row.title)?;
    for paragraph in row.text.split("\n\n") {
        let indented = paragraph.starts_with(' ');
        let lines = if indented {
            paragraph.lines().map(str::to_owned).collect()
        } else {
            view::text::wrap(paragraph, page().width.min(100), "", 0)
        };
        writeln!(out, "{}\n", lines.join("\n"))?;
    }
    for (title, piece) in
        [("wrong", row.wrong), ("right", row.right)].into_iter().filter(|(_, piece)| !piece.is_empty())
    {
        writeln!(out, "{title}:")?;
        for line in piece.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}
