//! State machines that a team has already: what is seen of their executions and the call that
//! starts one. Facts of behaviour: Step Functions API reference (StartExecution, DescribeExecution).

use crate::{clock::Timestamp, ids::StepId, model::Impact};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An execution of a state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// How far it is.
    pub status: Status,
    /// What it was given.
    pub input: Value,
    /// What it gave, once it has succeeded.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub output: Value,
    /// Why it failed, in the provider's words.
    pub why: Option<String>,
    /// When it ended.
    pub ended: Option<Timestamp>,
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

impl Start {
    /// The ARN that the execution has, or will have.
    pub fn execution_arn(machine: &str, name: &str) -> String {
        format!("{}:{name}", machine.replacen(":stateMachine:", ":execution:", 1))
    }
}
