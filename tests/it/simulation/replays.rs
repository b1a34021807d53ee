//! A seed is a bug report: it plays the same again.

use super::{crossing, each, played};
use lifeboat::simulation::Seams;
use std::sync::Arc;

#[test]
fn the_same_seed_plays_the_same_journal_byte_for_byte() {
    let (seams, case) = (Arc::new(Seams::default()), crossing());
    each(50, |seed| {
        let journal = || serde_json::to_string(&played(&case, seed, &seams).events).unwrap();
        let (one, two) = (journal(), journal());
        let differs = one.bytes().zip(two.bytes()).position(|(a, b)| a != b);
        let around = |text: &str| differs.map(|at| text[at.saturating_sub(200)..(at + 60).min(text.len())].to_owned());
        assert!(one == two, "seed {seed}: {:?}\n{:?}", around(&one), around(&two));
    });
}

#[test]
fn another_seed_plays_another_journal() {
    let (seams, case) = (Arc::new(Seams::default()), crossing());
    let journal = |seed| serde_json::to_string(&played(&case, seed, &seams).events).unwrap();
    assert_ne!(journal(1), journal(2));
}
