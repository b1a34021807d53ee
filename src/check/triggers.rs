//! Starting without people: what a policy must say before it may begin a failover by itself.

use super::case::{Case, impact, listed};
use crate::{
    alarm::AlarmArn,
    clock::Span,
    diagnostic::Diagnostic,
    model::{Direction, Impact},
    runbook::{Autonomy, Evidence, Runbook, Trigger, Witness},
};
use std::collections::BTreeSet;

/// Each trigger by itself.
pub(super) fn triggers(runbook: &Runbook, out: &mut Vec<Diagnostic>) {
    for trigger in &runbook.triggers {
        never_home(runbook, trigger, out);
        quorum(trigger, out);
        one_alone(trigger, out);
        silence(runbook, trigger, out);
        says_how_far(runbook, trigger, out);
        all_in_the_dark(runbook, trigger, out);
    }
}

/// Going home is never urgent, and loses what nobody looked at: a person begins it.
fn never_home(runbook: &Runbook, trigger: &Trigger, out: &mut Vec<Diagnostic>) {
    let Some(to) = trigger.to.as_ref().filter(|to| !runbook.standbys.contains(to)) else { return };
    let path = trigger.path.key("to");
    let what = if *to == runbook.primary { "home" } else { "to a site that is no standby" };
    let message = format!("`{}` would move the service {what} by itself", trigger.name);
    out.push(Diagnostic::error("LB0701", &path, message).here("only a failover begins without a person").help(
        format!(
            "name a standby: {}; home moves `lifeboat failback`, by hand",
            listed(runbook.standbys.iter().map(crate::ids::SiteName::as_str))
        ),
    ));
}

/// What is asked for can come to be, and nothing counts twice.
fn quorum(trigger: &Trigger, out: &mut Vec<Diagnostic>) {
    let (wanted, there) = (trigger.when.quorum, trigger.when.of.len());
    if wanted > there {
        let path = trigger.path.key("when").key("quorum");
        let message = format!("`{}` can never start: {wanted} of {there}", trigger.name);
        let help = format!("write a `quorum` from 1 to {there}, or name more alarms and probes");
        out.push(Diagnostic::error("LB0706", &path, message).here("more than there are").help(help));
    }
    for (i, one) in trigger.when.of.iter().enumerate() {
        if trigger.when.of[..i].iter().any(|other| same(other, one)) {
            let message = format!("{} counts twice in `{}`", one.what.words(), trigger.name);
            out.push(
                Diagnostic::error("LB0706", &one.path, message)
                    .here("named before")
                    .help("a quorum is made of different witnesses: remove one of them"),
            );
        }
    }
}

fn same(one: &Evidence, other: &Evidence) -> bool {
    match (&one.what, &other.what) {
        (Witness::Alarm { arn: a, .. }, Witness::Alarm { arn: b, .. }) => a == b,
        (a, b) => a == b,
    }
}

/// One witness alone that flaps for a moment must not move a service.
fn one_alone(trigger: &Trigger, out: &mut Vec<Diagnostic>) {
    if trigger.when.quorum != 1 || trigger.hold > Span::ZERO {
        return;
    }
    let Some(one) = trigger.when.of.first() else { return };
    let message = format!("{} alone starts `{}` at once", one.what.words(), trigger.name);
    out.push(
        Diagnostic::error("LB0702", &one.path, message)
            .here("one false alarm is enough")
            .help("write `hold: 3m`, so that it is looked at again, or a `quorum` of two witnesses"),
    );
}

/// An alarm of the Region that may be gone goes silent with it.
fn silence(runbook: &Runbook, trigger: &Trigger, out: &mut Vec<Diagnostic>) {
    let home = runbook.sites.get(&runbook.primary).map(|site| site.region.clone());
    for one in &trigger.when.of {
        let Witness::Alarm { arn, silence: None, .. } = &one.what else { continue };
        if Some(arn.region()) == home {
            let message =
                format!("alarm {} lives in {}, the site that `{}` leaves", arn.name(), runbook.primary, trigger.name);
            out.push(
                Diagnostic::error("LB0703", &one.path, message).here("it goes silent when the Region is lost").help(
                    "write `silence: alarm` or `silence: ok`: what it means that it has no data or cannot be asked",
                ),
            );
        }
    }
}

/// How far it goes is said, and nothing is said that means nothing.
fn says_how_far(runbook: &Runbook, trigger: &Trigger, out: &mut Vec<Diagnostic>) {
    if trigger.autonomy != Some(Autonomy::Safe) && trigger.disruptive_if_unreachable {
        let path = trigger.path.key("disruptive_if");
        let message = format!("`disruptive_if` of `{}` says nothing", trigger.name);
        let why = "it is for `autonomy: safe`";
        out.push(Diagnostic::error("LB0705", &path, message).here(why).help("remove it, or write `autonomy: safe`"));
    }
    if trigger.autonomy.is_some() {
        return;
    }
    let lasting = irreversible(runbook, trigger);
    if lasting.is_empty() {
        return;
    }
    let message = format!("`{}` does not say how far it goes without a person", trigger.name);
    out.push(
        Diagnostic::error("LB0704", &trigger.path.key("name"), message)
            .here(format!("{} cannot be undone", listed(lasting.iter().map(String::as_str))))
            .help("write `autonomy: full`, which is the consent to that, or `safe`, or `observe`"),
    );
}

/// The steps of its run that cannot be undone.
fn irreversible(runbook: &Runbook, trigger: &Trigger) -> Vec<String> {
    let Some(case) = Case::new(runbook, Direction::Failover, trigger.mode) else { return vec![] };
    let lasting = case.running().filter(|i| impact(case.spec(*i)) == Impact::Irreversible);
    lasting.map(|i| case.id(i).to_owned()).collect()
}

/// Whoever watches from inside what is lost sees nothing.
fn all_in_the_dark(runbook: &Runbook, trigger: &Trigger, out: &mut Vec<Diagnostic>) {
    let home = runbook.sites.get(&runbook.primary).map(|site| site.region.clone());
    let regions: BTreeSet<_> = trigger.alarms().map(AlarmArn::region).collect();
    let probes = trigger.probes().next().is_some();
    if !probes && regions.len() == 1 && regions.first() == home.as_ref() {
        let path = trigger.path.key("when");
        let message =
            format!("all that speaks for `{}` lives in {}, the site it leaves", trigger.name, runbook.primary);
        out.push(
            Diagnostic::warning("LB0707", &path, message)
                .here("with the Region its alarms are lost")
                .help("watch it from outside: alarms in another Region (canaries, health checks), or a probe"),
        );
    }
}
