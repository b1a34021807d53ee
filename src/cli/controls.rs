//! `pause`, `cancel`, `approve`, `reject`, `abandon`: what can be asked of a run from any terminal.

use super::{
    args::{AbandonArgs, AnswerArgs, CancelArgs, Common, Consent, RunArgs},
    exit::{Failure, code},
    held::release,
    lease::claim,
    moves::replay,
    resume,
    runs::find,
    wiring::{block_on, commands, print, store, who},
};
use crate::{
    clock::{KernelBootClock, Timestamp},
    engine::{self, RunState},
    event::Control,
    ids::{AskId, LeaseKey, Seq},
    store::{Journal, RunHead, Store},
    view,
};
use std::sync::Arc;

/// `lifeboat pause`.
pub(super) fn pause(common: &Common, args: &RunArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let (store, head) = unfinished(common, args.run.as_deref()).await?;
        if !held(&store, &head.key).await? {
            return said(common, &head, "no process holds it: it stands still already", "resume");
        }
        post(&store, &head, &Control::Pause, None).await?;
        said(common, &head, "asked to pause at its next safe point", "resume")
    })
}

/// `lifeboat cancel`.
pub(super) fn cancel(common: &Common, args: &CancelArgs) -> Result<u8, Failure> {
    let control = if args.undo { Control::Undo } else { Control::Cancel };
    block_on(common, async {
        let (store, head) = found(common, args.run.as_deref()).await?;
        // Nothing is asked of a run that cannot be read.
        let state = replay(&store, &head.id).await?;
        if head.outcome.is_some() && !args.undo && !state.holds.is_empty() {
            return release(common, &args.consent, (&store, &head, state)).await;
        }
        open(&head)?;
        post(&store, &head, &control, args.consent.operator.as_ref()).await?;
        if args.consent.take_over.is_none() && held(&store, &head.key).await? {
            return said(common, &head, "asked to end: what it holds closed is released first", "show");
        }
        resume::take_up(common, &args.consent, &store, &head).await
    })
}

/// `lifeboat approve` and `lifeboat reject`.
pub(super) fn answer(common: &Common, args: &AnswerArgs, yes: bool) -> Result<u8, Failure> {
    block_on(common, async {
        let (store, head) = unfinished(common, args.run.as_deref()).await?;
        let state = replay(&store, &head.id).await?;
        let ask = question(&state, args.ask)?;
        post(&store, &head, &Control::Answer { ask, yes }, args.operator.as_ref()).await?;
        let word = if yes { "yes" } else { "no" };
        let message = &state.asks[&ask].message;
        if held(&store, &head.key).await? {
            return said(common, &head, &format!("answered {word} to: {message}"), "show");
        }
        said(common, &head, &format!("answered {word} to: {message}; no process holds it"), "resume")
    })
}

/// The question meant: the one named, or the only one open.
fn question(state: &RunState, named: Option<u32>) -> Result<AskId, Failure> {
    let open: Vec<_> = state.open_asks().collect();
    if let Some(n) = named {
        return open
            .iter()
            .find(|(id, _)| id.0 == n)
            .map(|(id, _)| *id)
            .ok_or_else(|| Failure::refused(format!("question {n} is not open")));
    }
    match &open[..] {
        [] => Err(Failure::refused("no question is open")
            .hint(format!("lifeboat show {}     tells what the run waits for", state.run))),
        [(id, _)] => Ok(*id),
        many => Err(many.iter().fold(Failure::usage("several questions are open: say which"), |f, (id, ask)| {
            f.hint(format!("--ask {id}     {}", ask.message))
        })),
    }
}

/// `lifeboat abandon`.
pub(super) fn abandon(common: &Common, args: &AbandonArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let (store, head) = unfinished(common, Some(&args.run)).await?;
        let control = Control::Abandon { why: args.reason.clone() };
        if args.take_over.is_none() && held(&store, &head.key).await? {
            post(&store, &head, &control, args.operator.as_ref()).await?;
            return said(common, &head, "asked to end as it stands", "show");
        }
        let (take_over, operator) = (args.take_over.clone(), args.operator.clone());
        let consent = Consent { take_over, operator, ..Consent::default() };
        let fence = claim(&store, &head.key, &consent).await?;
        let journal = Journal::new(store.clone(), Arc::new(KernelBootClock), fence, head.id.clone(), Seq(0));
        let ended = engine::end(journal, &who(args.operator.as_ref()), control, Timestamp::wall()).await?;
        let held: Vec<_> = ended.holds.values().map(|h| format!("{} since {}", h.what, h.since)).collect();
        if held.is_empty() || ended.past_return() {
            return said(common, &head, "ended as it stands; what it held or owed is in its record", "show");
        }
        let what = format!("ended as it stands; still held: {}; the next command opens it again", held.join(", "));
        said(common, &head, &what, "cancel")
    })
}

/// Waits two seconds for a holder to let go. Gives whether it did.
pub(super) async fn wait_until_free(store: &Arc<dyn Store>, key: &LeaseKey) -> Result<bool, Failure> {
    for _ in 0..20 {
        if !held(store, key).await? {
            return Ok(true);
        }
        // Real time even where the sandbox's is virtual: the other process lives in it.
        tokio::task::spawn_blocking(|| std::thread::sleep(std::time::Duration::from_millis(100))).await.ok();
    }
    Ok(false)
}

async fn held(store: &Arc<dyn Store>, key: &LeaseKey) -> Result<bool, Failure> {
    Ok(store.holder(key).await?.is_some_and(|h| h.alive))
}

async fn unfinished(common: &Common, run: Option<&str>) -> Result<(Arc<dyn Store>, RunHead), Failure> {
    let (store, head) = found(common, run).await?;
    open(&head)?;
    Ok((store, head))
}

async fn found(common: &Common, run: Option<&str>) -> Result<(Arc<dyn Store>, RunHead), Failure> {
    let store = store(common, true)?;
    let head = find(&store, run).await?;
    Ok((store, head))
}

/// Of a run that has ended nothing can be asked.
fn open(head: &RunHead) -> Result<(), Failure> {
    match head.outcome {
        Some(outcome) => Err(Failure::refused(format!("run {} has ended: {outcome}", head.id))
            .hint(format!("lifeboat show {}", head.id))),
        None => Ok(()),
    }
}

async fn post(
    store: &Arc<dyn Store>,
    head: &RunHead,
    control: &Control,
    operator: Option<&String>,
) -> Result<(), Failure> {
    store.post(&head.id, control, &who(operator), Timestamp::wall()).await?;
    Ok(())
}

fn said(common: &Common, head: &RunHead, what: &str, next: &str) -> Result<u8, Failure> {
    let next = commands(common, "").on_run(next, &head.id, "");
    print(
        common,
        |_, out| {
            writeln!(out, "run {}: {what}", head.id)?;
            writeln!(out, "next: {next}")
        },
        || serde_json::json!({ "type": "control", "schema": view::SCHEMA, "run": head.id, "what": what, "next": next }),
    )?;
    Ok(code::DONE)
}
