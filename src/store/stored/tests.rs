//! What goes out of one store and into another is what was stored, or it is refused.

use super::*;
use crate::{
    event::{Control, Verdict},
    store::{
        MemoryStore, Store,
        conformance::{Bench as _, OnDisk, begun, clocks, dead, events, held, key, ready, run, who},
    },
};
use std::sync::Arc;

/// A door to a new store of each kind.
fn stores() -> Vec<(OnDisk, Arc<dyn Store>)> {
    let (on_disk, unused) = (OnDisk::new(), OnDisk::new());
    let door = on_disk.door();
    vec![(on_disk, door), (unused, Arc::new(MemoryStore::new(clocks())))]
}

/// A run that was written under the epochs 1 and 2 and took a control, as text.
async fn text(store: &dyn Store) -> String {
    drop(dead(begun(store).await));
    let fence = held(store, &key(), 2).await;
    store.post(&run(), &Control::Pause, &who(1), Timestamp(0)).await.unwrap();
    let id = store.post(&run(), &Control::Pause, &who(1), Timestamp(0)).await.unwrap();
    let taken = EventKind::ControlReceived { id, by: who(1), control: Control::Pause, verdict: Verdict::Accepted };
    let batch = events(&run(), &fence, 3, vec![ready("déjà \"vu\""), taken]);
    store.append(&fence, &run(), Seq(3), &batch).await.unwrap();
    store.release(fence).await.unwrap();
    store.export(&run()).await.unwrap().to_text()
}

fn one(text: &str) -> StoredRun {
    StoredRun::all_of(text).unwrap().remove(0)
}

/// A change of this text is a new format: copies are kept for years.
#[tokio::test]
async fn the_text_of_format_2_stays() {
    let store = MemoryStore::new(clocks());
    drop(begun(&store).await);
    let text = store.export(&run()).await.unwrap().to_text();
    let first: Vec<_> = text.lines().take(2).collect();
    insta::assert_snapshot!(first.join("\n"), @r#"
    {"type":"journal","format":2,"run":"r1","key":"live/storefront","events":3,"hash":"8aa3fdaf6e4ae3443f0fd8690d330cd86da6f5d5b2cad709ebb1edb535b02d12"}
    {"type":"link","run":"r1","seq":1,"epoch":1,"at":1001,"hash":"4bdd5112abac0e7a70ec22ce43fe84868d001762b68db51e3a51f69c242bf951","body":"{\"event\":\"step_ready\",\"step\":\"freeze\"}"}
    "#);
    assert_eq!(text.lines().count(), 4);
}

#[tokio::test]
async fn a_run_taken_in_elsewhere_is_the_same_and_goes_on_there() {
    for (_disk, from) in stores() {
        let text = text(&*from).await;
        for (_disk, to) in stores() {
            let copy = one(&text);
            let mut fence = held(&*to, &key(), 7).await;
            to.import(&mut fence, &copy).await.unwrap();
            assert!(matches!(to.import(&mut fence, &copy).await, Err(StoreError::Conflict)));
            to.release(fence).await.unwrap();
            assert_eq!(to.export(&run()).await.unwrap(), copy);
            assert_eq!(to.runs(None).await.unwrap(), from.runs(None).await.unwrap());

            let fence = held(&*to, &key(), 8).await;
            assert!(fence.epoch > copy.epoch(), "or its events would stand before older ones");
            let batch = events(&run(), &fence, 5, vec![ready("on")]);
            to.append(&fence, &run(), Seq(5), &batch).await.unwrap();
            assert_eq!(to.read(&run(), Seq(0)).await.unwrap().len(), 6);
            let asked = to.post(&run(), &Control::Continue, &who(1), Timestamp(0)).await.unwrap();
            assert!(asked > copy.last_control(), "or the run would take it for one that it knows");
            let checkup = to.checkup().await.unwrap();
            assert_eq!(checkup.problems, Vec::<String>::new());
            assert!(checkup.runs.iter().all(|run| run.wrong.is_none() && !run.stale));
        }
    }
}

#[tokio::test]
async fn a_run_is_taken_in_under_the_lease_of_its_own_runbook_alone() {
    let text = text(&MemoryStore::new(clocks())).await;
    for (_disk, to) in stores() {
        let mut other = held(&*to, &LeaseKey::from("live/billing"), 7).await;
        assert!(matches!(to.import(&mut other, &one(&text)).await, Err(StoreError::Conflict)));
        let mut late = dead(held(&*to, &key(), 7).await);
        let _new = held(&*to, &key(), 8).await;
        assert!(matches!(to.import(&mut late, &one(&text)).await, Err(StoreError::Fenced(_))));
        assert_eq!(to.runs(None).await.unwrap(), []);
    }
}

#[tokio::test]
async fn every_changed_byte_and_every_cut_of_a_text_is_found() {
    let text = text(&MemoryStore::new(clocks())).await;
    let whole = StoredRun::all_of(&text).unwrap();
    // The lease's name is held by nothing here: who takes a run in knows what it must be.
    let fields = |run: &StoredRun| (run.links.clone(), run.run.clone());
    let (mut found, mut same) = (0, 0);
    for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << bit;
        match String::from_utf8(bytes).map(|text| StoredRun::all_of(&text)) {
            Err(_) | Ok(Err(_)) => found += 1,
            Ok(Ok(runs)) => {
                assert_eq!(runs.iter().map(fields).collect::<Vec<_>>(), whole.iter().map(fields).collect::<Vec<_>>());
                same += 1;
            }
        }
    }
    for end in 0..text.len() {
        match text.get(..end).map(StoredRun::all_of) {
            None | Some(Err(_)) => found += 1,
            // Nothing, or all but the last line feed.
            Some(Ok(runs)) => assert!(runs.is_empty() && end == 0 || runs == whole, "cut at {end}"),
        }
    }
    println!("{found} found, {same} changed nothing but the lease's name or blanks");
    // The lease's name has 15 letters, whose case and more can change.
    assert!(same < 8 * 15 + 20, "{same}");
}

#[tokio::test]
async fn a_text_of_format_1_is_taken_in() {
    let now = text(&MemoryStore::new(clocks())).await;
    let before = now.replacen("\"format\":2", "\"format\":1", 1);
    assert_eq!((one(&before), before == now), (one(&now), false));
}

#[test]
fn a_text_of_a_later_format_is_refused_by_name() {
    let later = r#"{"type":"journal","format":3,"run":"r1","novelty":true}"#;
    let Err(TextError::Run(StoreError::Newer { found: 3, known: 2 })) = StoredRun::all_of(later) else { panic!() };
    let Err(TextError::Line { line: 1, .. }) = StoredRun::all_of("these are my notes") else { panic!() };
}

#[tokio::test]
async fn a_hash_is_64_hexadecimal_digits() {
    let text = text(&MemoryStore::new(clocks())).await;
    let at = text.find(r#""hash":""#).unwrap() + 8;
    for hash in ["", "abc", &"0".repeat(63), &"F".repeat(64), &"g".repeat(64)] {
        let Err(TextError::Line { line: 1, why }) =
            StoredRun::all_of(&format!("{}{hash}{}", &text[..at], &text[at + 64..]))
        else {
            panic!("{hash}")
        };
        assert_eq!(why, "its hash is not 64 hexadecimal digits", "{hash}");
    }
}
