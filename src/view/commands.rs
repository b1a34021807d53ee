//! The next thing to type. Every text that leaves a person with a decision ends in one of these,
//! exact to the character.

use super::progress::{Phase, Progress};
use crate::{
    event::{PauseReason, Realm, RunOutcome},
    ids::{RunId, StepId},
    model::Direction,
    plan::Plan,
};
use serde::Serialize;

/// How commands about a runbook and its runs are typed here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// The runbook's file, as it was typed.
    pub file: String,
    /// What every command needs behind it: ` --sandbox`, ` --store URL`; empty, or with a space in front.
    pub flags: String,
}

/// A command and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Next {
    /// To be typed.
    pub command: String,
    /// What it does, a few words.
    pub what: String,
}

impl Commands {
    /// Those of a run, as far as its journal tells.
    pub fn of(progress: &Progress) -> Self {
        let file = progress.plan.as_ref().map_or_else(
            || "RUNBOOK".to_owned(),
            |p| if p.folder.is_empty() { p.file.clone() } else { format!("{}/{}", p.folder, p.file) },
        );
        let flags = if progress.realm == Some(Realm::Sandbox) { " --sandbox" } else { "" };
        Self { file, flags: flags.into() }
    }

    /// A command about neither: `bare("watch --explain")`.
    pub fn bare(&self, command: &str) -> String {
        format!("lifeboat {command}{}", self.flags)
    }

    /// A command about the runbook: `on_file("status")`.
    pub fn on_file(&self, command: &str) -> String {
        format!("lifeboat {command} {}{}", self.file, self.flags)
    }

    /// A command about a run: `on_run("resume", &run, " --undo")`.
    pub fn on_run(&self, command: &str, run: &RunId, more: &str) -> String {
        format!("lifeboat {command} {run}{more}{}", self.flags)
    }

    /// The same run once more, as a new one.
    pub fn again(&self, plan: &Plan) -> String {
        let mode = if plan.direction.is_move() { format!(" --{}", plan.mode) } else { String::new() };
        self.on_file(&format!("{}{mode}", plan.direction))
    }

    /// How what an ended run left closed is opened again, or what else there is to do about it.
    pub fn held(&self, progress: &Progress) -> Vec<Next> {
        let (Some(run), Some(plan), false) = (&progress.run, &progress.plan, progress.holds.is_empty()) else {
            return vec![];
        };
        let closed = progress.holds.values().map(|h| h.what.as_str()).collect::<Vec<_>>().join(", ");
        let again = next(self.again(plan), "goes on with it, as a run of its own");
        if progress.irrevocable || progress.holds.values().any(|h| h.past_return) {
            return vec![again];
        }
        vec![next(self.on_run("cancel", run, ""), &format!("opens again what it left closed: {closed}")), again]
    }

    /// What a person can type next, the most likely first.
    pub fn next(&self, progress: &Progress) -> Vec<Next> {
        let Some(run) = &progress.run else { return vec![] };
        match &progress.phase {
            Phase::Finished(outcome) => self.after(*outcome, progress, run),
            Phase::Paused(why) => self.paused(why, progress, run),
            Phase::Forward | Phase::Undoing | Phase::Closing if !progress.asks.is_empty() => self.answers(run),
            Phase::Forward | Phase::Undoing | Phase::Closing => {
                vec![next(self.on_run("resume", run, ""), "goes on where it stopped")]
            }
        }
    }

    /// How a question is answered from anywhere.
    pub fn answers(&self, run: &RunId) -> Vec<Next> {
        vec![next(self.on_run("approve", run, ""), "answers yes"), next(self.on_run("reject", run, ""), "answers no")]
    }

    fn paused(&self, why: &PauseReason, progress: &Progress, run: &RunId) -> Vec<Next> {
        let resume = |more: &str, what: &str| next(self.on_run("resume", run, more), what);
        let mut all = match why {
            PauseReason::StepFailed(step) => self.failed(step, progress, run),
            PauseReason::Asked(_) | PauseReason::Signal => vec![resume("", "goes on")],
            PauseReason::Unanswered(_) => {
                let mut all = self.answers(run);
                all.push(resume("", "goes on and asks here"));
                all
            }
            PauseReason::InDoubt(_) => vec![
                resume("", "looks again"),
                next(self.on_run("approve", run, ""), "says that it happened"),
                next(self.on_run("reject", run, ""), "says that it did not happen"),
            ],
        };
        if !progress.irrevocable {
            all.push(resume(" --undo", "takes back all that was done"));
        }
        all.push(next(self.on_run("cancel", run, ""), "releases what is held and ends the run as it stands"));
        all
    }

    fn failed(&self, step: &StepId, progress: &Progress, run: &RunId) -> Vec<Next> {
        let resume = |flag: &str, more: &str, what: &str| {
            next(self.on_run("resume", run, &format!(" --{flag} {step}{more}")), what)
        };
        let mut all = vec![resume("retry", "", "tries it again")];
        if progress.plan.as_ref().and_then(|p| p.step(step)).is_none_or(|s| s.skippable) {
            all.push(resume("skip", " --reason \"...\"", "goes on without it"));
        }
        all.push(resume("mark-done", " --reason \"...\"", "takes it as done: you did it by hand"));
        all
    }

    fn after(&self, outcome: RunOutcome, progress: &Progress, run: &RunId) -> Vec<Next> {
        let show = next(self.on_run("show", run, ""), "tells what happened, event by event");
        let status = next(self.on_file("status"), "looks at how things are now");
        let mut all = match outcome {
            RunOutcome::Partial | RunOutcome::InDoubt | RunOutcome::Abandoned => self.held(progress),
            RunOutcome::Done
            | RunOutcome::ObjectiveMissed
            | RunOutcome::Unprotected
            | RunOutcome::Refused
            | RunOutcome::RolledBack => vec![],
        };
        if !progress.owed.is_empty() {
            let owed: Vec<_> = progress.owed.iter().map(ToString::to_string).collect();
            all.push(next(self.on_file("reprotect"), &format!("pays what is owed: {}", owed.join(", "))));
        }
        let direction = progress.plan.as_ref().map(|p| p.direction);
        match outcome {
            RunOutcome::Done | RunOutcome::ObjectiveMissed | RunOutcome::Unprotected => match direction {
                Some(Direction::Failover) if progress.owed.is_empty() => {
                    all.push(next(self.on_file("failback"), "moves home, when it is time"));
                }
                _ => all.push(status),
            },
            RunOutcome::Refused | RunOutcome::RolledBack => {
                all.extend([show, next(self.on_file("plan"), "shows what another try would do")]);
            }
            RunOutcome::Partial | RunOutcome::InDoubt | RunOutcome::Abandoned => all.extend([status, show]),
        }
        all
    }
}

fn next(command: String, what: &str) -> Next {
    Next { command, what: what.to_owned() }
}
