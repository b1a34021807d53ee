//! `wait`: lets time pass, or watches that things stay well for a while.

use super::{Action, ActionRow, Asked, Assumed, Behave, DefaultAt, Next, StepCx};
use crate::{
    clock::Span,
    ids::ProbeName,
    model::{Field, Fields, Impact, Shape, Ty, fact},
    world::{Target, World},
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "wait",
        doc: "Waits `for` a time; with `while`, its probes must hold all that time, and a failing one starts the time again.",
        fields: &[
            Field::optional("for", Ty::Duration, "How long.", "15m"),
            Field::optional("while", Ty::List(&Ty::Name), "Probes that must hold all the time.", "[public_ok]"),
        ],
    },
    kinds: &[],
    at: DefaultAt::To,
    outputs: &[],
    impact: Impact::Read,
    calls: &[],
    timeout: Span::hours(1),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let (held, probes) = (f.duration("for"), f.texts("while").unwrap_or_default());
    if held.is_none() && probes.is_empty() {
        f.complain("for", "say `for`, `while`, or both");
        return None;
    }
    Some(Action::Wait(Wait {
        held: held.unwrap_or_default(),
        probes: probes.into_iter().map(ProbeName::new).collect(),
    }))
}

/// Parameters of `wait`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// How long.
    pub held: Span,
    /// What must hold all the time.
    pub probes: Vec<ProbeName>,
}

impl Wait {
    fn asked<'a>(&'a self, cx: &'a StepCx<'_>) -> impl Iterator<Item = &'a Asked> {
        self.probes.iter().filter_map(|name| cx.probes.get(name))
    }
}

impl Behave for Wait {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        self.asked(cx).flat_map(|p| p.targets(cx)).collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        let held = self.held;
        let over = |since| cx.now.since(since) >= held;
        if self.probes.is_empty() {
            let until = cx.past.started + held;
            let wait = Next::Wait { on: vec![], why: format!("{held} to pass"), until: Some(until), holds: None };
            return if over(cx.past.started) { Next::done() } else { wait };
        }
        let probes = match Next::all(self.asked(cx).map(|p| p.next(cx, w))) {
            Next::Done { facts, .. } => facts,
            Next::Wait { on, why, until, .. } => return Next::Wait { on, why, until, holds: Some(false) },
            other => return other,
        };
        let names: Vec<_> = self.probes.iter().map(ProbeName::as_str).collect();
        match cx.past.holding_since {
            _ if held == Span::ZERO => Next::done_with(probes),
            Some(since) if over(since) => Next::done_with(vec![fact(names.join(", "), format!("held for {held}"))]),
            since => Next::Wait {
                on: self.targets(cx),
                why: format!("{} to hold for {held}", names.join(", ")),
                until: Some(since.unwrap_or(cx.now) + held),
                holds: Some(true),
            },
        }
    }

    fn assume(&self, cx: &StepCx<'_>, w: &mut World) -> Option<Assumed> {
        let all: Vec<_> = self.asked(cx).filter_map(|p| p.assume(cx, w)).collect();
        (!all.is_empty()).then(|| Assumed {
            what: all.iter().map(|a| a.what.as_str()).collect::<Vec<_>>().join("; "),
            takes: all.iter().map(|a| a.takes).max().unwrap_or_default(),
        })
    }
}
