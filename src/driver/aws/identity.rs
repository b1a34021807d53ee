//! Who we are at a site, as STS of the site's own Region says, and how far this machine's clock is
//! from AWS's. The call needs no permission, so what it is refused for are the credentials.

use super::{
    Eyes,
    errors::{Failed, chain},
};
use crate::{clock::Timestamp, driver::LookError, ids::SiteName};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::{
    config::ConfigBag,
    error::SdkError,
    operation::assume_role::AssumeRoleError,
    primitives::{DateTime, DateTimeFormat},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
    http::Response,
};
use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

/// What came of asking who we are.
#[derive(Clone, Debug)]
pub struct Met {
    /// Who we are.
    pub caller: Result<Caller, Stranger>,
    /// By how many milliseconds this machine's clock is ahead of AWS's, where an answer told; AWS tells whole seconds.
    pub ahead: Option<i64>,
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// The user, or the session of a role.
    pub arn: String,
}

/// Why it is not known who we are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// There are no credentials, or they are refused: that will not pass by itself.
    #[error("{0}")]
    Refused(String),
    /// Nobody answered: it says nothing about the credentials.
    #[error("{0}")]
    Silent(String),
}

impl Eyes {
    /// Asks who we are at a site.
    pub async fn who(&self, site: &SiteName) -> Met {
        let place = match self.place(site).await {
            Ok(place) => place,
            Err(e) => return Met { caller: Err(Stranger::Refused(e.to_string())), ahead: None },
        };
        place.turn("sts").await;
        let date = Date::default();
        let call = place.clients.sts.get_caller_identity().customize().interceptor(date.clone());
        let caller = match Box::pin(call.send()).await {
            Ok(told) => {
                place.answered("sts");
                let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
                Ok(Caller { account: text(told.account()), arn: text(told.arn()) })
            }
            Err(e) => Err(stranger(&e, Failed::of(&e))),
        };
        Met { caller, ahead: date.ahead() }
    }
}

/// What is said of credentials that had to be got first is said of them, not of the call.
fn stranger(error: &(dyn Error + 'static), failed: Failed) -> Stranger {
    if let Some(cause) = chain(error).find_map(|e| e.downcast_ref::<CredentialsError>()) {
        let role = chain(cause).find_map(|e| e.downcast_ref::<SdkError<AssumeRoleError, Response>>());
        return match (cause, role) {
            (_, Some(role)) => match stranger(role, Failed::of(role)) {
                Stranger::Refused(why) => Stranger::Refused(format!("its role cannot be assumed: {why}")),
                silent @ Stranger::Silent(_) => silent,
            },
            (CredentialsError::CredentialsNotLoaded(_), _) => {
                Stranger::Refused("there are no credentials for AWS".into())
            }
            (CredentialsError::InvalidConfiguration(_), _) => {
                Stranger::Refused(format!("credentials: {}", last(cause)))
            }
            _ => Stranger::Silent(format!("credentials: {}", last(cause))),
        };
    }
    match failed.into_look(None) {
        LookError::Permanent { why } => Stranger::Refused(why),
        // What has expired will not be renewed: the chain would have done it.
        LookError::Transient { why, .. } if EXPIRED.iter().any(|code| why.starts_with(code)) => Stranger::Refused(why),
        LookError::Transient { why, .. } | LookError::Silent { why } => Stranger::Silent(why),
    }
}

/// How answers begin that the credentials or the clock are to blame for, though a look may try again.
const EXPIRED: &[&str] = &["ExpiredToken", "RequestExpired", "RequestTimeTooSkewed"];

fn last(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |&e| e.source()).last().map(ToString::to_string).unwrap_or_default()
}

/// When the answer was made, as its `Date` says, beside when it came: answers that refuse have one too.
#[derive(Clone, Debug, Default)]
struct Date(Arc<Mutex<Option<i64>>>);

impl Date {
    fn ahead(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let made = date.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok()?.to_millis().ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = made.map(|made| Timestamp::wall().0 - made);
        Ok(())
    }
}
