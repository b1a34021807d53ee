//! Any runbook does what its plan says, and moves there and back without a loss.

use super::{always, runbooks};
use crate::{
    lab::Lab,
    there_and_back::{ROUND, executed_is_predicted},
};
use lifeboat::{
    event::RunOutcome,
    model::{Direction, Mode},
};
use proptest::prelude::*;

/// The world of a runbook, in which its promotions are agreed to.
fn lab(written: &runbooks::Written, seed: u64) -> Lab {
    let runbook = written.runbook();
    let mut lab = Lab::of(&runbook, seed, &[]);
    lab.policy.accept = runbooks::promotions(&runbook);
    lab
}

#[test]
fn what_a_plan_foresees_is_what_is_done_where_nobody_interferes() {
    let mode = prop_oneof![Just(Mode::Planned), Just(Mode::Emergency)];
    always(8, (runbooks::written(), 0..1_000_000_u64, mode), async |(written, seed, mode)| {
        let ran = lab(&written, seed).go(Direction::Failover, mode).await;
        executed_is_predicted(&ran);
    });
}

#[test]
fn any_runbook_moves_there_and_back_and_loses_nothing() {
    always(6, (runbooks::written(), 0..1_000_000_u64), async |(written, seed)| {
        let lab = lab(&written, seed);
        for direction in ROUND {
            let ran = lab.go(direction, Mode::Planned).await;
            assert_eq!(ran.outcome(), RunOutcome::Done, "{direction}: {:?}\n{}", ran.state.measures, ran.told());
            executed_is_predicted(&ran);
            assert!(lab.has_nothing_to_do(direction, Mode::Planned).await, "{direction} again");
        }
        let lived = lab.lived();
        assert_eq!((lived.rows_lost, lived.rows_unreplicated_at_promotion, lived.two_writers), (0, 0, None));
        assert_eq!(lived.repeated, Vec::<String>::new());
    });
}
