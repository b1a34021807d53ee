//! `verify-http`: the workload answers as it should.

use super::{Action, ActionRow, Assumed, Behave, DefaultAt, Next, StepCx, databases::unknown};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, Shape, Ty, fact},
    world::{
        Seen, Sight, Target, What, World,
        probe::{self, Answer},
    },
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const EXPECT: Shape = Shape {
    name: "expected answer",
    doc: "What must come back.",
    fields: &[
        Field::optional("status", Ty::Int { min: 100, max: 599 }, "The status; without it, any below 400.", "200"),
        Field::optional("headers", Ty::Map(&Ty::Text), "Headers, by name.", "{ x-site: oregon }"),
        Field::optional("json", Ty::Map(&Ty::Any), "Fields of the JSON body, by name.", "{ site: oregon }"),
    ],
};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "verify-http",
        doc: "Asks a URL, until it answers as expected.",
        fields: &[
            Field::required("url", Ty::Text, "What is asked for.", "https://${at.region}.example.com/ready"),
            Field::default("times", Ty::Int { min: 1, max: 100 }, "1", "How many answers in a row must be right."),
            Field::optional("expect", Ty::Of(&EXPECT), "What must come back.", "{ status: 200 }"),
        ],
    },
    kinds: &[],
    at: DefaultAt::To,
    outputs: &[],
    impact: Impact::Read,
    calls: &[],
    timeout: Span::mins(3),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let (url, times, expect) = (f.text("url"), f.count("times"), f.object("expect").unwrap_or_default());
    let mut inner = Fields::new(&expect);
    let status = inner.count("status").and_then(|s| u16::try_from(s).ok());
    let (headers, json) = (inner.object("headers").unwrap_or_default(), inner.object("json").unwrap_or_default());
    for (field, why) in inner.problems() {
        f.complain(&format!("expect.{field}"), why);
    }
    let text = |v: serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let probe = probe::Http {
        url: url?,
        times: times.unwrap_or(1).max(1),
        status,
        headers: headers.into_iter().map(|(k, v)| (k.to_lowercase(), text(v))).collect(),
        json: json.into_iter().map(|(k, v)| (k, v.to_string())).collect::<BTreeMap<_, _>>(),
    };
    if !(probe.url.starts_with("http://") || probe.url.starts_with("https://")) {
        f.complain("url", format!("`{}` is not an http or https URL", probe.url));
    }
    Some(Action::VerifyHttp(VerifyHttp { probe }))
}

/// Parameters of `verify-http`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyHttp {
    /// The question.
    pub probe: probe::Http,
}

impl VerifyHttp {
    fn target(&self, cx: &StepCx<'_>) -> Target {
        Target::at(cx.at, What::Http(self.probe.clone()))
    }
}

impl Behave for VerifyHttp {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        vec![self.target(cx)]
    }
    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        judge(&self.target(cx), w)
    }
    fn assume(&self, cx: &StepCx<'_>, w: &mut World) -> Option<Assumed> {
        assume(&self.target(cx), cx, w);
        Some(Assumed { what: format!("{} answers as expected", self.probe.url), takes: Span::secs(5) })
    }
}

/// Whether a probe's answer is a yes.
pub(super) fn judge(target: &Target, w: &World) -> Next {
    match w.seen(target) {
        Some(Seen::Answer(answer)) if answer.ok => Next::done_with(vec![fact(target.to_string(), &answer.why)]),
        Some(Seen::Answer(answer)) => Next::Wait {
            on: vec![target.clone()],
            why: format!("{target}: {}", answer.why),
            until: None,
            holds: Some(false),
        },
        seen => match unknown(target, seen) {
            Next::Wait { on, why, until, .. } => Next::Wait { on, why, until, holds: Some(false) },
            other => other,
        },
    }
}

/// For plans: the probe says yes.
pub(super) fn assume(target: &Target, cx: &StepCx<'_>, w: &mut World) {
    let answer = Answer::plain(true, "assumed");
    w.put(Sight { target: target.clone(), at: cx.now, seen: Seen::Answer(answer) });
}
