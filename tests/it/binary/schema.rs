//! The JSON Schema, held against a foreign validator: check-jsonschema, which `tests/run` installs.

use super::{Home, Ran, ran};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn validator() -> PathBuf {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/check-jsonschema");
    assert!(tool.exists(), "check-jsonschema is missing: tests/run installs it into .venv");
    tool
}

fn check(schema: &Path, file: &Path) -> Ran {
    ran(Command::new(validator()).arg("--schemafile").arg(schema).arg(file))
}

/// Pieces of the bundled runbook and what breaks them.
const BROKEN: &[(&str, &str)] = &[
    ("version: 1", "version: one"),
    ("version: 1", "version: 2"),
    ("name: storefront ", "nam: storefront "),
    ("name: storefront ", "name: [storefront] "),
    ("strategy: warm-standby", "stratgy: warm-standby"),
    ("rto: 1h", "rot: 1h"),
    ("rto: 1h", "rto: [1h]"),
    ("primary: ohio ", "primary: { ohio: yes } "),
    ("kind: rds-instance", "kind: rds-instanze"),
    ("engine: postgres", "engine: oracle"),
    ("action: measure-lag,", "action: measure-lug,"),
    ("over_limit: refuse", "over_limit: shrug"),
    ("retry: { attempts: 10,", "retry: { attempts: many,"),
    ("on_failure: continue", "on_failure: carry-on"),
    ("hold: { max: 5m, then: undo }", "hold: { max: 5m, then: panic }"),
    ("hold: { max: 5m, then: undo }", "hold: { then: undo }"),
    ("with: { backup_retention: 7 }", "with: { backup_retention: seven }"),
    ("with: { backup_retention: 7 }", "with: { retention: 7 }"),
    ("skippable: false", "skippable: maybe"),
    ("milestone: service-restored", "milestone: lunch"),
    ("emergency: skip", "emergency: sometimes"),
    ("failback: mirror", "failback: reflected"),
];

#[test]
fn a_foreign_validator_accepts_the_bundled_runbooks_and_refuses_broken_ones() {
    let home = Home::new();
    std::fs::create_dir_all(home.path()).unwrap();
    let (schema, file) = (home.path().join("schema.json"), home.path().join("broken.yaml"));
    std::fs::write(&schema, home.run("schema").ends(0).out).unwrap();
    ran(Command::new(validator()).arg("--check-metaschema").arg(&schema)).ends(0);
    let folder = home.file().parent().unwrap();
    let all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    let bundled: Vec<_> = all.iter().filter(|f| f.extension().is_some_and(|e| e == "yaml")).collect();
    assert!(!bundled.is_empty());
    for runbook in bundled {
        check(&schema, runbook).ends(0);
    }
    let good = std::fs::read_to_string(home.file()).unwrap();
    let mut broken = vec![];
    for (n, (old, new)) in BROKEN.iter().enumerate() {
        assert!(good.contains(old), "the bundled runbook holds no `{old}`");
        let file = file.with_file_name(format!("broken-{n}.yaml"));
        std::fs::write(&file, good.replacen(old, new, 1)).unwrap();
        broken.push((file, new));
    }
    // One process for all: each file that it refuses is named.
    let said = ran(Command::new(validator()).arg("--schemafile").arg(&schema).args(broken.iter().map(|b| &b.0)));
    let accepted = |file: &Path| !said.out.contains(&*file.file_name().unwrap().to_string_lossy());
    let accepted: Vec<_> = broken.iter().filter(|(file, _)| accepted(file)).map(|(_, new)| *new).collect();
    assert!(accepted.is_empty(), "accepted: {accepted:#?}\n{}", said.out);
    for (file, new) in &broken {
        let told = home.run(&format!("validate {}", file.display()));
        assert_eq!(told.code, 3, "lifeboat itself accepts {new}");
    }
}
