//! The write-ahead log: which commits wait for the disk, what room the log has, and when it goes into
//! the database.
//!
//! A commit that makes the log's file longer waits for the disk twice: for what it wrote, and for the file
//! system's own note of the new length. Whoever takes a lease is about to commit often, and makes room
//! first: zeros, which SQLite reads as the log's end. So that the room is not outgrown, the log goes into
//! the database every so many commits, and begins again at the start of its file. The disk that is
//! taken beforehand cannot run out in the middle of a run either.
//!
//! It goes there when nothing waits (on renewal and release), or before a commit: never between the commit
//! of an intent and its send.

use super::{Failure, Open, place::Place};
use crate::store::Applied;
use rusqlite::{Connection, ErrorCode};
use std::{fs::File, io, os::unix::fs::FileExt as _};

/// How long the log is made, in bytes: so many commits as below, of three pages each.
const ROOM: u64 = 1 << 20;

/// So much of the disk must be free for that: what little a full one has left is not taken beforehand.
const PLENTY: u64 = 16 * ROOM;

/// So many commits later the log goes into the database.
pub(super) const LONG: u32 = 80;

impl Open<'_> {
    /// Does a write that may be lost with the machine, where its loss harms nobody: it waits for no
    /// disk, whose next sync takes it along.
    pub(super) fn without_sync<T>(
        &mut self,
        job: impl FnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.conn.pragma_update(None, "synchronous", "NORMAL")?;
        let done = job(self.conn);
        match (self.conn.pragma_update(None, "synchronous", "FULL"), done) {
            (Ok(()), done) => done,
            // A connection that does not sync is dropped, as after every error of the file.
            (Err(_), Err(Failure::Sqlite { error, applied })) => Err(Failure::Sqlite { error, applied }),
            (Err(error), Err(Failure::Store(_))) => Err(Failure::Sqlite { error, applied: Applied::No }),
            (Err(error), Ok(_)) => Err(Failure::Sqlite { error, applied: Applied::Unknown }),
        }
    }

    /// Writes the log into the database, as far as nobody has to wait for it: it loses nothing to do it later.
    /// An error of the disk is told, for what was synced here may be of commits that nobody synced before.
    pub(super) fn checkpoint(&mut self) -> Result<(), Failure> {
        *self.commits = 0;
        match self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => {
                Err(Failure::Sqlite { error, applied: Applied::Unknown })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Before one more commit: keeps the log within its room.
    pub(super) fn keep_short(&mut self) -> Result<(), Failure> {
        if *self.commits >= LONG {
            self.checkpoint()?;
        }
        *self.commits += 1;
        Ok(())
    }
}

/// Makes room in the log, for who holds the write lock: nobody else adds to it meanwhile.
pub(super) fn make_room(place: &Place) {
    // Where there is none, commits take longer; that the disk is full they say themselves.
    drop(lengthen(place));
}

fn lengthen(place: &Place) -> io::Result<()> {
    let file = File::options().write(true).open(place.log())?;
    let disk = rustix::fs::fstatvfs(&file)?;
    if disk.f_bavail.saturating_mul(disk.f_frsize) < PLENTY {
        return Ok(());
    }
    let missing = ROOM.saturating_sub(file.metadata()?.len());
    let zeros = vec![0; usize::try_from(missing).unwrap_or_default()];
    file.write_all_at(&zeros, ROOM - missing)
}

/// After a sync that failed, a page may look clean and not be on the disk. Writing the log into the
/// database writes and syncs it anew, or fails.
pub(super) fn sync_log(conn: &Connection) -> Result<(), Failure> {
    let unknown = |error| Failure::Sqlite { error, applied: Applied::Unknown };
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| row.get(0)).map_err(unknown)?;
    if busy == 0 {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(unknown(rusqlite::Error::SqliteFailure(code, None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Realm,
        ids::Seq,
        store::{
            SqliteStore, Store as _,
            conformance::{OnDisk, begun, events, ready, run},
        },
    };
    use std::fs;

    const COMMITS: u64 = 3 * LONG as u64;

    /// A run of so many commits, while its process lives.
    async fn long_run(store: &SqliteStore) {
        let fence = begun(store).await;
        for last in 3..3 + COMMITS {
            store.append(&fence, &run(), Seq(last), &events(&run(), &fence, last, vec![ready("a")])).await.unwrap();
        }
        std::mem::forget(fence);
    }

    #[tokio::test]
    async fn the_log_of_a_long_run_does_not_outgrow_the_room_it_began_with() {
        let disk = OnDisk::new();
        let store = disk.open();
        long_run(&store).await;
        let log = Place::new(disk.0.path(), Realm::Live).log();
        assert_eq!(fs::metadata(log).unwrap().len(), ROOM);
        assert_eq!(store.read(&run(), Seq(1)).await.unwrap().len() as u64, 3 + COMMITS);
    }

    #[tokio::test]
    async fn a_log_with_room_behind_it_is_read_by_who_comes_after_a_power_cut() {
        let (disk, left) = (OnDisk::new(), OnDisk::new());
        let store = disk.open();
        long_run(&store).await;
        for file in ["live.db", "live.db-wal"] {
            fs::copy(disk.0.path().join(file), left.0.path().join(file)).unwrap();
        }
        assert_eq!(left.open().read(&run(), Seq(1)).await.unwrap().len() as u64, 3 + COMMITS);
    }

    #[test]
    fn where_there_is_no_log_no_room_is_made() {
        let place = Place::new(tempfile::tempdir().unwrap().path(), Realm::Live);
        make_room(&place);
        assert!(!place.log().exists());
    }
}
