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
            let away = active.or(given.named).or(moved).filter(|site| *site != home);
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
mod tests {
    use super::*;
    use crate::{
        model::FromTo,
        plan::{Active, SiteSituation},
        syntax,
    };

    const THREE: &str = "version: 1
name: t
sites: { ohio: { region: us-east-2 }, oregon: { region: us-west-2 }, texas: { region: us-south-1 } }
primary: ohio
standby: [oregon, texas]
failover: [{ id: a, action: notify, with: { message: hello } }]";

    /// The ends, where a site serves and others follow one another.
    fn of(direction: Direction, active: Option<&str>, follow: &[(&str, &str)], given: Given<'_>) -> String {
        let runbook = syntax::parse("t.yaml", THREE.as_bytes(), None).runbook.unwrap();
        let role = |site: &SiteName| {
            let of = follow.iter().find(|(name, _)| *name == site.as_str()).map(|(_, of)| SiteName::new(*of));
            DbRole::Replica { status: "available".into(), of, lag: None }
        };
        let site = |site: &SiteName| {
            let databases = [("db".into(), role(site))].into();
            (site.clone(), SiteSituation { databases, ..SiteSituation::default() })
        };
        let active = active.map_or(Active::Unknown("dark".into()), |site| Active::Site(SiteName::new(site)));
        let situation = Situation { sites: runbook.sites.keys().map(site).collect(), active };
        let (from, to) = ends(&runbook, direction, Given { situation: Some(&situation), ..given });
        format!("{from} -> {to}")
    }

    fn last(from: &str, to: &str) -> Ends {
        let runbook = syntax::parse("t.yaml", THREE.as_bytes(), None).runbook.unwrap();
        let site = |name: &str| runbook.sites[name].clone();
        FromTo { from: site(from), to: site(to) }
    }

    #[test]
    fn a_move_goes_where_its_direction_says() {
        let texas = SiteName::new("texas");
        let named = Given { named: Some(&texas), ..Given::default() };
        assert_eq!(of(Direction::Failover, Some("ohio"), &[], Given::default()), "ohio -> oregon");
        assert_eq!(of(Direction::Failover, Some("oregon"), &[], named), "ohio -> texas");
        assert_eq!(of(Direction::Failback, Some("texas"), &[], Given::default()), "texas -> ohio");
        let moved = last("ohio", "texas");
        let unseen = Given { last: Some(&moved), ..Given::default() };
        assert_eq!(of(Direction::Failback, None, &[], unseen), "texas -> ohio", "as the last run says");
        assert_eq!(of(Direction::Failback, None, &[], Given::default()), "oregon -> ohio");
    }

    #[test]
    fn a_reprotect_takes_the_named_then_the_owed_then_the_left_then_the_one_that_strays() {
        let (oregon, texas) = (SiteName::new("oregon"), SiteName::new("texas"));
        let (both, one) = ([oregon.clone(), "ohio".into()], [oregon.clone()]);
        let moved = last("ohio", "texas");
        let left = Given { last: Some(&moved), ..Given::default() };
        let to = |follow: &[(&str, &str)], given| of(Direction::Reprotect, Some("texas"), follow, given);
        assert_eq!(to(&[], left), "ohio -> texas");
        assert_eq!(to(&[], Given { named: Some(&texas), ..left }), "ohio -> texas", "it serves");
        assert_eq!(to(&[], Given { named: Some(&oregon), ..left }), "oregon -> texas");
        assert_eq!(to(&[], Given { owed: &both, ..left }), "ohio -> texas");
        assert_eq!(to(&[], Given { owed: &one, ..left }), "oregon -> texas");
        assert_eq!(to(&[("ohio", "texas")], left), "oregon -> texas");
        assert_eq!(to(&[("ohio", "texas"), ("oregon", "texas")], left), "ohio -> texas");
        assert_eq!(of(Direction::Reprotect, Some("ohio"), &[], left), "oregon -> ohio");
        assert_eq!(of(Direction::Reprotect, None, &[], left), "ohio -> texas");
    }
}
