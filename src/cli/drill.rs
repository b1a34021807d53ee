//! `lifeboat drill`: the whole way there and back, measured.

use super::{
    args::{Common, MoveArgs, watch::DrillArgs},
    exit::{Failure, code},
    moves::{Done, Move, newest},
    watch,
    wiring::{block_on, commands, print},
};
use crate::{
    model::{Direction, Mode},
    sandbox::Lived,
    view,
};

/// Rehearses failover, reprotect, failback and reprotect. Only in the sandbox, for now.
pub(super) fn run(common: &Common, args: &DrillArgs) -> Result<u8, Failure> {
    if !common.sandbox {
        return Err(Failure::refused(
            "a drill on real sites needs a complete `drill` overlay, which is not supported yet",
        )
        .hint("add --sandbox to rehearse in a simulated world")
        .hint(format!("lifeboat plan {}     shows what a real run would do", args.moves.file.display())));
    }
    match &args.trigger {
        Some(name) => block_on(common, by_trigger(common, &args.moves, name)),
        None => block_on(common, rehearse(common, &args.moves)),
    }
}

/// The way there as an alarm starts it, then the way back as people go it.
async fn by_trigger(common: &Common, args: &MoveArgs, name: &str) -> Result<u8, Failure> {
    let moved = watch::rehearse(common, &args.file, name).await?;
    if !went_on(moved) {
        return Ok(moved);
    }
    // What was to go wrong has.
    let (common, args) = (Common { fault: vec![], ..common.clone() }, args.clone());
    let first = Move::open(&common, &args).await?;
    let worst = worth(&first, &Done::Ran(moved, Mode::Emergency)).await?;
    let back = [Direction::Reprotect, Direction::Failback, Direction::Reprotect].map(|direction| (&args, direction));
    legs(&first, &back, (worst, Some(Direction::Failover))).await
}

async fn rehearse(common: &Common, args: &MoveArgs) -> Result<u8, Failure> {
    let there = MoveArgs { planned: !args.emergency, ..args.clone() };
    // A reprotect takes the mode of the move it follows; a failback is planned.
    let back = MoveArgs { planned: false, emergency: false, since: None, supersede: None, ..args.clone() };
    let first = Move::open(common, &there).await?;
    let sandbox = first.world.sandbox.clone().ok_or_else(|| Failure::refused("a drill needs the sandbox"))?;
    let wrong = |e: crate::sandbox::SandboxError| Failure::environment(e.to_string());
    let before = sandbox.lived().map_err(wrong)?;
    let (situation, _) = first.situation().await;
    if let Some(away) = situation.active_site().filter(|site| **site != first.loaded.runbook().primary) {
        let known = commands(common, &first.loaded.typed);
        return Err(Failure::refused(format!("{away} serves: a drill starts from home"))
            .hint(format!("{}     moves home", known.on_file("failback"))));
    }
    let all = [
        (&there, Direction::Failover),
        (&back, Direction::Reprotect),
        (&back, Direction::Failback),
        (&back, Direction::Reprotect),
    ];
    let worst = legs(&first, &all, (code::DONE, None)).await?;
    let lived = sandbox.lived().map_err(wrong)?.since(&before);
    print(common, |_, out| human(&lived, out), || view::json::of("lived", &lived))?;
    Ok(worst)
}

/// One leg after the other, as far as they go; the code of all of them, and of the one passed before.
async fn legs(
    first: &Move<'_>,
    legs: &[(&MoveArgs, Direction)],
    (mut worst, mut passed): (u8, Option<Direction>),
) -> Result<u8, Failure> {
    for (args, direction) in legs {
        let done = match (first.with(args).go(*direction).await, passed) {
            (Ok(done), _) => done,
            (Err(failure), Some(leg)) if changed_nothing(&failure) => {
                let (code, how) = left_after(leg);
                failure.hint(how).print(first.common.output);
                return Ok(code);
            }
            (Err(failure), _) => return Err(failure),
        };
        if !went_on(done.code()) {
            // How the leg stands is how production stands, whatever the legs before it were worth.
            return Ok(done.code());
        }
        worst = worst.max(worth(first, &done).await?);
        passed = Some(*direction);
    }
    Ok(worst)
}

/// Whether the next leg can follow.
fn went_on(code: u8) -> bool {
    matches!(code, code::DONE | code::MISSED | code::UNPROTECTED)
}

/// Whether a leg that did not begin left all as the leg before it did.
fn changed_nothing(failure: &Failure) -> bool {
    matches!(failure.code, code::REFUSED | code::ENVIRONMENT | code::BUSY | code::LEFT)
}

/// How production stands where a drill stops after a leg: as a code and in words.
fn left_after(leg: Direction) -> (u8, &'static str) {
    match leg {
        Direction::Failover | Direction::Failback => {
            (code::UNPROTECTED, "the drill stops here: the site that serves has no replica until then")
        }
        Direction::Reprotect => (code::WAITING, "the drill stops here: the service is away from home until then"),
    }
}

/// A debt that the next leg pays is no result of the drill; a promise that was not kept is.
async fn worth(leg: &Move<'_>, done: &Done) -> Result<u8, Failure> {
    match done {
        Done::Ran(code::UNPROTECTED, Mode::Emergency) if kept_its_promises(leg).await? => Ok(code::DONE),
        Done::Ran(code::UNPROTECTED, Mode::Emergency) => Ok(code::MISSED),
        other => Ok(other.code()),
    }
}

/// Whether the last run met every objective that was promised.
async fn kept_its_promises(leg: &Move<'_>) -> Result<bool, Failure> {
    let last = newest(&leg.store, &leg.loaded.key()).await?;
    Ok(last.is_none_or(|run| run.measures.iter().all(|(_, measure)| measure.met != Some(false))))
}

/// What users lived through.
fn human(lived: &Lived, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    writeln!(out, "what users lived through")?;
    writeln!(out, "  downtime        {}", lived.downtime)?;
    writeln!(out, "  write outage    {}", lived.write_outage)?;
    writeln!(out, "  rows written    {}", lived.rows_written)?;
    writeln!(out, "  rows lost       {}", lived.rows_lost)?;
    if lived.rows_kept_in_snapshot > 0 {
        writeln!(out, "  rows kept       {} in a snapshot", lived.rows_kept_in_snapshot)?;
    }
    let writers = lived.two_writers.map_or_else(|| "never".to_owned(), |o| format!("for {}, from {}", o.total, o.from));
    writeln!(out, "  two writers     {writers}")?;
    for returned in &lived.returned_unfenced {
        writeln!(out, "  came back       {}", returned.words())?;
    }
    Ok(())
}
