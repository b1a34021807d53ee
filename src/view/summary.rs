//! The closing report of a run: what state production is in, what was measured, what was lost, held
//! and owed, and the next thing to type. Also written when a run waits: it is then the report of a
//! run that is not over.

use super::{
    Commands, Page, Progress, Tone,
    commands::Next,
    json,
    progress::{Phase, Sent, State},
    text::{short, wrap},
    words,
};
use crate::{
    clock::Timestamp,
    event::{Event, How, Measure, Objective, Obligation, Realm, RunOutcome, Who},
    ids::{RunId, StepId},
    model::{Direction, FromTo, Mode},
};
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};

/// A run in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The run.
    pub run: RunId,
    /// Its runbook.
    pub runbook: String,
    /// Which way it moves.
    pub direction: Option<Direction>,
    /// Its mode at the end.
    pub mode: Option<Mode>,
    /// Which world it changed.
    pub realm: Option<Realm>,
    /// The two ends.
    pub ends: Option<FromTo>,
    /// Who began it.
    pub by: Option<Who>,
    /// When it began.
    pub started: Timestamp,
    /// When its last event was.
    pub ended: Timestamp,
    /// How it ended; none: it did not.
    pub outcome: Option<RunOutcome>,
    /// The same in words; where it did not end, what it does or waits for.
    pub standing: String,
    /// What was measured.
    pub measured: Vec<Measured>,
    /// What is held closed.
    pub held: Vec<Held>,
    /// What the pair of sites still needs.
    pub owed: Vec<Obligation>,
    /// Steps that did not simply succeed, and why.
    pub steps: Vec<Told>,
    /// How many effects were sent, and what became of them.
    pub effects: Effects,
    /// There is only forward.
    pub irrevocable: bool,
    /// What to type next.
    pub next: Vec<Next>,
}

/// An objective and how it came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// Which.
    pub objective: Objective,
    /// How it came out.
    pub value: Measure,
}

/// Something held closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The step that holds it.
    pub step: StepId,
    /// What.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// When it has lasted too long.
    pub until: Timestamp,
    /// Only the promotion ends it: it is not opened again.
    pub for_good: bool,
}

/// A step and what there is to tell of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The step.
    pub step: StepId,
    /// `failed`, `left out`, `undone`, `marked done`, `in doubt`, `not started`.
    pub state: &'static str,
    /// Why.
    pub why: String,
}

/// How many effects there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Intended, so sent at most.
    pub sent: usize,
    /// Known to have happened.
    pub applied: usize,
    /// Known not to have happened.
    pub refused: usize,
    /// Not known.
    pub in_doubt: usize,
}

/// The report of a run from its events; none where there are none. `commands` say how commands
/// are typed here; none: as the journal tells.
pub fn of(events: &[Event], commands: Option<&Commands>) -> Option<Summary> {
    let progress = Progress::of(events);
    let own = Commands::of(&progress);
    let next = commands.unwrap_or(&own).next(&progress);
    let plan = progress.plan.as_deref();
    let (outcome, standing) = standing(&progress);
    Some(Summary {
        run: progress.run.clone()?,
        runbook: plan.map_or_else(String::new, |p| p.runbook.clone()),
        direction: plan.map(|p| p.direction),
        mode: progress.mode,
        realm: progress.realm,
        ends: plan.map(|p| p.ends.clone()),
        by: progress.by.clone(),
        started: progress.started,
        ended: progress.now,
        outcome,
        standing,
        measured: progress.measured.iter().map(|(o, v)| Measured { objective: *o, value: v.clone() }).collect(),
        held: progress
            .holds
            .iter()
            .map(|(step, h)| Held {
                step: step.clone(),
                what: h.what.clone(),
                since: h.since,
                until: h.until,
                for_good: words::ends_with_promotion(h, &progress),
            })
            .collect(),
        owed: progress.owed.iter().cloned().collect(),
        steps: told(&progress),
        effects: Effects {
            sent: progress.effects.len(),
            applied: progress.count(Sent::Applied),
            refused: progress.count(Sent::Refused),
            in_doubt: progress.count(Sent::InDoubt) + progress.count(Sent::Intended),
        },
        irrevocable: progress.irrevocable,
        next,
    })
}

/// How a run ended, or what it does.
pub fn standing(progress: &Progress) -> (Option<RunOutcome>, String) {
    match &progress.phase {
        Phase::Finished(outcome) => (Some(*outcome), outcome.to_string()),
        Phase::Paused(why) => (None, format!("paused: {}", words::pause(why))),
        _ if !progress.asks.is_empty() => (None, "waits for an answer".into()),
        Phase::Forward => (None, "not finished".into()),
        Phase::Undoing => (None, "being undone, not finished".into()),
        Phase::Closing => (None, "closing, not finished".into()),
    }
}

fn told(progress: &Progress) -> Vec<Told> {
    let part_way = !matches!(
        progress.phase,
        Phase::Finished(RunOutcome::Done | RunOutcome::ObjectiveMissed | RunOutcome::Unprotected)
    );
    let mut order: Vec<_> =
        progress.plan.iter().flat_map(|p| p.steps.iter().chain(&p.finally)).map(|s| &s.id).collect();
    order.extend(progress.steps.keys().filter(|id| progress.plan.as_ref().is_none_or(|p| p.step(id).is_none())));
    let tell = |id: &StepId| {
        let (state, why) = match progress.steps.get(id).map(|s| &s.state) {
            Some(State::Failed { why, .. }) => ("failed", why.clone()),
            Some(State::Done(How::BestEffort)) => ("failed", "best effort: the run went on".into()),
            Some(State::Done(How::Continued)) => ("failed", "on_failure: continue, the run went on".into()),
            Some(State::Done(How::MarkedDone)) => ("marked done", "by hand".into()),
            Some(State::LeftOut(why)) => ("left out", why.to_string()),
            Some(State::Undone) => ("undone", String::new()),
            Some(State::InDoubt) => ("in doubt", "an effect may or may not have happened".into()),
            Some(State::Running(_) | State::Retrying(_)) => ("not finished", String::new()),
            Some(State::Ready) | None if part_way => ("not started", String::new()),
            Some(State::Ready | State::Done(How::Succeeded | How::Skipped)) | None => return None,
        };
        Some(Told { step: id.clone(), state, why })
    };
    let planned_out = |id: &StepId| progress.plan.as_ref().and_then(|p| p.step(id)).is_some_and(|s| !s.runs());
    order.into_iter().filter(|id| !planned_out(id)).filter_map(tell).collect()
}

impl Summary {
    /// For programs.
    pub fn json(&self) -> Value {
        json::of("summary", self)
    }

    /// For people.
    pub fn human(&self, page: &Page, out: &mut dyn Write) -> io::Result<()> {
        for (name, tone, value) in self.rows() {
            let first = super::text::pad(&name, 14);
            for (n, line) in wrap(&value, page.width, &first, first.len()).iter().enumerate() {
                let (head, tail) = line.split_at(first.len().min(line.len()));
                let head = if n == 0 { page.paint(Tone::Strong, head) } else { head.to_owned() };
                writeln!(out, "{head}{}", page.paint(tone, tail))?;
            }
        }
        for next in &self.next {
            // A command is never broken: it is copied whole.
            writeln!(out, "{}{}", page.paint(Tone::Strong, "next: "), next.command)?;
            for line in wrap(&next.what, page.width, "        ", 8) {
                writeln!(out, "{}", page.paint(Tone::Dim, &line))?;
            }
        }
        Ok(())
    }

    fn rows(&self) -> Vec<(String, Tone, String)> {
        let mut rows = vec![self.outcome_row()];
        for m in &self.measured {
            let tone = if m.value.met == Some(false) { Tone::Warn } else { Tone::Plain };
            let name = if m.objective == Objective::Rpo { "writes lost".into() } else { m.objective.to_string() };
            rows.push((name, tone, words::measure(m.objective, &m.value)));
        }
        let ended = self.outcome.is_some();
        for held in &self.held {
            let (since, until) = (held.since.time_of_day(), held.until.time_of_day());
            // What a process holds too long it opens again, but only while it is there.
            let ends = match held.for_good {
                true => "until the promotion is done".to_owned(),
                false if ended => "until it is opened by hand".to_owned(),
                false => format!("until {until} at most while its process lives"),
            };
            let text = format!("{} since {since}, {ends}; by {}", held.what, held.step);
            rows.push(("held".into(), Tone::Bad, text));
        }
        if self.held.is_empty() && !ended {
            rows.push(("held".into(), Tone::Plain, "nothing".into()));
        }
        for owed in &self.owed {
            rows.push(("owed".into(), Tone::Warn, owed.to_string()));
        }
        for told in self.steps.iter().filter(|t| !t.why.is_empty()) {
            rows.push((told.state.to_owned(), Tone::Warn, format!("{}: {}", told.step, told.why)));
        }
        rows.extend(self.without_reason());
        rows.push(("effects".into(), Tone::Plain, self.effects.to_string()));
        rows
    }

    /// The steps that have nothing to tell but their state, a row a state.
    fn without_reason(&self) -> impl Iterator<Item = (String, Tone, String)> {
        let mut states: Vec<(&str, Vec<&str>)> = vec![];
        for told in self.steps.iter().filter(|t| t.why.is_empty()) {
            match states.iter_mut().find(|(state, _)| *state == told.state) {
                Some((_, steps)) => steps.push(told.step.as_str()),
                None => states.push((told.state, vec![told.step.as_str()])),
            }
        }
        states.into_iter().map(|(state, steps)| (state.to_owned(), Tone::Warn, steps.join(", ")))
    }

    fn outcome_row(&self) -> (String, Tone, String) {
        let what = self.direction.map_or_else(|| "run".into(), |d| d.to_string());
        let mode = self.mode.map_or_else(String::new, |m| format!("{m} "));
        let ends = self.ends.as_ref().map_or_else(String::new, |e| format!(", {} -> {}", e.from.name, e.to.name));
        let sandbox = if self.realm == Some(Realm::Sandbox) { ", in the sandbox" } else { "" };
        let took = short(self.ended.since(self.started));
        let tone = match self.outcome {
            Some(RunOutcome::Done) => Tone::Good,
            Some(RunOutcome::Partial | RunOutcome::InDoubt) => Tone::Bad,
            Some(_) | None => Tone::Warn,
        };
        let text =
            format!("{} ({mode}{what} of {}{ends}, run {}, {took}{sandbox})", self.standing, self.runbook, self.run);
        ("outcome".into(), tone, text)
    }
}

impl std::fmt::Display for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} sent, {} happened", self.sent, self.applied)?;
        if self.refused > 0 {
            write!(f, ", {} did not", self.refused)?;
        }
        if self.in_doubt > 0 {
            write!(f, ", {} in doubt", self.in_doubt)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
