//! `run-state-machine`: what a team has automated already, as a Step Functions execution. Its name
//! comes from run, step and how often a person had the step begin anew, so that it is known before it
//! is sent: a repeat is the same execution, a run that is taken up finds the one that goes on, and
//! `resume --retry` starts another only where none of this step runs or has succeeded.

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, StepCx,
    databases::{answer, unknown},
    exec::impact,
};
use crate::{
    clock::Span,
    ids::Digest,
    model::{Field, Fields, Impact, KindName, Outputs, Resource, Shape, Ty, fact},
    world::{
        Call, Effect, Seen, Target, What, World, permission,
        sfn::{INPUT_LIMIT, NAME_LIMIT, Start, Status},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(test)]
mod tests;

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "run-state-machine",
        doc: "Starts an execution of a Step Functions state machine, once, and follows it to its end. One that failed is started again by `resume --retry` alone; one that was redriven is followed.",
        fields: &[
            Field::optional("input", Ty::Any, "What it is given, as JSON; nothing: `{}`.", "{ region: us-west-2 }"),
            Field::default(
                "impact",
                Ty::OneOf(&["read", "safe", "disruptive", "irreversible"]),
                "disruptive",
                "What it does to production.",
            ),
        ],
    },
    kinds: &[KindName::StateMachine],
    at: DefaultAt::To,
    outputs: &[Field::optional(
        "output",
        Ty::Any,
        "What the execution gave; of several resources a mapping by their names.",
        "{ warmed: 40 }",
    )],
    impact: Impact::Disruptive,
    calls: &[permission::START],
    timeout: Span::mins(30),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let (input, impact) = (f.any("input"), impact(f));
    let input = input.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    if input.to_string().len() > INPUT_LIMIT {
        f.complain("input", format!("an execution takes at most {INPUT_LIMIT} bytes; hand over where the rest is"));
    }
    Some(Action::RunStateMachine(RunStateMachine { input, impact }))
}

/// Parameters of `run-state-machine`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStateMachine {
    /// What the execution is given.
    pub input: Value,
    /// As the author states it.
    pub impact: Impact,
}

/// What an execution is called that a step begins: `RUN-STEP-N` or `RUN-STEP-undo-N`. `n` counts how
/// often a person had the step begin anew, from 1; all attempts between mean the same execution.
fn name(cx: &StepCx<'_>, n: u32) -> String {
    const MARK: usize = 8;
    let end = if cx.undoing { format!("undo-{n}") } else { n.to_string() };
    let (run, step) = (cx.run.as_str(), cx.step.as_str());
    let room = NAME_LIMIT.saturating_sub(run.len() + end.len() + 2);
    if step.len() <= room {
        return format!("{run}-{step}-{end}");
    }
    // Two long names may begin alike: a mark of the whole tells them apart.
    let mark = Digest::of(step.as_bytes());
    format!("{run}-{step:.*}_{mark:.MARK$}-{end}", room.saturating_sub(MARK + 1))
}

/// A state machine at the step's site, and the executions that the step has or may have begun there.
struct Machine<'a> {
    cx: &'a StepCx<'a>,
    arn: &'a str,
    /// Oldest first; the last is the one that this attempt would begin.
    executions: Vec<(String, Target)>,
}

impl<'a> Machine<'a> {
    fn of(cx: &'a StepCx<'a>, item: &'a Resource) -> Result<Self, Next> {
        let identity = item.machine(&cx.at.name).ok_or_else(|| {
            Next::stuck(format!("{} has no state machine at {}", item.name, cx.at.name), "add it under `sites`")
        })?;
        let execution = |n| {
            let name = name(cx, n);
            (name.clone(), Target::at(cx.at, What::Execution(identity.arn.clone(), name)))
        };
        Ok(Self { cx, arn: &identity.arn, executions: (1..=cx.past.retries + 1).map(execution).collect() })
    }

    fn target(&self) -> Target {
        Target::at(self.cx.at, What::Machine(self.arn.to_owned()))
    }

    fn next(&self, with: &RunStateMachine, w: &World) -> Result<Next, Next> {
        let mut running = None;
        let mut failed = None;
        for (_, target) in &self.executions {
            failed = None;
            let execution = match w.seen(target) {
                Some(Seen::Execution(execution)) => execution,
                Some(Seen::Absent) => continue,
                // One that cannot be seen may run.
                seen => return Err(unknown(target, seen)),
            };
            if execution.input != with.input {
                return Err(Next::stuck(
                    format!("{target} was given something else than this step gives"),
                    "somebody started it under this run's name: look at it, then skip the step or start a new run",
                ));
            }
            match execution.status {
                Status::Succeeded => {
                    let output = execution.output.clone().map(|output| ("output".to_owned(), output));
                    let facts = vec![fact(target.to_string(), "succeeded")];
                    return Ok(Next::Done { outputs: Outputs::from_iter(output), facts });
                }
                Status::Running => running = Some(target),
                Status::Failed => failed = Some((target, execution.why.as_deref().unwrap_or("no reason given"))),
            }
        }
        match (running, failed) {
            (Some(target), _) => Ok(Next::wait([target.clone()], format!("{target} to end"))),
            (None, Some((target, why))) => Ok(Next::stuck(
                format!("{target} failed: {why}"),
                "mend its cause, then resume with --retry: it follows a redriven execution, else starts another",
            )),
            (None, None) => self.start(with, w),
        }
    }

    /// The execution of this attempt is not to be seen.
    fn start(&self, with: &RunStateMachine, w: &World) -> Result<Next, Next> {
        /// DescribeExecution is eventually consistent.
        const SHOWS_WITHIN: Span = Span::mins(2);
        let Some((name, target)) = self.executions.last().cloned() else { return Ok(Next::done()) };
        if let Some(sent) = self.cx.past.last_on(&target) {
            let until = sent.at + SHOWS_WITHIN;
            let wait = Next::Wait {
                on: vec![target.clone()],
                why: format!("{target} to show"),
                until: Some(until),
                holds: None,
            };
            let gone = || Next::stuck(format!("{target} was started and is gone"), "look at the state machine");
            return if self.cx.now < until { Ok(wait) } else { Err(gone()) };
        }
        let machine = self.target();
        match w.seen(&machine) {
            Some(Seen::Answer(answer)) if answer.ok => {}
            Some(Seen::Answer(answer)) => {
                return Err(Next::stuck(
                    format!("{machine} {}", answer.why),
                    "name a standard state machine that is active",
                ));
            }
            Some(Seen::Absent) => {
                return Err(Next::stuck(
                    format!("{machine} does not exist"),
                    "compare the runbook's arn with the account",
                ));
            }
            seen => return Err(unknown(&machine, seen)),
        }
        let call = Start {
            step: self.cx.step.clone(),
            machine: self.arn.to_owned(),
            name,
            input: with.input.clone(),
            impact: with.impact,
        };
        Ok(Next::send(Effect { target, call: Call::Machine(call) }, "not started"))
    }
}

impl Behave for RunStateMachine {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item: &&Resource| {
            let machine = Machine::of(cx, item).ok()?;
            // What has begun does not need its definition any more.
            let begun = machine.executions.iter().any(|(_, target)| cx.past.last_on(target).is_some());
            let definition = (!begun).then(|| machine.target());
            Some(machine.executions.into_iter().map(|(_, target)| target).chain(definition).collect::<Vec<_>>())
        };
        cx.items.iter().filter_map(of).flatten().collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        let one = |item: &&Resource| answer(|| Machine::of(cx, item)?.next(self, w));
        if let [item] = &cx.items[..] {
            return one(item);
        }
        // What several gave goes by the names of the resources.
        let named = |item: &&Resource| match one(item) {
            Next::Done { outputs, facts } => {
                let of = outputs.into_values().map(|output| (item.name.to_string(), output));
                Next::Done { outputs: of.collect(), facts }
            }
            other => other,
        };
        match Next::all(cx.items.iter().map(named)) {
            Next::Done { outputs, facts } => {
                let all = Value::Object(outputs.into_iter().collect());
                Next::Done { outputs: Outputs::from([("output".to_owned(), all)]), facts }
            }
            other => other,
        }
    }
}
