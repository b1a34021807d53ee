//! Bad input: one clear diagnostic, whatever it is, in bounded memory.

use super::{Home, ran};
use std::process::Command;

/// As much memory as a bad file may cost, in KiB of address space.
const MEMORY: u32 = 400_000;

/// What is wrong with a file, what is in it, and what is said of it.
fn bad() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let bundled = std::fs::read_to_string(super::BUNDLED).unwrap();
    let changed = |old: &str, new: &str| {
        assert!(bundled.contains(old), "{old}");
        bundled.replacen(old, new, 1).into_bytes()
    };
    let bomb = (1..40).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        text + &format!("a{n}: &a{n} [*a{m}, *a{m}, *a{m}]\n", m = n - 1)
    });
    let deep = |open: &str, close: &str| (open.repeat(100_000) + &close.repeat(100_000)).into_bytes();
    let mut huge = bundled.clone().into_bytes();
    huge.resize(50 << 20, b'#');
    vec![
        ("empty", vec![], "empty"),
        ("blank", b"\n# nothing\n".to_vec(), ""),
        ("no mapping", b"- a\n- b\n".to_vec(), ""),
        ("broken", b"version: 1\nname: [a\nsites: }\n".to_vec(), ""),
        ("tabs", b"version: 1\nsites:\n\tohio: {}\n".to_vec(), ""),
        ("not UTF-8", b"version: 1\nname: \xff\xfe\n".to_vec(), "UTF-8"),
        ("NUL", b"version: 1\nname: a\0b\n".to_vec(), ""),
        ("two documents", b"version: 1\n---\nversion: 1\n".to_vec(), ""),
        ("duplicate key", changed("primary: ohio", "primary: ohio\nprimary: oregon"), "primary"),
        ("unknown key", changed("strategy:", "stratgy:"), "strategy"),
        ("wrong type", changed("version: 1", "version: [1]"), "version"),
        ("another version", changed("version: 1", "version: 7"), "version"),
        ("unknown action", changed("action: promote-replica", "action: promote-replca"), "promote-replica"),
        ("merge key", changed("primary: ohio", "primary: ohio\n<<: {}"), "<<"),
        ("reserved key", changed("failback: mirror", "failback: mirror\nguards: []"), "not supported yet"),
        ("alias bomb", bomb.into_bytes(), ""),
        ("100,000 levels of lists", deep("[", "]"), ""),
        ("100,000 levels of maps", deep("{a: ", "}"), ""),
        ("100,000 levels never closed", deep("[", ""), ""),
        ("100,000 levels of blocks", deep("- ", ""), ""),
        ("50 MB", huge, ""),
        ("50 MB on a line", vec![b'a'; 50 << 20], ""),
    ]
}

#[test]
fn a_bad_file_is_3_with_a_diagnostic_in_bounded_memory() {
    let home = Home::new();
    std::fs::create_dir_all(home.path()).unwrap();
    for (what, bytes, words) in bad() {
        println!("{what}");
        let file = home.path().join("bad.yaml");
        std::fs::write(&file, bytes).unwrap();
        let limited = |output: &str| {
            let program = assert_cmd::cargo::cargo_bin!("lifeboat").display();
            let line = format!("ulimit -v {MEMORY}; exec {program} validate bad.yaml --output {output}");
            ran(Command::new("bash").args(["-c", &line]).current_dir(home.path()))
        };
        let people = limited("human").ends(3).says("bad.yaml").says(words);
        assert!(people.err.lines().count() < 120, "{what}: {}", people.err);
        assert!(people.err.len() < 10_000, "{what}: {} bytes", people.err.len());
        let programs = limited("json").ends(3).objects();
        let errors: Vec<_> = programs.iter().filter(|d| d["severity"] == "error").collect();
        assert!(!errors.is_empty() && errors.len() < 10, "{what}: {programs:?}");
        for error in errors {
            assert!(!error["message"].as_str().unwrap().is_empty() && error["code"].is_string(), "{what}: {error}");
        }
    }
}

#[test]
fn no_command_starts_with_a_bad_file() {
    let home = Home::with(&[("strategy:", "stratgy:")]);
    for command in ["plan", "status", "failover --planned", "failback --yes", "reprotect --yes", "drill --yes"] {
        home.run(&format!("{command} RUNBOOK --sandbox --speed max")).ends(3).says("strategy");
        assert_eq!(std::fs::read_dir(home.path()).map_or(0, Iterator::count), 0, "{command}");
    }
}

#[test]
fn a_folder_and_a_missing_file_are_mistakes_of_the_command_line() {
    let home = Home::new();
    home.run("validate /").ends(2).says("directory");
    home.run("validate /no/such/file.yaml").ends(2).says("/no/such/file.yaml");
    home.run("validate RUNBOOK /no/such/file.yaml").ends(2);
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let home =
        Home::with(&[("strategy:", "stratgy:"), ("promote-replica", "promote-replca"), ("rto: 1h", "rto: soon")]);
    let told = home.run("validate RUNBOOK").ends(3);
    for words in ["strategy", "promote-replica", "soon"] {
        assert!(told.err.contains(words), "no {words} in {}", told.err);
    }
    let one = home.run("validate RUNBOOK --output json").ends(3).objects();
    let code = one[0]["code"].as_str().unwrap();
    home.run(&format!("validate --explain {code}")).ends(0).says(code);
}
