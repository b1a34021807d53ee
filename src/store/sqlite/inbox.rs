//! The inbox of a run, and the cache of past durations.

use super::{Failure, Open, commit, count, stored};
use crate::{
    clock::{Span, Timestamp},
    event::{Control, Posted, Who},
    ids::{ControlId, Region, RunId},
    store::{Applied, StoreError, api::DURATIONS_KEPT},
};
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;

/// What makes watching an inbox cheap: up to where it is known to be read, for one state of the
/// file. `PRAGMA data_version` changes with every commit of another connection and costs no read
/// of the file; it does not change with our own, so our own posts forget what is known.
#[derive(Debug, Default)]
pub(super) struct Watch {
    version: i64,
    /// Nothing lies in the inbox of a run after this place.
    empty_after: BTreeMap<RunId, ControlId>,
}

impl Watch {
    /// Forgets what is known, where another connection wrote since.
    fn at(&mut self, version: i64) {
        if self.version != version {
            *self = Self { version, ..Self::default() };
        }
    }
    /// Whether a poll of that run's inbox may do without reading it.
    #[cfg(test)]
    pub(super) fn knows(&self, run: &RunId) -> bool {
        self.empty_after.contains_key(run)
    }
}

/// Puts a control into a run's inbox.
pub(super) fn post(
    open: &mut Open<'_>,
    run: &RunId,
    control: &Control,
    by: &Who,
    at: Timestamp,
) -> Result<ControlId, Failure> {
    open.watch.empty_after.clear();
    let (by, body) = (json(by)?, json(control)?);
    let tx = open.begin()?;
    let known = tx.prepare_cached("SELECT 1 FROM run WHERE id = ?")?.exists([run.as_str()])?;
    if !known {
        return Err(StoreError::NoSuchRun(run.to_string()).into());
    }
    tx.prepare_cached("INSERT INTO inbox(run, at, by, body) VALUES(?, ?, ?, ?)")?.execute(params![
        run.as_str(),
        at.0,
        by,
        body.as_bytes()
    ])?;
    let id = ControlId(tx.last_insert_rowid());
    commit(tx)?;
    Ok(id)
}

/// The controls after one, in order.
pub(super) fn read(open: &mut Open<'_>, run: &RunId, after: ControlId) -> Result<Vec<Posted>, Failure> {
    // Read before the inbox: what comes between the two is then looked at twice, not never.
    let version = open.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
    open.watch.at(version);
    if open.watch.empty_after.get(run).is_some_and(|end| *end <= after) {
        return Ok(vec![]);
    }
    let mut statement =
        open.conn.prepare_cached("SELECT id, at, by, body FROM inbox WHERE run = ? AND id > ? ORDER BY id")?;
    let mut rows = statement.query(params![run.as_str(), after.0])?;
    let mut posted = vec![];
    while let Some(row) = rows.next()? {
        let (id, by, body): (_, String, Vec<u8>) = (ControlId(row.get(0)?), row.get(2)?, row.get(3)?);
        let unreadable = |why: serde_json::Error| StoreError::Outage {
            applied: Applied::No,
            why: format!("this lifeboat cannot read control {id} of run {run}: {why}"),
        };
        posted.push(Posted {
            id,
            at: Timestamp(row.get(1)?),
            by: serde_json::from_str(&by).map_err(unreadable)?,
            control: serde_json::from_slice(&body).map_err(unreadable)?,
        });
    }
    let end = posted.last().map_or(after, |last| last.id);
    open.watch.empty_after.insert(run.clone(), end);
    Ok(posted)
}

/// Keeps a duration, and the newest of its kind with it.
pub(super) fn note_took(
    open: &mut Open<'_>,
    call: &str,
    region: &Region,
    took: Span,
    at: Timestamp,
) -> Result<(), Failure> {
    let tx = open.begin()?;
    tx.prepare_cached("INSERT INTO took(call, region, ms, at) VALUES(?, ?, ?, ?)")?.execute(params![
        call,
        region.as_str(),
        stored(took.0),
        at.0
    ])?;
    let too_old = tx
        .prepare_cached("SELECT rowid FROM took WHERE call = ? AND region = ? ORDER BY rowid DESC LIMIT 1 OFFSET ?")?
        .query_row(params![call, region.as_str(), DURATIONS_KEPT], |row| row.get::<_, i64>(0))
        .optional()?;
    if let Some(last) = too_old {
        tx.prepare_cached("DELETE FROM took WHERE call = ? AND region = ? AND rowid <= ?")?.execute(params![
            call,
            region.as_str(),
            last
        ])?;
    }
    commit(tx)
}

/// Past durations, newest first.
pub(super) fn past_durations(open: &mut Open<'_>, call: &str, region: &Region) -> Result<Vec<Span>, Failure> {
    let mut statement =
        open.conn.prepare_cached("SELECT ms FROM took WHERE call = ? AND region = ? ORDER BY rowid DESC LIMIT ?")?;
    let spans = statement.query_map(params![call, region.as_str(), DURATIONS_KEPT], |row| Ok(Span(count(row, 0)?)))?;
    Ok(spans.collect::<Result<_, _>>()?)
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| StoreError::Outage { applied: Applied::No, why: why.to_string() })
}
