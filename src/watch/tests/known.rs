//! What is known of alarms: by messages, by looking, and by clocks that are wrong.

use super::*;

fn one(more: &str) -> Arc<Runbook> {
    shop(&format!("when: {{ quorum: 1, of: [{}] }}\nautonomy: full\nhold: 1m", alarm("a", more)))
}

fn looked(signal: Signal) -> Signal {
    Signal { from: Provenance { way: Way::Looked, message: None, topic: None, sent: None }, ..signal }
}

#[tokio::test]
async fn a_look_takes_no_mute_away_that_a_message_told_of_the_same_change() {
    let mut desk = Desk::of(one("")).await;
    let muted = Signal { muted: Some("a mute rule".into()), ..signal("a", Alarm, 0) };
    assert_eq!(desk.says(muted).await, ["nothing: 0 of 1 needed"]);
    assert_eq!(desk.says(looked(signal("a", Alarm, 0))).await, [""; 0], "it is known already");
    desk.goes("a", Fine, 10).await;
    assert_eq!(desk.goes("a", Alarm, 20).await, ["hold until 80"], "the next change is not muted");
}

#[tokio::test]
async fn what_a_look_found_switched_off_counts_once_it_is_switched_on_again() {
    let mut desk = Desk::of(one("")).await;
    let off = Signal { muted: Some("its actions are switched off".into()), ..looked(signal("a", Alarm, 0)) };
    assert_eq!(desk.says(off).await, ["nothing: 0 of 1 needed"]);
    assert_eq!(desk.says(looked(signal("a", Alarm, 0))).await, ["hold until 60"]);
}

#[tokio::test]
async fn a_message_that_tells_of_no_mute_takes_none_away_that_a_look_found() {
    let mut desk = Desk::of(one("")).await;
    let off = Signal { muted: Some("its actions are switched off".into()), ..looked(signal("a", Alarm, 0)) };
    assert_eq!(desk.says(off).await, ["nothing: 0 of 1 needed"]);
    assert_eq!(desk.says(signal("a", Alarm, 0)).await, [""; 0], "it is known already");
}

#[tokio::test]
async fn the_look_at_the_end_of_a_hold_does_not_forget_a_mute() {
    let mut desk = Desk::of(one("")).await;
    assert_eq!(desk.goes("a", Alarm, 0).await, ["hold until 60"]);
    let muted = Signal { muted: Some("a mute rule".into()), ..signal("a", Alarm, 30) };
    assert_eq!(desk.says(muted).await, ["nothing: it did not hold: 0 of 1 needed"]);
    assert_eq!(desk.later(Span::mins(2)).await, [""; 0]);
}

#[tokio::test]
async fn a_clock_that_is_ahead_makes_no_alarm_deaf() {
    let mut desk = Desk::of(one("")).await;
    assert_eq!(desk.says(signal("a", Fine, 86_400)).await, ["nothing: 0 of 1 needed"]);
    desk.now = at(10);
    assert_eq!(desk.goes("a", Alarm, 10).await, ["hold until 70"]);

    // The message of a change that is over comes once more.
    let mut again = Desk::of(one("")).await;
    let ahead = signal("a", Alarm, 86_400);
    assert_eq!(again.says(ahead.clone()).await, ["hold until 60"]);
    assert_eq!(again.goes("a", Fine, 30).await, ["nothing: it did not hold: 0 of 1 needed"]);
    again.now = at(40);
    assert_eq!(again.says(ahead).await, [""; 0], "it is fine since");
}

#[tokio::test]
async fn a_trigger_that_is_new_acts_on_what_was_heard_before_it_unless_that_is_long_ago() {
    for (after, expected) in [(Span::mins(10), vec!["hold until 660"]), (Span::hours(2), vec![])] {
        let before = shop(&format!("when: {{ quorum: 1, of: [{}] }}\nautonomy: full\nhold: 1m", alarm("z", "")));
        let mut desk = Desk::of(before).await;
        assert_eq!(desk.goes("a", Alarm, 0).await, [""; 0], "no trigger names it");
        desk.later(after).await;
        desk.keeper.watch(BTreeMap::from([("shop".to_owned(), one(""))]));
        assert_eq!(desk.later(Span::ZERO).await, expected);
        assert_eq!(desk.later(Span::secs(1)).await, [""; 0], "once");
    }
}
