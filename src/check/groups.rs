//! Parameter groups: freezing one database must not freeze another.

use super::case::{MODES, directions};
use crate::{
    diagnostic::{Diagnostic, Path},
    ids::{ResourceName, SiteName},
    model::Resource,
    runbook::Runbook,
};
use std::collections::BTreeSet;

fn node(resource: &ResourceName) -> Path {
    Path::root().key("resources").key(resource.as_str())
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
