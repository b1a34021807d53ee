//! `measure-lag`: how far a replica is behind, and how much a move would lose now. Never waits:
//! it reads the last good sample before the incident. What was written after that sample's point
//! may all be lost, so the loss is counted up to the incident.

use super::{
    Action, ActionRow, Behave, DefaultAt, Next, Question, StepCx,
    databases::{Database, answer},
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Mode, Outputs, Resource, Shape, Ty, fact},
    world::{Seen, Target, What, World},
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "measure-lag",
        doc: "Measures how far a replica is behind and what a move would lose now. Never waits.",
        fields: &[
            Field::optional("limit", Ty::Duration, "The most that is acceptable.", "${objectives.rpo}"),
            Field::default(
                "over_limit",
                Ty::OneOf(&["refuse", "ask"]),
                "refuse",
                "Beyond the limit: fail, or ask the data-loss question. Unknown counts as beyond.",
            ),
        ],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::To,
    outputs: &[
        Field::optional(
            "lag",
            Ty::Duration,
            "How far behind at the last good sample; absent where none is known.",
            "2s",
        ),
        Field::optional(
            "loss",
            Ty::Duration,
            "The most that a move would lose; absent where the lag is unknown.",
            "1m4s",
        ),
    ],
    impact: Impact::Read,
    calls: &[],
    timeout: Span::secs(30),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    Some(Action::MeasureLag(MeasureLag {
        limit: f.duration("limit"),
        ask: f.text("over_limit").as_deref() == Some("ask"),
    }))
}

/// Parameters of `measure-lag`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureLag {
    /// The most that is acceptable; none: anything is.
    pub limit: Option<Span>,
    /// Beyond it: ask instead of failing.
    pub ask: bool,
}

impl Behave for MeasureLag {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item| {
            Database::of(item, cx.at).ok().map(|db| [db.beside(What::Lag(db.identity.identifier.clone())), db.target])
        };
        cx.items.iter().filter_map(|item| of(item)).flatten().collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        let each: Vec<_> = cx.items.iter().map(|item| answer(|| self.measure(cx, item, w))).collect();
        let untold = |n: &Next| matches!(n, Next::Done { outputs, facts } if outputs.is_empty() && facts.len() > 1);
        let unknown = each.iter().any(untold);
        match Next::all(each) {
            // What one of several databases would lose is not known: so is the whole.
            Next::Done { facts, .. } if unknown => Next::Done { outputs: Outputs::new(), facts },
            other => other,
        }
    }
}

impl MeasureLag {
    fn measure(&self, cx: &StepCx<'_>, item: &Resource, w: &World) -> Result<Next, Next> {
        let database = Database::of(item, cx.at)?;
        let id = &database.identity.identifier;
        if w.db(&database.target).is_some_and(|db| !db.is_replica()) {
            return Ok(Next::done_with(vec![fact(id, "already a writer: nothing to lose")]));
        }
        // In a planned move nothing has happened yet: the present counts.
        let until = if cx.mode == Mode::Emergency { cx.incident } else { cx.now };
        let known = match w.seen(&database.beside(What::Lag(id.clone()))) {
            Some(Seen::Lag(lag)) => lag.loss_at(until),
            _ => None,
        };
        let mut facts = match known {
            Some(loss) => vec![
                fact("lag", format!("{}, sample {} old", loss.lag, loss.age)),
                fact("loss", format!("at most {}", loss.at_most.ceil_secs())),
            ],
            None => vec![fact("lag", "unknown: no good sample"), fact("loss", "unknown")],
        };
        // A planned move freezes and drains, so the lag is what it costs in time, not in data.
        let judged = known.map(|l| if cx.mode == Mode::Emergency { l.at_most } else { l.lag });
        let over = self.limit.filter(|limit| judged.is_none_or(|j| j > *limit));
        if let Some(limit) = over {
            facts.push(fact("limit", limit));
            let accepted = cx.past.answers.get(&Question::DataLoss) == Some(&true);
            if self.ask && !accepted {
                return Ok(Next::Ask { question: Question::DataLoss, facts, loss: known.map(|l| l.at_most) });
            }
            if !self.ask {
                let how = judged.map_or("unknown".into(), |j| j.to_string());
                return Err(Next::stuck(
                    format!("{id} is {how} behind, the limit is {limit}"),
                    "wait until it has caught up, or raise the limit",
                ));
            }
        }
        let outputs = known.into_iter().flat_map(|l| {
            [
                ("lag".to_owned(), l.lag.ceil_secs().to_string().into()),
                ("loss".to_owned(), l.at_most.ceil_secs().to_string().into()),
            ]
        });
        Ok(Next::Done { outputs: outputs.collect::<Outputs>(), facts })
    }
}
