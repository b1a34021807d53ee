//! Notes in words: what was decided without people, and why.

use super::json;
use crate::{
    alarm::{Provenance, Signal, Way},
    event::{Begin, Decision, Note, NoteKind},
    model::Fact,
};
use serde_json::{Value, json};
use std::io;

/// A note as a sentence, its number and time aside.
pub fn words(kind: &NoteKind) -> String {
    match kind {
        NoteKind::Heard { signal, idle } => {
            let idle = idle.as_ref().map_or_else(String::new, |why| format!("; nothing follows: {why}"));
            format!("{}{idle}", heard(signal))
        }
        NoteKind::Decided { id, decision } => format!("{id}: {}", decided(decision)),
        NoteKind::Began { decision, run } => format!("run {run} began, as note {decision} decided"),
        NoteKind::NotBegun { decision, why } => format!("what note {decision} decided did not begin: {why}"),
        NoteKind::Told { to, message, failed: None } => format!("told {to}: {message}"),
        NoteKind::Told { to, message, failed: Some(why) } => format!("could not tell {to} ({why}): {message}"),
        NoteKind::Braked { why } => format!("the brake is on: {why}"),
        NoteKind::Released { why } => format!("the brake is off: {why}"),
        NoteKind::Acknowledged { run } => format!("run {run} is acknowledged"),
    }
}

fn heard(signal: &Signal) -> String {
    let was = signal.was.map_or_else(String::new, |was| format!("{was} -> "));
    let muted = signal.muted.as_ref().map_or_else(String::new, |why| format!(", muted: {why}"));
    format!("{} {was}{} at {}{muted}, {}", signal.alarm.name(), signal.state, signal.changed, way(&signal.from))
}

fn way(from: &Provenance) -> String {
    let how = match from.way {
        Way::Queue => "by queue",
        Way::Http => "by HTTP",
        Way::Stdin => "on standard input",
        Way::Hand => "by hand",
        Way::Looked => "seen by looking",
    };
    let message = from.message.as_ref().map_or_else(String::new, |id| format!(", message {id}"));
    format!("{how}{message}")
}

fn decided(decision: &Decision) -> String {
    match decision {
        Decision::Nothing { why, facts } => format!("did nothing, because {why}{}", told(facts)),
        Decision::Hold { until, facts, .. } => format!("true; looked at again at {until}{}", told(facts)),
        Decision::Unseen { why, facts, .. } => {
            format!(
                "was true, and cannot be seen now: {why}; people are told, and it is looked at on and on{}",
                told(facts)
            )
        }
        Decision::Observed { facts, .. } => format!("true, and only observed: people are told{}", told(facts)),
        Decision::Prevented { why, facts, .. } => format!("true, and prevented: {why}{}", told(facts)),
        Decision::Start(begin) => start(begin),
        Decision::Over => "not true any more: it may act again".into(),
    }
}

fn start(begin: &Begin) -> String {
    let by = begin.by_hand.as_ref().map_or_else(String::new, |why| format!(", by hand: {why}"));
    let to = begin.to.as_ref().map_or_else(String::new, |to| format!(" to {to}"));
    let how_far = super::words::autonomy(begin.autonomy);
    format!(
        "starts the {} failover{to}, {how_far}; incident at {}{by}{}",
        begin.mode,
        begin.incident,
        told(&begin.facts)
    )
}

fn told(facts: &[Fact]) -> String {
    let all: Vec<_> = facts.iter().map(ToString::to_string).collect();
    if all.is_empty() { String::new() } else { format!(" ({})", all.join("; ")) }
}

/// A note as a line for people.
pub fn human(note: &Note, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "{:>5}  {}  {}", note.no, note.at, words(&note.kind))
}

/// A note as an object.
pub fn object(note: &Note) -> Value {
    let mut object = json::typed("note");
    object.insert("no".into(), json!(note.no));
    object.insert("at".into(), json!(note.at));
    object.insert("time".into(), json!(note.at.to_string()));
    object.insert("by".into(), json!(note.by));
    if let Ok(Value::Object(fields)) = serde_json::to_value(&note.kind) {
        object.extend(fields);
    }
    object.insert("text".into(), json!(words(&note.kind)));
    Value::Object(object)
}
