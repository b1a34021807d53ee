//! Executions of state machines: they run for a while and end as the step's `simulate` says.

use super::{calls::No, script::Script, state::State};
use crate::{
    clock::{Span, Timestamp},
    world::{
        Receipt, Seen,
        sfn::{Execution, Start, Status},
    },
};
use serde::{Deserialize, Serialize};

/// How long an execution runs where nobody says.
const TYPICAL: Span = Span::mins(1);

/// An execution that was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    start: Start,
    at: Timestamp,
}

impl State {
    /// Whether a site has a state machine: the one that the runbook says.
    pub(super) fn has_machine(&self, site: usize, arn: &str) -> bool {
        let name = &self.spec.sites[site].name;
        self.spec.resources.values().any(|r| r.machine(name).is_some_and(|machine| machine.arn == arn))
    }

    /// A name that is known with the same input is the same execution; with another it is refused.
    pub(super) fn start_execution(&mut self, start: &Start) -> Result<Receipt, No> {
        let arn = Start::execution_arn(&start.machine, &start.name);
        let at = self.now;
        let begun = self.executions.entry(arn.clone()).or_insert_with(|| Begun { start: start.clone(), at });
        if begun.start.input != start.input {
            return Err(No::Never(format!("ExecutionAlreadyExists: {arn} has another input")));
        }
        Ok(Receipt { id: Some(arn), ..Receipt::default() })
    }

    /// An execution as it is now.
    pub(super) fn execution(&self, machine: &str, name: &str, script: &Script) -> Seen {
        let Some(Begun { start, at }) = self.executions.get(&Start::execution_arn(machine, name)) else {
            return Seen::Absent;
        };
        let simulate = script.simulate(&start.step);
        let ends = *at + simulate.takes.unwrap_or(TYPICAL);
        let failed = simulate.exit.filter(|exit| *exit != 0);
        let status = match failed {
            _ if self.now < ends => Status::Running,
            Some(_) => Status::Failed,
            None => Status::Succeeded,
        };
        let ended = status != Status::Running;
        Seen::Execution(Execution {
            status,
            input: start.input.clone(),
            output: simulate.output.filter(|_| status == Status::Succeeded).unwrap_or_default(),
            why: failed.filter(|_| ended).map(|exit| format!("simulated: exit {exit}")),
            ended: ended.then_some(ends),
        })
    }
}
