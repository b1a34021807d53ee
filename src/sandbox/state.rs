//! The world as data: a pure, deterministic state machine.
//!
//! [`State::advance`] lets scheduled events happen, each at its own instant and in their order;
//! between two events everything is constant or linear in time, so that nothing depends on how often
//! somebody looks. [`State::refresh`] runs after every event and every command: it settles who may
//! write where, at what rate, and what clients live through. All chance comes from the seed.

use super::{
    chance,
    clients::Clients,
    db::{DbEvent, Instance, Kept, ParameterGroup},
    dns::Zone,
    faults::Fault,
    group::{Group, GroupEvent},
    lived::Account,
    machine::Begun,
    replication::Stream,
};
use crate::{
    clock::{Span, Timestamp},
    ids::{Region, ResourceName, SiteName},
    model::{Resource, Site},
    runbook::Runbook,
    world::Target,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long a new world has existed when it is first opened: long enough for metrics to have a past.
const PAST: Span = Span::hours(1);

/// What a world is built from; a runbook with another one needs another world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// All sites, the primary first.
    pub(super) sites: Vec<Site>,
    /// The first standby's place among them.
    pub(super) standby: usize,
    /// All resources.
    pub(super) resources: BTreeMap<ResourceName, Resource>,
}

impl Spec {
    /// Of a runbook.
    pub(super) fn of(runbook: &Runbook) -> Self {
        let home = |site: &&Site| site.name == runbook.primary;
        let rest = |site: &&Site| site.name != runbook.primary;
        let all = runbook.sites.values();
        let sites: Vec<_> = all.clone().filter(home).chain(all.filter(rest)).cloned().collect();
        let first = runbook.standbys.first();
        let standby = sites.iter().position(|site| Some(&site.name) == first).unwrap_or(0);
        Self { sites, standby, resources: runbook.resources.clone() }
    }
}

/// A site: its services are there for all that live in it, or for none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SiteState {
    /// It is dark until then.
    pub(super) lost_until: Option<Timestamp>,
    /// Its API takes requests and never answers, until then.
    pub(super) hangs_until: Option<Timestamp>,
    /// When it was dark, from and until.
    pub(super) outages: Vec<(Timestamp, Timestamp)>,
}

/// Something that will happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Due {
    at: Timestamp,
    order: u64,
    event: Event,
}

/// What happens by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Event {
    /// To a database instance.
    Db(usize, DbEvent),
    /// To a group of servers.
    Group(usize, GroupEvent),
    /// A cohort of clients asks DNS again.
    Resolve(usize),
    /// The name servers of a zone all know its sets.
    InSync(String),
    /// A lost site returns.
    SiteBack(usize),
}

/// The whole world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) seed: u64,
    drawn: u64,
    /// When its history begins.
    pub(super) born: Timestamp,
    /// When somebody first came to see it.
    pub(super) opened: Timestamp,
    /// Up to when everything has happened.
    pub(super) now: Timestamp,
    pub(super) spec: Spec,
    pub(super) sites: Vec<SiteState>,
    pub(super) dbs: Vec<Instance>,
    pub(super) parameters: Vec<ParameterGroup>,
    pub(super) streams: Vec<Stream>,
    pub(super) snapshots: Vec<Kept>,
    /// Rows written by `lifeboat_marker`: in each stream that has one of that name, which row.
    pub(super) markers: BTreeMap<String, BTreeMap<usize, u64>>,
    /// The newest writer of each resource.
    pub(super) active: BTreeMap<ResourceName, usize>,
    pub(super) groups: Vec<Group>,
    pub(super) zones: BTreeMap<String, Zone>,
    pub(super) clients: Clients,
    /// Commands that hold now: what a `check` asks for.
    pub(super) so: BTreeSet<String>,
    /// Executions of state machines, by machine and name.
    #[serde(default)]
    pub(super) executions: BTreeMap<String, Begun>,
    queue: Vec<Due>,
    pub(super) armed: Vec<Fault>,
    pub(super) slow_promotion: bool,
    pub(super) no_capacity_until: Option<Timestamp>,
    pub(super) throttled_until: Option<Timestamp>,
    pub(super) stale_until: Option<Timestamp>,
    pub(super) account: Account,
}

impl State {
    /// A world in which the primary serves, as it is at an instant.
    pub(super) fn new(spec: Spec, seed: u64, at: Timestamp) -> Self {
        let born = at - PAST;
        let mut state = Self {
            seed,
            drawn: 0,
            born,
            opened: at,
            now: born,
            sites: vec![SiteState::default(); spec.sites.len()],
            spec,
            dbs: vec![],
            parameters: vec![],
            streams: vec![],
            snapshots: vec![],
            markers: BTreeMap::new(),
            active: BTreeMap::new(),
            groups: vec![],
            zones: BTreeMap::new(),
            clients: Clients::new(seed),
            so: BTreeSet::new(),
            executions: BTreeMap::new(),
            queue: vec![],
            armed: vec![],
            slow_promotion: false,
            no_capacity_until: None,
            throttled_until: None,
            stale_until: None,
            account: Account::default(),
        };
        state.build_databases();
        state.build_groups();
        state.build_zones();
        state.refresh();
        state.advance(at);
        state.refresh();
        state
    }

    /// Lets everything happen that is due until an instant.
    pub(super) fn advance(&mut self, to: Timestamp) {
        while self.queue.first().is_some_and(|due| due.at <= to) {
            let due = self.queue.remove(0);
            self.now = self.now.max(due.at);
            self.happen(due.event);
            self.refresh();
        }
        self.now = self.now.max(to);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Db(db, event) => self.db_event(db, event),
            Event::Group(group, event) => self.group_event(group, &event),
            Event::Resolve(client) => self.resolve(client),
            Event::InSync(zone) => self.in_sync(&zone),
            Event::SiteBack(site) => self.return_site(site),
        }
    }

    /// Settles what follows from how things are now; changes nothing where nothing changed.
    pub(super) fn refresh(&mut self) {
        self.settle_writes();
        self.settle_clients();
        self.settle_groups();
    }

    /// Schedules an event.
    pub(super) fn later(&mut self, at: Timestamp, event: Event) {
        self.drawn += 1;
        let due = Due { at, order: self.drawn, event };
        let place = self.queue.partition_point(|other| (other.at, other.order) < (due.at, due.order));
        self.queue.insert(place, due);
    }

    /// A value of chance; each is new. Only for commands and events, whose order is fixed: looks
    /// must not change what comes after them.
    pub(super) fn chance(&mut self, purpose: &str) -> u64 {
        self.drawn += 1;
        chance::draw(self.seed, purpose, self.drawn)
    }

    /// A length of time by chance.
    pub(super) fn chance_span(&mut self, purpose: &str, lo: Span, hi: Span) -> Span {
        chance::span(self.chance(purpose), lo, hi)
    }

    /// How long an operation takes: around what is expected, else around what is typical.
    pub(super) fn takes(&mut self, purpose: &str, expected: Option<Span>, typical: Span) -> Span {
        chance::around(self.chance(purpose), expected.unwrap_or(typical))
    }
}

// Sites.
impl State {
    /// The primary's place.
    #[expect(clippy::unused_self, reason = "a fact of the world's order of sites, asked of the world")]
    pub(super) fn home(&self) -> usize {
        0
    }

    /// The first standby's place.
    pub(super) fn first_standby(&self) -> usize {
        self.spec.standby
    }

    /// A site's place by its name.
    pub(super) fn site(&self, name: &SiteName) -> Option<usize> {
        self.spec.sites.iter().position(|site| site.name == *name)
    }

    /// A site's Region.
    pub(super) fn region(&self, site: usize) -> &Region {
        &self.spec.sites[site].region
    }

    /// A site is not dark.
    pub(super) fn alive(&self, site: usize) -> bool {
        self.sites[site].lost_until.is_none()
    }

    /// Whether a site was not dark at an instant of the past.
    pub(super) fn was_alive(&self, site: usize, at: Timestamp) -> bool {
        !self.sites[site].outages.iter().any(|(from, until)| (*from..*until).contains(&at))
    }

    /// A site's API never answers.
    pub(super) fn hangs(&self, site: usize) -> bool {
        self.sites[site].hangs_until.is_some_and(|until| self.now < until)
    }

    /// The site of a target; none for what belongs to none.
    pub(super) fn site_of(&self, target: &Target) -> Option<usize> {
        self.site(&target.site)
    }

    /// A site goes dark with all that is in it, and returns by itself.
    pub(super) fn lose_site(&mut self, site: usize, at: Timestamp) {
        if !self.alive(site) {
            return;
        }
        let outage = self.chance_span("outage", Span::mins(30), Span::mins(90));
        let back = at + outage;
        self.sites[site].lost_until = Some(back);
        self.sites[site].outages.push((at, back));
        self.break_links(site, at);
        // What was under way there goes on when it is back.
        let here = |event: &Event, state: &Self| match event {
            Event::Db(db, _) => state.dbs[*db].site == site,
            Event::Group(group, _) => state.groups[*group].site == site,
            Event::Resolve(_) | Event::InSync(_) | Event::SiteBack(_) => false,
        };
        let mut queue = std::mem::take(&mut self.queue);
        for due in queue.iter_mut().filter(|due| here(&due.event, self)) {
            due.at = due.at + outage;
        }
        queue.sort_by_key(|due| (due.at, due.order));
        self.queue = queue;
        self.later(back, Event::SiteBack(site));
    }

    fn return_site(&mut self, site: usize) {
        self.sites[site].lost_until = None;
        self.resume_links();
        self.note_returned(site);
        self.cling(site);
    }
}
