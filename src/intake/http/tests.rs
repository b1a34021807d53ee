//! The door, knocked at through real sockets. No test waits for a limit: once all that is to come
//! through a socket is there, time is paused, and jumps to the limit by itself.

mod good;
mod hostile;
mod limits;

use super::*;
use crate::{
    alarm::{
        CertificateUrl,
        forge::{self, CERTIFICATE},
    },
    clock::TokioClock,
};
use serde_json::json;
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    task::JoinHandle,
};

const ALARM: &str = include_str!("../../alarm/payloads/metric-raw.json");
const EVENT: &str = include_str!("../../alarm/payloads/event.json");
const TOKEN: &str = "Authorization: Bearer s3cret\r\n";

/// A door that is open, and what is seen from inside.
struct House {
    at: SocketAddr,
    arrivals: mpsc::Receiver<Arrival>,
    seen: Arc<Seen>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

/// What the door asked of others and told them.
#[derive(Default)]
struct Seen {
    refusals: Mutex<Vec<Refusal>>,
    fetched: AtomicUsize,
    confirmed: Mutex<Vec<(String, String)>>,
}

/// SNS as the door sees it.
struct Sns {
    seen: Arc<Seen>,
    reachable: bool,
}

#[async_trait]
impl Certificates for Sns {
    async fn fetch(&self, _: &CertificateUrl) -> Result<Vec<u8>, String> {
        self.seen.fetched.fetch_add(1, Ordering::Relaxed);
        if self.reachable { Ok(CERTIFICATE.to_vec()) } else { Err("no connection".into()) }
    }
}

#[async_trait]
impl Subscriptions for Sns {
    async fn confirm(&self, topic: &str, token: &str) -> Result<(), String> {
        self.seen.confirmed.lock().unwrap().push((topic.to_owned(), token.to_owned()));
        if self.reachable { Ok(()) } else { Err("AuthorizationError".into()) }
    }
}

async fn house() -> House {
    house_where(|_| {}, true).await
}

/// A house whose door is changed before it opens, and whether SNS can be reached from it.
async fn house_where(change: impl FnOnce(&mut Door), reachable: bool) -> House {
    let seen = Arc::new(Seen::default());
    let sns = Arc::new(Sns { seen: seen.clone(), reachable });
    let (sender, arrivals) = mpsc::channel(4);
    let log = seen.clone();
    let mut door = Door {
        topics: [forge::TOPIC.to_owned()].into(),
        token: Some(Token::new("s3cret")),
        certificates: sns.clone(),
        subscriptions: sns,
        arrivals: sender,
        clock: Arc::new(TokioClock::scaled(forge::now(), 1)),
        health: Arc::new(|| Health { well: true, details: Map::new() }),
        metrics: Arc::new(|| "lifeboat_up 1\n".into()),
        log: Arc::new(move |refusal| log.refusals.lock().unwrap().push(refusal.clone())),
    };
    change(&mut door);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(serve(listener, door, async { drop(stopped.await) }));
    House { at, arrivals, seen, stop, served }
}

impl House {
    /// What a request is answered with.
    async fn ask(&self, request: &str) -> String {
        hear(knock(self.at, request).await).await
    }

    /// The same, without waiting for it.
    fn asking(&self, request: String) -> JoinHandle<String> {
        let at = self.at;
        tokio::spawn(async move { hear(knock(at, &request).await).await })
    }

    /// Asks and decides about what arrives.
    async fn settle(&mut self, request: String, decision: bool) -> String {
        let answer = self.asking(request);
        let arrival = self.arrivals.recv().await.unwrap();
        arrival.settled.send(decision).unwrap();
        answer.await.unwrap()
    }

    fn nothing_arrived(&mut self) -> bool {
        self.arrivals.try_recv().is_err()
    }

    fn refusals(&self) -> Vec<String> {
        self.seen.refusals.lock().unwrap().iter().map(|r| format!("{} {}: {}", r.path, r.status, r.why)).collect()
    }

    fn fetched(&self) -> usize {
        self.seen.fetched.load(Ordering::Relaxed)
    }

    fn confirmed(&self) -> Vec<(String, String)> {
        self.seen.confirmed.lock().unwrap().clone()
    }
}

async fn knock(at: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that comes, until the other side closes.
async fn hear(mut stream: TcpStream) -> String {
    let mut bytes = vec![];
    // A reset after the answer is how a server says that it reads no further.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: lifeboat\r\n\r\n")
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: lifeboat\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// What SNS delivers about an alarm.
fn sns(id: &str) -> String {
    post("/sns", "", &forge::signed(forge::notification(id, ALARM)).to_string())
}

fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or("none")
}
