//! Leases: a kernel lock tells who lives, a row counts the epochs.
//!
//! The lock (`flock` on a file per key and epoch) ends with its process, however it ends, so a dead
//! holder loses its lease at once and no pid is ever guessed at. The row is changed in the write
//! transaction in which the lock is taken: of processes that race exactly one wins. Epochs fence the
//! rest: a holder whose lease was seized, or whose lock file was deleted under it, is refused at its
//! next append.
//!
//! What such a holder was permitted to send before may still leave. The new holder is quiet until
//! that is over; the row says until when, so that whoever comes after it is quiet too. Where the
//! holder is known to be dead there is nothing to wait for.

use super::{
    Failure, Open, begin, commit, count,
    place::{Place, lock_file},
    stored,
};
use crate::{
    clock::{BootInstant, Timestamp},
    event::Who,
    ids::{Epoch, LeaseKey, RunId},
    store::{Applied, Claim, Clocks, Fence, Holder, LEASE, StoreError, api::Term, memory::fenced_by},
};
use rusqlite::{Connection, OptionalExtension, params};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// How many epochs' lock files are kept.
const KEPT: u64 = 64;

/// The lock on a lease's file, held until it is dropped. Not inherited by commands that a run starts.
#[derive(Debug)]
struct LeaseLock(#[expect(dead_code, reason = "keeping it open is its use")] File);

/// The holder as its row keeps it.
#[derive(Serialize, Deserialize)]
struct Stored {
    who: Who,
    since: Timestamp,
    #[serde(flatten)]
    term: Term,
}

/// A lease's row.
struct Row {
    epoch: Epoch,
    /// Who holds it, by the row; whether it lives is not known from there.
    holder: Option<(Holder, Term)>,
}

/// What is known of a holder's life.
#[derive(PartialEq, Eq)]
enum Life {
    Alive,
    Dead,
    /// Its lock file is gone.
    Unknown,
}

/// Takes the lease of a key: from nobody, from the dead, from one that was not heard of until its
/// lease's end, or from the holder of the epoch that a person named.
///
/// Not synced: whatever is sent under it comes after an append, and that takes the claim to the disk.
pub(super) fn claim(open: &mut Open<'_>, key: &LeaseKey, who: &Who, seized: Option<Epoch>) -> Result<Claim, Failure> {
    let (place, clocks) = (open.place, open.clocks);
    open.without_sync(|conn| claimed((conn, place, clocks), key, who, seized))
}

fn claimed(
    (conn, place, clocks): (&mut Connection, &Place, &Clocks),
    key: &LeaseKey,
    who: &Who,
    seized: Option<Epoch>,
) -> Result<Claim, Failure> {
    let (ends, boot, now) = (clocks.lease_end(), clocks.boot.boot(), (clocks.now)());
    let tx = begin(conn)?;
    let Row { epoch: last, holder } = row(&tx, key)?;
    let quiet = match holder {
        None => boot,
        Some((holder, term)) => match life(place, key, holder.epoch) {
            Life::Dead => term.after_death(boot),
            Life::Alive | Life::Unknown if seized == Some(holder.epoch) => term.after_life(boot),
            Life::Unknown if !term.lasts(boot) => term.after_life(boot),
            life => return Ok(Claim::Busy(Holder { alive: life == Life::Alive, ..holder })),
        },
    };
    super::log::make_room(place);
    let epoch = last.next();
    let lock = lock(&place.lease_lock(key, epoch))?;
    let kept = Stored { who: who.clone(), since: now, term: Term { ends, quiet } };
    let kept = serde_json::to_string(&kept).expect("texts and numbers");
    let sql = "INSERT INTO lease(key, epoch, run, holder, renewed_at, ttl_ms) VALUES(?1, ?2, NULL, ?3, ?4, ?5)
               ON CONFLICT(key) DO UPDATE SET
                 epoch = excluded.epoch, run = NULL, holder = excluded.holder, renewed_at = excluded.renewed_at,
                 ttl_ms = excluded.ttl_ms";
    let ttl = stored(LEASE.0);
    tx.prepare_cached(sql)?.execute(params![key.as_str(), stored(epoch.0), kept, now.0, ttl])?;
    super::open::raise_format(&tx)?;
    commit(tx)?;
    // Nobody asks for the life of an old epoch any more, but a file that lost its last commits may ask
    // for one that is not so old.
    let old = Epoch(epoch.0.saturating_sub(KEPT));
    drop(fs::remove_file(place.lease_lock(key, old)));
    Ok(Claim::Held(Fence { key: key.clone(), epoch, deadline: ends, quiet, alive: Some(Box::new(lock)) }))
}

/// Extends our lease.
pub(super) fn renew(open: &mut Open<'_>, key: &LeaseKey, epoch: Epoch) -> Result<BootInstant, Failure> {
    // Read before the commit: the lease must not seem longer than others think it is.
    let (ends, now) = (open.clocks.lease_end(), (open.clocks.now)());
    let tx = open.begin()?;
    let sql = "UPDATE lease SET renewed_at = ?3, holder = json_set(holder, '$.ends', ?4)
               WHERE key = ?1 AND epoch = ?2 AND holder IS NOT NULL";
    let columns = params![key.as_str(), stored(epoch.0), now.0, stored(ends.0)];
    if tx.prepare_cached(sql)?.execute(columns)? == 0 {
        return Err(fenced(&tx, key)?.into());
    }
    commit(tx)?;
    open.checkpoint()?;
    Ok(ends)
}

/// Gives our lease back. While it is quiet the row stays as of one that died, for the next one to be
/// quiet too.
///
/// Not synced: where the machine loses it, the holder is found dead.
pub(super) fn release(open: &mut Open<'_>, fence: Fence) -> Result<(), Failure> {
    let boot = open.clocks.boot.boot();
    open.without_sync(|conn| {
        let tx = begin(conn)?;
        let sql = "UPDATE lease SET holder = iif(?3, holder, NULL), run = NULL
                   WHERE key = ?1 AND epoch = ?2 AND holder IS NOT NULL";
        let columns = params![fence.key.as_str(), stored(fence.epoch.0), boot < fence.quiet];
        if tx.prepare_cached(sql)?.execute(columns)? == 0 {
            return Err(fenced(&tx, &fence.key)?.into());
        }
        drop(fence);
        commit(tx)
    })?;
    // What a run wrote was synced by its appends.
    drop(open.checkpoint());
    Ok(())
}

/// Refuses who does not hold the lease.
pub(super) fn must_be(tx: &Connection, key: &LeaseKey, epoch: Epoch) -> Result<(), Failure> {
    let ours = tx
        .prepare_cached("SELECT 1 FROM lease WHERE key = ? AND epoch = ? AND holder IS NOT NULL")?
        .exists(params![key.as_str(), stored(epoch.0)])?;
    if ours { Ok(()) } else { Err(fenced(tx, key)?.into()) }
}

/// Who holds a key, and whether it lives.
pub(super) fn holder(open: &mut Open<'_>, key: &LeaseKey) -> Result<Option<Holder>, Failure> {
    let Some((holder, _)) = row(open.conn, key)?.holder else { return Ok(None) };
    let alive = life(open.place, key, holder.epoch) == Life::Alive;
    Ok(Some(Holder { alive, ..holder }))
}

/// That the lease is another's, and whose.
pub(super) fn fenced(conn: &Connection, key: &LeaseKey) -> Result<StoreError, Failure> {
    let holder = row(conn, key)?.holder.map(|(holder, _)| holder);
    Ok(StoreError::Fenced(fenced_by(holder.as_ref())))
}

fn row(conn: &Connection, key: &LeaseKey) -> Result<Row, Failure> {
    let found = conn
        .prepare_cached("SELECT epoch, holder, renewed_at, run FROM lease WHERE key = ?")?
        .query_row([key.as_str()], |row| {
            let holder = row.get::<_, Option<String>>(1)?;
            Ok((Epoch(count(row, 0)?), holder, row.get::<_, Option<i64>>(2)?, row.get::<_, Option<String>>(3)?))
        })
        .optional()?;
    let Some((epoch, holder, renewed, run)) = found else { return Ok(Row { epoch: Epoch(0), holder: None }) };
    let Some(text) = holder else { return Ok(Row { epoch, holder: None }) };
    let Stored { who, since, term } = serde_json::from_str(&text).map_err(|why| StoreError::Outage {
        applied: Applied::No,
        why: format!("the holder of {key} cannot be read: {why}"),
    })?;
    let renewed = renewed.map_or(since, Timestamp);
    let holder = Holder { who, epoch, since, renewed, alive: false, run: run.map(RunId::new) };
    Ok(Row { epoch, holder: Some((holder, term)) })
}

/// Takes the lock of an epoch that nobody had yet.
fn lock(path: &Path) -> Result<LeaseLock, StoreError> {
    let unusable = |why: String| StoreError::Outage { applied: Applied::No, why };
    let file = lock_file(path).map_err(|why| unusable(format!("cannot lock {}: {why}", path.display())))?;
    match takes(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(true) => Ok(LeaseLock(file)),
        Ok(false) => Err(unusable(format!("{} is locked, but not by a run; see by whom: `fuser {0}`", path.display()))),
        Err(why) => Err(unusable(format!("cannot lock {}: {why}", path.display()))),
    }
}

/// Whether the holder of an epoch lives; changes nothing. All who ask share the lock for an instant,
/// which keeps none of them from seeing the truth.
fn life(place: &Place, key: &LeaseKey, epoch: Epoch) -> Life {
    let free =
        File::open(place.lease_lock(key, epoch)).and_then(|file| takes(&file, FlockOperation::NonBlockingLockShared));
    match free {
        Ok(true) => Life::Dead,
        Ok(false) => Life::Alive,
        Err(_) => Life::Unknown,
    }
}

/// Whether a lock was free and is now ours.
fn takes(file: &File, how: FlockOperation) -> io::Result<bool> {
    match rustix::fs::flock(file, how) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(why) => Err(why.into()),
    }
}
