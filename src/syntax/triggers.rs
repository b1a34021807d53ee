//! `triggers` and `notify`: what their names lead to, what contradicts itself, and their values.

use super::{
    lower::{span, word},
    lower_step::place,
    names::Names,
    node::Node,
    problems::{Problems, quoted},
    rules,
    walk::nowhere,
};
use crate::{
    alarm::AlarmArn,
    diagnostic::Diagnostic,
    ids::{ProbeName, SiteName, TriggerName},
    model::{Mode, Place},
    runbook::{Condition, Evidence, Notify, Trigger, Witness},
};
use std::collections::BTreeMap;

/// Judges all of them.
pub(super) fn judge(root: &Node, names: &Names<'_>, problems: &mut Problems) {
    let mut known: BTreeMap<&str, &Node> = BTreeMap::new();
    for node in root.get("triggers").map(Node::items).unwrap_or_default() {
        if let Some(name) = node.get("name")
            && let Some(text) = name.text()
            && let Some(first) = known.insert(text, name)
        {
            let problem = Diagnostic::error("LB0323", &name.path, format!("two triggers are called {}", quoted(text)));
            problems.add(problem.here("again").label(&first.path, "first").help("give each a name of its own"));
        }
        if let Some(to) = node.get("to").filter(|to| to.text().is_some_and(|t| !names.sites.contains_key(t))) {
            nowhere(problems, to, ("LB0301", "site"), names.standbys.iter().copied());
        }
        let of = node.get("when").and_then(|when| when.get("of"));
        for list in of.into_iter().filter(|of| of.items().is_empty() && !of.is_map() && of.text().is_none()) {
            let problem = Diagnostic::error("LB0216", &list.path, "nothing speaks for this trigger");
            problems.add(problem.help("name at least one alarm or probe"));
        }
        of.map(Node::items).unwrap_or_default().iter().for_each(|one| evidence(one, names, problems));
    }
    for node in root.get("notify").map(Node::items).unwrap_or_default() {
        one_of(node, ["topic", "webhook"], problems);
        if let Some(topic) = node.get("topic").filter(|t| t.text().is_some_and(|t| topic_region(t).is_none())) {
            let message = format!("{} is no ARN of a topic", quoted(topic.text().unwrap_or_default()));
            let help = "write `arn:aws:sns:REGION:ACCOUNT:NAME`";
            problems.add(Diagnostic::error("LB0217", &topic.path, message).help(help));
        }
    }
}

fn evidence(node: &Node, names: &Names<'_>, problems: &mut Problems) {
    if !node.is_map() {
        return;
    }
    one_of(node, ["alarm", "probe"], problems);
    let (own, others): (_, &[&str]) =
        if node.get("alarm").is_some() { ("alarm", &["is", "at"]) } else { ("probe", &["silence", "muted"]) };
    for stray in others.iter().filter_map(|key| Some((key, node.get(key)?))) {
        let message = format!("`{}` says nothing of {own}s", stray.0);
        problems.add(Diagnostic::error("LB0211", &stray.1.path, message).on_key().help("remove it"));
    }
    if let Some(arn) = node.get("alarm")
        && let Some(text) = arn.text()
        && let Err(why) = text.parse::<AlarmArn>()
    {
        let help = "write `arn:aws:cloudwatch:REGION:ACCOUNT:alarm:NAME`";
        problems.add(Diagnostic::error("LB0217", &arn.path, format!("{}: {why}", quoted(text))).help(help));
    }
    if let Some(probe) = node.get("probe") {
        rules::probe(probe, names, problems);
    }
    rules::place(node, names, problems);
}

/// Exactly one of two keys is there.
fn one_of(node: &Node, [one, other]: [&str; 2], problems: &mut Problems) {
    match (node.get(one), node.get(other)) {
        (None, None) if node.is_map() => {
            let problem = Diagnostic::error("LB0216", &node.path, "this says nothing");
            problems.add(problem.help(format!("write `{one}` or `{other}`")));
        }
        (Some(_), Some(second)) => {
            let problem = Diagnostic::error("LB0211", &second.path, format!("`{one}` and `{other}` are two things"));
            problems.add(problem.on_key().help("make them two items of the list"));
        }
        _ => {}
    }
}

/// The Region of a topic's ARN; none: it is no such ARN.
pub(super) fn topic_region(arn: &str) -> Option<&str> {
    let parts: Vec<_> = arn.split(':').collect();
    let ["arn", partition, "sns", region, account, name] = parts[..] else { return None };
    let sound = !partition.is_empty() && !region.is_empty() && !name.is_empty();
    (sound && account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then_some(region)
}

/// A trigger from its tree.
pub(super) fn trigger(node: &Node) -> Option<Trigger> {
    let when = node.get("when")?;
    let of: Vec<_> = when.get("of")?.items().iter().filter_map(witness).collect();
    let quorum = when.text_of("quorum").and_then(|n| n.parse().ok()).unwrap_or(of.len());
    Some(Trigger {
        name: TriggerName::from(node.text_of("name")?),
        when: Condition { quorum, of },
        hold: span(node, "hold").unwrap_or_default(),
        autonomy: word(node, "autonomy"),
        disruptive_if_unreachable: node.get("disruptive_if").is_some(),
        mode: word(node, "mode").unwrap_or(Mode::Emergency),
        accept_data_loss: span(node, "accept_data_loss"),
        cooldown: span(node, "cooldown").unwrap_or(Trigger::COOLDOWN),
        to: node.text_of("to").map(SiteName::from),
        path: node.path.clone(),
    })
}

fn witness(node: &Node) -> Option<Evidence> {
    let what = match node.text_of("alarm") {
        Some(arn) => Witness::Alarm {
            arn: arn.parse().ok()?,
            silence: word(node, "silence"),
            muted_counts: node.text_of("muted") == Some("counts"),
        },
        None => Witness::Probe {
            name: ProbeName::from(node.text_of("probe")?),
            failing: node.text_of("is") != Some("holding"),
            at: node.text_of("at").map_or(Place::From, place),
        },
    };
    Some(Evidence { what, path: node.path.clone() })
}

/// Where people are told, from its tree.
pub(super) fn notify(node: &Node) -> Option<Notify> {
    let topic = node.text_of("topic").map(|arn| Notify::Topic(arn.to_owned()));
    topic.or_else(|| Some(Notify::Webhook(node.text_of("webhook")?.to_owned())))
}
