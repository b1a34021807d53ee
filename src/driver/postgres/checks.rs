//! Checks of data. `queries`: every row that one returns is a violation. `same_tables`: tables
//! are equal in two databases up to one watermark.
//!
//! The watermark is a snapshot: the set of transactions whose changes are visible. A replica
//! replays its source's transactions under their own ids, so where both sides take a snapshot that
//! ends at the same id, with no older transaction under way in either, both see exactly the same
//! transactions, and equal data must give equal sums. The source's snapshot is taken in such a
//! moment, then the replica's is taken again and again until it comes to the same id or passes it.
//! Once both are held, writes go on without being seen. A source on which one transaction always
//! outlives another gives no such moment; then nothing is told. Databases of which neither follows
//! the other differ.
//!
//! The sum of a table is over the MD5 of each row's text, so it does not depend on any order.

use super::{Failed, LONG, LookError, Reach, session::Session};
use crate::world::probe::Answer;
use futures_util::TryStreamExt as _;
use std::{
    path::Path,
    pin::pin,
    time::{Duration, Instant},
};
use tokio_postgres::SimpleQueryMessage;

/// How both sides must write values, whatever their own settings say.
const ONE_FORM: &str = "set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres';
    set extra_float_digits = 3; set bytea_output = 'hex'; set default_transaction_read_only = on";
const BEGIN: &str = "begin isolation level repeatable read read only";

/// The rows that queries return, which there should not be.
pub(super) async fn violations(files: &[String], folder: &Path, here: &Reach) -> Result<Answer, LookError> {
    let session = Session::open(here, LONG).await.map_err(Failed::look)?;
    session.run(ONE_FORM).await.map_err(Failed::look)?;
    for file in files {
        let text = std::fs::read_to_string(folder.join(file))
            .map_err(|e| LookError::Permanent { why: format!("{file} cannot be read: {e}") })?;
        let rows = rows(&session, &text).await.map_err(|e| e.look().about(file))?;
        if rows > 0 {
            let noun = if rows == 1 { "row violates" } else { "rows violate" };
            return Ok(Answer::plain(false, format!("{rows} {noun} {file}")));
        }
    }
    Ok(Answer::plain(true, "no row violates the checks"))
}

/// How many rows the statements of a text return; none of them is kept.
async fn rows(session: &Session, text: &str) -> Result<u64, Failed> {
    session.run(BEGIN).await?;
    let mut count = 0;
    let mut messages = pin!(session.client.simple_query_raw(text).await?);
    while let Some(message) = messages.try_next().await? {
        count += u64::from(matches!(message, SimpleQueryMessage::Row(_)));
    }
    session.run("rollback").await?;
    Ok(count)
}

/// Whether tables are equal.
pub(super) async fn same(tables: &[String], here: &Reach, there: &Reach) -> Result<Answer, LookError> {
    let (one, other) = tokio::try_join!(open(here), open(there)).map_err(Failed::look)?;
    let (a, b) = tokio::try_join!(replica(&one), replica(&other)).map_err(Failed::look)?;
    let met = match (a, b) {
        (false, false) => {
            let why = format!("{} differ: neither database replicates from the other", tables.join(", "));
            return Ok(Answer::plain(false, why));
        }
        (true, _) => meet(&other, &one).await,
        (false, true) => meet(&one, &other).await,
    };
    let Some(watermark) = met.map_err(Failed::look)? else {
        let why = "no moment to compare at was found: some transaction was always under way".to_owned();
        return Err(LookError::Transient { after: None, why });
    };
    for table in tables {
        let (a, b) = tokio::try_join!(sum(&one, table), sum(&other, table)).map_err(|e| match e {
            Failed::Sql(code, why) => Failed::Sql(code, format!("{table}: {why}")).look(),
            other => other.look(),
        })?;
        if a != b {
            let why = if a.0 == b.0 {
                format!("{table} differs: {} rows on both sites, not all the same", a.0)
            } else {
                format!("{table} differs: {} rows here, {} on the other site", a.0, b.0)
            };
            return Ok(Answer::plain(false, why));
        }
    }
    Ok(Answer::plain(true, format!("{} equal on both sites up to transaction {watermark}", tables.join(", "))))
}

async fn open(at: &Reach) -> Result<Session, Failed> {
    let session = Session::open(at, LONG).await?;
    session.run(ONE_FORM).await?;
    Ok(session)
}

async fn replica(session: &Session) -> Result<bool, Failed> {
    Ok(session.client.query_one("select pg_is_in_recovery()", &[]).await?.try_get(0)?)
}

/// Takes snapshots on both sides that see the same transactions, and holds them.
async fn meet(source: &Session, replica: &Session) -> Result<Option<u64>, Failed> {
    // A database that is written to without a pause is the usual case: such moments are short and seldom.
    const LIMIT: Duration = Duration::from_mins(1);
    const PAUSE: Duration = Duration::from_millis(1);
    let until = Instant::now() + LIMIT;
    while Instant::now() < until {
        let Some(mark) = snapshot(source).await?.quiet() else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        while Instant::now() < until {
            let seen = snapshot(replica).await?;
            if seen.quiet() == Some(mark) {
                return Ok(Some(mark));
            }
            if seen.xmax > mark {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(None)
}

/// What a snapshot sees: all below `xmin`, nothing from `xmax` on.
struct Snapshot {
    xmin: u64,
    xmax: u64,
}

impl Snapshot {
    /// Where it ends, if it sees everything that began before.
    fn quiet(&self) -> Option<u64> {
        (self.xmin == self.xmax).then_some(self.xmax)
    }
}

/// Takes a new snapshot in place of the one that is held. On a replica the transactions that it does
/// not see are not listed one by one, but `xmin` tells of them as well.
async fn snapshot(session: &Session) -> Result<Snapshot, Failed> {
    session.run(&format!("rollback; {BEGIN}")).await?;
    let text = session.text("select txid_current_snapshot()::text", &[]).await?.unwrap_or_default();
    let mut parts = text.split(':').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(xmin)), Some(Ok(xmax))) => Ok(Snapshot { xmin, xmax }),
        _ => Err(Failed::Setup(format!("`{text}` is no snapshot"))),
    }
}

/// A table's number of rows, and the sum over its rows.
pub(super) async fn sum(session: &Session, table: &str) -> Result<(i64, String), Failed> {
    let quoted = session.text("select $1::text::regclass::text", &[&table]).await?.unwrap_or_default();
    let half = |from: u8| format!("sum(('x' || substr(h, {from}, 16))::bit(64)::int8::numeric)");
    let query = format!(
        "select count(*), coalesce({} || ' ' || {}, '') from (select md5(t::text) as h from {quoted} as t) as rows",
        half(1),
        half(17)
    );
    let row = session.client.query_one(&query, &[]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}
