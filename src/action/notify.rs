//! `notify`: tells people something.

use super::{Action, ActionRow, Behave, DefaultAt, Next, StepCx, http::post_once};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, Shape, Ty},
    world::{Post, Target, World},
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "notify",
        doc: "Tells people something.",
        fields: &[Field::required("message", Ty::Text, "What.", "storefront moves to ${to.name}")],
    },
    kinds: &[],
    at: DefaultAt::To,
    outputs: &[],
    impact: Impact::Safe,
    calls: &[],
    timeout: Span::secs(30),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    Some(Action::Notify(Notify { message: f.text("message")? }))
}

/// Parameters of `notify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// What is said.
    pub message: String,
}

impl Behave for Notify {
    fn targets(&self, _: &StepCx<'_>) -> Vec<Target> {
        vec![]
    }
    fn next(&self, cx: &StepCx<'_>, _: &World) -> Next {
        let post = Post {
            step: cx.step.clone(),
            method: "POST".into(),
            url: String::new(),
            body: self.message.clone().into(),
            impact: Impact::Safe,
        };
        post_once(cx, post, "message")
    }
}
