//! Every flipped byte and every cut of a stored run is found, or hurts nothing, or leaves a shorter
//! run that is whole, is told, and is resumed without a second effect.
//!
//! Which bytes is a fixed sample, printed; `LIFEBOAT_FLIPS=all` takes every one, which takes hours,
//! `LIFEBOAT_FLIPS=3/20` every twentieth from the third on.

use crate::{
    binary::{AGREED, Home, MAX, copy_folder},
    share::Share,
};
use lifeboat::{
    event::Realm,
    ids::{RunId, Seq},
    store::{Clocks, SqliteStore, Store as _},
};
use rusqlite::{Connection, types::Value};
use std::{fs, path::Path};

/// What somebody finds who looks a file through.
#[derive(Debug, PartialEq)]
enum Found {
    /// Something is wrong.
    Damage,
    /// All runs, as text.
    Whole(Vec<String>),
    /// All runs, of which one ends before the end that is known of it.
    Shorter(Vec<String>),
}

fn block_on<T>(job: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(job)
}

/// Looks a home through as `store verify` does.
fn look(home: &Path) -> Found {
    let Ok(store) = SqliteStore::open_to_read(home, Realm::Sandbox, Clocks::machine()) else { return Found::Damage };
    block_on(async {
        let Ok(checkup) = store.checkup().await else { return Found::Damage };
        // The lease's name is compared with the runbook's.
        let sound = checkup.runs.iter().all(|run| run.wrong.is_none() && run.key.as_str() == "storefront");
        if !sound || !checkup.problems.is_empty() {
            return Found::Damage;
        }
        let mut texts = vec![];
        for run in &checkup.runs {
            texts.push(store.export(&run.run).await.unwrap().to_text());
        }
        if checkup.runs.iter().any(|run| run.lost.is_some()) { Found::Shorter(texts) } else { Found::Whole(texts) }
    })
}

/// A sample of so many numbers below `end`, evenly. `LIFEBOAT_FLIPS` may say otherwise.
fn sample(end: usize, some: usize) -> impl Iterator<Item = usize> {
    Share::asked("LIFEBOAT_FLIPS").of(end, some)
}

/// A failover that got to its end, in one file without a log.
fn finished() -> (Home, Vec<u8>) {
    let home = Home::new();
    home.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} {AGREED} --seed 2")).ends(25);
    assert!(!home.path().join("sandbox.db-wal").exists());
    let file = fs::read(home.path().join("sandbox.db")).unwrap();
    (home, file)
}

/// A home with nothing but these files in it.
fn holding(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

#[test]
fn every_changed_column_of_an_event_is_found_at_its_event() {
    let (_home, file) = finished();
    let copy = holding(&[("sandbox.db", &file)]);
    let db = Connection::open(copy.path().join("sandbox.db")).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; DROP TRIGGER event_final_u;").unwrap();
    let store = SqliteStore::open_to_read(copy.path(), Realm::Sandbox, Clocks::machine()).unwrap();
    let run: String = db.query_row("SELECT id FROM run", [], |row| row.get(0)).unwrap();
    let read = || block_on(store.read(&RunId::new(run.as_str()), Seq(1)));
    let whole = read().unwrap();
    let found = |seq: i64, packed: bool| {
        let said = match read() {
            // Not every byte of what is packed makes a difference.
            Ok(events) if packed && events == whole => return,
            other => other.expect_err("changed, and not found").to_string(),
        };
        let first = said.split(" is damaged at event ").nth(1).and_then(|s| s.split(':').next()).unwrap();
        assert!(first.parse::<i64>().unwrap() <= seq, "event {seq}: {said}");
    };
    let events: Vec<(i64, usize)> = {
        let mut rows = db.prepare("SELECT seq, length(body) FROM event ORDER BY seq").unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, usize::try_from(row.get::<_, i64>(1)?).unwrap())))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let mut flips = 0;
    let set = |column: &str, seq: i64, value: &Value| {
        db.execute(&format!("UPDATE event SET {column} = ? WHERE seq = ?"), rusqlite::params![value, seq])
    };
    let get = |column: &str, seq: i64| -> Value {
        db.query_row(&format!("SELECT {column} FROM event WHERE seq = ?"), [seq], |row| row.get(0)).unwrap()
    };
    for &(seq, length) in &events {
        for (column, bytes) in [("body", length), ("hash", 32), ("epoch", 8), ("at", 8)] {
            let before = get(column, seq);
            let packed = matches!(&before, Value::Blob(bytes) if column == "body" && bytes[0] == 0xff);
            for at in sample(bytes, 5) {
                let after = flipped(&before, at);
                set(column, seq, &after).unwrap();
                found(seq, packed);
                flips += 1;
            }
            set(column, seq, &before).unwrap();
        }
        for other in [0, seq + 1000] {
            set("seq", seq, &Value::Integer(other)).unwrap();
            found(seq, false);
            set("seq", other, &Value::Integer(seq)).unwrap();
            flips += 1;
        }
    }
    assert_eq!(read().unwrap(), whole, "all is as it was");
    println!("{flips} changes of {} events, all found", events.len());
}

/// A value with a bit of one byte turned over; which bit, its place says.
fn flipped(value: &Value, at: usize) -> Value {
    match value {
        Value::Integer(n) => Value::Integer(n ^ (1 << (at * 8 + at % 8))),
        Value::Blob(bytes) => {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            Value::Blob(bytes)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_flipped_byte_of_the_file_is_found_or_is_of_no_run() {
    let (home, file) = finished();
    let Found::Whole(whole) = look(&home.path()) else { panic!("it is whole") };
    let copy = holding(&[]);
    let (mut found, mut harmless) = (0, 0);
    for at in sample(file.len(), 700) {
        let mut bytes = file.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(copy.path().join("sandbox.db"), bytes).unwrap();
        match look(copy.path()) {
            Found::Damage => found += 1,
            Found::Whole(runs) => {
                assert_eq!(runs, whole, "byte {at}");
                harmless += 1;
            }
            Found::Shorter(_) => panic!("byte {at}: nothing is known of its end"),
        }
        for rest in ["sandbox.db-wal", "sandbox.db-shm"] {
            drop(fs::remove_file(copy.path().join(rest)));
        }
    }
    println!("of {} flips {found} were found, {harmless} lay outside the run", found + harmless);
    // The rest of the file is what is free, and what no run tells of.
    let events = Connection::open(home.path().join("sandbox.db")).unwrap();
    let stored = "SELECT sum(length(body) + length(hash)) FROM event";
    let stored: i64 = events.query_row(stored, [], |row| row.get(0)).unwrap();
    let of_the_run = (found + harmless) * usize::try_from(stored).unwrap() / file.len();
    assert!(found >= of_the_run, "{found} found, {harmless} harmless, {of_the_run} in what the run is stored as");
}

#[test]
fn every_cut_of_the_file_is_found() {
    let (_home, file) = finished();
    let copy = holding(&[]);
    let mut cuts = 0;
    for end in sample(file.len(), 200).chain([1, 2, 99, 100]).chain((0..file.len()).step_by(4096)) {
        fs::write(copy.path().join("sandbox.db"), &file[..end]).unwrap();
        match look(copy.path()) {
            Found::Damage => {}
            Found::Whole(runs) | Found::Shorter(runs) => {
                assert!(end == 0 && runs.is_empty(), "cut at {end}: {runs:?}");
            }
        }
        cuts += 1;
    }
    println!("{cuts} cuts, all found");
}

/// A failover that was killed before its end: its file, its log, its locks.
fn killed() -> (Home, Vec<u8>, Vec<u8>) {
    let home = Home::new();
    let mut run = home.start(&format!("failover RUNBOOK --planned --no-reprotect {MAX} {AGREED} --seed 2"));
    run.until("milestone_reached");
    run.kill();
    let read = |name: &str| fs::read(home.path().join(name)).unwrap();
    let (file, mut log) = (read("sandbox.db"), read("sandbox.db-wal"));
    log.truncate(end_of(&log));
    (home, file, log)
}

/// Where what was written into a log ends: behind it is room, zeros, of which a frame of it never is.
fn end_of(log: &[u8]) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4096;
    let frames = log[HEADER..].chunks_exact(FRAME);
    HEADER + FRAME * frames.take_while(|frame| frame.iter().any(|byte| *byte != 0)).count()
}

#[test]
fn every_flip_and_every_cut_of_the_log_is_found_or_leaves_the_beginning_of_the_run() {
    let (home, file, log) = killed();
    // Where it is known how far it was written.
    let copy = holding(&[]);
    copy_folder(&home.path().join("locks"), &copy.path().join("locks"));
    let note = fs::read_dir(copy.path().join("locks")).unwrap().map(|file| file.unwrap().path());
    let note = note.into_iter().find(|file| file.extension().is_some_and(|end| end == "note")).unwrap();
    // The note follows the commit: the kill may have come in between.
    fs::write(note, format!("{} {}\n", home.last_run(), home.counts()[1])).unwrap();
    let put = |log: &[u8]| {
        drop(fs::remove_file(copy.path().join("sandbox.db-shm")));
        fs::write(copy.path().join("sandbox.db"), &file).unwrap();
        fs::write(copy.path().join("sandbox.db-wal"), log).unwrap();
        look(copy.path())
    };
    let Found::Whole(whole) = put(&log) else { panic!("it is whole") };
    let [whole] = &whole[..] else { panic!("one run") };
    let (mut found, mut shorter, mut same) = (0, 0, 0);
    let flips = sample(log.len(), 400).map(|at| {
        let mut log = log.clone();
        log[at] ^= 1 << (at % 8);
        log
    });
    let cuts = sample(log.len(), 150).map(|end| log[..end].to_vec());
    for log in flips.chain(cuts) {
        match put(&log) {
            Found::Damage => found += 1,
            Found::Whole(runs) => {
                assert_eq!(runs[..], [whole.as_str()], "it is not whole, and nothing tells it");
                same += 1;
            }
            Found::Shorter(runs) => {
                let [run] = &runs[..] else { panic!("{runs:?}") };
                // The first line counts the events and is another.
                let (some, all) = (run.split_once('\n').unwrap().1, whole.split_once('\n').unwrap().1);
                assert!(all.starts_with(some), "neither damage nor a beginning");
                shorter += 1;
            }
        }
    }
    println!("{found} found, {shorter} leave the beginning, {same} lay behind its end");
    assert!(shorter > 0);
}

#[test]
fn a_run_whose_end_was_lost_is_told_and_resumed_to_the_same_end_without_a_second_effect() {
    let undisturbed = Home::new();
    undisturbed.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} {AGREED} --seed 2")).ends(25);
    let (home, file, log) = killed();
    let world = fs::read(home.path().join("sandbox-world.db")).unwrap();
    let world_log = fs::read(home.path().join("sandbox-world.db-wal")).unwrap_or_default();
    let (mut lost, mut ended) = (0, 0);
    for part in 1..20 {
        let cut = log.len() * part / 20;
        for (name, bytes) in [
            ("sandbox.db", &file[..]),
            ("sandbox.db-wal", &log[..cut]),
            ("sandbox-world.db", &world),
            ("sandbox-world.db-wal", &world_log),
        ] {
            fs::write(home.path().join(name), bytes).unwrap();
        }
        for mapped in ["sandbox.db-shm", "sandbox-world.db-shm"] {
            drop(fs::remove_file(home.path().join(mapped)));
        }
        if home.run("runs --sandbox --output json").ends(0).out.is_empty() {
            home.run("store verify --sandbox").ends(30).says("and nothing of it is left");
            continue;
        }
        lost += 1;
        let left = home.counts()[1];
        home.run("store verify --sandbox").ends(30).says(&format!("ends with event {left}")).says("lifeboat resume");
        let ran = home.run(&format!("resume {MAX} {AGREED}")).says("was written: the disk lost");
        let lived = home.lived();
        assert_eq!((lived.repeated, lived.two_writers), (vec![], None), "cut at {cut}, {left} events left");
        match ran.code {
            25 => {
                assert_eq!(home.active(), "oregon");
                assert_eq!(lived.applied, undisturbed.lived().applied, "cut at {cut}, {left} events left");
                ended += 1;
            }
            // The promotion was lost with the end: its freeze seems overdue, and must not be taken back.
            23 => assert!(ran.out.contains("two writers: orders at oregon takes writes"), "{ran:?}"),
            _ => panic!("cut at {cut}, {left} events left: {ran:?}"),
        }
        home.run("store verify --sandbox").ends(0);
    }
    println!("{lost} ends lost, {ended} resumed to the end, the others wait for a person");
    assert!(ended > 3, "{ended} of {lost}");
}
