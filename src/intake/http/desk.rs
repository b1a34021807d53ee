//! Answers requests.

use super::{
    Arrival, Door, Health, Refusal,
    answer::{NotTaken, response},
    body,
    settled::Settled,
};
use crate::alarm::{self, Envelope, Kind, Message, Signal, Way};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::AUTHORIZATION,
};
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// A decision must be on disk by then; SNS itself waits 15 s for an answer.
const DECISION: Duration = Duration::from_secs(10);
/// Set by SNS where a subscription wants the bare message, which bears no signature.
const RAW: &str = "x-amz-sns-rawdelivery";

/// The door and what it remembers.
pub(super) struct Desk {
    door: Door,
    settled: Mutex<Settled>,
}

impl Desk {
    pub(super) fn new(door: Door) -> Self {
        Self { door, settled: Mutex::default() }
    }

    pub(super) fn note(&self, refusal: &Refusal) {
        (self.door.log)(refusal);
    }

    pub(super) async fn answer(&self, request: Request<Incoming>, from: SocketAddr) -> Response<Full<Bytes>> {
        let asked = format!("{} {}", request.method(), request.uri().path());
        let taken = match (request.method(), request.uri().path()) {
            (&Method::GET, "/health") => return self.health(),
            (&Method::GET, "/metrics") => {
                return response(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", (self.door.metrics)());
            }
            (&Method::POST, "/sns") => self.sns(request).await,
            (&Method::POST, "/events") => self.event(request).await,
            _ => Err(NotTaken::new(StatusCode::NOT_FOUND, "there is no such thing here")),
        };
        match taken {
            Ok(()) => response(StatusCode::OK, "text/plain; charset=utf-8", "taken\n".into()),
            Err(why) => {
                self.note(&Refusal::new(from, &asked, why.status, &why.why));
                why.response()
            }
        }
    }

    fn health(&self) -> Response<Full<Bytes>> {
        let Health { well, details } = (self.door.health)();
        let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        response(status, "application/json", Value::Object(details).to_string())
    }

    /// What SNS delivers. The list of topics comes first: a stranger's topic is signed by SNS too.
    async fn sns(&self, request: Request<Incoming>) -> Result<(), NotTaken> {
        if request.headers().contains_key(RAW) {
            return Err(forbidden("it comes by raw delivery, which is not signed: turn that off in the subscription"));
        }
        let body = body::read(request.into_body()).await?;
        let envelope = Envelope::parse(&body).map_err(malformed)?;
        if !self.door.topics.contains(envelope.topic()) {
            return Err(forbidden(format!("its topic `{}` is not on the list", envelope.topic())));
        }
        let url = envelope.certificate_url().map_err(forbidden)?;
        let pem = self.door.certificates.fetch(&url).await;
        let pem = pem.map_err(|why| NotTaken::yet(format!("no certificate from {url}: {why}")))?;
        envelope.verify(&pem, self.door.clock.now()).map_err(forbidden)?;
        match envelope.kind() {
            Kind::SubscriptionConfirmation => self.confirm(&envelope).await,
            Kind::Notification | Kind::UnsubscribeConfirmation => self.message(&body).await,
        }
    }

    /// What an API destination of EventBridge delivers. Without the token the body is not read.
    async fn event(&self, request: Request<Incoming>) -> Result<(), NotTaken> {
        let Some(token) = &self.door.token else {
            return Err(NotTaken::new(StatusCode::NOT_FOUND, "events are not taken: no token is set"));
        };
        let shown = request.headers().get(AUTHORIZATION);
        if !shown.is_some_and(|header| token.shown_by(header.as_bytes())) {
            return Err(NotTaken::new(StatusCode::UNAUTHORIZED, "it does not show the token"));
        }
        self.message(&body::read(request.into_body()).await?).await
    }

    async fn confirm(&self, envelope: &Envelope) -> Result<(), NotTaken> {
        let token = envelope.token().ok_or_else(|| malformed("`Token` is missing"))?;
        let confirmed = self.door.subscriptions.confirm(envelope.topic(), token).await;
        confirmed.map_err(|why| NotTaken::yet(format!("the subscription is not confirmed: {why}")))
    }

    /// A message whose sender is believed.
    async fn message(&self, body: &[u8]) -> Result<(), NotTaken> {
        match alarm::read(body, Way::Http, None).map_err(malformed)? {
            Message::Alarm(signal) => self.arrive(signal).await,
            Message::Ignored(what) => Err(NotTaken::new(StatusCode::OK, format!("ignored: {what}"))),
        }
    }

    /// Hands a signal over and waits for the decision. A duplicate that comes while the first still
    /// waits is handed over too: whoever decides knows it by its id, and both hear of the outcome.
    async fn arrive(&self, signal: Signal) -> Result<(), NotTaken> {
        let id = signal.from.message.clone();
        if id.as_ref().is_some_and(|id| self.settled().has(id, self.door.clock.now())) {
            return Ok(());
        }
        let (settled, decision) = oneshot::channel();
        let decided = timeout(DECISION, async {
            self.door.arrivals.send(Arrival { signal, settled }).await.ok()?;
            decision.await.ok()
        });
        match decided.await {
            Ok(Some(true)) => {
                id.iter().for_each(|id| self.settled().add(id, self.door.clock.now()));
                Ok(())
            }
            Ok(Some(false) | None) => Err(NotTaken::yet("no decision about it could be recorded")),
            Err(_) => Err(NotTaken::yet("no decision about it was recorded within 10s")),
        }
    }

    fn settled(&self) -> MutexGuard<'_, Settled> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forbidden(why: impl ToString) -> NotTaken {
    NotTaken::new(StatusCode::FORBIDDEN, why)
}

fn malformed(why: impl ToString) -> NotTaken {
    NotTaken::new(StatusCode::BAD_REQUEST, why)
}
