//! What people ask of a run, and what becomes of it. Pure.

use super::{
    holds,
    state::{Phase, RunState},
    step_run::{EffectStatus, StepRun, StepState},
};
use crate::{
    event::{Answered, AnsweredBy, Control, EventKind, PauseReason, Posted, RunOutcome, SkipReason, Verdict},
    ids::StepId,
    plan::PlanStep,
};

/// The events that a control becomes; the verdict always first. A control is taken once: one that
/// lies before the last one taken gives nothing.
pub fn receive(state: &RunState, posted: &Posted) -> Vec<EventKind> {
    let known = posted.id.0 > 0 && posted.id <= state.last_control;
    if known || state.phase == Phase::Finished {
        return vec![];
    }
    let (verdict, mut events) = match judge(state, posted) {
        Ok(events) => (Verdict::Accepted, events),
        Err(why) => (Verdict::Refused(why), vec![]),
    };
    events.insert(
        0,
        EventKind::ControlReceived { id: posted.id, by: posted.by.clone(), control: posted.control.clone(), verdict },
    );
    events
}

fn judge(state: &RunState, posted: &Posted) -> Result<Vec<EventKind>, String> {
    let by = || posted.by.clone();
    let go_on = || state.paused.is_some().then(|| EventKind::RunContinued { by: by() });
    match &posted.control {
        Control::Answer { ask, yes } => {
            let known = state.asks.get(ask).ok_or("there is no such question")?;
            if known.answer.is_some() {
                let who = known.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
                return Err(format!("already answered{who}"));
            }
            if known.moot {
                return Err("nobody waits for that answer any more".into());
            }
            let answer = if *yes { Answered::Yes } else { Answered::No };
            let given = EventKind::ConfirmationGiven { ask: *ask, answer, by: AnsweredBy::Person(by()) };
            let waits_for_it = matches!(&state.paused, Some(PauseReason::Unanswered(_) | PauseReason::InDoubt(_)));
            Ok(std::iter::once(given).chain(go_on().filter(|_| waits_for_it)).collect())
        }
        Control::Unknown => Err("the lifeboat that holds the run does not know what is asked: a newer one asked it".into()),
        Control::Pause if state.paused.is_some() => Err("it is paused already".into()),
        Control::Pause => Ok(vec![EventKind::RunPaused { why: PauseReason::Asked(by()) }]),
        Control::Continue => {
            let failed = state.plan.steps.iter().any(|s| matches!(state.steps[&s.id].state, StepState::Failed(_)));
            if failed && state.phase == Phase::Forward {
                return Err("a step has failed: retry it, skip it, mark it as done, or undo the run".into());
            }
            go_on().map(|e| vec![e]).ok_or_else(|| "it is not paused".into())
        }
        Control::Retry { step } => {
            let failed = failed(state, step)?;
            Ok(std::iter::once(EventKind::StepRetried { step: failed, by: by() }).chain(go_on()).collect())
        }
        Control::Skip { step, why } => {
            let (plan, run) = state.step(step).ok_or_else(|| format!("there is no step {step}"))?;
            if !plan.skippable {
                return Err(format!("{step} says `skippable: false`"));
            }
            in_turn(state, plan)?;
            if run.has_open_effect() || !matches!(run.state, StepState::Failed(_) | StepState::Pending | StepState::Ready | StepState::Backoff(_)) {
                return Err(format!("{step} cannot be skipped now: it is {}", word(&run.state)));
            }
            let why = SkipReason::Person { by: by(), why: why.clone() };
            Ok(std::iter::once(EventKind::StepSkipped { step: step.clone(), why }).chain(go_on()).collect())
        }
        Control::MarkDone { step, why } => {
            let (plan, run) = state.step(step).ok_or_else(|| format!("there is no step {step}"))?;
            in_turn(state, plan)?;
            if run.is_done() || run.has_open_effect() && !matches!(run.state, StepState::Failed(_)) {
                return Err(format!("{step} cannot be marked as done now: it is {}", word(&run.state)));
            }
            let marked = EventKind::StepMarkedDone { step: step.clone(), by: by(), why: why.clone() };
            Ok(std::iter::once(marked).chain(holds::succeeded(state, plan)).chain(go_on()).collect())
        }
        Control::Cancel => begin_undo(state, true, format!("cancelled by {}", posted.by.operator)),
        Control::Undo if state.past_return() => {
            Err("it is past the point of no return: go on with `lifeboat resume`, or move back later with `lifeboat failback`".into())
        }
        Control::Undo => begin_undo(state, false, format!("undo asked by {}", posted.by.operator)),
        Control::Abandon { .. } | Control::Supersede { .. } if sending(state) => Err("a call is under way: ask again in a moment".into()),
        Control::Abandon { .. } | Control::Supersede { .. } => {
            let doubt = state.steps.values().any(StepRun::has_open_effect);
            let outcome = if doubt { RunOutcome::InDoubt } else { RunOutcome::Abandoned };
            let owed = holds::unprotected(state).filter(|_| state.past_return());
            Ok(owed.into_iter().chain([EventKind::RunFinished { outcome }]).collect())
        }
    }
}

/// A step is left out or taken as done when its turn has come: others wait for it in order.
fn in_turn(state: &RunState, step: &PlanStep) -> Result<(), String> {
    match step.needs.iter().find(|n| state.steps.get(*n).is_some_and(|s| !s.is_done())) {
        Some(need) if matches!(state.phase, Phase::Forward) => Err(format!("it waits for {need}, which is not done")),
        _ => Ok(()),
    }
}

/// A call is under way in the process that holds the run, and alive.
fn sending(state: &RunState) -> bool {
    state.steps.values().flat_map(|s| s.effects.values()).any(|e| e.status == EffectStatus::Intended)
}

fn begin_undo(state: &RunState, holds_only: bool, why: String) -> Result<Vec<EventKind>, String> {
    match state.phase {
        Phase::Forward => Ok(vec![EventKind::UndoBegun { why, holds_only }]),
        Phase::Undoing { .. } | Phase::Closing { .. } | Phase::Finished => Err("it is ending already".into()),
    }
}

/// The step, if it has failed.
fn failed(state: &RunState, step: &StepId) -> Result<StepId, String> {
    let (_, run) = state.step(step).ok_or_else(|| format!("there is no step {step}"))?;
    match run.state {
        StepState::Failed(_) => Ok(step.clone()),
        _ => Err(format!("{step} has not failed: it is {}", word(&run.state))),
    }
}

fn word(state: &StepState) -> &'static str {
    match state {
        StepState::Pending => "waiting for others",
        StepState::Ready => "about to start",
        StepState::Running => "running",
        StepState::Backoff(_) => "about to be tried again",
        StepState::Failed(_) => "failed",
        StepState::Done(_) => "done",
        StepState::Undone => "undone",
    }
}

#[cfg(test)]
mod tests;
