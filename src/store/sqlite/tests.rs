//! What only a file, kernel locks and other processes can go wrong with.

use super::*;
use crate::{
    event::{EventKind, RunOutcome},
    ids::Digest,
    store::{
        GRACE, Journal, LEASE,
        conformance::{OnDisk, SetClock, begun, clocks, events, held, key, ready, run, seized, who},
    },
};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
};

/// The file, without lifeboat.
fn raw(disk: &OnDisk) -> Connection {
    Connection::open(disk.0.path().join("live.db")).unwrap()
}

/// Does what the triggers are there to refuse.
fn tamper(disk: &OnDisk, sql: &str) {
    let file = raw(disk);
    let triggers = "DROP TRIGGER event_final_u; DROP TRIGGER event_final_d;";
    file.execute_batch(&format!("PRAGMA foreign_keys = OFF; {triggers} {sql}")).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn damage_is_found_and_named() {
    for (sql, seq, why) in [
        ("UPDATE event SET body = CAST(replace(body, 'promote', 'demote') AS BLOB) WHERE seq = 2", 2, "hash"),
        ("UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = 3", 3, "hash"),
        ("UPDATE event SET hash = zeroblob(32) WHERE seq = 1", 1, "hash"),
        ("UPDATE event SET hash = x'00' WHERE seq = 2", 2, ""),
        ("UPDATE event SET at = at + 1 WHERE seq = 2", 2, "hash"),
        ("UPDATE event SET epoch = 0 WHERE seq = 3", 3, "hash"),
        ("DELETE FROM event WHERE seq = 2", 2, "missing; event 3 follows"),
        ("DELETE FROM event WHERE seq = 1", 1, "missing"),
        ("DELETE FROM event WHERE seq = 3", 3, "missing; the run goes on to event 3"),
        ("DELETE FROM event", 1, "missing"),
        ("UPDATE run SET head_seq = 2", 3, "head names event 2"),
        ("UPDATE run SET head_hash = zeroblob(32)", 3, "head"),
        ("UPDATE event SET seq = -seq; UPDATE event SET seq = 4 + seq", 1, "hash"),
    ] {
        let disk = OnDisk::new();
        drop(begun(&disk.open()).await);
        tamper(&disk, sql);
        for from in [0, 3] {
            let read = disk.open().read(&run(), Seq(from)).await;
            let Err(StoreError::Damaged { run: named, seq: at, why: said }) = read else { panic!("{sql}: {read:?}") };
            assert_eq!((named, at), (run(), Seq(seq)), "{sql}");
            assert!(said.contains(why), "{sql}: {said}");
        }
    }
}

#[tokio::test]
async fn a_damaged_table_is_told_by_what_it_holds() {
    let lost = |table: &str| {
        format!(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage =
             (SELECT rootpage FROM sqlite_schema WHERE name = 'took_call') WHERE name = '{table}'"
        )
    };
    for (sql, told) in [
        (lost("run"), "the list of runs cannot be read"),
        (lost("event"), "malformed"),
        (lost("lease"), "the lease of"),
        ("UPDATE run SET head_hash = x'00'".to_owned(), ""),
    ] {
        let disk = OnDisk::new();
        drop(begun(&disk.open()).await);
        raw(&disk).execute_batch(&sql).unwrap();
        let found = disk.open().checkup().await.unwrap();
        assert!(found.problems.iter().any(|said| said.contains(told)) || told.is_empty(), "{sql}: {found:?}");
        assert!(!found.problems.is_empty() || found.runs[0].wrong.is_some(), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn every_flipped_bit_of_an_event_is_found() {
    let disk = OnDisk::new();
    drop(begun(&disk.open()).await);
    let body: Vec<u8> = raw(&disk).query_row("SELECT body FROM event WHERE seq = 2", [], |r| r.get(0)).unwrap();
    tamper(&disk, "");
    let (file, store) = (raw(&disk), disk.open());
    for bit in 0..body.len() * 8 {
        let mut flipped = body.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        file.execute("UPDATE event SET body = ? WHERE seq = 2", [flipped]).unwrap();
        let read = store.read(&run(), Seq(0)).await;
        assert!(matches!(read, Err(StoreError::Damaged { seq: Seq(2), .. })), "bit {bit}: {read:?}");
    }
}

#[tokio::test]
async fn the_file_itself_refuses_to_change_what_is_final() {
    let disk = OnDisk::new();
    let _fence = begun(&disk.open()).await;
    let file = raw(&disk);
    for (sql, why) in [
        ("UPDATE event SET at = 0", "events are final"),
        ("DELETE FROM event", "events are final"),
        ("REPLACE INTO event SELECT run, seq, epoch, 0, body, hash FROM event WHERE seq = 2", "events are final"),
        ("UPDATE lease SET epoch = 0", "epochs only grow"),
        ("DELETE FROM lease", "leases stay"),
    ] {
        let refused = file.execute(sql, []).unwrap_err().to_string();
        assert!(refused.contains(why), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn only_its_owner_can_read_a_journal() {
    let disk = OnDisk::new();
    let home = disk.0.path().join("a/b");
    let store = SqliteStore::open(&home, Realm::Sandbox, clocks()).unwrap();
    let _fence = begun(&store).await;
    assert_eq!((mode(&home), mode(&home.join("locks"))), (0o700, 0o700));
    for file in ["sandbox.db", "sandbox.db-wal", "sandbox.db-shm"] {
        assert_eq!(mode(&home.join(file)), 0o600, "{file}");
    }
    for lock in fs::read_dir(home.join("locks")).unwrap() {
        assert_eq!(mode(&lock.unwrap().path()), 0o600);
    }
    assert!(!home.join("live.db").exists(), "realms share nothing");
}

#[tokio::test]
async fn what_a_killed_process_left_of_a_new_journal_or_an_old_one_is_not_part_of_the_next() {
    let home = tempfile::tempdir().unwrap();
    for left in ["live.db", "live.db-wal", "live.db.new", "live.db.new-journal"] {
        let content = if left == "live.db" { "" } else { "half of something" };
        std::fs::write(home.path().join(left), content).unwrap();
    }
    let store = SqliteStore::open(home.path(), Realm::Live, Clocks::machine()).unwrap();
    assert_eq!(store.checkup().await.unwrap().runs.len(), 0);
    drop(store);
    let mut names: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["live.db", "locks"]);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let disk = OnDisk::new();
    let path = disk.0.path().join("live.db");
    fs::write(&path, "these are my notes, do not lose them; they are longer than a header".repeat(20)).unwrap();
    let before = fs::read(&path).unwrap();
    let open = || SqliteStore::open(disk.0.path(), Realm::Live, clocks()).unwrap_err();
    assert_eq!(open(), OpenError::NotOurs { path: path.clone() });
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::remove_file(&path).unwrap();
    raw(&disk).execute_batch("CREATE TABLE song(name TEXT)").unwrap();
    assert_eq!(open(), OpenError::NotOurs { path: path.clone() });
    assert!(open().to_string().contains("--store"));
    let journal: String = raw(&disk).query_row("PRAGMA journal_mode", [], |r| r.get(0)).unwrap();
    assert_eq!(journal, "delete");
}

#[tokio::test]
async fn a_newer_format_is_refused_by_name() {
    let disk = OnDisk::new();
    let reader = disk.open();
    raw(&disk).pragma_update(None, "user_version", 4).unwrap();
    let newer = SqliteStore::open(disk.0.path(), Realm::Live, clocks()).unwrap_err();
    assert!(matches!(newer, OpenError::Newer { found: 4, known: 3, .. }), "{newer}");
    assert!(matches!(StoreError::from(newer), StoreError::Newer { found: 4, known: 3 }));
    drop(reader);
}

#[tokio::test]
async fn a_file_of_format_1_is_read_as_it_is_and_becomes_one_of_format_3_for_who_writes() {
    let disk = OnDisk::new();
    drop(begun(&disk.open()).await);
    let format = || raw(&disk).pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap();
    raw(&disk).pragma_update(None, "user_version", 1).unwrap();
    let reader = SqliteStore::open_to_read(disk.0.path(), Realm::Live, clocks()).unwrap();
    assert_eq!((reader.read(&run(), Seq(0)).await.unwrap().len(), format()), (3, 1));
    let writer = disk.open();
    assert_eq!((writer.read(&run(), Seq(0)).await.unwrap().len(), format()), (3, 1));
    let _held = held(&writer, &key(), 2).await;
    assert_eq!((writer.read(&run(), Seq(0)).await.unwrap().len(), format()), (3, 3));
}

#[test]
fn a_home_that_cannot_be_written_is_refused_with_what_to_do() {
    let disk = OnDisk::new();
    let file = disk.0.path().join("file");
    fs::write(&file, "").unwrap();
    for home in [file.join("home"), "/proc/lifeboat".into()] {
        let refused = SqliteStore::open(&home, Realm::Live, clocks()).unwrap_err();
        assert!(matches!(refused, OpenError::Home { .. }), "{refused}");
        assert!(refused.to_string().contains("--store DIR"), "{refused}");
    }
}

#[tokio::test]
async fn reading_makes_nothing() {
    let disk = OnDisk::new();
    let home = disk.0.path().join("home");
    let reader = SqliteStore::open_to_read(&home, Realm::Live, clocks()).unwrap();
    assert_eq!(reader.runs(None).await.unwrap(), []);
    assert_eq!(reader.holder(&key()).await.unwrap(), None);
    assert!(matches!(reader.read(&run(), Seq(0)).await, Err(StoreError::NoSuchRun(_))));
    assert!(!home.exists());
    // Once somebody makes one it is seen, and stays as it is.
    let writer = SqliteStore::open(&home, Realm::Live, clocks()).unwrap();
    let _fence = begun(&writer).await;
    assert_eq!(reader.runs(None).await.unwrap().len(), 1);
    assert_eq!(reader.read(&run(), Seq(2)).await.unwrap().len(), 2);
    assert!(reader.holder(&key()).await.unwrap().unwrap().alive);
    let refused = reader.claim(&key(), &who(2)).await.unwrap_err();
    assert!(refused.to_string().contains("opened for reading"));
}

#[tokio::test]
async fn a_process_that_died_leaves_its_lease_and_its_journal_to_the_next() {
    let disk = OnDisk::new();
    let store = disk.open();
    drop(begun(&store).await);
    drop(store);
    let store = disk.open();
    let fence = held(&store, &key(), 2).await;
    assert_eq!(fence.epoch.0, 2);
    assert_eq!(store.read(&run(), Seq(0)).await.unwrap().len(), 3);
    let end = events(&run(), &fence, 3, vec![EventKind::RunFinished { outcome: RunOutcome::Done }]);
    store.append(&fence, &run(), Seq(3), &end).await.unwrap();
    assert_eq!(disk.open().runs(None).await.unwrap()[0].outcome, Some(RunOutcome::Done));
}

#[tokio::test]
async fn a_commit_that_fails_is_settled_over_a_new_connection() {
    let disk = OnDisk::new();
    let store = disk.open();
    let fence = begun(&store).await;
    // Checked at the commit and nowhere before.
    let trap = "CREATE TABLE trap(run TEXT REFERENCES run(id) DEFERRABLE INITIALLY DEFERRED);
                CREATE TRIGGER spring AFTER INSERT ON event BEGIN INSERT INTO trap VALUES('nobody'); END;";
    raw(&disk).execute_batch(trap).unwrap();
    let batch = events(&run(), &fence, 3, vec![ready("a")]);
    let failed = store.append(&fence, &run(), Seq(3), &batch).await.unwrap_err();
    assert!(matches!(failed, StoreError::Outage { applied: Applied::Unknown, .. }), "{failed}");
    assert!(failed.to_string().contains("live.db"), "{failed}");

    let boot = Arc::new(SetClock::default());
    let mut journal = Journal::new(Arc::new(store), boot, fence, run(), Seq(3));
    let settled = journal.append(&batch).await.unwrap_err();
    assert!(matches!(settled, StoreError::Outage { applied: Applied::No, .. }), "{settled}");
    raw(&disk).execute_batch("DROP TRIGGER spring").unwrap();
    journal.append(&batch).await.unwrap();
    assert_eq!(disk.open().read(&run(), Seq(4)).await.unwrap(), batch);
}

#[tokio::test]
async fn every_connection_syncs_each_commit() {
    let disk = OnDisk::new();
    let made = disk.open();
    let found = disk.open();
    let reader = SqliteStore::open_to_read(disk.0.path(), Realm::Live, clocks()).unwrap();
    for store in [made, found, reader] {
        let db = store.0.db.lock().unwrap();
        let pragma = |name| {
            let value = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
            db.conn.as_ref().unwrap().pragma_query_value(None, name, value).unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
        assert_eq!(pragma("synchronous"), 2.into(), "FULL");
        assert_eq!(pragma("foreign_keys"), 1.into());
        assert_eq!(pragma("trusted_schema"), 0.into());
        assert_eq!(pragma("application_id"), open::APPLICATION_ID.into());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_an_event_and_loses_none() {
    let disk = OnDisk::new();
    let store = disk.open();
    let fence = begun(&store).await;
    let full = |db: &Db| db.conn.as_ref().unwrap().pragma_update_and_check(None, "max_page_count", 1, |_| Ok(()));
    full(&store.0.db.lock().unwrap()).unwrap();
    let long = (0..1000_u32).map(|n| Digest::of(&n.to_be_bytes()).to_string()).collect();
    let why = EventKind::StepFailed { step: "a".into(), why: long, hint: None };
    let batch = events(&run(), &fence, 3, vec![why]);
    let refused = store.append(&fence, &run(), Seq(3), &batch).await.unwrap_err();
    assert!(matches!(refused, StoreError::Outage { applied: Applied::No, .. }), "{refused}");
    assert!(refused.to_string().contains("free some space"), "{refused}");
    assert_eq!(store.read(&run(), Seq(0)).await.unwrap().len(), 3);
    store.append(&fence, &run(), Seq(3), &batch).await.unwrap();
}

#[tokio::test]
async fn a_holder_whose_lock_was_deleted_keeps_its_lease_to_its_end_and_writes_nothing_after_it() {
    let disk = OnDisk::new();
    let boot = Arc::new(SetClock::default());
    let clocks = Clocks { boot: boot.clone(), ..clocks() };
    let store = SqliteStore::open(disk.0.path(), Realm::Live, clocks).unwrap();
    let old = begun(&store).await;
    fs::remove_dir_all(disk.0.path().join("locks")).unwrap();
    fs::create_dir(disk.0.path().join("locks")).unwrap();
    let busy = store.claim(&key(), &who(2)).await.unwrap();
    assert!(matches!(busy, Claim::Busy(Holder { alive: false, .. })), "{busy:?}");
    boot.set(LEASE);
    let new = held(&store, &key(), 2).await;
    assert_eq!(new.quiet.0, old.deadline.0 + GRACE.0, "what it was permitted may still leave");
    let batch = events(&run(), &old, 3, vec![ready("a")]);
    assert!(matches!(store.append(&old, &run(), Seq(3), &batch).await, Err(StoreError::Fenced(_))));
}

#[tokio::test]
async fn nobody_waits_for_a_holder_of_another_boot() {
    let disk = OnDisk::new();
    let boot = Arc::new(SetClock::default());
    let clocks = Clocks { boot: boot.clone(), ..clocks() };
    let store = SqliteStore::open(disk.0.path(), Realm::Live, clocks).unwrap();
    boot.set(Span::hours(5));
    let old = begun(&store).await;
    let last = seized(&store, 2, &old).await;
    fs::remove_dir_all(disk.0.path().join("locks")).unwrap();
    fs::create_dir(disk.0.path().join("locks")).unwrap();
    boot.set(Span::secs(7));
    let new = held(&store, &key(), 3).await;
    assert_eq!((new.epoch, new.quiet), (last.epoch.next(), BootInstant(7_000)));
}

#[tokio::test]
async fn of_two_writers_with_one_lease_one_finds_a_conflict() {
    let disk = OnDisk::new();
    let fence = begun(&disk.open()).await;
    let twin = Fence { key: key(), epoch: fence.epoch, deadline: fence.deadline, quiet: fence.quiet, alive: None };
    let (a, b) = (disk.open(), disk.open());
    for round in 3..20 {
        let one = events(&run(), &fence, round, vec![ready("a")]);
        let two = events(&run(), &twin, round, vec![ready("b")]);
        let run = run();
        let both = tokio::join!(a.append(&fence, &run, Seq(round), &one), b.append(&twin, &run, Seq(round), &two));
        assert!(
            matches!(both, (Ok(_), Err(StoreError::Conflict)) | (Err(StoreError::Conflict), Ok(_))),
            "{round}: {both:?}"
        );
    }
}

#[tokio::test]
async fn who_asks_for_the_holder_never_passes_for_one() {
    let disk = OnDisk::new();
    let (store, curious) = (disk.open(), disk.open());
    drop(begun(&store).await);
    let lock = place::lock_file(&Place::new(disk.0.path(), Realm::Live).lease_lock(&key(), Epoch(1))).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockShared).unwrap();
    assert!(!curious.holder(&key()).await.unwrap().unwrap().alive);
    let fence = held(&store, &key(), 2).await;
    drop(lock);
    assert!(curious.holder(&key()).await.unwrap().unwrap().alive);
    drop(fence);
}

#[tokio::test]
async fn a_poll_of_an_inbox_where_nobody_wrote_does_not_read_it() {
    let disk = OnDisk::new();
    let (store, elsewhere) = (disk.open(), disk.open());
    let fence = begun(&store).await;
    let knows = |store: &SqliteStore| store.0.db.lock().unwrap().watch.knows(&run());
    assert_eq!(store.inbox(&run(), ControlId(0)).await.unwrap(), []);
    // Our own appends are no news.
    store.append(&fence, &run(), Seq(3), &events(&run(), &fence, 3, vec![ready("a")])).await.unwrap();
    assert!(knows(&store));
    store.post(&run(), &Control::Pause, &who(1), Timestamp(0)).await.unwrap();
    assert!(!knows(&store));
    assert_eq!(store.inbox(&run(), ControlId(0)).await.unwrap().len(), 1);
    elsewhere.post(&run(), &Control::Continue, &who(2), Timestamp(0)).await.unwrap();
    assert_eq!(store.inbox(&run(), ControlId(1)).await.unwrap().len(), 1);
}

/// Re-runs this test binary as another process: see [`process_of_its_own`].
fn spawn(disk: &OnDisk, pid: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::sqlite::tests::process_of_its_own", "--nocapture", "--test-threads=1"])
        .env("LIFEBOAT_TEST_HOME", disk.0.path())
        .env("LIFEBOAT_TEST_PID", pid.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The line in which a process tells what came of its claim.
fn word(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
    let mut words = lines.filter_map(|line| Some(line.split_once("claim: ")?.1.to_owned()));
    words.next().unwrap()
}

/// Not a fact of its own, but the body of the processes that the tests below start: waits for a
/// word, claims the lease, tells what came of it, and holds it until it may go.
#[tokio::test]
async fn process_of_its_own() {
    let Some(home) = std::env::var_os("LIFEBOAT_TEST_HOME") else { return };
    let pid = std::env::var("LIFEBOAT_TEST_PID").unwrap().parse().unwrap();
    let mut go = [0];
    std::io::stdin().read_exact(&mut go).unwrap();
    let store = SqliteStore::open(Path::new(&home), Realm::Live, clocks()).unwrap();
    let claim = store.claim(&key(), &who(pid)).await.unwrap();
    match &claim {
        Claim::Held(fence) => println!("claim: held {}", fence.epoch),
        Claim::Busy(holder) => println!("claim: busy {}", holder.who.pid),
    }
    // Until the other end is closed.
    std::io::stdin().read_to_end(&mut vec![]).unwrap();
}

#[tokio::test]
async fn of_processes_that_race_for_a_lease_one_wins() {
    // The first round also races for making the file.
    let disk = OnDisk::new();
    for round in 1..=4 {
        let mut racers: Vec<Child> = (1..=4).map(|pid| spawn(&disk, pid)).collect();
        for racer in &mut racers {
            racer.stdin.as_mut().unwrap().write_all(b"!").unwrap();
        }
        let words: Vec<String> = racers.iter_mut().map(word).collect();
        let winner = words.iter().position(|word| *word == format!("held {round}")).expect("one holds it") + 1;
        let others = words.iter().filter(|word| **word == format!("busy {winner}")).count();
        assert_eq!(others, 3, "round {round}: {words:?}");
        for mut racer in racers {
            drop(racer.stdin.take());
            racer.wait().unwrap();
        }
    }
}

#[tokio::test]
async fn a_killed_process_loses_its_lease_at_once() {
    let disk = OnDisk::new();
    let store = disk.open();
    let mut other = spawn(&disk, 77);
    other.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    assert_eq!(word(&mut other), "held 1");
    let Claim::Busy(holder) = store.claim(&key(), &who(1)).await.unwrap() else { panic!("two holders") };
    assert_eq!((holder.who.pid, holder.alive), (77, true));
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(!store.holder(&key()).await.unwrap().unwrap().alive);
    assert_eq!(held(&store, &key(), 1).await.epoch.0, 2);
}

#[tokio::test]
async fn a_lost_end_is_known_by_what_was_noted_and_a_new_lease_forgets_nothing() {
    let disk = OnDisk::new();
    let store = disk.open();
    let fence = begun(&store).await;
    store.append(&fence, &run(), Seq(3), &events(&run(), &fence, 3, vec![ready("a")])).await.unwrap();
    let lost = |store: &SqliteStore| {
        let store = store.clone();
        async move { store.checkup().await.unwrap().runs[0].lost }
    };
    assert_eq!(lost(&store).await, None);
    let head: Vec<u8> = raw(&disk).query_row("SELECT hash FROM event WHERE seq = 3", [], |row| row.get(0)).unwrap();
    tamper(&disk, "DELETE FROM event WHERE seq = 4");
    raw(&disk).execute("UPDATE run SET head_seq = 3, head_hash = ?", [head]).unwrap();
    assert_eq!(lost(&store).await, Some(Seq(4)));
    drop(fence);
    let fence = held(&store, &key(), 2).await;
    assert_eq!(lost(&store).await, Some(Seq(4)), "a claim writes no event");
    store.append(&fence, &run(), Seq(3), &events(&run(), &fence, 3, vec![ready("b")])).await.unwrap();
    assert_eq!(lost(&store).await, None, "the run goes on from there");
}
