//! The world as a process holds it: the state, kept in step with the disk and with what other
//! processes did to it meanwhile.

use super::{
    HANGS, chance,
    command::{Command, Reply},
    disk::{Disk, SandboxError, Speed},
    faults::Fault,
    lived::Lived,
    not_sent,
    script::{Script, step_of},
    see::{GIVES_UP, Reach, is_description},
    state::State,
};
use crate::{
    clock::{BootClock as _, BootInstant, KernelBootClock, Span, Timestamp},
    driver::{LookError, SendError},
    ids::StepId,
    world::{Effect, Seen, Target},
};
use std::collections::VecDeque;

/// A state, where it is stored, and what the runbook says about it.
pub(super) struct World {
    state: State,
    version: i64,
    disk: Option<Disk>,
    script: Script,
    speed: Speed,
    written: Timestamp,
    past: Option<Past>,
}

/// Whoever looks next finds the world as late as this process left it: what it saw come true must not
/// be seen to lie ahead again. A process that is killed leaves untold at most what it saw since its run's
/// last event, and no more than a minute of that.
impl Drop for World {
    fn drop(&mut self) {
        // Nobody is left to hear of a failure, and the world is only a little younger then.
        drop(self.keep_time(self.state.now));
    }
}

/// A state that lags behind, for stale reads.
struct Past {
    state: State,
    commands: VecDeque<(Timestamp, Command)>,
}

impl World {
    pub(super) fn new(state: State, version: i64, disk: Option<Disk>, (script, speed): (Script, Speed)) -> Self {
        Self { written: state.now, state, version, disk, script, speed, past: None }
    }

    pub(super) fn seed(&self) -> u64 {
        self.state.seed
    }

    pub(super) fn speed(&self) -> Speed {
        self.speed
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    /// Takes in what other processes did, then lets time come to an instant.
    fn come_to(&mut self, at: Timestamp) -> Result<(), SandboxError> {
        /// How much virtual time may be lost with the process. To write it down at every look would be most
        /// of what a run at `max` writes at all.
        const LONG: Span = Span::mins(1);
        self.catch_up()?;
        self.state.advance(at);
        if at.since(self.written) >= LONG { self.keep_time(at) } else { Ok(()) }
    }

    /// Whoever opens the world from now on finds it no earlier than that.
    pub(super) fn keep_time(&mut self, at: Timestamp) -> Result<(), SandboxError> {
        let virtual_time = self.speed == Speed::Max && at > self.written;
        if let Some(disk) = self.disk.as_ref().filter(|_| virtual_time) {
            disk.came_to(at)?;
            self.written = at;
        }
        Ok(())
    }

    fn catch_up(&mut self) -> Result<(), SandboxError> {
        let Some(disk) = &self.disk else { return Ok(()) };
        if disk.version()? == self.version {
            return Ok(());
        }
        if let Some(stored) = disk.load()? {
            (self.state, self.version, self.past) = (stored.state, stored.version, None);
        }
        Ok(())
    }

    /// Takes a command: durable before anybody hears of it, and without a trace if it is refused.
    pub(super) fn command(&mut self, command: &Command, at: Timestamp) -> Result<Reply, SendError> {
        self.command_before(BootInstant(u64::MAX), command, at)
    }

    /// As [`World::command`], unless the sender's lease has run out by the time that it arrives: to
    /// work out what it leads to takes long enough to fall asleep over.
    fn command_before(&mut self, deadline: BootInstant, command: &Command, at: Timestamp) -> Result<Reply, SendError> {
        loop {
            self.come_to(at).map_err(|error| not_sent(&error))?;
            let mut next = self.state.clone();
            let reply = next.take(command, at)?;
            in_time(deadline)?;
            if let Some(disk) = &mut self.disk
                && !disk.store(self.version, command, &next).map_err(|error| not_sent(&error))?
            {
                continue;
            }
            if let Some(past) = &mut self.past {
                past.commands.push_back((next.now, command.clone()));
            }
            self.state = next;
            self.version += 1;
            return Ok(reply);
        }
    }

    /// How an effect will be met, and how long its way is.
    pub(super) fn meets(&mut self, effect: &Effect, at: Timestamp) -> Result<(Reach, Span), SandboxError> {
        self.come_to(at)?;
        Ok((self.state.effect_reach(effect), self.way("send", Span::ms(25), Span::ms(150))))
    }

    /// Takes an effect, in the sandbox's own time for its operation.
    pub(super) fn send(
        &mut self,
        deadline: BootInstant,
        (token, effect): (&str, &Effect),
        at: Timestamp,
    ) -> Result<Reply, SendError> {
        let expected = self.script.expect(step_of(token), effect);
        let command = Command::Effect { token: token.to_owned(), effect: Box::new(effect.clone()), expected };
        self.command_before(deadline, &command, at)
    }

    /// Takes a change that is nobody's effect.
    pub(super) fn meddle(&mut self, effect: &Effect, at: Timestamp) -> Result<(), SendError> {
        let command =
            Command::Effect { token: "somebody".to_owned(), effect: Box::new(effect.clone()), expected: None };
        self.command(&command, at).map(|_| ())
    }

    /// Takes on a fault.
    pub(super) fn strike(&mut self, fault: &Fault, at: Timestamp) -> Result<(), SendError> {
        self.command(&Command::Fault(fault.clone()), at).map(|_| ())
    }

    /// Whether the effect of a token was ever applied.
    pub(super) fn was_applied(&self, token: &str) -> bool {
        self.state.account.has_applied(token)
    }

    /// A step begins; stored where something waits for it.
    pub(super) fn step_started(&mut self, step: &StepId, at: Timestamp) -> Result<(), SandboxError> {
        self.come_to(at)?;
        if !self.state.waits_for(step) {
            return Ok(());
        }
        self.command(&Command::Reached(step.clone()), at).map(|_| ()).map_err(|error| SandboxError::File {
            path: self.disk.as_ref().map_or_else(String::new, Disk::name),
            why: error.to_string(),
        })
    }

    /// How long a look takes.
    pub(super) fn look_takes(&mut self, at: &[Target], now: Timestamp) -> Result<Span, SandboxError> {
        self.come_to(now)?;
        let way = self.way("look", Span::ms(50), Span::ms(300));
        let takes = |target: &Target| match self.state.reach(target) {
            Reach::Open => way + self.state.lasts(target, &self.script),
            Reach::Dark => GIVES_UP,
            Reach::Hangs => HANGS,
        };
        Ok(at.iter().map(takes).max().unwrap_or(way))
    }

    /// What is seen of targets at an instant.
    pub(super) fn look(&mut self, at: &[Target], now: Timestamp) -> Result<Vec<Result<Seen, LookError>>, SandboxError> {
        self.come_to(now)?;
        let stale = self.state.stale_until.is_some_and(|until| self.state.now < until);
        if stale {
            self.fall_behind();
        } else {
            self.past = None;
        }
        let see = |target: &Target| {
            let past = self.past.as_ref().filter(|_| is_description(&target.what));
            past.map_or(&self.state, |past| &past.state).see(target, &self.script)
        };
        Ok(at.iter().map(see).collect())
    }

    /// Keeps a past of 5 to 20 seconds, which descriptions are taken from.
    fn fall_behind(&mut self) {
        let behind = chance::span(chance::draw(self.state.seed, "stale", 0), Span::secs(5), Span::secs(20));
        let until = self.state.now - behind;
        let state = &self.state;
        let past = self.past.get_or_insert_with(|| Past { state: state.clone(), commands: VecDeque::new() });
        while past.commands.front().is_some_and(|(at, _)| *at <= until) {
            let Some((at, command)) = past.commands.pop_front() else { break };
            // It was taken once, so it is taken again: nothing but it and time changes a state.
            past.state.take(&command, at).ok();
        }
        past.state.advance(until);
    }

    /// What clients lived through until an instant.
    pub(super) fn lived(&mut self, at: Timestamp) -> Result<Lived, SandboxError> {
        self.come_to(at)?;
        Ok(self.state.lived())
    }

    /// The way to a service: chance, but no chance of the world's.
    fn way(&self, what: &str, lo: Span, hi: Span) -> Span {
        chance::span(chance::draw(self.state.seed, what, self.state.now.since(self.state.born).0), lo, hi)
    }

    #[cfg(test)]
    pub(super) fn state(&self) -> &State {
        &self.state
    }
}

/// Nothing is sent after the end of a lease.
pub(super) fn in_time(deadline: BootInstant) -> Result<(), SendError> {
    if KernelBootClock.boot() < deadline {
        return Ok(());
    }
    Err(SendError::NotSent { after: None, why: "the lease has run out".into() })
}
