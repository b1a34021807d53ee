//! From a case to the plan of its run, as the commands make it.

use super::Case;
use crate::{
    clock::Clock,
    driver::{Look, gather},
    engine::RunState,
    ids::{LeaseKey, RunId},
    model::{Direction, Mode},
    plan::{self, Given, Plan, Request, Situation},
    world::World,
};

/// What is seen of all sites.
pub(super) async fn situation(case: &Case, look: &dyn Look, clock: &dyn Clock) -> Situation {
    let runbook = case.checked.runbook();
    let seen = gather::look(look, clock, &Situation::targets(runbook), gather::HASTE).await;
    Situation::of(runbook, &seen, clock.now())
}

/// What a leg is planned by, beside its case.
pub(super) struct Leg<'a> {
    /// Which way.
    pub(super) direction: Direction,
    /// Planned or emergency.
    pub(super) mode: Mode,
    /// The name of its run.
    pub(super) run: RunId,
    /// The leg before it, as it ended.
    pub(super) last: Option<&'a RunState>,
}

/// The plan of a leg, or why there is none.
pub(super) async fn plan(case: &Case, leg: &Leg<'_>, look: &dyn Look, clock: &dyn Clock) -> Result<Plan, String> {
    let runbook = case.checked.runbook();
    let situation = situation(case, look, clock).await;
    let owed: Vec<_> = leg.last.iter().flat_map(|last| last.owed.iter().map(|owed| owed.site.clone())).collect();
    let last = leg.last.map(|last| &last.plan.ends);
    let given = Given { named: case.to.as_ref(), situation: Some(&situation), last, owed: &owed };
    let (from, to) = plan::ends(runbook, leg.direction, given);
    if situation.nothing_to_do(leg.direction, &from, &to) {
        return Err("there is nothing to do".into());
    }
    if let Some(refusal) = situation.refusal(leg.direction, leg.mode, &from, &to) {
        return Err(refusal.why);
    }
    let request = Request {
        run: leg.run.clone(),
        direction: leg.direction,
        mode: leg.mode,
        from,
        to,
        parameters: case.parameters.clone(),
        incident: None,
        folder: case.folder.clone(),
        file: case.file.clone(),
        now: clock.now(),
    };
    let plan = predicted(case, &request, look, clock).await?;
    match plan.cautions.iter().find(|caution| caution.refuses && leg.mode == Mode::Planned) {
        Some(caution) => Err(caution.what.clone()),
        None => Ok(plan),
    }
}

async fn predicted(case: &Case, request: &Request, look: &dyn Look, clock: &dyn Clock) -> Result<Plan, String> {
    let mut plan = plan::draft(&case.checked, request).map_err(|wrong| wrong.join("; "))?;
    let most = if request.mode == Mode::Emergency { gather::HASTE } else { gather::LEISURE };
    let mut seen = World::default();
    for _ in 0..4 {
        let missing = plan::predict(&mut plan, &seen);
        if missing.is_empty() {
            break;
        }
        gather::more(&mut seen, (look, clock), (&World::default(), &missing), most).await;
    }
    plan::predict(&mut plan, &seen);
    Ok(plan)
}

/// What runs of a case exclude each other by.
pub(super) fn key(case: &Case) -> LeaseKey {
    LeaseKey::new(&case.checked.runbook().name)
}
