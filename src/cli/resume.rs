//! `lifeboat resume`: takes an unfinished run up again, from its sealed plan.

use super::{
    args::{Common, Consent, ResumeArgs},
    exit::{Failure, code, of_outcome},
    lease::{busy, is_named},
    moves::{human, replay},
    run::{go_on, policy, report, typed},
    runs::find,
    store::lost,
    wiring::{Beside, Purpose, World, block_on, examine, store, who, world},
};
use crate::{
    clock::Timestamp,
    driver::gather,
    engine::RunState,
    event::{Control, Policy},
    ids::{Seq, StepId},
    model::Mode,
    plan::Plan,
    store::{RunHead, Store},
    view,
    world::{Seen, What, World as Sights},
};
use std::{io::Write as _, path::Path, sync::Arc};

/// `lifeboat resume`.
pub(super) fn run(common: &Common, args: &ResumeArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let store = store(common, true)?;
        let head = find(&store, args.run.as_deref()).await?;
        if let Some(outcome) = head.outcome {
            let events = store.read(&head.id, Seq(1)).await?;
            let file = RunState::replay(&events).map(|s| typed(&s.plan)).unwrap_or_default();
            report(common, &events, &file)?;
            return Ok(of_outcome(outcome));
        }
        let holder = store.holder(&head.key).await?.filter(|h| h.alive);
        if let Some(holder) = holder.filter(|h| !is_named(args.consent.take_over.as_ref(), h)) {
            return Err(busy(&holder));
        }
        let state = replay(&store, &head.id).await?;
        if let Some(control) = control(args, &state)? {
            store.post(&head.id, &control, &who(args.consent.operator.as_ref()), Timestamp::wall()).await?;
        }
        take_up(common, &args.consent, &store, &head).await
    })
}

/// What the flags ask of the run. Refused before anything is written where it can be seen to be wrong.
fn control(args: &ResumeArgs, state: &RunState) -> Result<Option<Control>, Failure> {
    let step = |name: &String| {
        let id = StepId::new(name.as_str());
        let known = || state.plan.steps.iter().map(|s| s.id.as_str());
        if state.plan.step(&id).is_some() {
            return Ok(id);
        }
        let failure = Failure::usage(format!("run {} has no step {name}", state.run));
        Err(crate::diagnostic::did_you_mean(name, known()).map_or(Failure::usage(failure.what.clone()), |n| {
            Failure::usage(failure.what).hint(format!("did you mean {n}?"))
        }))
    };
    let why = || args.reason.clone().unwrap_or_default();
    Ok(match (&args.retry, &args.skip, &args.mark_done, args.undo) {
        (Some(name), ..) => Some(Control::Retry { step: step(name)? }),
        (_, Some(name), ..) => Some(Control::Skip { step: step(name)?, why: why() }),
        (_, _, Some(name), _) => Some(Control::MarkDone { step: step(name)?, why: why() }),
        (.., true) if state.past_return() => {
            return Err(Failure::refused("the run is past the point of no return: it cannot be undone")
                .hint(format!("lifeboat resume {}     goes on", state.run))
                .hint("lifeboat failback     moves back later, as a run of its own"));
        }
        (.., true) => Some(Control::Undo),
        _ => None,
    })
}

/// Takes a run up in this process: drift first, then on with it.
pub(super) async fn take_up(
    common: &Common,
    consent: &Consent,
    store: &Arc<dyn Store>,
    head: &RunHead,
) -> Result<u8, Failure> {
    take_up_as((common, consent), policy(common, consent)?, None, store, head).await
}

/// The same, with another policy than the command line's, and somebody who is told beside the screen.
pub(super) async fn take_up_as(
    (common, consent): (&Common, &Consent),
    policy: Policy,
    beside: Option<Beside>,
    store: &Arc<dyn Store>,
    head: &RunHead,
) -> Result<u8, Failure> {
    let written = store.written(head).await;
    let state = replay(store, &head.id).await?;
    let world = World { beside, ..world(common, Purpose::TakeUp(&state))? };
    if human(common) {
        if let Some(written) = written.filter(|written| *written > state.head) {
            note(&format!("run {}: {}; what happened is looked for", head.id, lost(state.head, written)));
        }
        if let Some(changed) = changed(&state.plan) {
            note(&format!("{changed}; the run goes on by the plan it was started with"));
        }
        drift(&state, &world).await;
    }
    let code = go_on(common, consent, &world, (store, &head.key, &head.id), (&state.plan, policy)).await?;
    // A planned move that `resume` brought to its end is not followed by its reprotect: it is owed.
    let owes = !replay(store, &head.id).await?.owed.is_empty();
    Ok(if matches!(code, code::DONE | code::MISSED) && owes { code::UNPROTECTED } else { code })
}

/// What became of a run's runbook since, where it is not what it was. The run does not need it.
fn changed(plan: &Plan) -> Option<String> {
    let file = Path::new(&plan.folder).join(&plan.file);
    let since = match examine(&file) {
        Err(_) => "cannot be read any more",
        Ok((None, ..)) => "is no valid runbook any more",
        Ok((Some(now), ..)) if now.runbook().digest != plan.digest => "has changed since the run began",
        Ok((Some(_), ..)) => return None,
    };
    Some(format!("{} {since}", file.display()))
}

/// Tells what is otherwise than the run left it.
async fn drift(state: &RunState, world: &World) {
    let watched = |what: &What| matches!(what, What::Db(_) | What::Parameters(_) | What::Group(_) | What::Records(_));
    let gone = |site: &crate::ids::SiteName| state.plan.mode == Mode::Emergency && *site == state.plan.ends.from.name;
    let mut expected =
        Sights::of(state.plan.observed.iter().filter(|s| watched(&s.target.what) && !gone(&s.target.site)).cloned());
    let mut effects: Vec<_> = state.steps.values().flat_map(|s| s.past.sent.iter().chain(&s.undo_past.sent)).collect();
    effects.sort_by_key(|e| e.at);
    for done in effects {
        done.effect.predict(&mut expected, done.at);
    }
    let now = world.clock.now();
    let targets = expected.sights().map(|s| s.target.clone()).collect();
    let seen = gather::look(&*world.look, &*world.clock, &targets, gather::HASTE).await;
    for (then, is) in expected
        .sights()
        .zip(seen.sights())
        .filter(|(a, b)| a.target == b.target && essence(&a.seen) != essence(&b.seen))
    {
        note(&format!(
            "drift: {}: expected {}, now {}",
            then.target,
            view::seen::words(then, now),
            view::seen::words(is, now)
        ));
    }
}

/// What of a sight must not have changed by itself.
fn essence(seen: &Seen) -> String {
    match seen {
        Seen::Db(db) => {
            format!("{:?} {:?} {:?}", db.source.as_ref().map(|s| &s.identifier), db.parameter_group, db.security_groups)
        }
        Seen::Parameters(group) => format!("{:?}", group.values),
        Seen::Group(group) => format!("{} {}", group.size.min, group.size.max),
        Seen::Records(records) => {
            let mut weights: Vec<_> =
                records.sets.iter().map(|s| format!("{} {:?} {:?}", s.name, s.set_identifier, s.weight)).collect();
            weights.sort();
            weights.join(",")
        }
        Seen::Absent => "absent".into(),
        // What cannot be seen now has not been seen to change.
        Seen::Unknown { .. }
        | Seen::Dbs(_)
        | Seen::Lag(_)
        | Seen::Position(_)
        | Seen::Snapshot(_)
        | Seen::Change(_)
        | Seen::Execution(_)
        | Seen::Answer(_) => String::new(),
    }
}

fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "note: {text}"));
}
