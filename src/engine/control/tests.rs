//! What becomes of what people ask.

use super::super::tests::Run;
use crate::event::Control;

#[test]
fn what_a_newer_lifeboat_asks_is_refused_and_keeps_nobody_else_waiting() {
    let control: Control = serde_json::from_str(r#"{"control":"dance","with":"ada"}"#).unwrap();
    let mut run = Run::planned("failover: [{ id: cut, action: exec, with: { command: [cut] } }]");
    run.turn();
    assert_eq!(run.control(control), ["control_received"]);
    assert_eq!(run.control(Control::Pause), ["control_received", "run_paused"]);
}
