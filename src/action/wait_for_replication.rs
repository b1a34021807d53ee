//! `wait-for-replication`: waits until a replica is close enough, for long enough; or, after a
//! freeze, until nothing is left to replicate, with a proof.
//!
//! Proofs, strongest first. `lsn`: the replica has replayed up to where the source's log ended when it
//! was first seen frozen with no session still writing. What it logs by itself from then on
//! (checkpoints, pruning by readers) is nobody's data, and would be chased for ever. `marker`: a row written after the freeze is
//! readable on the replica. `metric`: two samples later than the freeze say zero; on PostgreSQL the
//! source's slot lag, since an idle source's ReplicaLag grows.

use super::{
    Action, ActionRow, Assumed, Behave, DefaultAt, Next, StepCx,
    databases::{Database, answer, unknown},
};
use crate::{
    clock::Span,
    model::{DbEngine, Field, Fields, Impact, KindName, Outputs, Resource, Shape, Ty, fact},
    world::{
        Call, Effect, Seen, Target, What, World,
        rds::{self, LagSample, Position},
    },
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "wait-for-replication",
        doc: "Waits until a replica is at most `max_lag` behind, held `for` so long; or with `drained: true`, after a freeze, until nothing is left to replicate, with a `proof`.",
        fields: &[
            Field::optional("max_lag", Ty::Duration, "The most it may be behind.", "30s"),
            Field::optional("for", Ty::Duration, "For how long that must hold.", "10m"),
            Field::default(
                "drained",
                Ty::Flag,
                "false",
                "Nothing may be left to replicate; the source must be frozen.",
            ),
            Field::default(
                "proof",
                Ty::OneOf(&["lsn", "marker", "metric"]),
                "metric",
                "How that is proven; `metric` is the weakest.",
            ),
        ],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::To,
    outputs: &[
        Field::optional("lag", Ty::Duration, "How far it was behind in the end.", "0s"),
        Field::optional("proof", Ty::Text, "How it was proven that nothing was left.", "lsn"),
    ],
    impact: Impact::Read,
    calls: &[],
    timeout: Span::mins(30),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let (max_lag, held) = (f.duration("max_lag"), f.duration("for").unwrap_or_default());
    let (drained, proof) = (f.flag("drained").unwrap_or(false), f.text("proof"));
    let until = match (drained, max_lag) {
        (true, None) => Until::Drained(match proof.as_deref() {
            Some("lsn") => Proof::Lsn,
            Some("marker") => Proof::Marker,
            _ => Proof::Metric,
        }),
        (false, Some(max_lag)) => Until::Near { max_lag, held },
        (true, Some(_)) => {
            f.complain("max_lag", "`drained` and `max_lag` exclude each other");
            return None;
        }
        (false, None) => {
            f.complain("max_lag", "say `max_lag`, or `drained: true`");
            return None;
        }
    };
    Some(Action::WaitForReplication(WaitForReplication { until }))
}

/// Parameters of `wait-for-replication`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitForReplication {
    /// What is waited for.
    pub until: Until,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// The replica is near.
    Near {
        /// At most so far behind.
        max_lag: Span,
        /// For so long.
        held: Span,
    },
    /// Nothing is left, proven so.
    Drained(Proof),
}

/// How it is proven that nothing is left to replicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// By positions in the log.
    Lsn,
    /// By a row.
    Marker,
    /// By the service's metric.
    Metric,
}

impl Proof {
    fn word(self) -> &'static str {
        match self {
            Self::Lsn => "lsn",
            Self::Marker => "marker",
            Self::Metric => "metric",
        }
    }
}

impl Behave for WaitForReplication {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        let of = |item| Some(Pair::of(cx, item).ok()?.targets(cx, self.until));
        cx.items.iter().filter_map(|item| of(item)).flatten().collect()
    }

    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        let one = |item| {
            answer(|| {
                let pair = Pair::of(cx, item)?;
                Ok(pair.watched(self.until, answer(|| pair.next(cx, w, self.until))))
            })
        };
        let next = Next::all(cx.items.iter().map(|item| one(item)));
        if self.until == Until::Drained(Proof::Lsn) { keep_the_ends(cx, w, next) } else { next }
    }

    fn assume(&self, cx: &StepCx<'_>, w: &mut World) -> Option<Assumed> {
        for item in &cx.items {
            let pair = Pair::of(cx, item).ok()?;
            pair.assume(cx, w);
        }
        Some(match self.until {
            Until::Near { max_lag, .. } => {
                Assumed { what: format!("the replica comes within {max_lag}"), takes: Span::mins(5) }
            }
            Until::Drained(_) => {
                Assumed { what: "the replica catches up after the freeze".into(), takes: Span::secs(30) }
            }
        })
    }
}

/// From when all sources are quiet, [`StepPast::holding_since`](super::StepPast::holding_since), none of them is
/// looked at any more: their positions then are what the replicas have to reach.
fn keep_the_ends(cx: &StepCx<'_>, w: &World, next: Next) -> Next {
    let Next::Wait { on, why, until, .. } = next else { return next };
    let quiet = |item| Pair::of(cx, item).is_ok_and(|pair| pair.quiet(w).is_ok());
    let all_quiet = cx.items.iter().all(|item| quiet(item));
    let holds = (all_quiet || cx.past.holding_since.is_some()).then_some(all_quiet);
    Next::Wait { on, why, until, holds }
}

/// A replica and its source.
struct Pair<'a> {
    replica: Database<'a>,
    source: Database<'a>,
    /// As the runbook states it.
    stated: Option<DbEngine>,
}

impl<'a> Pair<'a> {
    fn of(cx: &StepCx<'a>, item: &'a Resource) -> Result<Self, Next> {
        let replica = Database::of(item, cx.at)?;
        let source = Database::of(item, cx.sites.other(&cx.at.name))?;
        Ok(Self { replica, source, stated: item.engine() })
    }

    fn lag(&self) -> Target {
        self.replica.beside(What::Lag(self.replica.identity.identifier.clone()))
    }
    fn slot_lag(&self) -> Target {
        self.source.beside(What::SlotLag(self.source.identity.identifier.clone()))
    }
    fn position(database: &Database<'_>) -> Target {
        database.beside(What::Position(database.identity.identifier.clone()))
    }
    fn marker(cx: &StepCx<'_>, database: &Database<'_>) -> Target {
        database.beside(What::Marker(database.identity.identifier.clone(), format!("{}-{}", cx.run, cx.step)))
    }
    /// What tells of a drain by metric: that of the engine that is there, else of the one stated.
    fn drain_metric(&self, w: &World) -> Target {
        let seen = w.db(&self.source.target).or_else(|| w.db(&self.replica.target)).map(|db| db.engine);
        if seen.or(self.stated) == Some(DbEngine::Postgres) { self.slot_lag() } else { self.lag() }
    }

    fn next(&self, cx: &StepCx<'_>, w: &World, waits_for: Until) -> Result<Next, Next> {
        self.replicates(cx, w)?;
        match waits_for {
            Until::Near { max_lag, held } => Ok(self.near(cx, w, max_lag, held)),
            Until::Drained(Proof::Lsn) => self.drained_by_lsn(w),
            Until::Drained(Proof::Marker) => self.drained_by_marker(cx, w),
            Until::Drained(Proof::Metric) => Ok(self.drained_by_metric(cx, w)),
        }
    }

    /// Whatever is waited for: nothing comes to what is promoted meanwhile, and which metric tells depends on
    /// the engine.
    fn watched(&self, waits_for: Until, next: Next) -> Next {
        let Next::Wait { mut on, why, until, holds } = next else { return next };
        on.push(self.replica.target.clone());
        if waits_for == Until::Drained(Proof::Metric) {
            on.push(self.source.target.clone());
        }
        Next::Wait { on, why, until, holds }
    }

    /// Nothing comes to what is no replica, however long it is waited for. Where a move goes, it was
    /// promoted already; what was proven then is in that run.
    fn replicates(&self, cx: &StepCx<'_>, w: &World) -> Result<(), Next> {
        let Some(db) = w.db(&self.replica.target).filter(|db| !db.is_replica()) else { return Ok(()) };
        if cx.direction.is_move() && cx.at.name == cx.sites.to.name {
            return Err(Next::done_with(vec![fact(&db.identifier, "a writer already: nothing is left to replicate")]));
        }
        Err(Next::stuck(
            format!("{} is no replica: nothing replicates to it", self.replica.target),
            "build the replica first, by `reverse-replication`; then resume with --retry",
        ))
    }

    fn targets(&self, cx: &StepCx<'_>, until: Until) -> Vec<Target> {
        let at_source = Self::position(&self.source);
        let mut all = match until {
            Until::Near { .. } => vec![self.lag()],
            Until::Drained(Proof::Lsn) if cx.past.holding_since.is_some() => vec![Self::position(&self.replica)],
            Until::Drained(Proof::Lsn) => vec![at_source, Self::position(&self.replica)],
            Until::Drained(Proof::Marker) => {
                vec![at_source, Self::marker(cx, &self.source), Self::marker(cx, &self.replica)]
            }
            Until::Drained(Proof::Metric) => vec![self.lag(), self.slot_lag(), self.source.target.clone()],
        };
        all.push(self.replica.target.clone());
        all
    }

    fn near(&self, cx: &StepCx<'_>, w: &World, max_lag: Span, held: Span) -> Next {
        const TOO_OLD: Span = Span::mins(5);
        let lag = match w.seen(&self.lag()) {
            Some(Seen::Lag(lag)) => lag.last_good(cx.now).filter(|(at, _)| cx.now.since(*at) <= TOO_OLD),
            _ => None,
        };
        let here = &self.replica.identity.identifier;
        let replicating = w.db(&self.replica.target).is_some_and(|db| db.is_replica() && db.usable());
        let near = lag.filter(|(_, lag)| replicating && *lag <= max_lag);
        let since = cx.past.holding_since.filter(|_| near.is_some());
        if let (Some((_, lag)), true) = (near, held == Span::ZERO || since.is_some_and(|s| cx.now.since(s) >= held)) {
            let outputs = Outputs::from([("lag".to_owned(), lag.ceil_secs().to_string().into())]);
            return Next::Done { outputs, facts: vec![fact(here, format!("{lag} behind, held {held}"))] };
        }
        let how = lag.map_or("an unknown time".to_owned(), |(_, lag)| lag.to_string());
        Next::Wait {
            on: vec![self.lag()],
            why: if near.is_some() {
                format!("{here} {how} behind, to hold for {held}")
            } else {
                format!("{here} {how} behind, to come within {max_lag}")
            },
            until: near.and(Some(since.unwrap_or(cx.now) + held)),
            holds: Some(near.is_some()),
        }
    }

    /// The source's position, once nobody can write there any more.
    fn quiet(&self, w: &World) -> Result<Position, Next> {
        let target = Self::position(&self.source);
        let Some(Seen::Position(source)) = w.seen(&target) else { return Err(unknown(&target, w.seen(&target))) };
        if source.writable {
            return Err(Next::wait([target], format!("{} still takes writes", self.source.identity.identifier)));
        }
        if source.writing > 0 {
            return Err(Next::wait(
                [target],
                format!("{} sessions still write to {}", source.writing, self.source.identity.identifier),
            ));
        }
        Ok(*source)
    }

    fn drained_by_lsn(&self, w: &World) -> Result<Next, Next> {
        let source = self.quiet(w)?;
        let target = Self::position(&self.replica);
        let Some(Seen::Position(replica)) = w.seen(&target) else { return Err(unknown(&target, w.seen(&target))) };
        // A replica never goes back, so it does not matter which of the two was looked at first.
        if replica.lsn < source.lsn {
            return Ok(Next::wait([target], format!("{} bytes left to replay", source.lsn - replica.lsn)));
        }
        Ok(drained(Proof::Lsn, format!("replayed up to {}, the end of the source's log", replica.lsn)))
    }

    fn drained_by_marker(&self, cx: &StepCx<'_>, w: &World) -> Result<Next, Next> {
        self.quiet(w)?;
        let (at_source, at_replica) = (Self::marker(cx, &self.source), Self::marker(cx, &self.replica));
        let readable = |target: &Target| match w.seen(target) {
            Some(Seen::Answer(answer)) => Ok(answer.ok),
            seen => Err(unknown(target, seen)),
        };
        let What::Marker(identifier, marker) = at_source.what.clone() else {
            unreachable!("built as a marker right above")
        };
        if !readable(&at_source)? {
            let call = Call::Rds(rds::Call::WriteMarker { identifier, marker });
            return Ok(Next::send(Effect { target: at_source, call }, "no marker"));
        }
        if !readable(&at_replica)? {
            return Ok(Next::wait([at_replica], "the marker to be readable on the replica"));
        }
        Ok(drained(Proof::Marker, format!("marker {marker} is readable on the replica")))
    }

    fn drained_by_metric(&self, cx: &StepCx<'_>, w: &World) -> Next {
        let target = self.drain_metric(w);
        let zero = |s: &&LagSample| s.seconds.is_some_and(|s| (0.0..0.5).contains(&s));
        let after: Vec<_> = match w.seen(&target) {
            Some(Seen::Lag(lag)) => lag.samples.iter().filter(|s| s.at > cx.past.started).collect(),
            seen => return unknown(&target, seen),
        };
        let zeros = after.iter().rev().take_while(|s| zero(s)).count();
        if zeros >= 2 {
            return drained(Proof::Metric, "two samples after the freeze say zero".into());
        }
        Next::wait([target], format!("{zeros} of 2 samples after the freeze say zero"))
    }

    fn assume(&self, cx: &StepCx<'_>, w: &mut World) {
        let lsn = match w.seen(&Self::position(&self.source)) {
            Some(Seen::Position(p)) => Some(p.lsn),
            _ => None,
        };
        w.change(&Self::position(&self.source), |seen| {
            if let Seen::Position(p) = seen {
                p.writing = 0;
            }
        });
        w.change(&Self::position(&self.replica), |seen| {
            if let (Seen::Position(p), Some(lsn)) = (seen, lsn) {
                p.lsn = p.lsn.max(lsn);
            }
        });
        w.change(&Self::marker(cx, &self.replica), |seen| {
            if let Seen::Answer(a) = seen {
                a.ok = true;
            }
        });
        w.change(&self.replica.target, |seen| {
            if let Seen::Db(db) = seen {
                db.status = rds::Status::Available;
            }
        });
        for target in [self.lag(), self.slot_lag()] {
            let zero = |after| LagSample { at: cx.now + Span::secs(after), seconds: Some(0.0) };
            w.change(&target, |seen| {
                if let Seen::Lag(lag) = seen {
                    lag.samples.extend([zero(0), zero(1), zero(2)]);
                }
            });
        }
    }
}

fn drained(proof: Proof, how: String) -> Next {
    let outputs = Outputs::from([("lag".to_owned(), "0s".into()), ("proof".to_owned(), proof.word().into())]);
    Next::Done { outputs, facts: vec![fact(format!("drained, proof {}", proof.word()), how)] }
}
