//! What changes the world from outside: effects, faults, steps that begin. One command is one row
//! on disk; taking one is pure, so the same commands at the same times give the same world.

use super::{
    calls::No,
    faults::{Fault, Lost},
    script::step_of,
    see::Reach,
    state::State,
};
use crate::{
    clock::{Span, Timestamp},
    driver::SendError,
    ids::StepId,
    world::{Call, Effect, Receipt, asg},
};
use serde::{Deserialize, Serialize};

/// A change from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Command {
    /// A fault is to strike.
    Fault(Fault),
    /// A step begins.
    Reached(StepId),
    /// An effect arrives.
    Effect {
        /// What tells one intent from another.
        token: String,
        /// What is to be done.
        effect: Box<Effect>,
        /// How long its operation is said to take.
        expected: Option<Span>,
    },
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// It was taken, and the sender hears of it.
    Heard(Receipt),
    /// The sender hears nothing; whether it was taken is not for it to know.
    Silence,
}

impl State {
    /// Takes a command at an instant. After an error the state is not to be used any more: whoever
    /// gives commands gives them to a copy.
    pub(super) fn take(&mut self, command: &Command, at: Timestamp) -> Result<Reply, SendError> {
        self.advance(at);
        let reply = match command {
            Command::Fault(fault) => {
                self.arm(fault, self.now);
                Reply::Heard(Receipt::default())
            }
            Command::Reached(step) => {
                self.reached(step, self.now);
                Reply::Heard(Receipt::default())
            }
            Command::Effect { token, effect, expected } => self.send(token, effect, *expected)?,
        };
        self.refresh();
        Ok(reply)
    }

    fn send(&mut self, token: &str, effect: &Effect, expected: Option<Span>) -> Result<Reply, SendError> {
        let step = step_of(token);
        if let Some(step) = step.map(StepId::from).filter(|step| self.waits_for(step)) {
            self.reached(&step, self.now);
        }
        if self.loses(step) == Some(Lost::Request) {
            self.has_lost(step);
            return Ok(Reply::Silence);
        }
        if self.throttled_until.is_some_and(|until| self.now < until) {
            return Err(SendError::NotSent { after: Some(Span::secs(2)), why: "Throttling: rate exceeded".into() });
        }
        if self.effect_reach(effect) != Reach::Open {
            // It got lost between leaving and arriving: nothing happened, but who sent it cannot know.
            let why = format!("{} stopped answering after it was sent", effect.target.region);
            return Err(SendError::InDoubt { why });
        }
        if self.account.recognises(token, effect) {
            return Ok(Reply::Heard(Receipt::default()));
        }
        let receipt = self.apply(effect, expected).map_err(|no| match no {
            No::Never(why) => SendError::Refused { why },
            No::NotNow(why) => SendError::NotSent { after: None, why },
        })?;
        self.account.count(token, effect);
        Ok(match self.loses(step) {
            Some(Lost::Answer) => {
                self.has_lost(step);
                Reply::Silence
            }
            Some(Lost::Request) | None => Reply::Heard(receipt),
        })
    }

    fn apply(&mut self, effect: &Effect, expected: Option<Span>) -> Result<Receipt, No> {
        let target = &effect.target;
        match &effect.call {
            Call::Rds(call) => self.call_rds(target, call, expected),
            Call::Scaling(asg::Call::Update { name, size, .. }) => {
                let group = self.site_of(target).and_then(|site| self.group(site, name));
                let group = group.ok_or_else(|| No::Never(format!("ValidationError: there is no group {name}")))?;
                self.update_group(group, *size, expected).map_err(No::Never)?;
                Ok(Receipt::default())
            }
            Call::Dns(batch) => {
                let id = self.change_records(batch)?;
                Ok(Receipt { id: Some(id), ..Receipt::default() })
            }
            Call::Machine(start) => self.start_execution(start, expected),
            Call::Run(run) => {
                self.so.extend(run.check.as_ref().map(|check| said(&check.argv)));
                Ok(Receipt::default())
            }
            Call::Post(_) => Ok(Receipt::default()),
        }
    }
}

/// A command line as one text.
pub(super) fn said(argv: &[String]) -> String {
    argv.join("\u{1f}")
}
