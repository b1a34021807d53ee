//! The two traits over a clock: latency, silence, what a killed process leaves.

use super::{Bench, START, http, run, runbook};
use crate::{
    clock::{Clock, Span, TokioClock},
    driver::{Look, LookError, SendError},
    model::DbEngine,
    sandbox::{Fault, Opened, Sandbox},
    world::{Effect, Seen, Target, What, rds},
};
use std::sync::Arc;

fn sandbox(seed: u64, faults: &[&str]) -> (Sandbox, Arc<TokioClock>) {
    let faults: Vec<_> = faults.iter().map(|f| Fault::parse(f).unwrap()).collect();
    let opened = Opened::in_memory(&runbook(DbEngine::Postgres), seed, START, &faults).unwrap();
    let clock = Arc::new(TokioClock::virtual_from(opened.now_at_open()));
    (opened.start(clock.clone()), clock)
}

fn at(site: &str, what: What) -> Target {
    Bench::new(DbEngine::Postgres, 0).target(site, what)
}

#[tokio::test(start_paused = true)]
async fn a_look_takes_a_moment_and_answers_in_order() {
    let (sandbox, clock) = sandbox(1, &[]);
    let targets = [at("oregon", What::Db("orders".into())), at("ohio", What::Group("web".into()))];
    let sights = sandbox.look(&targets).await;
    let took = clock.now().since(START);
    assert!((Span::ms(50)..=Span::ms(300)).contains(&took), "{took}");
    for (sight, target) in sights.iter().zip(&targets) {
        let sight = sight.as_ref().unwrap();
        assert_eq!((&sight.target, sight.at), (target, clock.now()));
    }
    assert_eq!(sights.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dead_site_is_given_up_after_three_seconds_and_nothing_was_sent() {
    let (sandbox, clock) = sandbox(2, &["primary-lost"]);
    let look = sandbox.look(&[at("ohio", What::Db("orders".into()))]).await;
    assert!(matches!(look[0], Err(LookError::Transient { .. })));
    assert_eq!(clock.now().since(START), Span::secs(3));
    let call =
        rds::Call::SetParameter { group: "orders-ohio".into(), parameter: "x".into(), value: None, freezes: false };
    let effect = Effect { target: at("ohio", What::Site), call: crate::world::Call::Rds(call) };
    assert!(matches!(sandbox.deliver("run1-x-1", &effect).await, Err(SendError::NotSent { .. })));
    let probe = What::Http(http("https://us-east-2.storefront.example.com/ready", &[]));
    let look = sandbox.look(&[at("oregon", probe)]).await;
    assert!(matches!(&look[0].as_ref().unwrap().seen, Seen::Answer(answer) if !answer.ok));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_api_hangs_until_its_caller_gives_up() {
    let (sandbox, _) = sandbox(3, &["hang"]);
    let target = [at("ohio", What::Db("orders".into()))];
    let look = tokio::time::timeout(Span::secs(30).std(), sandbox.look(&target)).await;
    assert!(look.is_err());
    let elsewhere = sandbox.look(&[at("oregon", What::Db("orders".into()))]).await;
    assert!(elsewhere[0].is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_the_sender_in_doubt_and_the_effect_in_the_world() {
    let (sandbox, _) = sandbox(4, &["lost-answer"]);
    let call = rds::Call::SetParameter {
        group: "orders-ohio".into(),
        parameter: "default_transaction_read_only".into(),
        value: Some("1".into()),
        freezes: true,
    };
    let target = at("ohio", What::Parameters("orders-ohio".into()));
    let effect = Effect { target: target.clone(), call: crate::world::Call::Rds(call) };
    assert!(matches!(sandbox.deliver("run1-freeze-1", &effect).await, Err(SendError::InDoubt { .. })));
    let sights = sandbox.look(&[target]).await;
    assert!(matches!(&sights[0].as_ref().unwrap().seen, Seen::Parameters(p) if p.frozen(DbEngine::Postgres)));
}

#[tokio::test(start_paused = true)]
async fn stale_descriptions_show_the_past_and_connections_the_present() {
    let (sandbox, clock) = sandbox(5, &["stale-reads"]);
    let target = at("ohio", What::Parameters("orders-ohio".into()));
    sandbox.look(std::slice::from_ref(&target)).await;
    let call =
        rds::Call::Tag { on: rds::Tagged::Parameters("orders-ohio".into()), key: "k".into(), value: Some("v".into()) };
    let effect = Effect { target: target.clone(), call: crate::world::Call::Rds(call) };
    sandbox.deliver("run1-freeze-1", &effect).await.unwrap();
    let sent = clock.now();
    let tagged = async || match &sandbox.look(std::slice::from_ref(&target)).await[0].as_ref().unwrap().seen {
        Seen::Parameters(p) => p.tags.contains_key("k"),
        other => panic!("{other:?}"),
    };
    assert!(!tagged().await, "the description is older than the change");
    while !tagged().await {}
    let late = clock.now().since(sent);
    assert!((Span::secs(4)..=Span::secs(21)).contains(&late), "{late}");
}

#[tokio::test(start_paused = true)]
async fn a_command_takes_its_simulated_time_and_fails_as_the_runbook_says() {
    let (sandbox, clock) = sandbox(6, &[]);
    let effect = |step: &str| Effect { target: at("ohio", What::Site), call: run(step, &["./ci"], None) };
    sandbox.deliver("run1-lock-1", &effect("lock")).await.unwrap();
    assert!(clock.now().since(START) >= Span::secs(1));
    let failed = sandbox.deliver("run1-break-1", &effect("break")).await;
    assert_eq!(failed, Err(SendError::Refused { why: "exit 3".into() }));
    assert_eq!(sandbox.lived().unwrap().applied["command"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_region_that_is_not_the_sites_is_never_seen() {
    let (sandbox, _) = sandbox(7, &[]);
    let target = Target { region: "eu-west-1".into(), ..at("ohio", What::Db("orders".into())) };
    assert!(matches!(sandbox.look(&[target]).await[0], Err(LookError::Permanent { .. })));
}

#[test]
fn a_fault_of_a_step_that_does_not_exist_is_told_the_likest_one() {
    let fault = Fault::parse("lost-answer@promot").unwrap();
    let error = Opened::in_memory(&runbook(DbEngine::Postgres), 1, START, &[fault]).err().unwrap().to_string();
    assert_eq!(error, "the fault lost-answer@promot names no step of this runbook, did you mean `promote`?");
}
