//! `lifeboat watch` and `lifeboat trigger`: failovers that begin without people.
//!
//! The loop is one task: it takes messages, time and what became of its runs in, lets the keeper decide,
//! and lets go of a message once what was decided of it is on disk. Runs go on in tasks of their own, by
//! the way of a person's command. Nothing here waits for a run.

mod again;
mod eyes;
mod once;
mod pages;
mod runs;
mod service;
mod shelf;
mod stats;
mod ways;

use super::{
    args::{
        Common, Output,
        watch::{TriggerArgs, WatchArgs},
    },
    exit::{Failure, code},
    said::{book_if_any, ledger},
    wiring::{block_on, print, read},
};
use crate::{
    ids::{NoteNo, RunId},
    view::notes,
};
use pages::Page;
use service::Service;
use shelf::Shelf;
use std::io::Write as _;

/// What the tasks of a watcher tell its loop.
#[derive(Debug)]
enum Told {
    /// A failover that was decided began.
    Began { decision: NoteNo, run: RunId },
    /// It did not, and will not.
    NotBegun { decision: NoteNo, why: String },
    /// It could not now, and why; whether it was refused, which people must know at once.
    Later { decision: NoteNo, why: String, refused: bool },
    /// A run that was left unfinished goes on.
    TakenUp,
    /// A run came to rest, with this exit code.
    Rests { code: u8 },
    /// People must know something of a run of this runbook.
    Page { runbook: String, page: Page },
    /// People were told, or could not be.
    Paged { to: String, message: String, failed: Option<String> },
    /// A page was told in every place, or cannot be.
    AllPaged,
    /// Alarms as they were seen by looking.
    Looked(Vec<crate::alarm::Signal>),
    /// A line for the log.
    Line(String),
}

/// `lifeboat watch`.
pub(super) fn run(common: &Common, args: &WatchArgs) -> Result<u8, Failure> {
    if args.explain {
        return block_on(common, explain(common, args.last));
    }
    block_on(common, async { Service::open(common, args).await?.run().await })
}

/// `lifeboat trigger`.
pub(super) fn by_hand(common: &Common, args: &TriggerArgs) -> Result<u8, Failure> {
    let shelf = Shelf::open(std::slice::from_ref(&args.file))?;
    block_on(common, async { once::by_hand(common, args, shelf).await })
}

/// Starts a trigger's failover by synthetic alarms, in the sandbox, and follows it to its end.
pub(super) async fn rehearse(common: &Common, file: &std::path::Path, name: &str) -> Result<u8, Failure> {
    let shelf = Shelf::open(&[file.to_owned()])?;
    once::rehearse(common, shelf, name).await
}

/// The newest notes, oldest first.
async fn explain(common: &Common, most: usize) -> Result<u8, Failure> {
    let notes = match book_if_any(common)? {
        Some(book) => {
            let head = ledger(&book).await?.head;
            book.read(NoteNo(head.0.saturating_sub(most as u64)), most).await?
        }
        None => vec![],
    };
    match common.output {
        Output::Human if notes.is_empty() => {
            print(common, |_, out| writeln!(out, "nothing was decided yet"), || serde_json::Value::Null)?;
        }
        Output::Human => {
            print(
                common,
                |_, out| notes.iter().try_for_each(|note| notes::human(note, out)),
                || serde_json::Value::Null,
            )?;
        }
        Output::Json => {
            let mut out = std::io::stdout().lock();
            read(notes.iter().try_for_each(|note| writeln!(out, "{}", notes::object(note))))?;
        }
    }
    Ok(code::DONE)
}
