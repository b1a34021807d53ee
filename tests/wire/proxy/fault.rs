//! What can become of a call, and which calls it becomes of.

use super::{Call, Shared, call::Protocol};
use crate::http::Message;
use std::{io, thread, time::Duration};

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is passed on after a while.
    Delay(Duration),
    /// The service says that it is too much; the server never sees the call.
    Throttle,
    /// The service says that it may not; the server never sees the call.
    AccessDenied,
    /// The service answers with a code, in its own words; the server never sees the call.
    Error(u16, &'static str),
    /// Something in front of the service answers with a page; the server never sees the call.
    Page(u16),
    /// The answer says that it was made then.
    Dated(&'static str),
    /// The connection is reset before the server sees the call.
    ResetBefore,
    /// Somebody else sends the very same right before it.
    Twice,
    /// The server does it, then the connection is reset in place of an answer.
    ResetAfter,
    /// The server does it, and after so many bytes of the answer the connection ends.
    CutAfter(usize),
    /// Nothing comes back until those who hang are let go, and the server never sees the call.
    Hang,
    /// The server does it, but nothing comes back until those who hang are let go.
    HangAfter,
}

/// Which calls a fault hits.
#[derive(Clone, Debug)]
pub struct Rule {
    operation: Option<String>,
    service: Option<String>,
    region: Option<String>,
    containing: String,
    skip: u32,
    times: u32,
    fault: Fault,
}

impl Rule {
    fn any(fault: Fault) -> Self {
        let (operation, service, region) = (None, None, None);
        Self { operation, service, region, containing: String::new(), skip: 0, times: u32::MAX, fault }
    }
    /// All calls of an operation.
    pub fn on(operation: &str, fault: Fault) -> Self {
        Self { operation: Some(operation.into()), ..Self::any(fault) }
    }
    /// All calls of a service.
    pub fn service(service: &str, fault: Fault) -> Self {
        Self { service: Some(service.into()), ..Self::any(fault) }
    }
    /// A Region is gone: it takes every call and never answers.
    pub fn region_gone(region: &str) -> Self {
        Self::any(Fault::Hang).at(region)
    }
    /// Only those of a Region.
    pub fn at(self, region: &str) -> Self {
        Self { region: Some(region.into()), ..self }
    }
    /// Only those with a text among their parameters.
    pub fn containing(self, text: &str) -> Self {
        Self { containing: text.into(), ..self }
    }
    /// Not the first so many.
    pub fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }
    /// So many, and then no more.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    pub(super) fn fits(&self, call: &Call) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| w == found);
        self.times > 0
            && is(&self.operation, &call.operation)
            && is(&self.service, &call.service)
            && is(&self.region, &call.region)
            && call.parameters.contains(&self.containing)
    }

    /// Counts a call that fits.
    pub(super) fn strike(&mut self) -> Option<Fault> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times = self.times.saturating_sub(1);
        Some(self.fault.clone())
    }
}

/// What the client gets.
pub(super) enum Spoiled {
    /// An answer, whole.
    Not(Message),
    /// So many bytes of an answer.
    Cut(Message, usize),
    /// A reset.
    Reset,
    /// The end of the connection.
    Closed,
}

/// Lets become of a call what shall; `since` is how often those who hang had been let go when it arrived.
pub(super) fn spoil(proxy: &Shared, request: &Message, fault: Option<Fault>, since: u64) -> io::Result<Spoiled> {
    let protocol = Protocol::of(request);
    Ok(match fault {
        None => Spoiled::Not(proxy.forward(request)?),
        Some(Fault::Delay(time)) => {
            thread::sleep(time);
            Spoiled::Not(proxy.forward(request)?)
        }
        Some(Fault::Throttle) => Spoiled::Not(match protocol {
            Protocol::Query | Protocol::RestXml => envelope(protocol, 400, "Throttling"),
            Protocol::Json | Protocol::Cbor => envelope(protocol, 400, "ThrottlingException"),
        }),
        Some(Fault::AccessDenied) => Spoiled::Not(match protocol {
            Protocol::Query | Protocol::RestXml => envelope(protocol, 403, "AccessDenied"),
            Protocol::Json | Protocol::Cbor => envelope(protocol, 400, "AccessDeniedException"),
        }),
        Some(Fault::Error(status, code)) => Spoiled::Not(envelope(protocol, status, code)),
        Some(Fault::Page(status)) => Spoiled::Not(Message::answer(status, "text/html", "<html>not the service</html>")),
        Some(Fault::Dated(date)) => {
            let mut answer = proxy.forward(request)?;
            answer.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
            answer.headers.push(("Date".into(), date.into()));
            Spoiled::Not(answer)
        }
        Some(Fault::ResetBefore) => Spoiled::Reset,
        Some(Fault::Twice) => {
            proxy.forward(request)?;
            Spoiled::Not(proxy.forward(request)?)
        }
        Some(Fault::ResetAfter) => {
            proxy.forward(request)?;
            Spoiled::Reset
        }
        Some(Fault::CutAfter(length)) => Spoiled::Cut(proxy.forward(request)?, length),
        Some(Fault::Hang) => {
            proxy.hang(since);
            Spoiled::Closed
        }
        Some(Fault::HangAfter) => {
            proxy.forward(request)?;
            proxy.hang(since);
            Spoiled::Closed
        }
    })
}

/// An error as the protocol has it.
fn envelope(protocol: Protocol, status: u16, code: &str) -> Message {
    const WHY: &str = "a fault of the test";
    match protocol {
        Protocol::Query | Protocol::RestXml => {
            let side = if status < 500 { "Sender" } else { "Receiver" };
            let error = format!("<Error><Type>{side}</Type><Code>{code}</Code><Message>{WHY}</Message></Error>");
            let body = format!("<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>");
            Message::answer(status, "text/xml", body)
        }
        Protocol::Json => {
            let body = serde_json::json!({ "__type": code, "message": WHY }).to_string();
            Message::answer(status, "application/x-amz-json-1.1", body)
        }
        Protocol::Cbor => {
            let words = ["__type", code, "message", WHY].map(cbor_text);
            let mut answer = Message::answer(status, "application/cbor", [vec![0xa2], words.concat()].concat());
            answer.headers.push(("smithy-protocol".into(), "rpc-v2-cbor".into()));
            answer
        }
    }
}

fn cbor_text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let head = if length < 24 { vec![0x60 | length] } else { vec![0x78, length] };
    [head, text.as_bytes().to_vec()].concat()
}
