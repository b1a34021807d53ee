//! Web servers: probes by `verify-http`, requests by `http`, messages by `notify`.
//!
//! Every request has a connection of its own, so that each may meet another server of the many
//! behind a name. Redirects are never followed: judged is what the URL itself answers, since what
//! it points to may stand at another site.
//!
//! What came of a request that changes something: no connection is *not sent*. 408, 425 and 429
//! (RFC 6585, 8470), and a 503 that says when to come back, are *not sent* either: the receiver was
//! too busy to take it. 2xx is a receipt, every other answer below 500 a refusal. All else, a 5xx, a
//! silence, a connection that broke, leaves it *in doubt*.
//!
//! URLs may carry secrets (those of messages usually do): no error tells one.

mod answer;
#[cfg(test)]
mod tests;

use super::{LookError, SendError, tls};
use crate::{
    clock::Span,
    world::{
        Post, Receipt, Seen,
        probe::{self, Answer},
    },
};
use reqwest::{Client, Method, Response, StatusCode, header, redirect};
use serde_json::{Value, json};
use std::{
    error::Error as _,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// The variable with the URL that takes messages to people: JSON, `{"text": "…"}`.
const NOTIFY_URL: &str = "LIFEBOAT_NOTIFY_URL";
/// A connection that does not come by then does not come.
const CONNECT: Duration = Duration::from_secs(3);
/// One request of a probe.
const PROBE: Duration = Duration::from_secs(5);
/// A request that changes something; within what the engine waits for a send.
const SEND: Duration = Duration::from_secs(25);

/// Speaks HTTP.
#[derive(Clone, Debug)]
pub(super) struct Web {
    builder: fn() -> reqwest::ClientBuilder,
    /// Made when it is first needed: reading the machine's certificates takes longer than a call.
    client: Arc<OnceLock<Result<Client, String>>>,
    notify: Option<String>,
}

impl Web {
    /// As this machine is set up: its certificate authorities, its proxies, its webhook for messages.
    pub(super) fn of_machine() -> Self {
        let notify = std::env::var(NOTIFY_URL).ok().filter(|url| !url.is_empty());
        Self::new(Client::builder, notify)
    }

    fn new(builder: fn() -> reqwest::ClientBuilder, notify: Option<String>) -> Self {
        Self { builder, client: Arc::default(), notify }
    }

    fn client(&self) -> Result<&Client, String> {
        let made = || {
            let tls = tls::by_machine().map_err(|e| e.to_string())?;
            (self.builder)()
                .tls_backend_preconfigured(tls)
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .pool_max_idle_per_host(0)
                .connect_timeout(CONNECT)
                .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(|e| words(&e))
        };
        self.client.get_or_init(made).as_ref().map_err(Clone::clone)
    }

    /// What a probe finds: as many right answers in a row as it wants, or the first that is wrong.
    /// Nobody there is an answer too; only a question that cannot be asked is none.
    pub(super) async fn look(&self, probe: &probe::Http) -> Result<Seen, LookError> {
        let (mut last, times) = (None, probe.times.max(1));
        for n in 1..=times {
            let mut answer = self.ask(probe).await?;
            if !answer.ok && times > 1 {
                answer.why = format!("{}, request {n} of {times}", answer.why);
            }
            if !answer.ok {
                return Ok(Seen::Answer(answer));
            }
            last = Some(answer);
        }
        Ok(Seen::Answer(last.expect("at least one request was made")))
    }

    async fn ask(&self, probe: &probe::Http) -> Result<Answer, LookError> {
        let silent = |e: reqwest::Error| {
            if e.is_builder() {
                return Err(LookError::Permanent { why: words(&e) });
            }
            let why = if e.is_timeout() { "no answer within 5s".to_owned() } else { words(&e) };
            Ok(Answer::plain(false, why))
        };
        let client = self.client().map_err(|why| LookError::Permanent { why })?;
        let start = Instant::now();
        let mut response = match client.get(&probe.url).timeout(PROBE).send().await {
            Ok(response) => response,
            Err(e) => return silent(e),
        };
        let mut body = Value::Null;
        if !probe.json.is_empty() {
            body = match read(&mut response, 1024 * 1024).await {
                Ok(Body::Whole(bytes)) => serde_json::from_slice(&bytes).unwrap_or_default(),
                // Longer than any answer of a probe: none of its fields is found.
                Ok(Body::Longer) => Value::Null,
                Err(e) => return silent(e),
            };
        }
        let took = start.elapsed().as_millis();
        let (status, wrong) = (response.status(), answer::wrong(probe, &response, &body));
        let mut why = format!("{} in {took} ms", status.as_u16());
        if let Some(to) = response.headers().get(header::LOCATION).filter(|_| status.is_redirection()) {
            why.push_str(&format!(" to {}", String::from_utf8_lossy(to.as_bytes())));
        }
        let ok = wrong.is_none();
        why.push_str(&wrong.map(|wrong| format!(", {wrong}")).unwrap_or_default());
        Ok(Answer { ok, why, output: body })
    }

    /// Sends a request that changes something, or tells people. Without a webhook a message stands
    /// in the run's record alone, which is taken as told.
    pub(super) async fn send(&self, token: &str, post: &Post) -> Result<Receipt, SendError> {
        if !post.url.is_empty() {
            return self.post(token, &post.method, &post.url, &post.body).await;
        }
        let Some(url) = &self.notify else { return Ok(Receipt::default()) };
        let text = post.body.as_str().map_or_else(|| post.body.to_string(), str::to_owned);
        // What a chat system answers is of no use to later steps.
        self.post(token, "POST", url, &json!({ "text": text })).await.map(|_| Receipt::default())
    }

    /// Sends a request; the token tells a repeat of it to whoever heeds one.
    pub(super) async fn post(&self, token: &str, method: &str, url: &str, body: &Value) -> Result<Receipt, SendError> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| SendError::Refused { why: format!("`{method}` is not a method") })?;
        let client = self.client().map_err(|why| SendError::Refused { why })?;
        let mut request = client.request(method, url).header("Idempotency-Key", token).timeout(SEND);
        if !body.is_null() {
            request = request.json(body);
        }
        match request.send().await {
            Ok(response) => took(response).await,
            Err(e) if e.is_builder() => Err(SendError::Refused { why: words(&e) }),
            Err(e) if e.is_connect() => Err(SendError::NotSent { after: None, why: words(&e) }),
            Err(e) => Err(SendError::InDoubt { why: words(&e) }),
        }
    }
}

/// What an answer to a request that changes something means.
async fn took(mut response: Response) -> Result<Receipt, SendError> {
    let status = response.status();
    let (why, after) = (format!("status {}", status.as_u16()), answer::retry_after(response.headers()));
    if status.is_success() {
        // It happened; an answer that breaks off or does not end changes nothing about that.
        let body = read(&mut response, 64 * 1024).await;
        let output = match body {
            Ok(Body::Whole(bytes)) if bytes.is_empty() => Value::Null,
            Ok(Body::Whole(bytes)) => serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
            Ok(Body::Longer) | Err(_) => Value::Null,
        };
        return Ok(Receipt { id: None, output });
    }
    Err(match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            SendError::NotSent { after, why }
        }
        StatusCode::SERVICE_UNAVAILABLE if after.is_some() => SendError::NotSent { after, why },
        status if status.is_server_error() => SendError::InDoubt { why },
        _ => SendError::Refused { why },
    })
}

enum Body {
    Whole(Vec<u8>),
    Longer,
}

async fn read(response: &mut Response, most: usize) -> Result<Body, reqwest::Error> {
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(Body::Longer);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Body::Whole(body))
}

/// The innermost cause, which says what is wrong, and never the URL.
fn words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        let to_connect = format!("no connection within {}", Span::secs(CONNECT.as_secs()));
        return if error.is_connect() { to_connect } else { "no answer in time".into() };
    }
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let kind = if error.is_connect() { "no connection" } else { "no answer" };
    match cause {
        Some(cause) if error.is_builder() => format!("the request cannot be made: {cause}"),
        Some(cause) => format!("{kind}: {cause}"),
        None => kind.to_owned(),
    }
}
