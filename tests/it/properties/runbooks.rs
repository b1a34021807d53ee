//! Runbooks by chance: the bundled one with other resources, other names, other proofs, with and
//! without what is optional, one step for all or one for each, one after the other or side by side.

use lifeboat::{diagnostic::Severity, ids::StepId, runbook::Runbook, syntax};
use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A runbook's text.
#[derive(Clone)]
pub struct Written(pub String);

/// As it could be put into a file and tried by hand.
impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Written {
    pub fn runbook(&self) -> Runbook {
        let loaded = syntax::parse("generated.yaml", self.0.as_bytes(), None);
        let (_, found) = lifeboat::check::check(loaded.runbook.as_ref().unwrap_or_else(|| panic!("{loaded:?}")));
        let errors: Vec<_> =
            loaded.diagnostics.iter().chain(&found).filter(|d| d.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{self:?}");
        loaded.runbook.unwrap()
    }
}

/// The steps that cannot be undone.
pub fn promotions(runbook: &Runbook) -> BTreeSet<StepId> {
    let promotes = |s: &&lifeboat::runbook::Step| s.planned.action.as_deref() == Some("promote-replica");
    runbook.failover.iter().filter(promotes).map(|s| s.id.clone()).collect()
}

#[derive(Clone, Debug)]
struct Database {
    name: String,
    engine: &'static str,
    proof: &'static str,
}

#[derive(Clone, Debug)]
struct Group {
    name: String,
    desired: u32,
    pin: bool,
    enough: u32,
    /// Its servers write too: they rest where the service is not.
    works: bool,
}

#[derive(Clone, Debug)]
struct Records {
    name: String,
    zone: u32,
    count: u32,
    kind: &'static str,
}

/// What may be left out, and what may be done together or side by side.
#[derive(Clone, Copy, Debug)]
struct Taste {
    declare: bool,
    deploys: bool,
    probes: bool,
    open: bool,
    soak: bool,
    agree: bool,
    keep_tail: bool,
    rest: bool,
    /// One step for all databases, or one for each.
    together: bool,
    /// Steps need only what they need.
    aside: bool,
    retention: u32,
}

/// A key that begins with `x_` is ignored.
fn name() -> impl Strategy<Value = String> {
    "[a-wyz][a-z0-9_]{0,9}"
}

fn database() -> impl Strategy<Value = Database> {
    let proven = prop_oneof![
        Just(("postgres", "lsn")),
        Just(("postgres", "marker")),
        Just(("postgres", "metric")),
        Just(("mysql", "marker")),
        Just(("mysql", "metric")),
        Just(("mariadb", "marker")),
    ];
    (name(), proven).prop_map(|(name, (engine, proof))| Database { name, engine, proof })
}

fn group() -> impl Strategy<Value = Group> {
    (name(), 1..40_u32, any::<bool>(), 50..=100_u32, any::<bool>())
        .prop_map(|(name, desired, pin, enough, works)| Group { name, desired, pin, enough, works })
}

fn records() -> impl Strategy<Value = Records> {
    (name(), 0..2_u32, 1..=4_u32, prop_oneof![Just("A"), Just("CNAME"), Just("AAAA")])
        .prop_map(|(name, zone, count, kind)| Records { name, zone, count, kind })
}

fn taste() -> impl Strategy<Value = Taste> {
    (any::<[bool; 10]>(), 1..=35_u32).prop_map(|(is, retention)| Taste {
        declare: is[0],
        deploys: is[1],
        probes: is[2],
        open: is[3],
        soak: is[4],
        agree: is[5],
        keep_tail: is[6],
        rest: is[7],
        together: is[8],
        aside: is[9],
        retention,
    })
}

/// Any runbook of the kind.
pub fn written() -> impl Strategy<Value = Written> {
    (vec(database(), 1..=3), vec(group(), 0..=2), vec(records(), 1..=4), taste(), name()).prop_map(
        |(mut databases, mut groups, mut records, taste, title)| {
            // Names are unique over all resources.
            databases.iter_mut().enumerate().for_each(|(i, d)| d.name = format!("{}_d{i}", d.name));
            groups.iter_mut().enumerate().for_each(|(i, g)| g.name = format!("{}_g{i}", g.name));
            records.iter_mut().enumerate().for_each(|(i, r)| r.name = format!("{}_r{i}", r.name));
            let writer = Writer { databases, groups, records, taste };
            Written(serde_json::to_string_pretty(&writer.all(&title)).unwrap())
        },
    )
}

struct Writer {
    databases: Vec<Database>,
    groups: Vec<Group>,
    records: Vec<Records>,
    taste: Taste,
}

/// Steps as they are written, one after the other.
#[derive(Default)]
struct List {
    steps: Vec<Value>,
    aside: bool,
}

impl List {
    /// A step that needs those before it, or only the ones named; gives its id.
    fn step(&mut self, id: &str, needs: &[String], keys: Value) -> String {
        let mut step = Map::from_iter([("id".to_owned(), json!(id))]);
        if self.aside {
            step.insert("needs".into(), json!(needs));
        }
        let Value::Object(keys) = keys else { unreachable!("keys are a map") };
        step.extend(keys);
        self.steps.push(Value::Object(step));
        id.to_owned()
    }
}

impl Writer {
    fn all(&self, title: &str) -> Value {
        let mut all = json!({
            "version": 1, "name": title, "primary": "ohio", "standby": "oregon",
            "objectives": { "rto": "4h", "rpo": "10m" },
            "sites": { "ohio": { "region": "us-east-2" }, "oregon": { "region": "us-west-2" } },
            "resources": self.resources(),
            "probes": {
                "writes_ok": { "action": "verify-http", "with": { "url": "https://${at.region}.example.com/write", "times": 2 } },
                "public_ok": { "action": "verify-http", "with": { "url": "https://h0.r0.example.com/write", "expect": { "json": { "site": "${to.name}" } } } },
            },
            "failover": self.failover(), "failback": "mirror", "reprotect": self.reprotect(),
        });
        if self.taste.probes {
            // Without a probe that writes nobody can tell how long nothing was written.
            all["objectives"]["write_outage"] = json!("2h");
        }
        if self.taste.deploys {
            all["finally"] = json!([{ "id": "unlock", "action": "exec", "with": { "command": ["ci", "unlock", "${run.id}"], "impact": "safe" } }]);
        }
        all
    }

    fn resources(&self) -> Value {
        let mut all = Map::new();
        for d in &self.databases {
            let identifier = d.name.replace('_', "-");
            let site = |site: &str| json!({ "identifier": identifier, "parameter_group": format!("{identifier}-{site}"), "quarantine_security_groups": [format!("sg-{site}")] });
            let connection = json!({ "database": "db", "user": "u", "password": { "env": "PW" } });
            all.insert(d.name.clone(), json!({ "kind": "rds-instance", "engine": d.engine, "connection": connection, "sites": { "ohio": site("ohio"), "oregon": site("oregon") } }));
        }
        for g in &self.groups {
            let (n, most) = (g.desired, g.desired * 2);
            let sizes = json!({
                "serving": { "min": n.div_ceil(2), "desired": n, "max": most },
                "resting": { "min": 0, "desired": n / 4, "max": most },
                "idle": { "min": 0, "desired": 0, "max": most },
            });
            let name = json!({ "name": g.name });
            all.insert(
                g.name.clone(),
                json!({ "kind": "autoscaling-group", "sizes": sizes, "sites": { "ohio": name, "oregon": name } }),
            );
        }
        for (i, r) in self.records.iter().enumerate() {
            let names: Vec<_> = (0..r.count).map(|n| format!("h{n}.r{i}.example.com")).collect();
            let sites = json!({ "ohio": { "set_identifier": "ohio" }, "oregon": { "set_identifier": "oregon" } });
            all.insert(r.name.clone(), json!({ "kind": "weighted-record", "zone": format!("Z{}", r.zone), "records": names, "type": r.kind, "sites": sites }));
        }
        Value::Object(all)
    }

    /// The databases that a step works on: all, or each by its own.
    fn sets(&self) -> Vec<(String, Vec<&Database>)> {
        // A drain has one proof; who differ in it have steps of their own.
        let alike = self.databases.iter().all(|d| d.proof == self.databases[0].proof);
        if self.taste.together && alike {
            return vec![(String::new(), self.databases.iter().collect())];
        }
        self.databases.iter().enumerate().map(|(i, d)| (format!("_{i}"), vec![d])).collect()
    }

    fn scale(
        &self,
        list: &mut List,
        (id, needs): (&str, &[String]),
        works: bool,
        keys: &dyn Fn(&Group) -> Value,
    ) -> Vec<String> {
        let of = self.groups.iter().enumerate().filter(|(_, g)| g.works == works);
        let mut done = vec![];
        for (i, g) in of {
            let mut step = json!({ "action": "scale", "resource": g.name, "timeout": "20m" });
            let Value::Object(more) = keys(g) else { unreachable!("keys are a map") };
            step.as_object_mut().unwrap().extend(more);
            done.push(list.step(&format!("{id}_{i}"), needs, step));
        }
        done
    }

    fn failover(&self) -> Vec<Value> {
        let Taste { declare, deploys, probes, soak, aside, .. } = self.taste;
        let mut list = List { steps: vec![], aside };
        let mut first = vec![];
        for (suffix, of) in self.sets() {
            first.push(list.step(&format!("lag{suffix}"), &[], json!({ "action": "measure-lag", "resources": names(&of), "with": { "limit": "${objectives.rpo}" }, "emergency": { "with": { "over_limit": "ask" } } })));
        }
        if declare {
            first = vec![list.step(
                "declare",
                &first,
                json!({ "action": "confirm", "with": { "message": "Move?", "timeout": "15m", "on_timeout": "abort" } }),
            )];
        }
        if deploys {
            let lock = json!({ "action": "exec", "with": { "command": ["ci", "lock", "${run.id}"], "check": ["ci", "locked", "${run.id}"], "impact": "safe" }, "emergency": { "run": "best-effort", "timeout": "20s" } });
            first.push(list.step("lock", &first.clone(), lock));
        }
        let mut ready = self.scale(&mut list, ("scale", &first), false, &|g| {
            json!({ "at": "to", "with": { "to": "serving", "pin": g.pin, "enough": format!("{}%", g.enough) }, "undo": { "with": { "to": "resting" } } })
        });
        ready.extend(first);
        let idle = self.scale(&mut list, ("idle", &ready), true, &|_| {
            json!({ "at": "from", "with": { "to": "idle" }, "undo": { "with": { "to": "serving" } }, "emergency": { "run": "best-effort", "timeout": "45s" } })
        });
        ready.extend(idle);
        let mut promoted = self.promote(&mut list, &ready);
        if probes {
            promoted = vec![list.step(
                "writable",
                &promoted,
                json!({ "verify": ["writes_ok"], "at": "to", "timeout": "20m" }),
            )];
        }
        let records: Vec<_> = self.records.iter().map(|r| &r.name).collect();
        let shift =
            list.step("shift", &promoted, json!({ "action": "shift-traffic", "resources": records, "at": "to" }));
        let moved = list.step("moved", &[shift], json!({ "action": "verify-dns", "resources": records, "at": "to", "with": { "wait_old_ttl": true }, "milestone": "service-restored", "timeout": "20m" }));
        self.scale(&mut list, ("start", &promoted), true, &|_| json!({ "at": "to", "with": { "to": "serving" } }));
        let mut end = vec![moved];
        if soak {
            end = vec![list.step("soak", &end, json!({ "action": "wait", "with": { "for": "5m" } }))];
        }
        self.scale(
            &mut list,
            ("unpin", &end),
            false,
            &|_| json!({ "at": "to", "with": { "to": "serving", "pin": false } }),
        );
        list.steps
    }

    /// All that can be undone comes before the first promotion.
    fn promote(&self, list: &mut List, ready: &[String]) -> Vec<String> {
        let Taste { open, retention, .. } = self.taste;
        let mut done = vec![];
        for (suffix, of) in self.sets() {
            let frozen = list.step(&format!("freeze{suffix}"), ready, json!({
                "action": "freeze-writes", "resources": names(&of), "at": "from", "undo": "unfreeze-writes", "timeout": "4m", "skippable": false,
                "hold": { "max": "40m", "then": "undo" },
                "emergency": { "run": "best-effort", "timeout": "45s", "hold": { "max": "40m", "then": "page" } },
            }));
            done.push(list.step(&format!("drained{suffix}"), &[frozen], json!({
                "action": "wait-for-replication", "resources": names(&of), "at": "to", "with": { "drained": true, "proof": of[0].proof },
                "timeout": "15m", "on_failure": "undo", "skippable": false, "emergency": "skip",
            })));
        }
        if open {
            for (suffix, of) in self.sets() {
                let keys = json!({ "action": "unfreeze-writes", "resources": names(&of), "at": "to", "timeout": "4m" });
                done.push(list.step(&format!("open{suffix}"), &done.clone(), keys));
            }
        }
        let promote = |(suffix, of): (String, Vec<&Database>)| {
            let with = json!({ "backup_retention": retention });
            let keys = json!({ "action": "promote-replica", "resources": names(&of), "at": "to", "with": with, "timeout": "1h" });
            list.step(&format!("promote{suffix}"), &done, keys)
        };
        self.sets().into_iter().map(promote).collect()
    }

    fn reprotect(&self) -> Vec<Value> {
        let Taste { agree, keep_tail, rest, aside, .. } = self.taste;
        let mut list = List { steps: vec![], aside };
        let crons =
            self.scale(&mut list, ("no_crons", &[]), true, &|_| json!({ "at": "from", "with": { "to": "idle" } }));
        let mut protected = crons.clone();
        for (suffix, of) in self.sets() {
            let (at, mark) = (|id: &str| format!("{id}{suffix}"), suffix.replace('_', "-"));
            let step = |keys: Value| {
                let mut step = json!({ "resources": names(&of), "at": "from" });
                let Value::Object(keys) = keys else { unreachable!("keys are a map") };
                step.as_object_mut().unwrap().extend(keys);
                step
            };
            let mut last = crons.clone();
            last.push(list.step(
                &at("fence"),
                &crons,
                step(json!({ "action": "freeze-writes", "emergency": { "timeout": "24h" } })),
            ));
            last = vec![list.step(&at("quarantine"), &last, step(json!({ "action": "quarantine" })))];
            if keep_tail {
                last = vec![list.step(
                    &at("keep_tail"),
                    &last,
                    step(json!({ "action": "snapshot", "with": { "name": format!("tail-${{run.id}}{mark}") } })),
                )];
            }
            if agree {
                last = vec![list.step(
                    &at("agree"),
                    &last,
                    json!({ "action": "confirm", "with": { "message": "Replace it?", "on_timeout": "wait" } }),
                )];
            }
            last = vec![list.step(
                &at("retire"),
                &last,
                step(json!({ "action": "retire", "with": { "rename": format!("old-${{run.id}}{mark}") } })),
            )];
            last = vec![list.step(&at("release"), &last, step(json!({ "action": "unfreeze-writes" })))];
            last = vec![list.step(&at("reverse"), &last, step(json!({ "action": "reverse-replication" })))];
            protected.push(list.step(&at("caught_up"), &last, step(json!({ "action": "wait-for-replication", "with": { "max_lag": "${objectives.rpo}", "for": "5m" }, "timeout": "6h" }))));
        }
        if rest {
            self.scale(
                &mut list,
                ("rest", &protected),
                false,
                &|_| json!({ "at": "from", "with": { "to": "resting" } }),
            );
        }
        list.steps
    }
}

fn names(of: &[&Database]) -> Vec<String> {
    of.iter().map(|d| d.name.clone()).collect()
}
