//! Alarms: whatever way a CloudWatch alarm comes, it is read as one kind of [`Signal`].
//!
//! CloudWatch says the same thing in four shapes (to SNS, to EventBridge, to Lambda, and each of
//! the first two inside an SNS envelope). [`read`] takes them all; fields it does not know are
//! nothing to it, since AWS adds some every year. What is no change of an alarm's state, yet was
//! sent in good faith, is [`Message::Ignored`] by name, so that nobody wonders where it went.
//!
//! Reading proves nothing about the sender. Whom to believe is for the way in to know: by the
//! policy of a queue, by a token, or by the signature of an [`Envelope`]. What a signal starts is
//! decided above. Nothing here looks at a clock or at the world.

mod arn;
mod envelope;
#[cfg(test)]
pub(crate) mod forge;
mod read;
#[cfg(test)]
mod tests;

pub use arn::{AlarmArn, NotAnAlarm};
pub use envelope::{CertificateUrl, Envelope, Hostile, Kind};
pub use read::{MOST_BYTES, Malformed, read};

use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a message turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// An alarm changed its state.
    Alarm(Signal),
    /// Well formed and of no interest; what it is, in words: `a configuration change of alarm orders-5xx`.
    Ignored(String),
}

/// What an alarm said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Which alarm.
    pub alarm: AlarmArn,
    /// The state it went to.
    pub state: AlarmState,
    /// The state it came from; none where the message does not say.
    pub was: Option<AlarmState>,
    /// When its state changed, by CloudWatch's clock.
    pub changed: Timestamp,
    /// Why, in CloudWatch's words, of which the first 1000 characters are kept.
    pub reason: String,
    /// Why the alarm's own actions are silenced, where they are: a suppressor or a mute rule.
    pub muted: Option<String>,
    /// How this was learnt.
    pub from: Provenance,
}

/// The state of an alarm, spelled as CloudWatch spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// All is as it should be.
    Ok,
    /// It is not.
    Alarm,
    /// There is too little data to tell.
    InsufficientData,
}

impl AlarmState {
    /// By CloudWatch's spelling; none for any other.
    pub fn spelled(text: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData].into_iter().find(|state| state.as_str() == text)
    }

    /// CloudWatch's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

impl fmt::Display for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a signal came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// By which way in.
    pub way: Way,
    /// What duplicates of one message share: the id of the EventBridge event, else of the SNS
    /// message, else of the message in the queue. The innermost is taken, since each layer above it
    /// may deliver twice under ids of its own.
    pub message: Option<String>,
    /// The SNS topic it came through.
    pub topic: Option<String>,
    /// When what has the id was sent.
    pub sent: Option<Timestamp>,
}

/// The ways in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From an SQS queue.
    Queue,
    /// Through the HTTP door.
    Http,
    /// On standard input.
    Stdin,
    /// A person typed it.
    Hand,
    /// Nobody sent it: lifeboat asked CloudWatch.
    Looked,
}
