//! Messages as they come from the world, and what each is read as.

use super::*;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::PathBuf};

/// Each file of `payloads/`, and what it says.
const READ_AS: &[(&str, &str)] = &[
    ("metric-raw", "orders-5xx: OK to ALARM at 17:04:40, message q-1"),
    (
        "metric-in-sns",
        "orders-5xx: OK to ALARM at 17:04:40, message 22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324 by dr of 17:04:41",
    ),
    (
        "metric-in-sns-spelled-by-lambda",
        "orders-5xx: OK to ALARM at 17:04:40, message 95df01b4-ee98-5cb9-9903-4c221d41eb5e by dr of 17:04:41",
    ),
    ("recovered", "orders-5xx: ALARM to OK at 17:31:40, message q-1"),
    ("insufficient-data-null-description", "orders-heartbeat: ALARM to INSUFFICIENT_DATA at 17:09:10, message q-1"),
    ("composite", "region-lost: OK to ALARM at 17:04:41, message q-1"),
    ("composite-without-children", "region-lost: INSUFFICIENT_DATA to OK at 17:04:41, message q-1"),
    ("metric-math", "orders-error-rate: OK to ALARM at 17:05:02, message q-1"),
    ("log", "orders-panics: OK to ALARM at 17:06:00, message q-1"),
    ("contributor-unknown-fields", "orders-cpu-by-host: OK to ALARM at 17:04:40, message q-1"),
    ("event", "orders-5xx: OK to ALARM at 17:04:40, message c4c1c1c9-6542-e61b-6ef0-8c4d36933a92 of 17:04:40"),
    (
        "event-in-sns",
        "orders-5xx: OK to ALARM at 17:04:40, message c4c1c1c9-6542-e61b-6ef0-8c4d36933a92 by dr of 17:04:40",
    ),
    (
        "event-suppressed",
        "region-lost: OK to ALARM at 17:04:41, message d3dfc86d-384d-24c8-0345-9f7986db0b80 of 17:04:40, \
         silenced: Actions suppressed by WaitPeriod",
    ),
    (
        "event-muted",
        "orders-5xx: OK to ALARM at 17:04:40, message 7b2a1e0f-0a4b-4c55-9a1c-1f0f8f3c9e21 of 17:04:40, \
         silenced: muted by arn:aws:cloudwatch:us-east-1:111122223333:alarm-mute-rule:friday-maintenance",
    ),
    ("lambda", "orders-5xx: OK to ALARM at 17:04:40, message q-1 of 17:04:41"),
    ("configuration-change", "ignored: a configuration change of alarm orders-5xx"),
    ("health", "ignored: an AWS Health event"),
    (
        "subscription-confirmation",
        "ignored: a subscription to topic arn:aws:sns:us-east-1:111122223333:dr to be confirmed",
    ),
    ("unsubscribe-confirmation", "ignored: the end of a subscription to topic arn:aws:sns:us-east-1:111122223333:dr"),
    (
        "old-form-without-arn",
        "malformed: `AlarmArn` is missing: of an alarm by name alone it is not known where it lives",
    ),
];

#[test]
fn every_message_of_the_world_is_read_as_what_it_is() {
    for (name, expected) in READ_AS {
        assert_eq!(told(&payload(name)), *expected, "{name}");
    }
}

#[test]
fn no_payload_is_forgotten() {
    let files = fs::read_dir(payloads()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let named = READ_AS.iter().map(|(name, _)| format!("{name}.json"));
    assert_eq!(files.collect::<BTreeSet<_>>(), named.collect::<BTreeSet<_>>());
}

#[test]
fn what_is_malformed_is_refused_by_the_name_of_what_is_wrong() {
    let raw = |field: &str, value: Value| changed("metric-raw", &format!("/{field}"), value);
    let event = |field: &str, value: Value| changed("event", field, value);
    let sns = |field: &str, value: Value| changed("metric-in-sns", &format!("/{field}"), value);
    for (body, why) in [
        (String::new(), "the body is not JSON: EOF while parsing"),
        ("{".into(), "the body is not JSON: EOF while parsing"),
        ("ALARM: orders-5xx".into(), "the body is not JSON: expected value"),
        ("\u{0}\u{1}".into(), "the body is not JSON: expected value"),
        ("null".into(), "it is no alarm"),
        ("[]".into(), "it is no alarm"),
        ("\"AlarmArn\"".into(), "it is no alarm"),
        (r#"{"hello":"world"}"#.into(), "it is no alarm"),
        (format!("{}{}", "[".repeat(200), "]".repeat(200)), "the body is not JSON: recursion limit exceeded"),
        (raw("AlarmArn", Value::Null), "`AlarmArn` is missing"),
        (raw("AlarmArn", json!(7)), "`AlarmArn` is not a text"),
        (raw("AlarmArn", json!("orders-5xx")), "`AlarmArn`: `orders-5xx` is not the ARN of an alarm"),
        (raw("AlarmArn", json!(forge::TOPIC)), "`AlarmArn`: `arn:aws:sns:us-east-1:111122223333:dr` is not"),
        (raw("NewStateValue", Value::Null), "`NewStateValue` is missing"),
        (raw("NewStateValue", json!("alarm")), "`NewStateValue` is none of OK, ALARM and INSUFFICIENT_DATA"),
        (raw("OldStateValue", json!("BROKEN")), "`OldStateValue` is none of"),
        (raw("StateChangeTime", Value::Null), "`StateChangeTime` is missing"),
        (raw("StateChangeTime", json!("yesterday")), "`StateChangeTime`: `yesterday` is not a time"),
        (raw("StateChangeTime", json!(1_790_960_680)), "`StateChangeTime` is not a text"),
        (raw("NewStateReason", json!({})), "`NewStateReason` is not a text"),
        (event("/resources", json!([])), "`resources.0` is missing"),
        (event("/resources", json!(["i-0abc"])), "`resources.0`: `i-0abc` is not the ARN"),
        (event("/source", Value::Null), "`source` is missing"),
        (event("/id", json!("x".repeat(129))), "`id` is longer than 128 characters"),
        (event("/detail", json!("gone")), "`detail.state.value` is missing"),
        (event("/detail/state/timestamp", json!("")), "`detail.state.timestamp`: `` is not a time"),
        (sns("Message", json!("An alarm went off")), "the `Message` is not JSON"),
        (sns("Message", json!("[".repeat(200))), "the `Message` is not JSON: recursion limit exceeded"),
        (sns("Message", Value::Null), "the SNS envelope is not complete: invalid type: null, expected a string"),
        (sns("Type", json!("Gossip")), "the SNS envelope is not complete: unknown variant `Gossip`"),
        (sns("Timestamp", json!("now")), "`Timestamp`: `now` is not a time"),
        (
            format!(r#"{{"TopicArn":"{0}","TopicArn":"{0}"}}"#, forge::TOPIC),
            "the SNS envelope is not complete: duplicate",
        ),
        (format!("\"{}\"", "x".repeat(10_000_000)), "it is longer than 256 KiB"),
    ] {
        let told = told(body.as_bytes());
        assert!(told.starts_with(&format!("malformed: {why}")), "{why}: {told}");
    }
}

#[test]
fn only_cloudwatch_itself_may_speak_of_its_alarms() {
    let body = changed("event", "/source", json!("com.example.jokes"));
    assert_eq!(told(body.as_bytes()), "ignored: an event `CloudWatch Alarm State Change` of com.example.jokes");
    let body = changed("event", "/detail-type", json!("CloudWatch Alarm Contributor State Change"));
    assert!(told(body.as_bytes()).starts_with("ignored: an event `CloudWatch Alarm Contributor State Change`"));
}

#[test]
fn both_spellings_of_a_time_are_one_instant() {
    for text in ["2026-10-02T17:04:40.989+0000", "2026-10-02T17:04:40.989Z", "2026-10-02T19:04:40.989+02:00"] {
        let body = changed("metric-raw", "/StateChangeTime", json!(text));
        assert_eq!(signal(body.as_bytes()).changed, Timestamp(1_790_960_680_989), "{text}");
    }
}

#[test]
fn a_reason_without_end_is_cut() {
    let body = changed("metric-raw", "/NewStateReason", json!("é".repeat(5000)));
    assert_eq!(signal(body.as_bytes()).reason, "é".repeat(1000));
    let body = changed("metric-raw", "/NewStateReason", Value::Null);
    assert_eq!(signal(body.as_bytes()).reason, "");
}

#[test]
fn whatever_stands_where_silence_is_told_silences() {
    let body = changed("event-muted", "/detail/muteDetail", json!({ "rule": 7 }));
    assert_eq!(signal(body.as_bytes()).muted.unwrap(), r#"muted: {"rule":7}"#);
    let body = changed("event-suppressed", "/detail/state/actionsSuppressedReason", Value::Null);
    assert_eq!(signal(body.as_bytes()).muted.unwrap(), "actions suppressed by WaitPeriod");
    let body = changed("event-muted", "/detail/muteDetail", Value::Null);
    assert_eq!(signal(body.as_bytes()).muted, None);
}

#[test]
fn a_signal_is_stored_and_read_again() {
    let signal = signal(&payload("event-muted"));
    let json = serde_json::to_value(&signal).unwrap();
    assert_eq!((&json["state"], &json["from"]["way"]), (&json!("ALARM"), &json!("queue")));
    assert_eq!(serde_json::from_value::<Signal>(json).unwrap(), signal);
}

fn payloads() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/alarm/payloads")
}

fn payload(name: &str) -> Vec<u8> {
    fs::read(payloads().join(format!("{name}.json"))).unwrap()
}

/// A payload with another value at one place.
fn changed(name: &str, pointer: &str, to: Value) -> String {
    let mut value: Value = serde_json::from_slice(&payload(name)).unwrap();
    *value.pointer_mut(pointer).unwrap() = to;
    value.to_string()
}

fn signal(body: &[u8]) -> Signal {
    match read(body, Way::Queue, Some("q-1")).unwrap() {
        Message::Alarm(signal) => signal,
        Message::Ignored(what) => panic!("ignored: {what}"),
    }
}

/// What a message says, in a line.
fn told(body: &[u8]) -> String {
    let signal = match read(body, Way::Queue, Some("q-1")) {
        Ok(Message::Alarm(signal)) => signal,
        Ok(Message::Ignored(what)) => return format!("ignored: {what}"),
        Err(why) => return format!("malformed: {why}"),
    };
    assert_eq!((signal.alarm.region().as_str(), signal.alarm.account().as_str()), ("us-east-1", "111122223333"));
    assert!(!signal.reason.is_empty() && signal.from.way == Way::Queue);
    let was = signal.was.map(|was| format!("{was} to ")).unwrap_or_default();
    let (name, at, message) = (signal.alarm.name(), signal.changed.time_of_day(), signal.from.message.unwrap());
    let topic =
        signal.from.topic.map(|topic| topic.replace("arn:aws:sns:us-east-1:111122223333:", " by ")).unwrap_or_default();
    let sent = signal.from.sent.map(|sent| format!(" of {}", sent.time_of_day())).unwrap_or_default();
    let muted = signal.muted.map(|why| format!(", silenced: {why}")).unwrap_or_default();
    format!("{name}: {was}{} at {at}, message {message}{topic}{sent}{muted}", signal.state)
}
