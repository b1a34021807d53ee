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

/// The book of the realm, if there is one.
pub(super) fn book_if_any(common: &Common) -> Result<Option<Arc<dyn Book>>, Failure> {
    let book = SqliteBook::open_to_read(&home(common)?, realm(common)).map_err(StoreError::from)?;
    Ok(book.map(|book| Arc::new(book) as Arc<dyn Book>))
}

/// What the book comes to.
pub(super) async fn ledger(book: &Arc<dyn Book>) -> Result<Ledger, Failure> {
    let mut ledger = Ledger::default();
    ledger.catch_up(&**book).await?;
    Ok(ledger)
}

/// Writes a note after all others; `ledger` is what they come to, as far as it is known.
async fn write(book: &Arc<dyn Book>, mut ledger: Ledger, by: &Who, kind: NoteKind) -> Result<(), Failure> {
    loop {
        ledger.catch_up(&**book).await?;
        match book.write(ledger.head, by, Timestamp::wall(), std::slice::from_ref(&kind)).await {
            Err(StoreError::Conflict) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

/// `lifeboat brake`.
pub(super) fn brake(common: &Common, args: &SaidArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let book = book(common)?;
        let braked = NoteKind::Braked { why: args.reason.clone() };
        write(&book, Ledger::default(), &who(args.operator.as_ref()), braked).await?;
        let next = commands(common, "").bare("release --reason \"...\"");
        said(common, "the brake is on: no trigger starts anything; runs that go on are not touched", &next)
    })
}

/// `lifeboat release`.
pub(super) fn release(common: &Common, args: &SaidArgs) -> Result<u8, Failure> {
    block_on(common, async {
        let book = book(common)?;
        let next = commands(common, "").bare("watch --explain");
        let ledger = ledger(&book).await?;
        if ledger.brake.is_none() {
            return said(common, "the brake is not on", &next);
        }
        let released = NoteKind::Released { why: args.reason.clone() };
        write(&book, ledger, &who(args.operator.as_ref()), released).await?;
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
        let acknowledged = NoteKind::Acknowledged { run: head.id.clone() };
        write(&book, Ledger::default(), &who(args.operator.as_ref()), acknowledged).await?;
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
