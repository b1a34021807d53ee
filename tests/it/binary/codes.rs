//! Exit codes answer "what state is production in?", and errors end in what to type next.

use super::{AGREED, Home, MAX, ran};

/// A command line, its code, and words that its message holds.
type Row = (&'static str, i32, &'static str);

/// Commands that a home without any run refuses.
const REFUSED: &[Row] = &[
    ("", 2, "Usage"),
    ("failover", 2, "<FILE>"),
    ("failover RUNBOOK --planned --emergency", 2, "cannot be used with"),
    ("failover RUNBOOK --planned --supersede r1", 2, "--reason"),
    ("failover RUNBOOK --planned --speed max", 2, "--sandbox"),
    ("failover RUNBOOK --planned --sandbox --speed 0", 2, "from 1 to 100000"),
    ("failover RUNBOOK --planned --sandbox --speed fast", 2, "`max`"),
    ("failover RUNBOOK --sandbox", 2, "--planned loses nothing"),
    ("failover RUNBOOK --planned --sandbox --accept promotee", 2, "did you mean --accept promote?"),
    ("failover RUNBOOK --planned --sandbox --to ohoi", 2, "no standby"),
    ("failover RUNBOOK --planned --sandbox --param size", 2, "--param name=value"),
    ("failover RUNBOOK --planned --sandbox --param nosuch=1", 2, "nosuch"),
    ("failover RUNBOOK --planned --sandbox --since tomorrow", 2, "12m"),
    ("failover RUNBOOK --planned --sandbox --since 2999-01-01T00:00:00Z", 2, "future"),
    ("failover RUNBOOK --planned --sandbox --accept-data-loss some", 2, "--accept-data-loss"),
    ("failover RUNBOOK --planned --sandbox --fault primary-list", 2, "did you mean `primary-lost`?"),
    ("failover RUNBOOK --planned --sandbox --supersede r1 --reason fire", 2, "r1"),
    ("failover nosuch.yaml --planned --sandbox", 2, "nosuch.yaml"),
    ("validate nosuch.yaml", 2, "nosuch.yaml"),
    ("validate --explain nosuch", 2, "nosuch"),
    ("plan nosuch.yaml --offline", 2, "nosuch.yaml"),
    ("resume --sandbox", 2, "no runs yet"),
    ("show r1 --sandbox", 2, "r1"),
    ("pause --sandbox", 2, "no runs yet"),
    ("cancel r1 --sandbox", 2, "r1"),
    ("abandon r1 --sandbox", 2, "--reason"),
    ("completions tcsh", 2, "bash"),
    ("failover RUNBOOK --planned --sandbox", 10, "--accept promote"),
    ("failover RUNBOOK --emergency --sandbox --yes", 10, "--accept promote"),
    ("drill RUNBOOK", 10, "--sandbox"),
    ("drill RUNBOOK --sandbox --yes", 10, "--accept promote"),
    ("failover RUNBOOK --planned --yes --accept promote", 11, "lifeboat doctor"),
    ("failback RUNBOOK", 11, "no credentials"),
    ("reprotect RUNBOOK", 11, "no credentials"),
];

#[test]
fn what_is_refused_has_its_code_says_what_to_type_and_records_no_run() {
    for (line, code, words) in REFUSED {
        let home = Home::new();
        println!("lifeboat {line}");
        home.run(line).ends(*code).says(words);
        assert_eq!(home.counts()[..2], [0, 0], "{line}");
    }
}

#[test]
fn for_programs_an_error_is_an_object_on_stdout() {
    for (line, code, _) in REFUSED {
        let home = Home::new();
        let refused = home.run(&format!("{line} --output json")).ends(*code);
        let all = refused.objects();
        let error = all.last().unwrap_or_else(|| panic!("nothing said: {line}\n{}", refused.err));
        assert_eq!((error["type"].as_str(), error["code"].as_i64()), (Some("error"), Some((*code).into())), "{line}");
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{line}: {error}");
    }
}

/// Commands that do not fail, whatever they tell.
#[test]
fn what_only_tells_ends_with_0() {
    let home = Home::new();
    for line in [
        "--version",
        "-h",
        "--help",
        "help failover",
        "failover --help",
        "validate RUNBOOK",
        "plan RUNBOOK --offline",
        "plan RUNBOOK --sandbox",
        "plan RUNBOOK --sandbox --direction failback",
        "plan RUNBOOK --sandbox --direction reprotect",
        "failover RUNBOOK --planned --sandbox --dry-run",
        "status RUNBOOK --sandbox",
        "doctor RUNBOOK --sandbox",
        "doctor RUNBOOK --sandbox --output json",
        "doctor RUNBOOK --policy plan",
        "doctor RUNBOOK --policy run",
        "runs --sandbox",
        "runs",
        "schema",
        "reference",
        "reference --permissions",
        "completions bash",
        "completions zsh",
        "man",
    ] {
        let told = home.run(line).ends(0);
        assert!(!told.out.is_empty(), "{line}");
    }
    home.run("plan RUNBOOK --sandbox --planned --detailed-exit-code").ends(4);
}

#[test]
fn warnings_never_change_a_code() {
    let home = Home::with(&[("rto: 1h", "rto: 1m")]);
    home.run("validate RUNBOOK").ends(0).says("warning");
    home.run("plan RUNBOOK --offline").ends(0);
    home.run("plan RUNBOOK --sandbox").ends(0);
}

#[test]
fn a_missed_objective_is_24() {
    let home = Home::with(&[("rto: 1h", "rto: 1m")]);
    home.run(&format!("failover RUNBOOK --planned {MAX} {AGREED} --seed 1")).ends(24).says("missed");
    home.run(&format!("status RUNBOOK {MAX}")).ends(0);
}

#[test]
fn a_question_that_nobody_answers_is_23_and_can_be_answered_from_anywhere() {
    let home = Home::new();
    let asks = "failover RUNBOOK --planned --sandbox --speed max --accept promote --seed 1 --no-reprotect";
    home.run(asks).ends(23).says("lifeboat approve");
    assert_eq!(home.lived().applied.len(), 0);
    home.run(&format!("status RUNBOOK {MAX}")).ends(23).says("lifeboat approve");
    home.run(&format!("resume {MAX}")).ends(23);
    home.run("approve --ask 99 --sandbox").ends(10);
    home.run("approve --sandbox").ends(0).says("answered yes");
    home.run(&format!("resume {MAX}")).ends(25);
    assert_eq!(home.active(), "oregon");
    home.run("approve --sandbox").ends(10).says("has ended");
}

#[test]
fn a_no_before_anything_was_changed_is_10() {
    let home = Home::new();
    home.run(&format!("failover RUNBOOK --planned {MAX} --accept promote --seed 1")).ends(23);
    home.run("reject --sandbox").ends(0).says("answered no");
    home.run(&format!("resume {MAX}")).ends(10);
    assert_eq!(home.active(), "ohio");
}

#[test]
fn all_taken_back_is_20_and_a_run_abandoned_in_doubt_is_22() {
    for (how, code) in [("resume --undo", 20), ("cancel --undo", 20), ("abandon RUN --reason enough", 22)] {
        let home = Home::new();
        let mut first = home.start(&format!("failover RUNBOOK --planned --sandbox --seed 1 {AGREED}"));
        // Servers are asked for, and the deploys are being held, which takes a second: that is in doubt then.
        let (mut asked, mut holding) = (false, false);
        while !(asked && holding) {
            let line = first.line().expect("it goes on");
            asked |= line["event"] == "effect_applied" && line["step"] == "scale";
            holding |= line["event"] == "effect_intended" && line["step"] == "hold_deploys";
        }
        first.kill();
        let ended = home.run(&format!("{} {MAX}", how.replace("RUN", &home.last_run())));
        assert!(ended.code == code || (ended.code == 0 && how.starts_with("abandon")), "{how}: {ended:?}");
        home.run(&format!("resume {} {MAX}", home.last_run())).ends(code);
        assert_eq!(home.active(), "ohio", "{how}");
        home.run("pause --sandbox").ends(10).says("has ended");
    }
}

#[test]
fn an_effect_that_may_have_happened_is_22_until_a_person_says_so() {
    let home = Home::with(&[(", check: [./ci, locked, \"${run.id}\"]", "")]);
    let line = format!("failover RUNBOOK --planned {MAX} {AGREED} --seed 1 --fault lost-answer@hold_deploys");
    home.run(&line).ends(22).says("lifeboat approve");
    home.run(&format!("resume {MAX}")).ends(22);
    home.run("approve --sandbox").ends(0);
    home.run(&format!("resume {MAX}")).ends(25);
    assert_eq!(home.lived().repeated, Vec::<String>::new());
}

#[test]
fn a_journal_that_was_changed_is_30_and_one_of_a_later_lifeboat_31() {
    let longer = "DROP TRIGGER event_final_u;
        UPDATE event SET body = CAST(CAST(body AS TEXT) || ' ' AS BLOB)";
    for (code, change) in [(30, longer), (31, "PRAGMA user_version = 99")] {
        let home = Home::new();
        home.run(&format!("failover RUNBOOK --planned {MAX} --accept promote --seed 1")).ends(23);
        rusqlite::Connection::open(home.path().join("sandbox.db")).unwrap().execute_batch(change).unwrap();
        let before = home.lived().applied;
        for line in ["resume", "show"] {
            home.run(&format!("{line} {MAX}")).ends(code);
        }
        let other = home.run(&format!("failover RUNBOOK --emergency {MAX} {AGREED}"));
        assert!(matches!(other.code, 10 | 31), "{other:?}");
        assert_eq!(home.lived().applied, before);
    }
}

#[test]
fn an_environment_that_cannot_be_used_is_11_or_10_and_nothing_is_changed() {
    let home = Home::new();
    let line = format!("failover RUNBOOK --planned {AGREED}");
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_RDS"] {
        ran(home.command(&line).env(name, "http://localhost:1")).ends(10).says(name).says("--allow-endpoint-override");
        ran(home.command("status RUNBOOK --sandbox").env(name, "http://localhost:1")).ends(0);
    }
    home.run(&format!("{line} --sandbox --store /dev/null")).ends(11).says("/dev/null");
    ran(home.command(&format!("{line} --sandbox")).env_remove("HOME").env_remove("LIFEBOAT_HOME"))
        .ends(11)
        .says("--store");
    home.run(&format!("failover RUNBOOK --planned {MAX} --seed 1")).ends(10);
    home.run(&format!("{line} {MAX} --seed 2")).ends(11).says("seed 1, not 2");
    assert_eq!(home.counts(), [0, 0, 0]);
}

#[test]
fn what_to_type_next_repeats_the_flags_of_the_sandbox() {
    let home = Home::new();
    for flags in ["--sandbox --speed max --seed 5", "--sandbox --speed 60", "--sandbox"] {
        let status = home.run(&format!("status RUNBOOK {flags} --output json")).ends(0).objects();
        let next: Vec<_> = status[0]["next"].as_array().unwrap().iter().map(|n| n["command"].to_string()).collect();
        let failover = format!("lifeboat failover --planned {} {flags}", home.file().display());
        assert!(next.contains(&format!("\"{failover}\"")), "{next:?}");
    }
}

#[test]
fn whoever_stops_reading_is_no_error() {
    let home = Home::new();
    home.run(&format!("failover RUNBOOK --planned {MAX} {AGREED} --seed 1")).ends(0);
    for line in [
        "runs --sandbox",
        "runs --sandbox --output json",
        "show --sandbox",
        "show --sandbox --output json",
        "status RUNBOOK --sandbox",
        "plan RUNBOOK --sandbox --output json",
        "validate RUNBOOK",
        "validate --explain L001",
        "schema",
        "reference",
        "man",
        "--help",
        "completions bash",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let stopped = ran(home.command(line).stdout(writer));
        assert!(!stopped.err.contains("panic") && !stopped.err.contains("roken pipe"), "{line}: {}", stopped.err);
        assert_eq!(stopped.code, i32::from(line.contains("L001")) * stopped.code, "{line}: {}", stopped.err);
    }
}
