//! A change in the words that plan, run and journal share: `orders: replica of orders -> writer`.

use crate::{
    action::Change,
    ids::StepId,
    plan::Plan,
    world::{ApiCall, Effect},
};

/// `what: before -> after`.
pub fn words(change: &Change) -> String {
    let (what, before) = (&change.what, &change.before);
    let Some((head, after)) = arrow(&change.after) else {
        return format!("{what}: {} (now {before})", change.after);
    };
    // Where the world's own words repeat what is changed (`read_only on`), it is said once.
    if before.contains(head) {
        format!("{what}: {before} -> {after}")
    } else {
        format!("{what} {head}: {before} -> {after}")
    }
}

/// The words of an effect about to be sent: those of the plan, where it foresaw this one.
pub fn of_effect(effect: &Effect, step: &StepId, plan: Option<&Plan>) -> String {
    let planned = plan.and_then(|p| p.step(step)).map_or(&[][..], |s| &s.prediction.effects);
    match planned.iter().find(|p| p.effect == *effect) {
        Some(found) => words(&found.change),
        None => effect.words().to_string(),
    }
}

/// A call as its provider names it.
pub fn call(call: &ApiCall) -> String {
    call.to_string()
}

/// `head -> tail`, `-> tail`.
fn arrow(after: &str) -> Option<(&str, &str)> {
    after.strip_prefix("-> ").map(|tail| ("", tail)).or_else(|| after.split_once(" -> "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Impact,
        world::{Target, What},
    };

    fn said(what: &str, before: &str, after: &str) -> String {
        words(&Change {
            target: Target::global(What::Site),
            what: what.into(),
            before: before.into(),
            after: after.into(),
            impact: Impact::Safe,
        })
    }

    #[test]
    fn a_change_reads_from_what_is_to_what_shall_be() {
        assert_eq!(said("orders", "replica of orders", "replica -> writer"), "orders: replica of orders -> writer");
        assert_eq!(said("pg", "read_only off", "read_only -> on"), "pg: read_only off -> on");
        assert_eq!(said("web", "min 1", "-> min 4"), "web: min 1 -> min 4");
        assert_eq!(said("orders", "sg-1", "security groups -> sg-0a"), "orders security groups: sg-1 -> sg-0a");
        assert_eq!(said("command", "not run", "./ci lock"), "command: ./ci lock (now not run)");
    }
}
