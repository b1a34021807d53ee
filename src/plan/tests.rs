//! What a plan says about its run as a whole.

use super::{Plan, Request, draft};
use crate::{
    check::Checked,
    clock::Timestamp,
    ids::{RunId, SiteName},
    model::{Direction, Mode},
    syntax,
};
use std::collections::BTreeMap;

fn plan(mode: Mode, steps: &str) -> Plan {
    let head = "version: 1\nname: t\nsites: { ohio: { region: us-east-2 }, oregon: { region: us-west-2 } }\nprimary: ohio\nstandby: oregon\n";
    let loaded = syntax::parse("t.yaml", format!("{head}{steps}").as_bytes(), None);
    let runbook = loaded.runbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let request = Request {
        run: RunId::new("r1"),
        direction: Direction::Failover,
        mode,
        from: SiteName::new("ohio"),
        to: SiteName::new("oregon"),
        parameters: BTreeMap::new(),
        incident: None,
        folder: String::new(),
        file: "t.yaml".into(),
        now: Timestamp(1_000_000),
    };
    draft(&Checked::unproven(runbook), &request).unwrap()
}

#[test]
fn the_variables_of_all_commands_that_will_run_are_known_beforehand() {
    let steps = "failover:
  - { id: lock, action: exec, with: { command: [ci, lock], environment: [CI_TOKEN, CI_URL] }, undo: { action: exec, with: { command: [ci, unlock], environment: [UNLOCK] } } }
  - { id: tell, action: exec, with: { command: [tell], environment: [PAGER] }, emergency: skip }
finally:
  - { id: note, action: exec, with: { command: [note], environment: [NOTES], impact: safe } }
";
    assert_eq!(
        Vec::from_iter(plan(Mode::Planned, steps).environment()),
        ["CI_TOKEN", "CI_URL", "NOTES", "PAGER", "UNLOCK"]
    );
    assert_eq!(Vec::from_iter(plan(Mode::Emergency, steps).environment()), ["CI_TOKEN", "CI_URL", "NOTES", "UNLOCK"]);
}
