//! Processes die. Whatever the moment, the next one comes to the same end, and the world counts no
//! effect twice.

use crate::lab::{Lab, Life, Ran};
use lifeboat::{
    clock::Span,
    event::RunOutcome,
    ids::Seq,
    model::{Direction, Mode},
    sandbox::Lived,
};

/// A number by seed and counter, even over its range.
fn draw(seed: u64, n: u64, below: u64) -> u64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ n.wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..3 {
        x ^= x >> 32;
        x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    (x >> 16) % below
}

/// The end of a run that nobody disturbed.
async fn undisturbed(seed: u64, mode: Mode, faults: &[&str]) -> (Lab, Ran) {
    let lab = Lab::new(seed, faults);
    let ran = lab.go(Direction::Failover, mode).await;
    (lab, ran)
}

/// Takes a run up until it ends. Gives its last process's view.
async fn to_the_end(lab: &Lab, plan: &lifeboat::plan::Plan) -> Ran {
    lab.resume(plan, Box::new(|_, _| {})).await.unwrap()
}

/// What must be so after any crash.
fn ends_right(what: &str, (outcome, reference): (RunOutcome, &Lived), ran: &Ran, lived: &Lived) {
    assert_eq!(ran.outcome(), outcome, "{what}\n{}", ran.told());
    assert_eq!(lived.repeated, Vec::<String>::new(), "{what}\n{}", ran.told());
    let times = |call: &str| lived.applied.get(call).copied().unwrap_or(0);
    assert_eq!(times("PromoteReadReplica"), 1, "{what}: {:?}", lived.applied);
    if ran.plan.mode == Mode::Planned {
        assert_eq!(lived.applied, reference.applied, "{what}\n{}", ran.told());
    }
    // A best effort that died on its way may be passed, never repeated.
    let more = lived.applied.iter().find(|(call, n)| **n > reference.applied.get(*call).copied().unwrap_or(0));
    assert_eq!(more, None, "{what}\n{}", ran.told());
    if ran.plan.mode == Mode::Planned {
        assert_eq!((lived.rows_lost, lived.two_writers), (0, None), "{what}");
    }
    assert!(ran.state.holds.is_empty(), "{what}");
}

/// Every commit is a process's last, one after the other.
async fn any_commit_may_be_the_last(seed: u64, mode: Mode, faults: &[&str]) {
    let (quiet, whole) = undisturbed(seed, mode, faults).await;
    let (outcome, reference) = (whole.outcome(), quiet.lived());
    let commits = quiet.store.commits(&whole.plan.run);
    for last in &commits[..commits.len() - 1] {
        let lab = Lab::new(seed, faults);
        let Ok(plan) = lab.planned(Direction::Failover, mode).await else { panic!("it can be planned") };
        let last = *last;
        let killed = lab
            .run(
                plan.clone(),
                Box::new(move |event, hands| {
                    if event.seq == last {
                        hands.kill();
                    }
                }),
            )
            .await;
        assert!(killed.is_none(), "{last:?} came never");
        assert!(lab.store.commits(&plan.run).contains(&last));
        lab.wait(Span::secs(5)).await;
        let ran = to_the_end(&lab, &plan).await;
        ends_right(&format!("{mode}, dead after {last:?}"), (outcome, &reference), &ran, &lab.lived());
    }
}

#[tokio::test(start_paused = true)]
async fn a_planned_failover_survives_a_crash_after_any_of_its_commits() {
    Box::pin(any_commit_may_be_the_last(11, Mode::Planned, &[])).await;
}

#[tokio::test(start_paused = true)]
async fn an_emergency_survives_a_crash_after_any_of_its_commits() {
    Box::pin(any_commit_may_be_the_last(12, Mode::Emergency, &["primary-lost"])).await;
}

#[tokio::test(start_paused = true)]
async fn a_failover_survives_crashes_at_any_moments_with_what_else_goes_wrong_then() {
    let faults: [&[&str]; 7] = [
        &[],
        &["lost-answer@scale"],
        &["lost-request@freeze"],
        &["lost-answer@promote"],
        &["lost-request@promote"],
        &["throttled@scale"],
        &["lost-answer@shift", "lost-answer@start_workers"],
    ];
    for seed in 0..42 {
        let faults = faults[usize::try_from(seed % 7).unwrap()];
        let what = format!("seed {seed}, {faults:?}");
        let lab = Lab::new(seed, faults);
        let Ok(plan) = lab.planned(Direction::Failover, Mode::Planned).await else { panic!("{what}") };
        // Before the freeze, within the outage or in the soak: up to three processes die.
        let mut at = lab.clock.now() + Span(draw(seed, 1, 900_000));
        let mut ran = lab.live(Life::Start(Box::new(plan.clone())), Box::new(|_, _| {}), Some(at)).await;
        for n in 2..4 {
            if ran.is_some() {
                break;
            }
            at = lab.clock.now() + Span(draw(seed, n, 300_000));
            ran = lab.live(Life::Resume(Box::new(plan.clone())), Box::new(|_, _| {}), Some(at)).await;
        }
        let ran = match ran {
            Some(ran) => ran,
            None => to_the_end(&lab, &plan).await,
        };
        let lived = lab.lived();
        assert_eq!(ran.outcome(), RunOutcome::Done, "{what}\n{}", ran.told());
        assert_eq!(lived.repeated, Vec::<String>::new(), "{what}\n{}", ran.told());
        assert_eq!((lived.rows_lost, lived.two_writers), (0, None), "{what}\n{}", ran.told());
        assert_eq!(lived.applied["PromoteReadReplica"], 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_durable_at_any_commit_can_be_replayed() {
    let (lab, whole) = undisturbed(13, Mode::Planned, &[]).await;
    for last in lab.store.commits(&whole.plan.run) {
        let left = lab.store.crash_at(&whole.plan.run, last);
        let events = lifeboat::store::Store::read(&left, &whole.plan.run, Seq(1)).await.unwrap();
        let state = lifeboat::engine::RunState::replay(&events).unwrap();
        assert_eq!(state.head, last);
    }
}
