//! What stands at the bottom of the screen while a run goes on: its clock, what works and what it
//! waits for, what is asked, held and owed, how lag and weights move.
//!
//! The rows are a pure function of [`Progress`]; times come from the run's clock alone, since a
//! sandbox's clock is not the wall's. indicatif draws them, finished lines scroll above.

use super::super::{
    Page, Progress, Tone,
    progress::{Phase, State, Step},
    seen,
    text::{cut, one_line, pad, short},
    words,
};
use crate::{
    event::{Realm, Way},
    ids::StepId,
    model::Direction,
    world::{Seen, Sight, Target, What},
};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// More rows than this would push the lines above out of sight.
const MOST_ROWS: usize = 14;

/// The rows on a terminal.
pub(super) struct Bars {
    multi: MultiProgress,
    steps: ProgressBar,
    rows: Vec<ProgressBar>,
    page: Page,
}

impl Bars {
    /// Draws to a target; nothing yet.
    pub(super) fn new(target: ProgressDrawTarget, page: Page) -> Self {
        let multi = MultiProgress::with_draw_target(target);
        let steps = ProgressBar::hidden();
        Self { multi, steps, rows: vec![], page }
    }

    /// Shows where a run stands.
    pub(super) fn show(&mut self, progress: &Progress) {
        if progress.run.is_none() || matches!(progress.phase, Phase::Finished(_)) {
            return self.clear();
        }
        let (over, all) = progress.tally();
        let text = self.page.paint(Tone::Strong, &clock(progress));
        if self.rows.is_empty() {
            let steps = ProgressBar::new(all as u64).with_position(over as u64).with_message(text);
            self.steps = self.multi.add(steps.with_style(counting(&self.page)));
            self.steps.tick();
        } else {
            // Each of these draws, so only what changed is told.
            if self.steps.position() != over as u64 || self.steps.length() != Some(all as u64) {
                self.steps.set_length(all as u64);
                self.steps.set_position(over as u64);
            }
            set(&self.steps, text);
        }
        let rows = rows(progress, &self.page);
        while self.rows.len() > rows.len() {
            if let Some(last) = self.rows.pop() {
                self.multi.remove(&last);
            }
        }
        for (n, text) in rows.into_iter().enumerate() {
            if let Some(row) = self.rows.get(n) {
                set(row, text);
            } else {
                let row = self.multi.add(ProgressBar::new(0).with_style(plain()).with_message(text));
                row.tick();
                self.rows.push(row);
            }
        }
    }

    /// Takes all rows away; lines above stay.
    pub(super) fn clear(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        for row in self.rows.drain(..) {
            self.multi.remove(&row);
        }
        self.multi.remove(&self.steps);
        self.steps = ProgressBar::hidden();
        // A terminal that is gone is no reason to stop a failover.
        let _ = self.multi.clear();
    }

    /// A line above the rows.
    pub(super) fn line(&self, text: &str) {
        let _ = self.multi.println(text);
    }

    /// Lets something else write to the terminal; the rows are away meanwhile.
    pub(super) fn suspend<T>(&self, during: impl FnOnce() -> T) -> T {
        self.multi.suspend(during)
    }

    /// What it is drawn on.
    pub(super) fn page(&self) -> &Page {
        &self.page
    }

    /// Heeds another width.
    pub(super) fn resize(&mut self, page: Page) {
        if page != self.page {
            self.page = page;
            self.clear();
        }
    }
}

fn set(row: &ProgressBar, text: String) {
    if row.message() != text {
        row.set_message(text);
    }
}

fn counting(page: &Page) -> ProgressStyle {
    // The bar takes what the clock leaves free at 60 columns.
    let bar = if page.width >= 80 { 24 } else { 10 };
    let template = format!("{{msg}}  [{{bar:{bar}}}] {{pos}} of {{len}} steps");
    ProgressStyle::with_template(&template).map_or_else(|_| plain(), |style| style.progress_chars("=> "))
}

fn plain() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `RTO clock 3m12s of 1h`; a failback has no RTO, its time is only told.
fn clock(progress: &Progress) -> String {
    let plan = progress.plan.as_deref();
    let rto = plan.filter(|p| p.direction == Direction::Failover).and_then(|p| p.objectives.rto);
    let shown = short(progress.rto_clock());
    match rto {
        Some(rto) if progress.rto_clock() > rto => format!("RTO clock {shown}, over {rto}"),
        Some(rto) => format!("RTO clock {shown} of {rto}"),
        None => format!("since start {shown}"),
    }
}

/// The rows below the clock, each one line.
pub(super) fn rows(progress: &Progress, page: &Page) -> Vec<String> {
    let mut rows = vec![(Tone::Plain, title(progress))];
    let active = progress.active();
    let widest = active.iter().map(|(id, _)| id.as_str().len()).max().unwrap_or(0).min(page.width / 3);
    rows.extend(active.iter().map(|(id, step)| running(id, step, widest, progress)));
    for ask in progress.asks.values() {
        let until = ask.until.map_or(String::new(), |u| format!(" (until {})", u.time_of_day()));
        rows.push((Tone::Warn, format!("  asks{until}: {}", ask.message)));
    }
    for hold in progress.holds.values() {
        let (held, max) = (progress.now.since(hold.since), hold.until.since(hold.since));
        let tone = if held.0 * 2 > max.0 { Tone::Bad } else { Tone::Warn };
        rows.push((tone, format!("held: {}, {} of {max}", hold.what, short(held))));
    }
    if !progress.owed.is_empty() {
        let owed: Vec<_> = progress.owed.iter().map(ToString::to_string).collect();
        rows.push((Tone::Warn, format!("owed: {}", owed.join(", "))));
    }
    let room = MOST_ROWS.saturating_sub(rows.len());
    rows.extend(progress.world.sights().filter_map(|s| moving(s, progress)).take(room).map(|text| (Tone::Dim, text)));
    rows.into_iter().map(|(tone, text)| page.paint(tone, &cut(&one_line(&text), page.width))).collect()
}

fn title(progress: &Progress) -> String {
    let Some(plan) = &progress.plan else { return "run".into() };
    let mode = progress.mode.unwrap_or(plan.mode);
    let run = progress.run.as_ref().map_or_else(String::new, |r| format!(", run {r}"));
    let sandbox = if progress.realm == Some(Realm::Sandbox) { ", sandbox" } else { "" };
    let phase = match &progress.phase {
        Phase::Forward => String::new(),
        Phase::Paused(why) => format!(", PAUSED: {}", words::pause(why)),
        Phase::Undoing => ", being undone".into(),
        Phase::Closing => ", closing".into(),
        Phase::Finished(outcome) => format!(", {outcome}"),
    };
    let (from, to) = (&plan.ends.from.name, &plan.ends.to.name);
    format!("{mode} {} {from} -> {to}{run}{sandbox}{phase}", plan.direction)
}

fn running(id: &StepId, step: &Step, widest: usize, progress: &Progress) -> (Tone, String) {
    let took = short(progress.now.since(step.started.unwrap_or(step.since)));
    let (tone, doing) = match &step.state {
        State::Running(Way::Undo) => (Tone::Warn, "being undone".to_owned()),
        State::Retrying(at) => (Tone::Warn, format!("tried again in {}", short(at.since(progress.now)))),
        State::InDoubt => (Tone::Bad, "in doubt, looking".to_owned()),
        _ => (Tone::Plain, progress.waits.get(id).map_or_else(|| "works".to_owned(), |w| w.why.clone())),
    };
    let until = progress.waits.get(id).and_then(|w| w.until).filter(|u| *u > progress.now);
    let left = until.map_or(String::new(), |u| format!("({} left) ", short(u.since(progress.now))));
    (tone, format!("  {} {} {left}{doing}", pad(id.as_str(), widest), pad(&took.to_string(), 6)))
}

/// What moves while a run goes on: lag, weights, groups on their way.
fn moving(sight: &Sight, progress: &Progress) -> Option<String> {
    let name = &sight.target;
    match &sight.seen {
        Seen::Lag(lag) => Some(format!("  {}: {}", brief(name), seen::lag_words(lag, progress.now))),
        Seen::Records(_) => Some(format!("  weights {}", seen::words(sight, progress.now))),
        Seen::Group(group) if group.in_service > group.size.desired => {
            Some(format!("  {name}: {} still in service, {} wanted", group.in_service, group.size.desired))
        }
        Seen::Group(group) if group.in_service < group.size.desired => {
            let (have, want) = (group.in_service, group.size.desired);
            Some(format!("  {name}: {} {have} of {want} in service", share(have, want)))
        }
        _ => None,
    }
}

/// A target in the few words that a row has room for.
fn brief(target: &Target) -> String {
    match &target.what {
        What::Lag(id) => format!("lag of {id} at {}", target.site),
        _ => target.to_string(),
    }
}

/// `[####------]`.
fn share(have: u32, want: u32) -> String {
    const CELLS: u32 = 10;
    let full = (have * CELLS).checked_div(want).unwrap_or(CELLS).min(CELLS);
    format!("[{}{}]", "#".repeat(full as usize), "-".repeat((CELLS - full) as usize))
}

#[cfg(test)]
mod tests;
