use super::*;
use crate::{
    clock::Timestamp,
    ids::Seq,
    store::{
        Store as _, StoreError,
        conformance::{OnDisk, begun, events, ready, run},
    },
};
use rusqlite::Connection;

#[tokio::test]
async fn what_a_wide_run_commits_is_packed_in_the_file_and_read_as_it_was_or_told_to_be_damaged() {
    let disk = OnDisk::new();
    let store = disk.open();
    let fence = begun(&store).await;
    let mut wide = events(&run(), &fence, 3, vec![ready("scale"); 2500]);
    wide.iter_mut().for_each(|event| event.at = Timestamp(9));
    store.append(&fence, &run(), Seq(3), &wide).await.unwrap();
    let file = Connection::open(disk.0.path().join("live.db")).unwrap();
    let stored = "SELECT length(body), typeof(body) FROM event WHERE seq = 4";
    let stored: (i64, String) = file.query_row(stored, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert!(stored.0 < 1000 && stored.1 == "blob", "{stored:?}");
    assert_eq!(store.read(&run(), Seq(4)).await.unwrap(), wide);
    let exported = store.export(&run()).await.unwrap().to_text();
    assert!(exported.contains(r#"[{\"event\":\"step_ready\""#), "{exported}");

    file.execute_batch("DROP TRIGGER event_final_u; UPDATE event SET body = substr(body, 1, 90) WHERE seq = 4")
        .unwrap();
    let damaged = store.read(&run(), Seq(1)).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { seq: Seq(4), .. }), "{damaged}");
    assert!(damaged.to_string().contains("it cannot be unpacked"), "{damaged}");
}

/// A body of a wide run.
fn wide() -> Vec<u8> {
    let one = |n| format!(r#"{{"event":"effect_applied","step":"s{n}","effect":1,"receipt":{{"id":null}}}}"#);
    format!("[{}]", (0..1000).map(one).collect::<Vec<_>>().join(",")).into()
}

#[test]
fn what_is_long_and_alike_takes_a_tenth_and_comes_out_the_same() {
    let body = wide();
    let packed = pack(&body).into_owned();
    assert!(packed.len() * 10 < body.len(), "{} of {}", packed.len(), body.len());
    assert_eq!(unpack(packed), Ok(body));
}

#[test]
fn what_is_short_stays_as_it_is() {
    let body = &wide()[..LONG - 1];
    assert_eq!(&*pack(body), body);
    assert_eq!(unpack(body.to_vec()).as_deref(), Ok(body));
    assert_eq!(unpack(vec![]), Ok(vec![]));
}

#[test]
fn what_was_damaged_comes_out_as_damage_or_as_something_else_or_as_it_was() {
    let body = wide();
    let packed = pack(&body).into_owned();
    for at in 0..packed.len() {
        let mut flipped = packed.clone();
        flipped[at] ^= 0x10;
        // Whether it is what was stored the chain's hash tells.
        let told = unpack(flipped).is_ok_and(|read| read == body);
        assert!(!told || at >= HEADER, "the header's byte {at} was not missed");
        assert!(unpack(packed[..at].to_vec()) != Ok(body.clone()), "cut at {at}");
    }
}

#[test]
fn no_memory_is_taken_for_a_length_that_cannot_be() {
    let claims = [&[MARK], &u32::MAX.to_le_bytes()[..], b"short"].concat();
    assert_eq!(unpack(claims), Err("it cannot be unpacked"));
}
