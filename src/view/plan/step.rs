//! One step of a plan: what it is, what it would change, what it would ask, what it rests on.

use super::{
    super::{Tone, change, text::short, words},
    Text,
};
use crate::{
    model::Impact,
    plan::{PlanStep, PlannedConfirm},
    runbook::{HoldEnd, Milestone},
};
use std::io;

/// Writes a step.
pub(super) fn human(step: &PlanStep, text: &mut Text<'_>) -> io::Result<()> {
    let tone = match step.impact {
        Impact::Irreversible => Tone::Bad,
        Impact::Disruptive => Tone::Warn,
        Impact::Read | Impact::Safe => Tone::Strong,
    };
    text.labelled(2, &format!("{}  ", step.id), tone, &title(step))?;
    for effect in &step.prediction.effects {
        text.line(4, Tone::Plain, &change::words(&effect.change))?;
        text.line(6, Tone::Dim, &change::call(&effect.call))?;
    }
    if step.prediction.effects.is_empty() && step.impact > Impact::Read && step.prediction.stuck.is_none() {
        text.line(4, Tone::Dim, "nothing left to change")?;
    }
    for fact in &step.prediction.facts {
        text.line(4, Tone::Dim, &fact.to_string())?;
    }
    if let Some(confirm) = &step.confirm {
        text.labelled(4, "asks  ", Tone::Warn, &confirm_words(confirm))?;
    }
    for question in &step.prediction.asks {
        text.labelled(4, "asks  ", Tone::Warn, words::question(*question))?;
    }
    for assumed in &step.prediction.assumed {
        text.labelled(
            4,
            "assumes  ",
            Tone::Dim,
            &format!("{}, typically after {}", assumed.what, short(assumed.takes)),
        )?;
    }
    for unknown in &step.prediction.unknown {
        text.labelled(4, "unknown  ", Tone::Warn, unknown)?;
    }
    if let Some((why, hint)) = &step.prediction.stuck {
        text.labelled(4, "stuck  ", Tone::Bad, why)?;
        text.labelled(4, "hint  ", Tone::Plain, hint)?;
    }
    Ok(())
}

/// `promote-replica of orders at oregon; irreversible, about 8m, at most 20m`.
fn title(step: &PlanStep) -> String {
    let mut title = match (&step.draft.action, step.draft.verify.as_slice()) {
        (Some(action), _) => action.clone(),
        (None, probes) => format!("probes {}", names(probes)),
    };
    if !step.resources.is_empty() {
        title += &format!(" of {}", names(&step.resources));
    }
    title += &format!(" at {}", step.at);
    if let Some(name) = &step.name {
        title = format!("{name}: {title}");
    }
    title += &format!("; {}, about {}, at most {}", step.impact, short(step.prediction.takes), step.timeout);
    if step.best_effort() {
        title += "; best effort: its failure stops nothing";
    }
    if let Some(when) = &step.when {
        title += &format!("; when {when}");
    }
    if step.draft.action.is_some() && !step.draft.verify.is_empty() {
        title += &format!("; then probes {}", names(&step.draft.verify));
    }
    if let Some(hold) = step.hold {
        let then = match hold.then {
            HoldEnd::Undo => "is undone",
            HoldEnd::Page => "people are called",
        };
        title += &format!("; holds at most {}, then {then}", hold.max);
    }
    if step.milestone == Some(Milestone::ServiceRestored) {
        title += "; with it service is restored";
    }
    title
}

fn names<T: ToString>(names: &[T]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn confirm_words(confirm: &PlannedConfirm) -> String {
    let silence = words::on_timeout(confirm.on_timeout);
    let mut text = confirm.message.clone();
    text += &match confirm.timeout {
        Some(timeout) => format!(" (silence for {timeout} {silence}"),
        None => " (waits for an answer".to_owned(),
    };
    text + &format!("; unattended it {})", words::unattended(confirm.unattended))
}
