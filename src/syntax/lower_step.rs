//! A step from its tree, once for each mode.

use super::{
    lower::{resources, span, with, word},
    modes,
    node::Node,
};
use crate::{
    action::{self, ActionRow},
    clock::Span,
    ids::{ProbeName, SiteName, StepId},
    model::{Mode, Place},
    runbook::{
        Confirm, FailurePolicy, HoldSpec, OnTimeout, Retry, RunWord, Simulate, Spec, Step, Unattended, UndoSpec,
    },
};

/// A step with its two specs.
pub(super) fn step(node: &Node) -> Option<Step> {
    let id = StepId::from(node.text_of("id")?);
    let planned = spec(&modes::in_mode(node, Mode::Planned));
    let emergency =
        if modes::is_changed(node) { spec(&modes::in_mode(node, Mode::Emergency)) } else { planned.clone() };
    Some(Step { id, path: node.path.clone(), planned, emergency })
}

/// What a step does in a mode; overrides are put in already.
fn spec(node: &Node) -> Spec {
    let text = |key: &str| node.text_of(key).map(str::to_owned);
    let action = text("action");
    let with = with(action.as_deref(), node);
    let stated = action.as_deref().and_then(action::row).is_some_and(ActionRow::impact_is_stated);
    let impact = node.get("with").filter(|_| stated).and_then(|with| word(with, "impact"));
    let confirm = match action.as_deref() {
        Some("confirm") => node.get("with").and_then(confirm),
        _ => node.get("confirm").and_then(confirm),
    };
    Spec {
        name: text("name"),
        resources: resources(node),
        with,
        at: node.text_of("at").map(place),
        needs: node.get("needs").map(|list| list.texts().map(StepId::from).collect()),
        only: word(node, "only"),
        when: text("when"),
        run: word(node, "run").unwrap_or(RunWord::Run),
        confirm,
        expect: text("expect"),
        timeout: text("timeout"),
        retry: node.get("retry").and_then(retry),
        on_failure: word(node, "on_failure").unwrap_or(FailurePolicy::Pause),
        undo: node.get("undo").and_then(|undo| self::undo(undo, action.as_deref())),
        hold: node.get("hold").and_then(hold),
        verify: node.get("verify").into_iter().flat_map(Node::texts).map(ProbeName::from).collect(),
        milestone: word(node, "milestone"),
        skippable: node.text_of("skippable") != Some("false"),
        simulate: node.get("simulate").map(simulate),
        impact,
        action,
    }
}

/// A place from its word.
pub(super) fn place(text: &str) -> Place {
    match text {
        "from" => Place::From,
        "to" => Place::To,
        site => Place::Site(SiteName::from(site)),
    }
}

/// A question: its text alone, or the keys of `confirm`.
fn confirm(node: &Node) -> Option<Confirm> {
    let message = node.text().or_else(|| node.text_of("message"))?.to_owned();
    Some(Confirm {
        message,
        timeout: span(node, "timeout"),
        on_timeout: word(node, "on_timeout").unwrap_or(OnTimeout::Wait),
        unattended: word(node, "unattended").unwrap_or(Unattended::Wait),
        valid_for: span(node, "valid_for").unwrap_or(Confirm::VALID_FOR),
    })
}

fn retry(node: &Node) -> Option<Retry> {
    Some(Retry {
        attempts: node.text_of("attempts")?.parse().ok()?,
        delay: span(node, "delay").unwrap_or(Span::secs(5)),
        max_delay: span(node, "max_delay").unwrap_or(Span::mins(1)),
    })
}

/// What takes a step back: the name of an action, or one with parameters; the step's own where none is named.
fn undo(node: &Node, own: Option<&str>) -> Option<UndoSpec> {
    let action = node.text().or_else(|| node.text_of("action")).or(own)?.to_owned();
    Some(UndoSpec { with: with(Some(&action), node), action })
}

fn hold(node: &Node) -> Option<HoldSpec> {
    Some(HoldSpec { max: node.text_of("max")?.to_owned(), then: word(node, "then")? })
}

fn simulate(node: &Node) -> Simulate {
    Simulate {
        takes: span(node, "takes"),
        exit: node.text_of("exit").and_then(|n| n.parse().ok()),
        status: node.text_of("status").and_then(|n| n.parse().ok()),
        output: node.get("output").map(Node::value),
    }
}
