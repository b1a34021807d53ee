//! The world on disk: one SQLite file in the home. Every command is a row before its sender hears
//! of it, in one transaction with the state that it led to, so that a killed process leaves a
//! command taken and counted, or not at all. `synchronous=OFF`: it must survive the death of a
//! process, not of the machine.
//!
//! The world's own clock is in it. Real and scaled time go on while no process looks: an instant is
//! a function of the wall clock. At `max` time stands still, so how far it got is written down.
//!
//! What its runbooks tell it is kept by their digests: a run is taken up from this file alone.
//!
//! Format 1: the first.

use super::{command::Command, script::Script, state::State};
use crate::{
    clock::{Span, Timestamp},
    ids::Digest,
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

const FORMAT: i64 = 1;
/// `LBsw`.
const APPLICATION: i64 = 0x4c42_7377;
const TABLES: &str = "
    CREATE TABLE world (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, state TEXT NOT NULL) STRICT;
    CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), world INTEGER NOT NULL, wall INTEGER NOT NULL, speed INTEGER NOT NULL) STRICT;
    CREATE TABLE script (digest TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
    CREATE TABLE command (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;";

/// How fast a world's time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// So many times as fast as real time; 1 is real time.
    Times(u32),
    /// Virtual time: it jumps to whatever is waited for, and stands still while nobody waits.
    Max,
}

impl Speed {
    fn number(self) -> u32 {
        match self {
            Self::Times(n) => n.max(1),
            Self::Max => 0,
        }
    }
}

/// Why a world on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The file cannot be read or written.
    #[error("the sandbox's world {path} cannot be used: {why}; to begin a new one, delete it")]
    File {
        /// Which file.
        path: String,
        /// Why.
        why: String,
    },
    /// Another lifeboat wrote it.
    #[error(
        "the sandbox's world {path} has format {found}, this lifeboat knows {FORMAT}; to begin a new one, delete it"
    )]
    Format {
        /// Which file.
        path: String,
        /// Its format.
        found: i64,
    },
    /// It was built from something else.
    #[error(
        "the sandbox's world {path} was built from other sites and resources than this runbook's; to begin a new one, delete it"
    )]
    OtherWorld {
        /// Which file.
        path: String,
    },
    /// No run of that runbook was ever begun in it.
    #[error("the sandbox's world {path} is not the one that this run was begun in: it was deleted or begun anew")]
    NotBegunHere {
        /// Which file.
        path: String,
    },
    /// Its chance comes from another seed.
    #[error(
        "the sandbox's world {path} has seed {found}, not {given}; leave --seed out, or delete it to begin a new one"
    )]
    OtherSeed {
        /// Which file.
        path: String,
        /// Its seed.
        found: u64,
        /// The one asked for.
        given: u64,
    },
    /// A fault waits for a step that the runbook does not have.
    #[error("the fault {fault} names no step of this runbook{}", .like.as_ref().map(|l| format!(", did you mean `{l}`?")).unwrap_or_default())]
    NoSuchStep {
        /// The fault.
        fault: String,
        /// The step that is likest.
        like: Option<String>,
    },
}

/// An open file.
#[derive(Debug)]
pub(super) struct Disk {
    connection: Connection,
    path: PathBuf,
}

/// A world as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) state: State,
    pub(super) version: i64,
}

impl Disk {
    /// Opens or creates the file.
    pub(super) fn open(path: &Path) -> Result<Self, SandboxError> {
        let fail = |why: String| SandboxError::File { path: path.display().to_string(), why };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| fail(e.to_string()))?;
        }
        // One process at a time sets it up: a file that two turn to a log at once is locked for one
        // of them, and SQLite does not wait there.
        let opening = File::create(path.with_extension("lock")).map_err(|e| fail(e.to_string()))?;
        opening.lock().map_err(|e| fail(e.to_string()))?;
        let connection = Connection::open(path).map_err(|e| fail(e.to_string()))?;
        let disk = Self { connection, path: path.to_owned() };
        disk.set_up()?;
        Ok(disk)
    }

    fn set_up(&self) -> Result<(), SandboxError> {
        let pragma =
            |name: &str, value: i64| self.connection.pragma_update(None, name, value).map_err(|e| self.fail(e));
        self.connection.busy_timeout(Duration::from_secs(5)).map_err(|e| self.fail(e))?;
        self.connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")
            .map_err(|e| self.fail(e))?;
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| self.fail(e))?;
        let number = |name: &str| {
            self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(|e| self.fail(e))
        };
        let done = match (number("application_id")?, number("user_version")?) {
            (0, 0) => {
                self.connection.execute_batch(TABLES).map_err(|e| self.fail(e))?;
                pragma("application_id", APPLICATION)?;
                pragma("user_version", FORMAT)
            }
            (APPLICATION, FORMAT) => Ok(()),
            (APPLICATION, found) => Err(SandboxError::Format { path: self.name(), found }),
            _ => Err(self.fail("it is no world of a sandbox")),
        };
        self.connection.execute_batch("COMMIT").map_err(|e| self.fail(e))?;
        done
    }

    /// The file's name, for people.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn fail(&self, why: impl std::fmt::Display) -> SandboxError {
        SandboxError::File { path: self.name(), why: why.to_string() }
    }

    /// The world, where there is one.
    pub(super) fn load(&self) -> Result<Option<Stored>, SandboxError> {
        let row = self
            .connection
            .query_row("SELECT version, state FROM world", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
            })
            .optional()
            .map_err(|e| self.fail(e))?;
        let Some((version, text)) = row else { return Ok(None) };
        let state = serde_json::from_str(&text).map_err(|e| self.fail(e))?;
        Ok(Some(Stored { state, version }))
    }

    /// Begins a new world; whatever was there is gone.
    pub(super) fn create(&mut self, state: &State) -> Result<(), SandboxError> {
        let body = serde_json::to_string(state).map_err(|e| self.fail(e))?;
        let replace = |connection: &mut Connection| {
            let t = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            t.execute_batch("DELETE FROM world; DELETE FROM clock; DELETE FROM script; DELETE FROM command;")?;
            t.execute("INSERT INTO world VALUES (1, 0, ?1)", [&body])?;
            t.commit()
        };
        replace(&mut self.connection).map_err(|e| self.fail(e))
    }

    /// Keeps what a runbook tells, for whoever takes up a run of it.
    pub(super) fn keep_script(&self, of: &Digest, script: &Script) -> Result<(), SandboxError> {
        let body = serde_json::to_string(script).map_err(|e| self.fail(e))?;
        self.connection
            .execute("INSERT OR IGNORE INTO script VALUES (?1, ?2)", [of.to_string(), body])
            .map(|_| ())
            .map_err(|e| self.fail(e))
    }

    /// What a runbook told when a run of it was begun here; none: no run of it was.
    pub(super) fn script(&self, of: &Digest) -> Result<Option<Script>, SandboxError> {
        let row = self
            .connection
            .query_row("SELECT body FROM script WHERE digest = ?1", [of.to_string()], |row| row.get::<_, String>(0))
            .optional()
            .map_err(|e| self.fail(e))?;
        row.map(|text| serde_json::from_str(&text).map_err(|e| self.fail(e))).transpose()
    }

    /// How many commands the stored world has taken.
    pub(super) fn version(&self) -> Result<i64, SandboxError> {
        // Asked at every look.
        let asked = self.connection.prepare_cached("SELECT version FROM world");
        asked.and_then(|mut version| version.query_row([], |row| row.get(0))).map_err(|e| self.fail(e))
    }

    /// Stores a command and what it led to; false where another process was first.
    pub(super) fn store(&mut self, after: i64, command: &Command, state: &State) -> Result<bool, SandboxError> {
        let texts = serde_json::to_string(state).and_then(|state| Ok((state, serde_json::to_string(command)?)));
        let (body, command) = texts.map_err(|e| self.fail(e))?;
        let write = |connection: &mut Connection| {
            let t = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = t.execute(
                "UPDATE world SET version = version + 1, state = ?2 WHERE version = ?1",
                rusqlite::params![after, body],
            )?;
            if changed == 1 {
                t.execute("INSERT INTO command (at, body) VALUES (?1, ?2)", rusqlite::params![state.now.0, command])?;
            }
            t.commit().map(|()| changed == 1)
        };
        write(&mut self.connection).map_err(|e| self.fail(e))
    }

    /// The commands that were taken, oldest first, as they are stored.
    #[cfg(test)]
    pub(super) fn commands(&self) -> Vec<(Timestamp, Command)> {
        let mut statement =
            self.connection.prepare("SELECT at, body FROM command ORDER BY id").expect("the table exists");
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))
            .expect("no parameters");
        let read = |(at, body): (i64, String)| (Timestamp(at), serde_json::from_str(&body).expect("as it was written"));
        rows.map(|row| read(row.expect("two columns"))).collect()
    }

    /// The world's time now and how fast it goes: none where no clock was ever started.
    pub(super) fn time(&self, wall: Timestamp) -> Result<Option<(Timestamp, Speed)>, SandboxError> {
        let row = self
            .connection
            .query_row("SELECT world, wall, speed FROM clock", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, u32>(2)?))
            })
            .optional()
            .map_err(|e| self.fail(e))?;
        Ok(row.map(|(world, then, speed)| {
            let at = Timestamp(world) + Span(wall.since(Timestamp(then)).0 * u64::from(speed));
            (at, if speed == 0 { Speed::Max } else { Speed::Times(speed) })
        }))
    }

    /// From now on time goes at that speed from there.
    pub(super) fn start_clock(&self, at: Timestamp, wall: Timestamp, speed: Speed) -> Result<(), SandboxError> {
        self.connection
            .execute("REPLACE INTO clock VALUES (1, ?1, ?2, ?3)", rusqlite::params![at.0, wall.0, speed.number()])
            .map(|_| ())
            .map_err(|e| self.fail(e))
    }

    /// Virtual time has come so far.
    pub(super) fn came_to(&self, at: Timestamp) -> Result<(), SandboxError> {
        self.connection
            .execute("UPDATE clock SET world = max(world, ?1) WHERE speed = 0", [at.0])
            .map(|_| ())
            .map_err(|e| self.fail(e))
    }
}
