//! Predictions: what the world will look like once an effect has settled, and how long that
//! typically takes. The plan's idea; a world that decides otherwise is looked at, not argued with.

use super::{
    asg,
    effect::{Call, Effect, same_set},
    rds::{self, ApplyStatus, LagSample, Status},
    sfn,
    target::{Seen, Sight, Target, What, World},
};
use crate::clock::{Span, Timestamp};

impl Effect {
    /// Changes a world to what it will be once this has settled, and says how long that typically
    /// takes. The plan's idea; a world that decides otherwise is looked at, not argued with.
    pub fn predict(&self, w: &mut World, now: Timestamp) -> Span {
        match &self.call {
            Call::Rds(call) => predict_rds(call, &self.target, w, now),
            Call::Scaling(asg::Call::Update { size, .. }) => {
                w.change(&self.target, |seen| {
                    if let Seen::Group(group) = seen {
                        group.size = *size;
                        group.in_service = size.desired;
                    }
                });
                Span::mins(3)
            }
            Call::Dns(batch) => {
                w.change(&self.target, |seen| {
                    if let Seen::Records(records) = seen {
                        for upsert in &batch.upserts {
                            records.sets.retain(|s| !same_set(s, upsert));
                            records.sets.push(upsert.clone());
                        }
                    }
                });
                Span::secs(40)
            }
            Call::Machine(start) => {
                let ended = sfn::Execution {
                    status: sfn::Status::Succeeded,
                    input: start.input.clone(),
                    // What it gives only the run will know.
                    output: None,
                    why: None,
                };
                // In place: what was seen last may be younger than the plan.
                w.change(&self.target, |seen| *seen = Seen::Execution(ended));
                sfn::TYPICAL
            }
            Call::Run(_) | Call::Post(_) => {
                if let Some(Seen::Answer(_)) = w.seen(&self.target) {
                    w.change(&self.target, |seen| {
                        if let Seen::Answer(answer) = seen {
                            answer.ok = true;
                        }
                    });
                }
                Span::secs(5)
            }
        }
    }
}

fn predict_rds(call: &rds::Call, target: &Target, w: &mut World, now: Timestamp) -> Span {
    use rds::Call as R;
    let beside = |what: What| Target { what, ..target.clone() };
    let db = |w: &mut World, id: &str, with: &dyn Fn(&mut rds::Db)| {
        w.change(&beside(What::Db(id.to_owned())), |seen| {
            if let Seen::Db(db) = seen {
                with(db);
            }
        });
    };
    let position = |w: &mut World, id: &str, writable: bool| {
        w.change(&beside(What::Position(id.to_owned())), |seen| {
            if let Seen::Position(p) = seen {
                p.writable = writable;
            }
        });
    };
    match call {
        R::Promote { identifier, backup_retention, .. } => {
            db(w, identifier, &|db| {
                db.source = None;
                db.status = Status::Available;
                db.backup_retention = *backup_retention;
            });
            position(w, identifier, true);
            Span::mins(8)
        }
        R::SetParameter { parameter, value, freezes, .. } => {
            w.change(target, |seen| {
                if let Seen::Parameters(group) = seen {
                    set(&mut group.values, parameter, value.as_ref());
                }
            });
            predict_frozen(w, target, *freezes);
            Span::secs(20)
        }
        R::Tag { key, value, .. } => {
            w.change(target, |seen| {
                if let Seen::Db(rds::Db { tags, .. }) | Seen::Parameters(rds::Parameters { tags, .. }) = seen {
                    set(tags, key, value.as_ref());
                }
            });
            Span::secs(1)
        }
        R::SetSecurityGroups { identifier, groups, .. } => {
            db(w, identifier, &|db| db.security_groups.clone_from(groups));
            w.change(&beside(What::Connect(identifier.clone())), |seen| {
                if let Seen::Answer(a) = seen {
                    a.ok = false;
                }
            });
            Span::secs(20)
        }
        R::Rename { identifier, to, .. } => {
            predict_rename(
                w,
                &beside(What::Db(identifier.clone())),
                target,
                &beside(What::Retired(identifier.clone())),
                to,
            );
            Span::mins(8)
        }
        R::CreateSnapshot { name, resource_id, .. } => {
            let taken = rds::Snapshot { name: name.clone(), of: resource_id.clone(), complete: true, taken: now };
            w.set(Sight { target: target.clone(), at: now, seen: Seen::Snapshot(taken) });
            Span::mins(10)
        }
        R::CreateReplica(new) => {
            predict_replica(w, new, target, now);
            Span::hours(2)
        }
        R::WriteMarker { .. } => {
            w.change(target, |seen| {
                if let Seen::Answer(answer) = seen {
                    answer.ok = true;
                }
            });
            Span::secs(1)
        }
    }
}

/// A freeze or its end shows in the position of the instances on the group.
fn predict_frozen(w: &mut World, group: &Target, frozen: bool) {
    let What::Parameters(name) = &group.what else { return };
    let members: Vec<_> = w
        .sights()
        .filter_map(|s| match &s.seen {
            Seen::Db(db) if db.parameter_group == *name && s.target.region == group.region => {
                Some((db.identifier.clone(), db.is_replica()))
            }
            _ => None,
        })
        .collect();
    for (id, replica) in members {
        let target = Target { what: What::Position(id), ..group.clone() };
        w.change(&target, |seen| {
            if let Seen::Position(p) = seen {
                p.writable = !frozen && !replica;
            }
        });
    }
}

fn predict_rename(w: &mut World, old: &Target, new: &Target, retired: &Target, to: &str) {
    let Some(mut sight) = w.sight(old).cloned() else { return };
    w.change(old, |seen| *seen = Seen::Absent);
    if let Seen::Db(db) = &mut sight.seen {
        to.clone_into(&mut db.identifier);
        let db = db.clone();
        w.change(retired, |seen| {
            if let Seen::Dbs(all) = seen {
                all.insert(0, db);
            }
        });
    }
    w.set(Sight { target: new.clone(), ..sight });
}

fn predict_replica(w: &mut World, new: &rds::NewReplica, target: &Target, now: Timestamp) {
    let predicted = rds::Db {
        identifier: new.identifier.clone(),
        resource_id: "(new)".into(),
        engine: new.engine,
        status: Status::Available,
        source: Some(new.source.clone()),
        replication_normal: true,
        parameter_group: new.parameter_group.clone(),
        parameters: ApplyStatus::InSync,
        security_groups: new.security_groups.clone(),
        backup_retention: 0,
        backup_window: None,
        kms_key: new.kms_key.clone(),
        settings: new.settings.clone(),
        endpoint: None,
        tags: std::collections::BTreeMap::default(),
    };
    w.set(Sight { target: target.clone(), at: now, seen: Seen::Db(predicted) });
    let lag = rds::Lag { samples: vec![LagSample { at: now, seconds: Some(0.0) }] };
    let lag_target = Target { what: What::Lag(new.identifier.clone()), ..target.clone() };
    w.set(Sight { target: lag_target, at: now, seen: Seen::Lag(lag) });
}

/// Sets a key, or removes it where there is no value.
fn set(map: &mut std::collections::BTreeMap<String, String>, key: &str, value: Option<&String>) {
    match value {
        Some(value) => map.insert(key.to_owned(), value.clone()),
        None => map.remove(key),
    };
}
