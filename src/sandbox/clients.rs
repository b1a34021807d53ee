//! Clients: where they are sent, what they are answered, what they write. Most ask DNS again when
//! an answer's time is over; a few keep their connections until the other end goes away.

use super::{
    chance,
    dns::Front,
    state::{Event, State},
};
use crate::{
    clock::{Span, Timestamp},
    ids::ResourceName,
    model::KindName,
    world::dns::{Batch, Records},
};
use serde::{Deserialize, Serialize};

/// Clients move in so many groups; the last one has the stale connection pools: 3% of all.
pub(super) const COHORTS: u32 = 32;
const STICKY: usize = COHORTS as usize - 1;

/// All clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Clients {
    /// Where each cohort is: a site, or nowhere.
    cohorts: Vec<Option<usize>>,
    /// The cohort with the stale pools will ask DNS again.
    sticky_moves: bool,
    /// Rows that all clients together write in 1,000 s.
    rate: u64,
    /// The same for workers.
    worker_rate: u64,
}

impl Clients {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            cohorts: vec![Some(0); COHORTS as usize],
            sticky_moves: false,
            rate: chance::between(chance::draw(seed, "client rate", 0), 20_000, 60_000),
            worker_rate: chance::between(chance::draw(seed, "worker rate", 0), 2_000, 10_000),
        }
    }

    /// Cohorts at a site.
    pub(super) fn at(&self, site: usize) -> u32 {
        u32::try_from(self.cohorts.iter().filter(|c| **c == Some(site)).count()).unwrap_or(COHORTS)
    }
}

impl State {
    /// Its applications run: the site is not dark and every group that clients ask has servers.
    pub(super) fn apps_up(&self, site: usize) -> bool {
        self.alive(site) && self.groups.iter().filter(|g| g.site == site && !g.workers).all(|g| g.in_service > 0)
    }

    fn databases_at(&self, site: usize) -> impl Iterator<Item = (&ResourceName, Option<usize>)> {
        let name = &self.spec.sites[site].name;
        let here = move |r: &&crate::model::Resource| r.kind_name() == KindName::RdsInstance && r.db(name).is_some();
        self.spec.resources.values().filter(here).map(move |r| (&r.name, self.used_at(site, &r.name)))
    }

    /// It answers requests that read.
    pub(super) fn answers(&self, site: usize) -> bool {
        self.apps_up(site) && self.databases_at(site).all(|(_, db)| db.is_some_and(|db| self.reachable(db)))
    }

    /// It answers requests that write.
    pub(super) fn answers_writes(&self, site: usize) -> bool {
        self.answers(site) && self.databases_at(site).all(|(_, db)| db.is_some_and(|db| self.accepts(db)))
    }

    /// Cohorts that a site's servers can carry; each of them carries a little more than its share.
    fn carried(&self, site: usize) -> u32 {
        let share = |g: &super::group::Group| g.in_service * COHORTS * 10 / (g.full * 7);
        let groups = self.groups.iter().filter(|g| g.site == site && !g.workers);
        groups.map(share).min().unwrap_or(COHORTS).min(self.clients.at(site))
    }

    /// Rows come in where there are writers and a database that lets them.
    pub(super) fn settle_writes(&mut self) {
        for db in 0..self.dbs.len() {
            let rate = self.write_rate(db);
            if rate > 0 || self.dbs[db].stream.is_some() {
                let (own, now) = (self.own_stream(db), self.now);
                self.streams[own].set_rate(now, rate);
            }
        }
    }

    fn write_rate(&self, db: usize) -> u64 {
        let (site, resource) = (self.dbs[db].site, &self.dbs[db].resource);
        if !self.accepts(db) || self.used_at(site, resource) != Some(db) {
            return 0;
        }
        let clients =
            if self.apps_up(site) { u64::from(self.carried(site)) * self.clients.rate / u64::from(COHORTS) } else { 0 };
        let working = |g: &super::group::Group| u64::from(g.in_service) * self.clients.worker_rate / u64::from(g.full);
        clients + self.groups.iter().filter(|g| g.site == site && g.workers).map(working).sum::<u64>()
    }

    /// What clients live through from now on, and who leaves a dead end.
    pub(super) fn settle_clients(&mut self) {
        let sites = 0..self.spec.sites.len();
        let carried = |ok: bool, site: usize| if ok { self.carried(site) } else { 0 };
        let read: u32 = sites.clone().map(|site| carried(self.answers(site), site)).sum();
        let written: u32 = sites.map(|site| carried(self.answers_writes(site), site)).sum();
        let half = COHORTS / 2;
        self.note_fenced();
        let both = self.two_writers();
        let (now, since) = (self.now, self.opened);
        self.account.lives(now.max(since), (read < half, written < half), both);
        self.free_sticky();
    }

    /// Of some resource two instances take writes, and not only since a lost site came back by itself.
    fn two_writers(&self) -> bool {
        let opened = |db: &usize| self.takes_writes(*db) && !self.is_returned(*db);
        let open: Vec<_> = (0..self.dbs.len()).filter(opened).map(|db| &self.dbs[db].resource).collect();
        open.iter().enumerate().any(|(i, one)| open[..i].contains(one))
    }

    /// A pool whose server or database is gone is filled anew, where DNS leads elsewhere.
    fn free_sticky(&mut self) {
        let Some(site) = self.clients.cohorts[STICKY].filter(|_| !self.clients.sticky_moves) else { return };
        if !self.answers(site) && self.led(STICKY) != Some(site) {
            self.clients.sticky_moves = true;
            self.later(self.now + Span::secs(30), Event::Resolve(STICKY));
        }
    }

    fn led(&self, client: usize) -> Option<usize> {
        let Some(front) = self.front() else { return Some(self.home()) };
        let records = &self.zones.get(&front.zone)?.records;
        self.led_to(records, &front, place(client))
    }

    /// A cohort asks DNS and goes where it is sent.
    pub(super) fn resolve(&mut self, client: usize) {
        let led = self.led(client);
        self.clients.cohorts[client] = led;
        if client == STICKY {
            self.clients.sticky_moves = false;
        }
    }

    /// After a change each cohort asks again when its old answer's time is over and its resolver's
    /// name server knows the change.
    pub(super) fn clients_will_ask(&mut self, batch: &Batch, before: &Records, in_sync_at: Timestamp) {
        let Some(front) = self.front() else { return };
        if batch.zone != front.zone || !batch.upserts.iter().any(|set| is_front(&front, &set.name, &set.record_type)) {
            return;
        }
        let old = before.sets.iter().filter(|set| is_front(&front, &set.name, &set.record_type));
        let ttl = Span::secs(old.filter_map(|set| set.ttl).max().unwrap_or(60).max(1).into());
        for client in 0..STICKY {
            let told = self.now + self.chance_span("told", Span::ZERO, in_sync_at.since(self.now));
            // Each asks at its own place in the TTL.
            let phase = Span(ttl.0 * place(client) / 1000);
            let age = told.since(self.born).0.saturating_sub(phase.0);
            let next = self.born + phase + Span(age.div_ceil(ttl.0) * ttl.0);
            self.later(next.max(told), Event::Resolve(client));
        }
    }

    /// A site that returns still has a few clients that never looked elsewhere.
    pub(super) fn cling(&mut self, site: usize) {
        self.clients.cohorts[STICKY] = Some(site);
        self.clients.sticky_moves = true;
        let leaves = self.now + self.chance_span("stale clients", Span::mins(10), Span::mins(30));
        self.later(leaves, Event::Resolve(STICKY));
    }
}

fn is_front(front: &Front, name: &str, record_type: &str) -> bool {
    name == front.name && record_type == front.record_type
}

/// A cohort's place among all, between 0 and 1,000.
fn place(client: usize) -> u64 {
    (client as u64 * 2 + 1) * 1000 / (u64::from(COHORTS) * 2)
}
