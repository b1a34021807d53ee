//! Where SNS has its certificates, and the key in one.

use super::{Hostile, cut};
use crate::clock::Timestamp;
use std::fmt;
use x509_cert::{Certificate, der::DecodePem as _, time::Time};

/// Where SNS serves the certificate of a message. [`Envelope::certificate_url`] alone makes one, so
/// that nobody can be made to fetch anything else.
///
/// [`Envelope::certificate_url`]: super::Envelope::certificate_url
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateUrl(String);

impl CertificateUrl {
    /// The URL, if it is a `.pem` on the SNS host of the topic's own Region, by HTTPS, without user,
    /// port or query. They are compared as text, for two parsers of URLs may see two hosts in one.
    pub(super) fn of(url: &str, topic: &str) -> Result<Self, Hostile> {
        let host = host(topic).ok_or_else(|| Hostile::Topic(cut(topic, 200)))?;
        let plain = |path: &str| path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        let path = url.strip_prefix(&format!("https://{host}/"));
        match path.and_then(|path| path.strip_suffix(".pem")) {
            Some(path) if plain(path) => Ok(Self(url.to_owned())),
            _ => Err(Hostile::CertificateUrl { url: cut(url, 200), host }),
        }
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CertificateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The host of SNS in the Region of a topic; each partition has a domain of its own.
fn host(topic: &str) -> Option<String> {
    let ["arn", partition, "sns", region, _account, _name] = topic.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let domain = match partition {
        "aws" | "aws-us-gov" => "amazonaws.com",
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        _ => return None,
    };
    let word = region.len() >= 3 && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    word.then(|| format!("sns.{region}.{domain}"))
}

/// The RSA key in a certificate that is valid now.
pub(super) fn key(pem: &[u8], now: Timestamp) -> Result<Vec<u8>, Hostile> {
    let certificate = Certificate::from_pem(first(pem)).map_err(|e| Hostile::Certificate(e.to_string()))?;
    let signed = certificate.tbs_certificate;
    let (from, to) = (instant(&signed.validity.not_before), instant(&signed.validity.not_after));
    if now < from || now > to {
        return Err(Hostile::Expired { from, to });
    }
    Ok(signed.subject_public_key_info.subject_public_key.raw_bytes().to_vec())
}

/// The first certificate of a file; those of the issuers may follow it.
fn first(pem: &[u8]) -> &[u8] {
    const END: &[u8] = b"-----END CERTIFICATE-----";
    let end = pem.windows(END.len()).position(|at| at == END);
    end.map_or(pem, |end| &pem[..end + END.len()])
}

fn instant(time: &Time) -> Timestamp {
    Timestamp(i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX))
}
