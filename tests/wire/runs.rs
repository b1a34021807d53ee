//! Whole runs in which every changing call meets every fault: the right end, by way of a clear stop
//! where only people can help; never a second effect, never a wrong success.
//!
//! One chain is a failover and the reprotect after it, in a world of its own; in one of the two each changing
//! call meets one fault. The faults go round: in the next chain each call meets the next one. CI runs four
//! of the eleven rounds, in which each run meets each fault and most calls four; `LIFEBOAT_FAULTS=11` all of
//! them. Nothing is shortened: what may have happened is looked for until its dark window is over.

use crate::{
    by_hand,
    lab::{Lab, Ran},
    proxy::{Fault, Rule},
    witness::Witness,
    world::{HOME, NAME, STANDBY, Wire},
};
use lifeboat::{
    event::{EventKind, RunOutcome, Way},
    model::Direction,
    plan::Plan,
    world::{Class, Effect, Landed},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
    thread,
};

/// What becomes of a changing call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Throttled,
    Error5xx,
    ResetBefore,
    ResetAfter,
    Hung,
    Truncated,
    AccessDenied,
    Missing,
    /// By hand, as the step begins: what may be repeated may have been seen a moment before.
    AlreadyDone,
    /// By somebody else, between the look and the send.
    SameMeanwhile,
    /// It was done, and nothing was said.
    HungAfter,
}

/// In an order in which the long waits of those that never reached the server fall into different chains.
const TROUBLES: [Trouble; 11] = [
    Trouble::Throttled,
    Trouble::ResetBefore,
    Trouble::AlreadyDone,
    Trouble::ResetAfter,
    Trouble::AccessDenied,
    Trouble::Hung,
    Trouble::SameMeanwhile,
    Trouble::Error5xx,
    Trouble::Missing,
    Trouble::Truncated,
    Trouble::HungAfter,
];

/// A changing call of the runbook, and how it is told from others.
#[derive(Debug)]
struct Change {
    step: &'static str,
    operation: &'static str,
    containing: &'static str,
}

const fn change(step: &'static str, operation: &'static str, containing: &'static str) -> Change {
    Change { step, operation, containing }
}

const FAILOVER: &[Change] = &[
    change("grow", "UpdateAutoScalingGroup", ""),
    change("freeze", "AddTagsToResource", "frozen-from"),
    change("freeze", "ModifyDBParameterGroup", ""),
    change("promote", "PromoteReadReplica", ""),
    change("shift", "ChangeResourceRecordSets", ""),
];

const REPROTECT: &[Change] = &[
    change("quarantine", "AddTagsToResource", "security-groups"),
    change("quarantine", "ModifyDBInstance", "VpcSecurityGroup"),
    change("keep_tail", "CreateDBSnapshot", ""),
    change("retire", "AddTagsToResource", "retired-from"),
    change("retire", "ModifyDBInstance", "NewDBInstanceIdentifier"),
    change("release", "ResetDBParameterGroup", ""),
    change("release", "RemoveTagsFromResource", ""),
    change("reverse", "CreateDBInstanceReadReplica", ""),
    change("rest", "UpdateAutoScalingGroup", ""),
];

impl Change {
    fn fault(&self, trouble: Trouble) -> Option<Fault> {
        Some(match trouble {
            Trouble::Throttled => Fault::Throttle,
            Trouble::Error5xx => Fault::Error(503, "ServiceUnavailable"),
            Trouble::ResetBefore => Fault::ResetBefore,
            Trouble::ResetAfter => Fault::ResetAfter,
            Trouble::Hung => Fault::Hang,
            Trouble::HungAfter => Fault::HangAfter,
            Trouble::Truncated => Fault::CutAfter(250),
            Trouble::AccessDenied => Fault::AccessDenied,
            Trouble::Missing => Fault::Error(404, self.not_found()),
            Trouble::SameMeanwhile => Fault::Twice,
            Trouble::AlreadyDone => return None,
        })
    }

    fn not_found(&self) -> &'static str {
        match self.operation {
            "ChangeResourceRecordSets" => "NoSuchHostedZone",
            "UpdateAutoScalingGroup" => "ValidationError",
            "ModifyDBParameterGroup" | "ResetDBParameterGroup" => "DBParameterGroupNotFound",
            _ => "DBInstanceNotFound",
        }
    }

    /// The effect of a plan that it is, and which of its step: no step here sends an operation twice.
    fn effect<'a>(&self, plan: &'a Plan) -> (usize, &'a Effect) {
        let step = plan.steps.iter().find(|s| s.id.as_str() == self.step).unwrap();
        let mut effects = step.prediction.effects.iter().map(|p| &p.effect).enumerate();
        effects
            .find(|(_, e)| e.call().operation == self.operation)
            .unwrap_or_else(|| panic!("{} does not send {}", self.step, self.operation))
    }
}

/// What came of a chain: how often which call was applied, and how the world is.
#[derive(Debug, PartialEq)]
struct Outcome {
    applied: BTreeMap<String, u64>,
    world: Value,
}

/// A failover and the reprotect after it.
struct Chain {
    /// In which run calls meet faults, and how far the faults went round; none: nothing goes wrong.
    spoiled: Option<Spoiled>,
    lab: Lab,
}

type Spoiled = (Direction, usize);

impl Chain {
    fn new(spoiled: Option<Spoiled>) -> Self {
        // In every other world things take their time.
        let wire = if spoiled.is_some_and(|(_, round)| round % 2 == 1) { Wire::new() } else { Wire::at_once() };
        Self { spoiled, lab: Lab::new(wire) }
    }

    fn troubles<'a>(&self, direction: Direction, changes: &'a [Change]) -> Vec<(&'a Change, Option<Trouble>)> {
        let round = self.spoiled.filter(|(run, _)| *run == direction).map(|(_, round)| round);
        let trouble = |n| round.map(|round| TROUBLES[(n + round) % TROUBLES.len()]);
        changes.iter().enumerate().map(|(n, change)| (change, trouble(n))).collect()
    }

    async fn lived(&self) -> Outcome {
        let mut extra = vec![];
        for (direction, run, changes) in
            [(Direction::Failover, "r1", FAILOVER), (Direction::Reprotect, "r2", REPROTECT)]
        {
            let plan = self.lab.plan(direction, run).await;
            let troubles = self.troubles(direction, changes);
            self.spoil(&troubles);
            let hands = self.hands(&troubles, &plan);
            let (sent, effects) =
                (self.sent(changes), changes.iter().map(|c| c.effect(&plan).1.clone()).collect::<Vec<_>>());
            let ran = self.lab.run(plan, hands).await;
            self.judge(&ran, &troubles);
            for ((n, (change, trouble)), effect) in troubles.iter().enumerate().zip(effects) {
                // What states how things shall be is done again, which changes nothing; the rest is refused.
                let again = match trouble {
                    Some(Trouble::SameMeanwhile) => true,
                    Some(Trouble::AlreadyDone) => self.sent(changes)[n] > sent[n],
                    _ => false,
                };
                if again && effect.class() == Class::Desired {
                    extra.push(key(change.operation, &effect.call().region));
                }
            }
        }
        let mut applied = self.applied();
        for key in extra {
            *applied.get_mut(&key).unwrap() -= 1;
        }
        Outcome { applied, world: self.seen() }
    }

    /// How often each call was sent by a run so far.
    fn sent(&self, changes: &[Change]) -> Vec<usize> {
        let of = |c: &Change| {
            let calls = self.lab.wire.proxy.calls_of(c.operation);
            calls.iter().filter(|call| call.parameters.contains(c.containing)).count()
        };
        changes.iter().map(of).collect()
    }

    fn spoil(&self, troubles: &[(&Change, Option<Trouble>)]) {
        self.lab.wire.proxy.mend();
        for (change, trouble) in troubles {
            if let Some(fault) = trouble.and_then(|t| change.fault(t)) {
                let rule = Rule::on(change.operation, fault).containing(change.containing).times(1);
                self.lab.wire.proxy.spoil(rule);
            }
        }
    }

    /// Does by hand what is to be done already, right before its step looks: at its start, or when
    /// its call before has happened.
    fn hands(&self, troubles: &[(&Change, Option<Trouble>)], plan: &Plan) -> crate::lab::React {
        let mut early: BTreeMap<(String, bool), Effect> = BTreeMap::new();
        for (change, _) in troubles.iter().filter(|(_, t)| *t == Some(Trouble::AlreadyDone)) {
            let (n, effect) = change.effect(plan);
            early.insert((change.step.to_owned(), n == 0), effect.clone());
        }
        let (account, early) = (self.lab.wire.account.clone(), Mutex::new(early));
        Box::new(move |event| {
            let (step, first) = match event {
                EventKind::AttemptStarted { step, way: Way::Forward, .. } => (step, true),
                EventKind::EffectApplied { step, .. } => (step, false),
                EventKind::EffectSettled { step, landed: Landed::Yes | Landed::InProgress, .. } => (step, false),
                _ => return,
            };
            if let Some(effect) = early.lock().unwrap().remove(&(step.to_string(), first)) {
                by_hand::do_it(&Witness::of(&account), &account, &effect);
            }
        })
    }

    /// It stopped where only people can help, and nowhere else.
    fn judge(&self, ran: &Ran, troubles: &[(&Change, Option<Trouble>)]) {
        let told = || format!("{:?}: {troubles:?}\nstops: {:?}\n{}", self.spoiled, ran.stops, ran.told());
        assert!(matches!(ran.outcome, RunOutcome::Done), "{:?} {}", ran.outcome, told());
        for (step, why) in &ran.stops {
            let may = |t: &Trouble| matches!(t, Trouble::AccessDenied | Trouble::Missing | Trouble::SameMeanwhile);
            let known = troubles.iter().any(|(c, t)| c.step == step && t.as_ref().is_some_and(may));
            assert!(known, "it stopped at {step}: {why}\n{}", told());
        }
        for (change, trouble) in troubles {
            let hit = trouble.and_then(|t| change.fault(t)).is_none_or(|fault| {
                let calls = self.lab.wire.proxy.calls_of(change.operation);
                calls.iter().any(|c| c.fault.as_ref() == Some(&fault) && c.parameters.contains(change.containing))
            });
            assert!(hit, "{change:?} never met {trouble:?}\n{}", told());
            if matches!(trouble, Some(Trouble::AccessDenied | Trouble::Missing)) {
                assert!(ran.stops.iter().any(|(s, _)| s == change.step), "no stop at {}\n{}", change.step, told());
            }
        }
    }

    fn applied(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for call in self.lab.wire.calls().iter().filter(|call| call["applied"] == true) {
            let region = call["region"].as_str().unwrap();
            let region = if call["service"] == "route53" { "global" } else { region };
            *counts.entry(key(call["operation"].as_str().unwrap(), region)).or_default() += 1;
        }
        counts
    }

    /// The world as the witness tells it.
    fn seen(&self) -> Value {
        let (wire, witness) = (&self.lab.wire, &self.lab.wire.witness);
        let db = |region: &str, id: &str| {
            let db = witness.db(region, id);
            let groups = db["VpcSecurityGroups"].as_array().unwrap();
            json!({
                "source": db["ReadReplicaSourceDBInstanceIdentifier"].as_str().map(|s| s.replace(&wire.account, "")),
                "backups": db["BackupRetentionPeriod"],
                "groups": groups.iter().map(|g| g["VpcSecurityGroupId"].clone()).collect::<Vec<_>>(),
                "tags": Witness::tags(&db), "multi_az": db["MultiAZ"],
            })
        };
        json!({
            "orders": [db(HOME.1, "orders"), db(STANDBY.1, "orders"), db(HOME.1, "orders-old-r2")],
            "tail": witness.snapshots(HOME.1, "orders-old-r2"),
            "frozen": [witness.parameters(HOME.1, "orders-ohio"), witness.parameters(STANDBY.1, "orders-oregon")],
            "tags": witness.group_tags(HOME.1, "orders-ohio"),
            "web": [witness.sizes(HOME.1, "web"), witness.sizes(STANDBY.1, "web")],
            "weights": witness.weights(&wire.zone, NAME),
        })
    }
}

fn key(operation: &str, region: &str) -> String {
    format!("{operation} in {region}")
}

fn lived(spoiled: Option<Spoiled>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let chain = Chain::new(spoiled);
    let outcome = runtime.block_on(Box::pin(chain.lived()));
    runtime.shutdown_background();
    outcome
}

#[test]
fn whatever_becomes_of_a_call_a_run_ends_as_if_nothing_had_and_nothing_is_done_twice() {
    let rounds = std::env::var("LIFEBOAT_FAULTS").map_or(4, |n| n.parse().unwrap());
    let clean = lived(None);
    assert!(clean.world["orders"][0]["source"].as_str().is_some_and(|s| s.contains(STANDBY.1)), "{clean:#?}");
    let rounds = (0..rounds).map(|n| n * TROUBLES.len() / rounds);
    let chains = rounds.flat_map(|round| [(Direction::Reprotect, round), (Direction::Failover, round)]);
    // They wait most of the time; more at once would make the double too slow for the other tests.
    let chains = Mutex::new(chains.collect::<VecDeque<_>>());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(spoiled) = { chains.lock().unwrap().pop_front() } {
                    assert_eq!(lived(Some(spoiled)), clean, "{spoiled:?}");
                }
            });
        }
    });
}
