//! The certificates that SNS signs by.

#[cfg(test)]
mod tests;

use crate::alarm::CertificateUrl;
use async_trait::async_trait;
use reqwest::{Client, ClientBuilder, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::{
    collections::VecDeque,
    error::Error as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A server of SNS that takes longer is asked again with the next delivery.
const LIMIT: Duration = Duration::from_secs(5);
/// A certificate has 2 KiB.
const MOST_BYTES: usize = 64 * 1024;
/// SNS changes its certificate about once a year, in each Region on its own.
const MOST_KEPT: usize = 16;

/// Gets the certificate of a message.
#[async_trait]
pub trait Certificates: Send + Sync {
    /// The PEM that is served there. What goes wrong says so in words: it may go well the next time.
    async fn fetch(&self, url: &CertificateUrl) -> Result<Vec<u8>, String>;
}

/// From SNS itself. All trust in a message rests on this connection: the server's certificate is
/// verified by the machine's authorities, and no redirect is followed.
#[derive(Clone, Debug)]
pub struct Web(Client);

impl Web {
    /// As this machine is set up. Reads its certificate authorities, which takes a while.
    pub fn of_machine() -> Result<Self, String> {
        let client = limited(Client::builder()).https_only(true).build();
        client.map(Self).map_err(|e| format!("no HTTPS client can be made: {e}"))
    }
}

#[async_trait]
impl Certificates for Web {
    async fn fetch(&self, url: &CertificateUrl) -> Result<Vec<u8>, String> {
        get(&self.0, url.as_str()).await
    }
}

fn limited(builder: ClientBuilder) -> ClientBuilder {
    builder
        .tls_backend_preconfigured(tls())
        .redirect(redirect::Policy::none())
        .timeout(LIMIT)
        .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
}

/// Certificate and name are verified, by the machine's own authorities. The provider is named: with
/// several in the process rustls would have none by itself.
fn tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the versions of TLS that rustls has by default")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn get(client: &Client, url: &str) -> Result<Vec<u8>, String> {
    let silent = |e: reqwest::Error| {
        let cause = e.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("no answer{cause}")
    };
    let mut response = client.get(url).send().await.map_err(silent)?;
    if response.status() != 200 {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let mut bytes = vec![];
    while let Some(piece) = response.chunk().await.map_err(silent)? {
        if bytes.len() + piece.len() > MOST_BYTES {
            return Err("longer than any certificate".into());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Remembers what was fetched, the last 16 URLs: the name of a certificate changes with its content.
pub struct Cached<C> {
    source: C,
    kept: Mutex<VecDeque<(CertificateUrl, Vec<u8>)>>,
}

impl<C> Cached<C> {
    /// Asks `source` for what it does not remember.
    pub fn new(source: C) -> Self {
        Self { source, kept: Mutex::default() }
    }

    fn kept(&self, url: &CertificateUrl) -> Option<Vec<u8>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(at, _)| at == url).map(|(_, pem)| pem.clone())
    }

    fn keep(&self, url: &CertificateUrl, pem: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(at, _)| at != url);
        kept.truncate(MOST_KEPT - 1);
        kept.push_front((url.clone(), pem.to_vec()));
    }
}

#[async_trait]
impl<C: Certificates> Certificates for Cached<C> {
    async fn fetch(&self, url: &CertificateUrl) -> Result<Vec<u8>, String> {
        if let Some(pem) = self.kept(url) {
            return Ok(pem);
        }
        let pem = self.source.fetch(url).await?;
        // A page of an error that calls itself a success must not stay.
        if !pem.starts_with(b"-----BEGIN CERTIFICATE-----") {
            return Err("what is served there is no certificate".into());
        }
        self.keep(url, &pem);
        Ok(pem)
    }
}
