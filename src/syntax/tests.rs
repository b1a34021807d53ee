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
                Some((_, part)) if line.starts_with([' ', '-']) => part.extend(["\n", line]),
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
        "LB0104" => "[\n".repeat(100_000).into_bytes(),
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
        text.extend([format!("x_{level}: &a{level} [{aliases}]\n")]);
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
        if row.code != "LB0114" {
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

/// Codes and the texts that their first places underline.
fn underlined(text: &str) -> Vec<(&'static str, String)> {
    let loaded = load_text(text);
    let at = |d: &Diagnostic| loaded.source.text[loaded.source.bytes(&d.labels[0])].to_owned();
    loaded.diagnostics.iter().map(|d| (d.code, at(d))).collect()
}

#[test]
fn every_code_that_is_used_has_a_row() {
    let known: Vec<_> = rows().map(|row| row.code).collect();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/syntax")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for (at, _) in text.match_indices("\"LB0") {
            let code = &text[at + 1..at + 7];
            assert!(known.contains(&code) || !code[3..].chars().all(|c| c.is_ascii_digit()), "{code}");
        }
    }
}

#[test]
fn places_are_bytes_and_end_with_their_line() {
    let text = whole("owner: { é: ü }   # a mapping\nstrategy: \u{1f600}\ndescription:\n  - é\n  - b\n");
    assert_eq!(
        underlined(&text),
        [("LB0203", "{ é: ü }".to_owned()), ("LB0204", "\u{1f600}".to_owned()), ("LB0203", "- é".to_owned())]
    );
    let windows = whole("owner: 1.10\nstrategy: é\n").replace('\n', "\r\n");
    assert_eq!(underlined(&windows), [("LB0204", "é".to_owned())]);
    assert_eq!(load_text(windows.replace("é", "warm-standby")).runbook.unwrap().owner.unwrap(), "1.10");
}

#[test]
fn hostile_files_are_refused_with_one_problem() {
    let one = |bytes: &str| assert_eq!(quickly(bytes).len(), 1, "{}", &bytes[..20]);
    one(&"- ".repeat(100_000));
    one(&"[".repeat(100_000));
    one(&"{a: ".repeat(50_000));
    one(&"? ".repeat(100_000));
    one(&"a,".repeat(500_000));
    one(&format!("a: [\n{}", "[], [], [], [],\n".repeat(60_000)));
    one(&format!("x_a: &a \"{}\"\nx_b: [{}]\n", "y".repeat(200_000), vec!["*a"; 5000].join(", ")));
    one(&format!("? {}\n: 1", "k".repeat(200_000)).replace("\n: 1", ": 1"));
    one("version: 1\nname: \u{0}\n");
    one("not a runbook at all");
}

#[test]
fn many_wrong_names_cost_no_more_than_few() {
    let steps = |step: &dyn Fn(usize) -> String| {
        let steps: Vec<_> = (0..4000).map(|i| format!("  - {}\n", step(i))).collect();
        whole(&format!("failover:\n{}", steps.concat()))
    };
    for text in [
        steps(&|i| format!("{{ id: s{i}, verify: [p{i}] }}")),
        steps(&|i| format!("{{ id: s{i}, action: freeze-write, resource: r{i}, needs: [n{i}] }}")),
        steps(&|i| format!("{{ id: s{i}, action: notify, with: {{ message: \"${{steps.t{i}.x}}\" }} }}")),
        steps(&|i| format!("{{ id: s{i}, actoin{i}: notify }}")),
    ] {
        let found = quickly(text);
        assert_eq!((found.len(), found.contains(&"LB0114")), (101, true));
    }
}

#[test]
fn overrides_are_merged_before_anything_is_understood() {
    let text = whole(
        "failover:\n  - id: freeze\n    action: freeze-writes\n    resource: orders\n    with: { if_alive_unfenced: ask }\n    hold: { max: 5m, then: undo }\n    undo: unfreeze-writes\n    emergency: { run: best-effort, timeout: 45s, hold: { then: page }, with: { if_alive_unfenced: stop } }\n  - { id: grow, action: scale, resource: web, with: { to: serving, pin: true }, undo: { with: { to: serving } }, planned: skip }\n",
    );
    let runbook = load_text(text).runbook.unwrap();
    let [freeze, grow] = &runbook.failover[..] else { panic!("two steps") };
    assert_eq!(freeze.planned.with["if_alive_unfenced"], "ask");
    assert_eq!(freeze.emergency.with["if_alive_unfenced"], "stop");
    let hold = freeze.emergency.hold.as_ref().unwrap();
    assert_eq!((hold.max.as_str(), hold.then), ("5m", crate::runbook::HoldEnd::Page));
    assert_eq!(freeze.emergency.run, crate::runbook::RunWord::BestEffort);
    assert_eq!(freeze.planned.timeout, None);
    assert_eq!(grow.planned.run, crate::runbook::RunWord::Skip);
    assert_eq!(grow.emergency.run, crate::runbook::RunWord::Run);
    let undo = grow.planned.undo.as_ref().unwrap();
    assert_eq!((undo.action.as_str(), undo.with.len()), ("scale", 1));
}

#[test]
fn a_problem_of_one_mode_says_so_and_one_of_both_is_told_once() {
    let text = whole(
        "failover: [{ id: grow, action: scale, resource: web, with: { to: big }, emergency: { with: { enough: 2 } } }]",
    );
    let messages: Vec<_> = load_text(text).diagnostics.into_iter().map(|d| d.message).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].starts_with("`web` has no size `big`") && !messages[0].contains("emergency"));
    assert!(messages[1].ends_with("in an emergency"));
}

#[test]
fn the_digest_covers_the_files_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = whole("failover: [{ id: hold, action: exec, with: { command: [./tool, x] } }]");
    let digest = || {
        let loaded = parse("test.yaml", text.as_bytes(), Some(folder.path()));
        assert_eq!(loaded.diagnostics, []);
        loaded.runbook.unwrap().digest
    };
    fs::write(folder.path().join("tool"), "one").unwrap();
    let first = digest();
    assert_eq!(first, digest());
    fs::write(folder.path().join("tool"), "two").unwrap();
    assert_ne!(first, digest());
    assert_eq!(first.as_str().len(), 64);
}

#[test]
fn names_that_lead_nowhere_leave_a_runbook_for_further_checks() {
    let loaded = load_text(whole("failover: [{ id: ready, verify: [read_ok] }]"));
    assert_eq!(codes(&loaded), ["LB0303"]);
    assert!(loaded.runbook.is_some());
    assert!(load_text(whole("strategy: nope")).runbook.is_none());
}

#[test]
fn reserved_words_are_answered_wherever_they_are_reserved() {
    let found = load_text(whole(
        "guards: []\nfailover: [{ id: tell, for_each: x, guards: [], action: notify, with: { message: a }, confirm: { message: b, approvers: [c] }, x_mine: 1 }]",
    ));
    assert_eq!(codes(&found), ["LB0209"; 4]);
}

#[test]
fn expressions_are_checked_where_they_stand() {
    let message = |text: &str| {
        let step = format!("{{ id: tell, action: notify, with: {{ message: \"{text}\" }} }}");
        load_text(whole(&format!("failover: [{{ id: lag, action: measure-lag, resource: orders }}, {step}]")))
    };
    for good in [
        "${from.name} ${at.orders.parameter_group} ${standby.region} ${run.id} $${not.one}",
        "${steps.lag.loss | default('unknown')}",
        "${at.account | default('ours')}",
        "${at.orders.quarantine_security_groups[0]}",
        "${'}' if mode == 'planned' else direction}",
    ] {
        assert_eq!(message(good).diagnostics, [], "{good}");
    }
    for (bad, code) in [
        ("${fro.name}", "LB0306"),
        ("${from}", "LB0308"),
        ("${from.orders}", "LB0308"),
        ("${from.orders.identifer}", "LB0306"),
        ("${from.account}", "LB0306"),
        ("${at.orders.kms_key}", "LB0306"),
        ("${objectives.write_outage}", "LB0306"),
        ("${steps['lag'].loss}", "LB0308"),
        ("${steps.lag}", "LB0308"),
        ("${mode.x}", "LB0306"),
        ("${run.idd}", "LB0306"),
        ("${steps.tell.x}", "LB0312"),
        ("${1 +}", "LB0307"),
        ("${", "LB0307"),
    ] {
        assert_eq!(codes(&message(bad)), [code], "{bad}");
    }
}

#[test]
fn the_part_of_an_expression_that_is_wrong_is_underlined() {
    let text = whole(
        "failover: [{ id: tell, action: notify, with: { message: \"to ${to.name | uper} after ${parameters.btch}\" } }]",
    );
    assert_eq!(underlined(&text), [("LB0310", "uper".to_owned()), ("LB0306", "parameters.btch".to_owned())]);
}

#[test]
fn a_text_that_no_terminal_can_show_is_not_shown() {
    let loaded = load_text("[".repeat(100_000));
    assert_eq!((codes(&loaded), loaded.source.text.len()), (vec!["LB0104"], 0));
    assert_eq!(loaded.source.bytes(&loaded.diagnostics[0].labels[0]), 0..0);
}

#[test]
fn no_damage_to_a_runbook_is_more_than_a_problem() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    let text = fs::read_to_string(folder.join("warm-standby.yaml")).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    for (i, line) in lines.iter().enumerate().step_by(3) {
        let middle = line.len() / 2;
        for damaged in
            ["", &line[..middle], &line.replace(": ", ": x"), &line.replace(", ", ", ["), &line.replace("${", "${ (")]
        {
            let mut all = lines.clone();
            all[i] = damaged;
            let loaded = parse("test.yaml", all.join("\n").as_bytes(), Some(&folder));
            assert!(loaded.runbook.is_some() || !loaded.diagnostics.is_empty(), "{damaged}");
        }
    }
}
