//! `http`: a request that changes something elsewhere. It carries an idempotency key, so that a
//! receiver which heeds it takes a repeat for what it is.

use super::{Action, ActionRow, Behave, DefaultAt, Next, StepCx, exec::impact};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, Outputs, Shape, Ty, fact},
    world::{Call, Effect, Post, Target, What, World, probe},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "http",
        doc: "Sends a request that changes something elsewhere, with an idempotency key.",
        fields: &[
            Field::required("url", Ty::Text, "Where it goes.", "https://flags.example.com/api"),
            Field::default("method", Ty::OneOf(&["POST", "PUT", "PATCH", "DELETE"]), "POST", "Its method."),
            Field::optional("body", Ty::Any, "What is sent, as JSON.", "{ site: oregon }"),
            Field::default(
                "impact",
                Ty::OneOf(&["read", "safe", "disruptive", "irreversible"]),
                "disruptive",
                "What it does to production.",
            ),
        ],
    },
    kinds: &[],
    at: DefaultAt::To,
    outputs: &[Field::optional("output", Ty::Any, "The body of the answer.", "{ ok: true }")],
    impact: Impact::Disruptive,
    calls: &[],
    timeout: Span::mins(1),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let (url, method, body, impact) = (f.text("url"), f.text("method"), f.any("body"), impact(f));
    Some(Action::Http(Http {
        url: url?,
        method: method.unwrap_or_else(|| "POST".into()),
        body: body.unwrap_or_default(),
        impact,
    }))
}

/// Parameters of `http`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// Where it goes.
    pub url: String,
    /// Its method.
    pub method: String,
    /// What is sent.
    pub body: Value,
    /// As the author states it.
    pub impact: Impact,
}

/// Posts once; its target names it and is never looked at.
pub(super) fn post_once(cx: &StepCx<'_>, post: Post, what: &str) -> Next {
    let probe = probe::Http {
        url: format!("{}#{}", post.url, post.step),
        times: 1,
        status: None,
        headers: [].into(),
        json: [].into(),
    };
    let effect = Effect { target: Target::at(cx.at, What::Http(probe)), call: Call::Post(post) };
    match cx.past.last_on(&effect.target) {
        None => Next::send(effect, "not sent"),
        Some(sent) => {
            let output =
                sent.receipt.as_ref().filter(|r| !r.output.is_null()).map(|r| ("output".to_owned(), r.output.clone()));
            Next::Done { outputs: Outputs::from_iter(output), facts: vec![fact(what, "sent")] }
        }
    }
}

impl Behave for Http {
    fn targets(&self, _: &StepCx<'_>) -> Vec<Target> {
        vec![]
    }
    fn next(&self, cx: &StepCx<'_>, _: &World) -> Next {
        let post = Post {
            step: cx.step.clone(),
            method: self.method.clone(),
            url: self.url.clone(),
            body: self.body.clone(),
            impact: self.impact,
        };
        post_once(cx, post, &self.url)
    }
}
