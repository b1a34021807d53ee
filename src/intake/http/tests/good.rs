//! Those who may come in.

use super::*;
use crate::alarm::{AlarmState, Way};

#[tokio::test]
async fn a_message_of_sns_is_answered_once_it_is_decided_and_not_before() {
    let mut house = house().await;
    let answer = house.asking(sns("m-1"));
    let Arrival { signal, settled } = house.arrivals.recv().await.unwrap();
    assert!(!answer.is_finished());
    assert_eq!((signal.alarm.name(), signal.state), ("orders-5xx", AlarmState::Alarm));
    assert_eq!((signal.from.way, signal.from.message.as_deref()), (Way::Http, Some("m-1")));
    assert_eq!(signal.from.topic.as_deref(), Some(forge::TOPIC));
    settled.send(true).unwrap();
    assert_eq!(status(&answer.await.unwrap()), "200");
    assert_eq!(house.refusals(), Vec::<String>::new());
}

#[tokio::test]
async fn an_event_is_taken_from_whoever_has_the_token() {
    let mut house = house().await;
    assert_eq!(status(&house.settle(post("/events", TOKEN, EVENT), true).await), "200");
    assert_eq!((house.refusals(), house.fetched()), (vec![], 0));
}

#[tokio::test]
async fn what_is_not_decided_is_to_be_sent_again() {
    let mut house = house().await;
    let refused = house.settle(sns("m-1"), false).await;
    assert_eq!(status(&refused), "503");
    assert!(refused.contains("retry-after: 5\r\n"), "{refused}");
    let answer = house.asking(sns("m-1"));
    drop(house.arrivals.recv().await.unwrap());
    assert_eq!(status(&answer.await.unwrap()), "503");
    assert_eq!(status(&house.settle(sns("m-1"), true).await), "200");
    assert_eq!(house.refusals(), ["POST /sns 503: no decision about it could be recorded"; 2]);
}

#[tokio::test]
async fn when_nobody_decides_any_more_it_is_to_be_sent_again() {
    let mut house = house().await;
    house.arrivals.close();
    assert_eq!(status(&house.ask(&sns("m-1")).await), "503");
}

#[tokio::test]
async fn a_decision_that_does_not_come_in_ten_seconds_is_none() {
    let mut house = house().await;
    let answer = house.asking(sns("m-1"));
    let arrival = house.arrivals.recv().await.unwrap();
    tokio::time::pause();
    assert_eq!(status(&answer.await.unwrap()), "503");
    assert!(arrival.settled.send(true).is_err(), "whoever decides can tell that nobody waits");
    assert_eq!(house.refusals(), ["POST /sns 503: no decision about it was recorded within 10s"]);
}

#[tokio::test]
async fn a_duplicate_of_what_is_settled_is_answered_at_once() {
    let mut house = house().await;
    assert_eq!(status(&house.settle(sns("m-1"), true).await), "200");
    assert_eq!(status(&house.ask(&sns("m-1")).await), "200");
    assert!(house.nothing_arrived());
    assert_eq!(status(&house.settle(sns("m-2"), true).await), "200");
}

#[tokio::test]
async fn a_duplicate_of_what_is_being_decided_waits_with_it() {
    let mut house = house().await;
    let (first, second) = (house.asking(sns("m-1")), house.asking(sns("m-1")));
    for _ in 0..2 {
        house.arrivals.recv().await.unwrap().settled.send(true).unwrap();
    }
    assert_eq!((status(&first.await.unwrap()), status(&second.await.unwrap())), ("200", "200"));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_had_costs_no_message() {
    let mut house = house_where(|_| {}, false).await;
    assert_eq!(status(&house.ask(&sns("m-1")).await), "503");
    assert!(house.refusals()[0].ends_with(".pem: no connection"));
    assert!(house.nothing_arrived());
}

#[tokio::test]
async fn a_subscription_is_confirmed_for_a_topic_on_the_list() {
    let house = house().await;
    let wish = post("/sns", "", &forge::signed(forge::confirmation()).to_string());
    assert_eq!(status(&house.ask(&wish).await), "200");
    assert_eq!(house.confirmed(), [(forge::TOPIC.to_owned(), "2336412f37fb687f5d51e6e2425e90cd".to_owned())]);
}

#[tokio::test]
async fn a_subscription_that_cannot_be_confirmed_now_is_asked_for_again() {
    let house = house_where(|door| door.certificates = Arc::new(Cached::new(Reachable)), false).await;
    let wish = post("/sns", "", &forge::signed(forge::confirmation()).to_string());
    assert_eq!(status(&house.ask(&wish).await), "503");
    assert_eq!(house.refusals(), ["POST /sns 503: the subscription is not confirmed: AuthorizationError"]);
}

struct Reachable;

#[async_trait]
impl Certificates for Reachable {
    async fn fetch(&self, _: &CertificateUrl) -> Result<Vec<u8>, String> {
        Ok(CERTIFICATE.to_vec())
    }
}

#[tokio::test]
async fn what_is_genuine_and_says_nothing_is_taken_and_told() {
    let mut house = house().await;
    let change = include_str!("../../../alarm/payloads/configuration-change.json");
    assert_eq!(status(&house.ask(&post("/events", TOKEN, change)).await), "200");
    let mut end = forge::confirmation();
    end["Type"] = "UnsubscribeConfirmation".into();
    assert_eq!(status(&house.ask(&post("/sns", "", &forge::signed(end).to_string())).await), "200");
    assert!(house.nothing_arrived() && house.confirmed().is_empty());
    assert_eq!(
        house.refusals(),
        [
            "POST /events 200: ignored: a configuration change of alarm orders-5xx".to_owned(),
            format!("POST /sns 200: ignored: the end of a subscription to topic {}", forge::TOPIC),
        ]
    );
}

#[tokio::test]
async fn monitoring_is_told_how_we_are() {
    let details = json!({ "queue": "no answer for 5m" });
    let ill = Health { well: false, details: details.as_object().unwrap().clone() };
    let well = house().await;
    let house = house_where(|door| door.health = Arc::new(move || ill.clone()), true).await;
    let (ill, well, metrics) =
        (house.ask(&get("/health")).await, well.ask(&get("/health")).await, house.ask(&get("/metrics")).await);
    assert_eq!((status(&ill), status(&well), status(&metrics)), ("503", "200", "200"));
    assert!(ill.ends_with("\r\n\r\n{\"queue\":\"no answer for 5m\"}") && ill.contains("application/json"), "{ill}");
    assert!(well.ends_with("\r\n\r\n{}"), "{well}");
    assert!(metrics.ends_with("\r\n\r\nlifeboat_up 1\n") && metrics.contains("version=0.0.4"), "{metrics}");
}
