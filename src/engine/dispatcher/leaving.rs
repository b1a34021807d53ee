//! How a process leaves its run: what it stays for, signals, and what it says of what is held closed.

use super::Dispatcher;
use crate::{
    engine::{
        doors::{Ended, EngineError, Signal},
        state::Phase,
        step_run::{EffectStatus, StepRun, StepState},
    },
    event::{EventKind, Notice, PauseReason, Way},
    ids::StepId,
    plan::Section,
    runbook::HoldEnd,
};

impl Dispatcher {
    /// Whether there is anything left that this process should stay for.
    pub(super) fn ended(&self) -> Option<Ended> {
        if let Some(outcome) = self.state.outcome {
            return Some(Ended::Finished(outcome));
        }
        let why = self.state.paused.clone()?;
        let now = self.deps.clock.now();
        let busy = self.state.steps.iter().any(|(id, run)| {
            let sending = run.effects.values().any(|e| e.status == EffectStatus::Intended);
            let doubtful = run.has_open_effect() && now < run.deadline;
            let moving = run.state == StepState::Running && self.moves(id, run) && !run.past_now().sent.is_empty();
            sending || (!self.live.stop_calls && (doubtful || moving))
        });
        // Whoever said twice that nothing more may be sent does not wait for an undo that would send.
        let asked = self.deps.waits && self.state.open_asks().next().is_some();
        let stays = !self.live.stop_calls && (self.live.interactive || asked || self.guards_a_hold());
        (!busy && !stays).then_some(Ended::Waiting(why))
    }

    /// Whether the run goes on with a step by itself: what asks waits for people, and what went forward when it
    /// turned back is driven by nobody any more.
    fn moves(&self, id: &StepId, run: &StepRun) -> bool {
        let asks = || self.state.open_asks().any(|(_, ask)| ask.step.as_ref() == Some(id));
        match self.state.phase {
            _ if asks() => false,
            Phase::Forward => true,
            Phase::Undoing { .. } => run.way == Way::Undo,
            Phase::Closing { .. } => self.state.planned(id).is_some_and(|step| step.section == Section::Finally),
            Phase::Finished => false,
        }
    }

    /// What is held closed is opened again in time, even if nobody comes back: rule D4 needs a
    /// process. An undo that failed has called for people already.
    fn guards_a_hold(&self) -> bool {
        let undo = |id: &StepId| self.state.planned(id).and_then(|s| s.hold).is_some_and(|h| h.then == HoldEnd::Undo);
        let guarded = self.state.holds.iter().any(|(id, held)| undo(id) && !held.past_return);
        self.state.phase == Phase::Forward && !self.state.past_return() && guarded
    }

    pub(super) async fn signal(&mut self, signal: Signal) -> Result<bool, EngineError> {
        if signal == Signal::Hangup {
            self.live.interactive = false;
            self.tell(|| Notice::Leaving);
            self.say(format!("the terminal is gone: the run goes on to its next gate{}", self.held()));
            return Ok(false);
        }
        // A run that went on after the last one begins to count anew.
        self.interrupts = if self.state.paused.is_none() && !self.live.stop_calls { 1 } else { self.interrupts + 1 };
        // Whoever ends the process is not there to be asked.
        if signal == Signal::Terminate {
            self.live.interactive = false;
            self.tell(|| Notice::Leaving);
        }
        match self.interrupts {
            1 if self.state.paused.is_none() => {
                self.say("pausing at the next safe point; interrupt again to stop new calls now".into());
                self.commit(vec![EventKind::RunPaused { why: PauseReason::Signal }]).await?;
                if !self.live.interactive {
                    self.say_why_it_stays();
                }
            }
            1 | 2 => {
                self.live.stop_calls = true;
                self.tell(|| Notice::Leaving);
                let held = self.held();
                self.say(format!("no new calls; settling those in flight; interrupt again to leave at once{held}"));
            }
            _ => return Ok(true),
        }
        Ok(false)
    }

    /// Nobody is there to be asked any more.
    pub(super) fn leave(&mut self) {
        self.live.interactive = false;
        self.tell(|| Notice::Leaving);
        self.say_why_it_stays();
    }

    /// A paused run whose process does not end yet, for the sake of what it holds closed.
    fn say_why_it_stays(&self) {
        if self.state.paused.is_some() && self.guards_a_hold() {
            self.say(format!("this process stays until that is undone{}", self.held()));
        }
    }

    pub(super) fn say(&self, text: String) {
        self.tell(|| Notice::Line(text));
    }

    /// What is held closed, since and until when, to be put behind a sentence.
    fn held(&self) -> String {
        let one = |h: &super::super::state::Held| {
            format!("{} since {}, until {} at most", h.what, h.since.time_of_day(), h.until.time_of_day())
        };
        let all: Vec<_> = self.state.holds.values().map(one).collect();
        if all.is_empty() { String::new() } else { format!("; held: {}", all.join(", ")) }
    }
}
