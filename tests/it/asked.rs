//! How often the services of a Region are asked, whatever waits for them and however much.

use crate::{
    lab::{Lab, id},
    there_and_back::ROUND,
};
use async_trait::async_trait;
use lifeboat::{
    clock::{Clock, Span, Timestamp},
    driver::{Look, LookError},
    event::EventKind,
    ids::Region,
    model::{Direction, Mode},
    runbook::Runbook,
    syntax,
    world::{Question, Sight, Target, What},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

/// Eyes that keep what they ask of whom, and when.
pub struct Counting {
    look: Arc<dyn Look>,
    clock: Arc<dyn Clock>,
    asked: Mutex<Vec<Asked>>,
}

/// A question to a service of a Region.
struct Asked {
    service: (Region, &'static str),
    question: Question,
    at: Timestamp,
}

#[async_trait]
impl Look for Counting {
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        let one = |target: &Target| Some((target.region.clone(), target.what.service()?, target.what.question()?));
        let now = self.clock.now();
        let questions: BTreeSet<_> = at.iter().filter_map(one).collect();
        let asked = questions.into_iter().map(|(region, service, question)| Asked {
            service: (region, service),
            question,
            at: now,
        });
        self.asked.lock().unwrap().extend(asked);
        self.look.look(at).await
    }
}

impl Counting {
    /// The eyes of a laboratory from now on.
    pub fn in_lab(lab: &mut Lab) -> Arc<Self> {
        let eyes = Arc::new(Self { look: lab.look.clone(), clock: lab.clock.clone(), asked: Mutex::default() });
        lab.look = eyes.clone();
        eyes
    }

    /// How often databases were looked at.
    pub fn databases(&self) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.question == Question::Instances).count()
    }

    /// The most requests to one service in any ten minutes, of the questions that count.
    fn most(&self, counts: impl Fn(&Question) -> bool) -> (u64, (Region, &'static str)) {
        let mut asked = self.asked.lock().unwrap();
        asked.retain(|asked| counts(&asked.question));
        let within = |from: &Asked| {
            let until = from.at + Span::mins(10);
            let of = asked.iter().filter(|a| a.service == from.service && a.at >= from.at && a.at < until);
            (of.map(|a| a.question.requests()).sum(), from.service.clone())
        };
        asked.iter().map(within).max().unwrap()
    }

    /// How often each parameter group was looked at, at most: no request describes two of them, and nothing waits
    /// for one.
    fn groups(&self) -> usize {
        let mut times: BTreeMap<Question, usize> = BTreeMap::new();
        let asked = self.asked.lock().unwrap();
        let groups = asked.iter().filter(|asked| matches!(asked.question, Question::One(What::Parameters(_))));
        groups.for_each(|asked| *times.entry(asked.question.clone()).or_default() += 1);
        times.into_values().max().unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn no_service_is_asked_more_than_150_times_in_any_ten_minutes_of_a_run() {
    for seed in 0..10 {
        let planned = (&[][..], Mode::Planned, &ROUND[..]);
        let emergency = (&["primary-lost"][..], Mode::Emergency, &ROUND[..1]);
        for (faults, mode, legs) in [planned, emergency] {
            let mut lab = Lab::new(seed, faults);
            for direction in legs.iter().copied() {
                let eyes = Counting::in_lab(&mut lab);
                let ran = lab.go(direction, mode).await;
                let (most, service) = eyes.most(|_| true);
                assert!(most <= 150, "seed {seed}, {direction}: {most} of {service:?}\n{}", ran.told());
            }
        }
    }
}

/// So many databases, groups and state machines, that are moved side by side, and as many zones.
fn wide(width: usize) -> Runbook {
    let each = |one: &dyn Fn(usize) -> String| (0..width).map(one).collect::<Vec<_>>();
    let resources = each(&|n| {
        let database = |site: &str| format!("{site}: {{ identifier: orders-{n}, parameter_group: {site}-{n} }}");
        let machine = |region: &str| format!("arn: \"arn:aws:states:{region}:123456789012:stateMachine:warm-{n}\"");
        format!(
            "  db{n}: {{ kind: rds-instance, engine: postgres, sites: {{ {}, {} }} }}
  web{n}: {{ kind: autoscaling-group, sizes: {{ full: {{ min: 2, desired: 8, max: 9 }} }}, sites: {{ ohio: {{ name: web-{n} }}, oregon: {{ name: web-{n} }} }} }}
  warm{n}: {{ kind: state-machine, sites: {{ ohio: {{ {} }}, oregon: {{ {} }} }} }}
  www{n}: {{ kind: weighted-record, zone: Z{n}, records: [www{n}.example.com], type: A, sites: {{ ohio: {{ set_identifier: ohio }}, oregon: {{ set_identifier: oregon }} }} }}
",
            database("ohio"),
            database("oregon"),
            machine("us-east-2"),
            machine("us-west-2"),
        )
    });
    let steps = each(&|n| {
        format!(
            "  - {{ id: grow{n}, needs: [], action: scale, resource: web{n}, at: to, with: {{ to: full }} }}
  - {{ id: warm{n}, needs: [], action: run-state-machine, resource: warm{n}, at: to, simulate: {{ takes: {}s }} }}
  - {{ id: shift{n}, needs: [promote], action: shift-traffic, resource: www{n}, at: to }}
",
            30 + 20 * n
        )
    });
    let names = each(&|n| format!("db{n}")).join(", ");
    let text = format!(
        "version: 1
name: wide
sites: {{ ohio: {{ region: us-east-2 }}, oregon: {{ region: us-west-2 }} }}
primary: ohio
standby: oregon
resources:
{}failover:
  - {{ id: freeze, action: freeze-writes, resources: [{names}], at: from, hold: {{ max: 15m, then: undo }}, undo: unfreeze-writes, skippable: false, emergency: {{ run: best-effort, timeout: 45s, hold: {{ max: 15m, then: page }} }} }}
  - {{ id: drained, action: wait-for-replication, resources: [{names}], at: to, with: {{ drained: true, proof: metric }}, on_failure: undo, skippable: false, emergency: skip }}
  - {{ id: promote, action: promote-replica, resources: [{names}], at: to, with: {{ backup_retention: 7 }}, timeout: 1h }}
{}failback: mirror
",
        resources.concat(),
        steps.concat(),
    );
    let loaded = syntax::parse("wide.yaml", text.as_bytes(), Some(std::path::Path::new("runbooks")));
    assert!(loaded.diagnostics.is_empty(), "{:?}\n{text}", loaded.diagnostics);
    loaded.runbook.unwrap()
}

#[tokio::test(start_paused = true)]
async fn however_many_move_side_by_side_what_they_share_is_asked_for_150_times_in_ten_minutes_at_most() {
    for width in [1, 4, 25] {
        let mut lab = Lab::of(&wide(width), 7, &["primary-lost"]);
        let eyes = Counting::in_lab(&mut lab);
        let ran = lab.go(Direction::Failover, Mode::Emergency).await;
        let done = |e: &EventKind| matches!(e, EventKind::StepSucceeded { .. });
        assert_eq!(ran.events.iter().filter(|e| done(&e.kind)).count(), 1 + 3 * width, "{}", ran.told());
        assert!(ran.state.step(&id("promote")).unwrap().1.is_done());
        // When its step begins and ends, and now and then while one promotion after the other is sent.
        let looks = eyes.groups();
        assert!(looks <= 10, "{width} side by side: {looks} looks at one parameter group");
        let (most, service) = eyes.most(Question::is_shared);
        assert!(most <= 150, "{width} side by side: {most} of {service:?}");
    }
}
