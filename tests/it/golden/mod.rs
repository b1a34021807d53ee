//! Stores of released formats, kept: today's program brings their runs to the right end, and refuses
//! by name what a later program wrote.
//!
//! Each is a run that waits for an answer after its first effect, and its world. They stay as they are for
//! ever: a new format gets a folder of its own, made by `LIFEBOAT_GOLDEN=format-4 cargo test --test it golden`.
//! History: 1, the first; 2, what is committed at one time is one link of the chain; 3, long
//! links are packed.

use crate::binary::{Home, MAX};
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden")
}

const FORMATS: [&str; 3] = ["format-1", "format-2", "format-3"];

/// A home with a kept store and its world.
fn kept(format: &str) -> Home {
    let home = Home::of(&folder().join("storefront.yaml"));
    fs::create_dir_all(home.path()).unwrap();
    for file in ["sandbox.db", "sandbox-world.db"] {
        fs::copy(folder().join(format).join(file), home.path().join(file)).unwrap();
    }
    home
}

/// All files of a home but the locks.
fn files(home: &Home) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    // What maps the log into memory is made by whoever looks.
    let files = files.filter(|path| !path.to_str().unwrap().ends_with("-shm"));
    files.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_kept_run_is_resumed_to_its_end() {
    for format in FORMATS {
        let home = kept(format);
        home.run("store verify --sandbox").ends(0).says("1 run, all whole");
        home.run("runs --sandbox").ends(0).says("a question waits");
        let before = home.lived().applied;
        assert_eq!(before.get("UpdateAutoScalingGroup"), Some(&1), "{before:?}");
        home.run(&format!("resume {MAX} --yes --accept promote")).ends(25);
        let lived = home.lived();
        assert_eq!((lived.repeated, lived.two_writers, lived.rows_lost), (vec![], None, 0));
        assert_eq!(lived.applied.get("UpdateAutoScalingGroup"), Some(&1), "it was sent before");
        assert_eq!(lived.applied.get("PromoteReadReplica"), Some(&1));
        assert_eq!(home.active(), "oregon");
        home.run("store verify --sandbox").ends(0);
    }
}

#[test]
fn a_kept_run_is_taken_back() {
    for format in FORMATS {
        let home = kept(format);
        home.run(&format!("resume --undo {MAX} --yes")).ends(20);
        assert_eq!(home.active(), "ohio");
        assert_eq!(home.lived().repeated, Vec::<String>::new());
    }
}

/// What a later lifeboat might have left, and by what it is named.
const LATER: [(&str, &str); 2] = [
    ("PRAGMA user_version = 4", "has format 4; this lifeboat reads up to 3"),
    (
        "UPDATE event SET body = CAST(replace(body, 'run_paused', 'run_dreamt') AS BLOB), hash = x'HASH' WHERE seq = LAST;
         UPDATE run SET head_hash = x'HASH'",
        "unknown variant `run_dreamt`",
    ),
];

#[test]
fn what_a_later_lifeboat_wrote_is_refused_by_name_and_nothing_is_changed() {
    for (sql, named) in LATER {
        let home = kept("format-1");
        let file = Connection::open(home.path().join("sandbox.db")).unwrap();
        let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'event_final_u'";
        let trigger: String = file.query_row(trigger, [], |row| row.get(0)).unwrap();
        file.execute_batch(&format!("DROP TRIGGER event_final_u; {}; {trigger}", hashed(&file, sql))).unwrap();
        // As a killed process leaves it: with a log that is not in the file yet.
        file.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
        file.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        drop(file);
        let before = files(&home);
        for line in ["resume --yes", "show", "cancel", "store verify", "runs"] {
            let refused = home.run(&format!("{line} {MAX}")).ends(31).says(named);
            assert!(!refused.err.contains("damaged"), "{line}: {}", refused.err);
            assert!(files(&home) == before, "{line} changed something");
        }
    }
}

/// The hash that the changed last event gets from whoever really wrote it.
fn hashed(file: &Connection, sql: &str) -> String {
    use lifeboat::ids::{Digest, Sum};
    let row = "SELECT e.seq, e.epoch, e.at, replace(e.body, 'run_paused', 'run_dreamt'), e.run, p.hash
               FROM event e JOIN event p ON p.run = e.run AND p.seq = e.seq - 1 ORDER BY e.seq DESC LIMIT 1";
    let (seq, hash) = file
        .query_row(row, [], |row| {
            let (body, run): (String, String) = (row.get(3)?, row.get(4)?);
            let mut sum = Sum::default();
            sum.add(row.get::<_, Vec<u8>>(5)?);
            sum.add(run);
            for column in 0..3 {
                sum.add(row.get::<_, i64>(column)?.to_be_bytes());
            }
            sum.add(body);
            Ok((row.get::<_, i64>(0)?, Digest::from(sum)))
        })
        .unwrap();
    sql.replace("HASH", hash.as_str()).replace("LAST", &seq.to_string())
}

/// Makes the store of a format anew, where somebody asks for it.
#[test]
fn a_golden_store_is_made_where_one_is_asked_for() {
    let Ok(format) = std::env::var("LIFEBOAT_GOLDEN") else { return };
    // The run keeps where its runbook stood: nobody's folder.
    let neutral = std::env::temp_dir().join("lifeboat-golden");
    fs::create_dir_all(&neutral).unwrap();
    fs::copy(folder().join("storefront.yaml"), neutral.join("storefront.yaml")).unwrap();
    let home = Home::of(&neutral.join("storefront.yaml"));
    home.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} --accept promote --seed 2")).ends(23);
    let to = folder().join(format);
    fs::create_dir_all(&to).unwrap();
    for name in ["sandbox.db", "sandbox-world.db"] {
        let file = Connection::open(home.path().join(name)).unwrap();
        file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        file.execute("VACUUM INTO ?", [to.join(name).to_str().unwrap()]).unwrap();
    }
}
