//! Looking a whole file through, and runs on their way out of it and into it.

use super::{Failure, Open, commit, count, events, open, packed::pack, place::Place, stored, witness};
use crate::{
    ids::{Epoch, LeaseKey, RunId, Seq},
    store::{Checkup, RunCheckup, RunHead, StoreError, StoredRun, stored::row},
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

/// How many problems SQLite may name before it stops looking for more.
const NAMED: u32 = 10;

/// Looks at every run, at what lies between them and at the file itself.
pub(super) fn checkup(open: &mut Open<'_>) -> Result<Checkup, Failure> {
    // Noted before what is read: whoever writes meanwhile has lost nothing.
    let notes = witness::all(open.place);
    let tx = open.conn.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let mut found = Checkup { problems: file(&tx)?, runs: vec![] };
    let heads = match events::heads(&tx, None) {
        Ok(heads) => heads,
        Err(why) if events::is_damage(&why) => {
            found.problems.push(format!("the list of runs cannot be read: {}", open::explain(&why)));
            return Ok(found);
        }
        Err(why) => return Err(why.into()),
    };
    for head in &heads {
        let mut checked = run(&tx, head)?;
        checked.noted(notes.get(&head.id).copied());
        found.runs.push(checked);
    }
    found.problems.extend(notes.iter().filter(|(run, _)| heads.iter().all(|head| head.id != **run)).map(gone));
    for run in &found.runs {
        found.problems.extend(lease(&tx, run)?);
    }
    Ok(found)
}

/// What is known where there is no file.
pub(super) fn no_file(place: &Place) -> Checkup {
    Checkup { problems: witness::all(place).iter().map(gone).collect(), runs: vec![] }
}

fn gone((run, last): (&RunId, &Seq)) -> String {
    format!("run {run} was written up to event {last}, and nothing of it is left")
}

fn run(tx: &Connection, row: &RunHead) -> Result<RunCheckup, Failure> {
    match events::end(tx, &row.id) {
        Ok(Some(head)) => Ok(RunCheckup::of(row, &head, events::links(tx, &row.id)?)),
        Ok(None) => Err(StoreError::NoSuchRun(row.id.to_string()).into()),
        Err(why) if events::is_damage(&why) => {
            let wrong = StoreError::Damaged { run: row.id.clone(), seq: Seq(0), why: open::explain(&why) };
            let (run, key) = (row.id.clone(), row.key.clone());
            Ok(RunCheckup { run, key, events: vec![], wrong: Some(wrong), lost: None, stale: false })
        }
        Err(why) => Err(why.into()),
    }
}

/// What is wrong with the file, whatever runs it holds.
fn file(tx: &Connection) -> Result<Vec<String>, Failure> {
    let mut problems = texts(tx, &format!("PRAGMA integrity_check({NAMED})"))?;
    problems.retain(|said| said != "ok");
    if open::schema(tx).ok() != open::schema_of_format() {
        problems.push("its tables or triggers are not those of its format".to_owned());
    }
    let strays = "SELECT DISTINCT run FROM event WHERE run NOT IN (SELECT id FROM run)";
    problems.extend(texts(tx, strays)?.into_iter().map(|run| format!("events of run {run} belong to no run")));
    Ok(problems)
}

/// The texts of a query; where damage stops it, that too.
fn texts(tx: &Connection, sql: &str) -> Result<Vec<String>, Failure> {
    let mut texts = vec![];
    let read = tx.prepare(sql).and_then(|mut statement| {
        for text in statement.query_map([], |row| row.get::<_, String>(0))? {
            texts.push(text?);
        }
        Ok(())
    });
    match read {
        Err(why) if events::is_damage(&why) => texts.push(open::explain(&why)),
        other => other?,
    }
    Ok(texts)
}

/// Whoever goes on with a run must write under an epoch that is not below its own.
fn lease(tx: &Connection, run: &RunCheckup) -> Result<Option<String>, Failure> {
    let Some(last) = run.events.last() else { return Ok(None) };
    let found = epoch(tx, &run.key);
    Ok(match found {
        Ok(epoch) if epoch.is_some_and(|epoch| epoch >= last.epoch) => None,
        Ok(epoch) => {
            let epoch = epoch.unwrap_or_default();
            Some(format!(
                "the lease of {} has epoch {epoch}, yet run {} was written under {}",
                run.key, run.run, last.epoch
            ))
        }
        Err(why) if events::is_damage(&why) => Some(format!("the lease of {}: {}", run.key, open::explain(&why))),
        Err(why) => return Err(why.into()),
    })
}

fn epoch(tx: &Connection, key: &LeaseKey) -> rusqlite::Result<Option<Epoch>> {
    let mut statement = tx.prepare_cached("SELECT epoch FROM lease WHERE key = ?")?;
    statement.query_row([key.as_str()], |row| Ok(Epoch(count(row, 0)?))).optional()
}

/// A run as it is stored.
pub(super) fn export(open: &mut Open<'_>, run: &RunId) -> Result<StoredRun, Failure> {
    let tx = open.conn.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let unknown = || StoreError::NoSuchRun(run.to_string());
    let key: String = tx
        .prepare_cached("SELECT lease_key FROM run WHERE id = ?")?
        .query_row([run.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(unknown)?;
    let head = events::end(&tx, run)?.ok_or_else(unknown)?;
    Ok(StoredRun::verified(run.clone(), LeaseKey::new(key), events::links(&tx, run)?, &head)?)
}

/// Takes in a run that is not here yet, as it was stored elsewhere. The epoch that the lease has then.
pub(super) fn import(open: &mut Open<'_>, ours: (&LeaseKey, Epoch), run: &StoredRun) -> Result<Epoch, Failure> {
    let (key, epoch) = ours;
    let tx = open.begin()?;
    super::lease::must_be(&tx, key, epoch)?;
    if run.key() != key || events::end(&tx, run.run())?.is_some() {
        return Err(StoreError::Conflict.into());
    }
    events::insert_run(&tx, &run.head())?;
    let rows = run.links().iter().map(|link| (link, pack(&link.body), link.hash));
    events::insert_links(&tx, run.run(), rows)?;
    events::set_end(&tx, &run.head(), &run.end().hash)?;
    let epoch = epoch.max(run.epoch());
    tx.execute("UPDATE lease SET epoch = ? WHERE key = ?", params![stored(epoch.0), key.as_str()])?;
    // Controls of this run come to be numbered above those that it has taken already.
    tx.execute(
        "INSERT INTO sqlite_sequence(name, seq) SELECT 'inbox', 0
         WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'inbox')",
        [],
    )?;
    tx.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'inbox'", [run.last_control().0])?;
    commit(tx)?;
    Ok(epoch)
}

/// Writes a run's row anew, from its events; they must be whole.
pub(super) fn rebuild(open: &mut Open<'_>, run: &RunId) -> Result<(), Failure> {
    let whole = export(open, run)?;
    let tx = open.begin()?;
    let head = row(run, whole.key(), whole.events());
    tx.execute(
        "UPDATE run SET runbook = ?, started_at = ? WHERE id = ? AND head_seq = ?",
        params![head.runbook, head.started.0, run.as_str(), stored(head.seq.0)],
    )?;
    // Somebody who wrote since has said how it ended.
    let unchanged = events::end(&tx, run)?.is_some_and(|end| end == *whole.end());
    if unchanged {
        events::set_end(&tx, &head, &whole.end().hash)?;
    }
    commit(tx)
}
