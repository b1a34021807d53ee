//! Looks at Step Functions, and the start of an execution.

use super::{
    errors::Failed,
    eyes::{Asked, Place},
};
use crate::{
    clock::Timestamp,
    world::{
        Seen,
        probe::Answer,
        sfn::{Execution, Start, Status},
    },
};
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;

/// Whether a state machine is there.
pub(super) async fn machine(place: &Place<'_>, arn: &str) -> Asked {
    place.turn("states").await;
    match place.clients.sfn.describe_state_machine().state_machine_arn(arn).send().await {
        Ok(found) => {
            place.answered("states");
            let why = found.status().map_or("ACTIVE", |s| s.as_str()).to_owned();
            Ok(Seen::Answer(Answer { ok: why == "ACTIVE", why, output: Value::Null }))
        }
        Err(e) => absent(place, Failed::of(&e), "StateMachineDoesNotExist"),
    }
}

/// An execution, by its machine and name.
pub(super) async fn execution(place: &Place<'_>, machine: &str, name: &str) -> Asked {
    place.turn("states").await;
    let arn = Start::execution_arn(machine, name);
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
        output: json(told.output()),
        why: failed.then(|| why.unwrap_or_else(|| told.status().as_str().to_owned())),
        ended: told.stop_date().and_then(|t| t.to_millis().ok()).map(Timestamp),
    }))
}

/// Text that is JSON, or itself.
fn json(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

fn absent(place: &Place<'_>, failed: Failed, code: &str) -> Asked {
    if failed.code() == Some(code) { Ok(Seen::Absent) } else { Err(place.failed("states", failed)) }
}
