//! Servers, names, clients, and the probes that ask them.

use super::{Bench, http, postgres, refused, run};
use crate::{
    clock::Span,
    driver::SendError,
    model::Size,
    world::{
        Call, Seen, Target, What, asg,
        dns::{self, ChangeStatus},
        probe,
    },
};

#[test]
fn the_primary_serves_and_the_standby_rests() {
    let bench = postgres(1);
    let size = |site, name| (bench.group(site, name).size, bench.group(site, name).in_service);
    let of = |min, desired, max| (Size { min, desired, max }, desired);
    assert_eq!((size("ohio", "web"), size("oregon", "web")), (of(4, 8, 16), of(1, 2, 16)));
    assert_eq!((size("ohio", "workers"), size("oregon", "workers")), (of(2, 2, 4), of(0, 0, 4)));
    assert!(bench.position("ohio").writable && !bench.position("oregon").writable);
    assert!(bench.lived().rows_written > 0, "writes have been flowing for a while");
    assert_eq!(bench.lived().downtime, Span::ZERO);
}

#[test]
fn servers_come_into_service_over_minutes() {
    let mut bench = postgres(2);
    bench.size("oregon", "web", (8, 8, 16));
    assert_eq!((bench.group("oregon", "web").size.desired, bench.group("oregon", "web").in_service), (8, 2));
    let first = bench.until("the first", |b| b.group("oregon", "web").in_service > 2);
    let rest = bench.until("all", |b| b.group("oregon", "web").in_service == 8);
    assert!(first > Span::mins(1) && first + rest < Span::mins(5) && rest > Span::ZERO, "{first} {rest}");
}

#[test]
fn an_idle_group_is_shrunk_towards_its_min_unless_it_is_pinned() {
    let mut bench = postgres(3);
    bench.size("oregon", "web", (4, 8, 16));
    bench.until("all", |b| b.group("oregon", "web").in_service == 8);
    bench.wait(Span::hours(2));
    assert_eq!(bench.group("oregon", "web").in_service, 4, "nobody asked it");
    assert_eq!(bench.group("ohio", "web").in_service, 8, "everybody asked it");
    bench.size("oregon", "web", (8, 8, 16));
    bench.wait(Span::hours(3));
    assert_eq!(bench.group("oregon", "web").in_service, 8, "pinned");
}

#[test]
fn refused_capacity_shows_in_the_activities_while_the_call_succeeded() {
    let mut bench = postgres(4);
    bench.fault("no-capacity");
    bench.size("oregon", "web", (8, 8, 16));
    bench.wait(Span::mins(15));
    let group = bench.group("oregon", "web");
    assert_eq!((group.size.desired, group.in_service), (8, 6), "75% of them");
    assert!(group.failure.unwrap().1.contains("sufficient c6i.large capacity"));
    bench.wait(Span::hours(2));
    assert_eq!(bench.group("oregon", "web").in_service, 8, "the group tries for ever");
}

#[test]
fn a_size_that_makes_no_sense_is_refused() {
    let mut bench = postgres(5);
    let size = Size { min: 4, desired: 2, max: 16 };
    let call = |name: &str| Call::Scaling(asg::Call::Update { name: name.into(), size, shrinks: true });
    assert!(refused(bench.send("oregon", call("web"))).contains("min <= desired <= max"));
    assert!(refused(bench.send("oregon", call("nobody"))).contains("no group"));
    assert_eq!(bench.see("oregon", What::Group("nobody".into())), Seen::Absent);
}

#[test]
fn a_dns_change_is_listed_at_once_and_in_sync_within_a_minute() {
    let mut bench = postgres(6);
    let id = bench.shift("oregon").id.unwrap();
    let change = |b: &Bench| b.see(Target::GLOBAL, What::Change(id.clone()));
    assert_eq!(change(&bench), Seen::Change(ChangeStatus::Pending));
    let Seen::Records(records) = bench.see(Target::GLOBAL, What::Records("Z0".into())) else { panic!() };
    let weights: Vec<_> = records.sets.iter().map(|s| s.weight).collect();
    assert_eq!(weights, [Some(0), Some(100)]);
    assert!(!asked(&bench, "oregon"), "the name servers do not know it yet");
    let took = bench.until("in sync", |b| change(b) == Seen::Change(ChangeStatus::InSync));
    assert!((Span::secs(30)..=Span::secs(61)).contains(&took), "{took}");
    assert!(asked(&bench, "oregon") && !asked(&bench, "ohio"));
    assert_eq!(bench.see(Target::GLOBAL, What::Change("C0".into())), Seen::Absent);
}

fn asked(bench: &Bench, set: &str) -> bool {
    let query = probe::Dns {
        zone: "Z0".into(),
        name: "www.example.com".into(),
        record_type: "A".into(),
        set_identifier: set.into(),
    };
    bench.answer("oregon", What::Dns(query)).ok
}

#[test]
fn a_batch_right_after_another_of_the_same_zone_is_turned_away() {
    let mut bench = postgres(7);
    bench.shift("oregon");
    let batch = dns::Batch { zone: "Z0".into(), upserts: vec![] };
    let again = bench.send(Target::GLOBAL, Call::Dns(batch));
    assert!(matches!(again, Err(SendError::NotSent { ref why, .. }) if why.contains("PriorRequestNotComplete")));
}

#[test]
fn weights_of_zero_everywhere_send_clients_everywhere() {
    let mut bench = postgres(8);
    let Seen::Records(records) = bench.see(Target::GLOBAL, What::Records("Z0".into())) else { panic!() };
    let upserts = records.sets.into_iter().map(|s| dns::RecordSet { weight: Some(0), ..s }).collect();
    bench.send(Target::GLOBAL, Call::Dns(dns::Batch { zone: "Z0".into(), upserts })).unwrap();
    bench.wait(Span::mins(5));
    assert!((12..=18).contains(&bench.state.clients.at(1)), "{}", bench.state.clients.at(1));
}

#[test]
fn an_upsert_without_values_leaves_clients_without_an_answer() {
    let mut bench = postgres(8);
    let Seen::Records(records) = bench.see(Target::GLOBAL, What::Records("Z0".into())) else { panic!() };
    let bare = |s: dns::RecordSet| dns::RecordSet { values: vec![], ..s };
    let upserts = records.sets.into_iter().map(bare).collect();
    bench.send(Target::GLOBAL, Call::Dns(dns::Batch { zone: "Z0".into(), upserts })).unwrap();
    bench.wait(Span::mins(5));
    assert!(bench.lived().downtime > Span::mins(2), "an UPSERT replaces the whole set");
}

#[test]
fn clients_keep_old_answers_for_the_ttl_and_some_keep_their_connections_for_long() {
    let mut bench = postgres(9);
    bench.size("oregon", "web", (8, 8, 16));
    bench.wait(Span::mins(6));
    bench.shift("oregon");
    bench.wait(Span::secs(20));
    assert!(bench.state.clients.at(0) > 16, "most still have the old answer");
    bench.wait(Span::mins(3));
    assert_eq!(bench.state.clients.at(0), 1, "3% hold on to their connections");
    bench.wait(Span::hours(3));
    assert_eq!(bench.state.clients.at(0), 1);
    bench.guard("ohio", "sg-closed-ohio");
    bench.wait(Span::mins(2));
    assert_eq!(bench.state.clients.at(0), 0, "until their database is gone");
}

#[test]
fn a_site_without_enough_servers_does_not_carry_everyone() {
    let mut bench = postgres(10);
    bench.frozen("ohio");
    bench.wait(Span::mins(1));
    bench.promoted("oregon");
    bench.shift("oregon");
    bench.wait(Span::secs(150));
    let before = bench.lived().downtime;
    bench.wait(Span::secs(30));
    assert_eq!(bench.lived().downtime.saturating_sub(before), Span::secs(30), "two servers for everyone");
}

#[test]
fn probes_answer_for_the_site_that_the_url_names_and_the_public_name_for_the_one_that_serves() {
    let mut bench = postgres(11);
    let regional = |path: &str| format!("https://us-west-2.storefront.example.com{path}");
    assert!(bench.http("oregon", &regional("/ready")).ok, "it can read");
    let write = bench.http("oregon", &regional("/ready/write"));
    assert_eq!((write.ok, write.why.as_str()), (false, "503 from oregon"), "its database is a replica");
    let public = "https://www.example.com/ready/write";
    let answered_by = |b: &Bench, site| b.answer("oregon", What::Http(http(public, &[("site", site)]))).ok;
    assert!(bench.http("oregon", public).ok && answered_by(&bench, "ohio") && !answered_by(&bench, "oregon"));
    bench.size("oregon", "web", (0, 0, 16));
    bench.wait(Span::mins(5));
    assert!(!bench.http("oregon", &regional("/ready")).ok, "no servers, no answer");
}

#[test]
fn a_command_makes_its_check_hold_and_is_never_executed() {
    let mut bench = postgres(12);
    let check = ["./ci", "locked"].map(str::to_owned).to_vec();
    let so = |b: &Bench| {
        b.answer(
            "oregon",
            What::Command(probe::Command {
                argv: check.clone(),
                limit: Span::secs(1),
                read_only: true,
                environment: vec![],
            }),
        )
        .ok
    };
    assert!(!so(&bench));
    bench.send("oregon", run("lock", &["./ci", "lock"], Some(&["./ci", "locked"]))).unwrap();
    assert!(so(&bench));
}

#[test]
fn sql_checks_find_nothing_unless_the_step_says_so() {
    let bench = postgres(13);
    let sql = |queries: &[&str], tables: &[&str]| {
        let texts = |all: &[&str]| all.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let other = Some(("orders".to_owned(), "us-east-2".to_owned())).filter(|_| !tables.is_empty());
        What::Sql(probe::Sql {
            identifier: "orders".into(),
            queries: texts(queries),
            same_tables: texts(tables),
            other,
        })
    };
    assert!(bench.answer("oregon", sql(&["fine.sql"], &["orders"])).ok);
    let bad = bench.answer("oregon", sql(&["bad.sql"], &[]));
    assert_eq!((bad.ok, bad.why.as_str()), (false, "2 rows violate the checks"));
    let mut bench = bench;
    bench.promoted("oregon");
    assert!(!bench.answer("oregon", sql(&["fine.sql"], &["orders"])).ok, "nothing keeps them equal any more");
}
