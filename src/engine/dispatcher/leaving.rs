//! How a process leaves its run: signals, and what it says of what is held closed.

use super::Dispatcher;
use crate::{
    engine::doors::{EngineError, Signal},
    event::{EventKind, Notice, PauseReason},
};

impl Dispatcher {
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
