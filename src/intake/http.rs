//! The HTTP door: SNS and EventBridge deliver here, and monitoring asks how we are.
//!
//! `POST /sns` takes what SNS signed, of the topics on the list. `POST /events` takes an EventBridge
//! event from whoever has the bearer token. `GET /health` and `GET /metrics` tell how we are. TLS is
//! for the load balancer before this door.
//!
//! Anybody may knock, so what a stranger can cost is bounded: 64 connections at once (the next wait
//! in the kernel's queue), on each one request, whose head must be here within 5 s and whose body
//! within 10 s and 256 KiB. That is at most 16 MiB, and then only while 64 strangers keep sending.
//! What is refused is told in one line, through [`Door::log`].
//!
//! A sender that hears 503 sends again, and one that hears any other refusal does not. So 503 is the
//! answer wherever the fault may be ours: no decision on disk in time, a certificate not to be had.

mod answer;
mod body;
mod certificates;
mod desk;
mod settled;
#[cfg(test)]
mod tests;
mod token;

pub use answer::Refusal;
pub use certificates::{Cached, Certificates, Web};
pub use token::Token;

use super::Arrival;
use crate::clock::Clock;
use async_trait::async_trait;
use desk::Desk;
use hyper::{StatusCode, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{error::Elapsed, sleep, timeout},
};

/// So many are served at once.
const CONNECTIONS: usize = 64;
/// The head of a request must be here by then.
const HEAD: Duration = Duration::from_secs(5);
/// No connection outlives this, whatever holds it: longer than head, body, certificate and decision
/// together, so only a reader that does not read gets here.
const WHOLE: Duration = Duration::from_secs(45);
/// At the end, what is under way has so long.
const LAST: Duration = Duration::from_secs(5);
/// A listener that cannot accept (no more descriptors) is asked again after that.
const PAUSE: Duration = Duration::from_millis(100);

/// Who may send what, and what becomes of it.
#[derive(Clone)]
pub struct Door {
    /// The ARNs of the topics that are believed, and whose subscriptions are confirmed.
    pub topics: BTreeSet<String>,
    /// What senders of events must show; without it there is no `/events`.
    pub token: Option<Token>,
    /// Where the certificates of SNS come from.
    pub certificates: Arc<dyn Certificates>,
    /// Confirms subscriptions.
    pub subscriptions: Arc<dyn Subscriptions>,
    /// Takes what comes in.
    pub arrivals: mpsc::Sender<Arrival>,
    /// The time that messages are judged by.
    pub clock: Arc<dyn Clock>,
    /// Answers `GET /health`.
    pub health: Arc<dyn Fn() -> Health + Send + Sync>,
    /// Answers `GET /metrics`, in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Hears of each refusal once. How many are worth a line is for the caller to limit.
    pub log: Arc<dyn Fn(&Refusal) + Send + Sync>,
}

/// How the service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// 200 or 503.
    pub well: bool,
    /// What is told about it.
    pub details: Map<String, Value>,
}

/// Confirms subscriptions by `ConfirmSubscription`. The `SubscribeURL` of a message is never asked
/// for: a door that fetches what it is told to can be made to knock anywhere.
#[async_trait]
pub trait Subscriptions: Send + Sync {
    /// Confirms that the topic may send its messages here.
    async fn confirm(&self, topic: &str, token: &str) -> Result<(), String>;
}

/// Serves until `stop`; then accepts nobody, and lets what is under way finish for 5 s at most.
pub async fn serve(listener: TcpListener, door: Door, stop: impl Future<Output = ()> + Send) {
    let desk = Arc::new(Desk::new(door));
    let (stay, leave) = watch::channel(());
    let mut guests = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = guests.join_next() => {}
            accepted = listener.accept(), if guests.len() < CONNECTIONS => match accepted {
                Ok((stream, from)) => drop(guests.spawn(attend(stream, from, desk.clone(), leave.clone()))),
                Err(_) => sleep(PAUSE).await,
            },
        }
    }
    drop((listener, stay));
    // Those who are not done by then are dropped with the set.
    let _ = timeout(LAST, async { while guests.join_next().await.is_some() {} }).await;
}

/// One connection, one request: alarms are rare, and who keeps a connection keeps a place from others.
async fn attend(stream: TcpStream, from: SocketAddr, desk: Arc<Desk>, mut leave: watch::Receiver<()>) {
    let service = service_fn(|request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.answer(request, from).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .keep_alive(false)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(stream), service)
    );
    let whole = timeout(WHOLE, async {
        tokio::select! {
            done = connection.as_mut() => return done,
            _ = leave.changed() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    });
    if let Some((status, why)) = trouble(whole.await) {
        desk.note(&Refusal::new(from, "", status, &why));
    }
}

/// What is to be told of a connection that ended before its answer; nothing where its peer went away.
fn trouble(ended: Result<hyper::Result<()>, Elapsed>) -> Option<(StatusCode, String)> {
    match ended {
        Ok(Err(e)) if e.is_timeout() => {
            Some((StatusCode::REQUEST_TIMEOUT, "the head of its request did not come within 5s".into()))
        }
        Ok(Err(e)) if e.is_parse() => Some((StatusCode::BAD_REQUEST, format!("it speaks no HTTP: {e}"))),
        Ok(_) => None,
        Err(_) => Some((StatusCode::REQUEST_TIMEOUT, "it did not read its answer within 45s".into())),
    }
}
