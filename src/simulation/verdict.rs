//! What became of a schedule: whether the run came out as it may, and what users lived through.

use super::{Case, judge, plans, scene::Stage, schedule::Schedule};
use crate::{
    clock::Span,
    engine::RunState,
    event::{Event, EventKind, Measure, Objective, ObligationKind, RunOutcome, SkipReason, Way},
    ids::{RunId, Seq, StepId},
    model::{Direction, Mode},
    plan::Situation,
    sandbox::{Fault, Lived},
};

/// A schedule that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its seed.
    pub seed: u64,
    /// What was to go wrong.
    pub schedule: Schedule,
    /// How much of it did.
    pub struck: usize,
    /// How the run came to rest.
    pub rest: Rest,
    /// What must never be so, in words. None: all is as it must be.
    pub broken: Vec<String>,
    /// How it was measured.
    pub measures: Vec<(Objective, Measure)>,
    /// What users lived through.
    pub lived: Lived,
    /// Steps that gave up or were passed.
    pub not_done: Vec<StepId>,
    /// How each process ended.
    pub ends: Vec<String>,
    /// The journal.
    pub events: Vec<Event>,
}

/// How a run came to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It ended.
    Finished(RunOutcome),
    /// It was not begun, and why.
    NotBegun(String),
    /// It never ended, and why.
    Stuck(String),
}

impl Played {
    /// What could not be begun.
    pub(super) fn not_begun(seed: u64, why: String) -> Self {
        Self {
            seed,
            schedule: Schedule::default(),
            struck: 0,
            rest: Rest::NotBegun(why),
            broken: vec![],
            measures: vec![],
            lived: Lived::default(),
            not_done: vec![],
            ends: vec![],
            events: vec![],
        }
    }

    /// How it was measured against an objective, where it was.
    pub fn measure(&self, objective: Objective) -> Option<&Measure> {
        self.measures.iter().find(|(of, _)| *of == objective).map(|(_, measure)| measure)
    }

    /// Whether it moved the service, or whatever its run was to do.
    pub fn got_there(&self) -> bool {
        match &self.rest {
            Rest::Finished(outcome) => judge::got_there(*outcome),
            Rest::NotBegun(_) | Rest::Stuck(_) => false,
        }
    }
}

/// Closes a schedule.
pub(super) async fn judge(
    stage: &Stage,
    case: &Case,
    (seed, schedule, ends, struck): (u64, Schedule, Vec<String>, usize),
    (run, failed): (RunId, Option<String>),
    before: &Lived,
) -> Played {
    let state = stage.judge.run(&run);
    let events = stage.store.kept().read(&run, Seq(1)).await.unwrap_or_default();
    let rest = match (&state, failed) {
        (Some(RunState { outcome: Some(outcome), .. }), None) => Rest::Finished(*outcome),
        (None, Some(why)) => Rest::NotBegun(why),
        (_, why) => Rest::Stuck(why.unwrap_or_default()),
    };
    let lived = stage.sandbox.lived().map(|lived| lived.since(before)).unwrap_or_default();
    if let Some(state) = &state {
        told_right(stage, state, &events);
        kept_right(stage, case, state, &lived);
        let by_hand = events.iter().any(|event| is_by_hand(&event.kind));
        ended_right(stage, case, &rest, by_hand).await;
    }
    let reached = schedule.world.iter().filter(|fault| has_come(fault, &events)).count();
    Played {
        seed,
        schedule,
        struck: struck + reached + stage.store.struck() + stage.wire.struck(),
        broken: stage.judge.broken(),
        measures: state.as_ref().map(|state| state.measures.clone()).unwrap_or_default(),
        not_done: state.as_ref().map(judge::not_done).unwrap_or_default(),
        rest,
        lived,
        ends,
        events,
    }
}

/// Whether what a fault of the world waits for has come.
fn has_come(fault: &Fault, events: &[Event]) -> bool {
    let begun = |event: &Event| match &event.kind {
        EventKind::AttemptStarted { step, way: Way::Forward, .. } => fault.at.as_ref() == Some(step),
        _ => false,
    };
    fault.at.is_none() || events.iter().any(begun)
}

/// What is stored is what was made durable, and it can be replayed.
fn told_right(stage: &Stage, state: &RunState, events: &[Event]) {
    match RunState::replay(events) {
        Ok(replayed) if replayed == *state => {}
        Ok(_) => stage.judge.blame("I4: a replay of the journal is not the state that it led to"),
        Err(why) => stage.judge.blame(format!("I4: {why}")),
    }
}

/// What users must never live through.
fn kept_right(stage: &Stage, case: &Case, state: &RunState, lived: &Lived) {
    // In an emergency people may go past a writer that cannot be seen; then it is owed to fence it.
    let owes = state.owed.iter().any(|owed| owed.kind == ObligationKind::Fence);
    if let Some(both) = lived.two_writers.filter(|_| case.mode == Mode::Planned || !owes) {
        stage.judge.blame(format!("two writers for {}, from {}", both.total, both.from));
    }
    for again in &lived.repeated {
        stage.judge.blame(format!("I2: applied twice: {again}"));
    }
    if case.mode == Mode::Planned && case.direction.is_move() && lived.rows_lost > 0 {
        stage.judge.blame(format!("a planned move lost {} rows", lived.rows_lost));
    }
    let may_hold =
        matches!(state.outcome, Some(RunOutcome::Abandoned | RunOutcome::InDoubt | RunOutcome::Partial) | None);
    if !may_hold && !state.holds.is_empty() {
        let held: Vec<_> = state.holds.values().map(|held| held.what.clone()).collect();
        stage.judge.blame(format!("it ended well, yet holds {}", held.join(", ")));
    }
}

/// The outcome tells what the world shows, when all that went wrong by itself is over.
async fn ended_right(stage: &Stage, case: &Case, rest: &Rest, by_hand: bool) {
    /// Dark sites are back, stale reads over, backups made.
    const OVER: Span = Span::hours(3);
    let outcome = match rest {
        Rest::Finished(outcome) => *outcome,
        Rest::Stuck(why) => return stage.judge.blame(format!("liveness: {why}")),
        Rest::NotBegun(_) => return,
    };
    if by_hand {
        return;
    }
    stage.clock.sleep_until(stage.clock.now() + OVER).await;
    let situation = plans::situation(case, &*stage.sandbox, &*stage.clock).await;
    if let Err(why) = fits(case, outcome, &situation) {
        stage.judge.blame(format!("it ended as {outcome}, yet {why}"));
    }
}

/// A person took a step upon themselves: its outcome is their word.
fn is_by_hand(kind: &EventKind) -> bool {
    matches!(kind, EventKind::StepSkipped { why: SkipReason::Person { .. }, .. } | EventKind::StepMarkedDone { .. })
}

fn fits(case: &Case, outcome: RunOutcome, situation: &Situation) -> Result<(), String> {
    let home = &case.checked.runbook().primary;
    let away = case.to.as_ref().unwrap_or(&case.checked.runbook().standbys[0]);
    let (from, to) = match case.direction {
        Direction::Failover => (home, away),
        Direction::Failback => (away, home),
        // What a reprotect did shows in what follows whom.
        Direction::Reprotect => {
            let follows = situation.follows(home, away);
            let done = outcome == RunOutcome::Done;
            return if done && !follows { Err(format!("{home} does not follow {away}")) } else { Ok(()) };
        }
    };
    let active = situation.served_site();
    let serves = match outcome {
        RunOutcome::Done | RunOutcome::ObjectiveMissed | RunOutcome::Unprotected => to,
        RunOutcome::RolledBack | RunOutcome::Refused => from,
        RunOutcome::Partial | RunOutcome::InDoubt | RunOutcome::Abandoned => return Ok(()),
    };
    if active != Some(serves) {
        return Err(format!("{} serves, not {serves}", situation.evidence()));
    }
    if situation.is_held_closed(serves) {
        return Err(format!("{serves} is closed for writes"));
    }
    Ok(())
}
