//! Looks at Step Functions, and the start of an execution.

use super::{
    errors::Failed,
    eyes::{Asked, Place},
};
use crate::{
    driver::LookError,
    model::MachineArn,
    world::{
        Seen, What,
        probe::Answer,
        sfn::{Execution, Status},
    },
};
use aws_sdk_sfn::types::{ExecutionStatus, StateMachineStatus, StateMachineType};
use futures_util::future::join_all;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

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

/// What executions were given, by machine and name, while they run. It never changes.
#[derive(Debug, Default)]
pub(super) struct Inputs(Mutex<BTreeMap<What, Value>>);

impl Inputs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<What, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The executions of a machine that were asked for. Of several that ran when they were described, one list
/// tells which still do; all others are described.
pub(super) async fn executions(place: &Place<'_>, machine: &str, asked: &[&What]) -> Vec<(What, Asked)> {
    let known: Vec<_> = asked.iter().copied().filter(|what| place.memory.inputs.all().contains_key(what)).collect();
    // Who cannot list may still describe.
    let listed = if known.len() > 1 { running(place, machine).await.unwrap_or_default() } else { BTreeSet::new() };
    let one = async |what: &What| {
        let What::Execution(_, name) = what else { return nothing(what) };
        let input = listed.contains(name).then(|| place.memory.inputs.all().get(what).cloned()).flatten();
        if let Some(input) = input {
            return Ok(Seen::Execution(Execution { status: Status::Running, input, output: None, why: None }));
        }
        let seen = execution(place, machine, name).await;
        match &seen {
            Ok(Seen::Execution(seen)) if seen.status == Status::Running => {
                place.memory.inputs.all().insert(what.clone(), seen.input.clone());
            }
            _ => drop(place.memory.inputs.all().remove(what)),
        }
        seen
    };
    join_all(asked.iter().map(async |what| ((*what).clone(), one(what).await))).await
}

fn nothing(what: &What) -> Asked {
    Err(LookError::Permanent { why: format!("{what:?} is no execution") })
}

/// The names of a machine's executions that run, as far as they are among the thousand that began last.
async fn running(place: &Place<'_>, machine: &str) -> Result<BTreeSet<String>, LookError> {
    place.turn("states").await;
    let call = place.clients.sfn.list_executions().state_machine_arn(machine);
    let told = call.status_filter(ExecutionStatus::Running).max_results(1000).send().await;
    let told = told.map_err(|e| place.failed("states", Failed::of(&e)))?;
    Ok(told.executions().iter().map(|execution| execution.name().to_owned()).collect())
}

async fn execution(place: &Place<'_>, machine: &str, name: &str) -> Asked {
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
