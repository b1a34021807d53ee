//! What a run left closed, by its journal and by what is seen; and opening it again.

use super::{
    args::{Common, Consent},
    exit::Failure,
    run::begin,
    wiring::{Purpose, commands, realm, who, world},
};
use crate::{
    clock::Timestamp,
    engine::{Inherited, RunState, Start},
    event::{Policy, RunOutcome},
    ids::StepId,
    plan::{DbRole, Plan, PlanStep, Situation},
    store::{RunHead, Store, run_id},
};
use std::sync::Arc;

/// What a run still holds, as far as the world does not say that it is open.
pub(super) fn still(state: &RunState, situation: &Situation) -> Vec<StepId> {
    let held = |id: &&StepId| state.plan.step(id).is_some_and(|step| is_held(state, step, situation));
    state.holds.keys().filter(held).cloned().collect()
}

fn is_held(state: &RunState, step: &PlanStep, situation: &Situation) -> bool {
    // A run that got to its end opened by other steps what nothing shows.
    let at_end =
        matches!(state.outcome, Some(RunOutcome::Done | RunOutcome::ObjectiveMissed | RunOutcome::Unprotected));
    if step.draft.action.as_deref() != Some("freeze-writes") {
        return !at_end;
    }
    let Some(site) = situation.sites.get(&step.at) else { return !at_end };
    step.resources.iter().any(|resource| match site.databases.get(resource) {
        Some(DbRole::Writer { closed, frozen, .. }) => *closed || *frozen,
        Some(DbRole::Replica { .. } | DbRole::Absent) => false,
        Some(DbRole::Unknown(_)) | None => !at_end,
    })
}

/// What the next run takes over from a run that ended or is superseded.
pub(super) fn inherited(state: &RunState, situation: &Situation) -> Vec<Inherited> {
    let still = still(state, situation);
    Inherited::all(state).into_iter().filter(|one| still.contains(&one.step().id)).collect()
}

/// Opens again what a run left closed when it ended: a run of its own, by the plan of that one.
pub(super) async fn release(
    common: &Common,
    consent: &Consent,
    (store, head, state): (&Arc<dyn Store>, &RunHead, RunState),
) -> Result<u8, Failure> {
    if let Some(newer) = store.runs(Some(&head.key)).await?.into_iter().next().filter(|newest| newest.id != head.id) {
        let show = commands(common, "").on_run("show", &newer.id, "");
        return Err(Failure::refused(format!("run {} came after it and took over what it held", newer.id))
            .hint(format!("{show}     tells what became of it")));
    }
    if state.past_return() || state.holds.values().any(|held| held.past_return) {
        let again = commands(common, &super::run::typed(&state.plan)).again(&state.plan);
        return Err(Failure::refused("the run may have promoted already: what it closed must not be opened again")
            .hint(format!("{again}     goes on with the move")));
    }
    let world = world(common, Purpose::TakeUp(&state))?;
    let entropy = u64::from(std::process::id()) ^ u64::try_from(Timestamp::wall().0).unwrap_or(0);
    let now = world.clock.now();
    let plan = Plan {
        run: run_id(now, entropy),
        steps: vec![],
        cautions: vec![],
        critical_path: (vec![], crate::clock::Span::ZERO),
        write_outage: None,
        made_at: now,
        ..(*state.plan).clone()
    };
    let operator = who(consent.operator.as_ref()).operator;
    let start = Start {
        plan,
        realm: realm(common),
        policy: Policy::default(),
        since: None,
        supersedes: None,
        owed: state.owed.iter().cloned().collect(),
        held: Inherited::all(&state),
        release: Some(format!("{operator} opens again what run {} left closed", head.id)),
        cause: None,
    };
    begin(common, consent, &world, (store, &head.key, Some(head.id.clone())), start).await
}
