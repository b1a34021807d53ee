//! Name servers: what they answer to `verify-dns`.
//!
//! Every server of the zone is asked itself, all at once, without recursion and past every cache.
//! That alone is the answer: the names lead to the site once all of them say so. What the machine's
//! own resolvers still say is told beside it. It decides nothing, since other people's caches differ
//! from ours: for them `wait_old_ttl` waits.
//!
//! An alias has no values of its own. It must answer addresses of what it points to, as this machine
//! resolves that: right for load balancers, not for names whose answer depends on who asks.

#[cfg(test)]
mod tests;

use super::LookError;
use crate::world::{
    Seen,
    probe::{self, Answer},
};
use futures_util::future::join_all;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    lookup::Lookup,
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RecordType},
};
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::time::timeout;

/// One server, or the machine's resolvers, all their ways of asking included.
const LIMIT: Duration = Duration::from_secs(2);

/// What a set must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Its values, as the zone has them.
    Values(Vec<String>),
    /// It is an alias of this name.
    Alias(String),
}

/// What one of them answers: values in one form, sorted; empty where there is none.
type Answered = Result<BTreeSet<String>, String>;

/// Asks name servers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names;

impl Names {
    /// Whether all of the zone's servers answer what is wanted, and nothing else. A server is a host
    /// name, an address, or `address:port`.
    pub(super) async fn look(
        &self,
        query: &probe::Dns,
        servers: &[String],
        wanted: &Wanted,
    ) -> Result<Seen, LookError> {
        let permanent = |why: String| LookError::Permanent { why };
        let name = name(&query.name).map_err(permanent)?;
        let kind: RecordType =
            query.record_type.parse().map_err(|_| permanent(format!("{} is no record type", query.record_type)))?;
        if servers.is_empty() {
            return Err(permanent(format!("zone {} names no name server", query.zone)));
        }
        let (wanted, answers, here) = tokio::join!(
            resolve(wanted, kind),
            join_all(servers.iter().map(|server| ask(server, &name, kind))),
            by_machine(&name, kind),
        );
        let wanted = wanted.map_err(|why| LookError::Transient { after: None, why })?;
        let mut answer = judge(servers, &answers, &wanted)?;
        match here {
            Ok(values) if values == wanted => {}
            Ok(values) => answer.why.push_str(&format!("; this machine's resolver answers {}", list(&values))),
            Err(why) => answer.why.push_str(&format!("; this machine's resolver: {why}")),
        }
        Ok(Seen::Answer(answer))
    }
}

fn judge(servers: &[String], answers: &[Answered], wanted: &Wants) -> Result<Answer, LookError> {
    if answers.iter().all(Result::is_err) {
        let first = answers[0].as_ref().err().cloned().unwrap_or_default();
        let why = format!("none of {} name servers answers; {}: {first}", servers.len(), servers[0]);
        return Err(LookError::Transient { after: None, why });
    }
    let wrong = servers.iter().zip(answers).find(|(_, answered)| !answered.as_ref().is_ok_and(|a| a == wanted));
    let (ok, why) = match wrong {
        None => (true, format!("all {} name servers answer {wanted}", servers.len())),
        Some((server, Ok(values))) => (false, format!("{server} answers {}, not {wanted}", list(values))),
        Some((server, Err(why))) => (false, format!("{server}: {why}")),
    };
    Ok(Answer::plain(ok, why))
}

/// What is wanted, in the form that answers have.
#[derive(Debug, PartialEq, Eq)]
struct Wants {
    values: BTreeSet<String>,
    /// Some of them will do.
    some: bool,
}

impl PartialEq<Wants> for BTreeSet<String> {
    fn eq(&self, wanted: &Wants) -> bool {
        if wanted.some { !self.is_empty() && self.is_subset(&wanted.values) } else { *self == wanted.values }
    }
}

impl std::fmt::Display for Wants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&list(&self.values))
    }
}

async fn resolve(wanted: &Wanted, kind: RecordType) -> Result<Wants, String> {
    match wanted {
        Wanted::Values(values) => Ok(Wants { values: values.iter().map(|v| plain(v)).collect(), some: false }),
        Wanted::Alias(target) => match by_machine(&name(target)?, kind).await? {
            values if values.is_empty() => Err(format!("{target} has no {kind} records")),
            values => Ok(Wants { values, some: true }),
        },
    }
}

fn name(text: &str) -> Result<Name, String> {
    let mut name = Name::from_utf8(text).map_err(|e| format!("`{text}` is not a name: {e}"))?;
    name.set_fqdn(true);
    Ok(name)
}

/// Asks one of the zone's servers.
async fn ask(server: &str, name: &Name, kind: RecordType) -> Answered {
    let asked = async {
        let at = address(server).await?;
        let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
        (udp.port, tcp.port) = (at.port(), at.port());
        let server = NameServerConfig::new(at.ip(), true, vec![udp, tcp]);
        let config = ResolverConfig::from_name_servers(vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().recursion_desired = false;
        answered(lookup(builder, name, kind).await, kind)
    };
    timeout(LIMIT, asked).await.unwrap_or_else(|_| Err("no answer within 2s".into()))
}

/// Asks the resolvers that this machine is set up with.
async fn by_machine(name: &Name, kind: RecordType) -> Answered {
    let builder = TokioResolver::builder_tokio().map_err(|e| e.to_string())?;
    let asked = async { answered(lookup(builder, name, kind).await, kind) };
    timeout(LIMIT, asked).await.unwrap_or_else(|_| Err("no answer within 2s".into()))
}

async fn lookup(
    mut builder: hickory_resolver::ResolverBuilder<TokioRuntimeProvider>,
    name: &Name,
    kind: RecordType,
) -> Result<Lookup, NetError> {
    let options = builder.options_mut();
    options.timeout = LIMIT;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build()?.lookup(name.clone(), kind).await
}

fn answered(result: Result<Lookup, NetError>, kind: RecordType) -> Answered {
    match result {
        Ok(found) => {
            let of_kind = found.answers().iter().filter(|record| record.record_type() == kind);
            Ok(of_kind.map(|record| plain(&record.data.to_string())).collect())
        }
        Err(e) if e.is_no_records_found() => Ok(BTreeSet::new()),
        Err(e) => Err(e.to_string()),
    }
}

async fn address(server: &str) -> Result<SocketAddr, String> {
    if let Ok(at) = server.parse::<SocketAddr>() {
        return Ok(at);
    }
    if let Ok(ip) = server.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, 53));
    }
    let mut found = tokio::net::lookup_host((server, 53)).await.map_err(|e| e.to_string())?;
    found.next().ok_or_else(|| "it has no address".to_owned())
}

/// A value in one form, whoever wrote it: no quotes, no trailing dots, lowercase, addresses as they are told.
fn plain(value: &str) -> String {
    let word = |word: &str| {
        let word = word.trim_end_matches('.');
        word.parse::<IpAddr>().map_or_else(|_| word.to_lowercase(), |ip| ip.to_string())
    };
    value.replace('"', "").split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

fn list(values: &BTreeSet<String>) -> String {
    if values.is_empty() { "nothing".into() } else { values.iter().cloned().collect::<Vec<_>>().join(" ") }
}
