//! Topics: publishes what people must know, and confirms that we want to be told.

use super::{
    errors::Failed,
    outposts::{Outpost, Outposts, Spot},
};
use crate::driver::SendError;

/// As long a subject may be.
const SUBJECT: usize = 100;

impl Outposts {
    /// Publishes to a topic; gives the message's id. Of the subject what SNS takes: one line of ASCII,
    /// a hundred characters. It is sent again where the answer is lost: better told twice than not at all.
    pub async fn publish(&self, topic_arn: &str, subject: &str, message: &str) -> Result<String, SendError> {
        let outpost = self.of_topic(topic_arn).await?;
        let call = outpost.sns().publish().topic_arn(topic_arn).set_subject(fitting(subject)).message(message);
        let told = Box::pin(call.send()).await.map_err(|e| Failed::of(&e).into_send(None))?;
        Ok(told.message_id.unwrap_or_default())
    }

    /// Confirms a subscription by the token that the topic sent; gives the subscription's ARN. Asks
    /// SNS itself, not the address in the message, which anybody may have written.
    pub async fn confirm(&self, topic_arn: &str, token: &str) -> Result<String, SendError> {
        let outpost = self.of_topic(topic_arn).await?;
        let call = outpost.sns().confirm_subscription().topic_arn(topic_arn).token(token);
        let call = call.authenticate_on_unsubscribe("false");
        let told = Box::pin(call.send()).await.map_err(|e| Failed::of(&e).into_send(None))?;
        Ok(told.subscription_arn.unwrap_or_default())
    }

    async fn of_topic(&self, arn: &str) -> Result<Outpost, SendError> {
        let no_topic = || SendError::Refused { why: format!("{arn} is no ARN of a topic") };
        let (spot, _) = Spot::of_arn(arn, "sns").ok_or_else(no_topic)?;
        Ok(self.at(&spot).await)
    }
}

/// A subject that SNS takes; none where nothing is left of it.
fn fitting(subject: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let fit: String = subject.trim().chars().map(plain).take(SUBJECT).collect();
    (!fit.is_empty()).then_some(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_made_to_fit() {
        assert_eq!(fitting(" orders: run 01j waits\n").as_deref(), Some("orders: run 01j waits"));
        assert_eq!(fitting("a\nb\tc \u{fc}").as_deref(), Some("a?b?c ?"));
        assert_eq!(fitting(&"\u{e9}".repeat(300)), Some("?".repeat(100)));
        assert_eq!(fitting(" \n"), None);
    }
}
