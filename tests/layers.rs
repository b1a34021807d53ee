#![allow(clippy::unwrap_used, reason = "a test says by panicking")]
//! The layers of the crate: each module imports only from those above it. Reads every `crate::…`
//! path under src/ and fails on an import that the table lacks. A new edge is a commit of its own.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Each top-level module and the modules it may import. A row may name only
/// rows above it, so the table itself has no cycle.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("both", &[]),
    ("ids", &[]),
    ("clock", &[]),
    ("alarm", &["ids", "clock"]),
    ("intake", &["ids", "clock", "alarm"]),
    ("diagnostic", &[]),
    ("model", &["ids", "clock", "diagnostic"]),
    ("world", &["ids", "clock", "model"]),
    ("action", &["ids", "clock", "model", "world"]),
    ("runbook", &["ids", "clock", "diagnostic", "alarm", "model", "action"]),
    ("syntax", &["ids", "clock", "diagnostic", "alarm", "model", "action", "runbook"]),
    ("check", &["ids", "clock", "diagnostic", "alarm", "model", "action", "runbook"]),
    ("plan", &["ids", "clock", "diagnostic", "model", "world", "action", "runbook", "check"]),
    ("event", &["ids", "clock", "alarm", "model", "world", "action", "runbook", "plan"]),
    ("store", &["both", "ids", "clock", "world", "event"]),
    ("watch", &["ids", "clock", "alarm", "model", "runbook", "event", "store"]),
    ("driver", &["ids", "clock", "model", "world"]),
    ("sandbox", &["ids", "clock", "model", "world", "runbook", "driver"]),
    ("engine", &["both", "ids", "clock", "model", "world", "action", "runbook", "plan", "event", "store", "driver"]),
    (
        "simulation",
        &[
            "ids", "clock", "model", "world", "action", "runbook", "check", "plan", "event", "store", "driver",
            "sandbox", "engine",
        ],
    ),
    ("view", &["ids", "clock", "diagnostic", "alarm", "model", "world", "action", "runbook", "plan", "event"]),
];

/// The top of the crate: the one module that may import anything.
const TOP: &str = "cli";

#[test]
fn table_is_acyclic() {
    for (row, (module, allowed)) in MAY_IMPORT.iter().enumerate() {
        for name in *allowed {
            let below = MAY_IMPORT[..row].iter().any(|(m, _)| m == name);
            assert!(below, "{module} may not import {name}: it is not listed above it");
        }
    }
}

#[test]
fn imports_follow_the_table() {
    let src = src();
    let table: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = vec![];
    for path in rust_files(&src) {
        let rel = path.strip_prefix(&src).unwrap();
        let module = rel.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if [TOP, "main", "lib"].contains(&module) {
            continue;
        }
        let Some(allowed) = table.get(module) else {
            wrong.push(format!("{}: module {module} is not in the table", rel.display()));
            continue;
        };
        // Tests may build what they need with everything above their layer.
        let is_test = path.file_name().is_some_and(|name| name == "tests.rs");
        let above = |name: &str| MAY_IMPORT.iter().take_while(|(m, _)| *m != module).any(|(m, _)| *m == name);
        for name in imports(&fs::read_to_string(&path).unwrap()) {
            if name != module && !allowed.contains(&name.as_str()) && !(is_test && above(&name)) {
                wrong.push(format!("{}: {module} -> {name}", rel.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports the table does not allow:\n  {}", wrong.join("\n  "));
}

/// Events and journal are only for those who may claim that something happened.
#[test]
fn permits_are_minted_in_the_store_alone() {
    for path in rust_files(&src()) {
        let inside = path.strip_prefix(src()).unwrap();
        let may = inside.starts_with("store") || inside.ends_with("world/permit.rs");
        let text = fs::read_to_string(&path).unwrap();
        assert!(may || !text.contains("Permit::mint"), "{} mints a permit", inside.display());
    }
}

/// A simulation must not be able to reach what is real, whatever goes wrong in it.
#[test]
fn the_simulation_knows_nothing_that_is_real() {
    const REAL: [&str; 11] = [
        "live::",
        "aws::",
        "Kernel",
        "Sqlite",
        "::wall()",
        "TokioClock::real",
        "TokioClock::scaled",
        "Opened::open",
        "std::fs",
        "std::net",
        "std::process",
    ];
    for path in rust_files(&src().join("simulation")) {
        let text = fs::read_to_string(&path).unwrap();
        for real in REAL {
            assert!(!text.contains(real), "{} names {real}", path.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for path in rust_files(&src()).into_iter().chain(rust_files(&tests)) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines: split it by meaning", path.display());
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The names right after `crate::`, in paths and in `use crate::{a, b::c}`.
fn imports(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect();
    let mut names = vec![];
    for (at, prefix) in code.match_indices("crate::") {
        let rest = code[at + prefix.len()..].trim_start();
        let Some(group) = rest.strip_prefix('{') else {
            names.push(head(rest));
            continue;
        };
        let (mut depth, mut item) = (0, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => names.push(head(&std::mem::take(&mut item))),
                _ if depth == 0 => item.push(c),
                _ => (),
            }
        }
        names.push(head(&item));
    }
    names.retain(|name| !name.is_empty());
    names
}

fn head(path: &str) -> String {
    path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
