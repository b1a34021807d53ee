//! Where in its log a database stands, so that "the replica has replayed up to there" proves that
//! nothing is missing.
//!
//! - A replica stands where it has replayed to (`pg_last_wal_replay_lsn`).
//! - A writer stands at the end of its log that is on disk (`pg_current_wal_flush_lsn`): what is
//!   beyond cannot be replicated yet. A commit is on disk before it is confirmed, except with
//!   `synchronous_commit = off`, where it is so at most three `wal_writer_delay` later. So where
//!   something is not yet on disk at first, that time passes before the end is read: everything
//!   confirmed before the look lies before the position.
//! - Writable is what is no replica and not frozen for everybody. A `default_transaction_read_only`
//!   that comes from our role or database says nothing of others, and one role or database set to
//!   `off` opens the door again.
//! - Writing are the sessions in a transaction that has written (it holds a transaction id), however
//!   it is prepared; once frozen, also those in a transaction that began before the freeze came in
//!   force: whether they will still write cannot be seen, and they may. They are counted before
//!   the end of the log is read: one that commits in between must not be missed by both. For that the
//!   user needs `pg_read_all_stats`; without it the answer would be a wrong 0, so there is none.

use super::{LookError, session::Session};
use crate::world::rds::Position;
use std::time::Duration;
use tokio_postgres::Row;

/// Asked first: whoever commits after it was counted as writing. Sessions before what they prepare, for the
/// same reason.
const WRITERS: &str = "
select pg_is_in_recovery() as replica,
       pg_has_role('pg_read_all_stats', 'usage') as sees_all,
       frozen.yes as frozen,
       (select count(*) from pg_stat_activity
        where pid <> pg_backend_pid() and coalesce(backend_type, '') <> 'autovacuum worker'
          and (backend_xid is not null
               or frozen.yes and backend_type not in ('walsender', 'parallel worker') and xact_start <= pg_conf_load_time())
       ) + (select count(*) from pg_prepared_xacts) as writing
from (select setting = 'on' and source not in ('database', 'user', 'database user', 'client', 'session')
             and not exists (select from pg_db_role_setting, unnest(setconfig) as one
                             where one ~* '^default_transaction_read_only=(of?f?|f|fa|fal|fals|false|no?|0)$') as yes
      from pg_settings where name = 'default_transaction_read_only') as frozen";

/// Asked second, so that whoever was not counted any more has committed before this position.
const LOG: &str = "
select (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end - '0/0')::int8 as lsn,
       (case when pg_is_in_recovery() then null else pg_current_wal_insert_lsn() end - '0/0')::int8 as inserted,
       (select setting::int8 from pg_settings where name = 'wal_writer_delay') as delay";

/// Where a session's database stands.
pub(super) async fn look(session: &Session, user: &str) -> Result<Position, LookError> {
    /// A `wal_writer_delay` of more than a third of this is not waited for.
    const LONGEST: Duration = Duration::from_secs(2);
    let ask = async |sql| session.client.query_one(sql, &[]).await.map_err(|e| super::Failed::from(e).look());
    let writers = ask(WRITERS).await?;
    let replica: bool = get(&writers, "replica")?;
    if !replica && !get::<bool>(&writers, "sees_all")? {
        return Err(LookError::Permanent {
            why: format!("{user} may not see the transactions of others: run `grant pg_monitor to {user}`"),
        });
    }
    let log = ask(LOG).await?;
    let (mut lsn, inserted) = (get_lsn(&log)?, get::<Option<i64>>(&log, "inserted")?);
    if let Some(end) = inserted.filter(|end| *end > lsn) {
        let waits = Duration::from_millis(get::<i64>(&log, "delay")?.unsigned_abs() * 3);
        tokio::time::sleep(waits.min(LONGEST)).await;
        lsn = get_lsn(&ask(LOG).await?)?;
        if waits > LONGEST {
            // No promise holds yet: the end in memory is the only bound.
            lsn = lsn.max(end);
        }
    }
    let (frozen, writing): (bool, i64) = (get(&writers, "frozen")?, get(&writers, "writing")?);
    Ok(Position {
        lsn: lsn.unsigned_abs(),
        writable: !replica && !frozen,
        writing: if replica { 0 } else { u32::try_from(writing).unwrap_or(u32::MAX) },
    })
}

fn get<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, column: &str) -> Result<T, LookError> {
    row.try_get(column).map_err(|e| super::Failed::from(e).look())
}

fn get_lsn(row: &Row) -> Result<i64, LookError> {
    let nothing = || LookError::Transient { after: None, why: "the replica has not replayed anything yet".into() };
    get::<Option<i64>>(row, "lsn")?.ok_or_else(nothing)
}
