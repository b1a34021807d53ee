//! What happens next, given a run's state and what is seen of the world. Pure and total.
//!
//! | rule | when | what |
//! |---|---|---|
//! | D1 consent | irreversible steps, nothing changed yet | ask once, before anything else |
//! | D2 answers | an open question | answered by flag, by runbook, by silence; else, with nobody here, the run pauses |
//! | D3 refusals | a question was answered with no | abort (undo, where the runbook says so) |
//! | D4 holds | something is held longer than its `max`, before the point of no return | undo, or call people |
//! | D5 ready | phase forward, all needs done | left out: skipped; else ready |
//! | D6 start | ready and confirmed | an attempt begins, its inputs frozen |
//! | D7 doubt | an effect in doubt, its dark window over, its target seen since | settled by looking; what nothing tells is asked |
//! | D8 turn | running, nothing open, all targets seen | done, send one effect, wait, ask or fail |
//! | D9 single writer | a guarded step is about to send | violated: stop, in an emergency a question; unknown: stop, in an emergency covered by the consent, and the fence is owed |
//! | D10 time | a step's deadline has come | it fails, best effort passes |
//! | D11 failure | a step failed | its policy: pause, abort, continue, undo (before the point of no return) |
//! | D12 undo | phase undoing, nothing open | steps with effects, last done first, one at a time |
//! | D13 closing | all done, or all taken back | `finally`, one after the other |
//! | D14 finish | closing, `finally` done | measured, then finished |
//!
//! A paused run starts nothing (D5, D6), but what has effects under way goes on until it is done
//! (D7 to D10); what only looks stands still. After a second interrupt nothing is sent either.

use super::{
    asks, holds, outcome,
    state::{Phase, RunState},
    steps, undo,
};
use crate::{clock::Timestamp, event::EventKind, plan::Section, world::World};

/// What is true of the process that holds the run, beside the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// People can be asked here.
    pub interactive: bool,
    /// Nothing more may be sent; what is under way is settled.
    pub stop_calls: bool,
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// New facts, in order; one commit.
    pub events: Vec<EventKind>,
    /// When to decide again at the latest, where nothing else happens.
    pub wake: Option<Timestamp>,
    /// The run turned: what was to follow in this turn is decided anew.
    turned: bool,
}

impl Turn {
    pub(super) fn push(&mut self, event: EventKind) {
        self.turned |= matches!(
            event,
            EventKind::RunPaused { .. }
                | EventKind::UndoBegun { .. }
                | EventKind::ClosingBegun
                | EventKind::RunFinished { .. }
        );
        self.events.push(event);
    }
    pub(super) fn wake(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |t| t.min(at)));
    }
}

/// What a rule sees.
pub(super) struct Cx<'a> {
    pub(super) state: &'a RunState,
    pub(super) world: &'a World,
    pub(super) now: Timestamp,
    pub(super) live: Live,
}

/// Decides once. Ask again on the state with these events folded in, until there are none.
pub fn decide(state: &RunState, world: &World, now: Timestamp, live: Live) -> Turn {
    let cx = Cx { state, world, now, live };
    let mut turn = Turn::default();
    if state.phase == Phase::Finished {
        return turn;
    }
    asks::answer(&cx, &mut turn);
    if turn.turned || !turn.events.is_empty() {
        return turn;
    }
    if state.phase == Phase::Forward {
        asks::refused(&cx, &mut turn);
        if !turn.turned {
            holds::overdue(&cx, &mut turn);
        }
    }
    if turn.turned {
        return turn;
    }
    match state.phase {
        Phase::Forward => forward(&cx, &mut turn),
        Phase::Undoing { holds_only } => undo::undo(&cx, holds_only, &mut turn),
        Phase::Closing { aborted } => closing(&cx, aborted, &mut turn),
        Phase::Finished => {}
    }
    turn
}

fn forward(cx: &Cx<'_>, turn: &mut Turn) {
    if !asks::consent(cx, turn) {
        return;
    }
    for (step, run) in cx.state.agenda().filter(|(step, _)| step.section != Section::Finally) {
        steps::advance(cx, step, run, turn);
        if turn.turned {
            return;
        }
    }
    if cx.state.steps.are_done() && cx.state.paused.is_none() && turn.events.is_empty() {
        turn.push(EventKind::ClosingBegun);
    }
}

/// `finally`, one step after the other; a failing one does not keep the others from running.
fn closing(cx: &Cx<'_>, aborted: bool, turn: &mut Turn) {
    for step in &cx.state.plan.finally {
        if steps::is_over(cx, step) {
            continue;
        }
        steps::advance(cx, step, &cx.state.steps[&step.id], turn);
        return;
    }
    outcome::finish(cx, aborted, turn);
}
