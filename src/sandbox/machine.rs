//! Executions of state machines: they run for a while and end as the step's `simulate` says.

use super::{calls::No, script::Script, state::State};
use crate::{
    clock::{Span, Timestamp},
    world::{
        Receipt, Seen,
        sfn::{Execution, Start, Status, TYPICAL},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// An execution that was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    start: Start,
    at: Timestamp,
    expected: Option<Span>,
}

/// Names are given away per state machine.
fn key(machine: &str, name: &str) -> String {
    format!("{machine} {name}")
}

impl State {
    /// Whether a site has a state machine: the one that the runbook says.
    pub(super) fn has_machine(&self, site: usize, arn: &str) -> bool {
        let name = &self.spec.sites[site].name;
        self.spec.resources.values().any(|r| r.machine(name).is_some_and(|machine| machine.arn == arn))
    }

    /// A name that is known with the same input is the same execution; with another it is refused.
    pub(super) fn start_execution(&mut self, start: &Start, expected: Option<Span>) -> Result<Receipt, No> {
        let now = self.now;
        let begun = || Begun { start: start.clone(), at: now, expected };
        let begun = self.executions.entry(key(&start.machine, &start.name)).or_insert_with(begun);
        if begun.start.input != start.input {
            return Err(No::Never(format!("ExecutionAlreadyExists: {} has another input", start.name)));
        }
        Ok(Receipt::default())
    }

    /// An execution as it is now.
    pub(super) fn execution(&self, machine: &str, name: &str, script: &Script) -> Seen {
        let Some(Begun { start, at, expected }) = self.executions.get(&key(machine, name)) else {
            return Seen::Absent;
        };
        let simulate = script.simulate(&start.step);
        let ends = *at + simulate.takes.or(*expected).unwrap_or(TYPICAL);
        let exit = simulate.exit.unwrap_or(0);
        let (status, output, why) = match exit {
            _ if self.now < ends => (Status::Running, None, None),
            0 => (Status::Succeeded, Some(simulate.output.unwrap_or_else(|| json!({}))), None),
            _ => (Status::Failed, None, Some(format!("exit {exit}"))),
        };
        Seen::Execution(Execution { status, input: start.input.clone(), output, why })
    }
}
