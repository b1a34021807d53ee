//! A holder that hangs: refusals name it, who types its id takes the run from it, and when it wakes
//! it does nothing more.

use super::{AGREED, Home, MAX, Running};
use lifeboat::{
    clock::{BootClock as _, KernelBootClock},
    store::GRACE,
};
use rusqlite::{Connection, TransactionBehavior};

/// A planned failover whose process stands still, and the id of its holder as a refusal tells it.
fn hung(home: &Home) -> (Running, String, String) {
    let mut first = home.start(&format!("failover RUNBOOK --planned --sandbox --speed 20 --seed 1 {AGREED}"));
    let run = first.until("effect_intended")["run"].as_str().unwrap().to_owned();
    first.stop();
    while commits(home) || sends(home, &run) {
        first.wake();
        first.until("effect_applied");
        first.stop();
    }
    let busy = home.run("resume --sandbox").ends(12).says(&run).says("ada on ").says(" since ").says("last heartbeat ");
    let id = busy.err.split("--take-over ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    (first, run, id.to_owned())
}

/// Whether somebody was stopped amid a commit, which keeps all others from writing.
fn commits(home: &Home) -> bool {
    ["sandbox.db", "sandbox-world.db"].iter().any(|file| {
        let mut file = Connection::open(home.path().join(file)).unwrap();
        file.transaction_with_behavior(TransactionBehavior::Immediate).is_err()
    })
}

/// Whether something was intended that has not arrived: awake within its lease, its sender would rightly send it.
fn sends(home: &Home, run: &str) -> bool {
    let told = home.run(&format!("show {run} --sandbox --output json")).objects();
    let intended = told.iter().filter(|event| event["event"] == "effect_intended").count() as u64;
    intended > home.lived().applied.values().sum()
}

/// The holder's lease came to its end so long ago.
fn ended(home: &Home, ago: u64) {
    let file = Connection::open(home.path().join("sandbox.db")).unwrap();
    let ends = i64::try_from(KernelBootClock.boot().0.saturating_sub(ago)).unwrap();
    file.execute("UPDATE lease SET holder = json_set(holder, '$.ends', ?)", [ends]).unwrap();
}

/// The old holder is awake again: it is refused at its next word, and has changed nothing.
fn wakes_to_nothing(home: &Home, mut first: Running) {
    first.wake();
    assert_eq!(first.end(), Some(12));
    let lived = home.lived();
    assert_eq!((lived.repeated, lived.two_writers), (vec![], None));
    assert_eq!(lived.applied["PromoteReadReplica"], 1);
    assert_eq!(home.active(), "oregon");
}

#[test]
fn who_types_the_id_of_a_holder_that_hangs_takes_its_run_up() {
    let home = Home::new();
    let (first, _, id) = hung(&home);
    let other = format!("{id}0");
    home.run(&format!("resume {MAX} --yes --take-over {other}")).ends(12).says(&id);
    home.run(&format!("resume {MAX} --take-over")).ends(2);
    ended(&home, GRACE.0);
    home.run(&format!("resume {MAX} {AGREED} --take-over {id}")).ends(25);
    wakes_to_nothing(&home, first);
}

#[test]
fn an_emergency_takes_over_from_a_holder_that_hangs_once_it_can_send_nothing_more() {
    let home = Home::new();
    let (first, run, id) = hung(&home);
    ended(&home, GRACE.0 - 300);
    home.run(&format!(
        "failover RUNBOOK --emergency --supersede {run} --reason fire --take-over {id} {MAX} {AGREED} \
         --accept-data-loss unknown --fault primary-lost"
    ))
    .ends(25)
    .says("what the old holder may still send is waited for");
    wakes_to_nothing(&home, first);
}

#[test]
fn a_run_that_hangs_is_abandoned_by_who_types_its_holder() {
    let home = Home::new();
    let (mut first, run, id) = hung(&home);
    ended(&home, GRACE.0);
    home.run(&format!("abandon {run} --reason enough --take-over {id} --sandbox")).ends(0).says("ended as it stands");
    first.wake();
    assert_eq!(first.end(), Some(12));
}
