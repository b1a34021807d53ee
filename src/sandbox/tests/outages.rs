//! Lost sites and everything else that goes wrong on demand.

use super::{START, http, postgres, run};
use crate::{
    clock::Span,
    driver::{LookError, SendError},
    ids::StepId,
    sandbox::command::{Command, Reply},
    world::{Call, What, rds},
};

#[test]
fn a_lost_site_answers_nothing_and_serves_nobody() {
    let mut bench = postgres(1);
    bench.fault("primary-lost");
    let db = What::Db("orders".into());
    assert!(matches!(bench.look("ohio", db.clone()), Err(LookError::Transient { .. })));
    assert!(!bench.answer("ohio", What::Site).ok && bench.answer("oregon", What::Site).ok);
    assert_eq!(bench.http("oregon", "https://us-east-2.storefront.example.com/ready").why, "no answer within 3s");
    assert!(bench.look("oregon", db).is_ok(), "the other site does not depend on it");
    let rows = bench.lived().rows_written;
    bench.wait(Span::mins(10));
    assert_eq!((bench.lived().rows_written, bench.lived().downtime), (rows, Span::mins(10)));
}

#[test]
fn a_lost_site_returns_writable_with_its_own_tail_its_workers_and_stale_clients() {
    for seed in 0..20 {
        let mut bench = postgres(seed);
        bench.fault("primary-lost");
        bench.promoted("oregon");
        bench.shift("oregon");
        let tail = bench.lived().rows_lost;
        assert_eq!(tail, bench.lived().rows_unreplicated_at_promotion, "exactly what was not replicated");
        let back = bench.until("back", |b| b.answer("ohio", What::Site).ok);
        assert!((Span::mins(15)..=Span::mins(90)).contains(&back), "{back}");
        assert!(bench.position("ohio").writable && !bench.db("ohio").is_replica());
        assert_eq!(bench.lived().two_writers, None, "nobody opened it");
        let [returned] = &bench.lived().returned_unfenced[..] else { panic!("nobody fenced it") };
        assert_eq!((returned.site.as_str(), returned.until, returned.rows_kept), ("ohio", None, 0));
        assert_eq!(bench.group("ohio", "workers").in_service, 2);
        assert_eq!(bench.state.clients.at(0), 1);
        bench.wait(Span::mins(1));
        assert!(bench.lived().rows_lost > tail, "the tail grows");
        assert!(bench.lag("oregon").iter().all(|s| s.at < bench.now()), "nothing replicates from it");
        assert!(!bench.db("oregon").is_replica());
    }
}

#[test]
fn a_replica_that_was_not_promoted_goes_on_when_its_source_returns() {
    let mut bench = postgres(2);
    bench.fault("primary-lost");
    bench.wait(Span::mins(1));
    assert!(!bench.db("oregon").replication_normal);
    bench.until("back", |b| b.answer("ohio", What::Site).ok);
    assert!(bench.db("oregon").replication_normal);
    bench.wait(Span::mins(45));
    assert!(bench.position("ohio").lsn - bench.position("oregon").lsn < 1_000_000);
    assert_eq!(bench.lived().rows_lost, 0);
}

#[test]
fn a_fault_of_a_step_strikes_when_that_step_begins() {
    let mut bench = postgres(3);
    bench.fault("primary-lost@promote");
    bench.command(&Command::Reached(StepId::from("shift"))).unwrap();
    assert!(bench.answer("ohio", What::Site).ok);
    bench.command(&Command::Reached(StepId::from("promote"))).unwrap();
    assert!(!bench.answer("ohio", What::Site).ok);
}

#[test]
fn a_fault_of_a_step_also_strikes_with_the_steps_first_effect() {
    let mut bench = postgres(3);
    bench.fault("standby-lost@promote");
    bench.send_as("run1-promote-1", "oregon", What::Site, run("lock", &["x"], None)).unwrap();
    assert!(!bench.answer("oregon", What::Site).ok);
}

#[test]
fn an_answer_is_lost_once_and_the_effect_happened() {
    let mut bench = postgres(4);
    bench.fault("lost-answer@promote");
    bench.send("oregon", run("lock", &["x"], None)).unwrap();
    let resource_id = bench.db("oregon").resource_id;
    let call = rds::Call::Promote { identifier: "orders".into(), resource_id, backup_retention: 7 };
    let reply = bench.send_as("run1-promote-1", "oregon", What::Site, Call::Rds(call)).unwrap();
    assert_eq!(reply, Reply::Silence);
    bench.until("a writer", |b| !b.db("oregon").is_replica());
    bench.send("oregon", run("lock", &["y"], None)).unwrap();
}

#[test]
fn a_request_is_lost_once_and_nothing_happened() {
    let mut bench = postgres(5);
    bench.fault("lost-request");
    assert!(matches!(bench.promote("oregon"), Err(SendError::InDoubt { .. })));
    bench.wait(Span::mins(5));
    assert!(bench.db("oregon").is_replica());
    assert!(bench.lived().applied.is_empty());
    bench.promoted("oregon");
}

#[test]
fn what_arrives_at_a_site_that_went_dark_meanwhile_did_not_happen_and_nobody_knows() {
    let mut bench = postgres(6);
    let db = bench.db("oregon");
    bench.fault("standby-lost");
    let call = rds::Call::Promote { identifier: "orders".into(), resource_id: db.resource_id, backup_retention: 7 };
    assert!(matches!(bench.rds("oregon", call), Err(SendError::InDoubt { .. })));
    bench.until("back", |b| b.answer("oregon", What::Site).ok);
    assert!(bench.db("oregon").is_replica() && bench.lived().applied.is_empty());
}

#[test]
fn a_throttled_api_takes_nothing_for_a_while() {
    let mut bench = postgres(6);
    bench.fault("throttled");
    let turned = bench.send("oregon", run("lock", &["x"], None));
    assert!(matches!(turned, Err(SendError::NotSent { after: Some(_), .. })), "{turned:?}");
    bench.wait(Span::mins(2));
    bench.send("oregon", run("lock", &["x"], None)).unwrap();
}

#[test]
fn a_slow_promotion_takes_four_times_as_long_once() {
    let mut bench = postgres(7);
    bench.fault("slow-promotion");
    let began = bench.now();
    bench.promoted("oregon");
    assert!(bench.now().since(began) > Span::mins(19));
    assert!(!bench.state.slow_promotion);
}

#[test]
fn a_hanging_api_belongs_to_the_active_site_and_its_workload_lives_on() {
    let mut bench = postgres(8);
    bench.shift("oregon");
    bench.fault("hang");
    assert!(bench.look("oregon", What::Db("orders".into())).is_err());
    assert!(bench.look("ohio", What::Db("orders".into())).is_ok());
    let probe = http("https://us-west-2.storefront.example.com/ready", &[]);
    assert!(bench.look("oregon", What::Http(probe)).is_err(), "every look there hangs");
    assert!(bench.state.answers(1), "its clients do not feel it");
}

#[test]
fn what_was_under_way_in_a_lost_site_goes_on_when_it_is_back() {
    let mut bench = postgres(9);
    bench.promote("oregon").unwrap();
    bench.wait(Span::mins(1));
    bench.fault("standby-lost");
    bench.until("back", |b| b.answer("oregon", What::Site).ok);
    assert!(bench.now().since(START) > Span::mins(30));
    assert!(bench.db("oregon").is_replica(), "it had not got that far");
    bench.until("a writer", |b| b.position_of("oregon").is_some_and(|p| p.writable));
}
