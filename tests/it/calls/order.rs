//! The order that the promise rests on: nothing reaches the world before all that the journal was
//! told is on the disk.

use super::{Call, Case};

/// Every write of the world begins when a sync of the journal is over that began after the last write
/// of the journal was over.
fn sends_after_syncs(case: &Case) -> String {
    let on = |name: &str, file: &str| {
        let is = |call: &&Call| call.name == name && call.file.as_deref() == Some(file);
        case.calls.iter().filter(is).collect::<Vec<_>>()
    };
    let (intents, sends) = (on("pwrite64", "sandbox.db-wal"), on("pwrite64", "sandbox-world.db-wal"));
    let syncs = [on("fdatasync", "sandbox.db-wal"), on("fsync", "sandbox.db-wal")].concat();
    for send in &sends {
        let told = intents.iter().filter(|write| write.began < send.began);
        let Some(last) = told.map(|write| write.done.unwrap_or(usize::MAX)).max() else { continue };
        let synced = syncs.iter().any(|sync| sync.began > last && sync.done.is_some_and(|done| done < send.began));
        assert!(synced, "the world was told something, line {}, that the disk was not, line {last}", send.began);
    }
    let effects: u64 = case.applied.values().sum();
    let told = format!("{} syncs, {} writes of the world, {effects} effects", syncs.len(), sends.len());
    assert!(syncs.len() as u64 > effects && sends.len() as u64 > effects, "{told}");
    told
}

#[test]
fn between_the_commit_of_an_intent_and_its_effect_the_journal_is_synced() {
    for case in [Case::planned(), Case::emergency(), Case::reprotect(), Case::failback()] {
        println!("{}", sends_after_syncs(&case));
    }
}
