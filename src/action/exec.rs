//! `exec`: a local command, for what lifeboat does not know. With a `check` it converges like any
//! other action; without one it runs once, and a lost outcome is a question to people.

use super::{Action, ActionRow, Behave, DefaultAt, Next, StepCx, databases::unknown};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, Outputs, Shape, Ty, fact},
    world::{Call, Effect, Run, Seen, Target, What, World, probe::Command},
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "exec",
        doc: "Runs a local command in the runbook's folder.",
        fields: &[
            Field::required(
                "command",
                Ty::List(&Ty::Text),
                "Program and arguments; never a shell's text.",
                "[./ci, lock]",
            ),
            Field::optional(
                "check",
                Ty::List(&Ty::Text),
                "A command whose exit 0 means that it is already so.",
                "[./ci, locked]",
            ),
            Field::default(
                "check_is_read_only",
                Ty::Flag,
                "false",
                "The check changes nothing, so plans may run it too.",
            ),
            Field::optional(
                "environment",
                Ty::List(&Ty::Fixed),
                "Names of variables of lifeboat's own environment that the command and its check are given, beside PATH, HOME, LANG, TZ and TMPDIR; their values are never recorded.",
                "[CI_TOKEN]",
            ),
            Field::default(
                "impact",
                Ty::OneOf(&["read", "safe", "disruptive", "irreversible"]),
                "disruptive",
                "What it does to production.",
            ),
        ],
    },
    kinds: &[],
    at: DefaultAt::To,
    outputs: &[Field::optional("output", Ty::Text, "What it wrote to its standard output, the last 64 KiB.", "ok")],
    impact: Impact::Disruptive,
    calls: &[],
    timeout: Span::mins(5),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let (command, check) = (f.texts("command"), f.texts("check"));
    let (read_only, impact) = (f.flag("check_is_read_only"), impact(f));
    let environment = f.texts("environment").unwrap_or_default();
    for name in environment.iter().filter(|name| !is_variable(name)) {
        f.complain("environment", format!("`{name}` is not the name of a variable; write for example CI_TOKEN"));
    }
    let command = command?;
    if command.is_empty() || check.as_ref().is_some_and(Vec::is_empty) {
        f.complain("command", "a command needs at least a program");
    }
    let check_is_read_only = read_only.unwrap_or(false);
    Some(Action::Exec(Exec { command, check, check_is_read_only, environment, impact }))
}

/// A name as the shell has them: a value that slipped in, `TOKEN=secret`, is none.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The impact that the author states.
pub(super) fn impact(f: &mut Fields<'_>) -> Impact {
    match f.text("impact").as_deref() {
        Some("read") => Impact::Read,
        Some("safe") => Impact::Safe,
        Some("irreversible") => Impact::Irreversible,
        _ => Impact::Disruptive,
    }
}

/// Parameters of `exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Exit 0 of it: already so.
    pub check: Option<Vec<String>>,
    /// The check changes nothing.
    pub check_is_read_only: bool,
    /// The names of the variables that both are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// As the author states it.
    pub impact: Impact,
}

impl Exec {
    const CHECK_LIMIT: Span = Span::secs(30);

    fn check(&self) -> Option<Command> {
        Some(self.command(self.check.clone()?, Self::CHECK_LIMIT, self.check_is_read_only))
    }

    fn command(&self, argv: Vec<String>, limit: Span, read_only: bool) -> Command {
        Command { argv, limit, read_only, environment: self.environment.clone() }
    }

    fn effect(&self, cx: &StepCx<'_>) -> Effect {
        let limit = cx.limit;
        // Without a check nothing tells: the target is named, but never looked at.
        let watched = self.check().unwrap_or_else(|| self.command(self.command.clone(), limit, false));
        let run = Run {
            step: cx.step.clone(),
            argv: self.command.clone(),
            check: self.check(),
            environment: self.environment.clone(),
            limit,
            impact: self.impact,
        };
        Effect { target: Target::at(cx.at, What::Command(watched)), call: Call::Run(run) }
    }
}

impl Behave for Exec {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        self.check().into_iter().map(|check| Target::at(cx.at, What::Command(check))).collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        let effect = self.effect(cx);
        let sent = cx.past.last_on(&effect.target);
        let output = sent
            .and_then(|s| s.receipt.as_ref())
            .filter(|r| !r.output.is_null())
            .map(|r| ("output".to_owned(), r.output.clone()));
        let done = |how: &str| Next::Done {
            outputs: Outputs::from_iter(output.clone()),
            facts: vec![fact(self.command.join(" "), how)],
        };
        match (self.targets(cx).first(), sent) {
            (None, Some(_)) => done("done"),
            (None, None) => Next::send(effect, "not run"),
            (Some(check), _) => match (w.seen(check), sent) {
                (Some(Seen::Answer(answer)), _) if answer.ok => done("so"),
                (Some(Seen::Answer(_)), None) => Next::send(effect, "not so"),
                (Some(Seen::Answer(_)), Some(_)) => Next::wait(
                    [check.clone()],
                    format!("`{}` to hold", self.check.as_deref().unwrap_or_default().join(" ")),
                ),
                (seen, _) => unknown(check, seen),
            },
        }
    }
}
