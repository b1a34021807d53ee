//! What a request is: service and Region by the scope of its signature, operation by whichever
//! protocol it speaks.

use super::Fault;
use crate::http::Message;

/// A call, as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The service that it was signed for.
    pub service: String,
    /// The Region that it was signed for.
    pub region: String,
    /// The account it is made in, where that is said.
    pub account: String,
    /// The operation's name.
    pub operation: String,
    /// It is no read.
    pub changes: bool,
    /// Its query and body, as text.
    pub parameters: String,
    /// Which try of the client it is: `attempt=1; max=3`.
    pub attempt: String,
    /// What became of it, other than being passed on.
    pub fault: Option<Fault>,
}

/// How answers must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Query,
    RestXml,
    Json,
    Cbor,
}

impl Protocol {
    pub(super) fn of(request: &Message) -> Self {
        if request.header("x-amz-target").is_some() {
            Self::Json
        } else if request.header("smithy-protocol") == Some("rpc-v2-cbor") {
            Self::Cbor
        } else if request.header("content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded")) {
            Self::Query
        } else {
            Self::RestXml
        }
    }
}

/// How the names of reads begin.
const READS: &[&str] = &["Describe", "List", "Get", "Assume", "Head", "Lookup", "Test", "Validate"];

impl Call {
    pub(super) fn of(request: &Message) -> Self {
        let credential = request.header("authorization").and_then(|a| a.split("Credential=").nth(1)).unwrap_or("");
        let scope: Vec<_> = credential.split([',', ' ']).next().unwrap_or("").split('/').collect();
        let part = |n: usize| scope.get(n).copied().unwrap_or_default().to_owned();
        let (method, target) = request.target();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let body = request.text();
        let operation = match Protocol::of(request) {
            Protocol::Json => request.header("x-amz-target").and_then(|t| t.rsplit('.').next()).map(str::to_owned),
            Protocol::Cbor => path.rsplit('/').next().map(str::to_owned),
            Protocol::Query => body.split('&').find_map(|pair| pair.strip_prefix("Action=")).map(str::to_owned),
            Protocol::RestXml => Some(rest(method, path)),
        };
        let operation = operation.unwrap_or_default();
        Self {
            service: part(3),
            region: part(2),
            account: request.header("x-moto-account-id").unwrap_or_default().to_owned(),
            changes: !READS.iter().any(|read| operation.starts_with(read)),
            operation,
            parameters: [query, &body].concat(),
            attempt: request.header("amz-sdk-request").unwrap_or_default().to_owned(),
            fault: None,
        }
    }
}

/// Operations of Route 53. Its paths begin with a version; boto3 ends some with a slash, Rust does not.
fn rest(method: &str, path: &str) -> String {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).skip(1).collect();
    match (method, &parts[..]) {
        ("POST", ["hostedzone", _, "rrset"]) => "ChangeResourceRecordSets".into(),
        ("GET", ["hostedzone", _, "rrset"]) => "ListResourceRecordSets".into(),
        ("GET", ["change", _]) => "GetChange".into(),
        ("GET", ["hostedzone", _]) => "GetHostedZone".into(),
        ("GET", ["hostedzone"]) => "ListHostedZones".into(),
        ("POST", ["hostedzone"]) => "CreateHostedZone".into(),
        _ => format!("{method} {path}"),
    }
}
