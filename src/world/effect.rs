//! Effects: one wire call each that changes something.

use super::{
    asg, dns, permission,
    probe::Command,
    rds::{self, Status},
    sfn,
    target::{Seen, Target, What},
};
use crate::{
    clock::Span,
    ids::StepId,
    model::{Fact, Impact, Size, fact},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One change to production: the call, and the target whose sight tells whether it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Looked at before and after.
    pub target: Target,
    /// What is sent.
    pub call: Call,
}

/// What is sent, per service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// To a database service.
    Rds(rds::Call),
    /// To a group of servers.
    Scaling(asg::Call),
    /// To a DNS zone.
    Dns(dns::Batch),
    /// To a state machine.
    Machine(sfn::Start),
    /// A local command.
    Run(Run),
    /// An HTTP request, or a message to people.
    Post(Post),
}

/// A local command that changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The step it belongs to; by it the sandbox finds what to answer.
    pub step: StepId,
    /// Program and arguments, never a shell's text.
    pub argv: Vec<String>,
    /// Exit 0 of it: already so. Makes the command observable.
    pub check: Option<Command>,
    /// The names of the variables it is given from lifeboat's own environment; never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<String>,
    /// It and what it started is ended after that.
    pub limit: Span,
    /// As the author states it.
    pub impact: Impact,
}

/// A request to a web server, or a message to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// The step it belongs to; by it the sandbox finds what to answer.
    pub step: StepId,
    /// `POST`, `PUT`, …
    pub method: String,
    /// Where it goes; empty: to the people on duty, by the means the installation has.
    pub url: String,
    /// What is sent.
    pub body: serde_json::Value,
    /// As the author states it.
    pub impact: Impact,
}

/// What a second send of a call would mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It states how things shall be: repeating it is harmless, unless someone wanted otherwise since.
    Desired,
    /// It carries a token by which the receiver knows a repeat.
    Token,
    /// It must not be repeated, but a look tells whether it happened.
    Observable,
    /// It must not be repeated, and nothing tells: a person is asked.
    Unobservable,
}

/// What a provider answered to an effect that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// By which the change can be followed, where it has such an id (a DNS change).
    pub id: Option<String>,
    /// What came back, where later steps may want it: a command's output, a response's body.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub output: serde_json::Value,
}

/// Whether an effect happened, judged from a sight before it and one after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Landed {
    /// It did, and it is complete.
    Yes,
    /// It did, and goes on.
    InProgress,
    /// It did not, as far as can be seen.
    No,
    /// Someone changed the same thing since, otherwise than we wanted: stop.
    Superseded,
    /// The sight does not tell.
    Unclear,
}

/// A call as the provider names it; plan, report and policy print it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ApiCall {
    /// `rds`, `autoscaling`, `route53`, `local`, `http`.
    pub service: String,
    /// `PromoteReadReplica`.
    pub operation: String,
    /// Where it is sent; `global` where that is no Region.
    pub region: String,
    /// What a policy must allow; none where nothing is asked of one.
    pub permission: Option<String>,
}

impl fmt::Display for ApiCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} in {}", self.service, self.operation, self.region)
    }
}

impl Effect {
    /// What a second send of it would mean.
    pub fn class(&self) -> Class {
        use rds::Call as R;
        match &self.call {
            Call::Rds(R::Promote { .. } | R::Rename { .. } | R::CreateSnapshot { .. } | R::CreateReplica(_)) => {
                Class::Observable
            }
            // Its name makes a repeat harmless; a look tells all the same, and spares it.
            Call::Machine(_) => Class::Observable,
            Call::Rds(R::SetParameter { .. } | R::Tag { .. } | R::SetSecurityGroups { .. } | R::WriteMarker { .. })
            | Call::Scaling(_)
            | Call::Dns(_) => Class::Desired,
            Call::Run(run) if run.check.is_some() => Class::Observable,
            Call::Run(_) => Class::Unobservable,
            Call::Post(_) => Class::Token,
        }
    }

    /// The call as its provider names it.
    pub fn call(&self) -> ApiCall {
        use rds::Call as R;
        let permission = match &self.call {
            Call::Rds(R::Promote { .. }) => permission::PROMOTE,
            Call::Rds(R::SetParameter { value: Some(_), .. }) => permission::SET_PARAMETER,
            Call::Rds(R::SetParameter { value: None, .. }) => permission::RESET_PARAMETER,
            Call::Rds(R::Tag { value: Some(_), .. }) => permission::TAG,
            Call::Rds(R::Tag { value: None, .. }) => permission::UNTAG,
            Call::Rds(R::SetSecurityGroups { .. } | R::Rename { .. }) => permission::MODIFY,
            Call::Rds(R::CreateSnapshot { .. }) => permission::CREATE_SNAPSHOT,
            Call::Rds(R::CreateReplica(_)) => permission::CREATE_REPLICA,
            Call::Scaling(_) => permission::RESIZE,
            Call::Dns(_) => permission::SHIFT,
            Call::Machine(_) => permission::START,
            Call::Rds(R::WriteMarker { .. }) => return self.outside("sql", "insert into lifeboat_marker"),
            Call::Run(run) => return self.outside("local", run.argv.first().map_or("command", String::as_str)),
            Call::Post(post) if post.url.is_empty() => return self.outside("local", "notify"),
            Call::Post(post) => return self.outside("http", &post.method),
        };
        ApiCall { permission: Some(permission.to_string()), ..self.outside(permission.service, permission.name) }
    }

    /// A call that no policy is asked about.
    fn outside(&self, service: &str, operation: &str) -> ApiCall {
        let region = self.target.region.to_string();
        ApiCall { service: service.into(), operation: operation.into(), region, permission: None }
    }

    /// What sending it does to production.
    pub fn impact(&self) -> Impact {
        use rds::Call as R;
        match &self.call {
            Call::Rds(R::Promote { .. }) => Impact::Irreversible,
            Call::Rds(R::SetParameter { freezes: true, .. } | R::SetSecurityGroups { .. } | R::Rename { .. })
            | Call::Dns(_) => Impact::Disruptive,
            Call::Rds(
                R::SetParameter { .. }
                | R::Tag { .. }
                | R::CreateSnapshot { .. }
                | R::CreateReplica(_)
                | R::WriteMarker { .. },
            ) => Impact::Safe,
            Call::Scaling(asg::Call::Update { shrinks, .. }) => {
                if *shrinks {
                    Impact::Disruptive
                } else {
                    Impact::Safe
                }
            }
            Call::Machine(start) => start.impact,
            Call::Run(run) => run.impact,
            Call::Post(post) => post.impact,
        }
    }

    /// How long after a send without an answer the world may still hide that it happened.
    pub fn dark(&self) -> Span {
        use rds::Call as R;
        match &self.call {
            // The status may still read `available`, source and name unchanged, right after the call.
            Call::Rds(R::Promote { .. } | R::Rename { .. } | R::CreateReplica(_)) => Span::secs(60),
            Call::Rds(R::CreateSnapshot { .. } | R::SetSecurityGroups { .. }) => Span::secs(30),
            Call::Rds(R::SetParameter { .. } | R::Tag { .. } | R::WriteMarker { .. })
            | Call::Scaling(_)
            | Call::Dns(_)
            | Call::Machine(_) => Span::secs(10),
            Call::Run(run) => run.limit,
            Call::Post(_) => Span::secs(30),
        }
    }

    /// What is being changed to what, in words.
    pub fn words(&self) -> Fact {
        use rds::Call as R;
        let on = |what: &str, how: String| fact(what, how);
        match &self.call {
            Call::Rds(R::Promote { identifier, backup_retention, .. }) => {
                on(identifier, format!("replica -> writer, backups kept {backup_retention} d"))
            }
            Call::Rds(R::SetParameter { group, parameter, value, .. }) => {
                on(group, format!("{parameter} -> {}", value.as_deref().unwrap_or("engine default")))
            }
            Call::Rds(R::Tag { on: rds::Tagged::Db(name) | rds::Tagged::Parameters(name), key, value }) => {
                on(name, format!("tag {key} -> {}", value.as_deref().unwrap_or("none")))
            }
            Call::Rds(R::SetSecurityGroups { identifier, groups, .. }) => {
                on(identifier, format!("security groups -> {}", groups.join(" ")))
            }
            Call::Rds(R::Rename { identifier, to, .. }) => on(identifier, format!("renamed -> {to}")),
            Call::Rds(R::CreateSnapshot { identifier, name, .. }) => on(identifier, format!("snapshot -> {name}")),
            Call::Rds(R::CreateReplica(new)) => {
                on(&new.identifier, format!("absent -> replica of {} in {}", new.source.identifier, new.source_region))
            }
            Call::Rds(R::WriteMarker { identifier, marker }) => on(identifier, format!("marker row -> {marker}")),
            Call::Scaling(asg::Call::Update { name, size, .. }) => on(name, format!("-> {size}")),
            Call::Dns(batch) => on(&batch.zone, format!("-> {}", weights(&batch.upserts))),
            Call::Machine(start) => on(&self.target.to_string(), format!("-> started with {}", start.input)),
            Call::Run(run) => on("command", run.argv.join(" ")),
            Call::Post(post) if post.url.is_empty() => on("message", post.body.as_str().unwrap_or_default().to_owned()),
            Call::Post(post) => on(&post.method, post.url.clone()),
        }
    }

    /// Whether it may show in what is described of a target: then what was seen before it is old.
    pub fn unsettles(&self, target: &Target) -> bool {
        match (&self.call, &target.what) {
            // Roles and parameters of one database show in those of another.
            (
                Call::Rds(_),
                What::Db(_)
                | What::Retired(_)
                | What::Lag(_)
                | What::SlotLag(_)
                | What::Position(_)
                | What::Marker(..)
                | What::Connect(_)
                | What::Snapshot(_),
            ) => true,
            (Call::Rds(_), What::Parameters(_)) => *target == self.target,
            (Call::Dns(batch), What::Records(zone)) => *zone == batch.zone,
            (Call::Dns(batch), What::Dns(query)) => query.zone == batch.zone,
            (Call::Scaling(_), What::Group(_)) => target.site == self.target.site,
            (Call::Rds(_) | Call::Dns(_) | Call::Scaling(_), _) => false,
            // They have a course of their own.
            (_, What::Change(_) | What::Execution(..)) => *target == self.target,
            // They may do anything else.
            (Call::Machine(_) | Call::Run(_) | Call::Post(_), what) => what.is_described(),
        }
    }

    /// Judges from the sight before it and one after whether this happened.
    pub fn happened(&self, before: &Seen, now: &Seen) -> Landed {
        if matches!(now, Seen::Unknown { .. }) {
            return Landed::Unclear;
        }
        match (&self.call, now) {
            (Call::Rds(call), _) => rds_happened(call, before, now),
            (Call::Scaling(asg::Call::Update { size, .. }), Seen::Group(group)) => scaled(*size, before, group.size),
            (Call::Dns(batch), Seen::Records(records)) => dns_happened(batch, before, records),
            (Call::Machine(_), Seen::Absent) => Landed::No,
            (Call::Machine(start), Seen::Execution(execution)) => match execution.status {
                _ if execution.input != start.input => Landed::Superseded,
                sfn::Status::Running => Landed::InProgress,
                sfn::Status::Succeeded | sfn::Status::Failed => Landed::Yes,
            },
            (Call::Run(_), Seen::Answer(answer)) => {
                if answer.ok {
                    Landed::Yes
                } else {
                    Landed::No
                }
            }
            _ => Landed::Unclear,
        }
    }
}

/// Between min and max a scaling policy moves `desired` by itself, pinned or not: the bounds tell.
/// Where they were as wanted before, nothing tells of a `desired` that moved on; a no then sends
/// again what a repeat cannot harm.
fn scaled(want: Size, before: &Seen, now: Size) -> Landed {
    let bounds = |size: Size| (size.min, size.max);
    let Seen::Group(old) = before else { return if now == want { Landed::Yes } else { Landed::Unclear } };
    if now == want || (bounds(now) == bounds(want) && bounds(old.size) != bounds(want)) {
        Landed::Yes
    } else if bounds(now) == bounds(old.size) {
        Landed::No
    } else {
        Landed::Superseded
    }
}

fn weights(sets: &[dns::RecordSet]) -> String {
    let one = |s: &dns::RecordSet| {
        format!(
            "{} {} {}",
            s.name,
            s.set_identifier.as_deref().unwrap_or("-"),
            s.weight.map_or("-".into(), |w| w.to_string())
        )
    };
    dns::few(sets.iter().map(one))
}

pub(super) fn same_set(a: &dns::RecordSet, b: &dns::RecordSet) -> bool {
    a.name == b.name && a.record_type == b.record_type && a.set_identifier == b.set_identifier
}

fn dns_happened(batch: &dns::Batch, before: &Seen, now: &dns::Records) -> Landed {
    let has = |records: &dns::Records, set: &dns::RecordSet| {
        records.sets.iter().any(|s| same_set(s, set) && s.weight == set.weight && s.values == set.values)
    };
    if batch.upserts.iter().all(|set| has(now, set)) {
        return Landed::Yes;
    }
    let unchanged = |set: &dns::RecordSet| match before {
        Seen::Records(old) => old.sets.iter().find(|s| same_set(s, set)) == now.sets.iter().find(|s| same_set(s, set)),
        _ => false,
    };
    // A batch is atomic: partly there means that somebody else wrote too.
    if batch.upserts.iter().all(unchanged) { Landed::No } else { Landed::Superseded }
}

/// A value that was to be changed: it is as wanted, as it was, or as somebody else made it. `before` is
/// none where it was not seen.
fn changed<T: PartialEq + ?Sized>(now: Option<&T>, wanted: Option<&T>, before: Option<Option<&T>>) -> Landed {
    match before {
        _ if now == wanted => Landed::Yes,
        Some(old) if old == now => Landed::No,
        Some(_) => Landed::Superseded,
        None => Landed::Unclear,
    }
}

/// While security groups change, those that come are there beside those that go.
fn regrouped(wanted: &[String], before: &Seen, now: &[String]) -> Landed {
    let Seen::Db(rds::Db { security_groups: old, .. }) = before else {
        return if now == wanted { Landed::Yes } else { Landed::Unclear };
    };
    let known = |group: &String| wanted.contains(group) || old.contains(group);
    let between = now.iter().all(known) && wanted.iter().all(|group| now.contains(group));
    match changed(Some(now), Some(wanted), Some(Some(old.as_slice()))) {
        Landed::Superseded if between => Landed::InProgress,
        landed => landed,
    }
}

fn tag_before<'a>(before: &'a Seen, key: &str) -> Option<Option<&'a String>> {
    match before {
        Seen::Db(db) => Some(db.tags.get(key)),
        Seen::Parameters(group) => Some(group.tags.get(key)),
        _ => None,
    }
}

fn rds_happened(call: &rds::Call, before: &Seen, now: &Seen) -> Landed {
    use rds::Call as R;
    let yes = |did: bool| if did { Landed::Yes } else { Landed::No };
    match (call, now) {
        (R::Promote { resource_id, .. }, Seen::Db(db)) if db.resource_id != *resource_id => Landed::Superseded,
        (R::Promote { .. }, Seen::Db(db)) => match (&db.source, &db.status, before) {
            (None, status, _) if *status == Status::Available || *status == Status::BackingUp => Landed::Yes,
            (None, ..) => Landed::InProgress,
            // The status seen before was usable; another one means that it has begun.
            (Some(_), Status::Modifying | Status::Rebooting, _) => Landed::InProgress,
            _ => Landed::No,
        },
        (R::SetParameter { parameter, value, .. }, Seen::Parameters(group)) => {
            let old = if let Seen::Parameters(old) = before { Some(old.values.get(parameter)) } else { None };
            changed(group.values.get(parameter), value.as_ref(), old)
        }
        (
            R::Tag { key, value, .. },
            Seen::Db(rds::Db { tags, .. }) | Seen::Parameters(rds::Parameters { tags, .. }),
        ) => changed(tags.get(key), value.as_ref(), tag_before(before, key)),
        (R::SetSecurityGroups { groups, .. }, Seen::Db(db)) => regrouped(groups, before, &db.security_groups),
        // The target of a rename is the new name.
        (R::Rename { resource_id, .. }, Seen::Db(db)) if db.resource_id == *resource_id => {
            if db.status == Status::Available { Landed::Yes } else { Landed::InProgress }
        }
        (R::Rename { .. }, Seen::Db(_)) => Landed::Superseded,
        (R::CreateSnapshot { .. }, Seen::Snapshot(snapshot)) => {
            if snapshot.complete {
                Landed::Yes
            } else {
                Landed::InProgress
            }
        }
        (R::CreateReplica(new), Seen::Db(db)) => match &db.source {
            Some(source) if source.identifier == new.source.identifier => {
                if db.status == Status::Creating {
                    Landed::InProgress
                } else {
                    Landed::Yes
                }
            }
            _ => Landed::Superseded,
        },
        (R::WriteMarker { .. }, Seen::Answer(answer)) => yes(answer.ok),
        (R::Rename { .. } | R::CreateSnapshot { .. } | R::CreateReplica(_), Seen::Absent) => Landed::No,
        _ => Landed::Unclear,
    }
}
