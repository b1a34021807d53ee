//! Looks at Step Functions, and the start of an execution.

use super::{
    errors::Failed,
    eyes::{Asked, Place},
};
use crate::{
    driver::{
        LookError,
        lately::{FRESH, Lately},
    },
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

/// What is known of executions that were described.
#[derive(Debug, Default)]
pub(super) struct Executions {
    /// What those that run were given: it never changes.
    given: Mutex<BTreeMap<What, Value>>,
    /// Machines whose executions may not be listed.
    unlisted: Lately<String, ()>,
}

impl Executions {
    fn given(&self) -> MutexGuard<'_, BTreeMap<What, Value>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The executions of a machine that were asked for. Of several that ran when they were described, one list
/// tells which still do; all others are described.
pub(super) async fn executions(place: &Place<'_>, machine: &str, asked: &[&What]) -> Vec<(What, Asked)> {
    let given = asked.iter().filter_map(|what| place.memory.executions.given().get(what).cloned()).count();
    let running = if given > 1 { running(place, machine).await } else { Ok(BTreeSet::new()) };
    let one = async |what: &What| {
        let What::Execution(_, name) = what else { return nothing(what) };
        let input = place.memory.executions.given().get(what).cloned();
        match (input, &running) {
            (Some(_), Err(e)) => Err(e.clone()),
            (Some(input), Ok(running)) if running.contains(name) => {
                Ok(Seen::Execution(Execution { status: Status::Running, input, output: None, why: None }))
            }
            _ => described(place, what, machine, name).await,
        }
    };
    join_all(asked.iter().map(async |what| ((*what).clone(), one(what).await))).await
}

fn nothing(what: &What) -> Asked {
    Err(LookError::Permanent { why: format!("{what:?} is no execution") })
}

/// The names of a machine's executions that run, as far as they are among the thousand that began last; none
/// where they may not be listed.
async fn running(place: &Place<'_>, machine: &str) -> Result<BTreeSet<String>, LookError> {
    let unlisted = &place.memory.executions.unlisted;
    if unlisted.told(&machine.to_owned(), FRESH).is_some() {
        return Ok(BTreeSet::new());
    }
    place.turn("states").await;
    let call = place.clients.sfn.list_executions().state_machine_arn(machine);
    let told = call.status_filter(ExecutionStatus::Running).max_results(1000).send().await;
    match told.map_err(|e| place.failed("states", Failed::of(&e))) {
        Ok(told) => {
            place.answered("states");
            Ok(told.executions().iter().map(|execution| execution.name().to_owned()).collect())
        }
        Err(LookError::Permanent { .. }) => {
            unlisted.tell(machine.to_owned(), ());
            Ok(BTreeSet::new())
        }
        Err(e) => Err(e),
    }
}

/// An execution as it is described, and remembered while a list tells that it runs.
async fn described(place: &Place<'_>, what: &What, machine: &str, name: &str) -> Asked {
    let (seen, listed) = execution(place, machine, name).await?;
    match &seen {
        Seen::Execution(execution) if listed => {
            place.memory.executions.given().insert(what.clone(), execution.input.clone());
        }
        _ => drop(place.memory.executions.given().remove(what)),
    }
    Ok(seen)
}

/// An execution, and whether a list of those that run has it.
async fn execution(place: &Place<'_>, machine: &str, name: &str) -> Result<(Seen, bool), LookError> {
    let Some(arn) = MachineArn::parse(machine).map(|machine| machine.execution(name)) else {
        return Err(LookError::Permanent { why: format!("{machine} is no state machine's ARN") });
    };
    place.turn("states").await;
    let told = match place.clients.sfn.describe_execution().execution_arn(arn).send().await {
        Ok(told) => told,
        Err(e) => return absent(place, Failed::of(&e), "ExecutionDoesNotExist").map(|seen| (seen, false)),
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
    let seen = Seen::Execution(Execution {
        status,
        input: json(told.input()),
        output: (status == Status::Succeeded).then(|| json(told.output())),
        why: failed.then(|| why.unwrap_or_else(|| told.status().as_str().to_owned())),
    });
    Ok((seen, *told.status() == ExecutionStatus::Running))
}

/// Text that is JSON, or itself.
fn json(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

fn absent(place: &Place<'_>, failed: Failed, code: &str) -> Asked {
    if failed.code() == Some(code) { Ok(Seen::Absent) } else { Err(place.failed("states", failed)) }
}
