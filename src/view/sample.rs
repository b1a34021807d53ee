//! A small storefront for tests: a plan by hand and the events of its run.

use crate::{
    action::{Assumed, Change, Inputs, Question},
    clock::{Span, Timestamp},
    event::{
        Answered, AnsweredBy, Event, EventKind, HoldEndedBy, Measure, Objective, Obligation, ObligationKind, Policy,
        Realm, RunOutcome, Way, Who,
    },
    ids::{AskId, AttemptNo, EffectNo, Epoch, RunId, Seq, StepId},
    model::{Direction, FromTo, Impact, Mode, Objectives, Outputs, Site, fact},
    plan::{Caution, Hold, Plan, PlanStep, PlannedConfirm, PlannedEffect, Prediction, Section, StepDraft},
    runbook::{FailurePolicy, HoldEnd, Milestone, OnTimeout, RunWord, Unattended},
    world::{Call, Effect, Receipt, Seen, Sight, Target, What, rds},
};
use std::{collections::BTreeMap, sync::Arc};

/// 2026-11-21T03:12:00Z, the start of every sample run.
pub(super) const START: Timestamp = Timestamp(1_795_230_720_000);

pub(super) fn site(name: &str, region: &str) -> Site {
    Site::new(name, region)
}

pub(super) fn ends() -> FromTo {
    FromTo { from: site("ohio", "us-east-2"), to: site("oregon", "us-west-2") }
}

pub(super) fn ana() -> Who {
    Who { operator: "ana".into(), host: "bastion".into(), pid: 77 }
}

/// A step without anything.
pub(super) fn step(id: &str, wave: u32, action: &str, impact: Impact) -> PlanStep {
    PlanStep {
        id: id.into(),
        name: None,
        section: Section::Main,
        wave,
        draft: StepDraft { action: Some(action.into()), ..StepDraft::default() },
        resources: vec!["orders".into()],
        at: "oregon".into(),
        needs: vec![],
        run: RunWord::Run,
        left_out: false,
        when: None,
        confirm: None,
        expect: None,
        timeout: Span::mins(5),
        retry: None,
        on_failure: FailurePolicy::Pause,
        undo: None,
        hold: None,
        milestone: None,
        skippable: true,
        simulate: None,
        impact,
        prediction: Prediction { takes: Span::secs(30), ..Prediction::default() },
    }
}

pub(super) fn promote() -> Effect {
    let call = rds::Call::Promote { identifier: "orders".into(), resource_id: "db-1".into(), backup_retention: 7 };
    Effect { target: Target::at(&ends().to, What::Db("orders".into())), call: Call::Rds(call) }
}

pub(super) fn freeze() -> Effect {
    let call = rds::Call::SetParameter {
        group: "orders-ohio".into(),
        parameter: "default_transaction_read_only".into(),
        value: Some("on".into()),
        freezes: true,
    };
    Effect { target: Target::at(&ends().from, What::Parameters("orders-ohio".into())), call: Call::Rds(call) }
}

fn planned(effect: Effect, before: &str) -> PlannedEffect {
    let after = effect.words();
    let change = Change {
        target: effect.target.clone(),
        what: after.what,
        before: before.into(),
        after: after.value,
        impact: effect.impact(),
    };
    PlannedEffect { call: effect.call(), effect, change }
}

/// A planned failover with one step of each interesting sort.
pub(super) fn plan() -> Plan {
    let declare = PlanStep {
        confirm: Some(PlannedConfirm {
            message: "Move storefront from ohio to oregon?".into(),
            timeout: Some(Span::mins(15)),
            on_timeout: OnTimeout::Abort,
            unattended: Unattended::Proceed,
            valid_for: Span::mins(15),
        }),
        resources: vec![],
        ..step("declare", 1, "confirm", Impact::Read)
    };
    let mut freeze = PlanStep {
        at: "ohio".into(),
        hold: Some(Hold { max: Span::mins(5), then: HoldEnd::Undo }),
        skippable: false,
        ..step("freeze", 2, "freeze-writes", Impact::Disruptive)
    };
    freeze.prediction.effects = vec![planned(self::freeze(), "default_transaction_read_only off")];
    freeze.prediction.asks = vec![Question::AliveUnfenced];
    let mut drained = step("drained", 3, "wait-for-replication", Impact::Read);
    drained.prediction.assumed =
        vec![Assumed { what: "orders at oregon has replayed all of ohio's log".into(), takes: Span::secs(20) }];
    drained.prediction.unknown = vec!["the log position of orders at ohio: no answer within 3s".into()];
    let mut promote = step("promote", 4, "promote-replica", Impact::Irreversible);
    promote.timeout = Span::mins(20);
    promote.prediction.takes = Span::mins(8);
    promote.prediction.effects = vec![planned(self::promote(), "replica of orders")];
    let moved = PlanStep {
        milestone: Some(Milestone::ServiceRestored),
        resources: vec!["www".into()],
        ..step("moved", 5, "verify-dns", Impact::Read)
    };
    let ready = PlanStep { run: RunWord::Skip, ..step("ready", 5, "verify-http", Impact::Read) };
    let unlock = PlanStep { section: Section::Finally, ..step("allow_deploys", 1, "exec", Impact::Safe) };
    Plan {
        run: crate::ids::RunId::new("r1kf"),
        incident: None,
        global_endpoint: None,
        runbook: "storefront".into(),
        digest: "3f9a0c57d2e1b84466aa".into(),
        folder: "runbooks".into(),
        file: "storefront.yaml".into(),
        direction: Direction::Failover,
        mode: Mode::Planned,
        ends: ends(),
        sites: BTreeMap::new(),
        resources: BTreeMap::new(),
        parameters: serde_json::Map::from_iter([("crew".to_owned(), "night".into())]),
        objectives: Objectives {
            rto: Some(Span::hours(1)),
            rpo: Some(Span::mins(1)),
            write_outage: Some(Span::mins(20)),
        },
        steps: vec![declare, freeze, drained, promote, moved, ready],
        finally: vec![unlock],
        made_at: START,
        observed: vec![
            Sight { target: Target::at(&ends().to, What::Db("orders".into())), at: START, seen: Seen::Absent },
            Sight {
                target: Target::at(&ends().from, What::Group("web".into())),
                at: START,
                seen: Seen::Unknown { why: "no answer within 3s".into() },
            },
        ],
        cautions: vec![Caution {
            step: Some("promote".into()),
            what: "orders at oregon keeps no backups until it is promoted".into(),
            refuses: false,
        }],
        critical_path: (vec!["freeze".into(), "drained".into(), "promote".into()], Span::secs(550)),
        write_outage: Some(Span::secs(540)),
        loss_now: None,
    }
}

/// Events at given seconds after the start.
pub(super) fn events(kinds: Vec<(u64, EventKind)>) -> Vec<Event> {
    let event = |(n, (seconds, kind)): (u64, (u64, EventKind))| Event {
        run: RunId::new("r1kf"),
        seq: Seq(n),
        epoch: Epoch(1),
        at: START + Span::secs(seconds),
        kind,
    };
    (1..).zip(kinds).map(event).collect()
}

pub(super) fn started() -> EventKind {
    EventKind::RunStarted {
        plan: Arc::new(plan()),
        by: ana(),
        realm: Realm::Sandbox,
        policy: Policy::default(),
        since: None,
        supersedes: None,
        owed: vec![],
        cause: None,
    }
}

pub(super) fn attempt(step: &str, attempt: u32) -> EventKind {
    let inputs = Inputs { action: None, probes: BTreeMap::new(), verify: vec![] };
    EventKind::AttemptStarted {
        step: step.into(),
        attempt: AttemptNo(attempt),
        way: Way::Forward,
        inputs: Arc::new(inputs),
        deadline: START + Span::mins(20),
    }
}

pub(super) fn intended(step: &str, effect: Effect) -> EventKind {
    let before = Sight { target: effect.target.clone(), at: START, seen: Seen::Absent };
    EventKind::EffectIntended {
        step: step.into(),
        effect: EffectNo(1),
        call: Arc::new(effect),
        before: Arc::new(before),
        predicted: true,
    }
}

pub(super) fn done(step: &str) -> EventKind {
    EventKind::StepSucceeded { step: step.into(), outputs: Outputs::new(), facts: vec![] }
}

pub(super) fn asked(question: Question) -> EventKind {
    EventKind::ConfirmationAsked {
        ask: AskId(1),
        step: Some("declare".into()),
        question,
        message: "Move storefront from ohio to oregon?".into(),
        facts: vec![fact("lag", "2s"), fact("active site", "ohio")],
        until: Some(START + Span::mins(15)),
        loss: None,
    }
}

/// The beginning of the sample run, up to where the writes are frozen.
pub(super) fn frozen() -> Vec<(u64, EventKind)> {
    let answer = EventKind::ConfirmationGiven { ask: AskId(1), answer: Answered::Yes, by: AnsweredBy::Person(ana()) };
    let hold = EventKind::HoldOpened {
        step: "freeze".into(),
        until: START + Span::secs(365),
        what: "writes frozen at ohio".into(),
        before: None,
    };
    let applied = EventKind::EffectApplied { step: "freeze".into(), effect: EffectNo(1), receipt: Receipt::default() };
    vec![
        (0, started()),
        (0, EventKind::PlanSealed { digest: "3f9a0c57d2e1b84466aa".into() }),
        (1, asked(Question::Confirm)),
        (31, answer),
        (31, done("declare")),
        (32, attempt("freeze", 1)),
        (32, hold),
        (32, intended("freeze", freeze())),
        (33, applied),
        (
            48,
            EventKind::StepSucceeded {
                step: StepId::new("freeze"),
                outputs: Outputs::new(),
                facts: vec![fact("orders", "writes frozen by default_transaction_read_only")],
            },
        ),
    ]
}

/// The whole sample run: it ends done, unprotected, with everything measured.
pub(super) fn finished() -> Vec<Event> {
    let owed = Obligation { kind: ObligationKind::Reprotect, site: "ohio".into() };
    let mut all = frozen();
    all.extend([
        (49, attempt("drained", 1)),
        (70, done("drained")),
        (71, attempt("promote", 1)),
        (71, intended("promote", promote())),
        (72, EventKind::EffectApplied { step: "promote".into(), effect: EffectNo(1), receipt: Receipt::default() }),
        (72, EventKind::ObligationOpened { owed, why: "oregon has no replica".into() }),
        (560, EventKind::HoldClosed { step: "freeze".into(), by: HoldEndedBy::Promotion }),
        (560, done("promote")),
        (561, attempt("moved", 1)),
        (620, done("moved")),
        (620, EventKind::MilestoneReached { milestone: Milestone::ServiceRestored, step: "moved".into() }),
    ]);
    let measured = |objective, at_most: Option<u64>, met, proof: &str, parts: &[(&str, u64)]| {
        let value = Measure {
            at_most: at_most.map(Span::secs),
            proof: proof.into(),
            objective: Some(Span::mins(10)),
            met: Some(met),
            parts: parts.iter().map(|(n, s)| ((*n).to_owned(), Span::secs(*s))).collect(),
        };
        (621, EventKind::ObjectiveMeasured { objective, value })
    };
    all.extend([
        measured(Objective::Rto, Some(620), false, "clock from the command", &[("decide", 30), ("execute", 590)]),
        measured(Objective::Rpo, Some(0), true, "lsn", &[]),
        measured(Objective::WriteOutage, None, false, "none", &[]),
        (622, EventKind::RunFinished { outcome: RunOutcome::Unprotected }),
    ]);
    events(all)
}
