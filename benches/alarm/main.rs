//! From the message of an alarm to the first intent: how long a watcher takes to begin a failover with `hold: 0s`.
//! The real program, in front of the double's queue; each round has a watcher, a record, a queue and alarms of its
//! own. The second of two alarms completes the trigger; what is measured runs from the note that it was heard to
//! the event of the first intent, both by the times that the program commits.
//!
//!     cargo bench --bench alarm         # needs `tests/run` once: it installs the double
//!
//! Between the two lie a look at the alarms' runs, the plan with its looks at both Regions, and two commits. How
//! long the double takes to answer is part of it: `floor` is one describe of the double's databases. Prints one JSON
//! object.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    reason = "a measurement ends by panicking"
)]

#[path = "../../tests/wire/double.rs"]
mod double;
#[path = "../../tests/wire/environment.rs"]
mod environment;
#[path = "../../tests/wire/http.rs"]
mod http;
#[path = "../measure.rs"]
mod measure;
#[path = "../../tests/it/binary/spoken.rs"]
mod spoken;
#[path = "../stage.rs"]
mod stage;
#[path = "../../tests/wire/witness.rs"]
mod witness;

use measure::spread;
use serde_json::{Value, json};
use spoken::Running;
use stage::{ACCOUNT, STANDBY, Stage};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

const ROUNDS: usize = 25;
/// A start takes no longer than this in 95 of 100 rounds, in ms.
const BAR: u64 = 100;

fn main() {
    println!("{:#}", measured());
}

fn measured() -> Value {
    let bench = Bench(Stage::new());
    // The first reads files that the others find in memory.
    bench.once(0);
    let rounds: Vec<_> = (1..=ROUNDS).map(|round| bench.once(round)).collect();
    let all = |of: fn(&Round) -> f64| spread(rounds.iter().map(of).collect());
    json!({
        "rounds": ROUNDS,
        "bar_ms_p95": BAR,
        "heard_to_intent_ms": all(|round| round.intent),
        "alarm_to_intent_ms": all(|round| round.wall),
        "floor_ms": spread((0..ROUNDS).map(|_| bench.floor()).collect()),
    })
}

/// One start, in ms.
struct Round {
    /// From the note that the second alarm was heard to the first intent.
    intent: f64,
    /// From the change of that alarm until the intent could be read.
    wall: f64,
}

struct Bench(Stage);

impl Bench {
    /// Two alarms that are well, and a queue that hears of their changes from now on.
    fn alarms(&self, names: &[String; 2], round: usize) -> String {
        let topic = self.0.call("sns", "create_topic", &json!({ "Name": format!("dr-{round}") }))["TopicArn"].take();
        for name in names {
            let alarm = json!({
                "AlarmName": name, "MetricName": "Down", "Namespace": "Test", "Period": 60, "EvaluationPeriods": 1,
                "Threshold": 1.0, "Statistic": "Sum", "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [topic],
            });
            self.0.call("cloudwatch", "put_metric_alarm", &alarm);
            self.goes(name, "OK");
        }
        let queue =
            self.0.call("sqs", "create_queue", &json!({ "QueueName": format!("alarms-{round}") }))["QueueUrl"].take();
        let endpoint = format!("arn:aws:sqs:{}:{ACCOUNT}:alarms-{round}", STANDBY.1);
        self.0.call("sns", "subscribe", &json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": endpoint }));
        queue.as_str().unwrap().to_owned()
    }

    fn goes(&self, alarm: &str, state: &str) {
        let asked = json!({ "AlarmName": alarm, "StateValue": state, "StateReason": "a measurement" });
        self.0.call("cloudwatch", "set_alarm_state", &asked);
    }

    fn runbook(&self, names: &[String; 2]) -> PathBuf {
        let alarm = |name: &String| format!("{{ alarm: \"arn:aws:cloudwatch:{}:{ACCOUNT}:alarm:{name}\" }}", STANDBY.1);
        let [a, b] = [&names[0], &names[1]].map(alarm);
        self.0.runbook(&format!("triggers: [{{ name: lost, when: {{ of: [{a}, {b}] }}, hold: 0s, autonomy: full }}]\n"))
    }

    fn watch(runbook: &Path, queue: &str, store: &Path) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        environment::give(&mut command).arg("watch").arg(runbook).args(["--queue", queue, "--queue-region", STANDBY.1]);
        Running::start(command.arg("--store").arg(store))
    }

    /// One start, stopped as soon as it has begun.
    fn once(&self, round: usize) -> Round {
        self.0.reset();
        let names = ["orders", "canary"].map(|name| format!("{name}-{round}"));
        let queue = self.alarms(&names, round);
        let store = tempfile::tempdir().unwrap();
        let mut watch = Self::watch(&self.runbook(&names), &queue, store.path());
        for _ in &names {
            watch.hears(r#""way":"looked""#);
        }
        self.goes(&names[0], "ALARM");
        watch.hears(r#""way":"queue""#);
        let start = Instant::now();
        self.goes(&names[1], "ALARM");
        let heard = time(&next(&mut watch, |line| line["note"] == "heard"));
        let intent = time(&next(&mut watch, |line| line["event"] == "effect_intended"));
        let wall = start.elapsed().as_secs_f64() * 1000.0;
        watch.kill();
        Round { intent: intent - heard, wall }
    }

    /// One describe of the double, in ms.
    fn floor(&self) -> f64 {
        let start = Instant::now();
        self.0.call("rds", "describe_db_instances", &json!({}));
        start.elapsed().as_secs_f64() * 1000.0
    }
}

fn next(watch: &mut Running, wanted: impl Fn(&Value) -> bool) -> Value {
    std::iter::from_fn(|| watch.line()).find(|line| wanted(line)).expect("it ended")
}

fn time(line: &Value) -> f64 {
    line["at"].as_f64().unwrap()
}
