//! `run-state-machine`: what a team has automated already, as a Step Functions execution. Its name
//! comes from run, step and how often the step began one, so that a repeat is the same execution,
//! and a run that is taken up finds the one that goes on.

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, StepCx,
    databases::{answer, unknown},
    exec::impact,
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Outputs, Resource, Shape, Ty, fact},
    world::{
        Call, Effect, Seen, Target, What, World, permission,
        sfn::{Start, Status},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "run-state-machine",
        doc: "Starts an execution of a Step Functions state machine, once, and follows it to its end.",
        fields: &[
            Field::optional("input", Ty::Any, "What it is given, as JSON.", "{ region: us-west-2 }"),
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
    outputs: &[Field::optional("output", Ty::Any, "What the execution gave.", "{ ok: true }")],
    impact: Impact::Disruptive,
    calls: &[permission::START],
    timeout: Span::mins(30),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let (input, impact) = (f.any("input"), impact(f));
    let input = input.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
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

/// A state machine at the step's site, and the executions that the step began there.
struct Machine<'a> {
    cx: &'a StepCx<'a>,
    arn: &'a str,
    /// Oldest first.
    begun: Vec<&'a Target>,
}

impl<'a> Machine<'a> {
    fn of(cx: &'a StepCx<'a>, item: &'a Resource) -> Result<Self, Next> {
        let identity = item.machine(&cx.at.name).ok_or_else(|| {
            Next::stuck(format!("{} has no state machine at {}", item.name, cx.at.name), "add it under `sites`")
        })?;
        let of_this = |effect: &&Effect| matches!(&effect.call, Call::Machine(start) if start.machine == identity.arn);
        let begun = cx.past.sent.iter().map(|sent| &sent.effect).filter(of_this).map(|e| &e.target).collect();
        Ok(Self { cx, arn: &identity.arn, begun })
    }

    fn target(&self) -> Target {
        Target::at(self.cx.at, What::Machine(self.arn.to_owned()))
    }

    /// What its next execution is called: at most 80 characters (StartExecution).
    fn name(&self) -> String {
        format!("{}-{}-{:.40}", self.cx.run, self.begun.len() + 1, self.cx.step.as_str())
    }

    fn execution(&self, name: String) -> Target {
        Target::at(self.cx.at, What::Execution(self.arn.to_owned(), name))
    }

    fn start(&self, with: &RunStateMachine) -> Next {
        let (name, target) = (self.name(), self.execution(self.name()));
        let call = Start {
            step: self.cx.step.clone(),
            machine: self.arn.to_owned(),
            name,
            input: with.input.clone(),
            impact: with.impact,
        };
        Next::send(Effect { target, call: Call::Machine(call) }, "not started")
    }

    fn next(&self, with: &RunStateMachine, w: &World) -> Result<Next, Next> {
        /// DescribeExecution is eventually consistent.
        const SHOWS_WITHIN: Span = Span::mins(2);
        match w.seen(&self.target()) {
            Some(Seen::Answer(_)) => {}
            Some(Seen::Absent) => {
                return Err(Next::stuck(
                    format!("there is no state machine {}", self.arn),
                    "compare the runbook's arn with the account",
                ));
            }
            seen => return Err(unknown(&self.target(), seen)),
        }
        let Some(last) = self.begun.last().copied() else { return Ok(self.start(with)) };
        let known_since = self.cx.past.last_on(last).map_or(self.cx.now, |sent| sent.at);
        let execution = match w.seen(last) {
            Some(Seen::Execution(execution)) => execution,
            Some(Seen::Absent) if self.cx.now.since(known_since) < SHOWS_WITHIN => {
                return Ok(Next::wait([last.clone()], "the execution to show"));
            }
            Some(Seen::Absent) => {
                return Err(Next::stuck(format!("{last} was started and is gone"), "look at the state machine"));
            }
            seen => return Err(unknown(last, seen)),
        };
        Ok(match execution.status {
            Status::Running => Next::wait([last.clone()], "the execution to end"),
            Status::Succeeded => Next::Done {
                outputs: Outputs::from([("output".to_owned(), execution.output.clone())]),
                facts: vec![fact(self.arn, "succeeded")],
            },
            // An attempt that began after it had failed is there to run it again.
            Status::Failed if execution.ended.is_some_and(|at| at < self.cx.past.started) => self.start(with),
            Status::Failed => Next::stuck(
                format!("{last} failed: {}", execution.why.as_deref().unwrap_or("no reason given")),
                "once its cause is gone, `resume --retry` starts a new execution",
            ),
        })
    }
}

impl Behave for RunStateMachine {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item: &&Resource| {
            let machine = Machine::of(cx, item).ok()?;
            let last = machine.begun.last().map(|t| (*t).clone());
            Some([Some(machine.target()), Some(machine.execution(machine.name())), last])
        };
        cx.items.iter().filter_map(of).flatten().flatten().collect()
    }
    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(cx.items.iter().map(|item| answer(|| Machine::of(cx, item)?.next(self, w))))
    }
}
