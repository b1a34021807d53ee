//! The ends of runs of three sites.

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
