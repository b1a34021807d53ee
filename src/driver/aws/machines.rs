//! Looks at Step Functions, and the start of an execution.

use super::{
    errors::Failed,
    eyes::{Asked, Place},
};
use crate::{
    driver::LookError,
    model::MachineArn,
    world::{
        Seen,
        probe::Answer,
        sfn::{Execution, Status},
    },
};
use aws_sdk_sfn::types::{ExecutionStatus, StateMachineStatus, StateMachineType};
use serde_json::Value;

/// Whether a state machine is there, and takes executions that can be named and followed.
pub(super) async fn machine(place: &Place<'_>, arn: &str) -> Asked {
    place.turn("states").await;
    match place.clients.sfn.describe_state_machine().state_machine_arn(arn).send().await {
        Ok(found) => {
            place.answered("states");
            // A name starts an express one again and again, and nothing tells of its executions.
            let why = match (found.r#type(), found.status()) {
                (StateMachineType::Express, _) => "is an express one: nothing keeps it from starting twice",
                (_, Some(StateMachineStatus::Deleting)) => "is being deleted",
                _ => return Ok(Seen::Answer(Answer::plain(true, "is active"))),
            };
            Ok(Seen::Answer(Answer::plain(false, why)))
        }
        Err(e) => absent(place, Failed::of(&e), "StateMachineDoesNotExist"),
    }
}

/// An execution, by its machine and name.
pub(super) async fn execution(place: &Place<'_>, machine: &str, name: &str) -> Asked {
    let Some(arn) = MachineArn::parse(machine).map(|machine| machine.execution(name)) else {
        return Err(LookError::Permanent { why: format!("{machine} is no state machine's ARN") });
    };
    place.turn("states").await;
    let told = match place.clients.sfn.describe_execution().execution_arn(arn).send().await {
        Ok(told) => told,
        Err(e) => return absent(place, Failed::of(&e), "ExecutionDoesNotExist"),
    };
    place.answered("states");
    let status = match told.status() {
        ExecutionStatus::Running | ExecutionStatus::PendingRedrive => Status::Running,
        ExecutionStatus::Succeeded => Status::Succeeded,
        _ => Status::Failed,
    };
    let why = match (told.error(), told.cause()) {
        (Some(error), Some(cause)) => Some(format!("{error}: {cause}")),
        (one, other) => one.or(other).map(str::to_owned),
    };
    let failed = status == Status::Failed;
    Ok(Seen::Execution(Execution {
        status,
        input: json(told.input()),
        output: (status == Status::Succeeded).then(|| json(told.output())),
        why: failed.then(|| why.unwrap_or_else(|| told.status().as_str().to_owned())),
    }))
}

/// Text that is JSON, or itself.
fn json(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

fn absent(place: &Place<'_>, failed: Failed, code: &str) -> Asked {
    if failed.code() == Some(code) { Ok(Seen::Absent) } else { Err(place.failed("states", failed)) }
}
