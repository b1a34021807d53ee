//! A server that is not SNS, and a memory.

use super::*;
use crate::alarm::{Envelope, forge};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};

/// What comes of a certificate that is served by this text; an empty one is never sent.
async fn fetched(answer: String) -> Result<Vec<u8>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a.pem", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        if answer.is_empty() {
            tokio::time::pause();
            std::future::pending::<()>().await;
        }
        // A client that has read enough closes.
        let _ = stream.write_all(answer.as_bytes()).await;
    });
    let fetched = get(&limited(Client::builder()).no_proxy().build().unwrap(), &url).await;
    server.abort();
    fetched
}

fn served(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn what_is_served_is_taken_if_it_is_short_and_from_there() {
    assert_eq!(fetched(served("200 OK", "", "PEM")).await, Ok(b"PEM".to_vec()));
    let elsewhere = served("302 Found", "Location: http://169.254.169.254/\r\n", "");
    assert_eq!(fetched(elsewhere).await, Err("status 302".into()));
    assert_eq!(fetched(served("404 Not Found", "", "")).await, Err("status 404".into()));
    let long = served("200 OK", "", &"x".repeat(MOST_BYTES + 1));
    assert_eq!(fetched(long).await, Err("longer than any certificate".into()));
}

#[tokio::test]
async fn a_server_that_is_silent_is_waited_for_five_seconds() {
    let start = Instant::now();
    assert!(fetched(String::new()).await.unwrap_err().starts_with("no answer"));
    assert!(start.elapsed() >= LIMIT);
}

#[tokio::test]
async fn by_anything_but_https_nothing_is_asked() {
    let web = Web::of_machine().unwrap();
    assert!(get(&web.0, "http://127.0.0.1:9/a.pem").await.is_err());
}

/// Counts, and serves one text.
struct Counted(AtomicUsize, &'static [u8]);

#[async_trait]
impl Certificates for Counted {
    async fn fetch(&self, _: &CertificateUrl) -> Result<Vec<u8>, String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(self.1.to_vec())
    }
}

fn url(n: usize) -> CertificateUrl {
    let mut message = forge::notification("m-1", "{}");
    message["SigningCertURL"] = format!("https://sns.us-east-1.amazonaws.com/{n}.pem").into();
    Envelope::parse(message.to_string().as_bytes()).unwrap().certificate_url().unwrap()
}

#[tokio::test]
async fn a_certificate_is_fetched_once_and_the_oldest_are_forgotten() {
    let cached = Cached::new(Counted(AtomicUsize::new(0), forge::CERTIFICATE));
    for n in [0, 0, 1, 0] {
        assert_eq!(cached.fetch(&url(n)).await.unwrap(), forge::CERTIFICATE);
    }
    assert_eq!(cached.source.0.load(Ordering::Relaxed), 2);
    for n in 1..=MOST_KEPT {
        cached.fetch(&url(n)).await.unwrap();
    }
    assert_eq!(cached.kept.lock().unwrap().len(), MOST_KEPT);
    assert!(cached.kept(&url(0)).is_none());
}

#[tokio::test]
async fn what_is_no_certificate_is_not_kept() {
    let cached = Cached::new(Counted(AtomicUsize::new(0), b"<html>All is well</html>"));
    for asked in 1..=2 {
        assert!(cached.fetch(&url(0)).await.is_err());
        assert_eq!(cached.source.0.load(Ordering::Relaxed), asked);
    }
}
