//! How a watcher is: for its health endpoint and for Prometheus.

use crate::{
    clock::{Span, Timestamp},
    event::{Decision, NoteKind},
    intake::http::Health,
};
use serde_json::Map;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A loop that did not turn for so long hangs.
const HANGS: Span = Span::secs(60);

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub(super) struct Stats(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    turned: Timestamp,
    heard: u64,
    decided: BTreeMap<&'static str, u64>,
    began: u64,
    told: u64,
    untold: u64,
    trouble: u64,
    /// The record could not be used the last time.
    troubled: bool,
    braked: bool,
}

impl Stats {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn alive(&self, _now: Timestamp) {
        let mut counts = self.counts();
        counts.turned = Timestamp::wall();
        counts.troubled = false;
    }
    pub(super) fn heard(&self, messages: usize) {
        self.counts().heard += messages as u64;
    }
    pub(super) fn began(&self) {
        self.counts().began += 1;
    }
    pub(super) fn paged(&self, done: bool) {
        let mut counts = self.counts();
        if done { counts.told += 1 } else { counts.untold += 1 }
    }
    pub(super) fn trouble(&self) {
        let mut counts = self.counts();
        (counts.trouble, counts.troubled) = (counts.trouble + 1, true);
    }
    pub(super) fn decided(&self, kind: &NoteKind) {
        let mut counts = self.counts();
        match kind {
            NoteKind::Decided { decision, .. } => *counts.decided.entry(word(decision)).or_default() += 1,
            NoteKind::Braked { .. } => counts.braked = true,
            NoteKind::Released { .. } => counts.braked = false,
            _ => {}
        }
    }

    /// Whether the loop turns and its record can be used.
    pub(super) fn health(&self) -> Health {
        let counts = self.counts();
        let silent = Timestamp::wall().since(counts.turned);
        let why = match () {
            () if silent > HANGS => Some(format!("the loop has not turned for {silent}")),
            () if counts.troubled => Some("its record cannot be used".to_owned()),
            () => None,
        };
        let mut details = Map::new();
        details.insert("turned".into(), counts.turned.to_string().into());
        details.extend(why.iter().map(|why| ("why".to_owned(), why.as_str().into())));
        Health { well: why.is_none(), details }
    }

    /// The text that Prometheus reads.
    pub(super) fn text(&self) -> String {
        let counts = self.counts();
        let mut text = String::new();
        let mut one = |name: &str, help: &str, kind: &str, value: u64| {
            // Writing to a string cannot fail.
            let _ =
                write!(text, "# HELP lifeboat_{name} {help}\n# TYPE lifeboat_{name} {kind}\nlifeboat_{name} {value}\n");
        };
        one("messages_total", "Messages of alarms that were taken in.", "counter", counts.heard);
        one("runs_begun_total", "Runs that began by themselves.", "counter", counts.began);
        one("pages_total", "Messages to people that were sent.", "counter", counts.told);
        one("pages_failed_total", "Messages to people that could not be sent.", "counter", counts.untold);
        one("record_errors_total", "Times that the record could not be used.", "counter", counts.trouble);
        one("braked", "1 while the brake is on.", "gauge", u64::from(counts.braked));
        let turned = u64::try_from(counts.turned.0 / 1000).unwrap_or(0);
        one("last_turn_seconds", "When the loop turned last, seconds since 1970.", "gauge", turned);
        let _ = writeln!(
            text,
            "# HELP lifeboat_decisions_total What became of triggers.\n# TYPE lifeboat_decisions_total counter"
        );
        for (word, n) in &counts.decided {
            let _ = writeln!(text, "lifeboat_decisions_total{{decision=\"{word}\"}} {n}");
        }
        text
    }
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Nothing { .. } => "nothing",
        Decision::Hold { .. } => "hold",
        Decision::Unseen { .. } => "unseen",
        Decision::Observed { .. } => "observed",
        Decision::Prevented { .. } => "prevented",
        Decision::Start(_) => "start",
        Decision::Over => "over",
    }
}
