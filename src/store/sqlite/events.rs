//! Events and the heads of runs in the file.

use super::{
    Failure, Open, commit, count, lease,
    packed::{pack, unpack},
    stored as number,
};
use crate::{
    both::both,
    clock::Timestamp,
    event::{Event, RunOutcome},
    ids::{Epoch, LeaseKey, RunId, Seq},
    store::{
        Head, RunHead, StoreError,
        chain::{self, Link, START, Verifier},
        stored,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params, types::Type};
use std::borrow::Cow;

/// Where an append is to go, and under which lease.
pub(super) struct At {
    pub key: LeaseKey,
    pub epoch: Epoch,
    pub run: RunId,
    pub after: Seq,
}

/// Events in their stored form, and the run's row as it is with them. Made before the file is locked.
pub(super) struct Batch {
    links: Vec<Link>,
    row: RunHead,
}

impl Batch {
    pub(super) fn of(events: &[Event], at: &At) -> Result<Self, StoreError> {
        Ok(Self { links: chain::loose(events)?, row: stored::row(&at.run, &at.key, events) })
    }
}

/// Adds a batch in one commit, if lease and place are as its writer believes.
pub(super) fn append(open: &mut Open<'_>, at: &At, batch: &Batch) -> Result<Head, Failure> {
    open.keep_short()?;
    let tx = open.begin()?;
    let (end, lease_run) = expect(&tx, at)?;
    if batch.links.is_empty() {
        return Ok(end);
    }
    let (bodies, hashes) = ready(&batch.links, &at.run, &end);
    let end = Head { seq: batch.row.seq, hash: hashes.last().copied().unwrap_or(end.hash) };
    if at.after == Seq(0) {
        insert_run(&tx, &batch.row)?;
    }
    let rows = batch.links.iter().zip(bodies).zip(hashes).map(|((link, body), hash)| (link, body, hash));
    insert_links(&tx, &at.run, rows)?;
    set_end(&tx, &batch.row, &end.hash)?;
    if lease_run.as_deref() != Some(at.run.as_str()) {
        tx.prepare_cached("UPDATE lease SET run = ? WHERE key = ?")?.execute([at.run.as_str(), at.key.as_str()])?;
    }
    commit(tx)?;
    open.witness.note(open.place, &at.key, &at.run, end.seq);
    Ok(end)
}

/// From so many bytes on a batch is packed by one thread while another hashes it: others wait for the file.
const LONG: usize = 64 << 10;

/// Bodies as they are to lie in the file, and the hashes of their links, which hang on a run's end.
fn ready<'a>(links: &'a [Link], run: &RunId, end: &Head) -> (Vec<Cow<'a, [u8]>>, Vec<[u8; 32]>) {
    let pack = || links.iter().map(|link| pack(&link.body)).collect();
    let hash = || chain::hashes(links, run, end.hash);
    let long = links.iter().map(|link| link.body.len()).sum::<usize>() >= LONG;
    if long { both(pack, hash) } else { (pack(), hash()) }
}

/// A run's row, before its first events.
pub(super) fn insert_run(tx: &Connection, row: &RunHead) -> Result<(), Failure> {
    let sql = "INSERT INTO run(id, lease_key, runbook, started_at, head_seq, head_hash) VALUES(?, ?, ?, ?, 0, ?)";
    let columns = params![row.id.as_str(), row.key.as_str(), row.runbook, row.started.0, START.hash];
    tx.prepare_cached(sql)?.execute(columns)?;
    Ok(())
}

/// Events behind those that are there: each link, its body as it is to lie there, and its hash.
pub(super) fn insert_links<'a>(
    tx: &Connection,
    run: &RunId,
    links: impl Iterator<Item = (&'a Link, Cow<'a, [u8]>, [u8; 32])>,
) -> Result<(), Failure> {
    let mut insert =
        tx.prepare_cached("INSERT INTO event(run, seq, epoch, at, body, hash) VALUES(?, ?, ?, ?, ?, ?)")?;
    for (link, body, hash) in links {
        let (seq, epoch) = (number(link.seq.0), number(link.epoch.0));
        insert.execute(params![run.as_str(), seq, epoch, link.at.0, body, hash])?;
    }
    Ok(())
}

/// Where a run ends now, and how it ended.
pub(super) fn set_end(tx: &Connection, row: &RunHead, hash: &[u8; 32]) -> Result<(), Failure> {
    let sql = "UPDATE run SET head_seq = ?, head_hash = ?, outcome = ? WHERE id = ?";
    let outcome = row.outcome.map(outcome_text);
    tx.prepare_cached(sql)?.execute(params![number(row.seq.0), hash, outcome, row.id.as_str()])?;
    Ok(())
}

/// The run's end, if the lease is ours and the run ends where we believe; and the lease's run.
fn expect(tx: &Connection, at: &At) -> Result<(Head, Option<String>), Failure> {
    // Two questions: of a join SQLite makes a new plan each time that it is asked.
    let lease = tx
        .prepare_cached("SELECT epoch, run FROM lease WHERE key = ? AND holder IS NOT NULL")?
        .query_row([at.key.as_str()], |row| Ok((Epoch(count(row, 0)?), row.get(1)?)))
        .optional()?;
    let Some((_, lease_run)) = lease.filter(|(epoch, _)| *epoch == at.epoch) else {
        return Err(lease::fenced(tx, &at.key)?.into());
    };
    let run = tx
        .prepare_cached("SELECT lease_key, head_seq, head_hash FROM run WHERE id = ?")?
        .query_row([at.run.as_str()], |row| Ok((row.get::<_, String>(0)?, head(row, 1)?)))
        .optional()?;
    let end = match run {
        Some((key, head)) if key == at.key.as_str() => head,
        Some(_) => return Err(StoreError::Conflict.into()),
        None if at.after == Seq(0) => START,
        None => return Err(StoreError::NoSuchRun(at.run.to_string()).into()),
    };
    if end.seq == at.after { Ok((end, lease_run)) } else { Err(StoreError::Conflict.into()) }
}

/// A run's end: its place, and in the column after that its hash.
fn head(row: &Row<'_>, column: usize) -> rusqlite::Result<Head> {
    Ok(Head { seq: Seq(count(row, column)?), hash: row.get(column + 1)? })
}

/// The end of a run, by its row; none: there is no such run.
pub(super) fn end(tx: &Connection, run: &RunId) -> rusqlite::Result<Option<Head>> {
    let mut statement = tx.prepare_cached("SELECT head_seq, head_hash FROM run WHERE id = ?")?;
    statement.query_row([run.as_str()], |row| head(row, 0)).optional()
}

/// The events of a run from `from` on; all of them are verified.
pub(super) fn read(open: &mut Open<'_>, run: &RunId, from: Seq) -> Result<Vec<Event>, Failure> {
    // Head and events of one moment.
    let tx = open.conn.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let head = end(&tx, run)?.ok_or_else(|| StoreError::NoSuchRun(run.to_string()))?;
    let (mut events, whole) = Verifier::new(run.clone()).all(&head, &links(&tx, run)?);
    whole?;
    events.retain(|event| event.seq >= from);
    Ok(events)
}

/// The events of a run as they are stored, none of them verified. A row that cannot be read is damage,
/// in words, not an outage, and the last of them.
pub(super) fn links(tx: &Connection, run: &RunId) -> Result<Vec<Result<Link, String>>, Failure> {
    let mut statement = tx.prepare_cached("SELECT seq, epoch, at, body, hash FROM event WHERE run = ? ORDER BY seq")?;
    let mut rows = statement.query([run.as_str()])?;
    let mut links = vec![];
    loop {
        match rows.next().and_then(|row| row.map(link).transpose()) {
            Ok(None) => return Ok(links),
            Ok(Some(link)) => links.push(Ok(link)),
            Err(why) if is_damage(&why) => {
                links.push(Err(super::open::explain(&why)));
                return Ok(links);
            }
            Err(why) => return Err(why.into()),
        }
    }
}

/// Whether the file answers, but not with what was written into it.
pub(super) fn is_damage(why: &rusqlite::Error) -> bool {
    use rusqlite::{Error, ErrorCode};
    matches!(
        why,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    ) || why.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}

fn link(row: &Row<'_>) -> rusqlite::Result<Link> {
    const BODY: usize = 3;
    let damaged = |why: &str| rusqlite::Error::FromSqlConversionFailure(BODY, Type::Blob, why.into());
    Ok(Link {
        seq: Seq(count(row, 0)?),
        epoch: Epoch(count(row, 1)?),
        at: Timestamp(row.get(2)?),
        body: unpack(row.get(BODY)?).map_err(damaged)?,
        hash: row.get(4)?,
    })
}

/// The heads of all runs, newest first; of one key, or of all.
pub(super) fn runs(open: &mut Open<'_>, key: Option<&LeaseKey>) -> Result<Vec<RunHead>, Failure> {
    Ok(heads(open.conn, key)?)
}

pub(super) fn heads(conn: &Connection, key: Option<&LeaseKey>) -> rusqlite::Result<Vec<RunHead>> {
    let sql = "SELECT id, lease_key, runbook, started_at, head_seq, outcome FROM run
               WHERE ?1 IS NULL OR lease_key = ?1 ORDER BY started_at DESC, id DESC";
    let mut statement = conn.prepare_cached(sql)?;
    let heads = statement.query_map([key.map(LeaseKey::as_str)], |row| {
        Ok(RunHead {
            id: RunId::new(row.get::<_, String>(0)?),
            key: LeaseKey::new(row.get::<_, String>(1)?),
            runbook: row.get(2)?,
            started: Timestamp(row.get(3)?),
            seq: Seq(count(row, 4)?),
            outcome: row.get::<_, Option<String>>(5)?.and_then(|text| outcome_of(&text)),
        })
    })?;
    heads.collect()
}

/// An outcome as its word.
fn outcome_text(outcome: RunOutcome) -> String {
    match serde_json::to_value(outcome) {
        Ok(serde_json::Value::String(word)) => word,
        _ => unreachable!("an outcome is stored as a word"),
    }
}

/// The outcome that a word is; a cache, so that a word we do not know is none.
fn outcome_of(word: &str) -> Option<RunOutcome> {
    serde_json::from_value(word.into()).ok()
}
