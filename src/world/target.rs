//! What can be looked at, what was seen, and a set of such sights.

use super::{asg, dns, probe, rds, sfn};
use crate::{
    clock::{Span, Timestamp},
    ids::{Account, Region, SiteName},
    model::Site,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// One thing to look at, and from where. The key of everything that is seen: orders a world,
/// groups the poller's looks, carries the plan's overlay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// The site it belongs to; [`Target::global`] for what belongs to none.
    pub site: SiteName,
    /// The Region that is asked.
    pub region: Region,
    /// The account that is asked, where it is not the caller's own.
    pub account: Option<Account>,
    /// The thing.
    pub what: What,
}

/// The kinds of things that can be looked at. Closed: every driver answers each of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A database instance, by identifier. Seen: `Db` or `Absent`.
    Db(String),
    /// The instances that were renamed away from that identifier by `retire` (they carry the tag
    /// [`rds::TAG_RETIRED_FROM`]), newest first. Seen: `Dbs`, empty where there is none.
    Retired(String),
    /// A parameter group, by name. Seen: `Parameters` or `Absent`.
    Parameters(String),
    /// The replication lag that the replica's Region reports for that instance. Seen: `Lag`.
    Lag(String),
    /// The replication lag that the source reports for its replicas' slots (PostgreSQL only),
    /// by the source's identifier. Seen: `Lag`.
    SlotLag(String),
    /// Where in its log an instance stands, asked over a database connection. Seen: `Position`.
    Position(String),
    /// Whether a row written by [`rds::Call::WriteMarker`] is readable there: instance, marker.
    /// Seen: `Answer`.
    Marker(String, String),
    /// Whether an instance accepts network connections. Seen: `Answer` (`ok` = it does).
    Connect(String),
    /// A database snapshot, by name. Seen: `Snapshot` or `Absent`.
    Snapshot(String),
    /// A group of servers, by name. Seen: `Group` or `Absent`.
    Group(String),
    /// The record sets of a hosted zone. Seen: `Records`.
    Records(String),
    /// A submitted DNS change, by its id. Seen: `Change`.
    Change(String),
    /// Whether a state machine is there, by ARN. Seen: `Answer` or `Absent`.
    Machine(String),
    /// An execution: the state machine's ARN, its own name. Seen: `Execution` or `Absent`.
    Execution(String, String),
    /// What an HTTP probe finds. Seen: `Answer`.
    Http(probe::Http),
    /// What the zone's own name servers answer, then resolvers. Seen: `Answer`.
    Dns(probe::Dns),
    /// What SQL checks find. Seen: `Answer`.
    Sql(probe::Sql),
    /// How a read-only command ends. Seen: `Answer` (`ok` = exit 0).
    Command(probe::Command),
    /// Whether the site's Region answers reads at all. Seen: `Answer`.
    Site,
}

impl Target {
    /// A thing of a site, asked in the site's Region.
    pub fn at(site: &Site, what: What) -> Self {
        Self { site: site.name.clone(), region: site.region.clone(), account: site.account.clone(), what }
    }
    /// A thing that belongs to no site.
    pub fn global(what: What) -> Self {
        Self { site: SiteName::new(Self::GLOBAL), region: Region::new(Self::GLOBAL), account: None, what }
    }
    /// The site's and Region's name of what belongs to none; no runbook may call a site so.
    pub const GLOBAL: &'static str = "global";

    /// What it is looked at together with: everything of which this is the same. Descriptions of a
    /// site are; what takes a time of its own is looked at alone.
    pub fn company(&self) -> (SiteName, Region, Option<What>) {
        (self.site.clone(), self.region.clone(), self.what.is_slow().then(|| self.what.clone()))
    }
}

impl What {
    /// No answer to a description within this is silence.
    const PROMPT: Span = Span::secs(10);

    /// How long an answer may take before it is taken for silence. A little longer than the limits
    /// of who asks, whose own words say more.
    pub fn patience(&self) -> Span {
        const MORE: Span = Span::secs(5);
        match self {
            // Each request has five seconds.
            Self::Http(probe) => Self::PROMPT.max(Span::secs(5) * u64::from(probe.times) + MORE),
            // A statement has a quarter of an hour.
            Self::Sql(probe) => {
                let statements = probe.queries.len() + probe.same_tables.len();
                Span::mins(15) * u64::try_from(statements.max(1)).unwrap_or(1) + MORE
            }
            Self::Command(command) => command.limit + MORE,
            // A large zone is read page by page, in step with everybody else in the account.
            Self::Records(_) => Span::mins(1),
            Self::Db(_)
            | Self::Retired(_)
            | Self::Parameters(_)
            | Self::Lag(_)
            | Self::SlotLag(_)
            | Self::Position(_)
            | Self::Marker(..)
            | Self::Connect(_)
            | Self::Snapshot(_)
            | Self::Group(_)
            | Self::Change(_)
            | Self::Machine(_)
            | Self::Execution(..)
            | Self::Dns(_)
            | Self::Site => Self::PROMPT,
        }
    }

    /// The service of AWS that describes it, as policies name it; none where the workload itself, or this
    /// machine, is asked.
    pub fn service(&self) -> Option<&'static str> {
        match self {
            Self::Db(_) | Self::Retired(_) | Self::Site | Self::Parameters(_) | Self::Snapshot(_) => Some("rds"),
            Self::Group(_) => Some("autoscaling"),
            Self::Lag(_) | Self::SlotLag(_) => Some("cloudwatch"),
            Self::Records(_) | Self::Change(_) => Some("route53"),
            Self::Machine(_) | Self::Execution(..) => Some("states"),
            Self::Position(_)
            | Self::Marker(..)
            | Self::Connect(_)
            | Self::Http(_)
            | Self::Dns(_)
            | Self::Sql(_)
            | Self::Command(_) => None,
        }
    }

    /// Whether AWS describes it; else the workload itself, or this machine, is asked.
    pub fn is_described(&self) -> bool {
        self.service().is_some()
    }

    /// What the service is asked to describe it: a question that many have is asked once for all of them.
    /// None where no service is asked.
    pub fn question(&self) -> Option<Question> {
        self.service()?;
        Some(match self {
            Self::Db(_) | Self::Retired(_) | Self::Site => Question::Instances,
            Self::Snapshot(_) => Question::Snapshots,
            Self::Group(_) => Question::Groups,
            Self::Lag(_) | Self::SlotLag(_) => Question::Lags,
            Self::Execution(machine, _) => Question::Executions(machine.clone()),
            alone => Question::One(alone.clone()),
        })
    }

    /// Whether it takes a time of its own: the workload itself is asked, or more than one page read.
    fn is_slow(&self) -> bool {
        !self.is_described() || matches!(self, Self::Records(_))
    }
}

/// What a service is asked at once, by one request or the pages of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Databases, and whether there is anybody who knows of them.
    Instances,
    /// Snapshots of databases.
    Snapshots,
    /// Groups of servers.
    Groups,
    /// Replication lags.
    Lags,
    /// Executions of the state machine of that ARN.
    Executions(String),
    /// That alone: no request describes two of its kind.
    One(What),
}

impl Question {
    /// Whether one request describes all of its kind.
    pub fn is_shared(&self) -> bool {
        !matches!(self, Self::One(_))
    }

    /// How many requests ask it, the pages of a long answer apart.
    pub fn requests(&self) -> u64 {
        match self {
            // Its values, and its tags.
            Self::One(What::Parameters(_)) => 2,
            // By name, unless there are many names.
            Self::One(What::Records(_)) => FEW_NAMES,
            Self::Instances | Self::Snapshots | Self::Groups | Self::Lags | Self::Executions(_) | Self::One(_) => 1,
        }
    }
}

/// More names than that, and a zone is read from end to end instead of name by name.
pub const FEW_NAMES: u64 = 3;

/// `orders at oregon`, `zone Z0EXAMPLE`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Db(id) => write!(f, "database {id}")?,
            What::Retired(id) => write!(f, "databases retired from {id}")?,
            What::Parameters(name) => write!(f, "parameter group {name}")?,
            What::Lag(id) => write!(f, "replication lag of {id}")?,
            What::SlotLag(id) => write!(f, "slot lag of {id}")?,
            What::Position(id) => write!(f, "log position of {id}")?,
            What::Marker(id, marker) => write!(f, "marker {marker} in {id}")?,
            What::Connect(id) => write!(f, "connections to {id}")?,
            What::Snapshot(name) => write!(f, "snapshot {name}")?,
            What::Group(name) => write!(f, "group {name}")?,
            What::Records(zone) => write!(f, "zone {zone}")?,
            What::Change(id) => write!(f, "DNS change {id}")?,
            What::Machine(arn) => write!(f, "state machine {}", arn.rsplit(':').next().unwrap_or(arn))?,
            What::Execution(_, name) => write!(f, "execution {name}")?,
            What::Http(probe) => write!(f, "{}", probe.url)?,
            What::Dns(query) => write!(f, "{} {}", query.record_type, query.name)?,
            What::Sql(probe) => write!(f, "SQL checks in {}", probe.identifier)?,
            What::Command(command) => write!(f, "`{}`", command.argv.join(" "))?,
            What::Site => write!(f, "Region {}", self.region)?,
        }
        if self.site.as_str() == Self::GLOBAL { Ok(()) } else { write!(f, " at {}", self.site) }
    }
}

/// What was seen of a target, and when. Never changed, only replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sight {
    /// The thing looked at.
    pub target: Target,
    /// When the look was answered.
    pub at: Timestamp,
    /// What was seen.
    pub seen: Seen,
}

/// What a look gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// It was looked for and is not there.
    Absent,
    /// It could not be looked at.
    Unknown {
        /// Why, a fragment that reads after "unknown: ".
        why: String,
    },
    /// A database instance.
    Db(rds::Db),
    /// Database instances.
    Dbs(Vec<rds::Db>),
    /// A parameter group.
    Parameters(rds::Parameters),
    /// Samples of replication lag.
    Lag(rds::Lag),
    /// A position in a database's log.
    Position(rds::Position),
    /// A database snapshot.
    Snapshot(rds::Snapshot),
    /// A group of servers.
    Group(asg::Group),
    /// The record sets of a zone.
    Records(dns::Records),
    /// A submitted DNS change.
    Change(dns::ChangeStatus),
    /// An execution of a state machine.
    Execution(sfn::Execution),
    /// The answer of a probe.
    Answer(probe::Answer),
}

/// What was seen so long ago at most tells whether a site answers: a silence that nobody watched for longer
/// begins anew.
pub const LATELY: Span = Span::secs(25);

/// A set of sights: what was seen last of each target, or what a plan expects to be seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    sights: BTreeMap<Target, Sight>,
    /// Sites that did not answer the last time, and since when they have not.
    silent: BTreeMap<Target, Timestamp>,
}

impl World {
    /// A world of these sights; of two of one target the later counts.
    pub fn of(sights: impl IntoIterator<Item = Sight>) -> Self {
        let mut world = Self::default();
        sights.into_iter().for_each(|s| world.put(s));
        world
    }
    /// Takes in a sight, unless a later one of its target is there.
    pub fn put(&mut self, sight: Sight) {
        let newer = self.sights.get(&sight.target).is_some_and(|old| old.at > sight.at);
        if !newer {
            self.set(sight);
        }
    }
    /// Takes in a sight whatever was there: what is foreseen comes after all that was seen.
    pub fn set(&mut self, sight: Sight) {
        if sight.target.what == What::Site {
            let before = self.sights.get(&sight.target).map(|before| before.at);
            match &sight.seen {
                Seen::Answer(answer) if !answer.ok => {
                    if before.is_some_and(|at| sight.at.since(at) > LATELY) {
                        // It may have answered meanwhile.
                        self.silent.remove(&sight.target);
                    }
                    self.silent.entry(sight.target.clone()).or_insert(sight.at);
                }
                _ => drop(self.silent.remove(&sight.target)),
            }
        }
        self.sights.insert(sight.target.clone(), sight);
    }
    /// Since when a site has not answered, look after look; none: it did, or nobody knows.
    pub fn silent_since(&self, site: &Target) -> Option<Timestamp> {
        self.silent.get(site).copied()
    }
    /// The sight of a target; `None`: nobody looked.
    pub fn sight(&self, target: &Target) -> Option<&Sight> {
        self.sights.get(target)
    }
    /// What was seen of a target; `None`: nobody looked.
    pub fn seen(&self, target: &Target) -> Option<&Seen> {
        self.sights.get(target).map(|s| &s.seen)
    }
    /// Changes what is seen of a target, if anything is; for predictions.
    pub fn change(&mut self, target: &Target, with: impl FnOnce(&mut Seen)) {
        if let Some(sight) = self.sights.get_mut(target) {
            with(&mut sight.seen);
        }
    }
    /// Says of a target that it was seen before an instant, be it in the same millisecond.
    pub fn seen_before(&mut self, target: &Target, at: Timestamp) {
        if let Some(sight) = self.sights.get_mut(target).filter(|sight| sight.at >= at) {
            sight.at = at - Span::ms(1);
        }
    }
    /// Forgets a target, so that it is looked at anew.
    pub fn forget(&mut self, target: &Target) {
        self.sights.remove(target);
        self.silent.remove(target);
    }
    /// All that was seen, in order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.sights.keys()
    }
    /// All sights, in the order of their targets.
    pub fn sights(&self) -> impl Iterator<Item = &Sight> {
        self.sights.values()
    }

    /// A database by its identifier; `None` where it is absent, unknown or nobody looked.
    pub fn db(&self, target: &Target) -> Option<&rds::Db> {
        match self.seen(target)? {
            Seen::Db(db) => Some(db),
            _ => None,
        }
    }
}
