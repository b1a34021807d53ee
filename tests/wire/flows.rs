//! Whole flows of the real program, each command in a process of its own: there and back, and after an
//! emergency. How the world is after each of them the witness tells. Whatever was done is not done again.

use crate::{
    binary::{AGREED, Desk},
    world::{HOME, NAME, STANDBY},
};
use serde_json::Value;

/// A site that serves.
const SERVES: &str = "writer, open; web 4/8/16, 8 serve; workers 2/2/4, 2 serve; weight 100";
/// A site that was left and is not protected yet.
const LEFT: &str = "writer, frozen; web 4/8/16, 8 serve; workers 0/0/4, 0 serve; weight 0";

/// How the site is that follows the other one.
fn follows(region: &str) -> String {
    format!("replica of {region}, open; web 1/2/16, 2 serve; workers 0/0/4, 0 serve; weight 0")
}

/// How a site is.
fn site(desk: &Desk, (site, region): (&str, &str)) -> String {
    let (wire, witness) = (&desk.wire, &desk.wire.witness);
    let db = witness.db(region, "orders");
    let role = match db["ReadReplicaSourceDBInstanceIdentifier"].as_str() {
        Some(source) => format!("replica of {}", source.split(':').nth(3).unwrap()),
        None => "writer".into(),
    };
    let parameters = witness.parameters(region, &format!("orders-{site}"));
    let frozen = parameters.get("default_transaction_read_only").is_some_and(|value| value == "1");
    let groups = db["VpcSecurityGroups"].as_array().unwrap();
    assert_eq!(groups[0]["VpcSecurityGroupId"], format!("sg-app-{site}"), "{site}");
    assert_eq!((groups.len(), &db["DBInstanceStatus"]), (1, &Value::from("available")), "{site}");
    let [web, workers] = ["web", "workers"].map(|group| {
        let [min, desired, max, serving] = witness.sizes(region, group);
        format!("{group} {min}/{desired}/{max}, {serving} serve")
    });
    let weight = witness.weights(&wire.zone, NAME)[site];
    format!("{role}, {}; {web}; {workers}; weight {weight}", if frozen { "frozen" } else { "open" })
}

/// Runs a command, sees what it led to, and runs it again: it finds nothing to do.
#[track_caller]
fn leg(desk: &Desk, line: &str, code: i32, [ohio, oregon]: [&str; 2]) {
    desk.run(line).ends(code);
    assert_eq!([site(desk, HOME), site(desk, STANDBY)], [ohio, oregon], "after {line}");
    assert!(desk.wire.served().iter().all(|(_, applied)| *applied), "{:?}", desk.wire.served());
    desk.wire.forget();
    desk.run(line).ends(0).says("nothing to do");
    assert_eq!((desk.wire.served(), desk.wire.proxy.changes()), (vec![], vec![]), "{line} once more");
}

#[test]
fn there_and_back_and_there_again() {
    let desk = Desk::new();
    let (follows_ohio, follows_oregon) = (follows(HOME.1), follows(STANDBY.1));
    let there = format!("failover RUNBOOK --planned --no-reprotect {AGREED}");
    leg(&desk, &there, 25, [LEFT, SERVES]);
    leg(&desk, "reprotect RUNBOOK --yes", 0, [&follows_oregon, SERVES]);
    leg(&desk, &format!("failback RUNBOOK --no-reprotect {AGREED}"), 25, [SERVES, LEFT]);
    leg(&desk, "reprotect RUNBOOK --yes", 0, [SERVES, &follows_ohio]);
    leg(&desk, &format!("failover RUNBOOK --planned {AGREED}"), 0, [&follows_oregon, SERVES]);
}

#[test]
fn an_emergency_is_paid_for_and_then_it_goes_home() {
    let desk = Desk::new();
    let emergency = format!("failover RUNBOOK --emergency --accept-data-loss unknown {AGREED}");
    leg(&desk, &emergency, 25, [LEFT, SERVES]);
    desk.run(&format!("failback RUNBOOK {AGREED}")).ends(10).says("reprotect");
    leg(&desk, "reprotect RUNBOOK --yes", 0, [&follows(STANDBY.1), SERVES]);
    leg(&desk, &format!("failback RUNBOOK {AGREED}"), 0, [SERVES, &follows(HOME.1)]);
}

#[test]
fn killed_as_it_promotes_it_is_resumed_and_promotes_once() {
    let desk = Desk::new();
    let mut running = desk.start(&format!("failover RUNBOOK --planned --no-reprotect {AGREED}"));
    // It has arrived, so the look after it is a yes, which need not outwait what RDS may still hide.
    desk.wire.proxy.await_calls("PromoteReadReplica", 1);
    running.kill();
    let code = desk.run(&format!("resume {AGREED}")).code;
    assert!(matches!(code, 0 | 25), "{code}");
    assert_eq!([site(&desk, HOME), site(&desk, STANDBY)], [LEFT, SERVES]);
    let promotions = desk.wire.served().into_iter().filter(|call| *call == ("PromoteReadReplica".into(), true));
    assert_eq!(promotions.count(), 1);
}
