use super::*;
use crate::{
    clock::Span,
    event::{EventKind, RunOutcome},
    view::sample,
};

fn progress(more: Vec<(u64, EventKind)>) -> Progress {
    let mut all = sample::frozen();
    all.extend(more);
    Progress::of(&sample::events(all))
}

fn failed(step: &str) -> (u64, EventKind) {
    let kind = EventKind::StepFailed { step: step.into(), why: "still behind".into(), hint: Some("look at it".into()) };
    (230, kind)
}

fn paused(why: PauseReason) -> (u64, EventKind) {
    (231, EventKind::RunPaused { why })
}

fn lines(progress: &Progress) -> Vec<String> {
    match wanted(progress).map(|p| p.wants()) {
        Some(Wants::OneOf(lines)) => lines,
        other => panic!("no menu but {other:?}"),
    }
}

#[test]
fn a_failed_step_offers_what_can_be_done_about_it() {
    let drained = progress(vec![failed("drained"), paused(PauseReason::StepFailed("drained".into()))]);
    insta::assert_snapshot!(lines(&drained).join("\n"), @r"
    retry: try drained again
    skip: go on without drained
    mark done: drained was done by hand
    undo: take back all that was done
    stop here: leave the run waiting
    ");
}

#[test]
fn what_must_not_be_skipped_is_not_offered_to_be_skipped() {
    let freeze = progress(vec![failed("freeze"), paused(PauseReason::StepFailed("freeze".into()))]);
    assert!(!lines(&freeze).iter().any(|l| l.starts_with("skip")));
}

#[test]
fn after_the_promotion_was_sent_nothing_offers_to_undo_it() {
    let mut events = vec![(71, sample::intended("promote", sample::promote()))];
    events.push(paused(PauseReason::Signal));
    let menu = lines(&progress(events));
    assert_eq!(menu, ["continue: go on where it stopped", "stop here: leave the run waiting"]);
}

#[test]
fn a_question_is_asked_until_it_is_answered_anywhere() {
    let asked = Progress::of(&sample::events(sample::frozen()[..3].to_vec()));
    let prompt = wanted(&asked).unwrap();
    assert!(matches!(prompt.wants(), Wants::YesNo("Go on?")));
    let answered = Progress::of(&sample::events(sample::frozen()[..4].to_vec()));
    assert_eq!(wanted(&answered), None);
}

#[test]
fn a_finished_run_asks_nothing() {
    let over =
        progress(vec![paused(PauseReason::Signal), (240, EventKind::RunFinished { outcome: RunOutcome::Partial })]);
    assert_eq!(wanted(&over), None);
}

#[test]
fn consent_lists_what_cannot_be_undone_and_wants_the_whole_word() {
    let asked = Progress::of(&sample::events(vec![(0, sample::started()), (1, sample::asked(Question::Consent))]));
    let prompt = wanted(&asked).unwrap();
    assert!(matches!(prompt.wants(), Wants::Typed(_)));
    insta::assert_snapshot!(prompt.facts(&asked, &Page::plain(60)).join("\n"), @r"
    Move storefront from ohio to oregon?
      lag: 2s
      active site: ohio
      cannot be undone: promote orders: replica of orders ->
        writer, backups kept 7 d
      silence until 03:27:00 is a no and ends the run
    ");
}

#[test]
fn a_loss_is_shown_before_it_is_accepted() {
    let mut asked = Progress::of(&sample::events(vec![(0, sample::started()), (1, sample::asked(Question::DataLoss))]));
    let shown = |p: &Progress| wanted(p).unwrap().facts(p, &Page::plain(80)).join("\n");
    assert!(shown(&asked).contains("would lose an unknown part of the last writes"), "{}", shown(&asked));
    for ask in asked.asks.values_mut() {
        ask.loss = Some(Span::secs(64));
    }
    assert!(shown(&asked).contains("would lose at most the last 1m4s of writes"));
}

#[test]
fn every_choice_asks_the_run_for_what_it_says() {
    let step: StepId = "drained".into();
    assert_eq!(Choice::Leave.request(""), Request::Leave);
    assert_eq!(Choice::Undo.request(""), Request::Control(Control::Undo));
    let skip = Choice::Skip(step.clone());
    assert!(skip.reason().is_some());
    assert_eq!(skip.request("seen by hand"), Request::Control(Control::Skip { step, why: "seen by hand".into() }));
}

#[test]
fn a_promotion_that_was_refused_leaves_the_way_back_open() {
    let failed = || vec![failed("promote"), paused(PauseReason::StepFailed("promote".into()))];
    let (promote, effect) = (|| (220, sample::intended("promote", sample::promote())), crate::ids::EffectNo(1));
    let refused = (221, EventKind::EffectRefused { step: "promote".into(), effect, why: "no".into(), lasting: true });
    let undo = |progress: &Progress| lines(progress).iter().any(|line| line.starts_with("undo"));
    assert!(!undo(&progress([vec![promote()], failed()].concat())), "it may have happened");
    assert!(undo(&progress([vec![promote(), refused], failed()].concat())));
}
