//! What a look gives: the state as the services describe it, each with its own delay and its own
//! way of not answering.

use super::{command::said, db::ParameterGroup, script::Script, state::State};
use crate::{
    clock::Span,
    driver::LookError,
    world::{
        Call, Effect, Seen, Target, What,
        dns::{RecordSet, Records},
        probe::{self, Answer},
        rds,
    },
};
use serde_json::{Value, json};

/// How a site's services meet a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// They answer.
    Open,
    /// Nobody is there.
    Dark,
    /// They take it and never answer.
    Hangs,
}

/// A dark Region is given up on after that.
pub(super) const GIVES_UP: Span = Span::secs(3);

fn later<T>(why: impl Into<String>) -> Result<T, LookError> {
    Err(LookError::Transient { after: None, why: why.into() })
}

fn answer(ok: bool, why: impl Into<String>) -> Seen {
    Seen::Answer(Answer::plain(ok, why))
}

// Whether there is an answer at all.
impl State {
    fn site_reach(&self, target: &Target) -> Reach {
        match self.site_of(target) {
            Some(site) if self.hangs(site) => Reach::Hangs,
            Some(site) if !self.alive(site) => Reach::Dark,
            Some(_) | None => Reach::Open,
        }
    }

    /// How a look is met. Commands run here, and DNS belongs to no site.
    pub(super) fn reach(&self, target: &Target) -> Reach {
        match &target.what {
            What::Records(_) | What::Change(_) | What::Dns(_) | What::Command(_) => Reach::Open,
            What::Http(_) => match self.site_reach(target) {
                Reach::Hangs => Reach::Hangs,
                Reach::Open | Reach::Dark => Reach::Open,
            },
            What::Db(_)
            | What::Retired(_)
            | What::Parameters(_)
            | What::Lag(_)
            | What::SlotLag(_)
            | What::Position(_)
            | What::Marker(..)
            | What::Connect(_)
            | What::Snapshot(_)
            | What::Group(_)
            | What::Machine(_)
            | What::Execution(..)
            | What::Sql(_)
            | What::Site => self.site_reach(target),
        }
    }

    /// How an effect is met.
    pub(super) fn effect_reach(&self, effect: &Effect) -> Reach {
        match &effect.call {
            Call::Rds(_) | Call::Scaling(_) | Call::Machine(_) => self.site_reach(&effect.target),
            Call::Dns(_) | Call::Run(_) | Call::Post(_) => Reach::Open,
        }
    }

    /// How long a look takes beyond the way there and back.
    pub(super) fn lasts(&self, target: &Target, script: &Script) -> Span {
        match &target.what {
            What::Http(probe) if self.http(target, probe).is_none() => GIVES_UP,
            What::Http(probe) => Span::ms(40) * u64::from(probe.times),
            What::Sql(probe) => script.sql(probe).and_then(|s| s.takes).unwrap_or(Span::secs(2)),
            What::Command(_) => Span::ms(100),
            _ => Span::ZERO,
        }
    }
}

// What the answer is.
impl State {
    /// What is seen of a target now.
    pub(super) fn see(&self, target: &Target, script: &Script) -> Result<Seen, LookError> {
        match self.reach(target) {
            Reach::Open => {}
            Reach::Dark if target.what == What::Site => return Ok(answer(false, "no answer within 3s")),
            Reach::Dark => return later(format!("{} does not answer within 3s", target.region)),
            Reach::Hangs => return later(format!("{} took the request and never answered", target.region)),
        }
        let global = target.site.as_str() == Target::GLOBAL;
        let site = self.site_of(target);
        if !global && site.is_none_or(|site| *self.region(site) != target.region) {
            return Err(LookError::Permanent { why: format!("there is no site {} in {}", target.site, target.region) });
        }
        Ok(match &target.what {
            What::Db(id) => self.listed(&target.region, id).map_or(Seen::Absent, |db| Seen::Db(self.describe(db))),
            What::Retired(id) => Seen::Dbs(self.retired(&target.region, id)),
            What::Parameters(name) => self.see_parameters(target, name),
            What::Lag(id) => self.see_lag(target, id, Self::lag),
            What::SlotLag(id) => self.see_lag(target, id, Self::slot_lag),
            What::Position(id) => self.see_position(target, id)?,
            What::Marker(id, marker) => match self.connected(target, id)? {
                Some(db) if self.has_marker(db, marker) => answer(true, "the row is there"),
                Some(_) => answer(false, "no such row"),
                None => Seen::Absent,
            },
            What::Connect(id) => match self.listed(&target.region, id) {
                Some(db) if self.reachable(db) => answer(true, "it accepts connections"),
                Some(_) => answer(false, "no connection within 3s"),
                None => answer(false, "the name does not resolve"),
            },
            What::Snapshot(name) => self.snapshot(&target.region, name).map_or(Seen::Absent, Seen::Snapshot),
            What::Group(name) => match site.and_then(|site| self.group(site, name)) {
                Some(group) => Seen::Group(self.describe_group(group)),
                None => Seen::Absent,
            },
            What::Records(zone) => {
                self.zones.get(zone).map_or(Seen::Absent, |zone| Seen::Records(zone.records.clone()))
            }
            What::Change(id) => self.change_status(id).map_or(Seen::Absent, Seen::Change),
            What::Machine(arn) => match site.map(|site| self.has_machine(site, arn)) {
                Some(true) => answer(true, "is active"),
                Some(false) | None => Seen::Absent,
            },
            What::Execution(machine, name) => self.execution(machine, name, script),
            What::Http(probe) => Seen::Answer(self.http(target, probe).unwrap_or_else(silence)),
            What::Dns(query) => Seen::Answer(self.dns(query)),
            What::Sql(probe) => self.sql(target, probe, script)?,
            What::Command(command) => {
                let so = self.so.contains(&said(&command.argv));
                answer(so, if so { "exit 0" } else { "exit 1" })
            }
            What::Site => answer(true, "it answers"),
        })
    }

    fn see_parameters(&self, target: &Target, name: &str) -> Seen {
        let of = |p: &&ParameterGroup| p.region == target.region && p.group.name == name;
        self.parameters.iter().find(of).map_or(Seen::Absent, |p| Seen::Parameters(p.group.clone()))
    }

    /// A metric of a name that has none has no samples.
    fn see_lag(&self, target: &Target, id: &str, of: impl Fn(&Self, usize) -> Vec<rds::LagSample>) -> Seen {
        let samples = self.listed(&target.region, id).map(|db| of(self, db)).unwrap_or_default();
        Seen::Lag(rds::Lag { samples })
    }

    /// The instance, if it lets a connection in; none where the name does not exist.
    fn connected(&self, target: &Target, id: &str) -> Result<Option<usize>, LookError> {
        match self.listed(&target.region, id) {
            None => Ok(None),
            Some(db) if self.reachable(db) => Ok(Some(db)),
            Some(db) => later(format!("{id} refuses connections, it is {}", self.dbs[db].status)),
        }
    }

    fn see_position(&self, target: &Target, id: &str) -> Result<Seen, LookError> {
        let Some(db) = self.connected(target, id)? else { return Ok(Seen::Absent) };
        let (lsn, writable, writing) = (self.log_end(db, self.now), self.accepts(db), self.writing(db));
        Ok(Seen::Position(rds::Position { lsn, writable, writing }))
    }

    /// What SQL checks find: nothing wrong, unless the step's `simulate` says otherwise.
    fn sql(&self, target: &Target, probe: &probe::Sql, script: &Script) -> Result<Seen, LookError> {
        let Some(here) = self.connected(target, &probe.identifier)? else { return Ok(Seen::Absent) };
        if let Some((id, region)) = &probe.other {
            let there = self.listed(&crate::ids::Region::new(region.clone()), id).filter(|db| self.reachable(*db));
            let Some(there) = there else { return later(format!("{id} in {region} refuses connections")) };
            let follows = |a: usize, b: usize| self.dbs[a].link().is_some_and(|l| l.source == b && l.until.is_none());
            if !follows(here, there) && !follows(there, here) {
                let tables = probe.same_tables.join(", ");
                return Ok(answer(false, format!("{tables} differ: neither database replicates from the other")));
            }
        }
        let Some(simulate) = script.sql(probe) else { return Ok(answer(true, "no row violates the checks")) };
        let rows = match &simulate.output {
            Some(Value::Array(rows)) => rows.len() as u64,
            Some(Value::Number(n)) => n.as_u64().unwrap_or(0),
            _ => u64::from(simulate.exit.unwrap_or(0) != 0),
        };
        Ok(answer(
            rows == 0,
            if rows == 0 { "no row violates the checks".into() } else { format!("{rows} rows violate the checks") },
        ))
    }
}

fn silence() -> Answer {
    Answer::plain(false, "no answer within 3s")
}

// Probes of the workload.
impl State {
    /// What a series of requests finds; none where one of them is not answered at all.
    pub(super) fn http(&self, target: &Target, probe: &probe::Http) -> Option<Answer> {
        let mut last = None;
        for n in 0..u64::from(probe.times.max(1)) {
            let site = self.addressed(target, probe, n).filter(|site| self.alive(*site))?;
            let answer = self.request(site, probe);
            if !answer.ok {
                return Some(answer);
            }
            last = Some(answer);
        }
        last
    }

    /// The site that answers a request: the one whose Region or name the URL holds, else the one
    /// that DNS leads to.
    fn addressed(&self, target: &Target, probe: &probe::Http, n: u64) -> Option<usize> {
        let host = host(&probe.url);
        let words: Vec<_> = host.split(['.', '-']).collect();
        let sites = &self.spec.sites;
        let named = sites.iter().position(|site| words.contains(&site.name.as_str()));
        let regional = || sites.iter().position(|site| probe.url.contains(site.region.as_str()));
        if let Some(site) = named.or_else(regional) {
            return Some(site);
        }
        match self.front() {
            Some(front) => self.led_to(&self.zones.get(&front.zone)?.served, &front, self.asker("http", n)),
            None => self.site_of(target).or(Some(self.home())),
        }
    }

    fn request(&self, site: usize, probe: &probe::Http) -> Answer {
        let (name, region) = (&self.spec.sites[site].name, &self.spec.sites[site].region);
        let writes = probe
            .url
            .split_once("://")
            .map_or("", |(_, rest)| rest)
            .split_once('/')
            .is_some_and(|(_, path)| path.contains("write"));
        let status = if writes && self.answers_writes(site) || !writes && self.answers(site) { 200 } else { 503 };
        let right = probe.status.map_or(status < 400, |wanted| wanted == status);
        // Of a body and headers the sandbox knows who answers and where; it takes the rest as said.
        let other = |text: &str| {
            self.spec.sites.iter().any(|s| {
                (s.name.as_str() == text && s.name != *name) || (s.region.as_str() == text && s.region != *region)
            })
        };
        let json = |(_, value): (&String, &String)| {
            serde_json::from_str::<Value>(value).is_ok_and(|v| v.as_str().is_some_and(other))
        };
        let elsewhere = probe.json.iter().any(json) || probe.headers.values().any(|value| other(value));
        Answer {
            ok: right && !elsewhere,
            why: format!("{status} from {name}"),
            output: json!({ "site": name.as_str(), "region": region.as_str() }),
        }
    }

    /// What the zone's name servers answer: each of four is asked.
    fn dns(&self, query: &probe::Dns) -> Answer {
        let none = Records::default();
        let served = self.zones.get(&query.zone).map_or(&none, |zone| &zone.served);
        let asked = |n| Self::answer(served, &query.name.to_lowercase(), &query.record_type, self.asker("dns", n));
        let wanted = |set: &RecordSet| {
            set.set_identifier.as_ref() == Some(&query.set_identifier) && !(set.values.is_empty() && set.rest.is_null())
        };
        let wrong = (0..4).map(asked).find(|set| !set.is_some_and(wanted));
        let text = |set: &RecordSet| set.values.join(" ");
        match wrong {
            None => Answer {
                ok: true,
                why: format!("all name servers lead to {}", query.set_identifier),
                output: Value::Null,
            },
            Some(set) => {
                let answered = set.map_or("nothing".into(), text);
                Answer::plain(false, format!("a name server answers {answered}"))
            }
        }
    }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?', '#']).next().unwrap_or_default()
}

/// Descriptions, which `stale-reads` shows from the past; probes and connections are never stale.
pub(super) fn is_description(what: &What) -> bool {
    match what {
        What::Db(_)
        | What::Retired(_)
        | What::Parameters(_)
        | What::Snapshot(_)
        | What::Group(_)
        | What::Records(_)
        | What::Machine(_)
        | What::Execution(..) => true,
        What::Lag(_)
        | What::SlotLag(_)
        | What::Position(_)
        | What::Marker(..)
        | What::Connect(_)
        | What::Change(_)
        | What::Http(_)
        | What::Dns(_)
        | What::Sql(_)
        | What::Command(_)
        | What::Site => false,
    }
}
