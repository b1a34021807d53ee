//! What has to be under way, read off the committed state: level-triggered, so that a crash between
//! commit and deed loses nothing.

use super::{
    asks,
    decide::{Cx, Live},
    outlook,
    state::{Phase, RunState},
    step_run::{EffectStatus, StepState},
};
use crate::{
    clock::{Span, Timestamp},
    event::Way,
    ids::{EffectNo, StepId},
    world::{Class, Effect, LATELY, Target, World},
};
use std::collections::BTreeMap;

/// What has to be under way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted<'a> {
    /// What has to be looked at.
    pub looks: BTreeMap<Target, Interest<'a>>,
    /// Effects to send: those that this process intended.
    pub sends: Vec<(StepId, EffectNo)>,
}

/// Since when something is waited for, and after what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interest<'a> {
    /// Since when.
    pub since: Timestamp,
    /// The call that it is waited for after; none where what is there is enough.
    pub after: Option<&'a Effect>,
    /// Not before that.
    pub not_before: Timestamp,
    /// What was seen before that does not count.
    pub oldest: Timestamp,
}

/// Everything that has to be under way.
pub fn wanted<'a>(state: &'a RunState, world: &World, now: Timestamp, live: Live) -> Wanted<'a> {
    let cx = Cx { state, world, now, live };
    let mut all = Wanted::default();
    if state.phase == Phase::Finished {
        return all;
    }
    for (step, run) in state.agenda() {
        for (no, effect) in run.effects.iter().filter(|(_, e)| e.is_open()) {
            match effect.status {
                EffectStatus::Intended => all.sends.push((step.id.clone(), *no)),
                _ if matches!(effect.effect.class(), Class::Token | Class::Unobservable) => {}
                _ => {
                    // A quick yes is believed at once; only a no has to outwait the dark window.
                    let (since, after) = (effect.sent_by, Some(&*effect.effect));
                    let told = effect.sent_by + effect.effect.dark();
                    let oldest = if now < told { Timestamp(0) } else { told };
                    let interest = Interest { since, after, not_before: now, oldest };
                    all.looks.insert(effect.effect.target.clone(), interest);
                }
            }
        }
        let gravity = match (&run.state, &run.inputs) {
            (StepState::Ready, _) => Some(asks::gravity(step)),
            (StepState::Running, Some(inputs)) if state.policy.reach.is_some() && run.way == Way::Forward => {
                outlook::about_to(&cx, step, run, inputs)
            }
            _ => None,
        };
        for target in gravity.and_then(|gravity| asks::reach_needs(&cx, gravity)).into_iter().flatten() {
            // Every few seconds: as often as of something that has been waited for for a minute.
            let since = now.before(Span::mins(1));
            let interest = Interest { since, after: None, not_before: now, oldest: now.before(LATELY) };
            all.looks.entry(target).or_insert(interest);
        }
        let stands_still = state.paused.is_some() && run.past_now().sent.is_empty();
        if run.state != StepState::Running || run.has_open_effect() || stands_still || live.stop_calls {
            continue;
        }
        let Some(inputs) = &run.inputs else { continue };
        let last = run.past_now().sent.last();
        let (since, after) = (last.map_or(run.past_now().started, |e| e.at), last.map(|e| &*e.effect));
        for (target, oldest) in outlook::needed(&cx, step, run, inputs) {
            let own = Interest { since, after, not_before: since, oldest };
            let interest = all.looks.entry(target).or_insert(own);
            // Who began to wait last looks most often.
            let oldest = interest.oldest.max(oldest);
            *interest = Interest { oldest, ..if own.since > interest.since { own } else { *interest } };
        }
    }
    all
}
