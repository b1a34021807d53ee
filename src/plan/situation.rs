//! The situation: which site serves, which follows, what is frozen, as far as it can be seen. The
//! first thing that every command looks at, before any plan.

use crate::{
    action::{
        shift_traffic::weight,
        writers::{Gate, frozen_by_run, gate, gate_targets},
    },
    clock::{Span, Timestamp},
    ids::{ResourceName, SiteName},
    model::{Direction, Kind, Mode, Resource, Site, Size},
    runbook::Runbook,
    world::{Seen, Target, What, World},
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is seen of a runbook's sites.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Situation {
    /// Each site.
    pub sites: BTreeMap<SiteName, SiteSituation>,
    /// Which one serves.
    pub active: Active,
}

/// Which site serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Active {
    /// This one, all signs agree.
    Site(SiteName),
    /// Signs disagree: the writer is one site, users are sent to another.
    Mixed {
        /// Sites whose databases are writers.
        writers: Vec<SiteName>,
        /// Sites that users are sent to.
        served: Vec<SiteName>,
    },
    /// It cannot be seen. Why.
    Unknown(String),
}

/// What is seen of one site.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SiteSituation {
    /// The site's Region answers, as far as anything of it was seen.
    pub answers: bool,
    /// Its databases.
    pub databases: BTreeMap<ResourceName, DbRole>,
    /// The largest weight among its records, by resource; none: not seen.
    pub weights: BTreeMap<ResourceName, Option<u32>>,
    /// Its groups of servers: size, and how many serve; none: not seen.
    pub groups: BTreeMap<ResourceName, Option<(Size, u32)>>,
    /// Instances that were retired here, by resource.
    pub retired: BTreeMap<ResourceName, Vec<String>>,
}

/// What a database is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DbRole {
    /// It takes writes, or would if they were not closed.
    Writer {
        /// Its status.
        status: String,
        /// Its parameter group refuses writes, or nobody is let in.
        closed: bool,
        /// A run froze it and nothing has opened it since: its parameter group says so.
        frozen: bool,
    },
    /// It follows another.
    Replica {
        /// Its status.
        status: String,
        /// The site it follows, where it is one of the runbook's.
        of: Option<SiteName>,
        /// How far behind at the last good sample, and how old that is.
        lag: Option<(Span, Span)>,
    },
    /// It does not exist.
    Absent,
    /// It cannot be seen. Why.
    Unknown(String),
}

/// Why a run may not start. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Why.
    pub why: String,
    /// What to do or type.
    pub hint: String,
}

impl Situation {
    /// What decides whether and whence a run may move, as far as `seen` shows that it matters: of a
    /// database that follows another nobody needs the parameters. Ask again with what was seen. Groups
    /// decide nothing; nearly every plan asks for those of a standby, and beside the others they cost
    /// no time.
    pub fn decisive(runbook: &Runbook, seen: &World) -> BTreeSet<Target> {
        let decides = |target: &Target| match target.what {
            What::Db(_) | What::Records(_) | What::Site => true,
            What::Group(_) => runbook.standbys.contains(&target.site),
            _ => false,
        };
        let mut all = Self::targets(runbook);
        all.retain(decides);
        for resource in runbook.resources.values() {
            let sites = resource.sites().into_iter().filter_map(|name| runbook.sites.get(name));
            all.extend(sites.flat_map(|site| gate_targets(resource, site, seen)));
        }
        all
    }

    /// All that can be told of the sites.
    pub fn targets(runbook: &Runbook) -> BTreeSet<Target> {
        let mut all = BTreeSet::new();
        for resource in runbook.resources.values() {
            for site in resource.sites().into_iter().filter_map(|name| runbook.sites.get(name)) {
                all.extend(of_resource(resource, site));
            }
        }
        all.extend(runbook.sites.values().map(|site| Target::at(site, What::Site)));
        all
    }

    /// What a world shows.
    pub fn of(runbook: &Runbook, world: &World, now: Timestamp) -> Self {
        let sites: BTreeMap<_, _> =
            runbook.sites.values().map(|site| (site.name.clone(), site_situation(runbook, site, world, now))).collect();
        let active = active(runbook, &sites);
        Self { sites, active }
    }

    /// The site that serves, where all signs agree.
    pub fn active_site(&self) -> Option<&SiteName> {
        match &self.active {
            Active::Site(site) => Some(site),
            Active::Mixed { .. } | Active::Unknown(_) => None,
        }
    }

    /// By what the active site is known, and what does not fit; or why it is not known.
    pub fn evidence(&self) -> String {
        let Active::Site(site) = &self.active else { return self.active.words() };
        let roles = || self.sites.get(site).into_iter().flat_map(|s| s.databases.values());
        let weighted = self.sites.values().any(|s| !s.weights.is_empty());
        let unseen = roles().any(|role| !matches!(role, DbRole::Writer { .. }));
        let closed = roles().any(|role| matches!(role, DbRole::Writer { closed: true, .. }));
        let mut words = match (roles().next().is_some(), weighted) {
            (true, _) if unseen => "by the weights alone: its writer cannot be seen",
            (true, true) if closed => "writer and weights agree, yet it is closed for writes",
            (true, false) if closed => "the only writer, yet it is closed for writes",
            (true, true) => "writer and weights agree",
            (true, false) => "the only writer",
            (false, _) => "by the weights",
        }
        .to_owned();
        for other in self.sites.keys().filter(|other| *other != site && self.is_writer(other)) {
            words += &format!("; {other} takes writes too");
        }
        words
    }

    /// The one site that users are sent to, or that serves.
    pub fn served_site(&self) -> Option<&SiteName> {
        match &self.active {
            Active::Site(site) => Some(site),
            Active::Mixed { served, .. } if served.len() == 1 => served.first(),
            Active::Mixed { .. } | Active::Unknown(_) => None,
        }
    }

    /// A move was begun and users have not followed: where it came from is closed, where it goes writes.
    fn half_moved(&self, from: &SiteName, to: &SiteName) -> bool {
        self.is_closed(from) && self.is_writer(to) && self.served_site() == Some(from)
    }

    /// Every database of a site replicates from another site's.
    pub fn follows(&self, site: &SiteName, of: &SiteName) -> bool {
        let Some(here) = self.sites.get(site) else { return false };
        let follows = |role: &DbRole| matches!(role, DbRole::Replica { of: Some(source), .. } if source == of);
        !here.databases.is_empty() && here.databases.values().all(follows)
    }

    /// Whether a run has nothing to do, since things are already as it would make them.
    pub fn nothing_to_do(&self, direction: Direction, from: &SiteName, to: &SiteName) -> bool {
        match direction {
            Direction::Failover | Direction::Failback => self.active_site() == Some(to) && !self.is_writer(from),
            Direction::Reprotect => self.active_site() == Some(to) && self.follows(from, to),
        }
    }

    fn is_writer(&self, site: &SiteName) -> bool {
        let open = |role: &DbRole| matches!(role, DbRole::Writer { closed: false, .. });
        self.sites.get(site).is_some_and(|s| s.databases.values().any(open))
    }

    /// A run froze a database of a site, and nobody takes its writes: as far as can be seen, no other
    /// site has an open writer.
    pub fn is_held_closed(&self, site: &SiteName) -> bool {
        let Some(here) = self.sites.get(site) else { return false };
        let frozen = here.databases.iter().filter(|(_, role)| matches!(role, DbRole::Writer { frozen: true, .. }));
        frozen.map(|(name, _)| name).any(|name| {
            let others = self.sites.iter().filter(|(other, _)| *other != site);
            others.filter_map(|(_, s)| s.databases.get(name)).all(|role| {
                matches!(role, DbRole::Replica { .. } | DbRole::Absent | DbRole::Writer { closed: true, .. })
            })
        })
    }

    fn is_closed(&self, site: &SiteName) -> bool {
        let closed = |role: &DbRole| matches!(role, DbRole::Writer { closed: true, .. });
        self.sites.get(site).is_some_and(|s| s.databases.values().all(closed))
    }

    /// Why a run may not start in this situation; none: it may.
    pub fn refusal(&self, direction: Direction, mode: Mode, from: &SiteName, to: &SiteName) -> Option<Refusal> {
        let refuse = |why: String, hint: String| Some(Refusal { why, hint });
        let serving = match &self.active {
            Active::Site(site) => Some(site),
            Active::Mixed { .. } | Active::Unknown(_) => None,
        };
        if direction == Direction::Reprotect {
            return match serving {
                Some(site) if site != to => {
                    refuse(format!("{site} is active, not {to}"), "reprotect follows a move: fail over first".into())
                }
                None if !self.is_writer(to) => refuse(
                    format!("it cannot be seen that {to} is active: {}", self.active.words()),
                    "look at `lifeboat status`".into(),
                ),
                None if self.half_moved(from, to) => refuse(
                    format!("users are still sent to {from}, which is closed"),
                    "end the move first: the same move again goes on where it stopped".into(),
                ),
                _ => None,
            };
        }
        if serving == Some(to) && !self.is_writer(from) {
            return None;
        }
        if serving == Some(to) {
            return refuse(
                format!("{to} serves already, and {from} takes writes too"),
                "lifeboat reprotect closes it, keeps its data and makes it the replica".into(),
            );
        }
        if let Some(third) = serving.filter(|s| *s != from) {
            return refuse(
                format!("{third} serves, neither {from} nor {to}"),
                format!("move from {third} first: lifeboat failback"),
            );
        }
        let here = self.sites.get(from)?;
        if mode == Mode::Planned && !here.answers {
            return refuse(
                format!("{from} does not answer: a planned move needs it"),
                "if it is lost: the same command with --emergency".into(),
            );
        }
        if mode == Mode::Planned && serving != Some(from) && !self.half_moved(from, to) {
            return refuse(
                format!("it cannot be seen that {from} is active: {}", self.active.words()),
                "look at `lifeboat status`".into(),
            );
        }
        self.not_a_replica(direction, from, to)
    }

    /// A replica of a site's database, be it by way of other replicas.
    fn leads_to(&self, name: &ResourceName, role: &DbRole, site: &SiteName) -> bool {
        let mut role = role;
        // No chain is longer than there are sites, and a circle leads nowhere.
        for _ in &self.sites {
            let DbRole::Replica { of: Some(source), .. } = role else { return false };
            if source == site {
                return true;
            }
            let Some(next) = self.sites.get(source).and_then(|s| s.databases.get(name)) else { return false };
            role = next;
        }
        false
    }

    /// The site being moved to must hold replicas, or there is nothing to promote.
    fn not_a_replica(&self, direction: Direction, from: &SiteName, to: &SiteName) -> Option<Refusal> {
        let there = self.sites.get(to)?;
        let (name, role) = there.databases.iter().find(|(name, role)| !self.leads_to(name, role, from))?;
        let hint = match direction {
            Direction::Failback => format!("lifeboat reprotect makes {to} the replica of {from}; then fail back"),
            Direction::Failover | Direction::Reprotect => {
                "restore the replica first: there is nothing to promote".to_owned()
            }
        };
        match role {
            // A promotion that was begun shows as an open writer: a repeated run goes on from there. What is
            // closed was left behind once, and its data is old; home is trusted only where the site being
            // left is seen to be closed.
            DbRole::Writer { closed: false, .. }
                if !self.is_writer(from) && (direction == Direction::Failover || self.is_closed(from)) =>
            {
                None
            }
            DbRole::Replica { .. } => Some(Refusal {
                why: format!("{name} at {to} replicates from another database than the one at {from}"),
                hint: format!("lifeboat reprotect --to {to} makes it the replica of {from}"),
            }),
            DbRole::Writer { .. } => {
                Some(Refusal { why: format!("{name} at {to} is a database of its own, no replica of {from}"), hint })
            }
            DbRole::Absent => Some(Refusal { why: format!("{name} does not exist at {to}"), hint }),
            DbRole::Unknown(why) => Some(Refusal {
                why: format!("{name} at {to} cannot be seen: {why}"),
                hint: "a move needs the site it goes to".into(),
            }),
        }
    }
}

impl Active {
    /// In words.
    pub fn words(&self) -> String {
        let list = |sites: &[SiteName]| {
            if sites.is_empty() {
                "none".to_owned()
            } else {
                sites.iter().map(SiteName::as_str).collect::<Vec<_>>().join(" and ")
            }
        };
        match self {
            Self::Site(site) => site.to_string(),
            Self::Mixed { writers, served } => {
                format!("writer: {}; users are sent to: {}", list(writers), list(served))
            }
            Self::Unknown(why) => format!("unknown: {why}"),
        }
    }
}

fn of_resource(resource: &Resource, site: &Site) -> Vec<Target> {
    let at = |what| Target::at(site, what);
    match &resource.kind {
        Kind::RdsInstance { sites, .. } => sites.get(&site.name).map_or(vec![], |db| {
            let id = || db.identifier.clone();
            let group = db.parameter_group.clone().map(|g| at(What::Parameters(g)));
            [What::Db(id()), What::Lag(id()), What::Retired(id())].map(at).into_iter().chain(group).collect()
        }),
        Kind::AutoscalingGroup { sites, .. } => {
            sites.get(&site.name).map_or(vec![], |g| vec![at(What::Group(g.name.clone()))])
        }
        Kind::WeightedRecord { zone, .. } => vec![Target::global(What::Records(zone.clone()))],
        // It stands nowhere: only its executions do something.
        Kind::StateMachine { .. } => vec![],
    }
}

fn site_situation(runbook: &Runbook, site: &Site, world: &World, now: Timestamp) -> SiteSituation {
    let mut out = SiteSituation::default();
    for resource in runbook.resources.values() {
        let name = resource.name.clone();
        let at = |what| Target::at(site, what);
        match &resource.kind {
            Kind::RdsInstance { sites, .. } => {
                let Some(db) = sites.get(&site.name) else { continue };
                out.databases.insert(name.clone(), role(runbook, resource, site, world, now));
                if let Some(Seen::Dbs(retired)) = world.seen(&at(What::Retired(db.identifier.clone()))) {
                    out.retired.insert(name, retired.iter().map(|db| db.identifier.clone()).collect());
                }
            }
            Kind::AutoscalingGroup { sites, .. } => {
                let Some(group) = sites.get(&site.name) else { continue };
                let seen = match world.seen(&at(What::Group(group.name.clone()))) {
                    Some(Seen::Group(g)) => Some((g.size, g.in_service)),
                    _ => None,
                };
                out.groups.insert(name, seen);
            }
            Kind::WeightedRecord { zone, .. } => {
                let seen = match world.seen(&Target::global(What::Records(zone.clone()))) {
                    Some(Seen::Records(records)) => weight(resource, records, &site.name),
                    _ => None,
                };
                out.weights.insert(name, seen);
            }
            Kind::StateMachine { .. } => {}
        }
    }
    out.answers = matches!(world.seen(&Target::at(site, What::Site)), Some(Seen::Answer(answer)) if answer.ok);
    out
}

fn role(runbook: &Runbook, resource: &Resource, site: &Site, world: &World, now: Timestamp) -> DbRole {
    let Some(identity) = resource.db(&site.name) else { return DbRole::Absent };
    let db = match world.seen(&Target::at(site, What::Db(identity.identifier.clone()))) {
        Some(Seen::Db(db)) => db,
        Some(Seen::Absent) => return DbRole::Absent,
        Some(Seen::Unknown { why }) => return DbRole::Unknown(why.clone()),
        _ => return DbRole::Unknown("not looked at".into()),
    };
    let status = db.status.to_string();
    let Some(source) = &db.source else {
        let (closed, frozen) = (gate(resource, site, world) == Gate::Closed, frozen_by_run(resource, site, world));
        return DbRole::Writer { status, closed, frozen };
    };
    let is_source =
        |s: &&Site| s.name != site.name && resource.db(&s.name).is_some_and(|d| d.identifier == source.identifier);
    // A replica of what was renamed there follows nobody who serves.
    let of = match &source.site {
        Some(site) => resource.db(site).filter(|d| d.identifier == source.identifier).map(|_| site.clone()),
        None => runbook.sites.values().find(is_source).map(|s| s.name.clone()),
    };
    let lag = match world.seen(&Target::at(site, What::Lag(identity.identifier.clone()))) {
        Some(Seen::Lag(lag)) => lag.loss_at(now).map(|l| (l.lag, l.age)),
        _ => None,
    };
    DbRole::Replica { status, of, lag }
}

/// The site that serves: where the writer is and where users are sent.
fn active(runbook: &Runbook, sites: &BTreeMap<SiteName, SiteSituation>) -> Active {
    let has_db = runbook.resources.values().any(|r| matches!(r.kind, Kind::RdsInstance { .. }));
    let has_dns = runbook.resources.values().any(|r| matches!(r.kind, Kind::WeightedRecord { .. }));
    let names = |test: &dyn Fn(&SiteSituation) -> bool| {
        sites.iter().filter(|(_, s)| test(s)).map(|(n, _)| n.clone()).collect::<Vec<_>>()
    };
    let writers = names(&|s| s.databases.values().any(|r| matches!(r, DbRole::Writer { .. })));
    let open = names(&|s| s.databases.values().any(|r| matches!(r, DbRole::Writer { closed: false, .. })));
    let unseen = names(&|s| s.databases.values().any(|r| matches!(r, DbRole::Unknown(_))));
    let served = names(&|s| s.weights.values().any(|w| w.is_some_and(|w| w > 0)));
    let weights_seen = has_dns && sites.values().all(|s| s.weights.values().all(Option::is_some));
    match (&writers[..], &served[..]) {
        ([writer], [site]) if writer == site => Active::Site(site.clone()),
        // The old writer may be back: users and one writer agree. A closed one does not agree where
        // another is open.
        (many, [site]) if weights_seen && many.contains(site) && (open.is_empty() || open.contains(site)) => {
            Active::Site(site.clone())
        }
        ([], [site]) if weights_seen && (!has_db || unseen.contains(site)) => Active::Site(site.clone()),
        ([writer], []) if !has_dns => Active::Site(writer.clone()),
        ([], _) if !unseen.is_empty() => Active::Unknown(format!("{} does not answer", unseen[0])),
        ([], []) => Active::Unknown("no writer and no weight was seen".into()),
        _ => Active::Mixed { writers, served },
    }
}

#[cfg(test)]
mod tests;
