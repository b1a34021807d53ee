//! Alarms over the wire: looked at in their Regions, heard through topics and queues; people are told.

use crate::{
    http::Message,
    proxy::{Fault, Rule},
    world::{HOME, STANDBY, Wire},
};
use lifeboat::{
    clock::{Span, Timestamp},
    driver::{
        LookError, SendError,
        aws::{Kept, Outposts, Pace, Queue, Received},
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    net::TcpListener,
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Outposts behind the proxy.
fn outposts(wire: &Wire) -> Outposts {
    Outposts::new(wire.premises(), Arc::new(Pace::default()))
}

/// What tests do by hand.
impl Wire {
    /// An alarm's ARN.
    pub(crate) fn alarm_arn(&self, region: &str, name: &str) -> String {
        format!("arn:aws:cloudwatch:{region}:{}:alarm:{name}", self.account)
    }

    fn put_alarm(&self, region: &str, name: &str, topics: &[&str]) -> String {
        let alarm = json!({
            "AlarmName": name, "Namespace": "lifeboat", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 3, "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold",
            "AlarmActions": topics, "ActionsEnabled": !name.starts_with("quiet"),
        });
        self.witness.call("cloudwatch", region, "put_metric_alarm", &alarm);
        self.alarm_arn(region, name)
    }

    /// An alarm goes to a state.
    pub(crate) fn set_alarm(&self, region: &str, name: &str, state: &str) {
        let set = json!({ "AlarmName": name, "StateValue": state, "StateReason": format!("a drill: {state}") });
        self.witness.call("cloudwatch", region, "set_alarm_state", &set);
    }

    fn topic(&self, region: &str) -> String {
        let made = self.witness.call("sns", region, "create_topic", &json!({ "Name": "dr" }));
        made["TopicArn"].as_str().unwrap().to_owned()
    }

    /// A queue; messages come to it from a topic, raw or in envelopes.
    fn queue(&self, region: &str, topic: Option<(&str, bool)>) -> String {
        let made = self.witness.call("sqs", region, "create_queue", &json!({ "QueueName": "alarms" }));
        if let Some((topic, raw)) = topic {
            let endpoint = format!("arn:aws:sqs:{region}:{}:alarms", self.account);
            let how = json!({ "RawMessageDelivery": raw.to_string() });
            let asked = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint, "Attributes": how });
            self.witness.call("sns", region, "subscribe", &asked);
        }
        made["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// How many messages can be taken, and how many are hidden.
    fn waiting(&self, region: &str, url: &str) -> (u64, u64) {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let asked = json!({ "QueueUrl": url, "AttributeNames": names });
        let told = self.witness.call("sqs", region, "get_queue_attributes", &asked)["Attributes"].take();
        let [free, hidden] = names.map(|name| told[name].as_str().unwrap().parse().unwrap());
        (free, hidden)
    }

    fn send_messages(&self, region: &str, url: &str, bodies: impl Iterator<Item = String>) {
        let entries: Vec<_> =
            bodies.enumerate().map(|(n, b)| json!({ "Id": n.to_string(), "MessageBody": b })).collect();
        for some in entries.chunks(10) {
            self.witness.call("sqs", region, "send_message_batch", &json!({ "QueueUrl": url, "Entries": some }));
        }
    }
}

async fn open(outposts: &Outposts, url: &str, region: &str) -> Queue {
    Queue::open(outposts, url, Some(region.into())).await.unwrap()
}

async fn only(queue: &Queue) -> Received {
    let mut found = queue.receive().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test]
async fn alarms_of_both_kinds_in_two_regions_by_one_describe_each() {
    let wire = Wire::new();
    let home = wire.put_alarm(HOME.1, "errors", &[]);
    let standby = wire.put_alarm(STANDBY.1, "errors", &[]);
    let quiet = wire.put_alarm(STANDBY.1, "quiet: at night", &[]);
    let composed = json!({ "AlarmName": "both", "AlarmRule": "ALARM(errors)" });
    wire.witness.call("cloudwatch", STANDBY.1, "put_composite_alarm", &composed);
    let (both, none) = (wire.alarm_arn(STANDBY.1, "both"), wire.alarm_arn(HOME.1, "none"));
    let before = Timestamp::wall();
    wire.set_alarm(STANDBY.1, "errors", "ALARM");
    wire.set_alarm(HOME.1, "errors", "OK");
    let after = Timestamp::wall();
    wire.set_alarm(STANDBY.1, "errors", "ALARM");
    let all = [&home, &standby, &quiet, &both, &none].map(String::as_str);
    let seen = outposts(&wire).alarms(&[&all[..], &["arn:aws:sns:us-east-2:1:dr"]].concat()).await;
    assert_eq!(seen.len(), 6);
    let sight = |arn: &str| seen[arn].clone().unwrap().unwrap();
    let states = [&home, &standby, &quiet, &both].map(|arn| sight(arn).state);
    assert_eq!(states, ["OK", "ALARM", "INSUFFICIENT_DATA", "ALARM"]);
    assert_eq!([&home, &standby, &quiet, &both].map(|arn| sight(arn).actions_enabled), [true, true, false, true]);
    assert_eq!(sight(&standby).reason, "a drill: ALARM");
    assert!(sight(&both).reason.starts_with(&standby), "{}", sight(&both).reason);
    for arn in [&home, &standby, &both] {
        let since = sight(arn).since;
        assert!(before <= since && since <= after, "{arn} since {since}: it was set once more, but changed once");
    }
    assert_eq!(seen[&none], Ok(None));
    let LookError::Permanent { why } = seen["arn:aws:sns:us-east-2:1:dr"].clone().unwrap_err() else { panic!() };
    assert_eq!(why, "arn:aws:sns:us-east-2:1:dr is no ARN of an alarm");
    let mut regions: Vec<_> = wire.proxy.calls().into_iter().map(|call| (call.operation, call.region)).collect();
    regions.sort();
    assert_eq!(regions, [HOME.1, STANDBY.1].map(|region| ("DescribeAlarms".to_owned(), region.to_owned())));
}

#[tokio::test]
async fn more_alarms_than_a_describe_can_name() {
    let wire = Wire::new();
    let put = wire.put_alarm(HOME.1, "a7", &[]);
    let arns: Vec<_> = (0..101).map(|n| wire.alarm_arn(HOME.1, &format!("a{n}"))).collect();
    let seen = outposts(&wire).alarms(&arns.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(seen.len(), 101);
    let there: Vec<_> = seen.iter().filter(|(_, sight)| matches!(sight, Ok(Some(_)))).map(|(arn, _)| arn).collect();
    assert_eq!(there, [&put]);
    assert_eq!(wire.proxy.calls_of("DescribeAlarms").len(), 2);
}

#[tokio::test]
async fn a_region_that_does_not_answer_hides_no_alarm_of_another() {
    let wire = Wire::new();
    let (home, standby) = (wire.put_alarm(HOME.1, "errors", &[]), wire.put_alarm(STANDBY.1, "errors", &[]));
    wire.proxy.spoil(Rule::on("DescribeAlarms", Fault::AccessDenied).at(HOME.1));
    let seen = outposts(&wire).alarms(&[&home, &standby]).await;
    assert!(matches!(&seen[&home], Err(LookError::Permanent { .. })), "{:?}", seen[&home]);
    assert_eq!(seen[&standby].clone().unwrap().unwrap().state, "INSUFFICIENT_DATA");
}

#[tokio::test]
async fn an_alarm_goes_through_a_topic_into_a_queue() {
    for raw in [true, false] {
        let wire = Wire::new();
        let topic = wire.topic(STANDBY.1);
        let url = wire.queue(STANDBY.1, Some((&topic, raw)));
        let arn = wire.put_alarm(STANDBY.1, "region-lost", &[&topic]);
        wire.set_alarm(STANDBY.1, "region-lost", "ALARM");
        let queue = open(&outposts(&wire), &url, STANDBY.1).await;
        let received = only(&queue).await;
        let mut told = parsed(&received.body);
        if !raw {
            assert_eq!((&told["Type"], &told["TopicArn"]), (&json!("Notification"), &json!(topic)));
            assert_eq!(told["Subject"], r#"ALARM: "region-lost" in US West (Oregon)"#);
            told = parsed(told["Message"].as_str().unwrap().as_bytes());
        }
        assert_eq!((&told["AlarmArn"], &told["AWSAccountId"]), (&json!(arn), &json!(wire.account)));
        assert_eq!((&told["OldStateValue"], &told["NewStateValue"]), (&json!("INSUFFICIENT_DATA"), &json!("ALARM")));
        assert_eq!(wire.waiting(STANDBY.1, &url), (0, 1));
        assert_eq!(queue.delete(&[received.receipt]).await, []);
        assert_eq!(wire.waiting(STANDBY.1, &url), (0, 0));
    }
}

#[tokio::test]
async fn what_is_released_comes_back_and_what_is_extended_does_not() {
    let wire = Wire::new();
    let url = wire.queue(HOME.1, None);
    wire.send_messages(HOME.1, &url, ["wake up".to_owned()].into_iter());
    let queue = open(&outposts(&wire), &url, HOME.1).await;
    let first = only(&queue).await;
    queue.extend(&first.receipt, Span::hours(1)).await.unwrap();
    assert_eq!(wire.waiting(HOME.1, &url), (0, 1));
    queue.release(&first.receipt).await.unwrap();
    let again = only(&queue).await;
    assert_eq!((&again.body, &again.id), (&first.body, &first.id));
    assert_ne!(again.receipt, first.receipt);
    // The receipt of before is taken, and does nothing.
    assert_eq!(queue.delete(&[first.receipt]).await, []);
    assert_eq!(wire.waiting(HOME.1, &url), (0, 1));
    assert_eq!(queue.delete(std::slice::from_ref(&again.receipt)).await, []);
    let gone = queue.extend(&again.receipt, Span::mins(1)).await.unwrap_err();
    assert!(matches!(gone, SendError::Refused { .. }), "{gone:?}");
    assert_eq!(wire.waiting(HOME.1, &url), (0, 0));
}

#[tokio::test]
async fn many_messages_are_taken_and_deleted_in_batches() {
    let wire = Wire::new();
    let url = wire.queue(HOME.1, None);
    wire.send_messages(HOME.1, &url, (0..25).map(|n| n.to_string()));
    let queue = open(&outposts(&wire), &url, HOME.1).await;
    let (mut sizes, mut bodies) = (vec![], BTreeSet::new());
    while bodies.len() < 25 {
        let found = queue.receive().await.unwrap();
        sizes.push(found.len());
        bodies.extend(found.iter().map(|m| m.body.clone()));
        let receipts: Vec<_> = found.into_iter().map(|m| m.receipt).collect();
        assert_eq!(queue.delete(&receipts).await, []);
    }
    assert_eq!(sizes, [10, 10, 5]);
    assert_eq!(wire.waiting(HOME.1, &url), (0, 0));
    assert_eq!(wire.proxy.calls_of("DeleteMessageBatch").len(), 3);
    assert!(wire.proxy.calls_of("ReceiveMessage").iter().all(|c| c.parameters.contains(r#""WaitTimeSeconds":20"#)));
}

#[tokio::test]
async fn what_could_not_be_deleted_is_told_by_receipt() {
    let wire = Wire::new();
    let url = wire.queue(HOME.1, None);
    wire.send_messages(HOME.1, &url, ["one".to_owned()].into_iter());
    let queue = open(&outposts(&wire), &url, HOME.1).await;
    let receipt = only(&queue).await.receipt;
    let kept = queue.delete(&["nobody's".to_owned(), receipt.clone()]).await;
    let [Kept { receipt: wrong, why: SendError::Refused { why } }] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(wrong, "nobody's");
    assert!(why.starts_with("ReceiptHandleIsInvalid"), "{why}");
    assert_eq!(wire.waiting(HOME.1, &url), (0, 0));
    wire.proxy.spoil(Rule::on("DeleteMessageBatch", Fault::AccessDenied));
    let kept = queue.delete(std::slice::from_ref(&receipt)).await;
    let [Kept { receipt: refused, why: SendError::Refused { .. } }] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(*refused, receipt);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again() {
    let wire = Wire::new();
    let url = wire.queue(HOME.1, None);
    wire.send_messages(HOME.1, &url, (0..2).map(|n| n.to_string()));
    let queue = open(&outposts(&wire), &url, HOME.1).await;
    wire.proxy.spoil(Rule::on("ReceiveMessage", Fault::ResetBefore).times(1));
    wire.proxy.spoil(Rule::on("DeleteMessageBatch", Fault::ResetAfter).times(1));
    let found = queue.receive().await.unwrap();
    assert_eq!(found.len(), 2);
    let receipts: Vec<_> = found.into_iter().map(|m| m.receipt).collect();
    assert_eq!(queue.delete(&receipts).await, []);
    assert_eq!(wire.waiting(HOME.1, &url), (0, 0));
}

#[tokio::test]
async fn a_queue_may_be_silent_for_as_long_as_it_is_asked_to_wait_and_not_for_ever() {
    let wire = Wire::new();
    let url = wire.queue(HOME.1, None);
    let queue = open(&outposts(&wire), &url, HOME.1).await;
    wire.proxy.spoil(Rule::on("ReceiveMessage", Fault::Hang));
    let passes = async {
        wire.proxy.arrived("ReceiveMessage", 1).await;
        tokio::time::pause();
        Instant::now()
    };
    let (received, since) = tokio::join!(queue.receive(), passes);
    let waited = since.elapsed();
    assert!(matches!(received, Err(LookError::Transient { .. })), "{received:?}");
    assert!(Duration::from_secs(24) < waited && waited < Duration::from_secs(31), "{waited:?}");
}

#[tokio::test]
async fn a_queue_that_is_gone_is_gone_for_good() {
    let wire = Wire::new();
    let url = wire.queue(HOME.1, None);
    wire.witness.call("sqs", HOME.1, "delete_queue", &json!({ "QueueUrl": url }));
    let queue = open(&outposts(&wire), &url, HOME.1).await;
    let gone = queue.receive().await.unwrap_err();
    let LookError::Permanent { why } = gone else { panic!("{gone:?}") };
    assert!(why.contains("NonExistentQueue"), "{why}");
}

#[tokio::test]
async fn people_are_told() {
    let wire = Wire::new();
    let topic = wire.topic(HOME.1);
    let url = wire.queue(HOME.1, Some((&topic, false)));
    let outposts = outposts(&wire);
    let long = format!("orders:\n{}", "waits for you ".repeat(20));
    let id = outposts.publish(&topic, &long, "lifeboat approve 01j9 promote\nüber").await.unwrap();
    let told = parsed(&only(&open(&outposts, &url, HOME.1).await).await.body);
    assert_eq!((&told["MessageId"], &told["Message"]), (&json!(id), &json!("lifeboat approve 01j9 promote\nüber")));
    let subject = told["Subject"].as_str().unwrap();
    assert!(subject.len() == 100 && subject.starts_with("orders:?waits for you"), "{subject}");
    for (arn, expected) in [("dr", "dr is no ARN of a topic"), (&format!("{topic}-gone"), "NotFound")] {
        let failed = outposts.publish(arn, "s", "m").await.unwrap_err();
        let SendError::Refused { why } = failed else { panic!("{failed:?}") };
        assert!(why.starts_with(expected), "{why}");
    }
}

#[tokio::test]
async fn a_subscription_is_confirmed_by_its_token() {
    let wire = Wire::new();
    let (topic, outposts) = (wire.topic(STANDBY.1), outposts(&wire));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let heard = move || {
        let (mut from, _) = listener.accept().unwrap();
        let request = Message::read(&mut from).unwrap().unwrap();
        from.write_all(&Message::answer(200, "text/plain", "").bytes("close")).unwrap();
        parsed(&request.body)
    };
    let asked = json!({ "TopicArn": topic, "Protocol": "http", "Endpoint": endpoint });
    wire.witness.call("sns", STANDBY.1, "subscribe", &asked);
    let told = heard();
    let wrong = outposts.confirm(&topic, "guessed").await.unwrap_err();
    assert!(matches!(wrong, SendError::Refused { .. }), "{wrong:?}");
    let arn = outposts.confirm(&topic, told["Token"].as_str().unwrap()).await.unwrap();
    let asked = json!({ "SubscriptionArn": arn });
    let found = wire.witness.call("sns", STANDBY.1, "get_subscription_attributes", &asked)["Attributes"].take();
    let found: BTreeMap<String, Value> = serde_json::from_value(found).unwrap();
    let flags = ["PendingConfirmation", "ConfirmationWasAuthenticated"].map(|name| found[name].as_str().unwrap());
    assert_eq!(flags, ["false", "false"]);
    outposts.publish(&topic, "s", "now we are told").await.unwrap();
    assert_eq!(heard()["Message"], "now we are told");
}
