//! What AWS must allow a runbook: each permission with the very things it is needed on, read off the
//! runbook's steps and resources; nothing of the world is looked at. Printed as an IAM policy, and
//! tried by `doctor` as far as looking goes.
//!
//! A move swaps its two ends, so a step that works at `from` or `to` is counted at every site that
//! its resources are at. What a run names by itself (`orders-old-${run.id}`) becomes a pattern.

use crate::{
    action::row,
    ids::SiteName,
    model::{DbIdentity, Kind, MachineArn, Mode, Password, Place, Resource, Site},
    runbook::{RunWord, Runbook, Spec},
    world::{
        Target,
        permission::{ASSUME, CHANGES, On, Permission, READS, SEE_DATABASES},
    },
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A permission that a runbook needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Needed {
    /// What.
    pub permission: Permission,
    /// Where: a site, or [`Target::GLOBAL`].
    pub site: SiteName,
    /// On what.
    pub on: Thing,
}

/// A thing that a policy names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    /// What looks ask for; empty where they ask for a list.
    pub name: String,
    /// As a policy names it.
    pub arn: String,
    /// On what conditions, as JSON text; empty: on none.
    pub condition: String,
}

/// The reads of a runbook: `plan`, `status`, `doctor`, and what every run looks at.
pub fn reads(runbook: &Runbook) -> BTreeSet<Needed> {
    let mut all = BTreeSet::new();
    for site in runbook.sites.values() {
        let at = Names { runbook, site };
        let database = |thing| Needed { permission: SEE_DATABASES, site: site.name.clone(), on: thing };
        // Whether a Region answers is asked of its databases, where it has none too.
        all.extend(at.databases().into_iter().map(database));
        for resource in runbook.resources.values().filter(|r| r.sites().contains(&&site.name)) {
            all.extend(READS.iter().flat_map(|permission| at.needed(permission, resource)));
        }
    }
    all
}

/// The changes of a runbook's runs, in all directions and modes.
pub fn changes(runbook: &Runbook) -> BTreeSet<Needed> {
    let mut all = BTreeSet::new();
    for (spec, action) in actions(runbook) {
        let Some(row) = row(action) else { continue };
        let resources = spec.resources.iter().filter_map(|name| runbook.resources.get(name));
        for resource in resources {
            let sites = resource.sites().into_iter().filter(|name| match &spec.at {
                Some(Place::Site(only)) => only == *name,
                // The source of a replica is asked too, so both ends are needed either way.
                Some(Place::From | Place::To) | None => true,
            });
            for site in sites.filter_map(|name| runbook.sites.get(name)) {
                let at = Names { runbook, site };
                all.extend(row.calls.iter().flat_map(|permission| at.needed(permission, resource)));
            }
        }
    }
    all
}

/// All actions that runs can come to, those that take a step back among them.
fn actions(runbook: &Runbook) -> impl Iterator<Item = (&Spec, &str)> {
    let lists = [&runbook.failover, &runbook.failback, &runbook.reprotect, &runbook.finally];
    let specs = lists.into_iter().flatten().flat_map(|s| [Mode::Planned, Mode::Emergency].map(|mode| s.spec(mode)));
    specs.filter(|spec| spec.run != RunWord::Skip).flat_map(|spec| {
        let undo = spec.undo.as_ref().map(|undo| undo.action.as_str());
        spec.action.as_deref().into_iter().chain(undo).map(move |action| (spec, action))
    })
}

/// What things of a site are called in policies.
struct Names<'a> {
    runbook: &'a Runbook,
    site: &'a Site,
}

impl Names<'_> {
    fn needed(&self, permission: &Permission, resource: &Resource) -> Vec<Needed> {
        let global = matches!(resource.kind, Kind::WeightedRecord { .. });
        let site = if global { SiteName::new(Target::GLOBAL) } else { self.site.name.clone() };
        let needed = |on| Needed { permission: *permission, site: site.clone(), on };
        permission.on.iter().flat_map(|on| self.things(*on, resource)).map(needed).collect()
    }

    /// What a resource has of a sort at this site; nothing where it has none.
    fn things(&self, on: On, resource: &Resource) -> Vec<Thing> {
        match &resource.kind {
            Kind::RdsInstance { sites, connection, .. } => match (sites.get(&self.site.name), on) {
                (Some(_), On::Secret) => {
                    let password = connection.as_ref().and_then(|c| c.password.as_ref());
                    password.into_iter().filter_map(|password| self.secret(password)).collect()
                }
                (Some(db), on) => self.of_database(on, db, resource),
                (None, _) => vec![],
            },
            Kind::AutoscalingGroup { sites, .. } => {
                let Some(group) = sites.get(&self.site.name) else { return vec![] };
                let arn = |id: &str| self.arn("autoscaling", &format!("autoScalingGroup:*:autoScalingGroupName/{id}"));
                match on {
                    On::Group => vec![Thing::of(&group.name, arn(&group.name))],
                    On::Groups => vec![Thing::of(&group.name, "*".into())],
                    _ => vec![],
                }
            }
            Kind::WeightedRecord { zone, records, record_type, .. } => {
                let arn = |of: &str| format!("arn:{}:route53:::{of}", self.partition());
                let zone_arn = arn(&format!("hostedzone/{zone}"));
                match on {
                    On::Zone => vec![Thing::of(zone, zone_arn)],
                    On::Records => {
                        vec![Thing { condition: weighted(records, record_type), ..Thing::of(zone, zone_arn) }]
                    }
                    On::Change => vec![Thing::of("C0000000000000", arn("change/*"))],
                    _ => vec![],
                }
            }
            Kind::StateMachine { sites } => {
                let Some(machine) = sites.get(&self.site.name) else { return vec![] };
                match on {
                    On::Machine => vec![Thing::of(&machine.arn, machine.arn.clone())],
                    On::Execution => {
                        let of = MachineArn::parse(&machine.arn).map(|parsed| parsed.execution("*"));
                        of.into_iter().map(|arn| Thing::of(&machine.arn, arn)).collect()
                    }
                    _ => vec![],
                }
            }
        }
    }

    fn of_database(&self, on: On, db: &DbIdentity, resource: &Resource) -> Vec<Thing> {
        let rds = |sort: &str, name: &str| Thing::of(name, self.arn("rds", &format!("{sort}:{name}")));
        let named = |action: &str, key: &str| self.given(resource, action, key);
        match on {
            On::Databases => self.databases(),
            On::Database => {
                let names = std::iter::once(db.identifier.clone()).chain(named("retire", "rename"));
                names.map(|name| rds("db", &name)).collect()
            }
            On::ParameterGroup => db.parameter_group.iter().map(|name| rds("pg", name)).collect(),
            On::OtherGroups => ["og", "subgrp"].map(|sort| rds(sort, "*")).into(),
            On::Snapshot => named("snapshot", "name").iter().map(|name| rds("snapshot", name)).collect(),
            On::Snapshots => {
                let any = named("snapshot", "name").first().map(|_| rds("snapshot", "*"));
                any.into_iter().collect()
            }
            On::Key => db.kms_key.iter().map(|key| self.key(key)).collect(),
            On::Metrics => vec![Thing::of(&db.identifier, "*".into())],
            _ => vec![],
        }
    }

    fn databases(&self) -> Vec<Thing> {
        vec![Thing::of("", self.arn("rds", "db:*"))]
    }

    /// What the steps of an action give its resource as a name, with `*` where a run fills in.
    fn given(&self, resource: &Resource, action: &str, key: &str) -> BTreeSet<String> {
        let of_it = |spec: &&Spec| spec.resources.contains(&resource.name);
        let steps = actions(self.runbook).filter(|(_, a)| *a == action).map(|(spec, _)| spec).filter(of_it);
        let several = |spec: &Spec| if spec.resources.len() > 1 { "*" } else { "" };
        steps.filter_map(|spec| Some(pattern(spec.with.get(key)?.as_str()?) + several(spec))).collect()
    }

    fn key(&self, key: &str) -> Thing {
        let rds = format!("rds.{}.amazonaws.com", self.site.region);
        let mut condition = json!({ "StringEquals": { "kms:ViaService": rds } });
        let arn = match key.strip_prefix("alias/") {
            _ if key.starts_with("arn:") => key.to_owned(),
            Some(_) => {
                condition["ForAnyValue:StringEquals"] = json!({ "kms:ResourceAliases": key });
                self.arn("kms", "key/*")
            }
            None => self.arn("kms", &format!("key/{key}")),
        };
        Thing { condition: condition.to_string(), ..Thing::of(key, arn) }
    }

    /// Secrets Manager appends six characters of its own to a secret's name.
    fn secret(&self, password: &Password) -> Option<Thing> {
        match password {
            Password::Env(_) => None,
            Password::Secret(arn) if arn.starts_with("arn:") => Some(Thing::of(arn, arn.clone())),
            Password::Secret(name) => {
                Some(Thing::of(name, self.arn("secretsmanager", &format!("secret:{name}-??????"))))
            }
        }
    }

    fn arn(&self, service: &str, what: &str) -> String {
        let account = self.site.account.as_ref().map_or("*", |a| a.as_str());
        format!("arn:{}:{service}:{}:{account}:{what}", self.partition(), self.site.region)
    }

    /// The Region's name tells in which AWS it is.
    fn partition(&self) -> &'static str {
        match self.site.region.as_str() {
            r if r.starts_with("cn-") => "aws-cn",
            r if r.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

impl Thing {
    fn of(name: &str, arn: String) -> Self {
        Self { name: name.to_owned(), arn, condition: String::new() }
    }
}

/// Only these names and this type, and never deleted.
fn weighted(records: &[String], record_type: &str) -> String {
    let key = |what: &str| format!("route53:ChangeResourceRecordSets{what}");
    let names: Vec<_> = records.iter().map(|name| name.to_lowercase().replace('*', "\\052")).collect();
    json!({ "ForAllValues:StringEquals": {
        key("NormalizedRecordNames"): names, key("RecordTypes"): [record_type], key("Actions"): ["UPSERT"],
    } })
    .to_string()
}

/// A text with `*` in place of each expression.
fn pattern(text: &str) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + "*" + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// The policy of a runbook: for looking alone, or for runs too. To be given to whoever types and to
/// every role that a site names: what is of another account has no effect there.
pub fn policy(runbook: &Runbook, runs: bool) -> Value {
    let mut needed = reads(runbook);
    if runs {
        needed.extend(changes(runbook));
    }
    let assumes = runbook.sites.values().filter_map(|site| {
        let on = Thing::of("", site.role_arn.clone()?);
        Some(Needed { permission: ASSUME, site: site.name.clone(), on })
    });
    needed.extend(assumes);
    let mut on: BTreeMap<(Permission, &str), BTreeSet<&str>> = BTreeMap::new();
    for one in &needed {
        on.entry((one.permission, &one.on.condition)).or_default().insert(&one.on.arn);
    }
    document(on.into_iter().map(|((permission, condition), arns)| (permission, arns, condition)))
}

/// The policy of everything that lifeboat can do, with placeholders for what a runbook names.
pub fn general(runs: bool) -> Value {
    let all = READS.iter().chain(if runs { CHANGES } else { &[] }).chain([&ASSUME]).filter(|p| !p.on.is_empty());
    document(all.map(|permission| (*permission, permission.on.iter().flat_map(|on| placeholder(*on)).copied(), "")))
}

/// How a policy names things of a sort.
pub fn placeholder(on: On) -> &'static [&'static str] {
    match on {
        On::Databases => &["arn:aws:rds:REGION:ACCOUNT:db:*"],
        On::Database => &["arn:aws:rds:REGION:ACCOUNT:db:IDENTIFIER"],
        On::ParameterGroup => &["arn:aws:rds:REGION:ACCOUNT:pg:PARAMETER_GROUP"],
        On::OtherGroups => &["arn:aws:rds:REGION:ACCOUNT:og:*", "arn:aws:rds:REGION:ACCOUNT:subgrp:*"],
        On::Snapshot => &["arn:aws:rds:REGION:ACCOUNT:snapshot:NAME"],
        On::Snapshots => &["arn:aws:rds:REGION:ACCOUNT:snapshot:*"],
        On::Key => &["arn:aws:kms:REGION:ACCOUNT:key/KEY"],
        On::Metrics | On::Groups => &["*"],
        On::Group => &["arn:aws:autoscaling:REGION:ACCOUNT:autoScalingGroup:*:autoScalingGroupName/GROUP"],
        On::Zone | On::Records => &["arn:aws:route53:::hostedzone/ZONE"],
        On::Change => &["arn:aws:route53:::change/*"],
        On::Machine => &["arn:aws:states:REGION:ACCOUNT:stateMachine:MACHINE"],
        On::Execution => &["arn:aws:states:REGION:ACCOUNT:execution:MACHINE:*"],
        On::Secret => &["arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-??????"],
        On::Role => &["arn:aws:iam::ACCOUNT:role/ROLE"],
    }
}

/// A policy: what is allowed on the same things under the same conditions is one statement.
fn document<'a, Arns: IntoIterator<Item = &'a str>>(rows: impl Iterator<Item = (Permission, Arns, &'a str)>) -> Value {
    let mut statements: BTreeMap<(BTreeSet<&str>, &str), BTreeSet<String>> = BTreeMap::new();
    for (permission, arns, condition) in rows {
        let on = (arns.into_iter().collect(), condition);
        statements.entry(on).or_default().insert(permission.to_string());
    }
    let statement = |((arns, condition), actions): ((BTreeSet<&str>, &str), BTreeSet<String>)| {
        let mut statement = Map::new();
        statement.insert("Effect".into(), "Allow".into());
        statement.insert("Action".into(), json!(actions));
        statement.insert("Resource".into(), json!(arns));
        if let Ok(condition @ Value::Object(_)) = serde_json::from_str(condition) {
            statement.insert("Condition".into(), condition);
        }
        Value::Object(statement)
    };
    json!({ "Version": "2012-10-17", "Statement": statements.into_iter().map(statement).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests;
