//! Nobody at a terminal: an alarm of the double goes off, its topic tells a queue, and the service moves.

use crate::{
    binary::{AGREED, Desk, Running},
    double::Double,
    web::Web,
    world::{HOME, NAME, STANDBY, Wire},
};
use lifeboat::clock::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    process::{Child, Stdio},
};

/// What alarms tell: a topic in the surviving Region, a queue behind it, and who is to be paged.
struct Tower {
    desk: Desk,
    queue: String,
    pages: String,
    _pager: Web,
}

impl Tower {
    /// A world whose runbook has a trigger of two alarms.
    fn of(policy: &str) -> Self {
        let wire = Wire::at_once();
        let account = wire.account.clone();
        let arn = |name: &str| format!("arn:aws:cloudwatch:{}:{account}:alarm:{name}", STANDBY.1);
        let page = format!("arn:aws:sns:{}:{account}:oncall", STANDBY.1);
        let pager = Web::start(|_| (200, Value::Null));
        let trigger = format!(
            "\nnotify: [{{ topic: \"{page}\" }}, {{ webhook: \"{}\" }}]\ntriggers:\n  - name: region_lost\n    when: {{ of: [{{ alarm: \"{}\" }}, {{ alarm: \"{}\" }}] }}\n    {policy}\n\nfailover:\n",
            pager.url(),
            arn("orders"),
            arn("canary")
        );
        let desk = Desk::of(wire, &[("\nfailover:\n", &trigger)]);
        let tower = Self { desk, queue: String::new(), pages: String::new(), _pager: pager };
        let (topic, pages) = (tower.topic("dr"), tower.topic("oncall"));
        let queue = tower.queue("dr-alarms", &topic);
        let pages = tower.queue("pages", &pages);
        for name in ["orders", "canary"] {
            tower.call(
                "cloudwatch",
                "put_metric_alarm",
                &json!({
                    "AlarmName": name, "MetricName": "Down", "Namespace": "Test", "Period": 60, "EvaluationPeriods": 1,
                    "Threshold": 1.0, "Statistic": "Sum", "ComparisonOperator": "GreaterThanThreshold",
                    "AlarmActions": [topic], "OKActions": [topic],
                }),
            );
            tower.goes(name, "OK");
        }
        Self { queue, pages, ..tower }
    }

    fn call(&self, service: &str, operation: &str, asked: &Value) -> Value {
        self.desk.wire.witness.call(service, STANDBY.1, operation, asked)
    }

    fn topic(&self, name: &str) -> String {
        self.call("sns", "create_topic", &json!({ "Name": name }))["TopicArn"].as_str().unwrap().to_owned()
    }

    /// A queue that hears a topic.
    fn queue(&self, name: &str, topic: &str) -> String {
        let url =
            self.call("sqs", "create_queue", &json!({ "QueueName": name }))["QueueUrl"].as_str().unwrap().to_owned();
        let arn = format!("arn:aws:sqs:{}:{}:{name}", STANDBY.1, self.desk.wire.account);
        self.call("sns", "subscribe", &json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": arn }));
        url
    }

    /// An alarm goes to a state.
    fn goes(&self, name: &str, state: &str) {
        let asked = json!({ "AlarmName": name, "StateValue": state, "StateReason": "a drill" });
        self.call("cloudwatch", "set_alarm_state", &asked);
    }

    fn watches(&self) -> Running {
        self.desk.start(&format!("watch RUNBOOK --queue {} --queue-region {}", self.queue, STANDBY.1))
    }

    /// Messages of alarms, as a topic delivers them raw.
    fn send(&self, signals: &[(String, &str)]) {
        let body = |name: &str, state: &str| {
            json!({
                "AlarmName": name, "AlarmArn": self.alarm(name), "AWSAccountId": self.desk.wire.account,
                "NewStateValue": state, "OldStateValue": "OK", "NewStateReason": "a flood",
                "StateChangeTime": Timestamp::wall().to_string(),
            })
        };
        for some in signals.chunks(10) {
            let entry = |(id, (name, state)): (usize, &(String, &str))| json!({ "Id": id.to_string(), "MessageBody": body(name, state).to_string() });
            let entries: Vec<_> = some.iter().enumerate().map(entry).collect();
            self.call("sqs", "send_message_batch", &json!({ "QueueUrl": self.queue, "Entries": entries }));
        }
    }

    fn alarm(&self, name: &str) -> String {
        format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", STANDBY.1, self.desk.wire.account)
    }

    /// What people were told so far.
    fn told(&self) -> String {
        let asked = json!({ "QueueUrl": self.pages, "MaxNumberOfMessages": 10 });
        let mut all = String::new();
        loop {
            let got = self.call("sqs", "receive_message", &asked);
            let Some(messages) = got["Messages"].as_array().filter(|m| !m.is_empty()) else { return all };
            all += &messages.iter().map(ToString::to_string).collect::<String>();
        }
    }

    fn left_in_the_queue(&self) -> usize {
        let asked = json!({ "QueueUrl": self.queue, "AttributeNames": ["All"] });
        let got = self.call("sqs", "get_queue_attributes", &asked);
        let count = |name: &str| got["Attributes"][name].as_str().unwrap().parse::<usize>().unwrap();
        count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible")
    }
}

#[test]
fn an_alarm_moves_the_service_and_people_bring_it_home() {
    let tower = Tower::of("hold: 1s\n    autonomy: full\n    accept_data_loss: 1m");
    let desk = &tower.desk;
    let mut watch = tower.watches();
    watch.hears("watches");
    tower.goes("orders", "ALARM");
    tower.goes("canary", "ALARM");
    watch.until("run_started");
    watch.until("run_finished");
    assert_eq!(desk.wire.witness.weights(&desk.wire.zone, NAME)["oregon"], 100);
    let mut told = String::new();
    while !told.contains("it ended") {
        told += &tower.told();
    }
    for what in ["began by itself", "lifeboat show"] {
        assert!(told.contains(what), "no `{what}` in {told}");
    }
    while tower.left_in_the_queue() > 0 {
        // Its decision is on disk; the queue hears of it a moment later.
    }
    while !desk.run("watch --explain").ends(0).out.contains("told 127.0.0.1: ") {
        // By webhook too, a moment later.
    }
    watch.kill();
    let calls = Double::shared().calls(&desk.wire.account).len();
    assert!(calls > 0);
    desk.run(&format!("reprotect RUNBOOK {AGREED}")).ends(0);
    desk.run(&format!("failback RUNBOOK --no-reprotect {AGREED}")).ends(25);
    assert_eq!(desk.wire.witness.weights(&desk.wire.zone, NAME)["ohio"], 100);
}

#[test]
fn a_run_that_may_only_do_what_is_safe_pages_and_goes_on_by_approval_from_another_terminal() {
    let tower = Tower::of("hold: 1s\n    autonomy: safe\n    accept_data_loss: 1m");
    let mut watch = tower.watches();
    watch.hears("watches");
    tower.goes("orders", "ALARM");
    tower.goes("canary", "ALARM");
    watch.until("run_paused");
    watch.hears("\"note\":\"told\"");
    let frozen = |tower: &Tower| tower.desk.wire.witness.parameters(HOME.1, "orders-ohio");
    assert_eq!(frozen(&tower).get("default_transaction_read_only"), None, "nothing disruptive was sent");
    tower.desk.run("approve").ends(0).says("answered yes");
    watch.until("run_finished");
    assert_eq!(tower.desk.wire.witness.weights(&tower.desk.wire.zone, NAME)["oregon"], 100);
}

#[test]
fn a_watcher_that_is_killed_in_the_middle_of_a_failover_goes_on_with_it_when_it_is_started_again() {
    let tower = Tower::of("hold: 1s\n    autonomy: full\n    accept_data_loss: 1m");
    let mut watch = tower.watches();
    watch.hears("watches");
    tower.goes("orders", "ALARM");
    tower.goes("canary", "ALARM");
    watch.until("effect_intended");
    watch.kill();
    let mut again = tower.watches();
    again.until("run_resumed");
    again.until("run_finished");
    again.kill();
    let runs = tower.desk.run("runs --output json").ends(0).objects();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(tower.desk.wire.witness.weights(&tower.desk.wire.zone, NAME)["oregon"], 100);
    let promotions = Double::shared().calls(&tower.desk.wire.account);
    let promoted = promotions.iter().filter(|call| call.to_string().contains("PromoteReadReplica")).count();
    assert_eq!(promoted, 1);
}

/// A watcher whose log goes to a file: nobody has to read along.
struct Logged(Child);

impl Logged {
    fn of(tower: &Tower) -> Self {
        let log = File::create(tower.desk.home().with_file_name("watch.log")).unwrap();
        let line = format!("watch RUNBOOK --output json --queue {} --queue-region {}", tower.queue, STANDBY.1);
        Self(tower.desk.command(&line).stdout(log).stderr(Stdio::null()).spawn().unwrap())
    }

    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Alarms that no trigger names: `LIFEBOAT_MESSAGES` of them, else 300.
fn of_others() -> Vec<(String, &'static str)> {
    let many = std::env::var("LIFEBOAT_MESSAGES").map_or(300, |many| many.parse().unwrap());
    (0..many).map(|n| (format!("other-{n}"), ["ALARM", "OK", "INSUFFICIENT_DATA"][n % 3])).collect()
}

#[test]
fn of_many_messages_those_that_matter_start_the_run_that_they_should_and_memory_stays_as_it_was() {
    let tower = Tower::of("hold: 1s\n    autonomy: full\n    accept_data_loss: 1m");
    let watch = Logged::of(&tower);
    let others = of_others();
    let (some, rest) = others.split_at(others.len() / 10);
    let among = |some: &[(String, &str)], what: [(&str, &str); 2]| {
        let (a, b) = some.split_at(some.len() / 2);
        for (some, (name, state)) in [a, b].into_iter().zip(what) {
            tower.send(some);
            tower.goes(name, state);
        }
    };
    let drained = || while tower.left_in_the_queue() > 0 {};
    among(some, [("orders", "ALARM"), ("canary", "ALARM")]);
    let log = tower.desk.home().with_file_name("watch.log");
    while !fs::read_to_string(&log).unwrap().contains("\"began\"") {}
    while tower.desk.run("runs --output json").ends(0).objects().iter().all(|run| run["outcome"].is_null()) {}
    drained();
    let before = watch.resident_kib();

    // It is over, and true again: a run that began by itself and that nobody knows of prevents another.
    among(rest, [("canary", "OK"), ("canary", "ALARM")]);
    drained();
    while !tower.desk.run("watch --explain").ends(0).out.contains("prevented: run ") {}
    let after = watch.resident_kib();
    println!("{} messages: {before} KiB, then {after} KiB", others.len());
    assert!(after < before + (8 << 10), "{before} KiB, then {after} KiB");
    assert_eq!(tower.desk.run("runs --output json").ends(0).objects().len(), 1);
    let told = tower.desk.run("watch --explain --last 100000 --output json").ends(0).objects();
    let heard = |note: &Value| note.to_string().split("alarm:other-").nth(1)?.split('"').next().map(str::to_owned);
    let heard: BTreeSet<_> = told.iter().filter_map(heard).collect();
    assert_eq!(heard.len(), others.len(), "each is on record");
}
