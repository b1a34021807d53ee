//! A step has one meaning in a planned run and one in an emergency. Here its overrides are put in,
//! before anything of it is understood, so that nothing later knows that there were any.

use super::node::{Data, Node, is_ignored};
use crate::model::Mode;

/// The step as it is in a mode: `with` and `hold` merged key by key, all else replaced, the mode's
/// word under `run`.
pub(super) fn in_mode(step: &Node, mode: Mode) -> Node {
    let change = step.get(key(mode));
    let mut entries: Vec<(String, Node)> = step
        .meant()
        .filter(|(key, _)| !["planned", "emergency"].contains(key))
        .map(|(key, node)| (key.to_owned(), node.clone()))
        .collect();
    if let Some(word) = change.and_then(Node::text) {
        let path = change.map(|node| node.path.clone()).unwrap_or_default();
        entries.push(("run".to_owned(), Node::word(&path, word)));
    }
    for (key, node) in change.map(Node::entries).unwrap_or_default().iter().filter(|(key, _)| !is_ignored(key)) {
        replace(&mut entries, key, node);
    }
    Node { path: step.path.clone(), data: Data::Map(entries) }
}

/// Whether a step says anything about a mode.
pub(super) fn is_changed(step: &Node) -> bool {
    step.get("planned").is_some() || step.get("emergency").is_some()
}

fn key(mode: Mode) -> &'static str {
    match mode {
        Mode::Planned => "planned",
        Mode::Emergency => "emergency",
    }
}

fn replace(entries: &mut Vec<(String, Node)>, key: &str, node: &Node) {
    // One says the same as the other: whoever changes the one means to replace both.
    let twin = match key {
        "resource" => "resources",
        "resources" => "resource",
        _ => key,
    };
    if twin != key {
        entries.retain(|(k, _)| k != twin);
    }
    match entries.iter_mut().find(|(k, _)| k == key) {
        Some((_, old)) if ["with", "hold"].contains(&key) && old.is_map() && node.is_map() => merge(old, node),
        Some((_, old)) => *old = node.clone(),
        None => entries.push((key.to_owned(), node.clone())),
    }
}

fn merge(old: &mut Node, new: &Node) {
    let Data::Map(entries) = &mut old.data else { return };
    for (key, node) in new.entries() {
        match entries.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = node.clone(),
            None => entries.push((key.clone(), node.clone())),
        }
    }
}
