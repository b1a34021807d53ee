//! The store on disk: one SQLite file per realm, and a kernel lock per lease.
//!
//! An append is one commit, on the disk when it returns (WAL, `synchronous=FULL`), and with it all
//! that was committed before. One connection. Events are committed on the runtime's own thread while the
//! disk is quick, and inboxes are asked there; all else, and what a slow disk is given, goes through
//! `spawn_blocking`: virtual time stands still while a commit is under way. After a failed commit nobody
//! knows whether it was applied: the connection is dropped, the next one first writes the log into the
//! database with a sync of its own, and what it then reads is on the disk.
//!
//! What is assumed of the disk: synced bytes stay. Of unsynced ones nothing.

mod book;
mod copies;
mod events;
mod inbox;
mod lease;
mod log;
mod open;
mod packed;
mod place;
#[cfg(test)]
mod tests;
mod witness;

pub use book::SqliteBook;
pub use open::OpenError;

use super::{Applied, Checkup, Claim, Clocks, Fence, Head, Holder, RunHead, Store, StoreError, StoredRun};
use crate::{
    clock::{BootInstant, Span, Timestamp},
    event::{Control, Event, Posted, Realm, Who},
    ids::{ControlId, Epoch, LeaseKey, Region, RunId, Seq},
};
use async_trait::async_trait;
use inbox::Watch;
use log::sync_log;
use open::Access;
use place::Place;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use witness::Witness;

/// Journals, leases and inboxes of one realm in one file.
#[derive(Clone, Debug)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    clocks: Clocks,
    access: Access,
    db: Mutex<Db>,
    /// The last append took no longer than [`QUICK`].
    quick: AtomicBool,
}

/// So long an append may keep the runtime's thread from people and clocks. A disk that takes longer once
/// is waited for on another thread until it does not any more.
const QUICK: Duration = Duration::from_millis(2);

/// The connection and what is known through it.
#[derive(Debug, Default)]
struct Db {
    conn: Option<Connection>,
    watch: Watch,
    witness: Witness,
    /// Since the log went into the database.
    commits: u32,
    /// A commit failed: what is read next must be synced first.
    doubt: bool,
}

impl Db {
    /// Nothing has to be opened, synced or written into the database first.
    fn is_ready(&self) -> bool {
        self.conn.is_some() && !self.doubt && self.commits < log::LONG
    }
}

impl SqliteStore {
    /// Opens the realm's file in a folder, and makes both where they are missing.
    pub fn open(home: &Path, realm: Realm, clocks: Clocks) -> Result<Self, OpenError> {
        let place = Place::new(home, realm);
        let conn = open::create(&place)?;
        Ok(Self::on(place, Some(conn), clocks, Access::Write))
    }

    /// Opens it for reading. Makes nothing: where there is no store there are no runs, until
    /// somebody makes one.
    pub fn open_to_read(home: &Path, realm: Realm, clocks: Clocks) -> Result<Self, OpenError> {
        let place = Place::new(home, realm);
        let conn = open::existing(&place, Access::Read)?;
        Ok(Self::on(place, conn, clocks, Access::Read))
    }

    fn on(place: Place, conn: Option<Connection>, clocks: Clocks, access: Access) -> Self {
        let db = Mutex::new(Db { conn, ..Db::default() });
        Self(Arc::new(Inner { place, clocks, access, db, quick: AtomicBool::new(false) }))
    }

    /// Does a job on the connection, off the runtime's thread. `None`: there is no store (and we
    /// are only reading).
    async fn with<T, F>(&self, job: F) -> Result<Option<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Open<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let inner = self.0.clone();
        match tokio::task::spawn_blocking(move || inner.work(inner.db(), job)).await {
            Ok(result) => result,
            Err(gone) => match gone.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => {
                    Err(StoreError::Outage { applied: Applied::Unknown, why: "the process is ending".to_owned() })
                }
            },
        }
    }

    /// As `with`, for jobs that write.
    async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Open<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.may_write()?;
        self.with(job).await?.ok_or_else(|| self.gone())
    }

    /// As `write`, at once while the disk is quick: to another thread and back is a longer way than its.
    async fn write_at_once<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Open<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.may_write()?;
        let inner = self.0.clone();
        let timed = move |open: &mut Open<'_>| {
            let begun = Instant::now();
            let done = job(open);
            inner.quick.store(begun.elapsed() <= QUICK, Ordering::Relaxed);
            done
        };
        let done =
            if self.0.quick.load(Ordering::Relaxed) { self.at_once(timed).await? } else { self.with(timed).await? };
        done.ok_or_else(|| self.gone())
    }

    /// As `with`, here and now where nothing is in the way: for what need not wait for the disk.
    async fn at_once<T, F>(&self, job: F) -> Result<Option<T>, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Open<'_>) -> Result<T, Failure> + Send + 'static,
    {
        match self.0.try_now(job) {
            Ok(done) => done,
            Err(job) => self.with(job).await,
        }
    }

    fn may_write(&self) -> Result<(), StoreError> {
        match self.0.access {
            Access::Write => Ok(()),
            Access::Read => Err(unapplied("it was opened for reading".to_owned())),
        }
    }

    fn gone(&self) -> StoreError {
        unapplied(format!("{} is gone", self.0.place.database().display()))
    }
}

fn unapplied(why: String) -> StoreError {
    StoreError::Outage { applied: Applied::No, why }
}

impl Inner {
    fn db(&self) -> MutexGuard<'_, Db> {
        // A job that panicked rolled back as it unwound, and took its connection along.
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a job here and now; gives it back where somebody uses the connection, or more than the job has to
    /// be done.
    fn try_now<T, F>(&self, job: F) -> Result<Result<Option<T>, StoreError>, F>
    where
        F: FnOnce(&mut Open<'_>) -> Result<T, Failure>,
    {
        match self.db.try_lock() {
            Ok(db) if db.is_ready() => Ok(self.work(db, job)),
            _ => Err(job),
        }
    }

    fn work<T, F>(&self, mut db: MutexGuard<'_, Db>, job: F) -> Result<Option<T>, StoreError>
    where
        F: FnOnce(&mut Open<'_>) -> Result<T, Failure>,
    {
        let Db { conn, watch, witness, commits, doubt } = &mut *db;
        if conn.is_none() {
            *watch = Watch::default();
            *conn = open::existing(&self.place, self.access)?;
        }
        let Some(mut open) = conn.take() else { return Ok(None) };
        let settled = if *doubt { sync_log(&open) } else { Ok(()) };
        let done = settled.and_then(|()| {
            *doubt = false;
            job(&mut Open { conn: &mut open, watch, witness, commits, place: &self.place, clocks: &self.clocks })
        });
        if !matches!(done, Err(Failure::Sqlite { .. })) {
            *conn = Some(open);
        }
        match done {
            Ok(value) => Ok(Some(value)),
            Err(Failure::Store(error)) => Err(error),
            Err(Failure::Sqlite { error, applied }) => {
                *doubt |= applied == Applied::Unknown;
                Err(StoreError::Outage {
                    applied,
                    why: format!("{}: {}", self.place.database().display(), open::explain(&error)),
                })
            }
        }
    }
}

/// What a job works on.
struct Open<'a> {
    conn: &'a mut Connection,
    watch: &'a mut Watch,
    witness: &'a mut Witness,
    commits: &'a mut u32,
    place: &'a Place,
    clocks: &'a Clocks,
}

impl Open<'_> {
    /// Begins to write; others wait from here on.
    fn begin(&mut self) -> Result<Transaction<'_>, Failure> {
        begin(self.conn)
    }
}

/// Why a job did not do what it should.
enum Failure {
    /// The store works; the answer is no.
    Store(StoreError),
    /// The file does not work.
    Sqlite { error: rusqlite::Error, applied: Applied },
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Before a commit an error means that nothing was applied.
impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite { error, applied: Applied::No }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Newer { found, known, .. } => Self::Newer { found, known },
            OpenError::Home { .. } | OpenError::Network { .. } | OpenError::NotOurs { .. } | OpenError::File { .. } => {
                Self::Outage { applied: Applied::No, why: error.to_string() }
            }
        }
    }
}

fn begin(conn: &mut Connection) -> Result<Transaction<'_>, Failure> {
    Ok(conn.transaction_with_behavior(TransactionBehavior::Immediate)?)
}

/// Ends a write. An error here is the one that leaves the answer unknown.
fn commit(tx: Transaction<'_>) -> Result<(), Failure> {
    tx.commit().map_err(|error| Failure::Sqlite { error, applied: Applied::Unknown })
}

/// As SQLite keeps numbers. Ours are counters and never get there.
fn stored(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The number that `stored` wrote.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

#[async_trait]
impl Store for SqliteStore {
    async fn claim(&self, key: &LeaseKey, who: &Who) -> Result<Claim, StoreError> {
        let (key, who) = (key.clone(), who.clone());
        self.write(move |open| lease::claim(open, &key, &who, None)).await
    }

    async fn seize(&self, key: &LeaseKey, who: &Who, from: Epoch) -> Result<Claim, StoreError> {
        let (key, who) = (key.clone(), who.clone());
        self.write(move |open| lease::claim(open, &key, &who, Some(from))).await
    }

    async fn renew(&self, fence: &Fence) -> Result<BootInstant, StoreError> {
        let (key, epoch) = (fence.key.clone(), fence.epoch);
        self.write(move |open| lease::renew(open, &key, epoch)).await
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.write(move |open| lease::release(open, fence)).await
    }

    async fn append(&self, fence: &Fence, run: &RunId, after: Seq, batch: &[Event]) -> Result<Head, StoreError> {
        super::chain::check_batch(fence, run, after, batch)?;
        let place = events::At { key: fence.key.clone(), epoch: fence.epoch, run: run.clone(), after };
        let batch = events::Batch::of(batch, &place)?;
        self.write_at_once(move |open| events::append(open, &place, &batch)).await
    }

    async fn read(&self, run: &RunId, from: Seq) -> Result<Vec<Event>, StoreError> {
        let wanted = run.clone();
        let found = self.with(move |open| events::read(open, &wanted, from)).await?;
        found.ok_or_else(|| StoreError::NoSuchRun(run.to_string()))
    }

    async fn runs(&self, key: Option<&LeaseKey>) -> Result<Vec<RunHead>, StoreError> {
        let key = key.cloned();
        Ok(self.with(move |open| events::runs(open, key.as_ref())).await?.unwrap_or_default())
    }

    async fn holder(&self, key: &LeaseKey) -> Result<Option<Holder>, StoreError> {
        let key = key.clone();
        Ok(self.with(move |open| lease::holder(open, &key)).await?.flatten())
    }

    async fn post(&self, run: &RunId, control: &Control, by: &Who, at: Timestamp) -> Result<ControlId, StoreError> {
        let (run, control, by) = (run.clone(), control.clone(), by.clone());
        self.write(move |open| inbox::post(open, &run, &control, &by, at)).await
    }

    async fn inbox(&self, run: &RunId, after: ControlId) -> Result<Vec<Posted>, StoreError> {
        let run = run.clone();
        // Asked several times a second; what is read was written a moment ago, if anything was.
        Ok(self.at_once(move |open| inbox::read(open, &run, after)).await?.unwrap_or_default())
    }

    async fn checkup(&self) -> Result<Checkup, StoreError> {
        Ok(self.with(copies::checkup).await?.unwrap_or_else(|| copies::no_file(&self.0.place)))
    }

    async fn written(&self, run: &RunHead) -> Option<Seq> {
        witness::noted(&self.0.place, &run.key, &run.id)
    }

    async fn rebuild(&self, run: &RunId) -> Result<(), StoreError> {
        let run = run.clone();
        self.write(move |open| copies::rebuild(open, &run)).await
    }

    async fn export(&self, run: &RunId) -> Result<StoredRun, StoreError> {
        let wanted = run.clone();
        let found = self.with(move |open| copies::export(open, &wanted)).await?;
        found.ok_or_else(|| StoreError::NoSuchRun(run.to_string()))
    }

    async fn import(&self, fence: &mut Fence, run: &StoredRun) -> Result<(), StoreError> {
        let (key, epoch, run) = (fence.key.clone(), fence.epoch, run.clone());
        fence.epoch = self.write(move |open| copies::import(open, (&key, epoch), &run)).await?;
        Ok(())
    }

    async fn note_took(&self, call: &str, region: &Region, took: Span, at: Timestamp) {
        let (call, region) = (call.to_owned(), region.clone());
        // A cache: what cannot be kept is lost.
        drop(self.write(move |open| inbox::note_took(open, &call, &region, took, at)).await);
    }

    async fn past_durations(&self, call: &str, region: &Region) -> Vec<Span> {
        let (call, region) = (call.to_owned(), region.clone());
        self.with(move |open| inbox::past_durations(open, &call, &region)).await.ok().flatten().unwrap_or_default()
    }
}
