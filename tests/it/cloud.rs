//! A cloud that does at once what is predicted of each effect: the engine's counterpart in tests
//! that are about the engine alone. The sandbox is the one with traps.

use async_trait::async_trait;
use lifeboat::{
    clock::{Clock, Timestamp},
    driver::{Act, Look, LookError, SendError},
    model::{DbEngine, Size},
    world::{
        Effect, Receipt, Seen, Sight, Target, What, World,
        dns::{ChangeStatus, RecordSet, Records},
        permit::Permit,
        probe::Answer,
        rds::{ApplyStatus, Db, Lag, LagSample, Parameters, Position, Settings, Source, Status},
    },
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// The cloud: a world, what was sent to it, and what does not answer.
pub struct Cloud {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    world: World,
    sent: Vec<Effect>,
    dark: BTreeSet<String>,
    lose_answers: bool,
}

impl Cloud {
    /// ohio serves, oregon follows.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default() })
    }
    /// Everything of that site stops answering: looks hang.
    pub fn lose(&self, site: &str) {
        self.state.lock().unwrap().dark.insert(site.into());
    }
    /// Effects are applied, but no answer comes back.
    pub fn lose_answers(&self) {
        self.state.lock().unwrap().lose_answers = true;
    }
    /// What was sent, in order.
    pub fn sent(&self) -> Vec<Effect> {
        self.state.lock().unwrap().sent.clone()
    }
    /// What is seen of targets now.
    pub fn world(&self, targets: impl IntoIterator<Item = Target>) -> World {
        let mut state = self.state.lock().unwrap();
        let now = self.clock.now();
        World::of(targets.into_iter().map(|t| state.see(t, now)).collect::<Vec<_>>())
    }
}

impl State {
    fn see(&mut self, target: Target, now: Timestamp) -> Sight {
        if self.dark.contains(target.site.as_str()) {
            return Sight { target, at: now, seen: Seen::Unknown { why: "no answer".into() } };
        }
        if self.world.sight(&target).is_none() {
            let seen = first(&target, now);
            self.world.put(Sight { target: target.clone(), at: now, seen });
        }
        let mut sight = self.world.sight(&target).unwrap().clone();
        sight.at = now;
        if let Seen::Lag(lag) = &mut sight.seen {
            lag.samples = vec![LagSample { at: now, seconds: Some(1.0) }];
        }
        if matches!(target.what, What::Http(_) | What::Dns(_) | What::Sql(_) | What::Site) {
            sight.seen = Seen::Answer(Answer { ok: true, why: "200".into(), output: serde_json::Value::Null });
        }
        sight
    }
}

/// What a target is like before anything was sent.
fn first(target: &Target, now: Timestamp) -> Seen {
    let home = target.site.as_str() == "ohio";
    let answer = |ok| Seen::Answer(Answer { ok, why: "as it is".into(), output: serde_json::Value::Null });
    match &target.what {
        What::Db(id) if id == "orders" => Seen::Db(Db {
            identifier: id.clone(),
            resource_id: format!("db-{}", target.site),
            engine: DbEngine::Postgres,
            status: Status::Available,
            source: (!home).then(|| Source { site: None, identifier: "orders".into() }),
            replication_normal: true,
            parameter_group: format!("orders-{}", target.site),
            parameters: ApplyStatus::InSync,
            security_groups: vec!["sg-app".into()],
            backup_retention: 7,
            kms_key: None,
            settings: Settings::default(),
            endpoint: Some("orders:5432".into()),
            tags: [].into(),
        }),
        What::Db(_) | What::Snapshot(_) => Seen::Absent,
        What::Retired(_) => Seen::Dbs(vec![]),
        What::Parameters(name) => {
            Seen::Parameters(Parameters { name: name.clone(), values: [].into(), tags: [].into() })
        }
        What::Lag(_) | What::SlotLag(_) => Seen::Lag(Lag { samples: vec![LagSample { at: now, seconds: Some(1.0) }] }),
        What::Position(_) => Seen::Position(Position { lsn: 100, writable: home, writing: 0 }),
        What::Marker(..) | What::Command(_) => answer(false),
        What::Connect(_) => answer(true),
        What::Group(name) => {
            let size = match (name.as_str(), home) {
                ("web", true) => Size { min: 4, desired: 8, max: 16 },
                ("web", false) => Size { min: 1, desired: 2, max: 16 },
                (_, true) => Size { min: 2, desired: 2, max: 4 },
                (_, false) => Size { min: 0, desired: 0, max: 4 },
            };
            Seen::Group(lifeboat::world::asg::Group {
                name: name.clone(),
                size,
                in_service: size.desired,
                suspended: vec![],
                failure: None,
            })
        }
        What::Records(_) => {
            let set = |site: &str, weight| RecordSet {
                name: "www.example.com".into(),
                record_type: "A".into(),
                set_identifier: Some(site.into()),
                weight: Some(weight),
                ttl: Some(60),
                values: vec!["192.0.2.1".into()],
                rest: serde_json::Value::Null,
            };
            Seen::Records(Records { sets: vec![set("ohio", 100), set("oregon", 0)] })
        }
        What::Change(_) => Seen::Change(ChangeStatus::InSync),
        What::Http(_) | What::Dns(_) | What::Sql(_) | What::Site => answer(true),
    }
}

#[async_trait]
impl Look for Cloud {
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        let hangs = at.iter().any(|t| self.state.lock().unwrap().dark.contains(t.site.as_str()));
        if hangs {
            std::future::pending::<()>().await;
        }
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        at.iter().map(|t| Ok(state.see(t.clone(), now))).collect()
    }
}

#[async_trait]
impl Act for Cloud {
    async fn send(&self, _permit: Permit, effect: &Effect) -> Result<Receipt, SendError> {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap();
        state.sent.push(effect.clone());
        let targets = [effect.target.clone()];
        for target in targets {
            state.see(target, now);
        }
        let State { world, .. } = &mut *state;
        effect.predict(world, now);
        if state.lose_answers {
            return Err(SendError::InDoubt { why: "no answer".into() });
        }
        Ok(Receipt { id: Some("C1".into()), output: serde_json::Value::Null })
    }
}
