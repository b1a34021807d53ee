//! A run from the command's side: screen, signals, engine, closing report.

use super::{
    args::{Common, Consent, Output, Speed},
    exit::{Failure, code, of_ended},
    identity,
    lease::claim,
    said::book_if_any,
    wiring::{World, commands, print, who},
};
use crate::{
    clock::Span,
    engine::{self, Deps, Doors, Ended, RunState, Signal, Start, Watch},
    event::{AcceptLoss, Cause, Event, EventKind, Notice, Policy, Request, Way},
    ids::{LeaseKey, RunId, Seq, StepId},
    plan::{Plan, PlanStep},
    sandbox::Sandbox,
    store::{Journal, Store},
    view::{
        screen::{Face, Requests, Screen, Setup},
        summary,
    },
    watch::{Ledger, Withdrawn},
};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Whether people can be asked here.
pub(super) fn interactive(common: &Common, consent: &Consent) -> bool {
    common.output == Output::Human && !consent.unattended && Face::detect(false) == Face::Interactive
}

/// What the command line answers beforehand.
pub(super) fn policy(common: &Common, consent: &Consent) -> Result<Policy, Failure> {
    let loss = consent.accept_data_loss.as_deref().map(|text| match text {
        "unknown" => Ok(AcceptLoss::Unknown),
        span => span
            .parse::<Span>()
            .map(AcceptLoss::UpTo)
            .map_err(|e| Failure::usage(format!("--accept-data-loss: {e}, or `unknown`"))),
    });
    Ok(Policy {
        yes: consent.yes,
        accept: consent.accept.iter().map(|s| StepId::new(s.as_str())).collect(),
        accept_loss: loss.transpose()?,
        unattended: consent.unattended,
        interactive: interactive(common, consent),
        reach: None,
    })
}

/// Exit 11 where commands of a run would miss a variable: told before its first effect, not amid it.
fn equipped(world: &World, plan: &Plan) -> Result<(), Failure> {
    let missing: Vec<_> = plan.environment().into_iter().filter(|name| std::env::var_os(name).is_none()).collect();
    // The sandbox runs no command.
    if world.sandbox.is_some() || missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    let is = if missing.len() == 1 { "is" } else { "are" };
    Err(Failure::environment(format!("{names} {is} not set, and commands of this run are given it by `environment`"))
        .hint(format!("export {}", missing.join(" "))))
}

/// Begins a run on a claimed lease and stays with it.
pub(super) async fn begin(
    common: &Common,
    consent: &Consent,
    world: &World,
    (store, key, newest): (&Arc<dyn Store>, &LeaseKey, Option<RunId>),
    begin: Start,
) -> Result<u8, Failure> {
    equipped(world, &begin.plan)?;
    if let Some(sandbox) = &world.sandbox {
        // Runs are put in order by when they began: none after this one may begin earlier.
        sandbox.keep_time().map_err(|error| Failure::environment(error.to_string()))?;
    }
    let fence = claim(store, key, consent).await?;
    // Where another run was ended for it, that was asked before: what that one held must not be without a holder.
    let cause = begin.cause.as_ref().filter(|_| begin.supersedes.is_none());
    if let Err(failure) = unchanged(common, (store, key, newest), cause).await {
        // This is what has to be told, whatever becomes of the lease.
        drop(store.release(fence).await);
        return Err(failure);
    }
    let run = begin.plan.run.clone();
    let file = typed(&begin.plan);
    let (deps, doors, screen) = open(
        common,
        consent,
        world,
        Journal::new(store.clone(), world.boot.clone(), fence, run.clone(), Seq(0)),
        (&file, vec![]),
    )?;
    let result = engine::start(deps, doors, begin).await;
    close(common, screen, result, (store, &run, &file)).await
}

/// The plan was made without the lease: nobody may have run anything since, nor decided otherwise.
async fn unchanged(
    common: &Common,
    (store, key, newest): (&Arc<dyn Store>, &LeaseKey, Option<RunId>),
    cause: Option<&Cause>,
) -> Result<(), Failure> {
    if store.runs(Some(key)).await?.into_iter().next().map(|r| r.id) != newest {
        return Err(Failure::new(code::BUSY, "another run began or ended while this one was planned")
            .hint("type the same again"));
    }
    still_decided(common, cause).await
}

/// What begins by itself does so only while what was decided stands: a brake that was put on meanwhile holds it.
pub(super) async fn still_decided(common: &Common, cause: Option<&Cause>) -> Result<(), Failure> {
    let Some(cause) = cause else { return Ok(()) };
    let Some(book) = book_if_any(common)? else { return Ok(()) };
    match Ledger::withdrawn(&*book, cause.decision).await? {
        // Whoever wrote so goes on with it.
        Some(why @ Withdrawn::Settled(_)) => Err(Failure::new(code::BUSY, why.to_string())),
        Some(why) => Err(Failure::refused(why.to_string())),
        None => Ok(()),
    }
}

/// Takes a run up on a claimed lease and stays with it.
pub(super) async fn go_on(
    common: &Common,
    consent: &Consent,
    world: &World,
    (store, key, run): (&Arc<dyn Store>, &LeaseKey, &RunId),
    (plan, policy): (&Plan, Policy),
) -> Result<u8, Failure> {
    equipped(world, plan)?;
    identity::settle(world, plan, &commands(common, &typed(plan))).await?;
    let fence = claim(store, key, consent).await?;
    let past = store.read(run, Seq(1)).await?;
    let head = past.last().map_or(Seq(0), |e| e.seq);
    let file = typed(plan);
    let (deps, doors, screen) = open(
        common,
        consent,
        world,
        Journal::new(store.clone(), world.boot.clone(), fence, run.clone(), head),
        (&file, past),
    )?;
    let result = engine::resume(deps, doors, policy).await;
    close(common, screen, result, (store, run, &file)).await
}

/// The runbook's path as a person would type it from here.
pub(super) fn typed(plan: &Plan) -> String {
    let full = std::path::Path::new(&plan.folder).join(&plan.file);
    let here = std::env::current_dir().unwrap_or_default();
    full.strip_prefix(&here).unwrap_or(&full).display().to_string()
}

fn open(
    common: &Common,
    consent: &Consent,
    world: &World,
    journal: Journal,
    (file, past): (&str, Vec<Event>),
) -> Result<(Deps, Doors, Screen), Failure> {
    let face = match common.output {
        Output::Json => Face::Json,
        Output::Human if interactive(common, consent) => Face::Interactive,
        Output::Human => Face::Lines,
    };
    let out: Box<dyn std::io::Write + Send> =
        if face == Face::Json { Box::new(std::io::stdout()) } else { Box::new(std::io::stderr()) };
    let signals = world.signals.clone();
    let interrupted = Box::new(move || signals.raise(Signal::Interrupt));
    let (screen, asked) = Screen::start(Setup { face, out, commands: Some(commands(common, file)), interrupted });
    let watcher = screen.watcher();
    watcher.recall(past);
    let mut watchers: Vec<Watch> = vec![Box::new(move |notice| watcher.tell(notice.clone()))];
    watchers.extend(world.sandbox.clone().map(tell_sandbox));
    let beside = world.beside.clone().map(|beside| -> Watch { Box::new(move |notice| beside(notice)) });
    watchers.extend(beside);
    let deps = Deps {
        journal,
        look: world.look.clone(),
        act: world.act.clone(),
        clock: world.clock.clone(),
        boot: world.boot.clone(),
        watchers,
        who: who(consent.operator.as_ref()),
        interactive: screen.asks(),
        // Whoever started it without people is there to go on with it when one answers; in virtual time that
        // would be never.
        waits: world.beside.is_some() && !(common.sandbox && common.speed == Speed::Max),
        tempo: if screen.asks() { world.tempo } else { world.tempo.unseen() },
    };
    Ok((deps, Doors { requests: hear(asked), signals: world.signals.clone() }, screen))
}

/// What the person at the screen asks for, as the engine takes it.
fn hear(mut asked: Requests) -> UnboundedReceiver<Request> {
    let (to, from) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(request) = asked.next().await {
            if to.send(request).is_err() {
                return;
            }
        }
    });
    from
}

/// Faults that wait for a step strike when it begins, and no time before an event comes again.
fn tell_sandbox(sandbox: Arc<Sandbox>) -> Watch {
    Box::new(move |notice| {
        let Notice::Event(event) = notice else { return };
        // A world that cannot be written will say so at the next look.
        drop(sandbox.keep_time());
        if let EventKind::AttemptStarted { step, way: Way::Forward, .. } = &event.kind {
            drop(sandbox.step_started(step));
        }
    })
}

/// Ends the screen, reports, and gives the exit code.
async fn close(
    common: &Common,
    screen: Screen,
    result: Result<(Ended, RunState), engine::EngineError>,
    (store, run, file): (&Arc<dyn Store>, &RunId, &str),
) -> Result<u8, Failure> {
    screen.close();
    let (ended, state) = result?;
    let events = store.read(run, Seq(1)).await?;
    report(common, &events, file)?;
    let strict = |(id, run): (&StepId, &engine::StepRun)| {
        run.has_open_effect() && !state.plan.step(id).is_some_and(PlanStep::best_effort)
    };
    let doubt = state.steps.iter().any(strict);
    Ok(of_ended(&ended, doubt))
}

/// The closing report of a run.
pub(super) fn report(common: &Common, events: &[Event], file: &str) -> Result<(), Failure> {
    let Some(summary) = summary::of(events, Some(&commands(common, file))) else { return Ok(()) };
    print(common, |page, out| summary.human(page, out), || summary.json())
}
