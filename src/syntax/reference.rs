//! The reference of the language as Markdown, from the same rows that the walk uses.

use super::{lexical, walk::describe};
use crate::{
    action::{ACTIONS, ActionRow, DefaultAt},
    model::{Field, Need, Shape, Ty},
    runbook::{KINDS, OVERRIDE, RESERVED, RUNBOOK, STEP},
};
use std::fmt::Write as _;

// Writing to a string cannot fail, so the results of `write!` are dropped throughout.

/// A small runbook whole.
const EXAMPLE: &str = include_str!("example.yaml");

/// The whole reference.
pub fn reference() -> String {
    let mut text = String::from("# The runbook language, version 1\n\n");
    text += "Names are `[a-z][a-z0-9_]*`. Durations are written `90s`, `15m`, `1h30m`. \
             A value marked `${}` may be or hold an expression. Keys that begin with `x_` are ignored.\n\n";
    text += "- [Runbook](#runbook)\n- [Step](#step)\n- [Actions](#actions)\n- [Kinds of resources](#kinds-of-resources)\n\
             - [Expressions](#expressions)\n- [Example](#example)\n- [Reserved keys](#reserved-keys)\n";
    let mut told = vec![STEP.name, OVERRIDE.name];
    section(&mut text, "## Runbook", &RUNBOOK, &mut told);
    told.retain(|name| *name != STEP.name && *name != OVERRIDE.name);
    section(&mut text, "## Step", &STEP, &mut told);
    text += "\n## Actions\n";
    for row in ACTIONS {
        action(&mut text, row, &mut told);
    }
    text += "\n## Kinds of resources\n";
    for row in KINDS {
        section(&mut text, &format!("### `{}`", row.shape.name), &row.shape, &mut told);
    }
    expressions(&mut text);
    let _ = write!(
        text,
        "\n## Example\n\nA state machine that the team has already warms the caches, then users move. In the sandbox \
         `simulate` answers for it.\n\n```yaml\n{EXAMPLE}```\n"
    );
    text += "\n## Reserved keys\n\nParsed, and answered with \"not supported yet\".\n\n| key | for |\n|---|---|\n";
    for (key, purpose) in RESERVED {
        line(&mut text, &[&format!("`{key}`"), purpose]);
    }
    text
}

/// A shape with its keys, then each shape inside it that was not told yet.
fn section(text: &mut String, heading: &str, shape: &'static Shape, told: &mut Vec<&'static str>) {
    told.push(shape.name);
    let _ = write!(text, "\n{heading}\n\n{}\n", shape.doc);
    fields(text, shape.fields);
    inner(text, shape, told);
}

fn inner(text: &mut String, shape: &'static Shape, told: &mut Vec<&'static str>) {
    for inner in shape.fields.iter().filter_map(|field| shape_in(&field.ty)) {
        if !told.contains(&inner.name) {
            section(text, &format!("### `{}`", inner.name), inner, told);
        }
    }
}

fn fields(text: &mut String, fields: &'static [Field]) {
    if fields.is_empty() {
        return;
    }
    *text += "\n| key | value | default | meaning | example |\n|---|---|---|---|---|\n";
    for field in fields {
        let (name, default) = match field.need {
            Need::Required => (format!("**`{}`**", field.name), "required".to_owned()),
            Need::Optional => (format!("`{}`", field.name), String::new()),
            Need::Default(value) => (format!("`{}`", field.name), format!("`{value}`")),
        };
        line(text, &[&name, &type_of(&field.ty, true), &default, field.doc, &format!("`{}`", field.example)]);
    }
}

fn action(text: &mut String, row: &'static ActionRow, told: &mut Vec<&'static str>) {
    let _ = write!(text, "\n### `{}`\n\n{}\n\n", row.name(), row.shape.doc);
    let kinds: Vec<_> = row.kinds.iter().map(|kind| format!("`{kind}`")).collect();
    let at = match row.at {
        DefaultAt::From => "from",
        DefaultAt::To => "to",
    };
    let kinds = if kinds.is_empty() { "no resource".to_owned() } else { kinds.join(", ") };
    let _ = write!(text, "Works on {kinds}, at `{at}` by default. Impact: {}. Timeout: {}.", row.impact, row.timeout);
    if let Some(undo) = row.undone_by {
        let _ = write!(text, " Taken back by `{undo}`.");
    }
    text.push('\n');
    fields(text, row.shape.fields);
    if !row.outputs.is_empty() {
        *text += "\n| output | value | meaning | example |\n|---|---|---|---|\n";
        for field in row.outputs {
            line(
                text,
                &[&format!("`{}`", field.name), &type_of(&field.ty, false), field.doc, &format!("`{}`", field.example)],
            );
        }
    }
    if !told.contains(&row.shape.name) {
        inner(text, &row.shape, told);
    }
}

fn expressions(text: &mut String) {
    *text += "\n## Expressions\n\n`${…}` inside a text; a value that is one whole `${…}` keeps its type; `$${` is a literal `${`. \
              `when` is an expression without `${}`.\n\n| name | value |\n|---|---|\n";
    for (name, value) in [
        ("from", "the site being left, or that was left: `.name`, `.region`, `.account`, `.RESOURCE.attribute`"),
        ("to", "the site being moved to, or the active one; the same members"),
        ("at", "the site where the step works; the same members"),
        ("primary, standby", "the home roles; the same members"),
        ("parameters", "`.NAME`, as declared and given by `--param`"),
        ("objectives", "`.rto`, `.rpo`, `.write_outage`, as stated"),
        ("mode", "`planned` or `emergency`"),
        ("direction", "`failover`, `failback` or `reprotect`"),
        ("run", "`.id`: lowercase letters and digits, fit for names of cloud resources"),
        ("steps", "`.ID.OUTPUT`: what a step above told"),
    ] {
        line(text, &[&format!("`{name}`"), value]);
    }
    let words = |all: &[&str]| all.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let _ = write!(text, "\nFilters: {}.\n\nTests, after `is`: {}.\n", words(lexical::FILTERS), words(lexical::TESTS));
}

fn line(text: &mut String, cells: &[&str]) {
    for cell in cells {
        let _ = write!(text, "| {} ", cell.replace('|', "\\|"));
    }
    *text += "|\n";
}

/// A type in a cell, with a link where it is a shape.
fn type_of(ty: &Ty, dynamic: bool) -> String {
    match ty {
        Ty::Of(shape) => format!("`{}`", shape.name),
        Ty::List(inner) => format!("list of {}", type_of(inner, dynamic)),
        Ty::Map(inner) => format!("mapping to {}", type_of(inner, dynamic)),
        Ty::Named(inner) => format!("names to {}", type_of(inner, dynamic)),
        Ty::Literal(inner) => type_of(inner, false),
        Ty::Either(options) => options.iter().map(|o| type_of(o, dynamic)).collect::<Vec<_>>().join(" or "),
        Ty::OneOf(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Ty::Text
        | Ty::Fixed
        | Ty::Name
        | Ty::Int { .. }
        | Ty::Duration
        | Ty::Flag
        | Ty::Number
        | Ty::Percent
        | Ty::Expr
        | Ty::Any => {
            let open = if dynamic && super::walk::takes_expressions(ty) { " `${}`" } else { "" };
            format!("{}{open}", describe(ty))
        }
    }
}

fn shape_in(ty: &'static Ty) -> Option<&'static Shape> {
    match ty {
        Ty::Of(shape) => Some(shape),
        Ty::List(inner) | Ty::Map(inner) | Ty::Named(inner) | Ty::Literal(inner) => shape_in(inner),
        Ty::Either(options) => options.iter().find_map(shape_in),
        Ty::Text
        | Ty::Fixed
        | Ty::Name
        | Ty::Int { .. }
        | Ty::Duration
        | Ty::Flag
        | Ty::OneOf(_)
        | Ty::Number
        | Ty::Percent
        | Ty::Expr
        | Ty::Any => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_runbook() {
        let loaded = crate::syntax::parse("example.yaml", EXAMPLE.as_bytes(), None);
        assert_eq!(loaded.diagnostics, []);
    }

    #[test]
    fn every_action_kind_and_key_of_a_step_is_in_it() {
        let text = reference();
        let actions = ACTIONS.iter().map(ActionRow::name);
        let kinds = KINDS.iter().map(|row| row.shape.name);
        for name in actions.chain(kinds).chain(STEP.fields.iter().map(|f| f.name)) {
            assert!(text.contains(&format!("`{name}`")), "{name}");
        }
        // A table whose rows differ in length is broken.
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let lines: Vec<_> = text.lines().collect();
        for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
            assert_eq!(cells(pair[0]), cells(pair[1]), "{}", pair[1]);
        }
    }
}
