//! What actions need of the resources they work on: stated for every site they can work at.

use super::case::{Case, MODES, directions};
use crate::{
    diagnostic::{Diagnostic, Path},
    ids::{ResourceName, SiteName},
    model::{DbIdentity, Kind, Resource},
    runbook::Runbook,
};
use std::collections::BTreeSet;

fn node(resource: &ResourceName) -> Path {
    Path::root().key("resources").key(resource.as_str())
}

/// Each step's resources have what its action needs.
pub(super) fn equipped(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    for i in case.running() {
        for resource in case.spec(i).resources.iter().filter_map(|name| case.runbook.resources.get(name)) {
            match case.spec(i).action.as_deref() {
                Some("freeze-writes" | "unfreeze-writes") => {
                    let has = |db: &DbIdentity| db.parameter_group.is_some();
                    at_sites(case, i, resource, ("parameter_group", has), out);
                }
                Some("quarantine") => {
                    let has = |db: &DbIdentity| !db.quarantine_security_groups.is_empty();
                    at_sites(case, i, resource, ("quarantine_security_groups", has), out);
                }
                Some("wait-for-replication" | "verify-sql") => connected(case, i, resource, out),
                _ => {}
            }
        }
    }
}

/// An attribute of a database, and whether it is there.
type Attribute = (&'static str, fn(&DbIdentity) -> bool);

fn at_sites(case: &Case<'_>, step: usize, resource: &Resource, (key, has): Attribute, out: &mut Vec<Diagnostic>) {
    for site in case.sites(step) {
        if let Some(db) = resource.db(site).filter(|db| !has(db)) {
            let path = node(&resource.name).key("sites").key(site.as_str());
            let message = format!("`{}` needs `{key}` of `{}` at `{site}`", case.id(step), resource.name);
            out.push(
                Diagnostic::error("LB0521", &path, message)
                    .on_key()
                    .here(format!("`{}` has no `{key}` here", db.identifier))
                    .label(&case.path(step).key("action"), "works on it")
                    .help(format!("state `{key}`, or leave `{}` out for this resource", case.id(step))),
            );
        }
    }
}

/// Proofs and data tests speak to the database itself.
fn connected(case: &Case<'_>, step: usize, resource: &Resource, out: &mut Vec<Diagnostic>) {
    let by_metric = case.does(step, "wait-for-replication")
        && case.with(step, "proof").is_none_or(|proof| proof != "lsn" && proof != "marker");
    if let Kind::RdsInstance { connection: None, .. } = &resource.kind
        && !by_metric
    {
        let message = format!("`{}` needs the `connection` of `{}`", case.id(step), resource.name);
        out.push(
            Diagnostic::error("LB0521", &node(&resource.name), message)
                .on_key()
                .here("has no `connection`")
                .label(&case.path(step).key("action"), "connects to it")
                .help("write `connection: { database: …, user: …, password: { env: … } }`"),
        );
    }
}

/// Parameter groups through which writes are frozen belong to one database alone.
pub(super) fn own_groups(runbook: &Runbook, out: &mut Vec<Diagnostic>) {
    let frozen: BTreeSet<&ResourceName> = directions(runbook)
        .flat_map(|d| runbook.steps(d))
        .flat_map(|step| MODES.map(|mode| step.spec(mode)))
        .filter(|spec| spec.action.as_deref() == Some("freeze-writes"))
        .flat_map(|spec| &spec.resources)
        .collect();
    for resource in frozen.into_iter().filter_map(|name| runbook.resources.get(name)) {
        for site in resource.sites() {
            let Some(group) = resource.db(site).and_then(|db| db.parameter_group.as_deref()) else { continue };
            let path = |r: &Resource| node(&r.name).key("sites").key(site.as_str()).key("parameter_group");
            if group.starts_with("default.") {
                let message = format!("`{group}` cannot be changed, so it cannot freeze `{}`", resource.name);
                let wrong = Diagnostic::error("LB0520", &path(resource), message).here("a default group");
                out.push(wrong.help("create a parameter group of its own and attach it beforehand"));
            }
            let shares = |r: &&Resource| r.name != resource.name && is_in(r, runbook, site, group);
            if let Some(other) = runbook.resources.values().find(shares) {
                let message =
                    format!("freezing `{}` freezes `{}` too: they share `{group}`", resource.name, other.name);
                let wrong = Diagnostic::error("LB0520", &path(resource), message).here("frozen through this group");
                let wrong = wrong.label(&path(other), "the same group");
                out.push(wrong.help("give each database a parameter group of its own"));
            }
        }
    }
}

/// Whether a database is governed by a group of that name, in the Region of that site.
fn is_in(resource: &Resource, runbook: &Runbook, site: &SiteName, group: &str) -> bool {
    let place = |name: &SiteName| runbook.sites.get(name).map(|s| (&s.region, &s.account));
    resource
        .sites()
        .into_iter()
        .filter(|s| place(s) == place(site))
        .any(|s| resource.db(s).is_some_and(|db| db.parameter_group.as_deref() == Some(group)))
}
