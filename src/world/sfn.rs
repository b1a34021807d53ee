//! State machines that a team has already: what is seen of their executions and the call that
//! starts one. Facts of behaviour: Step Functions API reference (StartExecution, DescribeExecution).

use crate::{clock::Span, ids::StepId, model::Impact};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long an execution is taken to run where nobody says.
pub const TYPICAL: Span = Span::mins(5);

/// An execution of a state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// How far it is.
    pub status: Status,
    /// What it was given.
    pub input: Value,
    /// What it gave; none before it has succeeded, and where only the run will know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it failed, in the provider's words.
    pub why: Option<String>,
}

/// How far an execution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It runs, or waits to be redriven.
    Running,
    /// It reached its end.
    Succeeded,
    /// It failed, timed out or was stopped.
    Failed,
}

/// StartExecution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The step it belongs to; by it the sandbox finds what to answer.
    pub step: StepId,
    /// The state machine's ARN.
    pub machine: String,
    /// The execution's name: what makes a repeat harmless.
    pub name: String,
    /// What it is given.
    pub input: Value,
    /// What the machine does to production, as the author states it.
    pub impact: Impact,
}

/// The ARN of a state machine, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineArn<'a> {
    partition: &'a str,
    /// The Region it is in.
    pub region: &'a str,
    /// The account that has it.
    pub account: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> MachineArn<'a> {
    /// `arn:PARTITION:states:REGION:ACCOUNT:stateMachine:NAME`. None for anything else, versions and
    /// aliases among it: executions are named and found by the state machine alone.
    pub fn parse(arn: &'a str) -> Option<Self> {
        match arn.split(':').collect::<Vec<_>>()[..] {
            ["arn", partition, "states", region, account, "stateMachine", name]
                if ![partition, region, account, name].contains(&"") =>
            {
                Some(Self { partition, region, account, name })
            }
            _ => None,
        }
    }

    /// The ARN that the execution of a name has, or will have.
    pub fn execution(&self, name: &str) -> String {
        format!("arn:{}:states:{}:{}:execution:{}:{name}", self.partition, self.region, self.account, self.name)
    }
}

/// The most bytes that an execution's input may have (Step Functions quotas).
pub const INPUT_LIMIT: usize = 262_144;

/// The most characters that an execution's name may have (StartExecution).
pub const NAME_LIMIT: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_found_by_its_machine_and_name() {
        let arn = MachineArn::parse("arn:aws-cn:states:cn-north-1:111122223333:stateMachine:warm").expect("one");
        assert_eq!((arn.region, arn.account, arn.name), ("cn-north-1", "111122223333", "warm"));
        assert_eq!(arn.execution("r1-warm-1"), "arn:aws-cn:states:cn-north-1:111122223333:execution:warm:r1-warm-1");
        for other in [
            "warm",
            "arn:aws:states:us-west-2:111122223333:stateMachine:",
            "arn:aws:states:us-west-2:111122223333:stateMachine:warm:PROD",
            "arn:aws:states:us-west-2:111122223333:activity:warm",
            "arn:aws:lambda:us-west-2:111122223333:function:warm",
        ] {
            assert_eq!(MachineArn::parse(other), None, "{other}");
        }
    }
}
