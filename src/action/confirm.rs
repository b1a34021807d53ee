//! `confirm`: a question to people, as a step of its own. The step carries the question
//! (`confirm:` of any step is the same); the action has nothing left to do once it was answered.

use super::{Action, ActionRow, Behave, DefaultAt, Next, StepCx};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, Shape, Ty},
    world::{Target, World},
};
use serde::{Deserialize, Serialize};

/// A question: `confirm` as a map, and the `with` of the action of that name.
pub const CONFIRM: Shape = Shape {
    name: "confirm",
    doc: "A question to people. No means abort.",
    fields: &[
        Field::required("message", Ty::Text, "What is asked.", "Move storefront to ${to.name}?"),
        Field::optional(
            "timeout",
            Ty::Literal(&Ty::Duration),
            "How long an answer is waited for; without it, for ever.",
            "15m",
        ),
        Field::default(
            "on_timeout",
            Ty::OneOf(&["wait", "abort", "undo", "proceed", "page"]),
            "wait",
            "What silence means.",
        ),
        Field::default(
            "unattended",
            Ty::OneOf(&["proceed", "proceed-within-rpo", "abort", "wait"]),
            "wait",
            "What it means that nobody is there at all.",
        ),
        Field::default("valid_for", Ty::Literal(&Ty::Duration), "15m", "How long a yes holds until the step starts."),
    ],
};

pub(super) const ROW: ActionRow = ActionRow {
    shape: CONFIRM,
    kinds: &[],
    at: DefaultAt::To,
    outputs: &[],
    impact: Impact::Read,
    calls: &[],
    timeout: Span::hours(24),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let message = f.text("message");
    f.duration("timeout");
    f.text("on_timeout");
    f.text("unattended");
    f.duration("valid_for");
    message.map(|message| Action::Confirm(Confirm { message }))
}

/// Parameters of `confirm`; the rest of them is the step's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// What was asked.
    pub message: String,
}

impl Behave for Confirm {
    fn targets(&self, _: &StepCx<'_>) -> Vec<Target> {
        vec![]
    }
    fn next(&self, _: &StepCx<'_>, _: &World) -> Next {
        Next::done()
    }
}
