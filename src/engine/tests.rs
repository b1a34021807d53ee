//! The rules of `decide`, a test a row.

use super::{EffectStatus, Live, Phase, RunState, StepState, decide, receive};
use crate::{
    check,
    clock::{Span, Timestamp},
    event::{Control, Event, EventKind, Policy, Posted, Realm, RunOutcome, Who},
    ids::{AskId, ControlId, EffectNo, Epoch, RunId, Seq, SiteName, StepId},
    model::{DbEngine, Direction, Mode},
    plan::{self, Request},
    syntax,
    world::{
        Receipt, Seen, Sight, Target, What, World,
        rds::{ApplyStatus, Db, Parameters, Settings, Source, Status},
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// A run that is driven by hand: time, sights and answers come from the test.
pub(super) struct Run {
    pub(super) state: RunState,
    pub(super) world: World,
    pub(super) now: Timestamp,
    pub(super) live: Live,
}

pub(super) fn who() -> Who {
    Who { operator: "ada".into(), host: "here".into(), pid: 1 }
}

const HEAD: &str = "version: 1
name: t
sites: { ohio: { region: us-east-2 }, oregon: { region: us-west-2 } }
primary: ohio
standby: oregon
resources:
  db:
    kind: rds-instance
    engine: postgres
    sites: { ohio: { identifier: db, parameter_group: pg }, oregon: { identifier: db, parameter_group: pg } }
";

impl Run {
    /// A run of these steps; the checks' warnings and errors are not at issue here.
    pub(super) fn of(steps: &str, mode: Mode, policy: Policy) -> Self {
        let loaded = syntax::parse("t.yaml", format!("{HEAD}{steps}").as_bytes(), None);
        let runbook = loaded.runbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let checked = check::Checked::unproven(runbook);
        let now = Timestamp(1_000_000);
        let request = Request {
            run: RunId::new("r1"),
            direction: Direction::Failover,
            mode,
            from: SiteName::new("ohio"),
            to: SiteName::new("oregon"),
            parameters: BTreeMap::new(),
            incident: None,
            folder: String::new(),
            file: "t.yaml".into(),
            now,
        };
        let plan = plan::draft(&checked, &request).unwrap();
        let kind = EventKind::RunStarted {
            plan: Arc::new(plan),
            by: who(),
            realm: Realm::Sandbox,
            policy,
            since: None,
            supersedes: None,
            owed: vec![],
            cause: None,
        };
        let first = Event { run: RunId::new("r1"), seq: Seq(1), epoch: Epoch(1), at: now, kind };
        Self { state: RunState::begin(&first).unwrap(), world: World::default(), now, live: Live::default() }
    }

    pub(super) fn planned(steps: &str) -> Self {
        Self::of(steps, Mode::Planned, Policy::default())
    }

    /// Takes facts in, as the dispatcher does after a commit.
    pub(super) fn tell(&mut self, kinds: Vec<EventKind>) -> Vec<String> {
        let tell = |kind: EventKind| {
            let (name, seq) = (name(&kind), self.state.head.next());
            let event = Event { run: RunId::new("r1"), seq, epoch: Epoch(1), at: self.now, kind };
            self.state.apply(&event).unwrap();
            super::step_runs::tests::check(&self.state);
            name
        };
        kinds.into_iter().map(tell).collect()
    }

    /// Decides until there is nothing new; the facts by name.
    pub(super) fn turn(&mut self) -> Vec<String> {
        let mut all = vec![];
        for _ in 0..100 {
            let turn = decide(&self.state, &self.world, self.now, self.live);
            if turn.events.is_empty() {
                return all;
            }
            all.extend(self.tell(turn.events));
        }
        panic!("no end of facts: {all:?}");
    }

    /// The provider takes every effect that is under way.
    pub(super) fn applied(&mut self) -> Vec<String> {
        self.answer_all(|step, effect| EventKind::EffectApplied { step, effect, receipt: Receipt::default() })
    }
    pub(super) fn in_doubt(&mut self) -> Vec<String> {
        self.answer_all(|step, effect| EventKind::EffectInDoubt { step, effect, why: "no answer".into() })
    }
    pub(super) fn answer_all(&mut self, with: impl Fn(StepId, EffectNo) -> EventKind) -> Vec<String> {
        let open = |(id, run): (&StepId, &super::StepRun)| {
            let sent = run.effects.iter().filter(|(_, e)| e.status == EffectStatus::Intended);
            sent.map(|(no, _)| (id.clone(), *no)).collect::<Vec<_>>()
        };
        let all: Vec<_> = self.state.steps.iter().flat_map(open).collect();
        let kinds = all.into_iter().map(|(step, no)| with(step, no)).collect();
        self.tell(kinds);
        self.turn()
    }
    pub(super) fn fail_first(&mut self, step: &str) -> Vec<String> {
        self.tell(vec![EventKind::StepFailed { step: step.into(), why: "no".into(), hint: None }]);
        self.turn()
    }
    pub(super) fn control(&mut self, control: Control) -> Vec<String> {
        let posted = Posted { id: ControlId(0), at: self.now, by: who(), control };
        let kinds = receive(&self.state, &posted);
        let mut names = self.tell(kinds);
        names.extend(self.turn());
        names
    }
    pub(super) fn later(&mut self, span: Span) -> Vec<String> {
        self.now = self.now + span;
        self.turn()
    }
    pub(super) fn see(&mut self, site: &str, what: What, seen: Seen) {
        let site = self.state.plan.sites[site].clone();
        self.world.put(Sight { target: Target::at(&site, what), at: self.now, seen });
    }
    pub(super) fn state_of(&self, step: &str) -> &StepState {
        &self.state.steps[step].state
    }
}

/// `effect_intended cut`, `run_finished done`.
fn name(kind: &EventKind) -> String {
    let json = serde_json::to_value(kind).unwrap();
    let more = ["step", "question", "answer", "outcome", "how"].into_iter().filter_map(|key| json[key].as_str());
    std::iter::once(json["event"].as_str().unwrap()).chain(more).collect::<Vec<_>>().join(" ")
}

const ONE: &str = "failover: [{ id: cut, action: exec, with: { command: [cut] } }]";

#[test]
fn d1_consent_comes_before_anything_else_and_once() {
    let steps = "failover: [{ id: first, action: exec, with: { command: [a] } }, { id: cut, action: exec, with: { command: [cut], impact: irreversible } }]";
    let mut run = Run::planned(steps);
    run.live.interactive = true;
    assert_eq!(run.turn(), ["confirmation_asked consent"]);
    run.control(Control::Answer { ask: AskId(1), yes: true });
    assert!(matches!(run.state_of("first"), StepState::Running));
    run.applied();
    assert_eq!(run.state.asks.len(), 1, "the yes holds for the whole run");

    let mut refused = Run::planned(steps);
    refused.live.interactive = true;
    refused.turn();
    refused.control(Control::Answer { ask: AskId(1), yes: false });
    assert_eq!(refused.state.outcome, Some(RunOutcome::Refused));
}

#[test]
fn d2_a_question_is_answered_by_flag_by_silence_or_waits() {
    let steps = "failover: [{ id: ask, action: confirm, with: { message: Go?, timeout: 10m, on_timeout: proceed } }]";
    let mut flagged = Run::of(steps, Mode::Planned, Policy { yes: true, ..Policy::default() });
    assert_eq!(flagged.turn()[1..3], ["confirmation_asked ask confirm", "confirmation_given yes"]);

    let mut silent = Run::planned(steps);
    silent.live.interactive = true;
    silent.turn();
    assert_eq!(silent.later(Span::mins(9)), [""; 0]);
    assert_eq!(silent.later(Span::mins(1))[0], "confirmation_given silence");
    assert_eq!(silent.state.outcome, Some(RunOutcome::Done));

    let mut nobody = Run::planned(steps);
    assert_eq!(nobody.turn().last().unwrap(), "run_paused");
}

#[test]
fn d3_a_no_aborts() {
    let steps = "failover: [{ id: first, action: exec, with: { command: [a] } }, { id: ask, action: confirm, with: { message: Go? } }]";
    let mut run = Run::planned(steps);
    run.live.interactive = true;
    run.turn();
    run.applied();
    let facts = run.control(Control::Answer { ask: AskId(1), yes: false });
    assert!(facts.contains(&"undo_begun".to_owned()), "{facts:?}");
    assert_eq!(run.state.outcome, Some(RunOutcome::Partial), "the first step has no undo");
}

#[test]
fn d4_what_is_held_too_long_is_undone() {
    let steps = "failover:
  - { id: close, action: exec, with: { command: [close] }, undo: { with: { command: [open] } }, hold: { max: 5m, then: undo } }
  - { id: ask, action: confirm, with: { message: Go? } }";
    let mut run = Run::planned(steps);
    run.live.interactive = true;
    assert!(run.turn().contains(&"hold_opened close".to_owned()));
    run.applied();
    assert_eq!(run.later(Span::mins(4)), [""; 0]);
    let facts = run.later(Span::mins(1));
    assert_eq!(facts[..3], ["hold_overdue close", "undo_begun", "attempt_started close"]);
    run.applied();
    assert!(run.state.holds.is_empty());
    assert_eq!(run.state.outcome, Some(RunOutcome::RolledBack));
}

#[test]
fn d5_order_holds_through_steps_that_are_left_out() {
    let steps = "failover:
  - { id: a, action: exec, with: { command: [a] } }
  - { id: home, only: failback, action: exec, with: { command: [b] } }
  - { id: skip, planned: skip, action: exec, with: { command: [c] } }
  - { id: never, when: \"mode == 'emergency'\", action: exec, with: { command: [d] } }
  - { id: last, needs: [never], action: exec, with: { command: [e] } }";
    let mut run = Run::planned(steps);
    run.turn();
    assert_eq!(*run.state_of("home"), StepState::Pending, "its need is not done yet");
    let facts = run.applied();
    assert_eq!(facts[..4], ["step_succeeded a", "step_skipped home", "step_skipped skip", "step_skipped never"]);
    assert_eq!(*run.state_of("last"), StepState::Running);
}

#[test]
fn d6_inputs_are_frozen_when_the_attempt_starts() {
    let steps = "failover:
  - { id: a, action: exec, with: { command: [a] } }
  - { id: b, action: exec, with: { command: [b, \"${steps.a.output | default('nothing')}\"] } }";
    let mut run = Run::planned(steps);
    run.turn();
    let receipt = Receipt { id: None, output: "42".into() };
    run.answer_all(|step, effect| EventKind::EffectApplied { step, effect, receipt: receipt.clone() });
    let inputs = format!("{:?}", run.state.steps["b"].inputs);
    assert!(inputs.contains("\"42\""), "{inputs}");
}

#[test]
fn d7_a_doubt_is_settled_by_looking_and_what_nothing_tells_is_asked() {
    let mut untold = Run::planned(ONE);
    untold.live.interactive = true;
    untold.turn();
    assert_eq!(untold.in_doubt(), ["confirmation_asked cut in-doubt"]);
    untold.control(Control::Answer { ask: AskId(1), yes: true });
    assert_eq!(untold.state.outcome, Some(RunOutcome::Done));
    assert_eq!(untold.state.steps["cut"].effects.len(), 1, "a yes is believed: it is not sent again");

    let steps = "failover: [{ id: cut, action: exec, with: { command: [cut], check: [is, cut] } }]";
    let mut told = Run::planned(steps);
    told.turn();
    let answer = |ok| Seen::Answer(crate::world::probe::Answer::plain(ok, String::new()));
    let look = |run: &mut Run, ok| {
        let target = run.state.steps["cut"].inputs.clone().unwrap();
        let check = serde_json::to_value(target).unwrap();
        assert_eq!(check["action"]["with"]["check"][1], "cut");
        let what = What::Command(crate::world::probe::Command {
            argv: vec!["is".into(), "cut".into()],
            limit: Span::secs(30),
            read_only: false,
            environment: vec![],
        });
        run.see("oregon", what, answer(ok));
    };
    look(&mut told, false);
    assert_eq!(told.turn(), ["effect_intended cut"]);
    told.in_doubt();
    look(&mut told, false);
    assert_eq!(told.turn(), [""; 0], "within the dark window a no means nothing");
    look(&mut told, true);
    assert_eq!(told.turn()[0], "effect_settled cut");
    assert_eq!(told.state.outcome, Some(RunOutcome::Done));
}

#[test]
fn d8_one_effect_at_a_time_and_done_when_nothing_is_left() {
    let mut run = Run::planned(ONE);
    assert_eq!(run.turn(), ["step_ready cut", "attempt_started cut", "effect_intended cut"]);
    assert_eq!(run.turn(), [""; 0]);
    assert_eq!(run.applied()[..1], ["step_succeeded cut"]);
}

pub(super) fn db(source: Option<&str>) -> Seen {
    Seen::Db(Db {
        identifier: "db".into(),
        resource_id: "db-1".into(),
        engine: DbEngine::Postgres,
        status: Status::Available,
        source: source.map(|s| Source { site: Some(s.into()), identifier: "db".into() }),
        replication_normal: true,
        parameter_group: "pg".into(),
        parameters: ApplyStatus::InSync,
        security_groups: vec![],
        backup_retention: 7,
        backup_window: None,
        kms_key: None,
        settings: Settings::default(),
        endpoint: None,
        tags: BTreeMap::new(),
    })
}

/// A run right before a promotion, the old site as given.
fn before_promotion(mode: Mode, from: Seen) -> Run {
    let accepted = Policy { accept: ["promote".into()].into(), ..Policy::default() };
    let mut run = Run::of("failover: [{ id: promote, action: promote-replica, resource: db }]", mode, accepted);
    run.live.interactive = true;
    run.turn();
    let group = || Seen::Parameters(Parameters { name: "pg".into(), values: BTreeMap::new(), tags: BTreeMap::new() });
    let group_from = if matches!(from, Seen::Db(_)) { group() } else { from.clone() };
    run.see("ohio", What::Db("db".into()), from);
    run.see("ohio", What::Parameters("pg".into()), group_from);
    run.see("oregon", What::Db("db".into()), db(Some("ohio")));
    run.see("oregon", What::Parameters("pg".into()), group());
    run
}

#[test]
fn d9_there_are_never_two_writers() {
    let gone = || Seen::Unknown { why: "no answer".into() };
    assert_eq!(before_promotion(Mode::Planned, db(None)).turn(), ["step_failed promote", "run_paused"]);
    assert_eq!(before_promotion(Mode::Planned, gone()).turn(), ["step_failed promote", "run_paused"]);
    assert_eq!(before_promotion(Mode::Emergency, gone()).turn(), ["obligation_opened", "effect_intended promote"]);
    let mut alive = before_promotion(Mode::Emergency, db(None));
    assert_eq!(alive.turn(), ["confirmation_asked promote alive-unfenced"]);
    let facts = alive.control(Control::Answer { ask: AskId(2), yes: true });
    assert_eq!(facts[2..], ["obligation_opened", "effect_intended promote"]);
    assert_eq!(before_promotion(Mode::Planned, Seen::Absent).turn(), ["effect_intended promote"]);
}

#[test]
fn d10_a_step_out_of_time_fails_and_best_effort_passes() {
    let steps = "failover:
  - { id: try, action: freeze-writes, resource: db, at: from, timeout: 45s, emergency: best-effort }
  - { id: next, action: exec, with: { command: [a] } }";
    let mut run = Run::of(steps, Mode::Emergency, Policy::default());
    run.turn();
    assert_eq!(run.later(Span::secs(44)), [""; 0]);
    let facts = run.later(Span::secs(1));
    assert_eq!(facts[..3], ["step_failed try", "step_passed try best-effort", "obligation_opened"]);
    assert_eq!(*run.state_of("next"), StepState::Running);

    let mut strict = Run::planned(steps);
    strict.turn();
    assert_eq!(strict.later(Span::secs(45)), ["step_failed try", "run_paused"]);
}

#[test]
fn d11_a_failed_step_does_as_its_policy_says() {
    let with = |policy: &str| {
        let mut run = Run::planned(&format!(
            "failover:
  - {{ id: a, action: exec, with: {{ command: [a] }}, undo: {{ with: {{ command: [b] }} }} }}
  - {{ id: cut, action: exec, with: {{ command: [cut] }}, on_failure: {policy} }}"
        ));
        run.turn();
        run.applied();
        let refuse = |step, effect| EventKind::EffectRefused { step, effect, why: "no".into(), lasting: true };
        let open: Vec<_> = run.state.steps["cut"].effects.keys().copied().collect();
        run.tell(open.into_iter().map(|no| refuse(StepId::new("cut"), no)).collect());
        run
    };
    let failed = |policy: &str| {
        let mut run = with(policy);
        let facts = run.fail_first("cut");
        (facts, run)
    };
    let (facts, run) = failed("pause");
    assert_eq!(facts, ["run_paused"]);
    assert!(run.state.paused.is_some());
    let (facts, run) = failed("abort");
    assert_eq!((facts[0].as_str(), run.state.outcome), ("undo_begun", Some(RunOutcome::Partial)));
    let (facts, run) = failed("continue");
    assert_eq!((facts[0].as_str(), run.state.outcome), ("step_passed cut continued", Some(RunOutcome::Partial)));
    let (facts, _) = failed("undo");
    assert_eq!(facts[..2], ["undo_begun", "attempt_started a"]);
}

#[test]
fn d12_undo_goes_backwards_one_at_a_time_and_not_past_the_point_of_no_return() {
    let undo = |id: &str| {
        format!(
            "  - {{ id: {id}, action: exec, with: {{ command: [{id}] }}, undo: {{ with: {{ command: [un{id}] }} }} }}\n"
        )
    };
    let mut run = Run::planned(&format!(
        "failover:\n{}{}  - {{ id: ask, action: confirm, with: {{ message: Go? }} }}",
        undo("a"),
        undo("b")
    ));
    run.live.interactive = true;
    run.turn();
    run.applied();
    run.later(Span::secs(1));
    run.applied();
    let facts = run.control(Control::Undo);
    assert_eq!(facts, ["control_received", "undo_begun", "attempt_started b", "effect_intended b"]);
    assert_eq!(run.applied()[..2], ["step_undone b", "attempt_started a"]);
    run.applied();
    assert_eq!(run.state.outcome, Some(RunOutcome::RolledBack));

    let mut past = before_promotion(Mode::Planned, Seen::Absent);
    past.turn();
    let facts = past.control(Control::Undo);
    assert_eq!(facts, ["control_received"]);
    assert_eq!(past.state.phase, Phase::Forward);
}

#[test]
fn d13_finally_runs_once_at_every_end_and_never_on_a_pause() {
    let steps = format!("{ONE}\nfinally: [{{ id: bye, action: exec, with: {{ command: [bye], impact: safe }} }}]");
    let mut run = Run::planned(&steps);
    run.turn();
    run.control(Control::Pause);
    run.applied();
    assert_eq!(*run.state_of("bye"), StepState::Pending);
    let facts = run.control(Control::Cancel);
    assert!(
        facts.contains(&"closing_begun".to_owned()) && facts.contains(&"effect_intended bye".to_owned()),
        "{facts:?}"
    );
    run.applied();
    assert_eq!(run.state.steps["bye"].effects.len(), 1);
    assert_eq!(run.state.phase, Phase::Finished);
}

#[test]
fn d14_the_outcome_tells_the_state_of_production() {
    let mut done = Run::planned(ONE);
    done.turn();
    assert_eq!(done.applied(), ["step_succeeded cut", "closing_begun", "run_finished done"]);

    let mut untouched = Run::planned(ONE);
    untouched.control(Control::Pause);
    untouched.control(Control::Cancel);
    assert_eq!(untouched.state.outcome, Some(RunOutcome::Refused));
}

#[test]
fn a_control_is_taken_once() {
    let mut run = Run::planned(ONE);
    run.turn();
    let posted = Posted { id: ControlId(7), at: run.now, by: who(), control: Control::Pause };
    let kinds = receive(&run.state, &posted);
    assert_eq!(run.tell(kinds), ["control_received", "run_paused"]);
    assert_eq!(receive(&run.state, &posted), vec![]);
}

#[test]
fn an_open_intent_is_in_doubt_for_the_process_that_resumes() {
    let mut run = Run::planned(ONE);
    run.turn();
    run.tell(vec![EventKind::RunResumed { by: who(), policy: Policy::default() }]);
    assert!(run.state.steps["cut"].effects.values().all(|e| e.status == EffectStatus::InDoubt));
    assert_eq!(
        run.turn(),
        ["confirmation_asked cut in-doubt", "run_paused"],
        "nobody is here to say whether it happened"
    );
}

#[test]
fn what_was_frozen_is_opened_again_although_the_standby_died() {
    let steps = "failover:
  - { id: freeze, action: freeze-writes, resource: db, at: from, hold: { max: 5m, then: undo }, undo: unfreeze-writes }
  - { id: ask, action: confirm, with: { message: Go? } }";
    let mut run = Run::planned(steps);
    run.live.interactive = true;
    run.turn();
    let group = |frozen: bool| {
        let on =
            |key: &str, value: &str| if frozen { [(key.to_owned(), value.to_owned())].into() } else { BTreeMap::new() };
        let tags = on(crate::world::rds::TAG_FROZEN, crate::world::rds::UNSET);
        Seen::Parameters(Parameters { name: "pg".into(), values: on("default_transaction_read_only", "1"), tags })
    };
    let look = |run: &mut Run, frozen| {
        run.see("ohio", What::Db("db".into()), db(None));
        run.see("ohio", What::Parameters("pg".into()), group(frozen));
        run.see("ohio", What::Retired("db".into()), Seen::Dbs(vec![]));
        for what in [What::Db("db".into()), What::Parameters("pg".into())] {
            run.see("oregon", what, Seen::Unknown { why: "no answer".into() });
        }
    };
    look(&mut run, true);
    run.turn();
    assert!(run.state.holds.contains_key("freeze"), "closed already, so held all the same");
    let facts = run.control(Control::Undo);
    assert!(facts.contains(&"effect_intended freeze".to_owned()), "{facts:?}");
}
