//! Reads a message, in whatever shape it comes.

use super::{AlarmArn, AlarmState, Envelope, Kind, Message, NotAnAlarm, Provenance, Signal, Way};
use crate::clock::{NotATime, Timestamp};
use serde_json::Value;

/// A message is at most that long: 256 KiB, all that SNS and EventBridge carry. An alarm has a few.
pub const MOST_BYTES: usize = 256 * 1024;
/// So much of CloudWatch's reason is kept.
const MOST_REASON: usize = 1000;
/// Ids of messages are UUIDs; they are kept in a run's record.
const MOST_ID: usize = 128;

/// Why a message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nobody sends that much in good faith.
    #[error("it is longer than 256 KiB")]
    Long,
    /// No JSON, cut off, or nested more than 128 deep, where the parser stops.
    #[error("{what} is not JSON: {why}")]
    NotJson {
        /// The body, or the `Message` inside its envelope.
        what: &'static str,
        /// By the parser.
        why: String,
    },
    /// The SNS envelope lacks a field or has a wrong one.
    #[error("the SNS envelope is not complete: {0}")]
    Envelope(String),
    /// JSON in none of the shapes that alarms have.
    #[error("it is no alarm: there is neither `AlarmArn` nor `alarmArn` nor `detail-type`")]
    NoAlarm,
    /// Before 2019 messages had no ARN, and `Region` says only `US East (N. Virginia)`.
    #[error("`AlarmArn` is missing: of an alarm by name alone it is not known where it lives")]
    OldForm,
    /// A field that every alarm has.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A number or an object where a text should be.
    #[error("`{0}` is not a text")]
    NotText(&'static str),
    /// An id that no sender gives.
    #[error("`{0}` is longer than {MOST_ID} characters")]
    LongId(&'static str),
    /// Another state than the three.
    #[error("`{field}` is none of OK, ALARM and INSUFFICIENT_DATA")]
    State {
        /// Which field.
        field: &'static str,
    },
    /// No instant.
    #[error("`{field}`: {why}")]
    Time {
        /// Which field.
        field: &'static str,
        /// By the parser.
        why: NotATime,
    },
    /// Something else's name.
    #[error("`{field}`: {why}")]
    Arn {
        /// Which field.
        field: &'static str,
        /// By the parser.
        why: NotAnAlarm,
    },
}

/// Where a shape keeps what a signal is made of: names of fields, from the outside in.
struct Shape {
    arn: &'static str,
    state: &'static str,
    was: &'static str,
    changed: &'static str,
    reason: &'static str,
    /// Fields whose presence says that the alarm's actions are silenced, each with the words that
    /// its value wants before it; the most telling first.
    silenced: &'static [(&'static str, &'static str)],
}

/// What CloudWatch sends to SNS. An alarm whose actions are silenced sends nothing there.
const NOTICE: Shape = Shape {
    arn: "AlarmArn",
    state: "NewStateValue",
    was: "OldStateValue",
    changed: "StateChangeTime",
    reason: "NewStateReason",
    silenced: &[],
};

/// What it sends to EventBridge.
const EVENT: Shape = Shape {
    arn: "resources.0",
    state: "detail.state.value",
    was: "detail.previousState.value",
    changed: "detail.state.timestamp",
    reason: "detail.state.reason",
    silenced: &[
        ("detail.state.actionsSuppressedReason", ""),
        ("detail.state.actionsSuppressedBy", "actions suppressed by "),
        ("detail.muteDetail.mutedBy", "muted by "),
        ("detail.muteDetail", "muted: "),
    ],
};

/// What it calls a Lambda function with.
const CALL: Shape = Shape {
    arn: "alarmArn",
    state: "alarmData.state.value",
    was: "alarmData.previousState.value",
    changed: "alarmData.state.timestamp",
    reason: "alarmData.state.reason",
    silenced: &[
        ("alarmData.state.actionsSuppressedReason", ""),
        ("alarmData.state.actionsSuppressedBy", "actions suppressed by "),
        ("alarmData.muteDetail.mutedBy", "muted by "),
        ("alarmData.muteDetail", "muted: "),
    ],
};

/// Reads a message that came by `way`, there under `message_id`. The parser goes 128 levels deep
/// (`serde_json`'s own limit), in the body and again in the `Message` of an envelope.
pub fn read(body: &[u8], way: Way, message_id: Option<&str>) -> Result<Message, Malformed> {
    let value = json("the body", body)?;
    let mut from = Provenance { way, message: message_id.map(str::to_owned), topic: None, sent: None };
    if value.get("TopicArn").is_none() {
        return unwrapped(&value, from);
    }
    let envelope = Envelope::parse(body)?;
    let topic = envelope.topic().to_owned();
    match envelope.kind() {
        Kind::Notification => {
            from.message = Some(id("MessageId", envelope.id())?);
            (from.topic, from.sent) = (Some(topic), Some(envelope.sent()));
            unwrapped(&json("the `Message`", envelope.message().as_bytes())?, from)
        }
        Kind::SubscriptionConfirmation => Ok(ignored(format!("a subscription to topic {topic} to be confirmed"))),
        Kind::UnsubscribeConfirmation => Ok(ignored(format!("the end of a subscription to topic {topic}"))),
    }
}

fn json(what: &'static str, text: &[u8]) -> Result<Value, Malformed> {
    if text.len() > MOST_BYTES {
        return Err(Malformed::Long);
    }
    serde_json::from_slice(text).map_err(|e| Malformed::NotJson { what, why: e.to_string() })
}

/// What stands in the message itself, without an envelope around it.
fn unwrapped(value: &Value, from: Provenance) -> Result<Message, Malformed> {
    if at(value, "detail-type").is_some() {
        event(value, from)
    } else if at(value, "alarmArn").is_some() || at(value, "alarmData").is_some() {
        signal(value, &CALL, Provenance { sent: Some(time(value, "time")?), ..from })
    } else if at(value, "AlarmArn").is_some() {
        signal(value, &NOTICE, from)
    } else if at(value, "AlarmName").is_some() {
        Err(Malformed::OldForm)
    } else {
        Err(Malformed::NoAlarm)
    }
}

/// Only AWS itself can send an event whose source is `aws.cloudwatch`: in one of another source the
/// words "CloudWatch Alarm State Change" are somebody's own.
fn event(value: &Value, from: Provenance) -> Result<Message, Malformed> {
    let (source, kind) = (text(value, "source")?, text(value, "detail-type")?);
    match (source, kind) {
        ("aws.cloudwatch", "CloudWatch Alarm State Change") => {
            let (message, sent) = (Some(id("id", text(value, "id")?)?), Some(time(value, "time")?));
            signal(value, &EVENT, Provenance { message, sent, ..from })
        }
        ("aws.cloudwatch", "CloudWatch Alarm Configuration Change") => {
            let name = optional(value, "detail.alarmName")?.unwrap_or("without a name");
            Ok(ignored(format!("a configuration change of alarm {name}")))
        }
        ("aws.health", _) => Ok(ignored("an AWS Health event".into())),
        _ => Ok(ignored(format!("an event `{kind}` of {source}"))),
    }
}

fn signal(value: &Value, shape: &Shape, from: Provenance) -> Result<Message, Malformed> {
    let arn = text(value, shape.arn)?;
    Ok(Message::Alarm(Signal {
        alarm: arn.parse::<AlarmArn>().map_err(|why| Malformed::Arn { field: shape.arn, why })?,
        state: state(shape.state, text(value, shape.state)?)?,
        was: optional(value, shape.was)?.map(|text| state(shape.was, text)).transpose()?,
        changed: time(value, shape.changed)?,
        reason: cut(optional(value, shape.reason)?.unwrap_or_default(), MOST_REASON),
        muted: muted(value, shape),
        from,
    }))
}

/// Why the alarm's actions are silenced. AWS may come to write any JSON there: whatever it is, it
/// silences.
fn muted(value: &Value, shape: &Shape) -> Option<String> {
    shape.silenced.iter().find_map(|(field, words)| {
        let found = at(value, field).filter(|found| *found != "")?;
        let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
        Some(cut(&format!("{words}{found}"), MOST_REASON))
    })
}

fn state(field: &'static str, text: &str) -> Result<AlarmState, Malformed> {
    AlarmState::spelled(text).ok_or(Malformed::State { field })
}

/// CloudWatch writes `+0000`, all others RFC 3339; both are read.
fn time(value: &Value, field: &'static str) -> Result<Timestamp, Malformed> {
    instant(field, text(value, field)?)
}

pub(super) fn instant(field: &'static str, text: &str) -> Result<Timestamp, Malformed> {
    text.parse().map_err(|_| Malformed::Time { field, why: NotATime(cut(text, 40)) })
}

fn id(field: &'static str, text: &str) -> Result<String, Malformed> {
    if text.len() > MOST_ID { Err(Malformed::LongId(field)) } else { Ok(text.to_owned()) }
}

fn text<'a>(value: &'a Value, field: &'static str) -> Result<&'a str, Malformed> {
    optional(value, field)?.ok_or(Malformed::Missing(field))
}

fn optional<'a>(value: &'a Value, field: &'static str) -> Result<Option<&'a str>, Malformed> {
    at(value, field).map(|found| found.as_str().ok_or(Malformed::NotText(field))).transpose()
}

/// The value at a path of names and numbers; null is as good as none.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    value.pointer(&format!("/{}", path.replace('.', "/"))).filter(|found| !found.is_null())
}

fn ignored(what: String) -> Message {
    Message::Ignored(cut(&what, 300))
}

/// The first characters of a text that somebody else wrote.
pub(super) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
