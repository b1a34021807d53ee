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

/// The most bytes that an execution's input may have (Step Functions quotas).
pub const INPUT_LIMIT: usize = 262_144;

/// The most characters that an execution's name may have (StartExecution).
pub const NAME_LIMIT: usize = 80;
