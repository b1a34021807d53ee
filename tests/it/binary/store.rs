//! `store verify`, `store export`, `store import`: the journal looked through, copied, taken elsewhere.

use super::{AGREED, Home, MAX, Ran};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// A failover that waits for an answer, part-way, in a home of its own.
fn paused() -> (Home, String) {
    let home = Home::new();
    home.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} --accept promote --seed 2")).ends(23);
    let run = home.last_run();
    (home, run)
}

/// What `store export` prints, in a file of its own.
fn exported(home: &Home, run: &str) -> PathBuf {
    let file = home.path().with_file_name("copy.jsonl");
    std::fs::write(&file, home.run(&format!("store export {run} --sandbox")).ends(0).out).unwrap();
    file
}

/// Another home with the same world, which only the sandbox keeps at home.
fn other_home(home: &Home) -> String {
    let other = home.path().with_file_name("other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::copy(home.path().join("sandbox-world.db"), other.join("sandbox-world.db")).unwrap();
    other.to_str().unwrap().to_owned()
}

fn import(home: &Home, file: &Path, more: &str) -> Ran {
    home.run(&format!("store import {} {more}", file.display()))
}

/// Changes the file behind the program's back.
fn tamper(home: &Home, sql: &str) {
    let file = Connection::open(home.path().join("sandbox.db")).unwrap();
    let triggers = "DROP TRIGGER event_final_u; DROP TRIGGER event_final_d;";
    file.execute_batch(&format!("PRAGMA foreign_keys = OFF; {triggers} {sql}")).unwrap();
}

#[test]
fn a_whole_store_is_called_whole() {
    let home = Home::new();
    home.run("store verify --sandbox").ends(0).says("no runs");
    assert!(!home.path().join("sandbox.db").exists(), "looking makes nothing");
    home.run(&format!("drill RUNBOOK {MAX} {AGREED} --seed 1")).ends(0);
    let before = home.counts();
    home.run("store verify --sandbox").ends(0).says("4 runs, all whole").says("storefront");
    let told = home.run("store verify --sandbox --output json").ends(0).objects();
    assert_eq!((told.len(), &told[4]["damaged"], &told[0]["state"]), (5, &0.into(), &"whole".into()));
    assert_eq!(home.counts(), before);
}

#[test]
fn a_damaged_run_is_told_by_its_event_with_what_to_do_and_the_others_stay_readable() {
    let (home, run) = paused();
    home.run(&format!("resume {MAX} --yes")).ends(25);
    home.run(&format!("reprotect RUNBOOK {MAX} {AGREED}")).ends(0);
    let second = home.last_run();
    // Events that were committed at one time stand and fall together.
    let some = format!("SELECT min(seq) FROM event WHERE run = '{run}' AND seq >= 12");
    let seq = home.count("sandbox.db", &some);
    tamper(&home, &format!("UPDATE event SET at = at + 1 WHERE run = '{run}' AND seq = {seq};"));
    let told = home.run("store verify --sandbox").ends(30).says("2 runs, 1 damaged");
    let told = told.says(&format!("damaged {run} storefront: event {seq}: its hash does not fit what is stored"));
    let told = told.says(&format!("whole up to event {}", seq - 1)).says(&format!("whole {second} storefront"));
    assert!(told.out.contains("next: lifeboat store import FILE --sandbox --store DIR"), "{}", told.out);
    assert!(told.out.contains("next: lifeboat status"), "{}", told.out);
    home.run(&format!("show {run} --sandbox")).ends(30).says("lifeboat store verify");
    home.run(&format!("show {second} --sandbox")).ends(0);
    home.run("runs --sandbox").ends(30).says(&second).says("is damaged at");
    // What is whole is copied, what is not is named.
    let copied = home.run("store export --sandbox").ends(30).says(&format!("run {run} is damaged"));
    assert!(copied.out.contains(&second) && !copied.out.contains(&run), "{}", copied.err);
}

#[test]
fn what_is_kept_beside_the_events_is_written_anew_from_them() {
    let (home, run) = paused();
    home.run(&format!("resume {MAX} --yes")).ends(25);
    tamper(&home, "UPDATE run SET outcome = NULL, runbook = 'elsewhere', started_at = 5;");
    home.run("store verify --sandbox").ends(30).says("its tables or triggers are not those of its format");
    let (home, other) = (Home::new(), home);
    import(&home, &exported(&other, &run), "--sandbox").ends(0);
    let file = Connection::open(home.path().join("sandbox.db")).unwrap();
    file.execute("UPDATE run SET outcome = NULL, runbook = 'elsewhere', started_at = 5", []).unwrap();
    drop(file);
    home.run("store verify --sandbox").ends(0).says("written anew").says("all whole");
    home.run("runs storefront --sandbox").ends(0).says("done");
    let again = home.run("store verify --sandbox").ends(0);
    assert!(!again.out.contains("anew"), "{}", again.out);
}

#[test]
fn a_run_that_was_taken_elsewhere_is_shown_and_resumed_there() {
    let (home, run) = paused();
    let file = exported(&home, &run);
    let other = other_home(&home);
    import(&home, &file, "--sandbox").ends(0).says("nothing to do");
    import(&home, &file, &format!("--sandbox --store {other}")).ends(0).says(&format!("lifeboat resume {run}"));
    let there = |line: &str| home.run(&format!("{line} {MAX} --store {other}"));
    let here = home.run(&format!("show {MAX} --output json")).ends(0).objects();
    let events = |all: Vec<serde_json::Value>| all.into_iter().filter(|o| o["type"] == "event").collect::<Vec<_>>();
    assert_eq!(events(there("show --output json").ends(0).objects()), events(here));
    there("store verify").ends(0).says("all whole");
    there("approve").ends(0);
    there("resume --yes").ends(25);
    there("store verify").ends(0).says("all whole");
    assert!(there("status RUNBOOK --output json").out.contains(r#""active":"oregon""#));
    // Here it has not moved, there it has: they are not the same any more.
    import(&home, &file, &format!("--sandbox --store {other}")).ends(10).says("is here already").says("not the same");
}

#[test]
fn a_copy_is_not_taken_in_where_it_is_damaged_of_another_realm_or_in_the_way() {
    let (home, run) = paused();
    let file = exported(&home, &run);
    let text = std::fs::read_to_string(&file).unwrap();
    let elsewhere = Home::new();
    import(&elsewhere, &file, "").ends(2).says("say --sandbox");
    for (old, new, told) in [
        ("\\\"promote\\\"", "\\\"demote\\\"", "hash does not fit"),
        ("\"key\":\"storefront\"", "\"key\":\"billing\"", "its lease is of `billing`"),
        ("\"format\":2", "\"format\":3", "format 3"),
        ("\"type\":\"link\"", "\"type\":\"chain\"", "line 2"),
    ] {
        assert!(text.contains(old), "{old}");
        std::fs::write(&file, text.replacen(old, new, 1)).unwrap();
        let code = if told == "format 3" { 31 } else { 30 };
        import(&elsewhere, &file, "--sandbox").ends(code).says(told);
    }
    std::fs::write(&file, text.lines().next().unwrap()).unwrap();
    import(&elsewhere, &file, "--sandbox").ends(30).says("it is missing").says("nothing was taken in");
    assert_eq!(elsewhere.counts(), [0, 0, 0]);

    std::fs::write(&file, text).unwrap();
    elsewhere.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} --accept promote --seed 3")).ends(23);
    let waits = elsewhere.last_run();
    import(&elsewhere, &file, "--sandbox").ends(10).says(&format!("lifeboat resume {waits}"));
    elsewhere.run(&format!("resume {MAX} --yes")).ends(25);
    import(&elsewhere, &file, "--sandbox --output json").ends(0).says(r#""taken":true"#);
}

#[test]
fn a_run_of_which_nothing_is_left_is_told() {
    let (home, run) = paused();
    std::fs::remove_file(home.path().join("sandbox.db")).unwrap();
    let told = format!("run {run} was written up to event");
    home.run("store verify --sandbox").ends(30).says(&told).says("and nothing of it is left");
    // Nor is it when another store lies in its place.
    let other = Home::new();
    other.run(&format!("failover RUNBOOK --planned --no-reprotect {MAX} {AGREED} --seed 3")).ends(25);
    std::fs::copy(other.path().join("sandbox.db"), home.path().join("sandbox.db")).unwrap();
    home.run("store verify --sandbox").ends(30).says(&told).says("cp -a");
}
