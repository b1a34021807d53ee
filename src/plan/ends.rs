//! The two ends of a run: they follow from its direction, from what is seen and from what is owed.

use super::{DbRole, Ends, Situation};
use crate::{ids::SiteName, model::Direction, runbook::Runbook};

/// What the ends follow from, beside the direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// The standby that was named.
    pub named: Option<&'a SiteName>,
    /// What is seen of the sites; none: nobody looked.
    pub situation: Option<&'a Situation>,
    /// The ends of the last run.
    pub last: Option<&'a Ends>,
    /// Sites that are owed something.
    pub owed: &'a [SiteName],
}

/// From where and to where a run goes. The same for a plan and for the run itself.
pub fn ends(runbook: &Runbook, direction: Direction, given: Given<'_>) -> (SiteName, SiteName) {
    let home = &runbook.primary;
    let active = given.situation.and_then(Situation::active_site);
    let moved = given.last.map(|last| &last.to.name);
    let standby = || given.named.unwrap_or(&runbook.standbys[0]);
    let (from, to) = match direction {
        Direction::Failover => (home, standby()),
        Direction::Failback => {
            let served = given.situation.and_then(Situation::served_site);
            let away = served.or(given.named).or(moved).filter(|site| *site != home);
            (away.unwrap_or_else(standby), home)
        }
        Direction::Reprotect => {
            let to = active.or(moved).unwrap_or(home);
            (left(runbook, to, given), to)
        }
    };
    (from.clone(), to.clone())
}

/// The site that a reprotect makes a replica: the one that was named; else one that is owed it, the
/// one that the last move left before all others; else another that is seen not to follow.
fn left<'a>(runbook: &'a Runbook, to: &SiteName, given: Given<'a>) -> &'a SiteName {
    if let Some(named) = given.named.filter(|site| *site != to) {
        return named;
    }
    let home = &runbook.primary;
    let last = given.last.filter(|last| last.to.name == *to && last.from.name != *to).map(|last| &last.from.name);
    let others = || std::iter::once(home).chain(&runbook.standbys).filter(|site| *site != to);
    let Some(usual) = last.or_else(|| others().next()) else { return home };
    if given.owed.contains(usual) {
        return usual;
    }
    if let Some(owed) = given.owed.iter().find(|site| *site != to) {
        return owed;
    }
    match given.situation {
        Some(situation) if situation.follows(usual, to) => {
            others().find(|site| strays(situation, site, to)).unwrap_or(usual)
        }
        _ => usual,
    }
}

/// All its databases are seen, and they do not follow.
fn strays(situation: &Situation, site: &SiteName, of: &SiteName) -> bool {
    let unseen = |role: &DbRole| matches!(role, DbRole::Unknown(_));
    let seen = |databases: &std::collections::BTreeMap<_, _>| !databases.is_empty() && !databases.values().any(unseen);
    situation.sites.get(site).is_some_and(|s| seen(&s.databases)) && !situation.follows(site, of)
}

#[cfg(test)]
mod tests;
