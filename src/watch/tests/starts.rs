//! What was decided is judged once more before it begins.

use super::*;

/// A desk at which a failover is decided and not begun yet.
async fn decided() -> Desk {
    let mut desk = Desk::of(both("")).await;
    desk.goes("a", Alarm, 0).await;
    assert_eq!(desk.goes("b", Alarm, 1).await, ["start, incident 0"]);
    desk
}

/// Why a failover did not begin, by the book.
async fn not_begun(desk: &Desk) -> Vec<String> {
    let why = |note: &Note| if let NoteKind::NotBegun { why, .. } = &note.kind { Some(why.clone()) } else { None };
    desk.book.read(NoteNo(0), 100).await.unwrap().iter().filter_map(why).collect()
}

#[tokio::test]
async fn a_brake_that_is_put_on_before_it_began_stops_it() {
    let mut desk = decided().await;
    let book = desk.book.clone();
    let head = desk.keeper.ledger().head;
    book.write(head, &who(9), desk.now, &[NoteKind::Braked { why: "we know".into() }]).await.unwrap();
    assert!(desk.keeper.starts(desk.now).await.unwrap().is_empty());
    let why = not_begun(&desk).await;
    assert!(why.len() == 1 && why[0].contains("put the brake on"), "{why:?}");
    assert!(desk.keeper.ledger().pending.is_empty(), "it is settled");
}

#[tokio::test]
async fn what_was_written_since_a_decision_is_found_right_before_its_first_event() {
    let mut desk = decided().await;
    let decision = desk.keeper.starts(desk.now).await.unwrap()[0].decision;
    let book = desk.book.clone();
    let against = || async { Ledger::withdrawn(&book, decision).await.unwrap() };
    assert_eq!(against().await, None);
    desk.keeper.note(NoteKind::Braked { why: "we know".into() }, desk.now).await.unwrap();
    assert!(matches!(against().await, Some(Withdrawn::Braked(brake)) if brake.why == "we know"));
    desk.keeper.note(NoteKind::Released { why: "go".into() }, desk.now).await.unwrap();
    assert_eq!(against().await, None);
    assert_eq!(desk.goes("b", Fine, 9).await, ["over"]);
    assert_eq!(against().await, Some(Withdrawn::Over));
    let why = Err("a person knows better".to_owned());
    desk.keeper.settled(decision, why, desk.now).await.unwrap();
    assert_eq!(against().await, Some(Withdrawn::Settled(decision)));
}

#[tokio::test]
async fn what_could_not_begin_for_an_hour_does_not_begin_by_itself_any_more() {
    let mut desk = decided().await;
    let (soon, late) = (desk.now + Span::mins(59), desk.now + Span::mins(61));
    let start = desk.keeper.starts(soon).await.unwrap();
    assert_eq!(start.len(), 1);
    desk.keeper.put_back(start[0].decision);
    assert!(desk.keeper.starts(late).await.unwrap().is_empty());
    let why = not_begun(&desk).await;
    assert!(why[0].starts_with("it could not begin within 1h"), "{why:?}");
}

#[tokio::test]
async fn what_is_not_true_any_more_does_not_begin_though_it_was_decided() {
    let mut heard = decided().await;
    heard.goes("a", Fine, 2).await;
    heard.goes("b", Fine, 3).await;
    assert!(heard.keeper.starts(heard.now).await.unwrap().is_empty());
    assert_eq!(not_begun(&heard).await, ["it is not true any more"]);

    // Nobody said so: it is looked at.
    let mut seen = decided().await;
    for name in ["a", "b"] {
        let fine = Known { state: Fine, changed: at(5), muted: None };
        seen.outside.0.lock().unwrap().alarms.insert(arn(name), fine);
    }
    assert!(seen.keeper.starts(seen.now + Span::mins(5)).await.unwrap().is_empty());
    assert_eq!(not_begun(&seen).await, ["it is not true any more"]);
}

#[tokio::test]
async fn what_began_already_is_only_noted_whatever_stands_against_it_now() {
    let mut desk = decided().await;
    let no = *desk.keeper.ledger().pending.keys().next().unwrap();
    let run = RunId::new("r1");
    {
        let mut outside = desk.outside.0.lock().unwrap();
        outside.begun.insert(no, run.clone());
        outside.against = Some(Against { why: "run r1 is under way".into(), next: String::new() });
    }
    assert!(desk.keeper.starts(desk.now).await.unwrap().is_empty());
    assert_eq!(not_begun(&desk).await, [""; 0]);
    let notes = desk.book.read(NoteNo(0), 100).await.unwrap();
    assert_eq!(notes.last().unwrap().kind, NoteKind::Began { decision: no, run });
}

#[tokio::test]
async fn a_trigger_that_the_runbook_has_no_more_begins_nothing() {
    let mut desk = decided().await;
    let other = shop(&format!("when: {{ quorum: 1, of: [{}] }}\nautonomy: full\nhold: 1m", alarm("c", "")));
    let mut renamed = (*other).clone();
    renamed.triggers[0].name = "another".into();
    desk.keeper.watch(BTreeMap::from([("shop".to_owned(), Arc::new(renamed))]));
    assert!(desk.keeper.starts(desk.now).await.unwrap().is_empty());
    assert_eq!(not_begun(&desk).await, ["the runbook has no such trigger any more"]);
}

#[tokio::test]
async fn a_trigger_that_says_otherwise_by_now_begins_nothing_of_what_it_said() {
    let mut desk = decided().await;
    let mut changed = (*both("")).clone();
    changed.triggers[0].autonomy = Some(crate::runbook::Autonomy::Observe);
    desk.keeper.watch(BTreeMap::from([("shop".to_owned(), Arc::new(changed))]));
    assert!(desk.keeper.starts(desk.now).await.unwrap().is_empty());
    assert_eq!(not_begun(&desk).await, ["its trigger has been changed since it was decided"]);
}

#[tokio::test]
async fn of_two_triggers_and_a_person_one_starts_a_runbooks_failover() {
    let first = both("");
    let mut runbook = (*first).clone();
    let mut second = runbook.triggers[0].clone();
    second.name = "second".into();
    runbook.triggers.push(second);
    let mut desk = Desk::of(Arc::new(runbook)).await;
    desk.goes("a", Alarm, 0).await;
    let told = desk.goes("b", Alarm, 1).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "start, incident 0");
    assert!(told[1].starts_with("prevented: note "), "{told:?}");
    let policies = desk.keeper.policies().clone();
    let runbook = &policies["shop"];
    let by_hand = desk.keeper.by_hand(runbook, &runbook.triggers[1], "ada: now".into(), desk.now).await.unwrap();
    assert!(by_hand.is_some_and(|against| against.why.contains("is about to begin")));
    assert_eq!(desk.keeper.starts(desk.now).await.unwrap().len(), 1);
}

#[tokio::test]
async fn who_follows_one_message_leaves_what_others_hold_and_decided_to_them() {
    let desk = decided().await;
    let policies = desk.keeper.policies().clone();
    let (book, eyes) = (Arc::new(desk.book.clone()), Arc::new(desk.outside.clone()));
    let mut alone = Keeper::open(book, eyes, who(2), policies).await.unwrap().alone();
    let id = TriggerId { runbook: "shop".into(), trigger: "lost".into() };
    assert!(alone.starts(at(100)).await.unwrap().is_empty() && !alone.follows(&id));
    alone.hear(&[signal("a", Alarm, 90)], at(100)).await.unwrap();
    assert!(alone.follows(&id));
    assert_eq!(alone.starts(at(100)).await.unwrap().len(), 1, "its writer did not begin it");
}
