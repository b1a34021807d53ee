//! Whether we are who the runbook says: asked of STS, before anything is recorded as a run.
//!
//! Only what is known to be wrong stops a run. Who does not answer within the limit is not waited
//! for, and in an emergency the site being left is not waited for at all.

use super::{exit::Failure, wiring::World};
use crate::{
    clock::{Clock, Span, Timestamp},
    driver::{
        aws::{Met, Stranger},
        gather::HASTE,
    },
    ids::SiteName,
    model::{Direction, Kind, Mode, Resource, Site},
    plan::Plan,
    view::Commands,
    world::Target,
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinHandle;

/// Where nothing burns, so long: a machine without credentials looks for them in many places.
const PATIENCE: Span = Span::secs(10);

/// Everybody was asked; answers come while other things are looked at.
pub(super) struct Identities {
    clock: Arc<dyn Clock>,
    since: Timestamp,
    asked: BTreeMap<SiteName, JoinHandle<Met>>,
}

impl Identities {
    /// Asks at all sites, and at what belongs to none. Of a simulated world nobody is asked.
    pub(super) fn ask<'a>(world: &World, sites: impl Iterator<Item = &'a SiteName>) -> Self {
        let ask = |site: SiteName| {
            let (live, name) = (world.live.clone()?, site.clone());
            Some((site, tokio::spawn(async move { live.who(&name).await })))
        };
        let global = SiteName::new(Target::GLOBAL);
        let asked = sites.cloned().chain([global]).filter_map(ask).collect();
        Self { clock: world.clock.clone(), since: world.clock.now(), asked }
    }

    /// Exit 11 where a run between two sites could not act as the runbook says.
    pub(super) async fn settle<'a>(
        mut self,
        (direction, mode): (Direction, Mode),
        (from, to): (&Site, &Site),
        mut resources: impl Iterator<Item = &'a Resource>,
        known: &Commands,
    ) -> Result<(), Failure> {
        let left = mode == Mode::Emergency && direction.is_move();
        let mut needed = vec![(to.name.clone(), Some(to))];
        if !left {
            needed.push((from.name.clone(), Some(from)));
        }
        if resources.any(|r| matches!(r.kind, Kind::WeightedRecord { .. })) {
            needed.push((SiteName::new(Target::GLOBAL), None));
        }
        let until = self.since + if mode == Mode::Emergency { HASTE } else { PATIENCE };
        for (name, site) in needed {
            let Some(asked) = self.asked.remove(&name) else { continue };
            let met = tokio::select! {
                biased;
                met = asked => met.ok(),
                () = self.clock.sleep_until(until) => None,
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

/// The same of a plan that is taken up.
pub(super) async fn settle(world: &World, plan: &Plan, known: &Commands) -> Result<(), Failure> {
    let asked = Identities::ask(world, plan.sites.keys());
    asked.settle((plan.direction, plan.mode), (&plan.ends.from, &plan.ends.to), plan.resources.values(), known).await
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
