//! Which site serves, by what that is known, and what may follow, sign by sign.

use super::*;
use crate::syntax;
use std::path::Path;

fn storefront() -> Runbook {
    syntax::load(Path::new("runbooks/warm-standby.yaml")).unwrap().runbook.unwrap()
}

const OPEN: DbRole = DbRole::Writer { status: String::new(), closed: false, frozen: false };
const CLOSED: DbRole = DbRole::Writer { status: String::new(), closed: true, frozen: true };

fn replica(of: &str) -> DbRole {
    DbRole::Replica { status: "available".into(), of: Some(of.into()), lag: None }
}

fn dark() -> DbRole {
    DbRole::Unknown("no answer".into())
}

/// Ohio and oregon: their databases and weights.
fn situation(ohio: (DbRole, Option<u32>), oregon: (DbRole, Option<u32>)) -> Situation {
    let site = |(role, weight): (DbRole, Option<u32>)| SiteSituation {
        answers: !matches!(role, DbRole::Unknown(_)),
        databases: [("orders".into(), role)].into(),
        weights: [("www".into(), weight)].into(),
        ..SiteSituation::default()
    };
    let sites = BTreeMap::from([("ohio".into(), site(ohio)), ("oregon".into(), site(oregon))]);
    let active = active(&storefront(), &sites);
    Situation { sites, active }
}

#[test]
fn the_active_site_is_told_with_what_is_known_of_it() {
    let (all, none) = (Some(100), Some(0));
    let rows = [
        ((OPEN, all), (replica("ohio"), none), Some("ohio"), "writer and weights agree"),
        ((dark(), all), (replica("ohio"), none), Some("ohio"), "by the weights alone: its writer cannot be seen"),
        ((CLOSED, all), (replica("ohio"), none), Some("ohio"), "writer and weights agree, yet it is closed for writes"),
        ((CLOSED, none), (OPEN, all), Some("oregon"), "writer and weights agree"),
        ((OPEN, none), (OPEN, all), Some("oregon"), "writer and weights agree; ohio takes writes too"),
        // Closed where users are, open where they are not: a move that stopped half way.
        ((CLOSED, all), (OPEN, none), None, "writer: ohio and oregon; users are sent to: ohio"),
        ((dark(), None), (replica("ohio"), None), None, "unknown: ohio does not answer"),
    ];
    for (ohio, oregon, site, why) in rows {
        let seen = situation(ohio, oregon);
        assert_eq!(seen.active_site().map(SiteName::as_str), site, "{why}");
        assert_eq!(seen.evidence(), why);
    }
}

#[test]
fn a_move_that_stopped_half_way_may_go_on_and_nothing_else() {
    let seen = situation((CLOSED, Some(100)), (OPEN, Some(0)));
    let (ohio, oregon) = (&"ohio".into(), &"oregon".into());
    for mode in [Mode::Planned, Mode::Emergency] {
        assert_eq!(seen.refusal(Direction::Failover, mode, ohio, oregon), None);
        let refusal = seen.refusal(Direction::Reprotect, mode, ohio, oregon).unwrap();
        assert_eq!(refusal.why, "users are still sent to ohio, which is closed");
    }
    assert!(!seen.nothing_to_do(Direction::Failover, ohio, oregon));
    assert_eq!(seen.served_site(), Some(ohio));
}

#[test]
fn a_planned_move_needs_to_see_the_active_site() {
    let seen = situation((dark(), None), (replica("ohio"), None));
    let (ohio, oregon) = (&"ohio".into(), &"oregon".into());
    assert!(seen.refusal(Direction::Failover, Mode::Planned, ohio, oregon).is_some());
    assert_eq!(seen.refusal(Direction::Failover, Mode::Emergency, ohio, oregon), None);
}
