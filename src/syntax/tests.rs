//! Each code is triggered by its own example, and hostile files cost next to nothing.

use super::*;
use crate::diagnostic::CodeRow;
use std::time::Instant;

const BASE: &str = r#"
version: 1
name: storefront
objectives: { rto: 1h, rpo: 1m }
sites: { ohio: { region: us-east-2 }, oregon: { region: us-west-2 } }
primary: ohio
standby: oregon
parameters: { batch: { type: integer, default: 3 }, careful: { type: boolean, default: true } }
resources:
  orders:
    kind: rds-instance
    sites:
      ohio: { identifier: orders, parameter_group: orders-ohio, quarantine_security_groups: [sg-0a] }
      oregon: { identifier: orders, parameter_group: orders-oregon, quarantine_security_groups: [sg-0b] }
    connection: { database: orders, password: { env: ORDERS_PW } }
  plain: { kind: rds-instance, sites: { ohio: { identifier: plain }, oregon: { identifier: plain } } }
  web:
    kind: autoscaling-group
    sizes: { serving: { min: 1, desired: 2, max: 3 } }
    sites: { ohio: { name: web }, oregon: { name: web } }
probes:
  reads_ok: { action: verify-http, with: { url: "https://${at.region}.example.com" } }
failover:
  - { id: tell, action: notify, with: { message: hello } }
"#;

/// The base with its top-level keys replaced by those of a piece.
fn whole(piece: &str) -> String {
    let parts = |text: &str| {
        let mut parts: Vec<(String, String)> = vec![];
        for line in text.lines().filter(|line| !line.is_empty()) {
            match parts.last_mut() {
                Some((_, part)) if line.starts_with([' ', '-']) => *part += &format!("\n{line}"),
                _ => parts.push((line.split(':').next().unwrap().to_owned(), line.to_owned())),
            }
        }
        parts
    };
    let mut all = parts(BASE);
    for (key, text) in parts(piece) {
        match all.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => *old = text,
            None => all.push((key, text)),
        }
    }
    all.into_iter().map(|(_, text)| text + "\n").collect()
}

fn load_text(text: impl AsRef<[u8]>) -> Loaded {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    parse("test.yaml", text.as_ref(), Some(&folder))
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|d| d.code).collect()
}

/// Loads it, within the limits that hold for every file, and says what was found.
fn quickly(bytes: impl AsRef<[u8]>) -> Vec<&'static str> {
    let start = Instant::now();
    let loaded = load_text(bytes);
    // A debug build on a busy machine is many times slower than the second that is promised.
    assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
    codes(&loaded)
}

/// What no piece of YAML can show.
fn special(code: &str) -> Option<Vec<u8>> {
    Some(match code {
        "LB0102" => b"name: caf\xe9\n".to_vec(),
        "LB0103" => vec![b'#'; 50 << 20],
        "LB0104" => "[".repeat(100_000).into_bytes(),
        "LB0105" => bomb(30, 10).into_bytes(),
        "LB0106" => b"# nothing\n".to_vec(),
        "LB0108" => b"- a\n- b\n".to_vec(),
        "LB0114" => (0..500).fold(String::new(), |text, i| text + &format!("wrong{i}: 1\n")).into_bytes(),
        _ => return None,
    })
}

/// Aliases that repeat each other.
fn bomb(levels: usize, width: usize) -> String {
    let mut text = "x_0: &a0 [lol, lol]\n".to_owned();
    for level in 1..levels {
        let aliases = vec![format!("*a{}", level - 1); width].join(", ");
        text += &format!("x_{level}: &a{level} [{aliases}]\n");
    }
    text
}

fn rows() -> impl Iterator<Item = &'static CodeRow> {
    CODES.iter()
}

#[test]
fn every_code_is_triggered_by_its_example_and_not_by_the_mended_one() {
    for row in rows() {
        let wrong = special(row.code).unwrap_or_else(|| whole(row.wrong).into_bytes());
        let found = quickly(wrong);
        assert!(found.contains(&row.code), "{}: {found:?}", row.code);
        if row.code != "LB0114" && row.code != "LB0208" {
            assert!(found.iter().all(|code| *code == row.code), "{} alone: {found:?}", row.code);
        }
        let right = load_text(whole(row.right));
        assert_eq!(right.diagnostics, [], "{}", row.code);
    }
}

#[test]
fn the_bundled_runbook_loads_without_a_word() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/warm-standby.yaml");
    let loaded = load(&file).unwrap();
    assert_eq!(loaded.diagnostics, []);
    let runbook = loaded.runbook.unwrap();
    assert_eq!(runbook.failover.len(), 17);
    assert!(runbook.mirrored);
}
