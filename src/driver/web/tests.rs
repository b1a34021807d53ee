//! Against a server that the test is itself: it reads a request and answers by the letter.

use super::{LookError, SendError, Web};
use crate::{
    clock::Span,
    ids::StepId,
    model::Impact,
    world::{
        Post, Receipt, Seen,
        probe::{self, Answer},
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Answers the first connections with these texts, one each, and gives the requests. An empty
/// text breaks the connection.
async fn serve(answers: &[&str]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers: Vec<_> = answers.iter().map(ToString::to_string).collect();
    let served = tokio::spawn(async move {
        let mut requests = vec![];
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            requests.push(request(&mut stream).await);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (url, served)
}

async fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    loop {
        let n = stream.read(&mut bytes).await.unwrap();
        text.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

fn web(notify: Option<String>) -> Web {
    Web::new(|| reqwest::Client::builder().no_proxy(), notify)
}

fn probe(url: &str) -> probe::Http {
    probe::Http { url: url.into(), times: 1, status: None, headers: [].into(), json: [].into() }
}

fn post(url: &str, body: Value) -> Post {
    Post { step: StepId::from("flag"), method: "PUT".into(), url: url.into(), body, impact: Impact::Safe }
}

async fn look(probe: &probe::Http) -> Answer {
    match web(None).look(probe).await {
        Ok(Seen::Answer(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

/// What a probe says, without the time it took.
async fn says(answers: &[&str], with: impl FnOnce(&mut probe::Http)) -> (bool, String) {
    let (url, served) = serve(answers).await;
    let mut probe = probe(&url);
    with(&mut probe);
    let answer = look(&probe).await;
    served.await.unwrap();
    let (before, after) = answer.why.split_once(" in ").unwrap_or((&answer.why, " ms"));
    (answer.ok, format!("{before}{}", after.split_once(" ms").unwrap().1))
}

#[tokio::test]
async fn a_probe_judges_status_headers_and_fields() {
    let fine = answer("200 OK", "X-Site: oregon\r\n", r#"{"site":"oregon","lag":1.0,"up":true}"#);
    let says = async |status: Option<u16>, header: Option<&str>, field: Option<(&str, &str)>| {
        says(&[&fine], |probe| {
            probe.status = status;
            probe.headers = header.map(|v| ("x-site".to_owned(), v.to_owned())).into_iter().collect();
            probe.json = field.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
        })
        .await
    };
    let yes = (true, "200".to_owned());
    assert_eq!(says(None, None, None).await, yes);
    assert_eq!(says(Some(200), Some("oregon"), Some(("site", "\"oregon\""))).await, yes);
    assert_eq!(says(None, None, Some(("lag", "1"))).await, yes);
    assert_eq!(says(Some(204), None, None).await, (false, "200, not 204".into()));
    assert_eq!(says(None, Some("ohio"), None).await, (false, "200, header x-site is `oregon`, not `ohio`".into()));
    let elsewhere = (false, "200, site is \"oregon\", not \"ohio\"".into());
    assert_eq!(says(None, None, Some(("site", "\"ohio\""))).await, elsewhere);
    assert_eq!(says(None, None, Some(("absent", "1"))).await, (false, "200, there is no field absent".into()));
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let away = answer("302 Found", "Location: http://ohio.example.com/\r\n", "");
    assert_eq!(says(&[&away], |_| ()).await, (true, "302 to http://ohio.example.com/".into()));
    let (ok, why) = says(&[&away], |probe| probe.status = Some(200)).await;
    assert_eq!((ok, why.as_str()), (false, "302 to http://ohio.example.com/, not 200"));
}

#[tokio::test]
async fn one_wrong_answer_breaks_a_row() {
    let (fine, down) = (answer("200 OK", "", ""), answer("503 Service Unavailable", "", ""));
    assert_eq!(says(&[&fine, &fine, &fine], |probe| probe.times = 3).await, (true, "200".into()));
    let broken = (false, "503, not below 400, request 2 of 3".into());
    assert_eq!(says(&[&fine, &down], |probe| probe.times = 3).await, broken);
}

#[tokio::test]
async fn nobody_there_is_a_no_and_nonsense_is_no_answer() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gone = look(&probe(&format!("http://{closed}/ready"))).await;
    assert!(!gone.ok && gone.why.starts_with("no connection: ") && gone.why.contains("refused"), "{}", gone.why);
    let (broken, _) = serve(&[""]).await;
    assert!(!look(&probe(&broken)).await.ok);
    let nonsense = web(None).look(&probe("http://[")).await;
    assert!(matches!(nonsense, Err(LookError::Permanent { .. })), "{nonsense:?}");
}

#[tokio::test]
async fn a_body_without_end_is_given_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut probe = probe(&format!("http://{}", listener.local_addr().unwrap()));
    probe.json = [("site".to_owned(), "\"oregon\"".to_owned())].into();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b' '; 8 * 1024]).await.is_ok() {}
    });
    let answer = look(&probe).await;
    assert!(!answer.ok && answer.why.ends_with("the body is not a JSON object"), "{}", answer.why);
}

/// What comes of a request that is answered so.
async fn sent(text: &str) -> Result<Receipt, SendError> {
    let (url, served) = serve(&[text]).await;
    let result = web(None).send("r1-flag-1", &post(&url, json!({ "on": true }))).await;
    let request = served.await.unwrap().remove(0);
    assert!(request.starts_with("PUT / HTTP/1.1\r\n") && request.ends_with("\r\n\r\n{\"on\":true}"), "{request}");
    assert!(request.to_lowercase().contains("\r\nidempotency-key: r1-flag-1\r\n"), "{request}");
    result
}

#[tokio::test]
async fn a_request_that_was_taken_gives_what_came_back() {
    let receipt = |output: Value| Ok(Receipt { id: None, output });
    assert_eq!(sent(&answer("200 OK", "", r#"{"ok":1}"#)).await, receipt(json!({ "ok": 1 })));
    assert_eq!(sent(&answer("201 Created", "", "made")).await, receipt("made".into()));
    assert_eq!(sent(&answer("202 Accepted", "", "")).await, receipt(Value::Null));
    let breaks_off = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf";
    assert_eq!(sent(breaks_off).await, receipt(Value::Null), "it happened all the same");
}

#[tokio::test]
async fn whether_it_happened_is_told_by_the_answer() {
    let not_sent = |status: u16, after| Err(SendError::NotSent { after, why: format!("status {status}") });
    assert_eq!(sent(&answer("429 Slow", "Retry-After: 7\r\n", "")).await, not_sent(429, Some(Span::secs(7))));
    assert_eq!(sent(&answer("429 Slow", "", "")).await, not_sent(429, None));
    let past = "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    assert_eq!(sent(&answer("503 Busy", past, "")).await, not_sent(503, Some(Span::ZERO)));
    let refused = |status: u16| Err(SendError::Refused { why: format!("status {status}") });
    assert_eq!(sent(&answer("404 Not Found", "", "")).await, refused(404));
    assert_eq!(sent(&answer("307 Temporary Redirect", "Location: /x\r\n", "")).await, refused(307));
    let doubt = |status: u16| Err(SendError::InDoubt { why: format!("status {status}") });
    assert_eq!(sent(&answer("503 Busy", "", "")).await, doubt(503));
    assert_eq!(sent(&answer("500 Oops", "Retry-After: 7\r\n", "")).await, doubt(500));
    assert!(matches!(sent("").await, Err(SendError::InDoubt { .. })), "the connection broke after it was sent");
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let result = web(None).send("t", &post(&format!("http://{closed}/?key=secret"), Value::Null)).await;
    let Err(SendError::NotSent { why, .. }) = result else { panic!("{result:?}") };
    assert!(why.contains("refused") && !why.contains("secret"), "{why}");
}

#[tokio::test]
async fn a_message_goes_to_the_webhook_or_only_on_record() {
    let message = Post { method: "POST".into(), ..post("", "moving to oregon".into()) };
    assert_eq!(web(None).send("t", &message).await, Ok(Receipt::default()));
    let (url, served) = serve(&[&answer("200 OK", "", "ok")]).await;
    assert_eq!(web(Some(url)).send("t", &message).await, Ok(Receipt::default()));
    assert!(served.await.unwrap()[0].ends_with("\r\n\r\n{\"text\":\"moving to oregon\"}"));
}
