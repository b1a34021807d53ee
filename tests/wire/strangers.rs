//! Those who may not, at the door of the real program: what they cost it, and that no message is lost among them.

use crate::{
    http::{self, Message},
    tower::{Heard, Tower, now},
    ways::event,
    world::STANDBY,
};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

/// So much more memory than before they came, in KiB.
const A_LITTLE: u64 = 8 * 1024;
/// Who connects and says nothing more: twice as many as the door has places.
const SLOW: usize = 130;
/// As long as somebody may think of.
const ENDLESS: usize = 10_000_000;

/// A message of SNS that nobody signed, changed.
fn forged(topic: &str, changes: &[(&str, &str)]) -> String {
    let mut message = json!({
        "Type": "Notification", "MessageId": "m-1", "TopicArn": topic, "Message": "{}",
        "Timestamp": now(), "SignatureVersion": "2", "Signature": "AAAA",
        "SigningCertURL": format!("https://sns.{}.amazonaws.com/SimpleNotificationService-1.pem", STANDBY.1),
    });
    for (field, value) in changes {
        message[field] = (*value).into();
    }
    message.to_string()
}

fn post(door: SocketAddr, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> u16 {
    let headers = [("Host", "lifeboat")].iter().chain(headers).map(|(n, v)| ((*n).into(), (*v).into())).collect();
    let request = Message { first: format!("POST {path} HTTP/1.1"), headers, body: body.into() };
    http::send(door, &request).unwrap().status()
}

/// Ten megabytes, said beforehand or not. Gives how it is answered.
fn floods(door: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(door).unwrap();
    // It is answered before all of it is read, and the rest is not wanted.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)));
    let mut answer = vec![];
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// A change of an alarm, as EventBridge tells it.
fn alarm(tower: &Tower, name: &str, id: &str) -> String {
    let now = now();
    let arn = tower.alarm(name);
    json!({
        "id": id, "source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "time": now,
        "resources": [arn], "detail": { "alarmName": name, "state": { "value": "ALARM", "timestamp": now, "reason": "" } },
    })
    .to_string()
}

fn is_refusal(line: &Value) -> bool {
    line["text"].as_str().is_some_and(|text| text.starts_with("HTTP: "))
}

#[test]
fn strangers_are_refused_in_a_line_each_cost_little_and_hide_no_good_message() {
    let tower = Tower::of("hold: 3m\n    autonomy: observe");
    let (mut watch, door) = tower.opens();
    Tower::hears_the_first(&mut watch);
    let watch = Heard::of(watch);
    assert_eq!(event(door, &alarm(&tower, "noise", "e-0")).status(), 200);
    let before = watch.memory();

    let topic = format!("arn:aws:sns:{}:{}:dr", STANDBY.1, tower.desk.wire.account);
    let elsewhere = "https://sns.us-west-2.amazonaws.com.evil.example/a.pem";
    let refused = |status: u16, why: &str, got: u16| {
        assert_eq!(got, status, "{why}");
        let line = watch.until(is_refusal);
        assert!(line["text"].as_str().unwrap().contains(why), "{why}: {line}");
    };
    let sns = |body: String| post(door, "/sns", &[], body);
    refused(403, "is not on the list", sns(forged("arn:aws:sns:us-west-2:999999999999:dr", &[])));
    refused(403, "its certificate is not", sns(forged(&topic, &[("SigningCertURL", elsewhere)])));
    refused(
        403,
        "raw delivery",
        post(door, "/sns", &[("x-amz-sns-rawdelivery", "true")], alarm(&tower, "orders", "e-1")),
    );
    refused(400, "the SNS envelope is not complete", sns(alarm(&tower, "orders", "e-1")));
    refused(400, "the SNS envelope is not complete", sns("[".repeat(200_000)));
    refused(401, "it does not show the token", post(door, "/events", &[], alarm(&tower, "orders", "e-1")));
    let guess = [("Authorization", "Bearer guess")];
    refused(401, "it does not show the token", post(door, "/events", &guess, alarm(&tower, "orders", "e-1")));
    refused(404, "no such thing here", post(door, "/", &[], ""));
    assert!(watch.memory() <= before + A_LITTLE, "{} KiB after {before}", watch.memory());

    let body = vec![b'['; ENDLESS];
    let chunk = [format!("{ENDLESS:x}\r\n").as_bytes(), &body].concat();
    for _ in 0..10 {
        let said = format!("POST /sns HTTP/1.1\r\nHost: lifeboat\r\nContent-Length: {ENDLESS}\r\n\r\n");
        floods(door, &said, &body);
        watch.until(is_refusal);
        floods(door, "POST /sns HTTP/1.1\r\nHost: lifeboat\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk);
        let line = watch.until(is_refusal);
        assert!(line["text"].as_str().unwrap().contains("longer than 256 KiB"), "{line}");
        assert!(watch.memory() <= before + A_LITTLE, "{} KiB after {before}", watch.memory());
    }

    let slow: Vec<_> = (0..SLOW)
        .map(|_| {
            let mut stream = TcpStream::connect(door).unwrap();
            stream.write_all(b"POST /sns HTTP/1.1\r\nHost: life").unwrap();
            stream
        })
        .collect();
    // By queue it does not even wait.
    tower.goes("orders", "ALARM");
    let heard = |way: &'static str| {
        move |line: &Value| {
            line["note"] == "heard" && line["signal"]["state"] == "ALARM" && line["signal"]["from"]["way"] == way
        }
    };
    watch.until(heard("queue"));
    // By HTTP it does, until those before it have had their five seconds.
    assert_eq!(event(door, &alarm(&tower, "canary", "e-2")).status(), 200);
    watch.until(|line| line.to_string().contains(r#""decision":"hold""#));
    assert!(watch.memory() <= before + A_LITTLE, "{} KiB after {before}", watch.memory());
    drop(slow);
}
