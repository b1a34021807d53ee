//! The SNS envelope, and whether SNS made it.
//!
//! SNS signs every message with a key whose certificate it serves over HTTPS; the message names
//! the URL. All trust rests on that URL: it must be the one that SNS itself would name for the
//! Region of the topic, and whoever fetches it must verify the server and follow no redirect. Which
//! topics to believe is the caller's to know, and to ask first: a stranger's topic is signed as well.

mod certificate;
mod hostile;
#[cfg(test)]
mod tests;

pub use certificate::CertificateUrl;
pub use hostile::Hostile;

use super::read::{MOST_BYTES, Malformed, cut, instant};
use crate::clock::{Span, Timestamp};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;

/// SNS tries for up to an hour to deliver by HTTP; what is older was recorded and sent again.
const OLDEST: Span = Span::hours(1);
/// Clocks differ by less.
const NEWEST: Span = Span::mins(5);

/// A message of SNS as it came.
#[derive(Clone, Debug)]
pub struct Envelope {
    wire: Wire,
    sent: Timestamp,
}

/// What a message of SNS is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Kind {
    /// Somebody published something.
    Notification,
    /// Somebody wants the topic to send its messages here.
    SubscriptionConfirmation,
    /// The topic will send no more.
    UnsubscribeConfirmation,
}

/// The fields by their names. Lambda spells URL as Url. A field that stands twice is an error, so
/// that no two readers of one message can disagree about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    #[serde(rename = "Type")]
    kind: Kind,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: String,
    #[serde(rename = "SubscribeURL", alias = "SubscribeUrl")]
    subscribe_url: Option<String>,
    token: Option<String>,
    signature_version: Option<String>,
    signature: Option<String>,
    #[serde(rename = "SigningCertURL", alias = "SigningCertUrl")]
    signing_cert_url: Option<String>,
}

impl Envelope {
    /// Reads an envelope. One without a signature is read too: behind the policy of a queue it needs none.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        if body.len() > MOST_BYTES {
            return Err(Malformed::Long);
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|e| Malformed::Envelope(cut(&e.to_string(), 200)))?;
        Ok(Self { sent: instant("Timestamp", &wire.timestamp)?, wire })
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.wire.kind
    }

    /// The ARN of the topic; only [`verify`](Self::verify) tells whether that is true.
    pub fn topic(&self) -> &str {
        &self.wire.topic_arn
    }

    /// The `MessageId`, which every delivery of one message shares.
    pub fn id(&self) -> &str {
        &self.wire.message_id
    }

    /// What was published.
    pub fn message(&self) -> &str {
        &self.wire.message
    }

    /// When.
    pub fn sent(&self) -> Timestamp {
        self.sent
    }

    /// What confirms a subscription; none in a notification.
    pub fn token(&self) -> Option<&str> {
        self.wire.token.as_deref()
    }

    /// Where its certificate is, if that is where SNS has those of the topic's Region.
    pub fn certificate_url(&self) -> Result<CertificateUrl, Hostile> {
        let url = self.wire.signing_cert_url.as_deref().ok_or(Hostile::Unsigned)?;
        CertificateUrl::of(url, self.topic())
    }

    /// Whether SNS made this message, not long ago. The certificate must be what
    /// [`certificate_url`](Self::certificate_url) serves.
    pub fn verify(&self, certificate_pem: &[u8], now: Timestamp) -> Result<(), Hostile> {
        if self.sent < now - OLDEST {
            return Err(Hostile::Old(self.sent));
        }
        if self.sent > now + NEWEST {
            return Err(Hostile::Future(self.sent));
        }
        let version = self.wire.signature_version.as_deref().ok_or(Hostile::Unsigned)?;
        let signature = self.wire.signature.as_deref().ok_or(Hostile::Unsigned)?;
        let signature = BASE64_STANDARD.decode(signature).map_err(|_| Hostile::Signature)?;
        let key = UnparsedPublicKey::new(algorithm(version)?, certificate::key(certificate_pem, now)?);
        key.verify(self.signed_text().as_bytes(), &signature).map_err(|_| Hostile::Signature)
    }

    /// What the signature is of: the fields that are there, in the order of the alphabet, each name
    /// and each value with a line end. (One page of AWS leaves the last line end out; SNS does not.)
    pub(super) fn signed_text(&self) -> String {
        let (wire, notice) = (&self.wire, self.wire.kind == Kind::Notification);
        let fields = [
            ("Message", Some(wire.message.as_str())),
            ("MessageId", Some(&wire.message_id)),
            ("Subject", wire.subject.as_deref().filter(|_| notice)),
            ("SubscribeURL", wire.subscribe_url.as_deref().filter(|_| !notice)),
            ("Timestamp", Some(&wire.timestamp)),
            ("Token", wire.token.as_deref().filter(|_| !notice)),
            ("TopicArn", Some(&wire.topic_arn)),
            ("Type", Some(wire.kind.as_str())),
        ];
        fields.iter().filter_map(|(name, value)| value.map(|value| format!("{name}\n{value}\n"))).collect()
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// SHA-1 is what a topic signs by unless it is told otherwise.
fn algorithm(version: &str) -> Result<&'static dyn VerificationAlgorithm, Hostile> {
    match version {
        "1" => Ok(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        "2" => Ok(&RSA_PKCS1_2048_8192_SHA256),
        _ => Err(Hostile::Version(cut(version, 20))),
    }
}
