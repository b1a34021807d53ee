//! Each check, by the smallest change to a good runbook that it must find, and nothing beside it.

use super::{CODES, check};
use crate::{
    diagnostic::{Diagnostic, SourceMap, any_error},
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
    assert_eq!(loaded.diagnostics, [], "the syntax is sound");
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
fn each_check_finds_its_smallest_case_and_underlines_it() {
    let mut out = String::new();
    for (edits, expected) in BROKEN {
        let (checked, found, source) = judged(&edited(edits));
        let shown: Vec<_> = found
            .iter()
            .map(|d| (d.code, source.text[source.bytes(&d.labels[0])].lines().next().unwrap_or("")))
            .collect();
        if shown != *expected {
            out += &format!("{edits:?}\n   {shown:?}\n");
        }
        assert_eq!(checked, !any_error(&found), "{edits:?}");
    }
    assert_eq!(out, "", "what was found instead");
}

#[test]
fn every_label_stands_on_a_node_of_the_file_and_every_finding_helps() {
    for (edits, _) in BROKEN {
        let (_, found, source) = judged(&edited(edits));
        for d in &found {
            for label in &d.labels {
                assert!(source.values.contains_key(&label.path), "{}: {}", d.code, label.path.0);
            }
            assert!(d.help.is_some() && !d.labels[0].text.is_empty(), "{d:?}");
        }
    }
}

#[test]
fn every_code_is_explained_by_an_example_that_has_it() {
    let mut told = BTreeSet::new();
    for row in CODES {
        assert_eq!(GOOD.matches(row.right).count(), 1, "{}: the right piece stands in the good runbook", row.code);
        let (_, found, _) = judged(&GOOD.replace(row.right, row.wrong));
        assert!(found.iter().any(|d| d.code == row.code), "{}: {found:?}", row.code);
        assert!(told.insert(row.code), "{} is explained twice", row.code);
    }
    let found = BROKEN.iter().flat_map(|(_, found)| *found).map(|(code, _)| *code);
    assert_eq!(found.collect::<BTreeSet<_>>(), told, "codes that are found and codes that are explained");
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
    (&[("lock, needs: [declare]", "lock, needs: [soak]")], &[("LB0401", "[soak]")]),
    (&[("drained, needs: [freeze]", "drained, needs: [freeze, drained]")], &[("LB0402", "drained")]),
    (&[("id: unlock,", "id: unlock, when: \"mode == 'soon'\",")], &[("LB0403", "unlock")]),
    (&[("id: fence,", "id: fence, planned: skip, emergency: skip,")], &[("LB0403", "fence")]),
    (&[("id: fence,", "id: fence, when: \"1 < 2\",")], &[("LB0404", "\"1 < 2\"")]),
    (&[("failback: mirror", "failback: []")], &[("LB0403", "data_test"), ("LB0405", "failover")]),
    (&[("failback: mirror", "x_failback: mirror")], &[("LB0403", "data_test"), ("LB0405", "failover")]),
    (&[("reprotect:", "x_reprotect:")], &[("LB0406", "promote")]),
    // Outputs.
    (
        &[("agree, action", "agree, needs: [fence], action")],
        &[("LB0411", "\"Replace it? ${steps.keep_tail.snapshot} holds the rest.\"")],
    ),
    (
        &[("keep_tail, action", "keep_tail, emergency: skip, action")],
        &[("LB0412", "\"Replace it? ${steps.keep_tail.snapshot} holds the rest.\"")],
    ),
    (
        &[("keep_tail, action", "keep_tail, when: \"parameters.careful\", action")],
        &[("LB0412", "\"Replace it? ${steps.keep_tail.snapshot} holds the rest.\"")],
    ),
    (
        &[("keep_tail, action", "keep_tail, on_failure: continue, action")],
        &[("LB0412", "\"Replace it? ${steps.keep_tail.snapshot} holds the rest.\"")],
    ),
    (&[("[./ci, unlock]", "[./ci, unlock, \"${steps.lag.lag}\"]")], &[("LB0412", "\"${steps.lag.lag}\"")]),
    (
        &[("id: lag,", "id: lag, only: failback,")],
        &[("LB0412", "\"Promote, about ${steps.lag.loss} lost?\""), ("LB0616", "promote")],
    ),
    // Freeze, drain, fence.
    (
        &[("run: best-effort, needs: [declare], timeout: 45s", "needs: [declare], on_failure: continue, timeout: 45s")],
        &[("LB0506", "freeze")],
    ),
    (
        &[("    skippable: false\n", "    skippable: false\n    planned: { run: best-effort, timeout: 9s }\n")],
        &[("LB0501", "promote-replica")],
    ),
    (
        &[("    skippable: false\n", "    skippable: false\n    on_failure: continue\n")],
        &[("LB0501", "promote-replica")],
    ),
    (
        &[("    skippable: false\n", "    skippable: false\n    only: failover\n")],
        &[("LB0501", "promote-replica"), ("LB0505", "promote-replica")],
    ),
    (
        &[("needs: [drained]", "needs: [declare]")],
        &[("LB0501", "promote-replica"), ("LB0509", "undo"), ("LB0509", "undo"), ("LB0531", "freeze")],
    ),
    (&[("drained: true, proof: lsn", "max_lag: 1s")], &[("LB0502", "promote-replica")]),
    (&[("needs: [drained]", "needs: [freeze]")], &[("LB0502", "promote-replica"), ("LB0509", "undo")]),
    (&[("proof: lsn", "proof: metric")], &[("LB0503", "metric")]),
    (&[(", proof: lsn", "")], &[("LB0503", "{ drained: true }")]),
    (
        &[(
            "  - { id: writable,",
            "  - { id: reopen, needs: [freeze], action: unfreeze-writes, resource: orders, at: from }\n  - { id: writable,",
        )],
        &[("LB0504", "unfreeze-writes")],
    ),
    (&[("action: quarantine,", "action: snapshot, with: { name: x },")], &[("LB0504", "unfreeze-writes")]),
    (
        &[(
            "emergency: { run: best-effort, needs: [declare], timeout: 45s, hold: { max: 15m, then: page } }",
            "emergency: skip",
        )],
        &[("LB0505", "promote-replica")],
    ),
    // Traffic.
    (&[("shift, needs: [writable]", "shift, needs: [scale]")], &[("LB0507", "shift-traffic")]),
    (
        &[(
            "writable, needs: [promote, scale], verify: [writes_ok]",
            "writable, needs: [promote], action: notify, with: { message: hi }",
        )],
        &[("LB0508", "shift-traffic")],
    ),
    // Undo.
    (&[("expect: 8m", "expect: 8m\n    on_failure: undo")], &[("LB0509", "undo")]),
    (&[("id: writable,", "id: writable, on_failure: undo,")], &[("LB0509", "undo")]),
    (
        &[("id: shift,", "id: shift, confirm: { message: Sure?, timeout: 1m, on_timeout: undo },")],
        &[("LB0509", "undo")],
    ),
    (
        &[("id: shift,", "id: shift, undo: { action: exec, with: { command: [x] } }, hold: { max: 1m, then: undo },")],
        &[("LB0509", "undo")],
    ),
    (&[("hold: { max: 15m, then: page }", "hold: { max: 15m, then: undo }")], &[]),
    (&[("expect: 8m", "expect: 8m\n    undo: { with: {} }")], &[("LB0511", "{ with: {} }")]),
    (&[("id: lock,", "id: lock, undo: unfreeze-writes,")], &[("LB0512", "unfreeze-writes")]),
    (
        &[("undo: { with: { to: resting } }", "undo: { action: exec, with: { command: [x], impact: irreversible } }")],
        &[("LB0513", "{ action: exec, with: { command: [x], impact: irreversible } }")],
    ),
    // Finally, best effort, retries.
    (&[(", impact: safe", "")], &[("LB0514", "exec")]),
    (&[("id: unlock,", "id: unlock, confirm: Sure?,")], &[("LB0515", "Sure?")]),
    (&[("    skippable: false\n", "")], &[("LB0516", "freeze")]),
    (&[("on_failure: undo, skippable: false", "on_failure: undo")], &[("LB0516", "drained")]),
    (&[("best-effort, timeout: 20s", "best-effort"), ("timeout: 1m, ", "")], &[("LB0517", "{ run: best-effort }")]),
    (
        &[("    emergency: { confirm", "    emergency: { run: best-effort, confirm")],
        &[
            (
                "LB0518",
                "{ run: best-effort, confirm: { message: \"Promote, about ${steps.lag.loss} lost?\", timeout: 10m, on_timeout: page } }",
            ),
            ("LB0531", "freeze"),
        ],
    ),
    (
        &[(
            "  - { id: soak,",
            "  - { id: drop, action: exec, with: { command: [x], impact: irreversible }, retry: { attempts: 3 } }\n  - { id: soak,",
        )],
        &[("LB0519", "{ attempts: 3 }")],
    ),
    // Parameter groups.
    (&[("parameter_group: orders-ohio", "parameter_group: default.postgres16")], &[("LB0520", "default.postgres16")]),
    (
        &[
            (
                "  web:\n",
                "  stock: { kind: rds-instance, sites: { ohio: { identifier: stock, parameter_group: orders-ohio } } }\n  web:\n",
            ),
            ("strategy: warm-standby\n", ""),
        ],
        &[("LB0520", "orders-ohio")],
    ),
    // Holds.
    (&[("    hold: { max: 5m, then: undo }\n", ""), (", hold: { max: 15m, then: page }", "")], &[("LB0530", "freeze")]),
    (&[("    undo: unfreeze-writes\n", ""), ("max: 5m, then: undo", "max: 5m, then: page")], &[("LB0531", "freeze")]),
    (
        &[("fence, action: freeze-writes", "fence, hold: { max: 1h, then: page }, action: freeze-writes")],
        &[("LB0531", "fence")],
    ),
    (&[("id: quarantine,", "id: quarantine, hold: { max: 1h, then: page },")], &[("LB0531", "quarantine")]),
    (&[("    undo: unfreeze-writes\n", "")], &[("LB0532", "undo")]),
    (&[("id: drained,", "id: drained, confirm: Sure?,")], &[("LB0533", "Sure?")]),
    (
        &[("id: drained,", "id: drained, confirm: { message: Sure?, timeout: 1m, on_timeout: page },")],
        &[("LB0533", "page")],
    ),
    (&[("id: drained,", "id: drained, confirm: { message: Sure?, timeout: 1m, on_timeout: undo },")], &[]),
    (&[("max: 5m", "max: 2m")], &[("LB0534", "2m")]),
    // Time.
    (&[(", milestone: service-restored", "")], &[("LB0601", "failover")]),
    (
        &[("id: soak,", "id: soak, milestone: service-restored,")],
        &[("LB0602", "service-restored"), ("LB0603", "service-restored")],
    ),
    (&[("rto: 1h", "rto: 30m")], &[("LB0603", "service-restored")]),
    (&[("expect: 4m", "expect: 14m")], &[("LB0604", "14m")]),
    (&[("write_outage: 20m", "write_outage: 10m")], &[("LB0605", "10m")]),
    (&[("timeout: 45s", "timeout: 90s")], &[("LB0606", "promote")]),
    // Advice.
    (&[("action: shift-traffic, resource: www", "action: notify, with: { message: hi }")], &[("LB0611", "www")]),
    (&[("id: data_test,", "id: data_test, planned: skip,")], &[("LB0612", "promote")]),
    (&[("region: us-west-2", "region: us-east-2")], &[("LB0613", "us-east-2")]),
    (&[("region: us-west-2", "region: us-east-1")], &[("LB0614", "us-east-1")]),
    (&[("action: reverse-replication", "action: snapshot, with: { name: x }")], &[("LB0615", "reprotect")]),
    // Triggers.
    (&[("to: oregon\n", "to: ohio\n")], &[("LB0701", "ohio")]),
    (
        &[("hold: 3m", "hold: 0s")],
        &[("LB0702", "{ alarm: \"arn:aws:cloudwatch:us-east-2:111122223333:alarm:writes\", silence: alarm }")],
    ),
    (&[("hold: 3m", "hold: 0s"), ("quorum: 1", "quorum: 2")], &[]),
    (
        &[(", silence: alarm }", " }")],
        &[("LB0703", "{ alarm: \"arn:aws:cloudwatch:us-east-2:111122223333:alarm:writes\" }")],
    ),
    (&[("    autonomy: safe\n    disruptive_if: { from: unreachable }\n", "")], &[("LB0704", "region_lost")]),
    (&[("autonomy: safe", "autonomy: full")], &[("LB0705", "{ from: unreachable }")]),
    (&[("    autonomy: safe\n", "    autonomy: full\n"), ("    disruptive_if: { from: unreachable }\n", "")], &[]),
    (&[("quorum: 1", "quorum: 3")], &[("LB0706", "3")]),
    (
        &[(
            "- { probe: site_answers, is: failing }",
            "- { alarm: \"arn:aws:cloudwatch:us-east-2:111122223333:alarm:writes\", silence: ok }",
        )],
        &[
            ("LB0706", "{ alarm: \"arn:aws:cloudwatch:us-east-2:111122223333:alarm:writes\", silence: ok }"),
            ("LB0707", "quorum: 1"),
        ],
    ),
    (&[("        - { probe: site_answers, is: failing }\n", "")], &[("LB0707", "quorum: 1")]),
];
