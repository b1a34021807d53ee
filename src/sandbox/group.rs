//! Groups of servers: they grow and shrink in their own time, fail to grow where capacity is
//! refused, and a scaling policy follows the load unless min = desired.

use super::{
    clients::COHORTS,
    state::{Event, State},
};
use crate::{
    clock::{Span, Timestamp},
    ids::ResourceName,
    model::{Kind, Size},
    world::asg,
};
use serde::{Deserialize, Serialize};

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) resource: ResourceName,
    pub(super) site: usize,
    pub(super) name: String,
    pub(super) size: Size,
    pub(super) in_service: u32,
    pub(super) suspended: Vec<String>,
    pub(super) failure: Option<(Timestamp, String)>,
    /// Crons and queue consumers: it may rest at 0, and no client asks it.
    pub(super) workers: bool,
    /// Servers that carry the whole load.
    pub(super) full: u32,
    /// Changes of `desired` so far; only servers of the last one come or go.
    change: u32,
    /// The policy has its next step scheduled.
    tracked: bool,
    /// The policy is taking servers away, one after the other.
    shrinking: bool,
}

/// What happens to a group by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum GroupEvent {
    /// A server of change number n comes into service.
    Up(u32),
    /// A server of change number n is gone.
    Down(u32),
    /// The launches of change number n that are still missing fail, or succeed after all.
    Launch(u32),
    /// The policy compares size and load.
    Track,
}

impl State {
    pub(super) fn build_groups(&mut self) {
        for (name, resource) in self.spec.resources.clone() {
            let Kind::AutoscalingGroup { sizes, sites } = &resource.kind else { continue };
            let workers = sizes.values().any(|size| size.desired == 0);
            let serving = sizes.values().copied().max_by_key(|size| size.desired).unwrap_or_default();
            let smallest = |size: &&Size| size.desired > 0 || workers;
            let resting = sizes.values().filter(smallest).copied().min_by_key(|size| size.desired).unwrap_or(serving);
            for site in 0..self.spec.sites.len() {
                let Some(identity) = sites.get(&self.spec.sites[site].name) else { continue };
                let size = if site == self.home() { serving } else { resting };
                self.groups.push(Group {
                    resource: name.clone(),
                    site,
                    name: identity.name.clone(),
                    size,
                    in_service: size.desired,
                    suspended: vec![],
                    failure: None,
                    workers,
                    full: serving.desired.max(1),
                    change: 0,
                    tracked: false,
                    shrinking: false,
                });
            }
        }
    }

    /// The group of a name at a site's Region.
    pub(super) fn group(&self, site: usize, name: &str) -> Option<usize> {
        self.groups.iter().position(|g| g.name == name && self.region(g.site) == self.region(site))
    }

    /// As the service describes it.
    pub(super) fn describe_group(&self, group: usize) -> asg::Group {
        let g = &self.groups[group];
        asg::Group {
            name: g.name.clone(),
            size: g.size,
            in_service: g.in_service,
            suspended: g.suspended.clone(),
            failure: g.failure.clone(),
        }
    }

    /// Takes a new size; why not, where it makes no sense.
    pub(super) fn update_group(&mut self, group: usize, size: Size, expected: Option<Span>) -> Result<(), String> {
        if size.min > size.desired || size.desired > size.max {
            return Err(format!("ValidationError: {size} is not min <= desired <= max"));
        }
        self.groups[group].shrinking = false;
        let old = std::mem::replace(&mut self.groups[group].size, size);
        if old.desired != size.desired {
            self.resize(group, expected);
        }
        Ok(())
    }

    /// Sets going what brings the servers in service to the number desired.
    fn resize(&mut self, group: usize, expected: Option<Span>) {
        let now = self.now;
        let g = &mut self.groups[group];
        g.change += 1;
        g.failure = None;
        let (change, have, desired) = (g.change, g.in_service, g.size.desired);
        for _ in desired..have {
            let gone = self.chance_span("scale in", Span::secs(20), Span::secs(90));
            self.later(now + gone, Event::Group(group, GroupEvent::Down(change)));
        }
        if desired > have {
            let missing = desired - have;
            let come = if self.groups[group].suspended.iter().any(|p| p == "Launch") {
                0
            } else {
                missing.min(self.capacity(desired).saturating_sub(have))
            };
            let takes = self.takes("scale out", expected, Span::mins(3));
            for n in 1..=come {
                // The first server takes most of the time, the others follow soon.
                let share = 70 + 30 * u64::from(n) / u64::from(missing);
                self.later(now + Span(takes.0 * share / 100), Event::Group(group, GroupEvent::Up(change)));
            }
            if come < missing {
                let fails = self.chance_span("launch fails", Span::secs(30), Span::secs(60));
                self.later(now + fails, Event::Group(group, GroupEvent::Launch(change)));
            }
        }
    }

    /// How many servers the provider has for a group that wants so many.
    fn capacity(&self, desired: u32) -> u32 {
        let short = self.no_capacity_until.is_some_and(|until| self.now < until);
        if short { (desired * 3).div_ceil(4) } else { desired }
    }

    pub(super) fn group_event(&mut self, group: usize, event: &GroupEvent) {
        let current = |change: u32| change == self.groups[group].change;
        match *event {
            GroupEvent::Up(change) if current(change) => {
                let g = &mut self.groups[group];
                g.in_service = (g.in_service + 1).min(g.size.desired);
            }
            GroupEvent::Down(change) if current(change) => {
                let g = &mut self.groups[group];
                g.in_service = g.in_service.saturating_sub(1).max(g.size.desired);
            }
            GroupEvent::Launch(change) if current(change) => self.launch_missing(group, change),
            GroupEvent::Up(_) | GroupEvent::Down(_) | GroupEvent::Launch(_) => {}
            GroupEvent::Track => self.track(group),
        }
    }

    /// The group tries for ever; somebody's deadline decides.
    fn launch_missing(&mut self, group: usize, change: u32) {
        let (now, desired, have) = (self.now, self.groups[group].size.desired, self.groups[group].in_service);
        if self.capacity(desired) == desired {
            for _ in have..desired {
                let takes = self.takes("scale out", None, Span::mins(3));
                self.later(now + takes, Event::Group(group, GroupEvent::Up(change)));
            }
            return;
        }
        let why = "We currently do not have sufficient c6i.large capacity in the Availability Zone you requested. Launching EC2 instance failed.";
        self.groups[group].failure = Some((now, why.to_owned()));
        self.later(now + Span::mins(5), Event::Group(group, GroupEvent::Launch(change)));
    }

    /// What the policy wants: servers in proportion to the load, within min and max.
    fn tracked_size(&self, group: usize) -> u32 {
        let g = &self.groups[group];
        let clients = self.clients.at(g.site);
        (clients * g.full).div_ceil(COHORTS).clamp(g.size.min, g.size.max)
    }

    /// Schedules the policy's next step where size and load differ: out soon, in after a quarter
    /// of an hour of idling.
    pub(super) fn settle_groups(&mut self) {
        if self.now < self.opened {
            return;
        }
        for group in 0..self.groups.len() {
            let g = &self.groups[group];
            let wanted = self.tracked_size(group);
            if g.workers || g.tracked || wanted == g.size.desired || !self.alive(g.site) {
                continue;
            }
            let (lo, hi) = match (wanted > g.size.desired, g.shrinking) {
                (true, _) => (Span::mins(2), Span::mins(4)),
                (false, true) => (Span::mins(3), Span::mins(6)),
                (false, false) => (Span::mins(12), Span::mins(18)),
            };
            let next = self.now + self.chance_span("tracking", lo, hi);
            self.groups[group].tracked = true;
            self.later(next, Event::Group(group, GroupEvent::Track));
        }
    }

    fn track(&mut self, group: usize) {
        let wanted = self.tracked_size(group);
        let g = &mut self.groups[group];
        g.tracked = false;
        g.shrinking = wanted < g.size.desired;
        if wanted == g.size.desired {
            return;
        }
        g.size.desired = if g.shrinking { g.size.desired - 1 } else { wanted };
        self.resize(group, None);
    }
}
