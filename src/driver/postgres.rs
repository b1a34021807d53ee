//! PostgreSQL: where a database stands in its log, marker rows, and checks of its data.
//!
//! Every question has a session of its own, which is closed with it: what a pool would save is
//! little beside what a stale session could hide (a failed-over address, settings of before a
//! freeze). All is bounded, connecting by 3 s, statements by the server's own `statement_timeout`,
//! and looks are read-only. A session that is dropped ends its statement on the server within a
//! second (`client_connection_check_interval`, from PostgreSQL 14).

mod checks;
mod position;
mod session;
#[cfg(test)]
mod tests;

use super::{LookError, SendError};
use crate::world::{
    Receipt, Seen,
    probe::{self, Answer},
};
use session::{Failed, Session};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_postgres::error::SqlState;

/// A connection that does not come by then does not come.
const CONNECT: Duration = Duration::from_secs(3);
/// A statement that tells of a position or a marker.
const QUICK: Duration = Duration::from_secs(5);
/// A statement that reads tables.
const LONG: Duration = Duration::from_mins(15);

/// The row's table; it is made when the first marker is written.
const MARKER: &str = "lifeboat_marker";

/// How a database is reached.
#[derive(Clone)]
pub(super) struct Reach {
    /// Host name or address.
    pub(super) host: String,
    /// Port.
    pub(super) port: u16,
    /// Database.
    pub(super) database: String,
    /// User.
    pub(super) user: String,
    /// Password.
    pub(super) password: String,
    /// Encryption.
    pub(super) tls: Tls,
}

/// Without the password, so that none can be printed.
impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

/// How a connection is encrypted, by the names of libpq's `sslmode`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Tls {
    /// Encrypted; whoever answers is believed.
    #[default]
    Require,
    /// Encrypted; certificate and host name are verified by the authorities in that PEM file, else by
    /// those of the machine.
    VerifyFull(Option<PathBuf>),
    /// Not encrypted.
    Disable,
}

/// A session, as its database sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Whose it is, and where: `lifeboat@10.0.0.1:5432/orders`.
    pub of: String,
    /// It is encrypted.
    pub encrypted: bool,
    /// It may see the transactions of others (`pg_read_all_stats`), as proofs by log position must.
    pub sees_all: bool,
    /// The database is a replica.
    pub replica: bool,
}

/// Asks databases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Databases;

impl Databases {
    /// Connects, and tells as whom and how.
    pub(super) async fn introduce(&self, at: &Reach) -> Result<Connected, LookError> {
        const WHO: &str = "select coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false),
                                  pg_has_role('pg_read_all_stats', 'usage'), pg_is_in_recovery()";
        let session = Session::open(at, QUICK).await.map_err(Failed::look)?;
        let row = session.client.query_one(WHO, &[]).await.map_err(|e| Failed::from(e).look())?;
        let yes = |n: usize| row.try_get(n).map_err(|e| Failed::from(e).look());
        Ok(Connected { of: format!("{at:?}"), encrypted: yes(0)?, sees_all: yes(1)?, replica: yes(2)? })
    }

    /// Where in its log a database stands; see `position`.
    pub(super) async fn position(&self, at: &Reach) -> Result<Seen, LookError> {
        let session = Session::open(at, QUICK).await.map_err(Failed::look)?;
        Ok(Seen::Position(position::look(&session, &at.user).await?))
    }

    /// Whether a marker row is readable.
    pub(super) async fn marker(&self, at: &Reach, marker: &str) -> Result<Seen, LookError> {
        let session = Session::open(at, QUICK).await.map_err(Failed::look)?;
        let found = session.client.query_opt(&format!("select from {MARKER} where marker = $1"), &[&marker]).await;
        match found.map_err(Failed::from) {
            Ok(Some(_)) => Ok(answer(true, "the row is there")),
            Ok(None) => Ok(answer(false, "no such row")),
            Err(e) if e.is(&SqlState::UNDEFINED_TABLE) => Ok(answer(false, "no such row")),
            Err(e) => Err(e.look()),
        }
    }

    /// Writes a marker row past the freeze, for a transaction that says that it writes may do so.
    /// Nothing of it stays unless the COMMIT was taken, so only an answer lost after that leaves it
    /// in doubt.
    pub(super) async fn write_marker(&self, at: &Reach, marker: &str) -> Result<Receipt, SendError> {
        let session = Session::open(at, QUICK).await.map_err(Failed::before_commit)?;
        session.run("begin read write").await.map_err(Failed::before_commit)?;
        // `if not exists` alone would ask for the right to create even where the table is there.
        let there = session.text("select to_regclass('lifeboat_marker')::text", &[]).await;
        if there.map_err(Failed::before_commit)?.is_none() {
            let create = format!(
                "create table if not exists {MARKER} (marker text primary key, at timestamptz not null default now())"
            );
            session.run(&create).await.map_err(Failed::before_commit)?;
        }
        let insert = format!("insert into {MARKER} (marker) values ($1) on conflict do nothing");
        session.client.execute(&insert, &[&marker]).await.map_err(|e| Failed::from(e).before_commit())?;
        session.run("commit").await.map_err(Failed::at_commit)?;
        Ok(Receipt::default())
    }

    /// What SQL checks find here, with files relative to a folder; and in the other database, where
    /// tables are compared. See `checks`.
    pub(super) async fn check(
        &self,
        probe: &probe::Sql,
        folder: &Path,
        here: &Reach,
        other: Option<&Reach>,
    ) -> Result<Seen, LookError> {
        let mut said = vec![];
        if !probe.queries.is_empty() {
            let found = checks::violations(&probe.queries, folder, here).await?;
            if !found.ok {
                return Ok(Seen::Answer(found));
            }
            said.push(found.why);
        }
        if !probe.same_tables.is_empty() {
            let other = other.ok_or_else(|| LookError::Permanent {
                why: format!("there is no other database to compare {} with", probe.same_tables.join(", ")),
            })?;
            let found = checks::same(&probe.same_tables, here, other).await?;
            if !found.ok {
                return Ok(Seen::Answer(found));
            }
            said.push(found.why);
        }
        Ok(answer(true, &said.join("; ")))
    }

    /// Whether a database takes network connections, as a quarantine is proven by. A no is the
    /// word of the network; what this machine alone cannot do (a name that it cannot resolve, no
    /// way out) proves nothing and is no answer.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<Seen, LookError> {
        match timeout(CONNECT, TcpStream::connect((host, port))).await {
            Ok(Ok(_)) => Ok(answer(true, "it accepts connections")),
            Ok(Err(e)) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => {
                Ok(answer(false, "a connection is refused"))
            }
            Ok(Err(e)) if e.kind() == io::ErrorKind::TimedOut => Ok(answer(false, "no connection")),
            Ok(Err(e)) => Err(LookError::Transient { after: None, why: format!("{host}:{port}: {e}") }),
            Err(_late) => Ok(answer(false, "no connection within 3s")),
        }
    }
}

fn answer(ok: bool, why: &str) -> Seen {
    Seen::Answer(Answer::plain(ok, why))
}
