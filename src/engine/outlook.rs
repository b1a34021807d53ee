//! What a step that runs has to see, and what it does next on it.
//!
//! While a step waits, only what it waits on is looked at, and what costs no request more. Before anything
//! comes of it, all that this rests on is looked at once more: what was seen when the wait began may be as old
//! as the wait.

use super::{asks, decide::Cx, step_run::StepRun, steps};
use crate::{
    action::{Inputs, Next, writers},
    clock::{Span, Timestamp},
    model::Impact,
    plan::PlanStep,
    world::{Class, Effect, Target},
};
use std::collections::{BTreeMap, BTreeSet};

/// The oldest sight of each target that counts.
type Needed = BTreeMap<Target, Timestamp>;

/// Whatever was seen, however long ago.
const EVER: Timestamp = Timestamp(0);

/// What anything is done on was seen so long ago at most; longer than two looks, one after the other, may take.
fn recent(target: &Target, now: Timestamp) -> Timestamp {
    const RECENT: Span = Span::secs(25);
    now.before(RECENT.max(target.what.patience() * 2))
}

/// What must be looked at for a step that runs, and the oldest sight of each that counts. What was seen and only
/// has to be recent is not waited for.
pub(super) fn needed(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, inputs: &Inputs) -> Needed {
    let (mut needed, _) = outlook(cx, step, run, inputs);
    needed.retain(|target, oldest| *oldest == EVER || !is_seen(cx, target, *oldest));
    needed
}

/// What a step that runs does next; none while something that it needs is not seen.
pub(super) fn next(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, inputs: &Inputs) -> Option<Next> {
    let (needed, next) = outlook(cx, step, run, inputs);
    next.filter(|_| are_seen(cx, &needed))
}

/// How grave what a step is about to do is, as far as that is seen; none: it is about to do nothing.
pub(super) fn about_to(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, inputs: &Inputs) -> Option<Impact> {
    match outlook(cx, step, run, inputs).1? {
        Next::Send { effect, .. } => Some(effect.impact()),
        _ => None,
    }
}

/// Until when a step whose time is over has time to see once more that it is done, if it was about to be.
pub(super) fn nearly_done(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, inputs: &Inputs) -> Option<Timestamp> {
    let (needed, next) = outlook(cx, step, run, inputs);
    let look = needed.keys().map(|target| target.what.patience()).max()?;
    let until = run.deadline + look;
    (matches!(next, Some(Next::Done { .. })) && cx.now < until).then_some(until)
}

/// Whether a send has to wait for people, or for what it rests on to be seen once more after that.
pub(super) fn is_held_up(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, inputs: &Inputs, effect: &Effect) -> bool {
    asks::is_awaited(cx, step, effect.impact()) && !are_seen(cx, &foundations(cx, step, run, inputs, effect))
}

fn outlook(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, inputs: &Inputs) -> (Needed, Option<Next>) {
    let step_cx = steps::context(cx, step, run, inputs);
    let mut own: Needed = inputs.targets(&step_cx).into_iter().map(|target| (target, EVER)).collect();
    if !are_seen(cx, &own) {
        return (own, None);
    }
    let next = inputs.next(&step_cx, cx.world);
    match &next {
        Next::Wait { on, holds, .. } if !comes_of(step, run, *holds) => only(&mut own, on),
        // People take their time.
        Next::Ask { .. } => {}
        Next::Send { effect, .. } => {
            own = foundations(cx, step, run, inputs, effect);
            if asks::is_awaited(cx, step, effect.impact()) {
                own.values_mut().for_each(|oldest| *oldest = EVER);
            }
        }
        Next::Wait { .. } | Next::Done { .. } | Next::Stuck { .. } => {
            own.iter_mut().for_each(|(target, oldest)| *oldest = recent(target, cx.now));
        }
    }
    (own, Some(next))
}

/// Whether a wait comes to something: what it waits for begins to hold, or is not so and ends the attempt. That
/// it ceases to hold is believed at once.
fn comes_of(step: &PlanStep, run: &StepRun, holds: Option<bool>) -> bool {
    let begins = holds == Some(true) && run.past_now().holding_since.is_none();
    begins || steps::ends_attempt(step, holds).is_some()
}

/// Leaves what is waited on, and what is described with it anyway.
fn only(own: &mut Needed, on: &[Target]) {
    let asked = |target: &Target| Some((target.site.clone(), target.region.clone(), target.what.question()?));
    let with: BTreeSet<_> = on.iter().filter_map(asked).collect();
    own.retain(|target, _| asked(target).is_some_and(|asked| with.contains(&asked)));
    own.extend(on.iter().map(|target| (target.clone(), EVER)));
}

/// What a send rests on: what its step sees, and what guards it. What may not be repeated rests on what was seen
/// since the attempt began.
fn foundations(cx: &Cx<'_>, step: &PlanStep, run: &StepRun, inputs: &Inputs, effect: &Effect) -> Needed {
    let step_cx = steps::context(cx, step, run, inputs);
    let guards = inputs.action.iter().flat_map(|action| writers::targets(action, &step_cx, cx.world));
    let began = if effect.class() == Class::Desired { EVER } else { run.past_now().started };
    let counts = |target| {
        let oldest = began.max(recent(&target, cx.now));
        (target, oldest)
    };
    inputs.targets(&step_cx).into_iter().chain(guards).map(counts).collect()
}

/// Whether all of it was seen, and not too long ago.
fn are_seen(cx: &Cx<'_>, needed: &Needed) -> bool {
    needed.iter().all(|(target, oldest)| is_seen(cx, target, *oldest))
}

fn is_seen(cx: &Cx<'_>, target: &Target, oldest: Timestamp) -> bool {
    cx.world.sight(target).is_some_and(|sight| sight.at >= oldest)
}
