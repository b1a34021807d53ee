//! For tests: messages as SNS signs them, by a key whose certificate is here too.

use super::Envelope;
use crate::clock::Timestamp;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{rand::SystemRandom, signature};
use serde_json::{Value, json};

/// Of the key that signs here; valid for a hundred years.
pub(crate) const CERTIFICATE: &[u8] = include_bytes!("signing/certificate.pem");
/// Of the same key; it was valid for one day.
pub(crate) const SHORT: &[u8] = include_bytes!("signing/short.pem");
/// Of another key.
pub(crate) const OTHER: &[u8] = include_bytes!("signing/other.pem");
/// The certificates are valid then, save the short one.
pub(crate) const NOW: &str = "2026-12-01T12:00:00Z";
/// The topic of all messages.
pub(crate) const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:dr";

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A notification, sent now, that wants only its signature.
pub(crate) fn notification(id: &str, message: &str) -> Value {
    json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": TOPIC,
        "Subject": "ALARM: \"orders-5xx\" in US East (N. Virginia)",
        "Message": message,
        "Timestamp": NOW,
        "SignatureVersion": "2",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    })
}

/// A wish to be subscribed, sent now, that wants only its signature.
pub(crate) fn confirmation() -> Value {
    let mut confirmation = notification("165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "You have chosen to subscribe.");
    confirmation["Type"] = "SubscriptionConfirmation".into();
    confirmation["Subject"] = Value::Null;
    confirmation["Token"] = "2336412f37fb687f5d51e6e2425e90cd".into();
    confirmation["SubscribeURL"] = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription".into();
    confirmation
}

/// Signs by version 2. (`ring` signs by SHA-256 and better; what version 1 wants, openssl did once.)
pub(crate) fn signed(mut envelope: Value) -> Value {
    let text = Envelope::parse(envelope.to_string().as_bytes()).unwrap().signed_text();
    let pem: String = include_str!("signing/key.pem").lines().filter(|line| !line.starts_with('-')).collect();
    let key = signature::RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(pem).unwrap()).unwrap();
    let mut bytes = vec![0; key.public().modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut bytes).unwrap();
    envelope["Signature"] = BASE64_STANDARD.encode(bytes).into();
    envelope
}
