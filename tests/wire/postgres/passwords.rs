//! Where the password comes from, and what a wrong one does.

use super::{
    runs::{Ended, Runs},
    server::{PASSWORD, Pair, ask},
};
use crate::world::{HOME, STANDBY};
use serde_json::json;

const SECRET: &str = "{ secret: orders/lifeboat }";

fn store(pair: &Pair, text: &str) {
    for (_, region) in [HOME, STANDBY] {
        let secret = json!({ "Name": "orders/lifeboat", "SecretString": text });
        pair.wire.witness.call("secretsmanager", region, "create_secret", &secret);
    }
}

/// The run was refused before it froze anything, and its words say why.
fn is_refused(pair: &Pair, ended: &Ended, why: &str) {
    assert_eq!(ended.code, Some(10), "{}{}", ended.out, ended.err);
    assert!(ended.err.contains(why), "{}", ended.err);
    assert_eq!(pair.wire.served(), [], "something was changed");
    assert_eq!(ask(pair.home, "orders", "insert into orders (id) values (0)"), Ok(String::new()));
}

#[test]
fn a_password_is_read_from_secrets_manager() {
    let pair = Pair::new();
    store(&pair, &json!({ "username": "lifeboat", "password": PASSWORD }).to_string());
    let runs = Runs::with_password(&pair, "lsn", "1m", SECRET).password(None);
    let ended = runs.failover();
    assert_eq!(ended.code, Some(25), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("writes lost   none; proof: lsn\n"), "{}", ended.out);
    assert!(!format!("{ended:?}{:?}", runs.events()).contains(PASSWORD), "it was written somewhere");
}

#[test]
fn a_password_that_is_wrong_or_missing_stops_a_move_before_anything_is_frozen() {
    let pair = Pair::new();
    let wrong = "password authentication failed for user \"lifeboat\"";
    let runs = Runs::new(&pair, "lsn", "1m").password(Some("wrong horse"));
    is_refused(&pair, &runs.failover(), wrong);
    let plan = runs.run(&["plan"]);
    assert_eq!(plan.code, Some(0), "{}{}", plan.out, plan.err);
    // Long lines are wrapped.
    let shown = plan.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains(wrong), "{}", plan.out);
    let unset = Runs::new(&pair, "marker", "1m").password(None);
    ask(pair.home, "orders", "delete from orders").unwrap();
    is_refused(&pair, &unset.failover(), "the variable ORDERS_PW is not set");
    let absent = Runs::with_password(&pair, "lsn", "1m", SECRET);
    ask(pair.home, "orders", "delete from orders").unwrap();
    is_refused(&pair, &absent.failover(), "orders/lifeboat");
}
