//! What a watcher hears: alarms, their topic, a queue behind it, and who is to be paged.

use crate::{
    binary::{Desk, Running},
    web::Web,
    world::{STANDBY, Wire},
};
use lifeboat::clock::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    sync::mpsc::{Receiver, channel},
    thread,
};

/// What senders of events must show.
pub(crate) const TOKEN: &str = "s3cret";
const ALARMS: [&str; 2] = ["orders", "canary"];

/// What alarms tell: a topic in the surviving Region, a queue behind it, and who is to be paged.
pub(crate) struct Tower {
    /// Where somebody works.
    pub(crate) desk: Desk,
    /// The queue's URL.
    pub(crate) queue: String,
    pages: String,
    _pager: Web,
}

impl Tower {
    /// A world whose runbook has a trigger of two alarms, `orders` and `canary`.
    pub(crate) fn of(policy: &str) -> Self {
        let wire = Wire::at_once();
        let account = wire.account.clone();
        let page = format!("arn:aws:sns:{}:{account}:oncall", STANDBY.1);
        let pager = Web::start(|_| (200, Value::Null));
        let trigger = format!(
            "\nnotify: [{{ topic: \"{page}\" }}, {{ webhook: \"{}\" }}]\ntriggers:\n  - name: region_lost\n    when: {{ of: [{{ alarm: \"{}\" }}, {{ alarm: \"{}\" }}] }}\n    {policy}\n\nfailover:\n",
            pager.url(),
            wire.alarm_arn(STANDBY.1, ALARMS[0]),
            wire.alarm_arn(STANDBY.1, ALARMS[1])
        );
        let desk = Desk::of(wire, &[("\nfailover:\n", &trigger)]);
        let tower = Self { desk, queue: String::new(), pages: String::new(), _pager: pager };
        let (topic, pages) = (tower.topic("dr"), tower.topic("oncall"));
        let queue = tower.queue("dr-alarms", &topic);
        let pages = tower.queue("pages", &pages);
        for name in ALARMS {
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

    /// A call of the standby's Region, past lifeboat.
    pub(crate) fn call(&self, service: &str, operation: &str, asked: &Value) -> Value {
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
    pub(crate) fn goes(&self, name: &str, state: &str) {
        self.desk.wire.set_alarm(STANDBY.1, name, state);
    }

    /// A watcher that hears the queue.
    pub(crate) fn watches(&self) -> Running {
        self.desk.start(&format!("watch RUNBOOK --queue {} --queue-region {}", self.queue, STANDBY.1))
    }

    /// A watcher that hears the queue and opens the HTTP door to the topic and to whoever knows the token.
    pub(crate) fn opens(&self) -> (Running, SocketAddr) {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let topic = format!("arn:aws:sns:{}:{}:dr", STANDBY.1, self.desk.wire.account);
        let queue = format!("--queue {} --queue-region {}", self.queue, STANDBY.1);
        let line = format!("watch RUNBOOK {queue} --listen {free} --topic {topic} --token-env ALARM_TOKEN");
        (Running::start(self.desk.command(&line).env("ALARM_TOKEN", TOKEN)), free)
    }

    /// Waits until the messages with which the alarms came to be are heard: the ways in are open then.
    pub(crate) fn hears_the_first(watch: &mut Running) {
        for _ in ALARMS {
            watch.hears(r#""way":"queue""#);
        }
    }

    /// Messages of alarms, as a topic delivers them raw.
    pub(crate) fn send(&self, signals: &[(String, &str)]) {
        let body = |name: &str, state: &str| {
            json!({
                "AlarmName": name, "AlarmArn": self.alarm(name), "AWSAccountId": self.desk.wire.account,
                "NewStateValue": state, "OldStateValue": "OK", "NewStateReason": "a flood",
                "StateChangeTime": now(),
            })
        };
        for some in signals.chunks(10) {
            let entry = |(id, (name, state)): (usize, &(String, &str))| json!({ "Id": id.to_string(), "MessageBody": body(name, state).to_string() });
            let entries: Vec<_> = some.iter().enumerate().map(entry).collect();
            self.call("sqs", "send_message_batch", &json!({ "QueueUrl": self.queue, "Entries": entries }));
        }
    }

    /// An alarm's ARN.
    pub(crate) fn alarm(&self, name: &str) -> String {
        self.desk.wire.alarm_arn(STANDBY.1, name)
    }

    /// What people were told so far.
    pub(crate) fn told(&self) -> String {
        let asked = json!({ "QueueUrl": self.pages, "MaxNumberOfMessages": 10 });
        let mut all = String::new();
        loop {
            let got = self.call("sqs", "receive_message", &asked);
            let Some(messages) = got["Messages"].as_array().filter(|m| !m.is_empty()) else { return all };
            all += &messages.iter().map(ToString::to_string).collect::<String>();
        }
    }

    /// How many messages are in the queue, hidden ones too.
    pub(crate) fn left_in_the_queue(&self) -> usize {
        let asked = json!({ "QueueUrl": self.queue, "AttributeNames": ["All"] });
        let got = self.call("sqs", "get_queue_attributes", &asked);
        let count = |name: &str| got["Attributes"][name].as_str().unwrap().parse::<usize>().unwrap();
        count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesNotVisible")
    }
}

/// The time now, to the millisecond.
pub(crate) fn now() -> String {
    let now = Timestamp::wall();
    format!("{}.{:03}Z", now.to_string().trim_end_matches('Z'), now.0 % 1000)
}

/// A watcher whose lines are read as they come: it waits for who does not read.
pub(crate) struct Heard {
    id: u32,
    lines: Receiver<Value>,
}

impl Heard {
    pub(crate) fn of(mut watch: Running) -> Self {
        let (id, (to, lines)) = (watch.id(), channel());
        thread::spawn(move || {
            while let Some(line) = watch.line() {
                drop(to.send(line));
            }
        });
        Self { id, lines }
    }

    /// Waits for a line.
    #[track_caller]
    pub(crate) fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        std::iter::from_fn(|| self.lines.recv().ok()).find(|line| wanted(line)).expect("it ended")
    }

    /// How much memory it has now, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        // Its reader hears the end then, and reaps it.
        let _ = kill_process(Pid::from_raw(self.id.cast_signed()).unwrap(), Signal::KILL);
    }
}
