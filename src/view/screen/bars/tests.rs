use super::*;
use crate::{
    clock::{Span, Timestamp},
    event::{EventKind, Obligation, ObligationKind, StepView},
    ids::SiteName,
    view::sample::{self, START},
    world::{
        Target, What,
        dns::{RecordSet, Records},
        rds::{Lag, LagSample},
    },
};
use indicatif::InMemoryTerm;
use serde_json::Value;

/// The run after its freeze, with lag and weights seen.
fn progress() -> Progress {
    let mut events = sample::frozen();
    events.push((49, sample::attempt("drained", 1)));
    let owed = Obligation { kind: ObligationKind::Fence, site: SiteName::new("ohio") };
    events.push((49, EventKind::ObligationOpened { owed, why: "it did not answer".into() }));
    let mut progress = Progress::of(&sample::events(events));
    progress.tick(START + Span::secs(200));
    progress.waits(StepView {
        step: "drained".into(),
        why: "orders at oregon to replay 12 MB of ohio's log".into(),
        until: Some(START + Span::secs(230)),
    });
    let set = |id: &str, weight| RecordSet {
        name: "www.example.com".into(),
        record_type: "A".into(),
        set_identifier: Some(id.into()),
        weight: Some(weight),
        ttl: Some(30),
        values: vec![],
        rest: Value::Null,
    };
    let at = |seconds: u64| START + Span::secs(seconds);
    let sight = |target, at: Timestamp, seen| Sight { target, at, seen };
    let lag = Lag { samples: vec![LagSample { at: at(160), seconds: Some(2.0) }] };
    progress.seen(vec![
        sight(Target::at(&sample::ends().to, What::Lag("orders".into())), at(190), Seen::Lag(lag)),
        sight(
            Target::global(What::Records("Z0".into())),
            at(199),
            Seen::Records(Records { sets: vec![set("ohio", 100), set("oregon", 0)] }),
        ),
    ]);
    progress
}

fn drawn(columns: u16) -> String {
    let term = InMemoryTerm::new(24, columns);
    let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
    let mut bars = Bars::new(target, Page::plain(columns.into()));
    bars.line("03:12:48 +48s    freeze    done");
    bars.show(&progress());
    term.contents()
}

#[test]
fn clock_holds_and_debts_stand_below_the_lines() {
    insta::assert_snapshot!(drawn(100), @r"
    03:12:48 +48s    freeze    done
    RTO clock 3m20s of 1h  [=========>              ] 2 of 5 steps
    planned failover ohio -> oregon, run r1kf, sandbox
      drained 2m31s  (30s left) orders at oregon to replay 12 MB of ohio's log
    held: writes frozen at ohio, 2m48s of 5m33s
    owed: fence ohio
      weights www.example.com A: ohio 100, oregon 0
      lag of orders at oregon: 2s behind, sample 40s old
    ");
}

#[test]
fn sixty_columns_are_enough() {
    let text = drawn(60);
    assert_eq!(text.lines().find(|l| l.len() > 60), None);
    insta::assert_snapshot!(text, @r"
    03:12:48 +48s    freeze    done
    RTO clock 3m20s of 1h  [====>     ] 2 of 5 steps
    planned failover ohio -> oregon, run r1kf, sandbox
      drained 2m31s  (30s left) orders at oregon to replay 12 ..
    held: writes frozen at ohio, 2m48s of 5m33s
    owed: fence ohio
      weights www.example.com A: ohio 100, oregon 0
      lag of orders at oregon: 2s behind, sample 40s old
    ");
}

#[test]
fn the_rows_follow_the_run_and_go_with_it() {
    let term = InMemoryTerm::new(24, 80);
    let mut bars = Bars::new(ProgressDrawTarget::term_like(Box::new(term.clone())), Page::plain(80));
    bars.show(&progress());
    assert!(term.contents().contains("held: writes frozen at ohio, 2m48s of 5m33s"), "{}", term.contents());
    let over = Progress::of(&sample::finished());
    bars.show(&over);
    bars.line("03:22:22 +10m22s run       ended");
    assert_eq!(term.contents(), "03:22:22 +10m22s run       ended");
}

#[test]
fn a_paused_run_says_so() {
    let mut progress = progress();
    progress.phase = Phase::Paused(crate::event::PauseReason::StepFailed("drained".into()));
    assert!(rows(&progress, &Page::plain(100))[0].contains("PAUSED: drained failed"));
}
