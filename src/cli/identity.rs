//! Whether we are who the runbook says: asked of STS, before anything is recorded as a run.
//!
//! Where the runbook says no account, whoever was answered there is whom it means: only where nothing
//! was answered is it asked why. Where it says one, the question goes out beside the first looks.
//!
//! Only what is known to be wrong stops a run. Who does not answer within the limit is not waited
//! for, and in an emergency the site being left is not waited for at all.

use super::{exit::Failure, wiring::World};
use crate::{
    clock::{Span, Timestamp},
    driver::{
        aws::{Met, Stranger},
        gather::HASTE,
    },
    ids::SiteName,
    model::{Direction, Kind, Mode, Resource, Site},
    plan::Plan,
    view::Commands,
    world::{Seen, Sight, Target, World as Sights},
};
use std::collections::BTreeMap;
use tokio::task::JoinHandle;

/// Where nothing burns, so long: a machine without credentials looks for them in many places.
const PATIENCE: Span = Span::secs(10);

/// Answers come while other things are looked at.
pub(super) struct Identities<'a> {
    world: &'a World,
    since: Timestamp,
    asked: BTreeMap<SiteName, JoinHandle<Met>>,
}

impl<'a> Identities<'a> {
    /// Asks at all sites whose account the runbook says. Of a simulated world nobody is asked.
    pub(super) fn ask<'s>(world: &'a World, sites: impl Iterator<Item = &'s Site>) -> Self {
        let mut all = Self { world, since: world.clock.now(), asked: BTreeMap::new() };
        sites.filter(|site| site.account.is_some()).for_each(|site| all.ask_at(&site.name));
        all
    }

    fn ask_at(&mut self, site: &SiteName) {
        if let (Some(live), false) = (self.world.live.clone(), self.asked.contains_key(site)) {
            let name = site.clone();
            self.asked.insert(site.clone(), tokio::spawn(async move { live.who(&name).await }));
        }
    }

    /// Exit 11 where a run between two sites could not act as the runbook says.
    pub(super) async fn settle<'s>(
        mut self,
        (direction, mode): (Direction, Mode),
        (from, to): (&Site, &Site),
        mut resources: impl Iterator<Item = &'s Resource>,
        (seen, known): (&Sights, &Commands),
    ) -> Result<(), Failure> {
        let left = mode == Mode::Emergency && direction.is_move();
        let mut needed = vec![(to.name.clone(), Some(to))];
        if !left {
            needed.push((from.name.clone(), Some(from)));
        }
        if resources.any(|r| matches!(r.kind, Kind::WeightedRecord { .. })) {
            needed.push((SiteName::new(Target::GLOBAL), None));
        }
        needed.iter().filter(|(name, _)| !answered(seen, name)).for_each(|(name, _)| self.ask_at(name));
        let until = self.since + if mode == Mode::Emergency { HASTE } else { PATIENCE };
        // Who is asked only now has a moment, whatever the looks took.
        let until = until.max(self.world.clock.now() + Span::secs(1));
        for (name, site) in needed {
            let Some(asked) = self.asked.remove(&name) else { continue };
            let met = tokio::select! {
                biased;
                met = asked => met.ok(),
                () = self.world.clock.sleep_until(until) => None,
            };
            let Some(met) = met else { continue };
            if let Some(why) = wrong(&name, site, &met) {
                return Err(Failure::environment(why)
                    .hint("nothing was begun; give credentials of that account, or mend `account`, `role_arn` or `profile`")
                    .hint(format!("{}     tells who you are everywhere, and what is missing", known.on_file("doctor"))));
            }
        }
        Ok(())
    }
}

/// Whether AWS described anything there: then we may enter.
fn answered(seen: &Sights, site: &SiteName) -> bool {
    let described = |s: &&Sight| s.target.what.is_described() && !matches!(s.seen, Seen::Unknown { .. });
    seen.sights().filter(|s| s.target.site == *site).any(|s| described(&s))
}

/// The same of a plan that is taken up.
pub(super) async fn settle(world: &World, plan: &Plan, known: &Commands) -> Result<(), Failure> {
    let asked = Identities::ask(world, plan.sites.values());
    let ends = (&plan.ends.from, &plan.ends.to);
    asked.settle((plan.direction, plan.mode), ends, plan.resources.values(), (&Sights::default(), known)).await
}

/// What is known to be wrong with who we are at a site.
pub(super) fn wrong(name: &SiteName, site: Option<&Site>, met: &Met) -> Option<String> {
    let at = place(name);
    match (&met.caller, site.and_then(|s| s.account.as_ref())) {
        (Ok(caller), Some(account)) if caller.account != account.as_str() => Some(format!(
            "at {at} you are in account {}, and the runbook says {account}: {}",
            caller.account, caller.arn
        )),
        (Err(Stranger::Refused(why)), _) => Some(format!("at {at} nothing can be done: {why}")),
        (Ok(_) | Err(Stranger::Silent(_)), _) => None,
    }
}

/// A site's name, or of what belongs to none the one service that does.
pub(super) fn place(name: &SiteName) -> &str {
    if name.as_str() == Target::GLOBAL { "Route 53" } else { name.as_str() }
}
