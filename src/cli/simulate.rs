//! `lifeboat simulate`: a runbook played in many worlds that fail, and what that tells of it.
//!
//! Nothing is recorded and nothing real is touched. Exit code 21 where some seed ends badly, else 24 where
//! a promise is missed in some seed, else 0. A run that is taken back or refused is no bad end: production
//! is as it was.

use super::{
    args::{Common, DirectionArg, Output, SimulateArgs},
    exit::{Failure, code},
    given::params,
    wiring::{load, page, print, read},
};
use crate::{
    clock::{Span, Timestamp},
    event::{Objective, RunOutcome},
    model::{Direction, Mode},
    sandbox::{Fault, Opened},
    simulation::{Case, Played, Rest, Seams, Troubles, play},
    view::{
        self,
        simulated::{Bad, Ending, Figure, Rows, Simulated},
    },
};
use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// `lifeboat simulate`.
pub(super) fn run(common: &Common, args: &SimulateArgs) -> Result<u8, Failure> {
    let case = case(common, args)?;
    let seeds = match (common.seed, args.seeds) {
        (Some(seed), None) => seed..seed + 1,
        (from, count) => from.unwrap_or(0)..from.unwrap_or(0) + count.unwrap_or(100),
    };
    let all = played(&case, seeds.clone())?;
    if args.trace {
        for one in &all {
            trace(common, one)?;
        }
    }
    let found = found(&case, &all);
    let again = again(args);
    print(
        common,
        |page, out| view::simulated::human(&found, &again, page, out),
        || view::json::of("simulated", &found),
    )?;
    Ok(match (found.bad.is_empty(), found.figures.iter().all(|figure| figure.missed.is_empty())) {
        (false, _) => code::PARTIAL,
        (true, false) => code::MISSED,
        (true, true) => code::DONE,
    })
}

/// The run that is played.
fn case(common: &Common, args: &SimulateArgs) -> Result<Case, Failure> {
    let loaded = load(common, &args.file)?;
    let faults = common.fault.iter().map(|text| text.parse::<Fault>()).collect::<Result<Vec<_>, _>>();
    let faults = faults.map_err(|wrong| Failure::usage(wrong.to_string()))?;
    // A fault at a step that the runbook lacks is told before anything is played.
    Opened::in_memory(loaded.runbook(), 0, Timestamp(0), &faults).map_err(|wrong| Failure::usage(wrong.to_string()))?;
    let to = args.to.as_deref().map(|to| loaded.standby(Some(to))).transpose()?;
    Ok(Case {
        direction: match args.direction {
            DirectionArg::Failover => Direction::Failover,
            DirectionArg::Failback => Direction::Failback,
            DirectionArg::Reprotect => Direction::Reprotect,
        },
        mode: if args.emergency { Mode::Emergency } else { Mode::Planned },
        to,
        parameters: params(&args.param)?,
        folder: loaded.folder.clone(),
        file: loaded.file.clone(),
        troubles: if faults.is_empty() { Troubles::Mishaps } else { Troubles::Only(faults) },
        checked: Arc::new(loaded.checked),
    })
}

/// Plays all seeds, as many at a time as there are cores; in the order of the seeds.
fn played(case: &Case, seeds: std::ops::Range<u64>) -> Result<Vec<Played>, Failure> {
    let (next, all) = (AtomicU64::new(seeds.start), Mutex::new(Ok(BTreeMap::new())));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let one = alone(case, seed);
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    match (one, all.as_mut()) {
                        (Ok(one), Ok(all)) => drop(all.insert(seed, one)),
                        (Err(why), Ok(_)) => *all = Err(why),
                        (_, Err(_)) => return,
                    }
                }
            });
        }
    });
    let all: std::io::Result<BTreeMap<u64, Played>> = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(all?.into_values().collect())
}

/// Plays one seed in a virtual time of its own.
fn alone(case: &Case, seed: u64) -> std::io::Result<Played> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let played = runtime.block_on(play(case, seed, &Arc::new(Seams::default())));
    runtime.shutdown_background();
    Ok(played)
}

/// One seed step by step: what went wrong, what the run did, how its processes ended.
fn trace(common: &Common, one: &Played) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if common.output == Output::Json {
        return read(view::show::json(&one.events, &mut out));
    }
    let mut told = || {
        writeln!(out, "seed {}: what goes wrong", one.seed)?;
        for mishap in one.schedule.words() {
            writeln!(out, "  {mishap}")?;
        }
        writeln!(out)?;
        view::show::human(&one.events, &page(), &mut out)?;
        writeln!(out)?;
        for end in &one.ends {
            writeln!(out, "  {end}")?;
        }
        writeln!(out)
    };
    read(told())
}

/// The command that was typed, but for its seeds.
fn again(args: &SimulateArgs) -> String {
    let direction = match args.direction {
        DirectionArg::Failover => "",
        DirectionArg::Failback => " --direction failback",
        DirectionArg::Reprotect => " --direction reprotect",
    };
    let mode = if args.emergency { " --emergency" } else { "" };
    format!("lifeboat simulate {}{direction}{mode}", args.file.display())
}

/// What all seeds tell together.
fn found(case: &Case, all: &[Played]) -> Simulated {
    let objectives = &case.checked.runbook().objectives;
    let measured = |of: Objective| move |one: &Played| one.measure(of).and_then(|measure| measure.at_most);
    let promise = |of: Objective, limit: Option<Span>| {
        let missed = |one: &&Played| one.measure(of).is_some_and(|measure| measure.met == Some(false));
        (limit, all.iter().filter(missed).map(|one| one.seed).collect::<Vec<_>>())
    };
    let nothing = (None, vec![]);
    Simulated {
        runbook: case.checked.runbook().name.clone(),
        direction: case.direction,
        mode: case.mode,
        seeds: all.len() as u64,
        mishaps: all.iter().map(|one| one.struck).sum(),
        figures: vec![
            figure("RTO", all, &measured(Objective::Rto), promise(Objective::Rto, objectives.rto)),
            figure(
                "write outage",
                all,
                &|one| Some(one.lived.write_outage),
                promise(Objective::WriteOutage, objectives.write_outage),
            ),
            figure("downtime", all, &|one| Some(one.lived.downtime), nothing),
            figure("RPO", all, &measured(Objective::Rpo), promise(Objective::Rpo, objectives.rpo)),
        ],
        rows_lost: rows(all),
        endings: endings(all),
        bad: all.iter().filter(|one| is_bad(one)).map(bad).collect(),
    }
}

/// A length of time over the runs that got there; what is not known of one is its worst.
fn figure(
    name: &str,
    all: &[Played],
    of: &dyn Fn(&Played) -> Option<Span>,
    (objective, missed): (Option<Span>, Vec<u64>),
) -> Figure {
    let mut spans: Vec<_> =
        all.iter().filter(|one| one.got_there()).map(|one| (of(one).unwrap_or(Span(u64::MAX)), one.seed)).collect();
    spans.sort_unstable();
    let known = |span: Span| (span != Span(u64::MAX)).then_some(span);
    let median = spans.get(spans.len().saturating_sub(1) / 2).and_then(|(span, _)| known(*span));
    let (worst, seed) = spans.last().map_or((None, None), |(span, seed)| (known(*span), Some(*seed)));
    Figure { name: name.to_owned(), median, worst, seed, objective, missed }
}

fn rows(all: &[Played]) -> Rows {
    let mut rows: Vec<_> =
        all.iter().filter(|one| one.got_there()).map(|one| (one.lived.rows_lost, one.seed)).collect();
    rows.sort_unstable();
    let median = rows.get(rows.len().saturating_sub(1) / 2).map_or(0, |(rows, _)| *rows);
    let worst = rows.last().filter(|(rows, _)| *rows > 0);
    Rows { median, worst: worst.map_or(0, |(rows, _)| *rows), seed: worst.map(|(_, seed)| *seed) }
}

fn endings(all: &[Played]) -> Vec<Ending> {
    let mut by: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for one in all {
        by.entry(words(&one.rest)).or_default().push(one.seed);
    }
    let mut endings: Vec<_> = by.into_iter().map(|(how, seeds)| Ending { how, seeds }).collect();
    endings.sort_by_key(|ending| std::cmp::Reverse(ending.seeds.len()));
    endings
}

fn words(rest: &Rest) -> String {
    match rest {
        Rest::Finished(outcome) => outcome.to_string(),
        Rest::NotBegun(why) => format!("not begun: {why}"),
        Rest::Stuck(why) => format!("never ended: {why}"),
    }
}

fn is_bad(one: &Played) -> bool {
    let ended = match &one.rest {
        Rest::Finished(outcome) => {
            matches!(outcome, RunOutcome::Partial | RunOutcome::InDoubt | RunOutcome::Abandoned)
        }
        Rest::Stuck(_) => true,
        Rest::NotBegun(_) => false,
    };
    ended || !one.broken.is_empty()
}

fn bad(one: &Played) -> Bad {
    let steps = one.not_done.iter().map(ToString::to_string).collect();
    Bad { seed: one.seed, how: words(&one.rest), steps, broken: one.broken.clone() }
}
