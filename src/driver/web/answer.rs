//! How a web server's answer is judged.

use crate::{clock::Span, world::probe};
use reqwest::{Response, header};
use serde_json::Value;

/// What is not as the probe wants it, in words. Fields are those at the top of the body.
pub(super) fn wrong(probe: &probe::Http, response: &Response, body: &Value) -> Option<String> {
    let status = response.status().as_u16();
    match probe.status {
        Some(wanted) if wanted != status => return Some(format!("not {wanted}")),
        None if status >= 400 => return Some("not below 400".into()),
        _ => {}
    }
    for (name, wanted) in &probe.headers {
        let mut values = response.headers().get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
        let first = values.next();
        if first.as_ref() != Some(&wanted.into()) && !values.any(|value| value == *wanted) {
            return Some(match first {
                Some(value) => format!("header {name} is `{}`, not `{wanted}`", short(&value)),
                None => format!("there is no header {name}"),
            });
        }
    }
    if !probe.json.is_empty() && !body.is_object() {
        return Some("the body is not a JSON object".into());
    }
    for (name, wanted) in &probe.json {
        match body.get(name) {
            Some(value) if same(value, wanted) => {}
            Some(value) => return Some(format!("{name} is {}, not {wanted}", short(&value.to_string()))),
            None => return Some(format!("there is no field {name}")),
        }
    }
    None
}

/// Numbers are the same by value: 1 and 1.0.
fn same(value: &Value, wanted: &str) -> bool {
    let Ok(wanted) = serde_json::from_str::<Value>(wanted) else { return false };
    match (value, &wanted) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

/// What came from elsewhere is told in one short line.
fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect();
    if text.chars().count() > 80 { format!("{line}…") } else { line }
}

/// When to come back, in seconds or as a date (RFC 9110, 10.2.3); at most an hour is believed.
pub(super) fn retry_after(headers: &header::HeaderMap) -> Option<Span> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            u64::try_from(at.as_second() - jiff::Timestamp::now().as_second()).unwrap_or(0)
        }
    };
    Some(Span::secs(seconds.min(3600)))
}
