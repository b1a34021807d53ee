//! Every message of the world through every way in: the queue, the HTTP door, standard input.

use crate::{
    http::{self, Message},
    tower::{TOKEN, Tower, now},
};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
};

/// What becomes of a message that comes from who may send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is an alarm's, and is written down.
    Heard,
    /// It is somebody's who means well, and nothing follows.
    Ignored,
    /// It is none.
    Refused,
}

use Fate::{Heard, Ignored, Refused};

macro_rules! payload {
    ($name:literal, $fate:expr) => {
        ($name, include_str!(concat!("../../src/alarm/payloads/", $name, ".json")), $fate)
    };
}

const WORLD: &[(&str, &str, Fate)] = &[
    payload!("metric-raw", Heard),
    payload!("metric-in-sns", Heard),
    payload!("metric-in-sns-spelled-by-lambda", Heard),
    payload!("metric-math", Heard),
    payload!("composite", Heard),
    payload!("composite-without-children", Heard),
    payload!("log", Heard),
    payload!("contributor-unknown-fields", Heard),
    payload!("insufficient-data-null-description", Heard),
    payload!("recovered", Heard),
    payload!("event", Heard),
    payload!("event-in-sns", Heard),
    payload!("event-suppressed", Heard),
    payload!("event-muted", Heard),
    payload!("lambda", Heard),
    payload!("configuration-change", Ignored),
    payload!("health", Ignored),
    payload!("subscription-confirmation", Ignored),
    payload!("unsubscribe-confirmation", Ignored),
    payload!("old-form-without-arn", Refused),
    ("words", "ALARM: orders-5xx", Refused),
    ("no object", "[]", Refused),
    ("half", r#"{"AlarmArn":"arn:aws:cloudwatch:us-east-1:1111"#, Refused),
    ("another object", r#"{"hello":"world"}"#, Refused),
    (
        "an unknown state",
        r#"{"AlarmArn":"arn:aws:cloudwatch:us-east-1:111122223333:alarm:a","NewStateValue":"MAYBE","StateChangeTime":"2026-10-02T17:04:40Z"}"#,
        Refused,
    ),
];

/// Deeper than anybody nests.
fn deep() -> String {
    "[".repeat(200_000)
}

/// A tower that hears the messages it began with, so that the next one is the test's.
fn tower() -> Tower {
    Tower::of("hold: 3m\n    autonomy: observe")
}

#[test]
fn by_queue() {
    let tower = tower();
    let mut watch = tower.watches();
    Tower::hears_the_first(&mut watch);
    let deep = deep();
    for (name, body, fate) in WORLD.iter().copied().chain([("deep", deep.as_str(), Refused)]) {
        tower.call("sqs", "send_message", &json!({ "QueueUrl": tower.queue, "MessageBody": body }));
        let line = std::iter::from_fn(|| watch.line()).find(of_queue).unwrap();
        let text = line["text"].as_str().unwrap();
        let found = match fate {
            Heard => line["note"] == "heard",
            Ignored => text.ends_with("nothing follows"),
            Refused => text.contains(" is refused: "),
        };
        assert!(found, "{name} is {fate:?}: {line}");
    }
    while tower.left_in_the_queue() > 0 {
        // None of them comes again.
    }
}

/// Whether a line tells what became of a message of the queue.
fn of_queue(line: &Value) -> bool {
    let heard = line["note"] == "heard" && line["signal"]["from"]["way"] == "queue";
    heard || line["text"].as_str().is_some_and(|text| text.starts_with("queue dr-alarms: message"))
}

#[test]
fn by_http() {
    let tower = tower();
    let (mut watch, door) = tower.opens();
    Tower::hears_the_first(&mut watch);
    let deep = deep();
    let all = WORLD.iter().copied().chain([("deep", deep.as_str(), Refused)]);
    // The same event twice is one.
    for (name, body, fate) in all.filter(|(name, ..)| *name != "event-in-sns") {
        let expected = if fate == Refused { 400 } else { 200 };
        assert_eq!(event(door, body).status(), expected, "{name}");
        let line = std::iter::from_fn(|| watch.line()).find(of_http).unwrap();
        let text = line["text"].as_str().unwrap();
        let found = match fate {
            Heard => line["note"] == "heard",
            Ignored => text.contains(": ignored: "),
            Refused => text.contains(" 400: "),
        };
        assert!(found, "{name} is {fate:?}: {line}");
    }
    let (_, twice, _) = WORLD.iter().find(|(name, ..)| *name == "event-in-sns").unwrap();
    assert_eq!(event(door, twice).status(), 200);
}

/// Whether a line tells what became of a request.
fn of_http(line: &Value) -> bool {
    let heard = line["note"] == "heard" && line["signal"]["from"]["way"] == "http";
    heard || line["text"].as_str().is_some_and(|text| text.starts_with("HTTP: "))
}

/// An event as EventBridge delivers it, whoever knows the token.
pub(crate) fn event(door: SocketAddr, body: &str) -> Message {
    let mut request = Message { first: "POST /events HTTP/1.1".into(), body: body.into(), ..Message::default() };
    request.headers.push(("Host".into(), door.to_string()));
    request.headers.push(("Authorization".into(), format!("Bearer {TOKEN}")));
    http::send(door, &request).unwrap()
}

#[test]
fn by_standard_input() {
    let tower = tower();
    let endless = "x".repeat(10_000_000);
    let deep = deep();
    let more = [("deep", deep.as_str(), Refused), ("endless", endless.as_str(), Refused)];
    for (name, body, fate) in WORLD.iter().copied().chain(more) {
        let (code, err) = says(&mut tower.desk.command("watch RUNBOOK --stdin"), body);
        let expected = match fate {
            Heard => 0,
            Ignored => 10,
            Refused => 2,
        };
        assert_eq!(code, expected, "{name}: {err}");
    }
}

/// One message on standard input: the code that it ends with, and what it says to people.
fn says(command: &mut Command, body: &str) -> (i32, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Who has read enough closes it.
    drop(child.stdin.take().unwrap().write_all(body.as_bytes()));
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn sns_wraps_and_sends_raw_and_both_are_heard() {
    let tower = tower();
    let mut watch = tower.watches();
    Tower::hears_the_first(&mut watch);
    tower.goes("orders", "ALARM");
    let wrapped = std::iter::from_fn(|| watch.line()).find(of_queue).unwrap();
    assert_eq!(wrapped["signal"]["state"], "ALARM");
    let raw = json!({ "AlarmName": "canary", "NewStateValue": "ALARM", "OldStateValue": "OK", "NewStateReason": "",
        "AlarmArn": tower.alarm("canary"),
        "StateChangeTime": now() });
    tower.call("sqs", "send_message", &json!({ "QueueUrl": tower.queue, "MessageBody": raw.to_string() }));
    watch.hears("\"decision\":\"hold\"");
}
