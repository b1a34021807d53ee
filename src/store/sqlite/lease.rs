//! Leases: a kernel lock tells who lives, a row counts the epochs.
//!
//! The lock (`flock` on a file per key) ends with its process, however it ends, so a dead holder
//! loses its lease at once and no pid is ever guessed at. The row is changed in the same write
//! transaction in which the lock is taken or given back: of processes that race exactly one wins,
//! and whoever finds the lock taken also finds the row of its holder. Epochs fence the rest: a
//! holder whose lock file was deleted under it is refused at its next append.

use super::{
    Failure, Open, commit, count,
    place::{Place, lock_file},
    stored,
};
use crate::{
    clock::{BootInstant, Timestamp},
    event::Who,
    ids::{Epoch, LeaseKey, RunId},
    store::{Applied, Claim, Fence, Holder, LEASE, StoreError, memory::fenced_by},
};
use rusqlite::{Connection, OptionalExtension, params};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::{fs::File, io, path::Path, time::Duration};

/// The lock on a lease's file, held until it is dropped. Not inherited by commands that a run starts.
#[derive(Debug)]
struct LeaseLock(#[expect(dead_code, reason = "keeping it open is its use")] File);

/// The holder as its row keeps it.
#[derive(Serialize, Deserialize)]
struct Stored {
    who: Who,
    since: Timestamp,
}

/// Who only asks whether a holder lives shares the lock for an instant (see [`is_locked`]). A claim
/// that meets one looks again, this often and after this time.
const LOOKS: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(2);

/// What became of an attempt to take a lock.
enum Locked {
    /// It is ours.
    Ours(LeaseLock),
    /// A living process holds the lease.
    Held,
    /// Nobody holds the lease; somebody is just asking whether anybody does.
    Asked,
}

/// Takes the lease of a key, unless a living process holds it.
pub(super) fn claim(open: &mut Open<'_>, key: &LeaseKey, who: &Who) -> Result<Claim, Failure> {
    for _ in 0..LOOKS {
        if let Some(claim) = claim_once(open, key, who)? {
            return Ok(claim);
        }
        std::thread::sleep(PAUSE);
    }
    Err(stray(&open.place.lease_lock(key)).into())
}

/// None: nobody holds it, but somebody is in the way; the file is left to others for a moment.
fn claim_once(open: &mut Open<'_>, key: &LeaseKey, who: &Who) -> Result<Option<Claim>, Failure> {
    let (path, deadline, now) = (open.place.lease_lock(key), open.clocks.lease_end(), (open.clocks.now)());
    let tx = open.begin()?;
    let lock = match try_lock(&path)? {
        Locked::Ours(lock) => lock,
        Locked::Asked => return Ok(None),
        Locked::Held => {
            let holder = row(&tx, key)?.ok_or_else(|| stray(&path))?;
            return Ok(Some(Claim::Busy(Holder { alive: true, ..holder })));
        }
    };
    let holder = serde_json::to_string(&Stored { who: who.clone(), since: now }).expect("texts and numbers");
    let sql = "INSERT INTO lease(key, epoch, run, holder, renewed_at, ttl_ms) VALUES(?1, 1, NULL, ?2, ?3, ?4)
               ON CONFLICT(key) DO UPDATE SET
                 epoch = epoch + 1, run = NULL, holder = excluded.holder, renewed_at = excluded.renewed_at,
                 ttl_ms = excluded.ttl_ms
               RETURNING epoch";
    let epoch = Epoch(
        tx.prepare_cached(sql)?
            .query_row(params![key.as_str(), holder, now.0, stored(LEASE.0)], |row| count(row, 0))?,
    );
    commit(tx)?;
    Ok(Some(Claim::Held(Fence { key: key.clone(), epoch, deadline, alive: Some(Box::new(lock)) })))
}

/// The lock is held by a process that no row tells of.
fn stray(path: &Path) -> StoreError {
    let why = format!("{} is locked, but not by a run; see by whom: `fuser {0}`", path.display());
    StoreError::Outage { applied: Applied::No, why }
}

/// Extends our lease.
pub(super) fn renew(open: &mut Open<'_>, key: &LeaseKey, epoch: Epoch) -> Result<BootInstant, Failure> {
    // Read before the commit: the lease must not seem longer than others think it is.
    let (deadline, now) = (open.clocks.lease_end(), (open.clocks.now)());
    let tx = open.begin()?;
    let renewed = tx
        .prepare_cached("UPDATE lease SET renewed_at = ?3 WHERE key = ?1 AND epoch = ?2 AND holder IS NOT NULL")?
        .execute(params![key.as_str(), stored(epoch.0), now.0])?;
    if renewed == 0 {
        return Err(fenced(&tx, key)?.into());
    }
    commit(tx)?;
    open.checkpoint();
    Ok(deadline)
}

/// Gives our lease back.
pub(super) fn release(open: &mut Open<'_>, fence: Fence) -> Result<(), Failure> {
    let tx = open.begin()?;
    let released = tx
        .prepare_cached(
            "UPDATE lease SET holder = NULL, run = NULL WHERE key = ?1 AND epoch = ?2 AND holder IS NOT NULL",
        )?
        .execute(params![fence.key.as_str(), stored(fence.epoch.0)])?;
    if released == 0 {
        return Err(fenced(&tx, &fence.key)?.into());
    }
    // Before the commit: nobody shall find the lock taken and the row empty.
    drop(fence);
    commit(tx)?;
    open.checkpoint();
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
    let holder = row(open.conn, key)?;
    Ok(holder.map(|holder| Holder { alive: is_locked(open.place, key), ..holder }))
}

/// That the lease is another's, and whose.
pub(super) fn fenced(conn: &Connection, key: &LeaseKey) -> Result<StoreError, Failure> {
    Ok(StoreError::Fenced(fenced_by(row(conn, key)?.as_ref())))
}

/// The holder in a lease's row; whether it lives is not known from there.
fn row(conn: &Connection, key: &LeaseKey) -> Result<Option<Holder>, Failure> {
    let found = conn
        .prepare_cached("SELECT holder, renewed_at, run FROM lease WHERE key = ? AND holder IS NOT NULL")?
        .query_row([key.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<String>>(2)?))
        })
        .optional()?;
    let Some((text, renewed, run)) = found else { return Ok(None) };
    let Stored { who, since } = serde_json::from_str(&text).map_err(|why| StoreError::Outage {
        applied: Applied::No,
        why: format!("the holder of {key} cannot be read: {why}"),
    })?;
    Ok(Some(Holder { who, since, renewed: Timestamp(renewed), alive: false, run: run.map(RunId) }))
}

/// Tries to take a lock. Claims come here one at a time, each in its write transaction, so that the
/// second look sees either a holder or people who ask.
fn try_lock(path: &Path) -> Result<Locked, StoreError> {
    let unusable = |why: io::Error| StoreError::Outage {
        applied: Applied::No,
        why: format!("cannot lock {}: {why}", path.display()),
    };
    let file = lock_file(path).map_err(unusable)?;
    if takes(&file, FlockOperation::NonBlockingLockExclusive).map_err(unusable)? {
        Ok(Locked::Ours(LeaseLock(file)))
    } else if takes(&file, FlockOperation::NonBlockingLockShared).map_err(unusable)? {
        Ok(Locked::Asked)
    } else {
        Ok(Locked::Held)
    }
}

/// Whether a living process holds the lease of a key; changes nothing. A claim under way looks like
/// life too. Where it cannot be told the holder is not known to be alive.
fn is_locked(place: &Place, key: &LeaseKey) -> bool {
    let free = File::open(place.lease_lock(key)).and_then(|file| takes(&file, FlockOperation::NonBlockingLockShared));
    free.is_ok_and(|free| !free)
}

/// Whether a lock was free and is now ours.
fn takes(file: &File, how: FlockOperation) -> io::Result<bool> {
    match rustix::fs::flock(file, how) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(why) => Err(why.into()),
    }
}
