//! A session: one connection, bounded, and what its failures mean.

use super::{CONNECT, LookError, Reach, SendError, Tls};
use crate::driver::tls;
use std::{error::Error as _, time::Duration};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{Client, Config, config::SslMode, error::SqlState, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connection of its own; closed when dropped.
pub(super) struct Session {
    pub(super) client: Client,
    connection: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What came instead of an answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The connection never came, or is gone.
    Connection(String),
    /// The server says no.
    Sql(SqlState, String),
    /// It cannot be tried as it is written.
    Setup(String),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => Self::Sql(db.code().clone(), db.message().to_owned()),
            None => Self::Connection(match error.source() {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            }),
        }
    }
}

impl Failed {
    /// The server answered with that code.
    pub(super) fn is(&self, state: &SqlState) -> bool {
        matches!(self, Self::Sql(code, _) if code == state)
    }

    /// It may be otherwise soon: the server starts or stops, is full, or cancelled a statement that
    /// took too long, met a lock or the replay of a replica (classes 40, 53, 57 and 55P03).
    fn passes(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Sql(code, _) => {
                ["40", "53", "57"].iter().any(|class| code.code().starts_with(class))
                    || *code == SqlState::LOCK_NOT_AVAILABLE
            }
            Self::Setup(_) => false,
        }
    }

    fn why(self) -> String {
        match self {
            Self::Connection(why) | Self::Sql(_, why) | Self::Setup(why) => why,
        }
    }

    /// For who looked.
    pub(super) fn look(self) -> LookError {
        if self.passes() {
            LookError::Transient { after: None, why: self.why() }
        } else {
            LookError::Permanent { why: self.why() }
        }
    }

    /// For who sent, before the COMMIT has left: nothing can have stayed.
    pub(super) fn before_commit(self) -> SendError {
        if self.passes() {
            SendError::NotSent { after: None, why: self.why() }
        } else {
            SendError::Refused { why: self.why() }
        }
    }

    /// For who sent, once the COMMIT has left: an error of the server's is a rollback, unless the
    /// server was going down.
    pub(super) fn at_commit(self) -> SendError {
        match self {
            Self::Sql(ref code, _) if !code.code().starts_with("57") => self.before_commit(),
            other => SendError::InDoubt { why: other.why() },
        }
    }
}

impl Session {
    /// Connects; no statement then takes longer than `limit`.
    pub(super) async fn open(at: &Reach, limit: Duration) -> Result<Self, Failed> {
        let mut config = Config::new();
        config.host(&at.host).port(at.port).dbname(&at.database).user(&at.user).password(&at.password);
        config.application_name("lifeboat").connect_timeout(CONNECT);
        // A peer that is gone without a word is given up on, also in the midst of a long statement.
        config.tcp_user_timeout(Duration::from_secs(10)).keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(3)).keepalives_retries(3);
        config.ssl_mode(if at.tls == Tls::Disable { SslMode::Disable } else { SslMode::Require });
        let tls = match &at.tls {
            // Without encryption it is not used; it must be there all the same.
            Tls::Require | Tls::Disable => tls::encrypted().map_err(|e| Failed::Setup(e.to_string()))?,
            Tls::VerifyFull(file) => tls::by_file(file).map_err(Failed::Setup)?,
        };
        let place = |why: String| format!("{}:{}: {why}", at.host, at.port);
        let (client, connection) = match timeout(CONNECT, config.connect(MakeRustlsConnect::new(tls))).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(e)) => {
                return Err(match Failed::from(e) {
                    Failed::Connection(why) => Failed::Connection(place(why)),
                    Failed::Sql(code, why) => Failed::Sql(code, place(why)),
                    Failed::Setup(why) => Failed::Setup(why),
                });
            }
            Err(_late) => return Err(Failed::Connection(place("no connection within 3s".into()))),
        };
        let connection = tokio::spawn(async move {
            // Whoever waits for an answer is told by the client.
            connection.await.ok();
        });
        let session = Self { client, connection };
        let ms = limit.as_millis();
        let bounds = format!(
            "set statement_timeout = {ms}; set lock_timeout = {ms}; set idle_in_transaction_session_timeout = {ms};
             set synchronous_commit = on;
             select set_config(name, '1000', false) from pg_settings where name = 'client_connection_check_interval'"
        );
        timeout(CONNECT, session.run(&bounds))
            .await
            .unwrap_or_else(|_| Err(Failed::Connection(place("no answer within 3s".into()))))?;
        Ok(session)
    }

    /// Runs statements whose rows do not matter.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Failed> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// The first text of the one row that a query gives.
    pub(super) async fn text(&self, sql: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Option<String>, Failed> {
        Ok(self.client.query_one(sql, with).await?.try_get(0)?)
    }
}
