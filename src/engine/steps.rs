//! A step's way from pending to done.

use super::{
    asks::{self, Ask, Reach},
    attempt::{self, attempt, ready, start},
    decide::{Cx, Turn},
    guard::guard,
    holds, outlook,
    state::Phase,
    step_run::{EffectRun, EffectStatus, StepRun, StepState},
};
use crate::{
    action::{Inputs, Next, Question, StepCx, writers},
    clock::{Span, Timestamp},
    driver::SendError,
    event::{EventKind, How, PauseReason, SkipReason, Way},
    ids::EffectNo,
    model::{Impact, Outputs, fact},
    plan::{PlanStep, Section},
    runbook::{FailurePolicy, Milestone, Retry},
    world::{Call, Class, Effect, Landed, Receipt, Seen, Sight, Target},
};
use std::{collections::BTreeSet, sync::Arc};

/// Moves a step on by one decision, where one is due. What it needs is done.
pub(super) fn advance(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, turn: &mut Turn) {
    let may_start = cx.state.paused.is_none() && !cx.live.stop_calls;
    match &run.state {
        StepState::Pending if may_start => ready(cx, step, turn),
        StepState::Ready if may_start => start(cx, step, run, turn),
        StepState::Backoff(until) if may_start => {
            if cx.now >= *until {
                attempt(cx, step, run, turn);
            } else {
                turn.wake(*until);
            }
        }
        StepState::Running => running(cx, step, run, turn),
        StepState::Failed(_) if cx.state.paused.is_none() => failed_again(cx, step, turn),
        StepState::Pending
        | StepState::Ready
        | StepState::Backoff(_)
        | StepState::Failed(_)
        | StepState::Done(_)
        | StepState::Undone => {}
    }
}

/// Whether nothing more will come of a step of `finally`.
pub(super) fn is_over(cx: &Cx<'_>, step: &PlanStep) -> bool {
    matches!(cx.state.steps[&step.id].state, StepState::Done(_) | StepState::Failed(_))
}

/// The context of a step that runs.
pub(super) fn context<'a>(cx: &Cx<'a>, step: &'a PlanStep, run: &'a StepRun, inputs: &'a Inputs) -> StepCx<'a> {
    let plan = &cx.state.plan;
    StepCx {
        run: &cx.state.run,
        step: &step.id,
        sites: &plan.ends,
        all_sites: &plan.sites,
        at: plan.site(&step.at).expect("a step's site is one of the plan's"),
        items: step.resources.iter().filter_map(|name| plan.resources.get(name)).collect(),
        resources: &plan.resources,
        probes: &inputs.probes,
        mode: plan.mode,
        direction: plan.direction,
        past: run.past_now(),
        undoing: run.way == Way::Undo,
        now: cx.now,
        limit: step.timeout,
        hold: step.hold.map(|hold| hold.max),
        incident: cx.state.incident(),
    }
}

/// All that a step may be decided on now: what its action asks and what would guard it.
pub(super) fn concerns(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, inputs: &Inputs) -> BTreeSet<Target> {
    let step_cx = context(cx, step, run, inputs);
    let guard = inputs.action.iter().flat_map(|action| writers::targets(action, &step_cx, cx.world));
    inputs.targets(&step_cx).into_iter().chain(guard).collect()
}

pub(super) fn running(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, turn: &mut Turn) {
    if let Some((no, effect)) = run.effects.iter().find(|(_, e)| e.status == EffectStatus::InDoubt) {
        if out_of_time(cx, step, run) && step.best_effort() {
            return fail(cx, step, "still in doubt at its timeout".into(), None, turn);
        }
        return settle(cx, step, *no, effect, turn);
    }
    if run.has_open_effect() {
        return;
    }
    // What only looks stands still in a pause; what changes things is finished first.
    if cx.live.stop_calls || (cx.state.paused.is_some() && run.past_now().sent.is_empty()) {
        return;
    }
    let Some(inputs) = &run.inputs else { return };
    let late = out_of_time(cx, step, run);
    let Some(next) = outlook::next(cx, step, run, inputs) else {
        if !late {
            turn.wake(run.deadline);
        } else if let Some(until) = outlook::nearly_done(cx, step, run, inputs) {
            turn.wake(until);
        } else {
            fail(cx, step, format!("not seen within {}", step.timeout), None, turn);
        }
        return;
    };
    match next {
        Next::Done { outputs, facts } => done(cx, step, run, outputs, facts, turn),
        Next::Stuck { why, hint } => fail(cx, step, why, Some(hint), turn),
        Next::Ask { question, facts, loss } => asks::raise(cx, step, question, facts, loss, turn),
        Next::Wait { why, .. } if late => {
            fail(cx, step, format!("not done within {}: waited for {why}", step.timeout), None, turn);
        }
        Next::Send { .. } if late => fail(cx, step, format!("not done within {}", step.timeout), None, turn),
        Next::Send { effect, .. } => {
            if outlook::is_held_up(cx, step, run, inputs, &effect) {
                return turn.wake(run.deadline);
            }
            let judge = |action| writers::judge(action, &context(cx, step, run, inputs), cx.world);
            let found = inputs.action.as_ref().map(judge).unwrap_or_default();
            // What was not foreseen may be graver than what it began by.
            let undoes = run.way == Way::Undo;
            let reach = if undoes { Reach::Within } else { asks::within_reach(cx, step, effect.impact(), turn) };
            match reach {
                Reach::Waits => turn.wake(run.deadline),
                Reach::Refused => fail(cx, step, SkipReason::BeyondReach.to_string(), None, turn),
                Reach::Within | Reach::BySight(_) => {
                    if guard(cx, step, found, turn) {
                        if effect.impact() > asks::gravity(step) {
                            attempt::by_sight(step, reach, turn);
                        }
                        intend(cx, step, run, *effect, turn);
                    }
                }
            }
        }
        Next::Wait { until, holds, why, .. } => wait(cx, step, run, (until, holds, why), turn),
    }
}

/// Settles what is in doubt of a step that does nothing else any more.
pub(super) fn settle_open(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, turn: &mut Turn) {
    if let Some((no, effect)) = run.effects.iter().find(|(_, e)| e.status == EffectStatus::InDoubt) {
        settle(cx, step, *no, effect, turn);
    }
}

/// The facts that the answer to a send gives.
pub(super) fn answered(
    cx: &Cx<'_>,
    step: &PlanStep,
    effect: EffectNo,
    result: Result<Receipt, SendError>,
) -> Vec<EventKind> {
    let id = step.id.clone();
    let mut turn = Turn::default();
    match result {
        Ok(receipt) => turn.push(EventKind::EffectApplied { step: id, effect, receipt }),
        Err(SendError::InDoubt { why }) => turn.push(EventKind::EffectInDoubt { step: id, effect, why }),
        Err(SendError::NotSent { why, .. }) => refused(cx, step, effect, (why, false), &mut turn),
        Err(SendError::Refused { why }) => refused(cx, step, effect, (why, true), &mut turn),
    }
    turn.events
}

/// The facts where somebody else changed what an effect was about to, and it was therefore not sent.
pub(super) fn overtaken(cx: &Cx<'_>, step: &PlanStep, effect: EffectNo) -> Vec<EventKind> {
    let mut turn = Turn::default();
    let of = cx.state.steps[&step.id].effects.get(&effect);
    let why = changed_by_another(of.map_or_else(String::new, |run| run.effect.target.to_string()));
    turn.push(EventKind::EffectRefused { step: step.id.clone(), effect, why: why.clone(), lasting: true });
    if !is_left_behind(cx, step) {
        superseded(cx, step, why, &mut turn);
    }
    turn.events
}

/// The run turned back while the step still went forward: what becomes of that is a fact, and no failure of
/// its undo.
fn is_left_behind(cx: &Cx<'_>, step: &PlanStep) -> bool {
    matches!(cx.state.phase, Phase::Undoing { .. }) && cx.state.steps[&step.id].way == Way::Forward
}

fn changed_by_another(what: impl std::fmt::Display) -> String {
    format!("{what} was changed by somebody else meanwhile")
}

/// Somebody wanted otherwise since: the step stops, and people decide.
fn superseded(cx: &Cx<'_>, step: &PlanStep, why: String, turn: &mut Turn) {
    fail(cx, step, why, Some("look at what happened, then resume with --retry, --skip or --undo".into()), turn);
}

fn out_of_time(cx: &Cx<'_>, step: &PlanStep, run: &StepRun) -> bool {
    let asking = cx.state.open_asks().any(|(_, a)| a.step.as_ref() == Some(&step.id));
    cx.now >= run.deadline && !asking
}

/// Tried again as the runbook says: a probe that says no ends the attempt.
pub(super) fn ends_attempt(step: &PlanStep, holds: Option<bool>) -> Option<Retry> {
    step.retry.filter(|_| holds == Some(false) && step.draft.action.as_deref() != Some("wait"))
}

fn wait(
    cx: &Cx<'_>,
    step: &PlanStep,
    run: &StepRun,
    (until, holds, why): (Option<Timestamp>, Option<bool>, String),
    turn: &mut Turn,
) {
    if let Some(retry) = ends_attempt(step, holds) {
        return again(cx, step, run, why, retry, turn);
    }
    if holds.is_some_and(|holds| holds != run.past_now().holding_since.is_some()) {
        turn.push(EventKind::Observed { step: step.id.clone(), facts: vec![fact(step.id.as_str(), why)], holds });
    }
    turn.wake(until.unwrap_or(run.deadline).min(run.deadline).max(cx.now + Span::ms(1)));
}

/// Ends an attempt and plans the next, or gives up.
fn again(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, why: String, retry: Retry, turn: &mut Turn) {
    let pause = Span((retry.delay.0 << (run.attempt.0 - 1).min(16)).min(retry.max_delay.0));
    let next = cx.now + pause;
    if run.attempt.0 >= retry.attempts || next >= run.deadline {
        let no_time = format!("no time for another within {}", step.timeout);
        let ends = if run.attempt.0 < retry.attempts { no_time } else { format!("the last of {}", retry.attempts) };
        return fail(cx, step, format!("{why} (attempt {}, {ends})", run.attempt), None, turn);
    }
    turn.push(EventKind::AttemptFailed { step: step.id.clone(), why, retry_at: Some(next) });
}

/// What surely was not applied is tried again within the timeout, unless the provider will say no again.
fn refused(cx: &Cx<'_>, step: &PlanStep, effect: EffectNo, (why, lasting): (String, bool), turn: &mut Turn) {
    const DEFAULT: Retry = Retry { attempts: u32::MAX, delay: Span::secs(2), max_delay: Span::secs(30) };
    turn.push(EventKind::EffectRefused { step: step.id.clone(), effect, why: why.clone(), lasting });
    let run = &cx.state.steps[&step.id];
    if run.state != StepState::Running || is_left_behind(cx, step) {
        return;
    }
    // A command or a request that the author wants tried again may say yes the next time.
    let errand = run.effects.get(&effect).is_some_and(|e| matches!(e.effect.call, Call::Run(_) | Call::Post(_)));
    if lasting && !(errand && step.retry.is_some()) {
        return fail(cx, step, why, Some("mend the cause, then resume with --retry".into()), turn);
    }
    again(cx, step, run, why, step.retry.unwrap_or(DEFAULT), turn);
}

fn intend(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, effect: Effect, turn: &mut Turn) {
    let unseen =
        || Sight { target: effect.target.clone(), at: cx.now, seen: Seen::Unknown { why: "nothing tells".into() } };
    let before = cx.world.sight(&effect.target).cloned().unwrap_or_else(unseen);
    let predicted = step.prediction.effects.iter().any(|p| p.effect == effect);
    if run.way == Way::Forward && effect.impact() >= Impact::Disruptive {
        holds::open(cx, step, turn);
    }
    turn.push(EventKind::EffectIntended {
        step: step.id.clone(),
        effect: run.next_effect(),
        call: Arc::new(effect),
        before: Arc::new(before),
        predicted,
    });
}

/// Rule D7: an effect in doubt is settled by looking, after the time in which the world may hide it.
fn settle(cx: &Cx<'_>, step: &PlanStep, no: EffectNo, effect: &EffectRun, turn: &mut Turn) {
    let settled = |landed| EventKind::EffectSettled { step: step.id.clone(), effect: no, landed };
    match effect.effect.class() {
        // The receiver knows a repeat by its token.
        Class::Token => return turn.push(settled(Landed::Unclear)),
        Class::Unobservable => return asked_settle(cx, step, no, effect, turn),
        Class::Desired | Class::Observable => {}
    }
    let not_before = effect.sent_by + effect.effect.dark();
    let Some(sight) = cx.world.sight(&effect.effect.target) else { return };
    match effect.effect.happened(&effect.before.seen, &sight.seen) {
        landed @ (Landed::Yes | Landed::InProgress) => turn.push(settled(landed)),
        Landed::Superseded => {
            turn.push(settled(Landed::Superseded));
            if !is_left_behind(cx, step) {
                superseded(cx, step, changed_by_another(&effect.effect.target), turn);
            }
        }
        Landed::No if sight.at >= not_before => turn.push(settled(Landed::No)),
        Landed::No | Landed::Unclear if cx.now < not_before => turn.wake(not_before),
        // No look has told in all the step's time: people may know.
        Landed::No | Landed::Unclear if cx.now >= cx.state.steps[&step.id].deadline => {
            asked_settle(cx, step, no, effect, turn);
        }
        Landed::No | Landed::Unclear => turn.wake(cx.state.steps[&step.id].deadline),
    }
}

/// An effect that nothing tells of: people are asked whether it happened.
fn asked_settle(cx: &Cx<'_>, step: &PlanStep, no: EffectNo, effect: &EffectRun, turn: &mut Turn) {
    let is_it = |a: &&Ask| a.step.as_ref() == Some(&step.id) && a.question == Question::InDoubt && !a.moot;
    let landed = match cx.state.asks.values().rev().find(is_it).and_then(|a| a.answer) {
        Some(true) => Landed::Yes,
        Some(false) => Landed::No,
        None => return asks::raise(cx, step, Question::InDoubt, vec![effect.effect.words()], None, turn),
    };
    turn.push(EventKind::EffectSettled { step: step.id.clone(), effect: no, landed });
}

fn done(
    cx: &Cx<'_>,
    step: &PlanStep,
    run: &StepRun,
    outputs: Outputs,
    facts: Vec<crate::model::Fact>,
    turn: &mut Turn,
) {
    let id = step.id.clone();
    if run.way == Way::Undo {
        turn.push(EventKind::StepUndone { step: id });
        return holds::undone(cx, step, turn);
    }
    if run.past.sent.is_empty() {
        // What it would close was closed already: it is held all the same.
        holds::open(cx, step, turn);
    }
    turn.push(EventKind::StepSucceeded { step: id.clone(), outputs, facts });
    holds::succeeded(cx.state, step).into_iter().for_each(|e| turn.push(e));
    if let Some(milestone) = step.milestone {
        turn.push(EventKind::MilestoneReached { milestone, step: id.clone() });
    }
    let probes = !step.draft.verify.is_empty() && step.at == cx.state.plan.ends.to.name;
    // What a probe saw before the promotion's end was no write, though it ends after it.
    let targets = |inputs: &Inputs| inputs.targets(&context(cx, step, run, inputs));
    let since = |promoted| {
        let seen = |t: Target| cx.world.sight(&t).is_some_and(|s| s.at >= promoted);
        run.inputs.as_deref().map(targets).unwrap_or_default().into_iter().all(seen)
    };
    let first_write = probes && cx.state.promoted().is_some_and(since);
    if first_write && !cx.state.milestones.contains_key(&Milestone::WritesAccepted) {
        turn.push(EventKind::MilestoneReached { milestone: Milestone::WritesAccepted, step: id });
    }
}

/// A step fails, and its policy follows in the same commit.
pub(super) fn fail(cx: &Cx<'_>, step: &PlanStep, why: String, hint: Option<String>, turn: &mut Turn) {
    turn.push(EventKind::StepFailed { step: step.id.clone(), why, hint });
    failed_policy(cx, step, turn);
}

/// A failed step that somebody continued past without saying how: its policy again.
fn failed_again(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    if step.section != Section::Finally {
        failed_policy(cx, step, turn);
    }
}

fn failed_policy(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) {
    let id = step.id.clone();
    let pause = || EventKind::RunPaused { why: PauseReason::StepFailed(step.id.clone()) };
    if matches!(cx.state.phase, Phase::Undoing { .. }) {
        return turn.push(pause());
    }
    if step.section == Section::Finally {
        return;
    }
    if step.best_effort() {
        turn.push(EventKind::StepPassed { step: id, how: How::BestEffort });
        return holds::fence_failed(cx, step, turn);
    }
    match step.on_failure {
        FailurePolicy::Pause => turn.push(pause()),
        FailurePolicy::Continue => turn.push(EventKind::StepPassed { step: id, how: How::Continued }),
        FailurePolicy::Abort => turn.push(EventKind::UndoBegun { why: format!("{id} failed"), holds_only: true }),
        FailurePolicy::Undo if cx.state.past_return() => turn.push(pause()),
        FailurePolicy::Undo => turn.push(EventKind::UndoBegun { why: format!("{id} failed"), holds_only: false }),
    }
}

#[cfg(test)]
mod tests;
