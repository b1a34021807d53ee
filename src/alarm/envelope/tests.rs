//! Messages that SNS made, and those that only look so.

use super::*;
use crate::alarm::forge::{self, CERTIFICATE, OTHER, SHORT, TOPIC, now};
use serde_json::{Value, json};

/// Signed by openssl, as SNS signs for topics that nobody told otherwise.
const VERSION_1: [&str; 2] =
    [include_str!("../signing/notification-v1.json"), include_str!("../signing/confirmation-v1.json")];

#[test]
fn what_sns_signed_is_believed_by_both_versions_and_for_every_kind() {
    let mut unsubscribed = forge::confirmation();
    unsubscribed["Type"] = "UnsubscribeConfirmation".into();
    let without_subject = with(&notification(), "Subject", Value::Null);
    for signed in [notification(), forge::confirmation(), unsubscribed, without_subject].map(forge::signed) {
        assert_eq!(verify(&signed), Ok(()), "{signed}");
    }
    for text in VERSION_1 {
        assert_eq!(verify(&serde_json::from_str(text).unwrap()), Ok(()), "{text}");
    }
}

#[test]
fn the_spelling_of_lambda_is_the_same_message() {
    let mut message = forge::signed(forge::confirmation());
    for (ours, theirs) in [("SigningCertURL", "SigningCertUrl"), ("SubscribeURL", "SubscribeUrl")] {
        let value = message.as_object_mut().unwrap().remove(ours).unwrap();
        message[theirs] = value;
    }
    assert_eq!(verify(&message), Ok(()));
    assert!(parse(&message).certificate_url().is_ok());
}

#[test]
fn every_field_that_is_signed_cannot_be_altered() {
    let first: Value = serde_json::from_str(VERSION_1[0]).unwrap();
    for signed in [first, forge::signed(notification())] {
        for field in ["Message", "MessageId", "Subject", "TopicArn"] {
            assert_eq!(verify(&with(&signed, field, json!("altered"))), Err(Hostile::Signature), "{field}");
        }
        assert_eq!(verify(&with(&signed, "Timestamp", json!("2026-12-01T12:00:01Z"))), Err(Hostile::Signature));
        assert_eq!(verify(&with(&signed, "Subject", Value::Null)), Err(Hostile::Signature));
        assert_eq!(verify(&with(&signed, "Type", json!("UnsubscribeConfirmation"))), Err(Hostile::Signature));
    }
    let signed = forge::signed(forge::confirmation());
    for field in ["Token", "SubscribeURL"] {
        assert_eq!(verify(&with(&signed, field, json!("altered"))), Err(Hostile::Signature), "{field}");
    }
}

#[test]
fn a_signature_by_another_version_or_none_is_not_believed() {
    let signed = forge::signed(notification());
    for (field, value, why) in [
        ("SignatureVersion", json!("1"), Hostile::Signature),
        ("SignatureVersion", json!("3"), Hostile::Version("3".into())),
        ("SignatureVersion", Value::Null, Hostile::Unsigned),
        ("Signature", Value::Null, Hostile::Unsigned),
        ("Signature", json!(""), Hostile::Signature),
        ("Signature", json!("not base64"), Hostile::Signature),
    ] {
        assert_eq!(verify(&with(&signed, field, value)), Err(why), "{field}");
    }
}

#[test]
fn a_certificate_of_another_key_or_time_proves_nothing() {
    let envelope = parse(&forge::signed(notification()));
    assert_eq!(envelope.verify(OTHER, now()), Err(Hostile::Signature));
    let why = envelope.verify(SHORT, now()).unwrap_err().to_string();
    assert_eq!(why, "its certificate is valid from 2026-11-27T11:28:58Z to 2026-11-28T11:28:58Z only");
    let early = parse(&forge::signed(with(&notification(), "Timestamp", json!("2026-11-27T11:00:00Z"))));
    assert!(matches!(early.verify(CERTIFICATE, early.sent()), Err(Hostile::Expired { .. })));
    for pem in [&b""[..], b"-----BEGIN CERTIFICATE-----", b"<html>", &CERTIFICATE[..400]] {
        assert!(matches!(envelope.verify(pem, now()), Err(Hostile::Certificate(_))));
    }
    assert_eq!(envelope.verify(&[CERTIFICATE, OTHER].concat(), now()), Ok(()), "the issuer's may follow");
}

#[test]
fn what_was_sent_long_ago_or_is_yet_to_be_sent_is_a_recording() {
    let envelope = parse(&forge::signed(notification()));
    let sent = envelope.sent();
    for now in [sent, sent + Span::hours(1), sent.before(Span::mins(5))] {
        assert_eq!(envelope.verify(CERTIFICATE, now), Ok(()), "{now}");
    }
    assert_eq!(envelope.verify(CERTIFICATE, sent + Span::hours(1) + Span::ms(1)), Err(Hostile::Old(sent)));
    assert_eq!(envelope.verify(CERTIFICATE, sent.before(Span::mins(5) + Span::ms(1))), Err(Hostile::Future(sent)));
}

#[test]
fn a_certificate_is_fetched_from_sns_in_the_region_of_the_topic_or_not_at_all() {
    for (topic, url) in [
        (TOPIC, "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-9c64.pem"),
        ("arn:aws-cn:sns:cn-north-1:111122223333:dr", "https://sns.cn-north-1.amazonaws.com.cn/a.pem"),
        ("arn:aws-us-gov:sns:us-gov-west-1:111122223333:dr", "https://sns.us-gov-west-1.amazonaws.com/a.pem"),
        ("arn:aws-eusc:sns:eusc-de-east-1:111122223333:dr", "https://sns.eusc-de-east-1.amazonaws.eu/a.pem"),
    ] {
        assert_eq!(certificate_url(topic, url).unwrap().as_str(), url);
    }
    for url in [
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "HTTPS://sns.us-east-1.amazonaws.com/a.pem",
        "//sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-west-2.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com.cn/a.pem",
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
        "https://bucket.s3.us-east-1.amazonaws.com/a.pem",
        "https://sqs.us-east-1.amazonaws.com/a.pem",
        "https://me@sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
        "https://sns.us-east-1.amazonaws.com:443/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem?x=.pem",
        "https://sns.us-east-1.amazonaws.com/?Action=Subscribe&x=.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem#.pem",
        "https://sns.us-east-1.amazonaws.com/%2e.pem",
        "https://sns.us-east-1.amazonaws.com\\@evil.example/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem\n",
        "https://sns.us-east-1.amazonaws.com/a.txt",
        "https://sns.us-east-1.amazonaws.com",
        "",
    ] {
        assert!(matches!(certificate_url(TOPIC, url), Err(Hostile::CertificateUrl { .. })), "{url}");
    }
}

#[test]
fn a_topic_that_is_none_leads_to_no_certificate() {
    for topic in [
        "dr",
        "arn:aws:sqs:us-east-1:111122223333:dr",
        "arn:aws:sns:evil.example/:111122223333:dr",
        "arn:aws:sns::111122223333:dr",
        "arn:elsewhere:sns:us-east-1:111122223333:dr",
    ] {
        let url = "https://sns.us-east-1.amazonaws.com/a.pem";
        assert_eq!(certificate_url(topic, url), Err(Hostile::Topic(topic.into())));
    }
    let unsigned = with(&notification(), "SigningCertURL", Value::Null);
    assert_eq!(parse(&unsigned).certificate_url(), Err(Hostile::Unsigned));
}

fn notification() -> Value {
    forge::notification("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "{}")
}

fn with(message: &Value, field: &str, value: Value) -> Value {
    let mut message = message.clone();
    message[field] = value;
    message
}

fn parse(message: &Value) -> Envelope {
    Envelope::parse(message.to_string().as_bytes()).unwrap()
}

fn verify(message: &Value) -> Result<(), Hostile> {
    parse(message).verify(CERTIFICATE, now())
}

fn certificate_url(topic: &str, url: &str) -> Result<CertificateUrl, Hostile> {
    let message = with(&with(&notification(), "TopicArn", json!(topic)), "SigningCertURL", json!(url));
    parse(&message).certificate_url()
}
