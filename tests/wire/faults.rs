//! Calls that go wrong over the wire: what the drivers say of them, and that the server saw a changing
//! call once at most.

use crate::{
    proxy::{Fault, Rule},
    sends::{Sample, samples},
    world::{HOME, STANDBY, Wire},
};
use lifeboat::{
    clock::KernelBootClock,
    driver::{LookError, SendError},
    world::{Effect, Receipt, What},
};
use std::time::Duration;
use tokio::time::Instant;

/// What a send may end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    NotSent,
    Refused,
    InDoubt,
}

fn class(sent: &Result<Receipt, SendError>) -> Option<Class> {
    match sent {
        Ok(_) => None,
        Err(SendError::NotSent { .. }) => Some(Class::NotSent),
        Err(SendError::Refused { .. }) => Some(Class::Refused),
        Err(SendError::InDoubt { .. }) => Some(Class::InDoubt),
    }
}

/// Sends one call with a fault on it. Gives what came of it; exactly one try left.
async fn spoiled(wire: &Wire, sample: &Sample, fault: Fault) -> Result<Receipt, SendError> {
    wire.proxy.mend();
    wire.proxy.forget();
    wire.proxy.spoil(Rule::on(sample.operation, fault.clone()));
    let sent = Box::pin(wire.send(sample.target.clone(), sample.call.clone())).await;
    let changes: Vec<_> = wire.proxy.changes().into_iter().map(|c| c.operation).collect();
    assert_eq!(changes, [sample.operation], "{fault:?}");
    sent
}

/// The last sample needs what the one before it leaves behind.
fn independent(wire: &Wire) -> Vec<Sample> {
    let mut all = samples(wire);
    all.pop();
    all
}

#[tokio::test]
async fn a_call_that_never_reached_the_server() {
    let wire = Wire::at_once();
    for sample in independent(&wire) {
        for (fault, expected) in [
            (Fault::Throttle, Class::NotSent),
            (Fault::Error(400, "RequestLimitExceeded"), Class::NotSent),
            (Fault::Error(400, "ExpiredToken"), Class::NotSent),
            (Fault::AccessDenied, Class::Refused),
            (Fault::Page(403), Class::Refused),
            (Fault::Page(429), Class::NotSent),
            (Fault::Error(503, "ServiceUnavailable"), Class::InDoubt),
            (Fault::Error(500, "InternalFailure"), Class::InDoubt),
            (Fault::Page(502), Class::InDoubt),
            (Fault::ResetBefore, Class::InDoubt),
        ] {
            let sent = spoiled(&wire, &sample, fault.clone()).await;
            assert_eq!(class(&sent), Some(expected), "{} {fault:?}: {sent:?}", sample.operation);
        }
    }
    assert_eq!(wire.served(), []);
}

async fn applied_but_in_doubt(fault: Fault) {
    let wire = Wire::at_once();
    let mut sent = vec![];
    for sample in samples(&wire) {
        let told = Box::pin(spoiled(&wire, &sample, fault.clone())).await;
        assert_eq!(class(&told), Some(Class::InDoubt), "{} {fault:?}: {told:?}", sample.operation);
        sent.push((sample.operation.to_owned(), true));
    }
    assert_eq!(wire.served(), sent);
}

#[tokio::test]
async fn a_call_that_was_done_and_its_answer_lost() {
    applied_but_in_doubt(Fault::ResetAfter).await;
}

#[tokio::test]
async fn a_call_that_was_done_and_its_answer_cut_in_the_head() {
    applied_but_in_doubt(Fault::CutAfter(12)).await;
}

#[tokio::test]
async fn a_call_that_was_done_and_its_answer_cut_in_the_body() {
    applied_but_in_doubt(Fault::CutAfter(250)).await;
}

/// Sends while nothing answers any more, and lets time pass once the call has arrived.
async fn hanging(fault: Fault, operation: &'static str) -> (Wire, Result<Receipt, SendError>, Duration) {
    let wire = Wire::at_once();
    let sample = samples(&wire).into_iter().find(|s| s.operation == operation).unwrap();
    wire.proxy.spoil(Rule::on(operation, fault));
    let effect = Effect { target: sample.target, call: sample.call };
    let (permit, hand) = (crate::permits::permit(&effect).await, wire.hand(KernelBootClock));
    let passes = async {
        wire.proxy.arrived(operation, 1).await;
        tokio::time::pause();
        Instant::now()
    };
    let (sent, since) = tokio::join!(hand.send(&permit, &effect), passes);
    (wire, sent, since.elapsed())
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up_after_ten_seconds() {
    let (wire, sent, waited) = hanging(Fault::Hang, "PromoteReadReplica").await;
    assert_eq!(class(&sent), Some(Class::InDoubt), "{sent:?}");
    assert!(waited <= Duration::from_secs(11), "{waited:?}");
    assert_eq!((wire.proxy.changes().len(), wire.served()), (1, vec![]));
}

#[tokio::test]
async fn a_service_that_does_it_and_says_nothing_leaves_a_doubt() {
    let (wire, sent, _) = hanging(Fault::HangAfter, "ChangeResourceRecordSets").await;
    assert_eq!(class(&sent), Some(Class::InDoubt), "{sent:?}");
    assert_eq!(wire.proxy.changes().len(), 1);
}

#[tokio::test]
async fn the_look_before_a_send_that_fails_sends_nothing() {
    let wire = Wire::at_once();
    let promote = samples(&wire).into_iter().find(|s| s.operation == "PromoteReadReplica").unwrap();
    wire.proxy.spoil(Rule::on("DescribeDBInstances", Fault::AccessDenied));
    let sent = wire.send(promote.target.clone(), promote.call.clone()).await;
    assert_eq!(class(&sent), Some(Class::Refused), "{sent:?}");
    wire.proxy.mend();
    wire.proxy.spoil(Rule::on("DescribeDBInstances", Fault::Page(502)));
    let sent = wire.send(promote.target, promote.call).await;
    assert_eq!(class(&sent), Some(Class::NotSent), "{sent:?}");
    assert_eq!(wire.proxy.changes(), []);
}

#[tokio::test]
async fn a_look_is_tried_again_and_says_whether_it_may_be_seen_later() {
    let wire = Wire::new();
    let look = || wire.look(STANDBY, What::Db("orders".into()));
    for fault in [Fault::Throttle, Fault::Error(503, "ServiceUnavailable"), Fault::ResetBefore, Fault::CutAfter(100)] {
        wire.proxy.spoil(Rule::on("DescribeDBInstances", fault.clone()).times(1));
        assert!(look().await.is_ok(), "{fault:?}");
    }
    wire.proxy.spoil(Rule::on("DescribeDBInstances", Fault::Throttle).times(3));
    assert!(matches!(look().await, Err(LookError::Transient { after: Some(_), .. })));
    wire.proxy.spoil(Rule::on("DescribeDBInstances", Fault::AccessDenied).times(1));
    let Err(LookError::Permanent { why }) = look().await else { panic!("it is no passing trouble") };
    assert!(why.contains("AccessDenied"), "{why}");
}

#[tokio::test]
async fn trouble_of_one_service_is_none_of_the_others() {
    let wire = Wire::new();
    wire.proxy.spoil(Rule::service("monitoring", Fault::AccessDenied));
    wire.proxy.spoil(Rule::service("autoscaling", Fault::AccessDenied).at(HOME.1));
    let targets = [
        wire.at(STANDBY, What::Lag("orders".into())),
        wire.at(STANDBY, What::Db("orders".into())),
        wire.at(HOME, What::Group("web".into())),
        wire.at(STANDBY, What::Group("web".into())),
    ];
    let seen = wire.eyes().look(&targets.iter().collect::<Vec<_>>()).await;
    assert_eq!(seen.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false, true], "{seen:#?}");
}
