//! Opening the file: whose is it, which format has it, does every commit reach the disk.
//!
//! Nothing is written into a file before it is known to be ours.

use super::place::{Place, lock_file};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};
use rustix::fs::FlockOperation;
use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// "LIFE": by it a file is known to be ours.
pub(super) const APPLICATION_ID: i32 = 0x4c49_4645;

/// The version of the file. A later one is refused by name. History: 1, the first; 2, what is committed at one
/// time is one link of the chain; 3, long links are packed.
const FORMAT: u32 = 3;

/// How long a commit of another process is waited for.
const BUSY: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE run(
  id TEXT PRIMARY KEY, lease_key TEXT NOT NULL, runbook TEXT NOT NULL, started_at INTEGER NOT NULL,
  head_seq INTEGER NOT NULL, head_hash BLOB NOT NULL, outcome TEXT) STRICT;
CREATE TABLE event(
  run TEXT NOT NULL REFERENCES run(id), seq INTEGER NOT NULL, epoch INTEGER NOT NULL, at INTEGER NOT NULL,
  body BLOB NOT NULL, hash BLOB NOT NULL, UNIQUE(run, seq)) STRICT;
CREATE TRIGGER event_final_u BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are final'); END;
CREATE TRIGGER event_final_d BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are final'); END;
-- REPLACE deletes without asking the trigger above.
CREATE TRIGGER event_final_i BEFORE INSERT ON event
  WHEN EXISTS (SELECT 1 FROM event WHERE run = NEW.run AND seq = NEW.seq)
  BEGIN SELECT RAISE(ABORT, 'events are final'); END;
CREATE TABLE lease(
  key TEXT PRIMARY KEY, epoch INTEGER NOT NULL, run TEXT, holder TEXT, renewed_at INTEGER, ttl_ms INTEGER) STRICT;
CREATE TRIGGER lease_epoch_grows BEFORE UPDATE OF epoch ON lease WHEN NEW.epoch < OLD.epoch
  BEGIN SELECT RAISE(ABORT, 'epochs only grow'); END;
CREATE TRIGGER lease_stays BEFORE DELETE ON lease BEGIN SELECT RAISE(ABORT, 'leases stay, for their epoch'); END;
CREATE TABLE inbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL,
  body BLOB NOT NULL) STRICT;
CREATE TABLE took(call TEXT, region TEXT, ms INTEGER, at INTEGER) STRICT;
CREATE INDEX took_call ON took(call, region);
";

/// Why a store could not be opened. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or written.
    #[error("cannot keep a journal in {}: {why}; choose a folder you may write with `--store DIR`", path.display())]
    Home {
        /// It, or what in it.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Other machines may share the folder: locks would not tell who is alive.
    #[error(
        "{} is on a shared file system ({kind}), where locks do not show whether a run is alive; \
         choose a folder on a local disk with `--store DIR`", path.display()
    )]
    Network {
        /// The folder.
        path: PathBuf,
        /// What it is on.
        kind: &'static str,
    },
    /// The file belongs to another program.
    #[error("{} is not a lifeboat journal; choose another folder with `--store DIR`, or move it away", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A newer lifeboat wrote it.
    #[error(
        "{} has format {found}; this lifeboat reads up to {known}: use the lifeboat that wrote it", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// SQLite or the disk under it says no.
    #[error("cannot open {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read and write.
    Write,
    /// Read.
    Read,
}

/// Opens the store of a place, and makes one where there is none.
pub(super) fn create(place: &Place) -> Result<Connection, OpenError> {
    place.prepare()?;
    // One process at a time decides whether the file is new.
    let path = place.opening_lock();
    let unusable = |why: io::Error| OpenError::Home { path: path.clone(), why: why.to_string() };
    let opening = lock_file(&path).map_err(unusable)?;
    rustix::io::retry_on_intr(|| rustix::fs::flock(&opening, FlockOperation::LockExclusive))
        .map_err(|why| unusable(why.into()))?;
    let file = place.database();
    let found = if is_empty(&file) { None } else { Some(open_file(&file)?) };
    let known = found.map(|conn| Ok((is_ours(&conn, &file)? == Found::Known).then_some(conn))).transpose()?;
    let conn = match known.flatten() {
        Some(conn) => conn,
        None => make(place).and_then(|()| open_file(&file))?,
    };
    prepare(&conn, Access::Write).map_err(|why| refused(&file, &why))?;
    if conn.is_readonly("main").map_err(|why| refused(&file, &why))? {
        return Err(OpenError::Home { path: file, why: "it is read-only".to_owned() });
    }
    Ok(conn)
}

/// Opens the store of a place, or none where there is none; makes nothing.
pub(super) fn existing(place: &Place, access: Access) -> Result<Option<Connection>, OpenError> {
    let file = place.database();
    if is_empty(&file) {
        return Ok(None);
    }
    place.refuse_network()?;
    let conn = if access == Access::Read && place.stands_still() { open_still(&file)? } else { open_file(&file)? };
    if is_ours(&conn, &file)? == Found::New {
        return Ok(None);
    }
    prepare(&conn, access).map_err(|why| refused(&file, &why))?;
    Ok(Some(conn))
}

/// Nothing is there, or a file with nothing in it. Told without opening it: to close a file ends the locks
/// that SQLite, in this very process, may have on it.
fn is_empty(file: &Path) -> bool {
    fs::metadata(file).map_or(true, |found| found.len() == 0)
}

fn open_file(file: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags).map_err(|why| refused(file, &why))?;
    conn.busy_timeout(BUSY).map_err(|why| refused(file, &why))?;
    // Until it is known to be ours its log is left alone too.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(|why| refused(file, &why))?;
    Ok(conn)
}

/// On a disk that is mounted read-only SQLite cannot make what it shares a log by. Where nothing lies
/// in a log nothing has to be shared: nobody can write there.
fn open_still(file: &Path) -> Result<Connection, OpenError> {
    let escaped = file.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags).map_err(|why| refused(file, &why))
}

#[derive(PartialEq, Eq)]
enum Found {
    /// Nothing is in it yet.
    New,
    /// A store whose format we know.
    Known,
}

/// Looks at a file without writing into it.
fn is_ours(conn: &Connection, file: &Path) -> Result<Found, OpenError> {
    let number = |pragma| conn.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let tables = || conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let found = number("application_id").and_then(|id| Ok((id, number("user_version")?, tables()?)));
    let (id, format, tables) = found.map_err(|why| refused(file, &why))?;
    if (id, format, tables) == (0, 0, 0) {
        // One byte is nothing to SQLite (its `unixFileSize`): it is what was left of a file.
        let torso = fs::metadata(file).is_ok_and(|found| found.len() == 1);
        return if torso { Err(OpenError::NotOurs { path: file.to_owned() }) } else { Ok(Found::New) };
    }
    let format = u32::try_from(format).unwrap_or(u32::MAX);
    if id != APPLICATION_ID || format == 0 {
        return Err(OpenError::NotOurs { path: file.to_owned() });
    }
    if format > FORMAT {
        return Err(OpenError::Newer { path: file.to_owned(), found: format, known: FORMAT });
    }
    Ok(Found::Known)
}

/// Makes the file, which has its name once it is whole: what is written beside it waits for no disk, which
/// takes all of it at once.
fn make(place: &Place) -> Result<(), OpenError> {
    let (file, beside) = (place.database(), place.unfinished());
    let failed = |why: io::Error| OpenError::Home { path: file.clone(), why: why.to_string() };
    // Of somebody who was killed here, and of a file that is gone: its log is not this one's.
    for left in place.leftovers() {
        fs::remove_file(left)
            .or_else(|why| if why.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(why) })
            .map_err(failed)?;
    }
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
    make_schema(&beside).map_err(|why| refused(&file, &why))?;
    fs::File::open(&beside).and_then(|made| made.sync_all()).map_err(failed)?;
    fs::rename(&beside, &file).map_err(failed)?;
    place.sync()
}

fn make_schema(file: &Path) -> rusqlite::Result<()> {
    let mut conn = Connection::open(file)?;
    conn.pragma_update(None, "synchronous", "OFF")?;
    conn.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
    let tx = Transaction::new(&mut conn, TransactionBehavior::Immediate)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", FORMAT)?;
    tx.execute_batch(SCHEMA)?;
    tx.commit()?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.close().map_err(|(_, why)| why)
}

/// What tables, indexes and triggers a file has.
pub(super) fn schema(conn: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let mut all =
        conn.prepare("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name")?;
    all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Those that it should have.
pub(super) fn schema_of_format() -> Option<Vec<(String, Option<String>)>> {
    let new = Connection::open_in_memory().ok()?;
    new.execute_batch(SCHEMA).ok()?;
    schema(&new).ok()
}

/// What is written from here on an older lifeboat could not read: it is refused by name.
pub(super) fn raise_format(tx: &Connection) -> rusqlite::Result<()> {
    let format: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format < FORMAT { tx.pragma_update(None, "user_version", FORMAT) } else { Ok(()) }
}

/// What each connection must be told.
fn prepare(conn: &Connection, access: Access) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "trusted_schema", "OFF")?;
    conn.pragma_update(None, "foreign_keys", "ON")?;
    conn.pragma_update(None, "query_only", access == Access::Read)?;
    // When the log goes into the database is said in `log`. This is for who only ever commits much at once.
    conn.pragma_update_and_check(None, "wal_autocheckpoint", 10_000, |_| Ok(()))
}

/// SQLite's refusal, for people.
fn refused(file: &Path, why: &rusqlite::Error) -> OpenError {
    match why.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotOurs { path: file.to_owned() },
        _ => OpenError::File { path: file.to_owned(), why: explain(why) },
    }
}

/// An error of SQLite, with what a person can do about it.
pub(super) fn explain(why: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode as Code;
    let hint = match why.sqlite_error_code() {
        Some(Code::DiskFull) => "free some space on its disk",
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => "another process is writing; try again",
        Some(Code::ReadOnly | Code::PermissionDenied | Code::CannotOpen) => {
            "see who owns the file and its folder (`ls -la`), and whether the disk is mounted read-only"
        }
        Some(Code::SystemIoFailure) => "see the system's log for errors of the disk",
        Some(Code::DatabaseCorrupt | Code::NotADatabase) => {
            "the file is damaged: keep a copy, restore it from a backup"
        }
        _ => return why.to_string(),
    };
    format!("{why}; {hint}")
}
