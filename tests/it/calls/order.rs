//! The order that the promise rests on: nothing reaches the world before all that the journal was
//! told is on the disk.

use super::Case;

#[test]
fn between_the_commit_of_an_intent_and_its_effect_the_journal_is_synced() {
    let case = Case::planned();
    let (mut unsynced, mut syncs, mut sends) = (0, 0, 0);
    for call in &case.calls {
        match (call.name.as_str(), call.file.as_deref()) {
            ("pwrite64", Some("sandbox.db-wal")) => unsynced += 1,
            ("fsync" | "fdatasync", Some("sandbox.db-wal")) => (unsynced, syncs) = (0, syncs + 1),
            ("pwrite64", Some("sandbox-world.db-wal")) => {
                assert_eq!(unsynced, 0, "the world was told something after {syncs} syncs that the disk was not");
                sends += 1;
            }
            _ => {}
        }
    }
    let effects: u64 = case.applied.values().sum();
    println!("{syncs} syncs, {sends} writes of the world, {effects} effects");
    assert!(syncs > effects && sends > effects, "{syncs} syncs, {sends} writes, {effects} effects");
}
