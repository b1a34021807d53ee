//! What each action still has to do, by what is seen. Facts of the provider's behaviour are in the
//! names: they are the traps that these functions exist for.

mod drain;

use super::{
    Action, Inputs, Next, Question, StepCx, StepPast,
    bench::{Bench, NOW, action_of, call, db, group, resources, site},
    writers,
};
use crate::{
    clock::Span,
    ids::ProbeName,
    model::{Direction, Impact, Mode, Size},
    world::{
        Call, Effect, Landed, Receipt, Seen, Target, What, World, asg,
        backup::BackupWindow,
        dns::{ChangeStatus, RecordSet, Records},
        rds::{ApplyStatus, Db, Lag, LagSample, Status, TAG_RETIRED_FROM, TAG_SECURITY_GROUPS},
    },
};
use serde_json::{Value, json};

fn promote(replica: Db, frozen: bool) -> String {
    let bench = Bench::at("oregon").see("oregon", What::Db("db".into()), Seen::Db(replica)).see(
        "oregon",
        What::Parameters("pg-oregon".into()),
        group("oregon", frozen, None),
    );
    call(&bench.next("promote-replica", "db", json!({})))
}

#[test]
fn a_promotion_is_refused_early_where_the_provider_would_refuse_it() {
    assert_eq!(
        promote(db(Status::Available, Some("ohio")), false),
        "PromoteReadReplica replica -> writer, backups kept 7 d"
    );
    assert_eq!(
        promote(db(Status::BackingUp, Some("ohio")), false),
        "wait: db is backing up, which refuses a promotion"
    );
    assert!(
        promote(db(Status::Available, Some("ohio")), true)
            .starts_with("stuck: parameter group pg-oregon at oregon is frozen")
    );
    let reboot = Db { parameters: ApplyStatus::PendingReboot, ..db(Status::Available, Some("ohio")) };
    for stuck in [reboot, db(Status::Other("failed".into()), Some("ohio"))] {
        assert!(promote(stuck, false).starts_with("stuck"));
    }
}

#[test]
fn a_replica_of_anything_else_than_what_is_left_is_not_promoted() {
    use crate::world::rds::Source;
    let of = |site: &str, identifier: &str| Db {
        source: Some(Source { site: Some(site.into()), identifier: identifier.into() }),
        ..db(Status::Available, None)
    };
    let retired = promote(of("ohio", "db-old-r1"), false);
    assert!(retired.starts_with("stuck: db at oregon replicates from db-old-r1 at ohio, not from ohio"), "{retired}");
    assert!(promote(of("texas", "db"), false).starts_with("stuck"));
    assert!(promote(of("ohio", "db"), false).starts_with("PromoteReadReplica"));
}

#[test]
fn the_first_available_after_a_promotion_is_not_its_end() {
    let early = Bench::at("oregon")
        .see("oregon", What::Db("db".into()), Seen::Db(db(Status::Available, Some("ohio"))))
        .see("oregon", What::Parameters("pg-oregon".into()), group("oregon", false, None));
    let Next::Send { effect, .. } = early.next("promote-replica", "db", json!({})) else { panic!("a promotion") };
    let after = early.sent(&effect, Some(Receipt::default()));
    assert_eq!(call(&after.next("promote-replica", "db", json!({}))), "wait: db is available, still a replica");
    let unsettled = Db { replication_normal: false, ..db(Status::Available, None) };
    assert!(promote(unsettled, false).starts_with("wait"));
    assert_eq!(promote(db(Status::BackingUp, None), false), "done");
}

#[test]
fn a_freeze_keeps_the_value_before_it_and_an_unfreeze_restores_it() {
    let freeze = |frozen, tag: Option<&str>| {
        let here = Db { parameter_group: "pg-ohio".into(), ..db(Status::Available, None) };

        Bench::at("ohio")
            .see("ohio", What::Db("db".into()), Seen::Db(here))
            .see("ohio", What::Parameters("pg-ohio".into()), group("ohio", frozen, tag))
            .see("ohio", What::Retired("db".into()), Seen::Dbs(vec![]))
    };
    assert_eq!(
        call(&freeze(false, None).next("freeze-writes", "db", json!({}))),
        "AddTagsToResource tag lifeboat:frozen-from -> unset"
    );
    assert_eq!(
        call(&freeze(false, Some("unset")).next("freeze-writes", "db", json!({}))),
        "ModifyDBParameterGroup default_transaction_read_only -> 1"
    );
    assert_eq!(call(&freeze(true, Some("unset")).next("freeze-writes", "db", json!({}))), "done");
    assert_eq!(
        call(&freeze(true, Some("0")).next("unfreeze-writes", "db", json!({}))),
        "ModifyDBParameterGroup default_transaction_read_only -> 0"
    );
    assert_eq!(
        call(&freeze(true, Some("unset")).next("unfreeze-writes", "db", json!({}))),
        "ResetDBParameterGroup default_transaction_read_only -> engine default"
    );
    assert_eq!(
        call(&freeze(false, Some("0")).next("unfreeze-writes", "db", json!({}))),
        "RemoveTagsFromResource tag lifeboat:frozen-from -> none"
    );
    assert_eq!(call(&freeze(false, None).next("unfreeze-writes", "db", json!({}))), "done");
}

/// A freeze at ohio that is held for five minutes until the promotion of a replica like this.
fn freeze_before(replica: Db, mode: Mode) -> Bench {
    let here = Db { parameter_group: "pg-ohio".into(), ..db(Status::Available, None) };
    let bench = Bench::at("ohio")
        .see("ohio", What::Db("db".into()), Seen::Db(here))
        .see("ohio", What::Parameters("pg-ohio".into()), group("ohio", false, None))
        .see("ohio", What::Retired("db".into()), Seen::Dbs(vec![]))
        .see("oregon", What::Db("db".into()), Seen::Db(replica));
    Bench { hold: Some(Span::mins(5)), mode, ..bench }
}

#[test]
fn nothing_is_frozen_for_a_promotion_that_a_backup_would_refuse() {
    let replica = |status| db(status, Some("ohio"));
    let opens_in = |span| BackupWindow::daily(NOW + span, Span::mins(30));
    let due = |span| Db { backup_window: Some(opens_in(span)), ..replica(Status::Available) };
    let next = |bench: Bench| call(&bench.next("freeze-writes", "db", json!({})));
    let planned = |replica| next(freeze_before(replica, Mode::Planned));
    let freezes = "AddTagsToResource tag lifeboat:frozen-from -> unset";
    for (near, span) in [(true, Span::mins(4)), (false, Span::mins(6)), (false, Span::hours(23))] {
        assert_eq!(planned(due(span)).starts_with("stuck: the backup window of database db at oregon"), near, "{span}");
    }
    assert!(planned(due(Span::mins(24 * 60 - 20))).starts_with("stuck"), "it is open");
    assert_eq!(planned(Db { backup_retention: 0, ..due(Span::ZERO) }), freezes, "it keeps no backups");
    assert!(planned(replica(Status::BackingUp)).starts_with("wait: database db at oregon is backing up"));
    assert_eq!(planned(db(Status::BackingUp, None)), freezes, "nothing is promoted there");
    // An emergency does not even look, nor does a freeze that is held for nothing.
    assert_eq!(next(freeze_before(due(Span::ZERO), Mode::Emergency)), freezes);
    assert_eq!(next(Bench { hold: None, ..freeze_before(due(Span::ZERO), Mode::Planned) }), freezes);
    let unseen = freeze_before(due(Span::ZERO), Mode::Planned);
    let unseen = unseen.see("oregon", What::Db("db".into()), Seen::Unknown { why: "no answer".into() });
    assert!(next(unseen).starts_with("wait: database db at oregon unknown"));
}

fn lag_of(samples: &[(u64, Option<f64>)]) -> Seen {
    let sample = |(ago, seconds): &(u64, Option<f64>)| LagSample { at: NOW - Span::secs(*ago), seconds: *seconds };
    Seen::Lag(Lag { samples: samples.iter().map(sample).collect() })
}

#[test]
fn minus_one_is_not_zero_lag_and_the_age_of_a_sample_counts_as_loss() {
    let measure = |mode, samples: &[(u64, Option<f64>)]| {
        let mut bench = Bench::at("oregon")
            .see("oregon", What::Db("db".into()), Seen::Db(db(Status::Available, Some("ohio"))))
            .see("oregon", What::Lag("db".into()), lag_of(samples));
        bench.mode = mode;
        bench.next(
            "measure-lag",
            "db",
            json!({ "limit": "1m", "over_limit": if mode == Mode::Emergency { "ask" } else { "refuse" } }),
        )
    };
    let Next::Done { outputs, .. } = measure(Mode::Planned, &[(90, Some(2.3)), (30, None)]) else {
        panic!("within the limit")
    };
    let told: Span =
        outputs["loss"].as_str().unwrap().parse().expect("what a step tells is a duration of the language");
    assert_eq!(told, Span::secs(93), "rounded up");
    assert!(call(&measure(Mode::Planned, &[(30, None)])).starts_with("stuck: db is unknown behind"));
    // The incident was two minutes ago: the sample half a minute old says nothing about it.
    let Next::Ask { question: Question::DataLoss, loss, .. } =
        measure(Mode::Emergency, &[(190, Some(3.0)), (30, Some(0.0))])
    else {
        panic!("a question")
    };
    assert_eq!(loss, Some(Span::secs(73)));
    let Next::Ask { loss: None, .. } = measure(Mode::Emergency, &[]) else { panic!("unknown counts as over") };
}

fn asg_of(size: Size, in_service: u32, suspended: &[&str]) -> Seen {
    Seen::Group(asg::Group {
        name: "web".into(),
        size,
        in_service,
        suspended: suspended.iter().map(|s| (*s).to_owned()).collect(),
        failure: None,
    })
}

fn zone(ohio: u32, oregon: u32) -> Seen {
    let set = |id: &str, weight| RecordSet {
        name: "www".into(),
        record_type: "A".into(),
        set_identifier: Some(id.into()),
        weight: Some(weight),
        ttl: Some(60),
        values: vec!["192.0.2.1".into()],
        rest: Value::Null,
    };
    Seen::Records(Records { sets: vec![set("ohio", ohio), set("oregon", oregon)] })
}

#[test]
fn a_group_is_scaled_until_enough_serve_and_not_shrunk_while_it_serves() {
    let resting = Size { min: 1, desired: 2, max: 16 };
    let pinned = Size { min: 8, desired: 8, max: 16 };
    let scale = |seen, with| {
        call(&Bench::at("oregon").see("oregon", What::Group("web".into()), seen).next("scale", "web", with))
    };
    let serving = || json!({ "to": "serving", "pin": true, "enough": "75%" });
    assert_eq!(scale(asg_of(resting, 2, &[]), serving()), "UpdateAutoScalingGroup -> min 8 desired 8 max 16");
    assert_eq!(scale(asg_of(pinned, 5, &[]), serving()), "wait: web has 5 of 6 in service");
    assert_eq!(scale(asg_of(pinned, 6, &[]), serving()), "done");
    assert!(scale(asg_of(resting, 2, &["Launch"]), serving()).starts_with("stuck"));

    let shrink = |weight| {
        let mut bench = Bench::at("ohio").see("ohio", What::Group("web".into()), asg_of(pinned, 8, &[])).see(
            Target::GLOBAL,
            What::Records("Z1".into()),
            zone(weight, 100),
        );
        bench.direction = Direction::Reprotect;
        call(&bench.next("scale", "web", json!({ "to": "resting" })))
    };
    assert!(shrink(100).starts_with("stuck: users are still sent to ohio"));
    assert_eq!(shrink(0), "UpdateAutoScalingGroup -> min 1 desired 2 max 16");
}

#[test]
fn a_scale_in_doubt_is_judged_by_its_bounds_since_a_policy_moves_the_rest() {
    let size = |min, desired| Size { min, desired, max: 16 };
    let happened = |before, want: Size, now| {
        let call = Call::Scaling(asg::Call::Update { name: "web".into(), size: want, shrinks: false });
        let target = Target::at(&site("oregon"), What::Group("web".into()));
        Effect { target, call }.happened(&asg_of(before, 2, &[]), &asg_of(now, 2, &[]))
    };
    let (resting, serving, pinned) = (size(1, 2), size(4, 8), size(8, 8));
    for (want, grown) in [(serving, size(4, 9)), (serving, size(4, 6)), (pinned, size(8, 11))] {
        assert_eq!(happened(resting, want, want), Landed::Yes);
        assert_eq!(happened(resting, want, grown), Landed::Yes, "a policy went on from there");
        assert_eq!(happened(resting, want, resting), Landed::No);
        assert_eq!(happened(resting, want, size(1, 3)), Landed::No, "a policy moved what was there");
        assert_eq!(happened(resting, want, size(2, 2)), Landed::Superseded);
    }
    assert_eq!(happened(size(4, 5), serving, size(4, 6)), Landed::No, "sent again, which harms nobody");
    // A pin keeps servers from going, not from coming.
    let grown = Bench::at("oregon").see("oregon", What::Group("web".into()), asg_of(size(8, 11), 11, &[]));
    assert_eq!(call(&grown.next("scale", "web", json!({ "to": "serving", "pin": true, "enough": "75%" }))), "done");
}

#[test]
fn traffic_moves_in_one_batch_that_never_leaves_all_weights_at_zero() {
    let bench = |ohio, oregon| Bench::at("oregon").see(Target::GLOBAL, What::Records("Z1".into()), zone(ohio, oregon));
    let Next::Send { effect, .. } = bench(90, 0).next("shift-traffic", "www", json!({})) else { panic!("a batch") };
    assert_eq!(effect.words().value, "-> www ohio 0, www oregon 90");
    assert_eq!(effect.impact(), Impact::Disruptive);
    let Next::Send { effect: lost, .. } = bench(0, 0).next("shift-traffic", "www", json!({})) else {
        panic!("0/0 answers with both")
    };
    assert_eq!(lost.words().value, "-> www oregon 100");

    let receipt = Receipt { id: Some("C1".into()), output: Value::Null };
    let pending = bench(0, 90).sent(&effect, Some(receipt));
    let status = |status| {
        call(
            &Bench { world: pending.world.clone(), past: pending.past.clone(), ..Bench::at("oregon") }
                .see(Target::GLOBAL, What::Change("C1".into()), Seen::Change(status))
                .next("shift-traffic", "www", json!({})),
        )
    };
    assert!(status(ChangeStatus::Pending).starts_with("wait"));
    assert_eq!(status(ChangeStatus::InSync), "done");
    // Settled by looking, without an id to follow: the usual time is waited out.
    assert!(call(&bench(0, 90).sent(&effect, None).next("shift-traffic", "www", json!({}))).starts_with("wait"));
}

#[test]
fn a_replica_is_built_with_the_settings_that_the_retired_one_had_before_its_quarantine() {
    let tags =
        [(TAG_RETIRED_FROM.to_owned(), "db".to_owned()), (TAG_SECURITY_GROUPS.to_owned(), "sg-a sg-b".to_owned())];
    let retired = Db {
        identifier: "db-old".into(),
        security_groups: vec!["sg-q".into()],
        tags: tags.into(),
        ..db(Status::Available, None)
    };
    let mut bench = Bench::at("ohio").see("ohio", What::Db("db".into()), Seen::Absent).see(
        "ohio",
        What::Retired("db".into()),
        Seen::Dbs(vec![retired]),
    );
    bench = bench.see("oregon", What::Db("db".into()), Seen::Db(db(Status::Available, None)));
    bench.direction = Direction::Reprotect;
    let Next::Send { effect, .. } = bench.next("reverse-replication", "db", json!({})) else { panic!("a new replica") };
    assert!(format!("{effect:?}").contains(r#"security_groups: ["sg-a", "sg-b"]"#), "{effect:?}");

    let own = Bench { world: World::default(), ..bench }.see(
        "ohio",
        What::Db("db".into()),
        Seen::Db(db(Status::Available, None)),
    );
    let own = own.see("ohio", What::Retired("db".into()), Seen::Dbs(vec![])).see(
        "oregon",
        What::Db("db".into()),
        Seen::Db(db(Status::Available, None)),
    );
    assert!(call(&own.next("reverse-replication", "db", json!({}))).starts_with("stuck"));
}

#[test]
fn reprotect_has_nothing_left_to_do_on_a_site_that_follows_the_active_one() {
    for (action, with) in [
        ("freeze-writes", json!({})),
        ("quarantine", json!({})),
        ("snapshot", json!({ "name": "s" })),
        ("retire", json!({ "rename": "db-old" })),
        ("reverse-replication", json!({})),
    ] {
        let follower = Db { parameter_group: "pg-ohio".into(), ..db(Status::Available, Some("oregon")) };
        let mut bench = Bench::at("ohio").see("ohio", What::Db("db".into()), Seen::Db(follower)).see(
            "ohio",
            What::Retired("db".into()),
            Seen::Dbs(vec![]),
        );
        bench = bench.see("ohio", What::Parameters("pg-ohio".into()), group("ohio", false, None)).see(
            "ohio",
            What::Snapshot("s".into()),
            Seen::Absent,
        );
        bench = bench.see("ohio", What::Db("db-old".into()), Seen::Absent).see(
            "oregon",
            What::Db("db".into()),
            Seen::Db(db(Status::Available, None)),
        );
        bench.direction = Direction::Reprotect;
        assert_eq!(call(&bench.next(action, "db", with)), "done", "{action}");
    }
}

#[test]
fn what_is_renamed_is_waited_for_while_its_name_is_gone() {
    let base = |old: Seen| {
        let mut bench = Bench::at("ohio")
            .see("ohio", What::Db("db".into()), old)
            .see("ohio", What::Db("db-old".into()), Seen::Absent)
            .see("ohio", What::Retired("db".into()), Seen::Dbs(vec![]));
        bench.direction = Direction::Reprotect;
        bench
    };
    let retire = |bench: &Bench| bench.next("retire", "db", json!({ "rename": "db-old" }));
    let tagged = Db { tags: [(TAG_RETIRED_FROM.to_owned(), "db".to_owned())].into(), ..db(Status::Available, None) };
    assert!(call(&retire(&base(Seen::Db(db(Status::Available, None))))).starts_with("AddTagsToResource"));
    let Next::Send { effect, .. } = retire(&base(Seen::Db(tagged))) else { panic!("a rename") };
    assert_eq!(effect.call().operation, "ModifyDBInstance");
    assert!(call(&retire(&base(Seen::Absent).sent(&effect, Some(Receipt::default())))).starts_with("wait"));
}

#[test]
fn probes_hold_for_as_long_as_a_wait_says_and_a_break_starts_it_again() {
    let answers = |ok| {
        let answer = crate::world::probe::Answer::plain(ok, "503");
        Bench::at("oregon").see("oregon", What::Site, Seen::Answer(answer))
    };
    let wait = action_of("wait", &json!({ "for": "15m", "while": ["site_answers"] }));
    let next = |bench: &Bench| {
        let asked = super::Asked { action: Action::site_answers(), resources: vec![] };
        let inputs = Inputs {
            action: Some(wait.clone()),
            probes: [(ProbeName::new("site_answers"), asked)].into(),
            verify: vec![],
        };
        bench.cx("db", |cx| inputs.next(&StepCx { probes: &inputs.probes, ..cx.clone() }, &bench.world))
    };
    let held =
        |ago| Bench { past: StepPast { holding_since: Some(NOW - ago), ..StepPast::default() }, ..answers(true) };
    assert!(
        matches!(next(&answers(true)), Next::Wait { holds: Some(true), until: Some(until), .. } if until == NOW + Span::mins(15))
    );
    assert!(matches!(next(&answers(false)), Next::Wait { holds: Some(false), .. }));
    assert!(matches!(next(&held(Span::mins(14))), Next::Wait { .. }));
    assert!(matches!(next(&held(Span::mins(15))), Next::Done { .. }));
}

#[test]
fn a_site_is_closed_when_it_is_absent_a_replica_frozen_or_quarantined() {
    let gate = |seen, frozen| {
        let bench = Bench::at("ohio").see("ohio", What::Db("db".into()), seen).see(
            "ohio",
            What::Parameters("pg-ohio".into()),
            group("ohio", frozen, None),
        );
        writers::gate(&resources()["db"], &site("ohio"), &bench.world)
    };
    let own = || Db { parameter_group: "pg-ohio".into(), ..db(Status::Available, None) };
    assert_eq!(gate(Seen::Db(own()), false), writers::Gate::Open);
    assert_eq!(gate(Seen::Db(own()), true), writers::Gate::Closed);
    for open in [Db { parameters: ApplyStatus::Applying, ..own() }, Db { parameter_group: "pg-other".into(), ..own() }]
    {
        assert_eq!(gate(Seen::Db(open), true), writers::Gate::Open, "not in force yet, or another group is frozen");
    }
    assert_eq!(gate(Seen::Db(Db { security_groups: vec!["sg-q".into()], ..own() }), false), writers::Gate::Closed);
    assert_eq!(gate(Seen::Db(db(Status::Available, Some("oregon"))), false), writers::Gate::Closed);
    assert_eq!(gate(Seen::Absent, false), writers::Gate::Closed);
    assert!(matches!(gate(Seen::Unknown { why: "dark".into() }, false), writers::Gate::Unknown(_)));
}

#[test]
fn a_command_and_its_check_are_given_variables_by_name_and_never_by_value() {
    let given = |name: &str| {
        let with = json!({ "command": ["ci", "lock"], "check": ["ci", "locked"], "environment": [name] });
        super::lower("exec", with.as_object().unwrap())
    };
    let Ok(exec) = given("CI_TOKEN") else { panic!("a name") };
    let bench = Bench::at("oregon");
    let targets = bench.cx("db", |cx| exec.behave().targets(cx));
    assert!(matches!(&targets[..], [Target { what: What::Command(check), .. }] if check.environment == ["CI_TOKEN"]));
    for wrong in ["CI_TOKEN=secret", "", "9LIVES", "A-B"] {
        let problems = given(wrong).unwrap_err();
        assert_eq!(problems[0].0, "environment", "{problems:?}");
    }
}
