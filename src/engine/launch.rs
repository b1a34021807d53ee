//! Beginning a run, and taking one up again.

use super::{
    Inherited, control,
    dispatcher::{Dispatcher, MOMENT},
    doors::{Deps, Doors, Ended, EngineError},
    state::RunState,
};
use crate::{
    both::both,
    clock::{Timestamp, going_on_from},
    event::{Cause, Control, Event, EventKind, Obligation, Policy, Posted, Realm, Who},
    ids::{ControlId, Digest, RunId, Seq},
    plan::Plan,
    store::Journal,
    world::World,
};
use std::sync::Arc;

/// What a new run begins with.
#[derive(Clone, Debug)]
pub struct Start {
    /// All it needs.
    pub plan: Plan,
    /// Where.
    pub realm: Realm,
    /// What the command line answers beforehand.
    pub policy: Policy,
    /// When the incident began, where somebody said.
    pub since: Option<Timestamp>,
    /// The run it takes over from.
    pub supersedes: Option<RunId>,
    /// What is owed already.
    pub owed: Vec<Obligation>,
    /// What the run before it left closed.
    pub held: Vec<Inherited>,
    /// It only opens again what it takes over. Why.
    pub release: Option<String>,
    /// Why it begins without a person.
    pub cause: Option<Cause>,
}

impl Start {
    /// A run that takes nothing over.
    pub fn new(plan: Plan, realm: Realm, policy: Policy) -> Self {
        Self {
            plan,
            realm,
            policy,
            since: None,
            supersedes: None,
            owed: vec![],
            held: vec![],
            release: None,
            cause: None,
        }
    }
}

/// Begins a run and drives it until it ends or waits for people.
pub async fn start(deps: Deps, doors: Doors, begin: Start) -> Result<(Ended, RunState), EngineError> {
    let now = deps.clock.now();
    let mut plan = begin.plan;
    let held: Vec<_> = begin.held.into_iter().map(|held| held.take_over(&mut plan, now)).collect();
    let release = begin.release.map(|why| EventKind::UndoBegun { why, holds_only: true });
    let plan = Arc::new(plan);
    let started = EventKind::RunStarted {
        plan: plan.clone(),
        by: deps.who.clone(),
        realm: begin.realm,
        policy: begin.policy,
        since: begin.since,
        supersedes: begin.supersedes,
        owed: begin.owed,
        cause: begin.cause.map(Box::new),
    };
    let (run, epoch) = (deps.journal.run().clone(), deps.journal.epoch());
    let started = Event { run, seq: Seq(1), epoch, at: now, kind: started };
    let unsealed = EventKind::PlanSealed { digest: Digest::new("") };
    let taken = EventKind::LeaseTaken { holder: deps.who.clone(), from: None };
    let first = [unsealed, taken].into_iter().chain(held).chain(release);
    // Sealing a long plan takes as long as deciding what comes first, which does not ask for the seal.
    let (digest, begun) = both(
        || Digest::of_json(&plan),
        || -> Result<_, EngineError> {
            let state = RunState::begin(&started)?;
            let world = World::of(plan.observed.iter().filter(|sight| sight.at + MOMENT >= now).cloned());
            let mut dispatcher = Dispatcher::new(deps, doors, state, world).beginning(started);
            dispatcher.fold(first, now)?;
            dispatcher.decide(now)?;
            Ok(dispatcher)
        },
    );
    begun?.sealed(digest).run().await
}

/// Takes a run up again: everything open in it is in doubt until it was looked at.
pub async fn resume(deps: Deps, doors: Doors, policy: Policy) -> Result<(Ended, RunState), EngineError> {
    let run = deps.journal.run().clone();
    let stored = deps.journal.store().read(&run, Seq(1)).await?;
    let state = replay(&stored)?;
    if let Some(outcome) = state.outcome {
        return Ok((Ended::Finished(outcome), state));
    }
    let from = state.holder.clone();
    let inbox = deps.journal.store().inbox(&run, state.last_control).await?;
    let who = deps.who.clone();
    let deps = Deps { clock: going_on_from(state.last_at, deps.clock), ..deps };
    let mut dispatcher = Dispatcher::new(deps, doors, state, World::default());
    dispatcher
        .commit(vec![EventKind::LeaseTaken { holder: who.clone(), from }, EventKind::RunResumed { by: who, policy }])
        .await?;
    for posted in inbox {
        let events = control::receive(dispatcher.state(), &posted);
        dispatcher.commit(events).await?;
    }
    dispatcher.run().await
}

/// Ends a run that no process holds, as it stands: what it holds and owes stays in its record.
pub async fn end(journal: Journal, who: &Who, control: Control, now: Timestamp) -> Result<RunState, EngineError> {
    let run = journal.run().clone();
    let stored = journal.store().read(&run, Seq(1)).await?;
    let mut state = RunState::replay(&stored)?;
    let mut journal = journal.at(state.head);
    if state.outcome.is_some() {
        // Its own process ended it meanwhile, which is what was asked.
        journal.release().await?;
        return Ok(state);
    }
    let posted = Posted { id: ControlId(0), at: now, by: who.clone(), control };
    let mut batch = vec![];
    let mut add = |state: &mut RunState, kinds: Vec<EventKind>, epoch| -> Result<(), EngineError> {
        for kind in kinds {
            let at = now.max(state.last_at);
            let event = Event { run: run.clone(), seq: state.head.next(), epoch, at, kind };
            state.apply(&event)?;
            batch.push(event);
        }
        Ok(())
    };
    // What the process before left open is in doubt from now on; it is not under way any more.
    let (from, policy, epoch) = (state.holder.clone(), state.policy.clone(), journal.epoch());
    let taken =
        vec![EventKind::LeaseTaken { holder: who.clone(), from }, EventKind::RunResumed { by: who.clone(), policy }];
    add(&mut state, taken, epoch)?;
    let ends = control::receive(&state, &posted);
    add(&mut state, ends, epoch)?;
    journal.append(&batch).await?;
    journal.release().await?;
    match state.outcome {
        Some(_) => Ok(state),
        None => Err(EngineError::Refused),
    }
}

/// The state that a run's events lead to, if they follow each other and its plan is the sealed one.
pub fn replay(events: &[Event]) -> Result<RunState, EngineError> {
    let state = RunState::replay(events)?;
    check_seal(events, &state)?;
    Ok(state)
}

/// The plan is the one that was sealed, or the run is not ours to go on with.
fn check_seal(events: &[Event], state: &RunState) -> Result<(), EngineError> {
    let sealed = events.iter().find_map(|e| match &e.kind {
        EventKind::PlanSealed { digest } => Some(digest),
        _ => None,
    });
    if sealed == Some(&Digest::of_json(&state.plan)) { Ok(()) } else { Err(EngineError::Seal) }
}

#[cfg(test)]
mod tests;
