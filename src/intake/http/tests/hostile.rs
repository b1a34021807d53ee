//! Those who may not, and what they hear.

use super::*;
use serde_json::Value;

/// A message of SNS, changed before it is signed and after.
fn forged(before: impl FnOnce(&mut Value), after: impl FnOnce(&mut Value)) -> String {
    let mut message = forge::notification("m-1", ALARM);
    before(&mut message);
    let mut message = forge::signed(message);
    after(&mut message);
    post("/sns", "", &message.to_string())
}

fn field(name: &'static str, value: &'static str) -> impl FnOnce(&mut Value) {
    move |message| message[name] = value.into()
}

fn nothing(_: &mut Value) {}

#[tokio::test]
async fn what_sns_did_not_send_for_us_is_refused_and_told_in_a_line() {
    const FOREIGN: &str = "arn:aws:sns:us-east-1:999999999999:dr";
    for (request, refusal, fetches) in [
        (
            forged(field("TopicArn", FOREIGN), nothing),
            "403: its topic `arn:aws:sns:us-east-1:999999999999:dr` is not",
            0,
        ),
        (forged(nothing, field("Message", "{}")), "403: its signature is not of this message", 1),
        (forged(nothing, field("Signature", "AAAA")), "403: its signature is not of this message", 1),
        (forged(nothing, field("SignatureVersion", "9")), "403: its signature version is `9`", 1),
        (
            forged(field("SigningCertURL", "https://sns.us-east-1.amazonaws.com.evil.example/a.pem"), nothing),
            "403: its certificate is not a .pem at https://sns.us-east-1.amazonaws.com/",
            0,
        ),
        (
            forged(field("SigningCertURL", "https://sns.eu-west-1.amazonaws.com/a.pem"), nothing),
            "403: its certificate is not a .pem at https://sns.us-east-1.amazonaws.com/",
            0,
        ),
        (forged(field("Timestamp", "2026-12-01T10:59:00Z"), nothing), "403: it was sent at 2026-12-01T10:59:00Z", 1),
        (forged(field("Timestamp", "2026-12-01T12:10:00Z"), nothing), "403: it was sent at 2026-12-01T12:10:00Z", 1),
        (forged(field("Message", "party at eight"), nothing), "400: the `Message` is not JSON", 1),
        (post("/sns", "", ALARM), "400: the SNS envelope is not complete", 0),
        (post("/sns", "", ""), "400: the SNS envelope is not complete", 0),
        (post("/sns", "", &"[".repeat(200)), "400: the SNS envelope is not complete", 0),
        (post("/sns", "x-amz-sns-rawdelivery: true\r\n", ALARM), "403: it comes by raw delivery", 0),
    ] {
        let mut house = house().await;
        let answer = house.ask(&request).await;
        let refusals = house.refusals();
        assert!(refusals.len() == 1 && refusals[0].starts_with(&format!("POST /sns {refusal}")), "{refusals:?}");
        assert_eq!((status(&answer), house.fetched()), (&refusal[..3], fetches), "{refusal}");
        assert!(!answer.contains("topic") && !answer.contains("certificate"), "strangers learn nothing: {answer}");
        assert!(house.nothing_arrived());
    }
}

#[tokio::test]
async fn a_stranger_subscribes_us_to_nothing() {
    let mut foreign = forge::confirmation();
    foreign["TopicArn"] = "arn:aws:sns:us-east-1:999999999999:dr".into();
    let mut unsigned = forge::signed(forge::confirmation());
    unsigned["Token"] = "another".into();
    let house = house().await;
    for wish in [forge::signed(foreign), unsigned] {
        assert_eq!(status(&house.ask(&post("/sns", "", &wish.to_string())).await), "403");
    }
    assert!(house.confirmed().is_empty());
}

#[tokio::test]
async fn without_the_token_not_even_the_body_is_read() {
    let mut house = house().await;
    let head = "POST /events HTTP/1.1\r\nHost: lifeboat\r\nContent-Length: 1000\r\n";
    for authorization in ["", "Authorization: Bearer guess\r\n", "Authorization: Basic czNjcmV0\r\n"] {
        let answer = house.ask(&format!("{head}{authorization}\r\n")).await;
        assert_eq!(status(&answer), "401");
        assert!(answer.contains("www-authenticate: Bearer\r\n"), "{answer}");
    }
    assert_eq!(house.refusals(), ["POST /events 401: it does not show the token"; 3]);
    assert!(house.nothing_arrived());
}

#[tokio::test]
async fn a_door_without_a_token_takes_no_events() {
    let house = house_where(|door| door.token = None, true).await;
    assert_eq!(status(&house.ask(&post("/events", TOKEN, EVENT)).await), "404");
}

#[tokio::test]
async fn an_event_that_is_malformed_is_refused_though_the_token_is_right() {
    let house = house().await;
    assert_eq!(status(&house.ask(&post("/events", TOKEN, "{}")).await), "400");
    assert!(house.refusals()[0].starts_with("POST /events 400: it is no alarm"));
}

#[tokio::test]
async fn nothing_else_is_here() {
    let house = house().await;
    for request in [get("/"), get("/sns"), get("/.env"), post("/health", "", ""), post("/sns/", "", "")] {
        assert_eq!(status(&house.ask(&request).await), "404");
    }
}

#[tokio::test]
async fn what_is_no_http_is_answered_as_such() {
    let house = house().await;
    assert_eq!(status(&house.ask("\u{16}\u{3}\u{1} TLS here\r\n\r\n").await), "400");
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    assert_eq!(status(&house.ask(&long).await), "431");
    assert_eq!(house.refusals().len(), 2);
}

#[tokio::test]
async fn a_stranger_writes_no_line_of_the_log() {
    let house = house().await;
    house.ask(&forged(field("TopicArn", "dr\n2026-12-01 all is well\u{1b}[2J"), nothing)).await;
    house.ask(&get(&format!("/{}", "x".repeat(8000)))).await;
    let seen = house.seen.refusals.lock().unwrap();
    assert!(seen[0].why.contains("dr\u{fffd}2026-12-01 all is well\u{fffd}[2J"), "{}", seen[0]);
    assert!(seen.iter().all(|refusal| refusal.to_string().len() < 1000));
}
