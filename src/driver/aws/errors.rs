//! What an error of the SDK means. To a look: may it be seen later? To a send: did it happen?

use crate::{
    clock::Span,
    driver::{LookError, SendError},
};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::http::Response;
use std::error::Error;

/// Codes by which services say "too much"; nothing was changed (SDK retry classifier; API references).
const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "SlowDown",
    "PriorRequestNotComplete",
    // Of queues and topics: messages in flight, and the key that encrypts them.
    "OverLimit",
    "KMS.ThrottlingException",
    "KMSThrottling",
];

/// Codes that say "not now": nothing was changed, and the same call may be taken later.
const LATER: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "ResourceContention",
    "ScalingActivityInProgress",
    "RequestTimeTooSkewed",
];

/// What came of a call, as far as its error tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Nothing left this machine: no credentials, say.
    NotSent(String),
    /// Nothing could be sent: there was no connection.
    Unreachable(String),
    /// The service is too busy to take it.
    Throttled(String),
    /// It was not taken now, and may be later.
    Later(String),
    /// The service said no: code and words.
    Refused(String, String),
    /// The service stumbled, or all of it took too long: whether before or after the change nobody says.
    Stumbled(String),
    /// There was no answer.
    NoAnswer(String),
}

impl Failed {
    pub(super) fn of<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, Response>) -> Self {
        match error {
            SdkError::ConstructionFailure(_) => Self::NotSent(innermost(error)),
            SdkError::DispatchFailure(failure) => {
                let why = innermost(error);
                let connected = failure.as_connector_error().is_none_or(|e| !never_connected(e));
                let keyless = chain(error).any(<dyn Error + 'static>::is::<CredentialsError>);
                // Somebody is there, but not as who they should be.
                let stranger = !connected && chain(error).any(<dyn Error + 'static>::is::<rustls::Error>);
                match (failure.is_user() || keyless || stranger, connected) {
                    (true, _) => Self::NotSent(why),
                    (false, true) => Self::NoAnswer(why),
                    (false, false) => Self::Unreachable(why),
                }
            }
            SdkError::ServiceError(answer) => judged(error, answer.raw().status().as_u16()),
            // What is no answer of the service at all, yet says "no" by its status, was not taken.
            SdkError::ResponseError(answer) if answer.raw().status().is_client_error() => {
                Self::Refused(format!("HTTP {}", answer.raw().status().as_u16()), innermost(error))
            }
            // What took too long may have been this side: credentials come before the call.
            SdkError::ResponseError(_) | SdkError::TimeoutError(_) => Self::Stumbled(innermost(error)),
            _ => Self::NoAnswer(innermost(error)),
        }
    }

    /// The code of a refusal.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(code, _) => Some(code),
            _ => None,
        }
    }

    /// To a look: `pause` is how long the lane is quiet, where it was too much.
    pub(super) fn into_look(self, pause: Option<Span>) -> LookError {
        match self {
            Self::Refused(code, why) => LookError::Permanent { why: words(&code, &why) },
            Self::NotSent(why) | Self::Throttled(why) | Self::Later(why) | Self::Stumbled(why) => {
                LookError::Transient { after: pause, why }
            }
            Self::Unreachable(why) | Self::NoAnswer(why) => LookError::Silent { why },
        }
    }

    /// To a send.
    pub(super) fn into_send(self, pause: Option<Span>) -> SendError {
        match self {
            Self::NotSent(why) | Self::Unreachable(why) | Self::Throttled(why) | Self::Later(why) => {
                SendError::NotSent { after: pause, why }
            }
            Self::Refused(code, why) => SendError::Refused { why: words(&code, &why) },
            Self::Stumbled(why) | Self::NoAnswer(why) => SendError::InDoubt { why },
        }
    }
}

fn judged<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E, Response>, status: u16) -> Failed {
    let (code, why) = (error.code().unwrap_or("unknown error"), error.message().unwrap_or_default());
    if THROTTLED.contains(&code) || status == 429 {
        Failed::Throttled(words(code, why))
    } else if LATER.contains(&code) {
        Failed::Later(words(code, why))
    } else if status >= 500 {
        Failed::Stumbled(words(code, why))
    } else {
        Failed::Refused(code.to_owned(), why.to_owned())
    }
}

fn words(code: &str, why: &str) -> String {
    if why.is_empty() { code.to_owned() } else { format!("{code}: {why}") }
}

/// The connection never came to be, so nothing was sent over it.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let connect = |e: &(dyn Error + 'static)| {
        e.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect)
    };
    chain(error).any(connect)
}

/// The first cause, which says more than what it is wrapped in. Its first line: below it the SDK
/// lists every place where it looked for credentials, which would be told of each thing that is looked at.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let told = chain(error).last().map(ToString::to_string).unwrap_or_default();
    let first = told.lines().next().unwrap_or_default();
    first.trim_end_matches(" Attempted:").to_owned()
}

/// An error and what it came of. What an I/O error holds is no source of it, and would be passed over.
pub(super) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&e| match e.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|held| held as &(dyn Error + 'static)),
        None => e.source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_rds::operation::describe_db_instances::DescribeDBInstancesError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use std::io::{Error as IoError, ErrorKind};

    type Look = SdkError<DescribeDBInstancesError, Response>;

    #[test]
    fn a_connection_on_which_nothing_comes_is_silence_and_what_fails_here_is_not() {
        let keyless = CredentialsError::not_loaded("nowhere");
        let reset = || ConnectorError::io(IoError::from(ErrorKind::ConnectionReset).into());
        for (error, silent) in [
            (Look::dispatch_failure(reset()), true),
            (Look::dispatch_failure(ConnectorError::timeout("no answer".into())), true),
            (Look::dispatch_failure(ConnectorError::other(keyless.into(), None)), false),
            (Look::dispatch_failure(ConnectorError::user("no such header".into())), false),
            (Look::construction_failure("no Region"), false),
            (Look::timeout_error("the credentials took too long"), false),
        ] {
            let look = Failed::of(&error).into_look(None);
            assert_eq!(matches!(look, LookError::Silent { .. }), silent, "{error:?}");
        }
    }

    #[test]
    fn without_credentials_nothing_was_sent_and_what_took_too_long_is_in_doubt() {
        let keyless = CredentialsError::not_loaded("nowhere");
        let keyless = Look::dispatch_failure(ConnectorError::other(keyless.into(), None));
        assert!(matches!(Failed::of(&keyless).into_send(None), SendError::NotSent { .. }));
        let late = Look::timeout_error("no answer within 30s");
        assert!(matches!(Failed::of(&late).into_send(None), SendError::InDoubt { .. }));
    }

    #[test]
    fn what_is_missing_is_told_in_one_line() {
        let told = "no credentials found in chain. Attempted:\nEnvironment: not set\nProfile: not enabled";
        assert_eq!(innermost(&std::io::Error::other(told)), "no credentials found in chain.");
        assert_eq!(innermost(&std::io::Error::other("connection refused")), "connection refused");
    }
}
