//! Each check, by the smallest change to a good runbook that it must find, and nothing beside it.

use super::{check, codes::CODES};
use crate::{
    diagnostic::{Diagnostic, Path, SourceMap},
    syntax::parse,
};
use std::collections::BTreeSet;

const GOOD: &str = include_str!("good.yaml");

/// A change to the good runbook: text that stands in it once, and what replaces it.
type Edit = (&'static str, &'static str);

/// The edits, and the code and the underlined text of each finding, in any order.
type Broken = (&'static [Edit], &'static [(&'static str, &'static str)]);

fn judged(text: &str) -> (bool, Vec<Diagnostic>, SourceMap) {
    let loaded = parse("good.yaml", text.as_bytes(), None);
    let runbook = loaded.runbook.unwrap_or_else(|| panic!("misshapen: {:#?}", loaded.diagnostics));
    let (checked, found) = check(&runbook);
    (checked.is_some(), found, loaded.source)
}

fn edited(edits: &[Edit]) -> String {
    edits.iter().fold(GOOD.to_owned(), |text, (old, new)| {
        assert_eq!(text.matches(old).count(), 1, "`{old}` must stand there once");
        text.replace(old, new)
    })
}

#[test]
fn dump() {
    for (edits, _) in BROKEN {
        let (_, found, source) = judged(&edited(edits));
        println!("=== {edits:?}");
        for d in found {
            println!("{} {:?} {}", d.code, d.severity, d.message);
            for l in &d.labels {
                let b = source.bytes(l);
                let exact = source.values.contains_key(&l.path) || source.keys.contains_key(&l.path);
                println!(
                    "    {} {} [{}] <- {}",
                    if exact { "==" } else { "~~" },
                    l.path.0,
                    source.text[b].lines().next().unwrap_or(""),
                    l.text
                );
            }
            println!("    help: {}", d.help.unwrap_or_default());
        }
    }
}

#[test]
fn the_good_runbook_is_good() {
    assert_eq!(judged(GOOD).1, []);
    assert!(judged(GOOD).0);
}

#[test]
fn the_bundled_runbook_is_good() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/warm-standby.yaml")).unwrap();
    assert_eq!(judged(&text).1, []);
}

const BROKEN: &[Broken] = &[
    // Order.
    (&[("lock, needs: [declare]", "lock, needs: [soak]")], &[("LB0401", "")]),
    (&[("drained, needs: [freeze]", "drained, needs: [freeze, frieze]")], &[("LB0402", "")]),
    (&[("drained, needs: [freeze]", "drained, needs: [freeze, fence]")], &[("LB0403", "")]),
    (&[("drained, needs: [freeze]", "drained, needs: [freeze, drained]")], &[("LB0404", "")]),
    (&[("id: unlock,", "id: unlock, when: \"mode == 'soon'\",")], &[("LB0405", "")]),
    (&[("id: fence,", "id: fence, planned: skip, emergency: skip,")], &[("LB0405", "")]),
    (&[("failback: mirror", "failback: []\nx_ignored: 1")], &[]),
    (&[("id: fence,", "id: fence, when: \"1 < 2\",")], &[("LB0406", "")]),
    (&[("failback: mirror\n", "")], &[("LB0408", ""), ("LB0405", "")]),
    // Outputs.
    (
        &[
            ("soak, action", "soak, needs: [moved], name: \"${steps.lag.lag}\", action"),
            ("declare, action", "declare, needs: [], action"),
        ],
        &[],
    ),
    (&[("agree, action", "agree, needs: [fence], action")], &[("LB0411", "")]),
    (&[("keep_tail, action", "keep_tail, emergency: skip, action")], &[("LB0412", "")]),
    (&[("keep_tail, action", "keep_tail, when: \"parameters.careful\", action")], &[("LB0412", "")]),
    (&[("keep_tail, action", "keep_tail, on_failure: continue, action")], &[("LB0412", "")]),
    (&[("id: lag,", "id: lag, planned: { run: best-effort, timeout: 9s },")], &[("LB0412", "")]),
    (&[("[./ci, unlock]", "[./ci, unlock, \"${steps.lag.lag}\"]")], &[("LB0412", "")]),
    // Safety.
    (
        &[(
            "emergency: { run: best-effort, needs: [declare], timeout: 45s, hold",
            "planned: skip\n    emergency: { run: run, needs: [declare], timeout: 45s, hold",
        )],
        &[("LB0501", "")],
    ),
    (&[("needs: [drained]", "needs: [declare]")], &[("LB0501", "")]),
    (&[("drained: true, proof: lsn", "max_lag: 1s")], &[("LB0502", "")]),
    (&[("needs: [drained]", "needs: [freeze]")], &[("LB0502", "")]),
    (&[("proof: lsn", "proof: metric")], &[("LB0503", "")]),
    (
        &[(
            "  - { id: writable,",
            "  - { id: reopen, needs: [freeze], action: unfreeze-writes, resource: orders, at: from }\n  - { id: writable,",
        )],
        &[("LB0504", "")],
    ),
    (
        &[
            ("  - { id: quarantine, action: quarantine, resource: orders }\n", ""),
            ("  - { id: retire, action: retire, resource: orders, with: { rename: \"old-${run.id}\" } }\n", ""),
        ],
        &[("LB0504", "")],
    ),
    (
        &[(
            "emergency: { run: best-effort, needs: [declare], timeout: 45s, hold: { max: 15m, then: page } }",
            "emergency: skip",
        )],
        &[("LB0505", "")],
    ),
    (
        &[(
            "emergency: { run: best-effort, needs: [declare], timeout: 45s, hold",
            "emergency: { needs: [declare], timeout: 45s, hold",
        )],
        &[("LB0506", "")],
    ),
    (&[("id: shift, needs: [writable]", "id: shift, needs: [scale]")], &[("LB0507", "")]),
    (
        &[
            (
                "writable, needs: [promote, scale], verify: [writes_ok]",
                "writable, needs: [promote], action: notify, with: { message: hi }",
            ),
            ("[lock, scale]", "[lock]"),
        ],
        &[("LB0508", "")],
    ),
    (&[("expect: 8m", "expect: 8m\n    on_failure: undo")], &[("LB0509", "")]),
    (&[("id: writable,", "id: writable, on_failure: undo,")], &[("LB0509", "")]),
    (&[("id: shift,", "id: shift, confirm: { message: Sure?, timeout: 1m, on_timeout: undo },")], &[("LB0509", "")]),
    (&[("hold: { max: 15m, then: page }", "hold: { max: 15m, then: undo }")], &[]),
    (
        &[("id: shift,", "id: shift, undo: { action: exec, with: { command: [x] } }, hold: { max: 1m, then: undo },")],
        &[("LB0509", "")],
    ),
    (&[("expect: 8m", "expect: 8m\n    undo: { with: {} }")], &[("LB0511", "")]),
    (&[("undo: unfreeze-writes", "undo: scale")], &[("LB0512", "")]),
    (
        &[("undo: { with: { to: resting } }", "undo: { action: exec, with: { command: [x], impact: irreversible } }")],
        &[("LB0513", "")],
    ),
    (&[(", impact: safe", "")], &[("LB0514", "")]),
    (&[("id: unlock,", "id: unlock, confirm: Sure?,")], &[("LB0515", "")]),
    (&[("    skippable: false\n", "")], &[("LB0516", "")]),
    (&[("best-effort, timeout: 20s", "best-effort"), ("timeout: 1m, ", "")], &[("LB0517", "")]),
    (
        &[(
            "expect: 8m\n    timeout: 20m\n    emergency: {",
            "expect: 8m\n    timeout: 30s\n    emergency: { run: best-effort, ",
        )],
        &[("LB0518", "")],
    ),
    (
        &[(
            "id: soak,",
            "id: drop, action: exec, with: { command: [x], impact: irreversible }, retry: { attempts: 3 } }\n  - { id: soak,",
        )],
        &[("LB0519", "")],
    ),
    (&[("parameter_group: orders-ohio", "parameter_group: default.postgres16")], &[("LB0520", "")]),
    (
        &[
            (
                "    connection: {",
                "    connection: { database: orders, user: lifeboat }\n  stock:\n    kind: rds-instance\n    sites: { ohio: { identifier: stock, parameter_group: orders-ohio } }\n    x_connection: {",
            ),
            ("strategy: warm-standby\n", ""),
        ],
        &[("LB0520", "")],
    ),
    (&[(", parameter_group: orders-oregon", "")], &[("LB0521", "")]),
    (&[(", quarantine_security_groups: [sg-0b]", "")], &[("LB0521", "")]),
    (&[("    connection: {", "    x_connection: {")], &[("LB0521", "")]),
    // Holds.
    (&[("    hold: { max: 5m, then: undo }\n", ""), (", hold: { max: 15m, then: page }", "")], &[("LB0530", "")]),
    (&[("    undo: unfreeze-writes\n", ""), ("max: 5m, then: undo", "max: 5m, then: page")], &[("LB0531", "")]),
    (&[("fence, action: freeze-writes", "fence, hold: { max: 1h, then: page }, action: freeze-writes")], &[]),
    (&[("id: quarantine,", "id: quarantine, hold: { max: 1h, then: page },")], &[("LB0531", "")]),
    (&[("    undo: unfreeze-writes\n", "")], &[("LB0532", "")]),
    (&[("id: drained,", "id: drained, confirm: Sure?,")], &[("LB0533", "")]),
    (
        &[("id: drained,", "id: drained, confirm: { message: Sure?, timeout: 1m, on_timeout: page },")],
        &[("LB0533", "")],
    ),
    (&[("max: 5m", "max: 2m")], &[("LB0534", "")]),
    // Time and advice.
    (&[(", milestone: service-restored", "")], &[("LB0601", "")]),
    (&[("id: soak,", "id: soak, milestone: service-restored,")], &[("LB0602", ""), ("LB0603", "")]),
    (&[("rto: 1h", "rto: 30m")], &[("LB0603", "")]),
    (&[("expect: 4m", "expect: 14m")], &[("LB0604", "")]),
    (&[("write_outage: 20m", "write_outage: 10m")], &[("LB0605", "")]),
    (&[("timeout: 45s", "timeout: 90s")], &[("LB0606", "")]),
    (&[("  - { id: shift,", "  - { id: shift, emergency: skip, planned: skip, ")], &[]),
    (&[("id: data_test,", "id: data_test, emergency: run, planned: skip,")], &[("LB0612", "")]),
    (&[("region: us-west-2", "region: us-east-2")], &[("LB0613", "")]),
    (&[("region: us-west-2", "region: us-east-1")], &[("LB0614", "")]),
    (&[("  - { id: reverse, action: reverse-replication, resource: orders }\n", "")], &[("LB0615", "")]),
    (&[("id: lag,", "id: lag, only: failback,")], &[("LB0616", "")]),
];
