//! What a watcher sees: alarms in their Regions, probes at their sites, what runs stand against a start.

use super::{
    runs::{begun, events},
    shelf::Shelf,
};
use crate::{
    alarm::{AlarmArn, AlarmState, Provenance, Signal, Way},
    cli::{
        args::Common,
        wiring::{Purpose, World, commands, world},
    },
    clock::{Span, Timestamp},
    driver::{
        aws::{AlarmSight, Queue},
        gather,
        live::LiveLook,
    },
    engine::RunState,
    event::TriggerId,
    ids::{LeaseKey, ProbeName, Region, RunId},
    intake::http::Subscriptions,
    model::{Direction, Place},
    plan::{Probing, Request},
    runbook::{Autonomy, Runbook, Trigger},
    store::{RunHead, Store, StoreError},
    watch::{Against, Eyes, Known, Ledger, Looked, Seen, Start, id_of},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// A probe is asked for so long at most.
const PROBE: Span = Span::secs(5);

/// What probes said so lately counts for the next message too: a burst of messages asks them once.
const FRESH: Duration = Duration::from_secs(2);

/// So many runs back a run that began by itself is looked for.
const BACK: usize = 20;

/// A watcher's eyes.
pub(super) struct Sight {
    common: Common,
    store: Arc<dyn Store>,
    shelf: Arc<Mutex<Shelf>>,
    /// The worlds of the runbooks, by their digest: opened once.
    worlds: Mutex<BTreeMap<String, World>>,
    /// What the probes of each trigger said last, and when.
    probed: Mutex<BTreeMap<TriggerId, (Instant, Probes)>>,
}

/// What probes said, each at its site.
type Probes = BTreeMap<(ProbeName, Place), Seen<bool>>;

impl Sight {
    pub(super) fn new(common: &Common, store: Arc<dyn Store>, shelf: Arc<Mutex<Shelf>>) -> Self {
        Self { common: common.clone(), store, shelf, worlds: Mutex::default(), probed: Mutex::default() }
    }

    /// The world of a runbook.
    pub(super) fn world(&self, runbook: &Runbook) -> Option<World> {
        let key = runbook.digest.to_string();
        let mut worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(&key) {
            return Some(world.clone());
        }
        let loaded = self.shelf.lock().unwrap_or_else(PoisonError::into_inner).loaded(&runbook.name)?;
        // A simulated world is lived in: runs begin in the same.
        let purpose = if self.common.sandbox { Purpose::Begin } else { Purpose::Look };
        let opened = world(&self.common, purpose(&loaded)).ok()?;
        worlds.insert(key, opened.clone());
        Some(opened)
    }

    async fn probes(&self, runbook: &Runbook, trigger: &Trigger) -> Probes {
        let id = id_of(runbook, trigger);
        let probed = || self.probed.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = probed().get(&id).filter(|(at, _)| at.elapsed() < FRESH).cloned();
        if let Some((_, known)) = lately {
            return known;
        }
        let asked: Vec<_> = trigger.probes().map(|(name, at)| (name.clone(), at.clone())).collect();
        if asked.is_empty() {
            return Probes::new();
        }
        let answers = self.ask(runbook, trigger, &asked).await;
        let answer = |i: usize| match &answers {
            Ok(all) => all.get(i).copied().ok_or_else(|| "it could not be made ready".to_owned()),
            Err(why) => Err(why.clone()),
        };
        let said: Probes = asked.into_iter().enumerate().map(|(i, probe)| (probe, answer(i))).collect();
        probed().insert(id, (Instant::now(), said.clone()));
        said
    }

    async fn ask(
        &self,
        runbook: &Runbook,
        trigger: &Trigger,
        asked: &[(ProbeName, Place)],
    ) -> Result<Vec<bool>, String> {
        let world = self.world(runbook).ok_or("its world cannot be opened")?;
        let now = world.clock.now();
        let request = Request {
            run: RunId::new("probe"),
            direction: Direction::Failover,
            mode: trigger.mode,
            from: runbook.primary.clone(),
            to: trigger.to.clone().unwrap_or_else(|| runbook.standbys[0].clone()),
            parameters: BTreeMap::new(),
            incident: None,
            folder: String::new(),
            file: String::new(),
            now,
        };
        let probing = Probing::of(runbook, &request, asked).map_err(|all| all.join("; "))?;
        let seen = gather::look(&*world.look, &*world.clock, &probing.targets(now), PROBE).await;
        Ok(probing.hold(&seen, now))
    }

    fn only_observes(&self, runbook: &Runbook, trigger: &Trigger) -> Option<Against> {
        let observes = matches!(trigger.autonomy, None | Some(Autonomy::Observe));
        let typed = self.shelf.lock().unwrap_or_else(PoisonError::into_inner).loaded(&runbook.name).map(|l| l.typed);
        let known = commands(&self.common, &typed.unwrap_or_default());
        observes.then(|| Against {
            why: format!("`{}` only observes", trigger.name),
            next: known.on_file(&format!("failover --{}", trigger.mode)),
        })
    }

    /// Every alarm that a runbook's triggers name, as a signal that was seen.
    pub(super) async fn all(&self, runbook: &Runbook) -> Vec<Signal> {
        let alarms: Vec<_> = runbook.triggers.iter().flat_map(Trigger::alarms).cloned().collect();
        let from = Provenance { way: Way::Looked, message: None, topic: None, sent: None };
        let signal = |(alarm, seen): (AlarmArn, Seen<Known>)| {
            let Known { state, changed, muted } = seen.ok()?;
            Some(Signal { alarm, state, was: None, changed, reason: String::new(), muted, from: from.clone() })
        };
        self.alarms(runbook, &alarms).await.into_iter().filter_map(signal).collect()
    }

    /// Alarms, as their Regions say now. The sandbox has none: what was heard counts.
    async fn alarms(&self, runbook: &Runbook, alarms: &[AlarmArn]) -> BTreeMap<AlarmArn, Seen<Known>> {
        let Some(world) = self.world(runbook) else {
            let unseen = |alarm: &AlarmArn| (alarm.clone(), Err("its world cannot be opened".to_owned()));
            return alarms.iter().map(unseen).collect();
        };
        let Some(live) = world.live else { return BTreeMap::new() };
        let arns: Vec<_> = alarms.iter().map(AlarmArn::as_str).collect();
        let mut seen = live.outposts().alarms(&arns).await;
        let one = |alarm: &AlarmArn| {
            let there = seen.remove(alarm.as_str())?.map_err(|why| why.to_string());
            Some((alarm.clone(), there.and_then(|sight| known(sight.ok_or("there is no such alarm")?))))
        };
        alarms.iter().filter_map(one).collect()
    }

    /// A queue by its URL.
    pub(super) async fn queue(&self, url: &str, region: Option<&str>) -> Result<Queue, String> {
        let region = region.map(Region::new);
        Queue::open(self.any_live()?.outposts(), url, region).await.map_err(|why| why.to_string())
    }

    /// What is real, by any of the runbooks.
    fn any_live(&self) -> Result<Arc<LiveLook>, String> {
        let policies = self.shelf.lock().unwrap_or_else(PoisonError::into_inner).policies();
        let live = policies.values().find_map(|runbook| self.world(runbook)?.live);
        live.ok_or_else(|| "the sandbox has no queues and topics".to_owned())
    }

    /// The time that runs are recorded in.
    fn now(&self, runbook: &Runbook) -> Timestamp {
        let simulated = self.world(runbook).filter(|world| world.sandbox.is_some());
        simulated.map_or_else(Timestamp::wall, |world| world.clock.now())
    }

    /// A run, or that it cannot be read: whether it began by itself is then for a person to know.
    async fn state(&self, head: &RunHead) -> Result<Result<RunState, Against>, StoreError> {
        let state = events(&self.store, &head.id).await?.map_err(|why| why.to_string());
        let state = state.and_then(|events| RunState::replay(&events).map_err(|why| why.to_string()));
        Ok(state.map_err(|why| Against {
            why: format!("whether run {} began by itself cannot be read: {why}", head.id),
            next: commands(&self.common, "").bare("store verify"),
        }))
    }

    /// The run that is under way; a reprotect gives way.
    async fn unfinished(&self, newest: Option<&RunHead>) -> Result<Option<Against>, StoreError> {
        let Some(head) = newest.filter(|head| head.outcome.is_none()) else { return Ok(None) };
        let direction = match self.state(head).await? {
            Ok(state) if state.plan.direction == Direction::Reprotect => return Ok(None),
            Ok(state) => state.plan.direction.to_string(),
            Err(_) => "run".to_owned(),
        };
        Ok(Some(Against {
            why: format!("a {direction} is under way: run {}", head.id),
            next: commands(&self.common, "").on_run("show", &head.id, ""),
        }))
    }
}

#[async_trait]
impl Eyes for Sight {
    async fn begun(&self, start: &Start) -> Result<Option<RunId>, StoreError> {
        begun(&self.store, start).await
    }

    async fn look(&self, runbook: &Runbook, trigger: &Trigger, alarms: bool) -> Looked {
        let mut looked = Looked::default();
        if alarms {
            let all: Vec<_> = trigger.alarms().cloned().collect();
            looked.alarms = self.alarms(runbook, &all).await;
        }
        looked.probes = self.probes(runbook, trigger).await;
        looked
    }

    async fn against(
        &self,
        runbook: &Runbook,
        trigger: &Trigger,
        ledger: &Ledger,
        by_hand: bool,
    ) -> Result<Option<Against>, StoreError> {
        let key = LeaseKey::new(&runbook.name);
        let runs = self.store.runs(Some(&key)).await?;
        if let Some(against) = self.unfinished(runs.first()).await? {
            return Ok(Some(against));
        }
        if by_hand {
            return Ok(self.only_observes(runbook, trigger));
        }
        let known = commands(&self.common, "");
        let mut by_person = false;
        for head in runs.iter().take(BACK) {
            let state = match self.state(head).await? {
                Ok(state) => state,
                Err(against) => return Ok(Some(against)),
            };
            if state.cause.is_none() {
                by_person = true;
                continue;
            }
            let again = state.last_at + trigger.cooldown;
            if self.now(runbook) < again {
                return Ok(Some(Against {
                    why: format!(
                        "run {} began by itself; none does again before {again} (cooldown {})",
                        head.id, trigger.cooldown
                    ),
                    next: known.on_run("show", &head.id, ""),
                }));
            }
            if !by_person && !ledger.acknowledged.contains(&head.id) {
                return Ok(Some(Against {
                    why: format!("run {} began by itself, and nobody has acknowledged it", head.id),
                    next: known.on_run("acknowledge", &head.id, ""),
                }));
            }
            return Ok(None);
        }
        Ok(None)
    }
}

/// An alarm as a look gave it.
fn known(seen: AlarmSight) -> Seen<Known> {
    let state = AlarmState::spelled(&seen.state)
        .ok_or_else(|| format!("it is in a state that is not known: {}", seen.state))?;
    let off = (!seen.actions_enabled).then(|| "its actions are switched off".to_owned());
    let muted = off.or_else(|| seen.suppressed.map(|by| format!("its actions are suppressed: {by}")));
    Ok(Known { state, changed: seen.since, muted })
}

#[async_trait]
impl Subscriptions for Sight {
    async fn confirm(&self, topic: &str, token: &str) -> Result<(), String> {
        self.any_live()?.outposts().confirm(topic, token).await.map(drop).map_err(|why| why.to_string())
    }
}
