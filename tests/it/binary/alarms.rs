//! Failovers that begin without people: from an alarm to a run, by the real program in the sandbox.

use super::{Home, MAX};
use lifeboat::clock::Span;
use std::{io::Write as _, process::Stdio};

const A: &str = "arn:aws:cloudwatch:us-west-2:111122223333:alarm:orders-down";
const B: &str = "arn:aws:cloudwatch:us-west-2:111122223333:alarm:canary-down";

/// The bundled runbook with a trigger of two alarms.
fn home(policy: &str) -> Home {
    home_but(policy, &[])
}

/// The same, changed.
fn home_but(policy: &str, changes: &[(&str, &str)]) -> Home {
    let trigger = format!(
        "triggers:\n  - name: region_lost\n    when: {{ of: [{{ alarm: \"{A}\" }}, {{ alarm: \"{B}\" }}] }}\n    {policy}\n\nfailover:\n"
    );
    let trigger = format!("\n{trigger}");
    Home::with(&[&[("\nfailover:\n", trigger.as_str())], changes].concat())
}

/// One message on standard input, followed to its end.
fn says(home: &Home, alarm: &str, state: &str, second: u64, more: &str) -> super::Ran {
    let changed = home.began + Span::secs(second);
    let body = format!(
        r#"{{"AlarmName":"x","AlarmArn":"{alarm}","NewStateValue":"{state}","OldStateValue":"OK","NewStateReason":"test","StateChangeTime":"{changed}"}}"#
    );
    let mut command = home.command(&format!("watch RUNBOOK --stdin {MAX} --seed 1 {more}"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    super::Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn runs(home: &Home) -> i64 {
    home.counts()[0]
}

#[test]
fn a_drill_goes_the_whole_way_from_a_synthetic_alarm() {
    let home = home("hold: 3m\n    autonomy: full\n    mode: emergency\n    accept_data_loss: 1m");
    home.run(&format!("drill RUNBOOK --trigger region_lost --yes --accept promote {MAX} --seed 1")).ends(0);
    assert_eq!(home.active(), "ohio", "there, and by people back");
    let told = home.run("watch --explain --sandbox").ends(0);
    let told = told.says("orders-down OK -> ALARM").says("looked at again").says("starts the emergency failover");
    told.says("began, as note");
    assert_eq!(runs(&home), 4);
}

#[test]
fn one_alarm_of_two_starts_nothing_and_both_start_one_run() {
    let home = home("hold: 3m\n    autonomy: full\n    accept_data_loss: 1m");
    says(&home, A, "ALARM", 1, "").ends(0);
    assert_eq!(runs(&home), 0);
    home.run("watch --explain --sandbox").ends(0).says("did nothing, because 1 of 2 needed");
    let ran = says(&home, B, "ALARM", 2, "");
    assert!([0, 24, 25].contains(&ran.code), "{}\n{}", ran.out, ran.err);
    assert_eq!((runs(&home), home.active().as_str()), (1, "oregon"));
    home.run("show --sandbox").ends(0).says("for trigger region_lost");
    // The same once more, as a queue delivers twice.
    says(&home, B, "ALARM", 2, "").ends(0);
    assert_eq!(runs(&home), 1);
}

#[test]
fn brake_cooldown_and_an_unacknowledged_run_each_prevent_a_start_and_say_so() {
    let home = home("hold: 3m\n    autonomy: full\n    accept_data_loss: 1m\n    cooldown: 0s");
    home.run("brake --reason maintenance --sandbox").ends(0).says("the brake is on");
    says(&home, A, "ALARM", 1, "").ends(0);
    says(&home, B, "ALARM", 2, "").ends(0).says("prevented: ada put the brake on");
    assert_eq!(runs(&home), 0);
    home.run("release --reason done --sandbox").ends(0).says("the brake is off");
    says(&home, B, "OK", 3, "").ends(0);
    says(&home, B, "ALARM", 4, "");
    assert_eq!(runs(&home), 1);
    says(&home, B, "OK", 5, "").ends(0);
    says(&home, B, "ALARM", 6, "").ends(0).says("nobody has acknowledged it");
    home.run("acknowledge --sandbox").ends(0).says("is acknowledged");
    says(&home, B, "OK", 7, "").ends(0);
    says(&home, B, "ALARM", 8, "").says("the standby already serves");
    assert_eq!(runs(&home), 1);

    let cooling = super::alarms::home("hold: 3m\n    autonomy: full\n    accept_data_loss: 1m");
    says(&cooling, A, "ALARM", 1, "").ends(0);
    says(&cooling, B, "ALARM", 2, "");
    says(&cooling, B, "OK", 3, "").ends(0);
    says(&cooling, B, "ALARM", 4, "").ends(0).says("cooldown 1h");
    assert_eq!(runs(&cooling), 1);
}

#[test]
fn a_failover_of_a_person_that_is_under_way_prevents_a_start_and_says_so() {
    let home = home("hold: 3m\n    autonomy: full\n    accept_data_loss: 1m");
    home.run(&format!("failover RUNBOOK --planned {MAX} --accept promote --seed 1")).ends(23);
    says(&home, A, "ALARM", 1, "").ends(0);
    says(&home, B, "ALARM", 2, "").ends(0).says("prevented: a failover is under way");
    assert_eq!(runs(&home), 1);
    home.run("watch --explain --sandbox").ends(0).says("prevented: a failover is under way");
}

#[test]
fn an_unfinished_reprotect_gives_way() {
    // Its replica is there and has caught up: what is left of it can wait.
    let rest = "- { id: rest, action: scale,";
    let asks = format!("{rest} confirm: {{ message: Rest? }},");
    let home = home_but("hold: 3m\n    autonomy: full\n    accept_data_loss: 1m", &[(rest, &asks)]);
    for home_again in ["failover RUNBOOK --planned", "failback RUNBOOK --no-reprotect"] {
        let ran = home.run(&format!("{home_again} {MAX} --accept promote --yes --seed 1"));
        assert!([0, 24, 25].contains(&ran.code), "{}\n{}", ran.out, ran.err);
    }
    home.run(&format!("reprotect RUNBOOK {MAX} --seed 1")).ends(23);
    home.run("approve --sandbox").ends(0);
    home.run(&format!("resume {MAX}")).ends(23).says("Rest?");
    let (unfinished, before) = (home.last_run(), runs(&home));
    says(&home, A, "ALARM", 1, "").ends(0);
    // By then those alarms are hours old, so that nobody knows the lag of that moment: a person is asked.
    says(&home, B, "ALARM", 2, "").ends(23).says("It is not known how many writes would be lost");
    assert_eq!(runs(&home), before + 1);
    home.run(&format!("show {unfinished} --sandbox")).ends(0).says("a trigger starts a failover");
}

#[test]
fn a_run_that_may_only_do_what_is_safe_waits_for_approval_and_goes_on_by_it() {
    let home = home("hold: 3m\n    autonomy: safe\n    accept_data_loss: 1m");
    says(&home, A, "ALARM", 1, "").ends(0);
    says(&home, B, "ALARM", 2, "").ends(23).says("All that is left needs a person");
    let frozen = home.lived().applied.get("ModifyDBParameterGroup").copied().unwrap_or_default();
    assert_eq!(frozen, 0, "nothing disruptive was sent");
    home.run("approve --sandbox").ends(0).says("answered yes");
    let ran = home.run(&format!("resume {MAX} --accept promote --yes"));
    assert!([0, 24, 25].contains(&ran.code), "{}\n{}", ran.out, ran.err);
    assert_eq!(home.active(), "oregon");
}

#[test]
fn a_trigger_can_be_pulled_by_hand_once() {
    let home = home("hold: 3m\n    autonomy: full\n    accept_data_loss: 1m");
    home.run(&format!("trigger RUNBOOK nothing --reason drill {MAX} --seed 1")).ends(2).says("there are: region_lost");
    let pull = format!("trigger RUNBOOK region_lost --reason drill {MAX} --seed 1");
    home.run(&pull).ends(23).says("of writes would be lost");
    home.run(&pull).ends(10).says("a failover is under way");
    assert_eq!(runs(&home), 1);
    home.run("show --sandbox").ends(0).says("by hand: ada: drill");
    home.run("watch --explain --sandbox").ends(0).says("by hand: ada: drill");
}

#[test]
fn to_explain_where_nothing_was_decided_makes_nothing() {
    let home = home("autonomy: full");
    home.run("watch --explain --sandbox").ends(0).says("nothing was decided yet");
    assert!(!home.path().join("sandbox-watch.db").exists());
}

#[test]
fn what_is_no_alarm_is_refused_in_a_sentence() {
    let home = home("autonomy: full");
    let mut command = home.command(&format!("watch RUNBOOK --stdin {MAX}"));
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"hello\": 1}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
