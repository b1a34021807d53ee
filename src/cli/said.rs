//! `brake`, `release`, `acknowledge`: what people say to those who start without them.

use super::{
    args::{
        Common,
        watch::{AcknowledgeArgs, SaidArgs},
    },
    exit::{Failure, code},
    moves::replay,
    runs::find,
    wiring::{block_on, commands, home, print, realm, store, who},
};
use crate::{
    clock::Timestamp,
    event::{NoteKind, Who},
    ids::NoteNo,
    store::{Book, RunHead, SqliteBook, Store, StoreError},
    view,
    watch::Ledger,
};
use std::sync::Arc;

/// The book of the realm, made where there is none.
pub(super) fn book(common: &Common) -> Result<Arc<dyn Book>, Failure> {
    let book = SqliteBook::open(&home(common)?, realm(common)).map_err(StoreError::from)?;
    Ok(Arc::new(book))
}

/// What the book comes to.
pub(super) async fn ledger(book: &Arc<dyn Book>) -> Result<Ledger, Failure> {
    const PAGE: usize = 1000;
    let mut ledger = Ledger::default();
    loop {
        let notes = book.read(ledger.head, PAGE).await?;
        notes.iter().for_each(|note| ledger.apply(note));
        if notes.len() < PAGE {
            return Ok(ledger);
        }
    }
}

/// Writes a note after all others.
pub(super) async fn write(book: &Arc<dyn Book>, by: &Who, kind: &NoteKind) -> Result<NoteNo, Failure> {
    loop {
        let head = ledger(book).await?.head;
        match book.write(head, by, Timestamp::wall(), std::slice::from_ref(kind)).await {
            Err(StoreError::Conflict) => {}
            other => return Ok(other?),
        }
    }
}

/// `lifeboat brake`.
pub(super) fn brake(common: &Common, args: &SaidArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let book = book(common)?;
        write(&book, &who(args.operator.as_ref()), &NoteKind::Braked { why: args.reason.clone() }).await?;
        let next = commands(common, "").bare("release --reason \"...\"");
        said(common, "the brake is on: no trigger starts anything; runs that go on are not touched", &next)
    })
}

/// `lifeboat release`.
pub(super) fn release(common: &Common, args: &SaidArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let book = book(common)?;
        let next = commands(common, "").bare("watch --explain");
        if ledger(&book).await?.brake.is_none() {
            return said(common, "the brake is not on", &next);
        }
        write(&book, &who(args.operator.as_ref()), &NoteKind::Released { why: args.reason.clone() }).await?;
        said(common, "the brake is off: triggers start again at the next change of what they wait for", &next)
    })
}

/// `lifeboat acknowledge`.
pub(super) fn acknowledge(common: &Common, args: &AcknowledgeArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let store = store(common, true)?;
        let head = match &args.run {
            Some(run) => find(&store, Some(run)).await?,
            None => last_alone(&store).await?,
        };
        if replay(&store, &head.id).await?.cause.is_none() {
            return Err(Failure::refused(format!("run {} was begun by a person", head.id)));
        }
        let book = book(common)?;
        write(&book, &who(args.operator.as_ref()), &NoteKind::Acknowledged { run: head.id.clone() }).await?;
        let next = commands(common, "").on_run("show", &head.id, "");
        said(common, &format!("run {} is acknowledged: after their cooldown its triggers start again", head.id), &next)
    })
}

/// The last run that began by itself.
async fn last_alone(store: &Arc<dyn Store>) -> Result<RunHead, Failure> {
    for head in store.runs(None).await? {
        if replay(store, &head.id).await?.cause.is_some() {
            return Ok(head);
        }
    }
    Err(Failure::refused("no run began by itself"))
}

fn said(common: &Common, what: &str, next: &str) -> Result<u8, Failure> {
    print(
        common,
        |_, out| {
            writeln!(out, "{what}")?;
            writeln!(out, "next: {next}")
        },
        || serde_json::json!({ "type": "said", "schema": view::SCHEMA, "what": what, "next": next }),
    )?;
    Ok(code::DONE)
}
