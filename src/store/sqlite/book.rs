//! The book of notes on disk: `HOME/REALM-watch.db`.

use super::{OpenError, open, place::Place};
use crate::{
    clock::Timestamp,
    event::{Note, NoteKind, Realm, Who},
    ids::NoteNo,
    store::{Applied, Book, StoreError},
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// "LBWB": by it a file is known to be a book.
const APPLICATION_ID: i32 = 0x4c42_5742;

/// History: 1, the first.
const FORMAT: u32 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS note(no INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS note_final_u BEFORE UPDATE ON note BEGIN SELECT RAISE(ABORT, 'notes are final'); END;
CREATE TRIGGER IF NOT EXISTS note_final_d BEFORE DELETE ON note BEGIN SELECT RAISE(ABORT, 'notes are final'); END;
";

/// A book in a file.
#[derive(Clone, Debug)]
pub struct SqliteBook(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    conn: Mutex<Connection>,
}

/// What of a note is not in a column.
#[derive(Serialize, Deserialize)]
struct Body {
    by: Who,
    #[serde(flatten)]
    kind: NoteKind,
}

impl SqliteBook {
    /// Opens the realm's book in a folder, and makes both where they are missing.
    pub fn open(home: &Path, realm: Realm) -> Result<Self, OpenError> {
        let place = Place::new(home, realm);
        place.prepare()?;
        Self::at(place.book())
    }

    /// Opens it for reading. Makes nothing: none where there is no book yet.
    pub fn open_to_read(home: &Path, realm: Realm) -> Result<Option<Self>, OpenError> {
        let path = Place::new(home, realm).book();
        if path.exists() { Self::at(path).map(Some) } else { Ok(None) }
    }

    fn at(path: PathBuf) -> Result<Self, OpenError> {
        let failed = |why: rusqlite::Error| OpenError::File { path: path.clone(), why: open::explain(&why) };
        let conn = Connection::open(&path).map_err(failed)?;
        conn.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        let number = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (id, format) = (number("application_id").map_err(failed)?, number("user_version").map_err(failed)?);
        let format = u32::try_from(format).unwrap_or(u32::MAX);
        if id != 0 && id != APPLICATION_ID {
            return Err(OpenError::NotOurs { path });
        }
        if format > FORMAT {
            return Err(OpenError::Newer { path, found: format, known: FORMAT });
        }
        prepare(&conn, id == 0).map_err(failed)?;
        Ok(Self(Arc::new(Inner { path: path.clone(), conn: Mutex::new(conn) })))
    }

    async fn with<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = self.0.clone();
        let work = move || {
            let mut conn = inner.conn.lock().unwrap_or_else(PoisonError::into_inner);
            job(&mut conn).map_err(|failure| match failure {
                Failure::Store(error) => error,
                Failure::Sqlite(why) => StoreError::Outage {
                    applied: Applied::Unknown,
                    why: format!("{}: {}", inner.path.display(), open::explain(&why)),
                },
            })
        };
        let gone = |_| StoreError::Outage { applied: Applied::Unknown, why: "the process is ending".to_owned() };
        tokio::task::spawn_blocking(work).await.map_err(gone)?
    }
}

/// A commit is on the disk when it returns. A new book is made whole or not at all.
fn prepare(conn: &Connection, new: bool) -> rusqlite::Result<()> {
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    if !new {
        return Ok(());
    }
    let made = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; {SCHEMA}");
    conn.execute_batch(&format!("BEGIN IMMEDIATE; {made} COMMIT"))
}

enum Failure {
    Store(StoreError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(why: rusqlite::Error) -> Self {
        Self::Sqlite(why)
    }
}

#[async_trait]
impl Book for SqliteBook {
    async fn write(&self, after: NoteNo, by: &Who, at: Timestamp, kinds: &[NoteKind]) -> Result<NoteNo, StoreError> {
        let bodies: Vec<_> = kinds.iter().map(|kind| Body { by: by.clone(), kind: kind.clone() }).collect();
        let bodies = bodies.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        self.with(move |conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let last = tx.prepare_cached("SELECT max(no) FROM note")?.query_row([], |row| row.get::<_, Option<i64>>(0));
            let mut no = number(last.optional()?.flatten().unwrap_or(0));
            if no != after {
                return Err(Failure::Store(StoreError::Conflict));
            }
            for body in &bodies {
                no = no.next();
                let place = i64::try_from(no.0).unwrap_or(i64::MAX);
                tx.prepare_cached("INSERT INTO note(no, at, body) VALUES(?, ?, ?)")?
                    .execute(params![place, at.0, body])?;
            }
            tx.commit()?;
            Ok(no)
        })
        .await
    }

    async fn read(&self, after: NoteNo, most: usize) -> Result<Vec<Note>, StoreError> {
        self.with(move |conn| {
            let mut read = conn.prepare_cached("SELECT no, at, body FROM note WHERE no > ? ORDER BY no LIMIT ?")?;
            let (after, most) = (i64::try_from(after.0).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
            let mut rows = read.query(params![after, most])?;
            let mut notes = vec![];
            while let Some(row) = rows.next()? {
                let body: Vec<u8> = row.get(2)?;
                let Body { by, kind } = serde_json::from_slice(&body).map_err(|why| Failure::Store(unreadable(why)))?;
                notes.push(Note { no: number(row.get(0)?), at: Timestamp(row.get(1)?), by, kind });
            }
            Ok(notes)
        })
        .await
    }
}

fn number(no: i64) -> NoteNo {
    NoteNo(u64::try_from(no).unwrap_or(0))
}

fn unreadable(why: serde_json::Error) -> StoreError {
    StoreError::Outage { applied: Applied::No, why: format!("this lifeboat cannot read a note of the book: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::who;

    #[tokio::test]
    async fn of_two_watchers_who_write_after_the_same_note_one_finds_a_conflict() {
        let home = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| SqliteBook::open(home.path(), Realm::Live).unwrap());
        let braked = [NoteKind::Braked { why: "we know".into() }];
        let last = one.write(NoteNo(0), &who(1), Timestamp(1), &braked).await.unwrap();
        let late = other.write(NoteNo(0), &who(1), Timestamp(2), &braked).await;
        assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
        assert_eq!(other.write(last, &who(1), Timestamp(2), &braked).await.unwrap(), NoteNo(2));
        assert_eq!(one.read(NoteNo(0), 10).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_book_that_is_not_ours_or_newer_is_refused_and_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = Place::new(home.path(), Realm::Live).book();
        let open = || SqliteBook::open(home.path(), Realm::Live).unwrap_err();
        let mark = |name, value: i32| Connection::open(&path).unwrap().pragma_update(None, name, value).unwrap();
        mark("application_id", 7);
        let before = std::fs::read(&path).unwrap();
        assert_eq!(open(), OpenError::NotOurs { path: path.clone() });
        assert_eq!(std::fs::read(&path).unwrap(), before);
        mark("application_id", APPLICATION_ID);
        mark("user_version", 2);
        assert_eq!(open(), OpenError::Newer { path: path.clone(), found: 2, known: 1 });
    }
}
