//! A queue: takes messages, deletes them, hides them longer, gives them back. What becomes of a
//! message is for whoever took it: one that is neither deleted nor hidden longer comes back by itself.

use super::{
    errors::Failed,
    outposts::{Outpost, Outposts, Spot},
};
use crate::{
    clock::Span,
    driver::{LookError, SendError},
    ids::{Account, Region},
};
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::{
    Client,
    config::Builder,
    error::{ProvideErrorMetadata, SdkError},
    types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry, Message},
};
use aws_smithy_runtime_api::http::Response;
use reqwest::Url;
use std::{error::Error, time::Duration};

/// As many messages one call takes or deletes.
const AT_ONCE: u8 = 10;
/// A queue in which there is nothing answers after so many seconds: as long as SQS lets anybody wait.
const POLL: u8 = 20;
/// A message is hidden for so long at most, counted from when it was taken.
const HIDDEN_AT_MOST: Span = Span::hours(12);

/// A queue.
pub struct Queue {
    url: String,
    region: Region,
    client: Client,
}

/// A message that was taken. It is hidden from others until the queue's visibility timeout is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What was sent.
    pub body: Vec<u8>,
    /// The same whenever it comes back.
    pub id: String,
    /// What deletes it: another each time that it is taken, and only the last one is good.
    pub receipt: String,
}

/// A message that may still be in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose.
    pub receipt: String,
    /// Why; where that is in doubt, it may be gone as well.
    pub why: SendError,
}

/// Why there is no such queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoQueue {
    /// It is no address.
    #[error("{0} is no address of a queue")]
    Address(String),
    /// The address does not say in which Region it is.
    #[error("the address {0} names no Region")]
    Region(String),
}

impl Queue {
    /// A queue by its URL, in the Region that it names unless another is given. Where it is not
    /// at its Region's public address, and no other place was given for the Region, it is asked where
    /// the URL says: at a VPC endpoint.
    pub async fn open(outposts: &Outposts, url: &str, region: Option<Region>) -> Result<Self, NoQueue> {
        let no_address = || NoQueue::Address(url.to_owned());
        let parsed = Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let parsed = parsed.ok_or_else(no_address)?;
        let host = parsed.host_str().ok_or_else(no_address)?;
        let named = region_of(host);
        let public = named.is_some() && !host.contains(".vpce.");
        let region = region.or(named).ok_or_else(|| NoQueue::Region(url.to_owned()))?;
        let spot = Spot { region: region.clone(), account: account_of(parsed.path()) };
        let outpost = outposts.at(&spot).await;
        let origin =
            (!public && outpost.config().endpoint_url().is_none()).then(|| parsed.origin().ascii_serialization());
        Ok(Self { url: url.to_owned(), region, client: client(&outpost, origin) })
    }

    /// Its Region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Takes what there is, ten messages at most; waits for the first one, for twenty seconds. Where
    /// the answer is lost or nobody waits for it any more, what was in it comes back by itself.
    pub async fn receive(&self) -> Result<Vec<Received>, LookError> {
        let poll = Duration::from_secs(POLL.into());
        // Waiting is no silence; what comes beyond it is as for any other call.
        let patience = TimeoutConfig::builder()
            .operation_attempt_timeout(poll + Duration::from_secs(5))
            .operation_timeout(poll + Duration::from_secs(10));
        let call = self.client.receive_message().queue_url(&self.url);
        let call = call.wait_time_seconds(POLL.into()).max_number_of_messages(AT_ONCE.into());
        let call = call.customize().config_override(Builder::new().timeout_config(patience.build()));
        let told = Box::pin(call.send()).await.map_err(|e| Failed::of(&e).into_look(None))?;
        Ok(told.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    /// Deletes what was taken, ten messages a call. Gives those that may still be there.
    pub async fn delete(&self, receipts: &[String]) -> Vec<Kept> {
        let mut kept = vec![];
        for some in receipts.chunks(AT_ONCE.into()) {
            match Box::pin(self.delete_some(some)).await {
                Ok(failed) => kept.extend(failed),
                Err(why) => kept.extend(some.iter().map(|r| Kept { receipt: r.clone(), why: why.clone() })),
            }
        }
        kept
    }

    /// By one call.
    async fn delete_some(&self, receipts: &[String]) -> Result<Vec<Kept>, SendError> {
        let mut call = self.client.delete_message_batch().queue_url(&self.url);
        for (n, receipt) in receipts.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string()).receipt_handle(receipt).build();
            call = call.entries(entry.map_err(|e| SendError::NotSent { after: None, why: e.to_string() })?);
        }
        let told = call.send().await.map_err(sent)?;
        let kept = |(n, receipt): (usize, &String)| {
            let id = n.to_string();
            let deleted = told.successful().iter().any(|entry| entry.id() == id);
            let failed = told.failed().iter().find(|entry| entry.id() == id);
            (!deleted).then(|| Kept { receipt: receipt.clone(), why: failed.map_or_else(unsaid, refused) })
        };
        Ok(receipts.iter().enumerate().filter_map(kept).collect())
    }

    /// Hides a message for so long from now.
    pub async fn extend(&self, receipt: &str, hidden: Span) -> Result<(), SendError> {
        let seconds = i32::try_from(hidden.min(HIDDEN_AT_MOST).ceil_secs().std().as_secs()).unwrap_or(0);
        let call = self.client.change_message_visibility().visibility_timeout(seconds);
        Box::pin(call.queue_url(&self.url).receipt_handle(receipt).send()).await.map(drop).map_err(sent)
    }

    /// Gives a message back: whoever asks next has it.
    pub async fn release(&self, receipt: &str) -> Result<(), SendError> {
        self.extend(receipt, Span::ZERO).await
    }
}

fn client(outpost: &Outpost, origin: Option<String>) -> Client {
    let builder = Builder::from(outpost.config());
    Client::from_conf(match origin {
        Some(origin) => builder.endpoint_url(origin).build(),
        None => builder.build(),
    })
}

fn received(message: Message) -> Option<Received> {
    let body = message.body.unwrap_or_default().into_bytes();
    Some(Received { body, id: message.message_id.unwrap_or_default(), receipt: message.receipt_handle? })
}

fn sent<E: ProvideErrorMetadata + Error + 'static>(error: SdkError<E, Response>) -> SendError {
    Failed::of(&error).into_send(None)
}

fn refused(entry: &BatchResultErrorEntry) -> SendError {
    let why = format!("{}: {}", entry.code(), entry.message().unwrap_or("no reason given"));
    if entry.sender_fault() { SendError::Refused { why } } else { SendError::InDoubt { why } }
}

fn unsaid() -> SendError {
    SendError::InDoubt { why: "the answer says nothing of it".into() }
}

/// The Region in a host of SQS: `sqs.REGION.…`, also behind a VPC endpoint's name, and what was
/// usual before, `REGION.queue.amazonaws.com`.
fn region_of(host: &str) -> Option<Region> {
    let labels: Vec<&str> = host.split('.').collect();
    let after = labels.iter().position(|label| ["sqs", "sqs-fips"].contains(label)).map(|at| at + 1);
    let before = labels.iter().position(|label| *label == "queue").and_then(|at| at.checked_sub(1));
    let named = after.or(before).and_then(|at| labels.get(at)).filter(|label| label.contains('-'));
    let oldest = (host == "queue.amazonaws.com").then_some(&"us-east-1");
    named.or(oldest).map(|label| Region::from(*label))
}

/// The account in a queue's path: `/ACCOUNT/NAME`.
fn account_of(path: &str) -> Option<Account> {
    let (account, name) = path.strip_prefix('/')?.split_once('/')?;
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (digits && !name.is_empty()).then(|| account.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_hosts() {
        for (host, region) in [
            ("sqs.eu-north-1.amazonaws.com", Some("eu-north-1")),
            ("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("sqs-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("sqs.us-east-1.api.aws", Some("us-east-1")),
            ("vpce-0a-1b.sqs.us-east-2.vpce.amazonaws.com", Some("us-east-2")),
            ("us-west-2.queue.amazonaws.com", Some("us-west-2")),
            ("queue.amazonaws.com", Some("us-east-1")),
            ("127.0.0.1", None),
            ("sqs.localhost", None),
            ("sqs", None),
        ] {
            assert_eq!(region_of(host), region.map(Region::from), "{host}");
        }
    }

    #[test]
    fn accounts_of_paths() {
        assert_eq!(account_of("/111122223333/alarms"), Some("111122223333".into()));
        for path in ["", "/", "/alarms", "/111122223333/", "/11112222333x/alarms"] {
            assert_eq!(account_of(path), None, "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_no_queue_is_said_before_anybody_is_asked() {
        let outposts = Outposts::new(super::super::Premises::default(), std::sync::Arc::default());
        let why = async |url: &str| Queue::open(&outposts, url, None).await.err().map(|e| e.to_string());
        assert_eq!(why("alarms").await.as_deref(), Some("alarms is no address of a queue"));
        assert_eq!(why("ftp://sqs.eu-west-1.amazonaws.com/1/q").await.map(|w| w.contains("no address")), Some(true));
        let unnamed = "http://127.0.0.1:9/111122223333/q";
        assert_eq!(why(unnamed).await, Some(format!("the address {unnamed} names no Region")));
    }
}
