//! What becomes of a trigger. Pure and total.
//!
//! | it stands | its witnesses | what |
//! |---|---|---|
//! | quiet | not enough | nothing, and why |
//! | quiet | enough, `hold` | held, and looked at again |
//! | quiet or held to the end | enough, looked at again | observed, prevented, or begun |
//! | held | not enough any more | nothing, and why |
//! | held to the end | nobody knows | looked at again for a while, then nothing |
//! | spent | enough | nothing new |
//! | spent | not enough | over: it may act again |

use super::{ledger::Standing, weigh::Weighed};
use crate::{
    clock::{Span, Timestamp},
    event::{Begin, Decision},
    runbook::{Autonomy, Trigger},
};

/// So often people are told that witnesses cannot be asked, after the end of a hold.
const PATIENCE: Span = Span::mins(5);

/// What was true is looked for in vain for so long.
const LONGEST: Span = Span::hours(1);

/// What stands against beginning anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Against {
    /// What.
    pub why: String,
    /// What a person can type.
    pub next: String,
}

/// What is decided now; none: nothing new.
pub fn decide(
    trigger: &Trigger,
    standing: Option<&Standing>,
    weighed: &Weighed,
    against: Option<&Against>,
    now: Timestamp,
) -> Option<Decision> {
    let facts = || weighed.facts.clone();
    match standing {
        Some(Standing::Spent) => (!weighed.might()).then_some(Decision::Over),
        None if !weighed.holds() => Some(Decision::Nothing { why: weighed.words(), facts: facts() }),
        None if trigger.hold > Span::ZERO => {
            Some(Decision::Hold { incident: weighed.incident, until: now + trigger.hold, facts: facts() })
        }
        Some(Standing::Holding { .. }) if !weighed.might() => {
            Some(Decision::Nothing { why: format!("it did not hold: {}", weighed.words()), facts: facts() })
        }
        Some(Standing::Holding { until, .. }) if now < *until => None,
        Some(Standing::Holding { incident, until }) if !weighed.holds() => {
            (now >= *until + PATIENCE).then(|| unseen(*incident, weighed, now))
        }
        Some(Standing::Holding { incident, .. }) => Some(act(trigger, *incident, weighed, against)),
        None => Some(act(trigger, weighed.incident, weighed, against)),
    }
}

/// It was true, and nothing tells whether it still is. What could not be seen for an hour starts nothing more.
fn unseen(incident: Timestamp, weighed: &Weighed, now: Timestamp) -> Decision {
    let (why, facts) = (weighed.words(), weighed.facts.clone());
    if now.since(incident) > LONGEST {
        return Decision::Nothing { why: format!("it could not be seen: {why}"), facts };
    }
    Decision::Unseen { incident, why, facts }
}

/// It is true, and has held.
fn act(trigger: &Trigger, incident: Timestamp, weighed: &Weighed, against: Option<&Against>) -> Decision {
    let facts = weighed.facts.clone();
    let autonomy = trigger.autonomy.unwrap_or(Autonomy::Observe);
    if autonomy == Autonomy::Observe {
        return Decision::Observed { incident, facts };
    }
    if let Some(Against { why, next }) = against.cloned() {
        return Decision::Prevented { why, next, facts };
    }
    Decision::Start(Box::new(begin(trigger, incident, facts, None)))
}

/// The failover that a trigger begins.
pub(super) fn begin(
    trigger: &Trigger,
    incident: Timestamp,
    facts: Vec<crate::model::Fact>,
    by_hand: Option<String>,
) -> Begin {
    Begin {
        incident,
        mode: trigger.mode,
        autonomy: trigger.autonomy.unwrap_or(Autonomy::Observe),
        disruptive_if_unreachable: trigger.disruptive_if_unreachable,
        accept_data_loss: trigger.accept_data_loss,
        to: trigger.to.clone(),
        facts,
        by_hand,
    }
}
