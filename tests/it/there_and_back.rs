//! Whole moves: there, protected again, and back.

use crate::lab::{Lab, Ran, bundled};
use lifeboat::{
    event::{EventKind, RunOutcome},
    model::{Direction, Mode},
    plan::policy,
    world::Effect,
};
use std::{collections::BTreeSet, time::Instant};

pub const ROUND: [Direction; 4] =
    [Direction::Failover, Direction::Reprotect, Direction::Failback, Direction::Reprotect];

/// Seeds of a run of the tests; `LIFEBOAT_SEEDS` asks for more.
fn seeds() -> std::ops::Range<u64> {
    0..std::env::var("LIFEBOAT_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40)
}

/// The effects that took hold; what was turned away (the database was backing up) was sent again.
fn sent(ran: &Ran) -> Vec<(&lifeboat::ids::StepId, &Effect)> {
    let refused = |of: &lifeboat::ids::StepId, no| {
        let is =
            |e: &EventKind| matches!(e, EventKind::EffectRefused { step, effect, .. } if step == of && *effect == no);
        ran.events.iter().any(|e| is(&e.kind))
    };
    let intents = ran.events.iter().filter_map(|e| match &e.kind {
        EventKind::EffectIntended { step, effect, call, .. } if !refused(step, *effect) => Some((step, &**call)),
        _ => None,
    });
    intents.collect()
}

/// A step sends the same effects in the same order; what goes on side by side, steps or the resources of
/// one step, may change places.
pub fn executed_is_predicted(ran: &Ran) {
    let (executed, predicted): (Vec<_>, Vec<_>) = (sent(ran), ran.plan.effects().collect());
    for step in ran.plan.steps.iter().chain(&ran.plan.finally) {
        let of = |all: &[(&lifeboat::ids::StepId, &Effect)]| {
            let mut own: Vec<_> = all.iter().filter(|(id, _)| **id == step.id).map(|(_, e)| (*e).clone()).collect();
            if step.resources.len() > 1 {
                own.sort_by(|a, b| a.target.cmp(&b.target));
            }
            own
        };
        assert_eq!(of(&executed), of(&predicted), "{} {} of {}", ran.plan.direction, step.id, ran.plan.run);
    }
    assert_eq!(executed.len(), predicted.len());
}

/// The policy of the runbook allows every call that a run sends.
fn allowed_is_enough(ran: &Ran) {
    let allowed: BTreeSet<_> =
        policy::changes(bundled()).into_iter().map(|n| (n.site, n.permission.to_string())).collect();
    for (_, effect) in sent(ran) {
        let Some(permission) = effect.call().permission else { continue };
        assert!(allowed.contains(&(effect.target.site.clone(), permission)), "{}", effect.call());
    }
}

#[tokio::test(start_paused = true)]
async fn planned_moves_there_and_back_lose_nothing_and_repeating_them_changes_nothing() {
    let began = Instant::now();
    for seed in seeds() {
        let lab = Lab::new(seed, &[]);
        for direction in ROUND {
            let ran = lab.go(direction, Mode::Planned).await;
            assert_eq!(ran.outcome(), RunOutcome::Done, "seed {seed}: {:?}\n{}", ran.state.measures, ran.told());
            executed_is_predicted(&ran);
            allowed_is_enough(&ran);
            let before = lab.lived().applied;
            assert!(lab.has_nothing_to_do(direction, Mode::Planned).await, "seed {seed}: {direction} again");
            assert_eq!(lab.lived().applied, before);
        }
        let lived = lab.lived();
        assert_eq!(lived.rows_lost, 0, "seed {seed}");
        assert_eq!(lived.rows_unreplicated_at_promotion, 0, "seed {seed}");
        assert_eq!((lived.two_writers, &lived.returned_unfenced[..]), (None, &[][..]), "seed {seed}");
        assert_eq!(lived.repeated, Vec::<String>::new(), "seed {seed}");
    }
    println!("{} planned rounds in {:?}", seeds().end, began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_the_way_back_the_way_there_is_open_again() {
    let lab = Lab::new(7, &[]);
    for direction in ROUND.into_iter().chain([Direction::Failover]) {
        let ran = lab.go(direction, Mode::Planned).await;
        assert_eq!(ran.outcome(), RunOutcome::Done, "{}", ran.told());
    }
    assert_eq!(lab.situation().await.active_site().unwrap().as_str(), "oregon");
    assert_eq!((lab.lived().rows_lost, lab.lived().two_writers), (0, None));
}
