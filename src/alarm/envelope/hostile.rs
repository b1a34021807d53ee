//! Why a message of SNS is not believed.

use crate::clock::Timestamp;

/// What shows that SNS did not make a message, or not now. Each is a sentence about the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hostile {
    /// Its signature, the version of that, or the certificate's URL is missing.
    #[error("it is not signed")]
    Unsigned,
    /// No Region can be read from its topic.
    #[error("`{0}` is not the ARN of a topic")]
    Topic(String),
    /// Whoever serves that certificate, it is not SNS in the topic's Region.
    #[error("its certificate is not a .pem at https://{host}/, where SNS signs for its topic, but `{url}`")]
    CertificateUrl {
        /// What it names.
        url: String,
        /// The one host it may name.
        host: String,
    },
    /// SNS knows versions 1 and 2.
    #[error("its signature version is `{0}`, neither 1 nor 2")]
    Version(String),
    /// What was served is no certificate.
    #[error("its certificate cannot be read: {0}")]
    Certificate(String),
    /// The certificate is of another time.
    #[error("its certificate is valid from {from} to {to} only")]
    Expired {
        /// The first instant.
        from: Timestamp,
        /// The last.
        to: Timestamp,
    },
    /// Altered, or signed by another key.
    #[error("its signature is not of this message by the key of its certificate")]
    Signature,
    /// Perhaps recorded then, and sent again now.
    #[error("it was sent at {0}, more than an hour ago")]
    Old(Timestamp),
    /// To be recorded now, and sent again then.
    #[error("it was sent at {0}, more than five minutes from now")]
    Future(Timestamp),
}
