//! Advice: what a runbook of its strategy usually has, and what its sites depend on. Warnings only.

use super::case::{Case, MODES};
use crate::{
    diagnostic::{Diagnostic, Path},
    ids::ResourceName,
    model::{Direction, Impact, KindName, Mode},
    runbook::Runbook,
};

/// The Region that holds the control plane of Route 53
/// (Route 53 Developer Guide, "Disaster recovery": data and control planes).
const ROUTE_53: &str = "us-east-1";

/// What a strategy does in a failover, by kind of resource.
fn moves(strategy: &str) -> &'static [(KindName, &'static str)] {
    const ALL: &[(KindName, &str)] = &[
        (KindName::RdsInstance, "promote-replica"),
        (KindName::AutoscalingGroup, "scale"),
        (KindName::WeightedRecord, "shift-traffic"),
    ];
    match strategy {
        "pilot-light" | "warm-standby" => ALL,
        // Its capacity is there already, and it may have more than one writer.
        "multi-site" => &ALL[2..],
        _ => &[],
    }
}

/// Resources that no failover moves.
pub(super) fn left_behind(runbook: &Runbook, out: &mut Vec<Diagnostic>) {
    let strategy = runbook.strategy.as_deref().unwrap_or_default();
    for (kind, action) in moves(strategy) {
        for resource in runbook.resources.values().filter(|r| r.kind_name() == *kind) {
            if !acted_on(runbook, Direction::Failover, action, &resource.name) {
                let path = Path::root().key("resources").key(resource.name.as_str());
                let message = format!("`{}` stays behind in a {strategy} failover", resource.name);
                out.push(
                    Diagnostic::warning("LB0611", &path, message)
                        .on_key()
                        .here(format!("no step with `{action}` works on it"))
                        .help(format!(
                            "add to `failover`: `- {{ id: …, action: {action}, resource: {}, at: to }}`",
                            resource.name
                        )),
                );
            }
        }
    }
}

fn acted_on(runbook: &Runbook, direction: Direction, action: &str, resource: &ResourceName) -> bool {
    let does = |mode| {
        move |step: &&crate::runbook::Step| {
            let spec = step.spec(mode);
            spec.action.as_deref() == Some(action) && spec.resources.contains(resource)
        }
    };
    MODES.into_iter().any(|mode| runbook.steps(direction).iter().any(|step| does(mode)(&step)))
}

/// Promoted databases become replicas again.
pub(super) fn replicated_back(runbook: &Runbook, out: &mut Vec<Diagnostic>) {
    if runbook.reprotect.is_empty() {
        return;
    }
    for name in runbook.resources.keys() {
        let acted = |direction, action| acted_on(runbook, direction, action, name);
        if acted(Direction::Failover, "promote-replica") && !acted(Direction::Reprotect, "reverse-replication") {
            let path = Path::root().key("reprotect");
            let message = format!("`{name}` is promoted, but never replicated back");
            let help = format!(
                "add to `reprotect`: `- {{ id: reverse_{name}, action: reverse-replication, resource: {name}, at: from }}`"
            );
            out.push(Diagnostic::warning("LB0615", &path, message).on_key().here("no step does so").help(help));
        }
    }
}

/// Sites that fall together, or with what moves traffic away from them.
pub(super) fn sites(runbook: &Runbook, out: &mut Vec<Diagnostic>) {
    let path = |site: &crate::ids::SiteName| Path::root().key("sites").key(site.as_str()).key("region");
    let home = runbook.sites.get(&runbook.primary);
    for standby in runbook.standbys.iter().filter(|s| **s != runbook.primary) {
        let away = runbook.sites.get(standby);
        if let (Some(home), Some(away)) = (home, away)
            && home.region == away.region
        {
            let message = format!("`{}` and `{standby}` are both in {}", home.name, home.region);
            out.push(
                Diagnostic::warning("LB0613", &path(standby), message)
                    .here("lost together with the other")
                    .label(&path(&home.name), "the same Region")
                    .help("choose a standby in another Region"),
            );
        }
    }
    let weighted = runbook.resources.values().find(|r| r.kind_name() == KindName::WeightedRecord);
    for site in runbook.sites.values().filter(|s| s.region.as_str() == ROUTE_53) {
        if let Some(record) = weighted {
            let message = format!("traffic can hardly be moved away from `{}` if its Region is lost", site.name);
            out.push(
                Diagnostic::warning("LB0614", &path(&site.name), message)
                    .here("holds the control plane of Route 53")
                    .label(
                        &Path::root().key("resources").key(record.name.as_str()).key("zone"),
                        "its weights are changed there",
                    )
                    .help("use another Region, or expect the shift to wait until the control plane is back"),
            );
        }
    }
}

/// Users go home to tested data.
pub(super) fn data_test(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    if case.direction != Direction::Failback || !case.is(Mode::Planned) {
        return;
    }
    for (promote, resource) in case.promotions() {
        let tests = |i: &usize| {
            let by_hand = case.does(*i, "exec") && case.impact(*i) == Impact::Read;
            by_hand || (case.does(*i, "verify-sql") && case.works_on(*i, resource))
        };
        if !case.running().filter(tests).any(|i| case.before(i, promote)) {
            let message = format!("`{}` takes `{resource}` home without a test of its data", case.id(promote));
            let help = format!(
                "put before it: `- {{ id: data_test, only: failback, action: verify-sql, resource: {resource}, with: {{ queries: [checks.sql] }}, on_failure: abort }}`"
            );
            let wrong = Diagnostic::warning("LB0612", &case.place(promote), message);
            out.push(wrong.here("no `verify-sql` comes before it").help(help));
        }
    }
}

/// Whoever decides in an emergency knows what it costs.
pub(super) fn loss_known(case: &Case<'_>, out: &mut Vec<Diagnostic>) {
    if !case.is(Mode::Emergency) {
        return;
    }
    for (promote, resource) in case.promotions() {
        let measures = |i: &usize| case.works_on(*i, resource) && case.before(*i, promote);
        if !case.acting("measure-lag").any(|i| measures(&i)) {
            let message =
                format!("`{}` promotes `{resource}` in {} with an unknown loss", case.id(promote), case.name());
            let help = format!(
                "put before it: `- {{ id: lag, action: measure-lag, resource: {resource}, at: to, with: {{ limit: \"${{objectives.rpo}}\" }}, emergency: {{ with: {{ over_limit: ask }} }} }}`"
            );
            let wrong = Diagnostic::warning("LB0616", &case.place(promote), message);
            out.push(wrong.here("no `measure-lag` comes before it").help(help));
        }
    }
}
