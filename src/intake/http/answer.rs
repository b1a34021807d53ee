//! What a request is answered with.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use std::{fmt, net::SocketAddr};

/// So much of a text by a stranger gets into a line.
const MOST: usize = 400;
/// When to come back, in seconds; senders that have a rule of their own follow that.
const AGAIN: HeaderValue = HeaderValue::from_static("5");

/// A request that was not taken in, and why: for one line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who asked; behind a load balancer that is the balancer.
    pub from: SocketAddr,
    /// What was asked for; empty where no request could be read.
    pub path: String,
    /// The answer, sent or meant. 200 is for what is genuine and says nothing that matters here.
    pub status: u16,
    /// Why; printable and of bounded length, whatever the stranger wrote.
    pub why: String,
}

impl Refusal {
    pub(super) fn new(from: SocketAddr, path: &str, status: StatusCode, why: &str) -> Self {
        Self { from, path: one_line(path), status: status.as_u16(), why: one_line(why) }
    }
}

/// `203.0.113.7:4711 POST /sns 403: its topic is not on the list`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}: {}", self.from, self.path, self.status, self.why)
    }
}

/// A log has one line for one event, and a terminal obeys no stranger.
fn one_line(text: &str) -> String {
    text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Why a request is not taken in, and the status that says so.
#[derive(Debug)]
pub(super) struct NotTaken {
    pub(super) status: StatusCode,
    pub(super) why: String,
}

impl NotTaken {
    pub(super) fn new(status: StatusCode, why: impl ToString) -> Self {
        Self { status, why: why.to_string() }
    }

    /// The sender keeps it and sends it again.
    pub(super) fn yet(why: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }

    /// What it hears: strangers learn no more than the status.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let reason = self.status.canonical_reason().unwrap_or_default();
        response(self.status, "text/plain; charset=utf-8", format!("{reason}\n"))
    }
}

pub(super) fn response(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    match status {
        StatusCode::SERVICE_UNAVAILABLE => drop(headers.insert(RETRY_AFTER, AGAIN)),
        StatusCode::UNAUTHORIZED => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        _ => {}
    }
    response
}
