//! `lifeboat plan`: what a run would do. Reads, never sends.

use super::{
    args::{Common, DirectionArg, PlanArgs},
    exit::{Failure, code},
    given::{params, since, wrong},
    moves::{ends, newest, predicted},
    wiring::{Loaded, Purpose, World, block_on, load, print, situation, store, world},
};
use crate::{
    clock::Timestamp,
    engine::RunState,
    ids::RunId,
    model::{Direction, Mode},
    plan::{self, Plan, Request},
    view,
};

/// `lifeboat plan`.
pub(super) fn run(common: &Common, args: &PlanArgs) -> Result<u8, Failure> {
    let loaded = load(common, &args.file)?;
    block_on(common, async {
        let world = if args.offline { None } else { Some(world(common, Purpose::Look(&loaded))?) };
        let modes = match (args.planned, args.emergency) {
            (true, false) => vec![Mode::Planned],
            (false, true) => vec![Mode::Emergency],
            _ => vec![Mode::Planned, Mode::Emergency],
        };
        let last = if args.offline { None } else { last(common, &loaded).await? };
        let mut changes = false;
        for mode in modes {
            let plan = one(&loaded, args, mode, (world.as_ref(), last.as_ref())).await?;
            changes |= !plan.is_noop();
            print(common, |page, out| view::plan::human(&plan, page, out), || view::plan::json(&plan))?;
        }
        Ok(if args.detailed_exit_code && changes { code::WOULD_CHANGE } else { code::DONE })
    })
}

async fn one(
    loaded: &Loaded,
    args: &PlanArgs,
    mode: Mode,
    (world, last): (Option<&World>, Option<&RunState>),
) -> Result<Plan, Failure> {
    let now = world.map_or_else(Timestamp::wall, |w| w.clock.now());
    let direction = match args.direction {
        DirectionArg::Failover => Direction::Failover,
        DirectionArg::Failback => Direction::Failback,
        DirectionArg::Reprotect => Direction::Reprotect,
    };
    let situation = match world {
        Some(world) => Some(situation((&*world.look, &*world.clock), loaded.runbook()).await),
        None => None,
    };
    let (situation, seen) = situation.unzip();
    let (from, to) = ends(loaded, direction, args.to.as_deref(), situation.as_ref(), last)?;
    let request = Request {
        run: RunId::new("thisrun"),
        direction,
        mode,
        parameters: params(&args.param)?,
        incident: args.since.as_deref().map(|text| since(text, now)).transpose()?,
        folder: loaded.folder.clone(),
        file: loaded.file.clone(),
        now,
        from: from.clone(),
        to: to.clone(),
    };
    let mut plan = match world {
        Some(world) => predicted(loaded, &request, (world, &seen.unwrap_or_default())).await?,
        None => {
            let mut plan = plan::draft(&loaded.checked, &request).map_err(wrong)?;
            plan::predict(&mut plan, &crate::world::World::default());
            plan
        }
    };
    if let Some(refusal) = situation.and_then(|s| s.refusal(direction, mode, &from, &to)) {
        plan.cautions
            .insert(0, plan::Caution { step: None, what: format!("{}; {}", refusal.why, refusal.hint), refuses: true });
    }
    Ok(plan)
}

/// The last run: what it left and owes tells the ends of the next.
async fn last(common: &Common, loaded: &Loaded) -> Result<Option<RunState>, Failure> {
    newest(&store(common, false)?, &loaded.key()).await
}
