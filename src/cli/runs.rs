//! `runs` and `show`: what was done, for the auditor and for whoever takes over.

use super::{
    args::{Common, RunArgs, RunsArgs},
    exit::{Failure, code},
    wiring::{block_on, print, read, store},
};
use crate::{
    clock::Timestamp,
    ids::{RunId, Seq},
    store::{RunHead, Store, StoreError},
    view::{self, Progress, show, summary},
};
use std::sync::Arc;

/// The run meant: the one named (or the only one whose id begins so), else the unfinished one, else the last.
pub(super) async fn find(store: &Arc<dyn Store>, named: Option<&str>) -> Result<RunHead, Failure> {
    let all = store.runs(None).await?;
    let Some(name) = named else {
        let unfinished: Vec<_> = all.iter().filter(|r| r.outcome.is_none()).collect();
        return match (&unfinished[..], all.first()) {
            ([one], _) => Ok((*one).clone()),
            ([], Some(last)) => Ok(last.clone()),
            ([], None) => {
                Err(Failure::usage("there are no runs yet").hint("lifeboat drill FILE --sandbox     makes one"))
            }
            (many, _) => Err(many.iter().fold(Failure::usage("several runs are unfinished: say which"), |f, r| {
                f.hint(format!("{}     {}, began {}", r.id, r.runbook, r.started))
            })),
        };
    };
    let like: Vec<_> = all.iter().filter(|r| r.id.as_str().starts_with(name)).collect();
    match &like[..] {
        [one] => Ok((*one).clone()),
        _ => match all.iter().find(|r| r.id.as_str() == name) {
            Some(exact) => Ok(exact.clone()),
            None => Err(StoreError::NoSuchRun(RunId::new(name).to_string()).into()),
        },
    }
}

/// `lifeboat runs`.
pub(super) fn list(common: &Common, args: &RunsArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let store = store(common, false)?;
        let (mut rows, mut code) = (vec![], code::DONE);
        for head in store.runs(None).await? {
            if args.runbook.as_ref().is_some_and(|name| *name != head.runbook) {
                continue;
            }
            match row(&store, &head).await {
                Ok(row) => rows.push(row),
                // The other runs are whole, and may be what is looked for.
                Err(failure) if matches!(failure.code, code::JOURNAL | code::MISMATCH) => {
                    code = failure.code;
                    rows.push(unread(head, &failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        let now = Timestamp::wall();
        print_rows(common, &rows, now)?;
        Ok(code)
    })
}

fn print_rows(common: &Common, rows: &[view::runs::Row], now: Timestamp) -> Result<(), Failure> {
    match common.output {
        super::args::Output::Human => {
            print(common, |page, out| view::runs::human(rows, now, page, out), || serde_json::Value::Null)
        }
        super::args::Output::Json => read(view::runs::json(rows, &mut std::io::stdout().lock())),
    }
}

/// A run whose events are not what was recorded, or not known here.
fn unread(head: RunHead, why: &Failure) -> view::runs::Row {
    let standing = format!("{}; see `lifeboat store verify`", why.what);
    let RunHead { id: run, runbook, started, outcome: _, .. } = head;
    view::runs::Row { run, runbook, kind: String::new(), started, outcome: None, standing }
}

async fn row(store: &Arc<dyn Store>, head: &RunHead) -> Result<view::runs::Row, Failure> {
    let events = store.read(&head.id, Seq(1)).await?;
    let progress = Progress::of(&events);
    let kind = progress
        .plan
        .as_ref()
        .map(|p| if p.direction.is_move() { format!("{} {}", p.mode, p.direction) } else { p.direction.to_string() });
    let alive = store.holder(&head.key).await?.filter(|h| h.alive && h.run.as_ref() == Some(&head.id));
    let standing = match (&head.outcome, alive) {
        (None, Some(holder)) => format!("running, held by {}", holder.who),
        _ => summary::standing(&progress).1,
    };
    Ok(view::runs::Row {
        run: head.id.clone(),
        runbook: head.runbook.clone(),
        kind: kind.unwrap_or_default(),
        started: head.started,
        outcome: head.outcome,
        standing,
    })
}

/// `lifeboat show`.
pub(super) fn show(common: &Common, args: &RunArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let store = store(common, false)?;
        let head = find(&store, args.run.as_deref()).await?;
        let events = store.read(&head.id, Seq(1)).await?;
        match common.output {
            super::args::Output::Human => {
                print(common, |page, out| show::human(&events, page, out), || serde_json::Value::Null)?;
                print(common, |_, out| writeln!(out), || serde_json::Value::Null)?;
            }
            super::args::Output::Json => read(show::json(&events, &mut std::io::stdout().lock()))?,
        }
        let file = Progress::of(&events).plan.as_deref().map(super::run::typed).unwrap_or_default();
        super::run::report(common, &events, &file)?;
        Ok(code::DONE)
    })
}
