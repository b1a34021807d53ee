//! The witness: tells the world as it is, by another client (boto3), past the proxy and past lifeboat.

use crate::double::{Double, python};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout},
    sync::{Mutex, OnceLock, PoisonError},
};

/// What an account holds.
pub struct Witness {
    account: String,
}

/// The process that asks: one for all tests, since starting one takes longer than a test.
struct Teller {
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// It ends when its stdin does.
    _process: Child,
}

impl Teller {
    fn start() -> Mutex<Self> {
        let url = format!("http://{}", Double::shared().address());
        let mut process = python("wire/witness.py").arg(url).spawn().unwrap();
        let (requests, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Mutex::new(Self { requests, answers: BufReader::new(answers), _process: process })
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("the witness is gone: {e}, after {request}"))
    }
}

impl Witness {
    /// The witness of an account.
    pub fn of(account: &str) -> Self {
        Self { account: account.into() }
    }

    fn ask(&self, mut request: Value) -> Result<Value, String> {
        static TELLER: OnceLock<Mutex<Teller>> = OnceLock::new();
        request["account"] = self.account.as_str().into();
        let mut teller = TELLER.get_or_init(Teller::start).lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = teller.ask(&request);
        match told["error"].take() {
            Value::Null => Ok(told["ok"].take()),
            why => Err(why.as_str().unwrap_or_default().to_owned()),
        }
    }

    /// Builds the two Regions (`build.py`). Gives the id of the zone.
    pub fn build(&self, home: (&str, &str), standby: (&str, &str)) -> String {
        let built = self.ask(json!({ "build": { "home": home, "standby": standby } }));
        built.unwrap_or_else(|why| panic!("{why}"))["zone"].as_str().unwrap().to_owned()
    }

    /// Any call of any service, by boto3's names. What it starts has happened when it returns.
    pub fn call(&self, service: &str, region: &str, operation: &str, parameters: &Value) -> Value {
        let told = self.ask(json!({ "call": [service, region, operation, parameters] }));
        told.unwrap_or_else(|why| panic!("{why}"))
    }

    /// An instance as RDS describes it; null where there is none of the name.
    pub fn db(&self, region: &str, identifier: &str) -> Value {
        let filter = json!({ "Filters": [{ "Name": "db-instance-id", "Values": [identifier] }] });
        self.call("rds", region, "describe_db_instances", &filter)["DBInstances"][0].take()
    }

    /// The tags of an instance, by its description.
    pub fn tags(db: &Value) -> BTreeMap<String, String> {
        pairs(&db["TagList"], "Key", "Value")
    }

    /// What was set in a parameter group.
    pub fn parameters(&self, region: &str, group: &str) -> BTreeMap<String, String> {
        let asked = json!({ "DBParameterGroupName": group, "Source": "user" });
        pairs(
            &self.call("rds", region, "describe_db_parameters", &asked)["Parameters"],
            "ParameterName",
            "ParameterValue",
        )
    }

    /// The tags of a parameter group.
    pub fn group_tags(&self, region: &str, group: &str) -> BTreeMap<String, String> {
        let asked = json!({ "DBParameterGroupName": group });
        let found = self.call("rds", region, "describe_db_parameter_groups", &asked);
        let arn = &found["DBParameterGroups"][0]["DBParameterGroupArn"];
        let told = self.call("rds", region, "list_tags_for_resource", &json!({ "ResourceName": arn }));
        pairs(&told["TagList"], "Key", "Value")
    }

    /// The names of the snapshots that people or lifeboat took of an instance.
    pub fn snapshots(&self, region: &str, identifier: &str) -> Vec<String> {
        let asked = json!({ "DBInstanceIdentifier": identifier, "SnapshotType": "manual" });
        let found = self.call("rds", region, "describe_db_snapshots", &asked);
        let all = found["DBSnapshots"].as_array().unwrap().iter();
        all.map(|s| s["DBSnapshotIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    /// A group: min, desired, max, and how many of its servers serve.
    pub fn sizes(&self, region: &str, group: &str) -> [u64; 4] {
        let asked = json!({ "AutoScalingGroupNames": [group] });
        let found = self.call("autoscaling", region, "describe_auto_scaling_groups", &asked);
        let group = &found["AutoScalingGroups"][0];
        let serving = group["Instances"].as_array().unwrap().iter().filter(|i| i["LifecycleState"] == "InService");
        let size = |name: &str| group[name].as_u64().unwrap();
        [size("MinSize"), size("DesiredCapacity"), size("MaxSize"), serving.count() as u64]
    }

    /// The record sets of a name, by set identifier.
    pub fn records(&self, zone: &str, name: &str) -> BTreeMap<String, Value> {
        let found = self.call("route53", "us-east-1", "list_resource_record_sets", &json!({ "HostedZoneId": zone }));
        let all = found["ResourceRecordSets"].as_array().unwrap().iter();
        let named = all.filter(|set| set["Name"].as_str().unwrap().trim_end_matches('.') == name);
        named.map(|set| (set["SetIdentifier"].as_str().unwrap_or_default().to_owned(), set.clone())).collect()
    }

    /// The weights of a name, by set identifier.
    pub fn weights(&self, zone: &str, name: &str) -> BTreeMap<String, u64> {
        let weight = |(id, set): (String, Value)| Some((id, set["Weight"].as_u64()?));
        self.records(zone, name).into_iter().filter_map(weight).collect()
    }
}

fn pairs(rows: &Value, key: &str, value: &str) -> BTreeMap<String, String> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    rows.as_array().into_iter().flatten().map(|row| (text(row, key), text(row, value))).collect()
}
