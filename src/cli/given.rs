//! What was typed, understood: parameters, times, names of steps.

use super::{exit::Failure, wiring::Loaded};
use crate::clock::{Span, Timestamp};
use std::collections::BTreeMap;

/// What is wrong with what was asked for.
pub(super) fn wrong(problems: Vec<String>) -> Failure {
    let mut problems = problems.into_iter();
    let first = Failure::usage(problems.next().unwrap_or_default());
    problems.fold(first, Failure::hint)
}

/// `--param name=value`, each name once.
pub(super) fn params(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut all = BTreeMap::new();
    for text in given {
        let (name, value) =
            text.split_once('=').ok_or_else(|| Failure::usage(format!("--param {text}: write --param name=value")))?;
        if all.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Failure::usage(format!("--param {name} is given twice")));
        }
    }
    Ok(all)
}

/// `--since`: an instant, or how long ago.
pub(super) fn since(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let ago = text.parse::<Span>().map(|ago| now - ago);
    let at = ago.or_else(|_| text.parse::<Timestamp>()).map_err(|_| {
        Failure::usage(format!("--since {text}: write a time like 2026-11-21T03:12:00Z, or how long ago, like 12m"))
    })?;
    if at > now { Err(Failure::usage(format!("--since {text} lies in the future"))) } else { Ok(at) }
}

/// A step that `--accept` names exists somewhere in the runbook.
pub(super) fn known_step(loaded: &Loaded, name: &str) -> Result<(), Failure> {
    let runbook = loaded.runbook();
    let all: Vec<_> = [&runbook.failover, &runbook.failback, &runbook.reprotect, &runbook.finally]
        .into_iter()
        .flatten()
        .map(|s| s.id.as_str())
        .collect();
    if all.contains(&name) {
        return Ok(());
    }
    let hint = crate::diagnostic::did_you_mean(name, all).map(|n| format!("did you mean --accept {n}?"));
    let failure = Failure::usage(format!("--accept {name}: the runbook has no such step"));
    Err(match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}
