//! Any history at all: whatever is done to a world, its books balance and it can be put away.

use super::{Bench, START, postgres, run};
use crate::{
    clock::{Span, Timestamp},
    sandbox::{FAULTS, state::State},
    world::What,
};
use proptest::prelude::*;

/// Something that somebody may do, sensible or not.
#[derive(Clone, Debug)]
enum Deed {
    Wait(u64),
    Promote(bool),
    Freeze(bool, bool),
    Shift(bool),
    Size(bool, u32),
    Close(bool),
    Keep(bool, u8),
    Retire(bool, u8),
    Build(bool),
    Fault(usize),
    Run(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let site = any::<bool>;
    prop_oneof![
        4 => (1..40_u64).prop_map(|minutes| Deed::Wait(minutes * minutes * 7)),
        1 => site().prop_map(Deed::Promote),
        2 => (site(), any::<bool>()).prop_map(|(s, on)| Deed::Freeze(s, on)),
        1 => site().prop_map(Deed::Shift),
        1 => (site(), 0..16_u32).prop_map(|(s, n)| Deed::Size(s, n)),
        1 => site().prop_map(Deed::Close),
        1 => (site(), any::<u8>()).prop_map(|(s, n)| Deed::Keep(s, n % 3)),
        1 => (site(), any::<u8>()).prop_map(|(s, n)| Deed::Retire(s, n % 3)),
        1 => site().prop_map(Deed::Build),
        1 => (0..FAULTS.len()).prop_map(Deed::Fault),
        1 => any::<u8>().prop_map(|n| Deed::Run(n % 3)),
    ]
}

fn name(primary: bool) -> (&'static str, &'static str) {
    if primary { ("ohio", "oregon") } else { ("oregon", "ohio") }
}

/// What cannot be done is refused; that is the point.
fn attempt(bench: &mut Bench, deed: &Deed) {
    let listed = |b: &Bench, site: &str| b.db_of(site).is_some();
    match *deed {
        Deed::Wait(seconds) => bench.wait(Span::secs(seconds)),
        Deed::Promote(site) if listed(bench, name(site).0) => drop(bench.promote(name(site).0)),
        Deed::Freeze(site, on) => drop(bench.try_set(name(site).0, on.then_some("1"))),
        Deed::Shift(site) => {
            bench.wait(Span::secs(3));
            if bench.state.throttled_until.is_none_or(|until| bench.now() >= until) && bench.state.armed.is_empty() {
                bench.shift(name(site).0);
            }
        }
        Deed::Size(site, n) => drop(bench.try_size(name(site).0, n)),
        Deed::Close(site) if listed(bench, name(site).0) => drop(bench.try_guard(name(site).0)),
        Deed::Keep(site, n) if listed(bench, name(site).0) => drop(bench.snapshot(name(site).0, &format!("tail-{n}"))),
        Deed::Retire(site, n) if listed(bench, name(site).0) => {
            drop(bench.try_rename(name(site).0, &format!("old-{n}")));
        }
        Deed::Build(site) => drop(bench.replica(name(site).0, name(site).1)),
        Deed::Fault(n) => bench.fault(FAULTS[n].0),
        Deed::Run(n) => drop(bench.send("ohio", run("lock", &[&n.to_string()], None))),
        Deed::Promote(_) | Deed::Close(_) | Deed::Keep(..) | Deed::Retire(..) => {}
    }
}

fn round_trip(state: &State) -> State {
    serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance_and_a_world_that_was_put_away_goes_on_as_if_it_had_not(
        seed in 0..1000_u64,
        deeds in prop::collection::vec(deed(), 1..40),
    ) {
        let (mut bench, mut kept) = (postgres(seed), postgres(seed));
        let mut written = 0;
        for deed in &deeds {
            attempt(&mut bench, deed);
            attempt(&mut kept, deed);
            kept.state = round_trip(&kept.state);
            let lived = bench.lived();
            prop_assert!(lived.rows_written >= written, "rows never vanish");
            written = lived.rows_written;
            prop_assert!(lived.rows_lost + lived.rows_kept_in_snapshot <= lived.rows_written);
            let age = bench.now().since(START);
            prop_assert!(lived.downtime <= age && lived.write_outage <= age);
            for db in 0..bench.state.dbs.len() {
                let held = bench.state.rows(db, bench.now());
                prop_assert!(held.iter().all(|(s, n)| *n <= bench.state.streams[*s].rows(bench.now())), "nobody holds what was never written");
            }
        }
        prop_assert_eq!(&bench.state, &kept.state);
        let looked: Timestamp = bench.now();
        bench.look("ohio", What::Lag("orders".into())).ok();
        prop_assert_eq!(bench.now(), looked);
    }
}
