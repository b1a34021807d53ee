//! Replication and what metrics tell of it.

use super::{Bench, postgres, runbook};
use crate::{
    clock::Span,
    ids::ResourceName,
    model::{DbEngine, Kind},
    world::{
        Seen, What,
        rds::{self, LagSample},
    },
};

fn mysql(seed: u64) -> Bench {
    Bench::new(DbEngine::Mysql, seed)
}

fn slot_lag(bench: &Bench) -> Vec<LagSample> {
    match bench.see("ohio", What::SlotLag("orders".into())) {
        Seen::Lag(lag) => lag.samples,
        other => panic!("{other:?}"),
    }
}

#[test]
fn replication_is_asynchronous_its_lag_varies_and_never_goes_back() {
    let (mut small, mut large) = (0, 0);
    let mut bench = postgres(3);
    let mut before = bench.position("oregon").lsn;
    for _ in 0..7200 {
        bench.wait(Span::secs(1));
        let (source, replica) = (bench.position("ohio").lsn, bench.position("oregon").lsn);
        assert!(before <= replica && replica <= source);
        before = replica;
        let behind = bench.state.replayed(1, bench.state.dbs[1].link().unwrap(), bench.now());
        let lag = bench.now().since(behind);
        assert!((Span::ms(190)..=Span::secs(40)).contains(&lag), "{lag}");
        small += u32::from(lag < Span::secs(1));
        large += u32::from(lag > Span::secs(10));
    }
    assert!(small > 500 && large > 10, "{small} {large}");
}

#[test]
fn samples_come_once_a_minute_one_to_three_minutes_late_and_some_never() {
    let mut bench = mysql(5);
    let (mut newest, mut missing) = (None, 0);
    for _ in 0..3600 {
        bench.wait(Span::secs(1));
        let samples = bench.lag("oregon");
        let last = samples.last().unwrap().at;
        assert!(bench.now().since(last) >= Span::mins(1));
        assert!(samples.windows(2).all(|w| w[0].at < w[1].at));
        if newest != Some(last) {
            newest = Some(last);
            assert!(bench.now().since(last) < Span::mins(4));
        }
        missing = samples.windows(2).filter(|w| w[1].at.since(w[0].at) > Span::mins(1)).count().max(missing);
    }
    assert!(missing > 0);
}

#[test]
fn no_sample_arrives_later_than_three_minutes() {
    let mut bench = mysql(6);
    let mut known: Vec<_> = bench.lag("oregon").iter().map(|s| s.at).collect();
    for _ in 0..3600 {
        bench.wait(Span::secs(1));
        for sample in bench.lag("oregon") {
            if !known.contains(&sample.at) {
                assert!(bench.now().since(sample.at) <= Span::mins(3));
                known.push(sample.at);
            }
        }
    }
}

#[test]
fn the_lag_of_a_postgres_replica_grows_while_its_source_idles_and_slot_lag_does_not() {
    let mut bench = postgres(7);
    bench.frozen("ohio");
    bench.wait(Span::mins(20));
    assert_eq!(bench.position("ohio").lsn, bench.position("oregon").lsn);
    let worst = bench.lag("oregon").iter().filter_map(|s| s.seconds).fold(0.0, f64::max);
    assert!((120.0..400.0).contains(&worst), "idle, yet it looks {worst} s behind");
    assert!(slot_lag(&bench).iter().rev().take(3).any(|s| s.seconds == Some(0.0)));
    let mut bench = mysql(7);
    bench.frozen("ohio");
    bench.wait(Span::mins(20));
    assert_eq!(bench.lag("oregon").last().unwrap().seconds, Some(0.0), "MySQL knows that nothing is missing");
}

#[test]
fn the_lag_of_a_mysql_replica_is_unknown_when_its_source_is_dead_and_postgres_makes_it_grow() {
    let mut bench = mysql(8);
    bench.fault("primary-lost");
    let lost = bench.now();
    bench.wait(Span::mins(10));
    let after = |b: &Bench| b.lag("oregon").into_iter().filter(|s| s.at > lost).collect::<Vec<_>>();
    assert!(!after(&bench).is_empty() && after(&bench).iter().all(|s| s.seconds.is_none()));
    let known = rds::Lag { samples: bench.lag("oregon") };
    assert!(known.last_good(lost).is_some(), "what was known before stays known");
    let mut bench = postgres(8);
    bench.fault("primary-lost");
    bench.wait(Span::mins(10));
    assert!(after(&bench).windows(2).all(|w| w[0].seconds < w[1].seconds));
}

#[test]
fn a_good_sample_before_the_loss_bounds_what_is_lost() {
    for seed in 0..50 {
        for engine in [DbEngine::Mysql, DbEngine::Postgres] {
            let mut bench = Bench::new(engine, seed);
            bench.wait(Span::secs(seed * 13));
            bench.fault("primary-lost");
            let lost = bench.now();
            bench.wait(Span::mins(4));
            let (at, lag) = rds::Lag { samples: bench.lag("oregon") }.last_good(lost).unwrap();
            let replayed = bench.state.replayed(1, bench.state.dbs[1].link().unwrap(), bench.now());
            assert!(replayed + Span::ms(1) >= at - lag, "seed {seed} {engine:?}");
        }
    }
}

#[test]
fn a_writer_has_no_lag() {
    let mut bench = postgres(9);
    bench.promoted("oregon");
    bench.wait(Span::mins(40));
    assert!(bench.lag("oregon").is_empty());
    assert!(bench.lag("ohio").is_empty());
}

#[test]
fn a_marker_is_written_past_the_freeze_and_readable_once_it_is_replicated() {
    let mut bench = postgres(10);
    bench.frozen("ohio");
    let marker = || What::Marker("orders".into(), "run1-drained".into());
    assert!(!bench.answer("ohio", marker()).ok);
    bench.rds("ohio", rds::Call::WriteMarker { identifier: "orders".into(), marker: "run1-drained".into() }).unwrap();
    assert!(bench.answer("ohio", marker()).ok && !bench.answer("oregon", marker()).ok);
    bench.until("replicated", |b| b.answer("oregon", marker()).ok);
    assert!(bench.position("oregon").lsn >= bench.position("ohio").lsn - 64, "all before it is there too");
}

#[test]
fn two_databases_may_hold_markers_of_the_same_name() {
    let mut spec = runbook(DbEngine::Postgres);
    let mut other = spec.resources[&ResourceName::from("orders")].clone();
    other.name = "stock".into();
    if let Kind::RdsInstance { sites, .. } = &mut other.kind {
        sites.values_mut().for_each(|db| db.identifier = "stock".into());
    }
    spec.resources.insert("stock".into(), other);
    let mut bench = Bench::of(&spec, 10);
    for identifier in ["orders", "stock"] {
        bench
            .rds("ohio", rds::Call::WriteMarker { identifier: identifier.into(), marker: "run1-drained".into() })
            .unwrap();
    }
    for identifier in ["orders", "stock"] {
        assert!(bench.answer("ohio", What::Marker(identifier.into(), "run1-drained".into())).ok, "{identifier}");
    }
}
