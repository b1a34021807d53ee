//! What an action is asked with and what it answers.

use super::Action;
use crate::{
    clock::{Span, Timestamp},
    ids::{ProbeName, ResourceName, RunId, SiteName, StepId},
    model::{Direction, Fact, FromTo, Impact, Mode, Outputs, Resource, Site},
    world::{Effect, Receipt, Target, World},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// What a step is and where it stands, beside the world.
#[derive(Clone, Debug)]
pub struct StepCx<'a> {
    /// The run; in names of what it creates.
    pub run: &'a RunId,
    /// The step.
    pub step: &'a StepId,
    /// The two ends of the run.
    pub sites: &'a FromTo,
    /// All sites of the runbook.
    pub all_sites: &'a BTreeMap<SiteName, Site>,
    /// Where the step works.
    pub at: &'a Site,
    /// What it works on, in the runbook's order; empty for actions without resources.
    pub items: Vec<&'a Resource>,
    /// All resources of the runbook.
    pub resources: &'a BTreeMap<ResourceName, Resource>,
    /// The probes the step names, ready to ask.
    pub probes: &'a BTreeMap<ProbeName, Asked>,
    /// Whether the site being left can be relied on.
    pub mode: Mode,
    /// Which way the run moves.
    pub direction: Direction,
    /// What the step did so far.
    pub past: &'a StepPast,
    /// The step is being taken back: `past` is that of its undo.
    pub undoing: bool,
    /// The present.
    pub now: Timestamp,
    /// How long the step may take.
    pub limit: Span,
    /// How long it may hold closed what it closes; none: it holds nothing.
    pub hold: Option<Span>,
    /// When the incident began, or the run where nobody said.
    pub incident: Timestamp,
}

/// What a step did so far, as the journal tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepPast {
    /// When its present attempt began.
    pub started: Timestamp,
    /// How often a person had it begin anew.
    pub retries: u32,
    /// Its effects that happened, oldest first, over all attempts.
    pub sent: Vec<PastEffect>,
    /// Since when what it waits for has held without a break that was seen.
    pub holding_since: Option<Timestamp>,
    /// Questions it asked and how they were answered.
    pub answers: BTreeMap<Question, bool>,
}

/// An effect that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct PastEffect {
    /// What was sent.
    pub effect: Arc<Effect>,
    /// When it was known to have happened.
    pub at: Timestamp,
    /// What the provider answered; none where it was settled by looking.
    pub receipt: Option<Receipt>,
}

impl StepPast {
    /// The newest effect on a target.
    pub fn last_on(&self, target: &Target) -> Option<&PastEffect> {
        self.sent.iter().rev().find(|e| e.effect.target == *target)
    }
}

/// What people are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// At the run's start: may its irreversible steps be done?
    Consent,
    /// The `confirm` of a step.
    Confirm,
    /// More writes than allowed, or an unknown number, would be lost: go on?
    DataLoss,
    /// The site being left answers, yet its writes could not be frozen: go on?
    AliveUnfenced,
    /// An effect may or may not have happened and nothing tells: did it?
    InDoubt,
}

/// What is still to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing, and all is settled.
    Done {
        /// What later steps may read.
        outputs: Outputs,
        /// What was seen that matters.
        facts: Vec<Fact>,
    },
    /// Exactly this; then look again.
    Send {
        /// What to send.
        effect: Box<Effect>,
        /// How it is now, in words.
        before: String,
    },
    /// Nothing yet: something moves already, or must hold for a while.
    Wait {
        /// What to look at again.
        on: Vec<Target>,
        /// What is waited for, in words.
        why: String,
        /// When to look again at the latest, where that is known.
        until: Option<Timestamp>,
        /// Whether what is waited for holds now; none where nothing has to hold for a time.
        /// The first `true` after a `false` becomes [`StepPast::holding_since`].
        holds: Option<bool>,
    },
    /// People decide; asked once per question and step.
    Ask {
        /// Which question.
        question: Question,
        /// What it is decided on.
        facts: Vec<Fact>,
        /// What would be lost, for [`Question::DataLoss`]; none: unknown.
        loss: Option<Span>,
    },
    /// It cannot converge; trying again would not help.
    Stuck {
        /// What is wrong.
        why: String,
        /// What a person can do about it.
        hint: String,
    },
}

impl Next {
    /// Nothing left, nothing to tell.
    pub fn done() -> Self {
        Self::Done { outputs: Outputs::new(), facts: vec![] }
    }
    /// Nothing left; this was seen.
    pub fn done_with(facts: Vec<Fact>) -> Self {
        Self::Done { outputs: Outputs::new(), facts }
    }
    /// Send this, on what was seen before.
    pub fn send(effect: Effect, before: impl std::fmt::Display) -> Self {
        Self::Send { effect: Box::new(effect), before: before.to_string() }
    }
    /// Wait for something that moves.
    pub fn wait(on: impl IntoIterator<Item = Target>, why: impl Into<String>) -> Self {
        Self::Wait { on: on.into_iter().collect(), why: why.into(), until: None, holds: None }
    }
    /// Give up.
    pub fn stuck(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Stuck { why: why.into(), hint: hint.into() }
    }

    /// What several items of a step still need, together: any that is stuck or asks comes first,
    /// then one that has something to send, so that items move side by side; then waits as one.
    /// Outputs of several items: of durations and numbers the largest, of texts all, joined by a comma.
    pub fn all(items: impl IntoIterator<Item = Next>) -> Self {
        let (mut asks, mut send, mut waits, mut outputs, mut facts) = (None, None, None, Outputs::new(), vec![]);
        for item in items {
            match item {
                Self::Stuck { .. } => return item,
                Self::Ask { .. } => asks = Some(worse(asks, item)),
                Self::Send { .. } => send = send.or(Some(item)),
                Self::Wait { on, why, until, holds } => waits = Some(join_waits(waits, (on, why, until, holds))),
                Self::Done { outputs: more, facts: seen } => {
                    for (name, value) in more {
                        worst(&mut outputs, name, value);
                    }
                    facts.extend(seen);
                }
            }
        }
        if let Some(asks) = asks {
            return asks;
        }
        match (send, waits) {
            (Some(send), _) => send,
            (None, Some((on, why, until, holds))) => Self::Wait { on, why, until, holds },
            (None, None) => Self::Done { outputs, facts },
        }
    }
}

/// Two questions as one: both's facts, the larger loss; an unknown loss is the largest.
fn worse(a: Option<Next>, b: Next) -> Next {
    match (a, b) {
        (Some(Next::Ask { question, facts: one, loss: x }), Next::Ask { facts: other, loss: y, .. }) => {
            Next::Ask { question, facts: one.into_iter().chain(other).collect(), loss: x.zip(y).map(|(x, y)| x.max(y)) }
        }
        (_, b) => b,
    }
}

type Wait = (Vec<Target>, String, Option<Timestamp>, Option<bool>);

fn join_waits(a: Option<Wait>, b: Wait) -> Wait {
    let Some(a) = a else { return b };
    let until = [a.2, b.2].into_iter().flatten().min();
    let holds = match (a.3, b.3) {
        (Some(x), Some(y)) => Some(x && y),
        (x, y) => x.or(y),
    };
    (a.0.into_iter().chain(b.0).collect(), format!("{}; {}", a.1, b.1), until, holds)
}

fn worst(all: &mut Outputs, name: String, value: serde_json::Value) {
    let span = |v: &serde_json::Value| v.as_str().and_then(|s| s.parse::<Span>().ok());
    let joined = match all.get(&name) {
        None => value,
        Some(old) => match (span(old), span(&value), old.as_f64(), value.as_f64()) {
            (Some(a), Some(b), ..) => {
                if a >= b {
                    old.clone()
                } else {
                    value
                }
            }
            (_, _, Some(a), Some(b)) => {
                if a >= b {
                    old.clone()
                } else {
                    value
                }
            }
            _ => format!("{}, {}", text(old), text(&value)).into(),
        },
    };
    all.insert(name, joined);
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A change as people read it, in plan and run alike: `orders: replica -> writer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub target: Target,
    /// What.
    pub what: String,
    /// How it is.
    pub before: String,
    /// How it shall be.
    pub after: String,
    /// What that does to production.
    pub impact: Impact,
}

impl Change {
    /// What an effect changes, and how that was before, in words.
    pub fn of(effect: &Effect, before: String) -> Self {
        let after = effect.words();
        Self { target: effect.target.clone(), what: after.what, before, after: after.value, impact: effect.impact() }
    }
}

/// What a plan had to assume, since only the future knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumed {
    /// What, in words.
    pub what: String,
    /// How long it typically takes until it is so.
    pub takes: Span,
}

/// What an attempt works with, all expressions resolved. Frozen when the attempt starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// The action; none where a step has only probes.
    pub action: Option<Action>,
    /// Every probe that the step names.
    pub probes: BTreeMap<ProbeName, Asked>,
    /// The names of those that must hold after the action.
    pub verify: Vec<ProbeName>,
}

/// A probe, ready to ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// What asks.
    pub action: Action,
    /// What it asks about; its own, not the step's.
    pub resources: Vec<ResourceName>,
}

impl Asked {
    fn cx<'a>(&self, cx: &StepCx<'a>) -> StepCx<'a> {
        StepCx { items: self.resources.iter().filter_map(|name| cx.resources.get(name)).collect(), ..cx.clone() }
    }
    /// See [`super::Behave::targets`].
    pub fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        self.action.behave().targets(&self.cx(cx))
    }
    /// See [`super::Behave::next`].
    pub fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        self.action.behave().next(&self.cx(cx), w)
    }
    /// See [`super::Behave::assume`].
    pub fn assume(&self, cx: &StepCx<'_>, w: &mut World) -> Option<Assumed> {
        self.action.behave().assume(&self.cx(cx), w)
    }
}

impl Inputs {
    fn verified(&self) -> impl Iterator<Item = &Asked> {
        self.verify.iter().filter_map(|name| self.probes.get(name))
    }

    /// What must be looked at.
    pub fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let own = self.action.iter().flat_map(|a| a.behave().targets(cx));
        let mut all: Vec<_> = own.chain(self.verified().flat_map(|p| p.targets(cx))).collect();
        all.sort();
        all.dedup();
        all
    }

    /// What is still to be done: first the action, then its probes, until all hold.
    pub fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        let own = self.action.as_ref().map_or_else(Next::done, |action| action.behave().next(cx, w));
        let Next::Done { .. } = own else { return own };
        Next::all(std::iter::once(own).chain(self.verified().map(|p| p.next(cx, w))))
    }

    /// For plans: what has to be assumed for the present wait to end.
    pub fn assume(&self, cx: &StepCx<'_>, w: &mut World) -> Vec<Assumed> {
        let own = self.action.as_ref().and_then(|a| a.behave().assume(cx, w));
        own.into_iter().chain(self.verified().filter_map(|p| p.assume(cx, w))).collect()
    }
}
