//! A shift of more records than one batch takes: the rest follows, and at no moment is a name without
//! a site that has weight.

use super::{super::bench::*, *};
use crate::world::{Receipt, Sight};
use serde_json::{Value, json};

const ZONE: &str = "Z1";

/// 300 names, a set for each site: two batches.
fn records() -> Records {
    let set = |name: &str, id: &str, weight| RecordSet {
        name: name.into(),
        record_type: "A".into(),
        set_identifier: Some(id.into()),
        weight: Some(weight),
        ttl: Some(60),
        values: vec!["192.0.2.1".into()],
        rest: Value::Null,
    };
    let names = (0..300).map(|n| format!("r{n}"));
    Records { sets: names.flat_map(|name| [set(&name, "ohio", 90), set(&name, "oregon", 0)]).collect() }
}

fn at(records: &Records) -> Bench {
    let mut bench = Bench::at("oregon");
    if let Kind::WeightedRecord { records, .. } = &mut bench.resources.get_mut("www").unwrap().kind {
        *records = (0..300).map(|n| format!("r{n}")).collect();
    }
    bench.see(Target::GLOBAL, What::Records(ZONE.into()), Seen::Records(records.clone()))
}

fn next(bench: &Bench) -> Next {
    bench.next("shift-traffic", "www", json!({}))
}

fn batch(bench: &Bench) -> Effect {
    let Next::Send { effect, .. } = next(bench) else { panic!("{:?}", next(bench)) };
    *effect
}

fn after(records: &Records, effect: &Effect) -> Records {
    let target = Target::global(What::Records(ZONE.into()));
    let mut world = World::of([Sight { target: target.clone(), at: NOW, seen: Seen::Records(records.clone()) }]);
    effect.predict(&mut world, NOW);
    let Some(Seen::Records(changed)) = world.seen(&target) else { panic!("there it is") };
    changed.clone()
}

/// The names at each site that have weight there.
fn served(records: &Records) -> (usize, usize) {
    let at = |site: &str| {
        let here = |set: &&RecordSet| set.set_identifier.as_deref() == Some(site) && set.weight != Some(0);
        records.sets.iter().filter(here).count()
    };
    (at("ohio"), at("oregon"))
}

fn receipt(id: &str) -> Option<Receipt> {
    Some(Receipt { id: Some(id.into()), ..Receipt::default() })
}

#[test]
fn what_one_batch_does_not_take_follows_in_the_next_and_every_name_has_one_site_with_weight() {
    let before = records();
    let first = batch(&at(&before));
    let between = after(&before, &first);
    assert_eq!(served(&between), (50, 250), "each name is moved whole");
    let second = batch(&at(&between).sent(&first, receipt("C1")).see(
        Target::GLOBAL,
        What::Change("C1".into()),
        Seen::Change(ChangeStatus::Pending),
    ));
    let end = after(&between, &second);
    assert_eq!(served(&end), (0, 300));
    for n in 0..300 {
        let weights =
            |records: &Records| records.weighted(&format!("r{n}"), "A").filter_map(|set| set.weight).sum::<u32>();
        assert_eq!([weights(&before), weights(&between), weights(&end)], [90; 3], "r{n}");
    }
    let Call::Dns(sent) = &second.call else { panic!("a batch") };
    assert_eq!(sent.upserts.len(), 100, "and nothing twice");
}

#[test]
fn it_is_done_when_the_last_of_its_changes_is_on_all_name_servers() {
    let before = records();
    let first = batch(&at(&before));
    let between = after(&before, &first);
    let second = batch(&at(&between));
    let status = |one, other| {
        let bench = at(&after(&between, &second)).sent(&first, receipt("C1")).sent(&second, receipt("C2"));
        let seen = |bench: Bench, id: &str, status| bench.see(Target::GLOBAL, What::Change(id.into()), status);
        call(&next(&seen(seen(bench, "C1", one), "C2", other)))
    };
    let (pending, there) = (|| Seen::Change(ChangeStatus::Pending), || Seen::Change(ChangeStatus::InSync));
    assert_eq!(status(there(), pending()), "wait: the change to reach all name servers");
    assert_eq!(status(pending(), there()), "wait: the change to reach all name servers");
    assert_eq!(status(there(), there()), "done");
    assert!(status(Seen::Absent, there()).starts_with("stuck"));
}

#[test]
fn a_doubt_about_the_first_is_settled_before_the_second() {
    let before = records();
    let first = batch(&at(&before));
    let between = after(&before, &first);
    let landed = |now: &Records| first.happened(&Seen::Records(before.clone()), &Seen::Records(now.clone()));
    assert_eq!(landed(&before), crate::world::Landed::No);
    assert_eq!(landed(&between), crate::world::Landed::Yes);
    // It landed, as a look told: no id to follow, so the usual time passes, and the rest is sent at once.
    let known = at(&between).sent(&first, None);
    assert_ne!(batch(&known), first);
    let end = after(&between, &batch(&known));
    let waits = at(&end).sent(&first, None);
    assert!(matches!(next(&waits), Next::Wait { until: Some(until), .. } if until == NOW + Span::secs(60)));
    // It did not: the same is sent again.
    assert_eq!(batch(&at(&before)), first);
}
