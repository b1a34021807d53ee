//! The real world: every question goes to the driver that can ask it, every effect to the one that
//! can send it. [`open`] gives the two doors; they share nothing but the pace of calls, who we are,
//! and the way to find a database.

use super::{
    Act, Connected, Look, LookError, SendError,
    aws::{Eyes, Hand, Met, Outposts, Pace, Premises, Tried},
    in_time,
    names::{Names, Wanted},
    postgres::Databases,
    reach::Reaches,
    shell::Shell,
    web::Web,
};
use crate::{
    clock::{BootClock, Timestamp},
    ids::{ResourceName, SiteName},
    model::{Kind, Resource, Site},
    world::{Call, Effect, Receipt, Seen, Sight, Target, What, permission::Permission, permit::Permit, probe, rds},
};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

/// What a runbook, or the sealed plan of a run, says of the real world.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// All sites.
    pub sites: BTreeMap<SiteName, Site>,
    /// All resources.
    pub resources: BTreeMap<ResourceName, Resource>,
    /// Where global services answer, other than at their public address.
    pub global_endpoint: Option<String>,
    /// The folder of the runbook: files are relative to it, commands run in it.
    pub folder: PathBuf,
}

impl Ground {
    fn premises(&self) -> Premises {
        Premises { sites: self.sites.clone(), global_endpoint: self.global_endpoint.clone() }
    }

    /// The names that matter of each zone.
    fn names(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for resource in self.resources.values() {
            if let Kind::WeightedRecord { zone, records, .. } = &resource.kind {
                names.entry(zone.clone()).or_default().extend(records.iter().map(|name| name.to_lowercase()));
            }
        }
        names
    }
}

/// Opens both doors to the real world.
pub fn open(ground: Ground, boot: Arc<dyn BootClock>) -> (LiveLook, LiveAct) {
    let pace = Arc::new(Pace::default());
    let outposts = Outposts::new(ground.premises(), pace.clone());
    let eyes = Arc::new(Eyes::new(ground.premises(), ground.names(), pace));
    let hand = Hand::new(&eyes, boot.clone());
    let (web, shell) = (Web::of_machine(), Shell::new(ground.folder.clone()));
    let reaches = Arc::new(Reaches::new(ground, eyes.clone()));
    let look = LiveLook { eyes, outposts, reaches: reaches.clone(), web: web.clone(), shell: shell.clone() };
    (look, LiveAct { hand, reaches, web, shell, boot })
}

/// Looks at the real world.
pub struct LiveLook {
    eyes: Arc<Eyes>,
    outposts: Outposts,
    reaches: Arc<Reaches>,
    web: Web,
    shell: Shell,
}

#[async_trait]
impl Look for LiveLook {
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        let (cloud, other): (Vec<_>, Vec<_>) = at.iter().partition(|target| target.what.is_described());
        let others = join_all(other.iter().map(|target| self.ask(target)));
        let (cloud_seen, others_seen) = tokio::join!(self.eyes.look(&cloud), others);
        let answered = Timestamp::wall();
        let mut seen: BTreeMap<&Target, _> =
            cloud.into_iter().zip(cloud_seen).chain(other.into_iter().zip(others_seen)).collect();
        let sight = |target: &Target| {
            let unasked = || Err(LookError::Permanent { why: format!("{target} was asked twice in one look") });
            let seen = seen.remove(target).unwrap_or_else(unasked);
            seen.map(|seen| Sight { target: target.clone(), at: answered, seen })
        };
        at.iter().map(sight).collect()
    }
}

impl LiveLook {
    /// Where alarms live, queues are read and people are told.
    pub fn outposts(&self) -> &Outposts {
        &self.outposts
    }

    /// Tells a webhook something; the token tells a repeat of it to whoever heeds one.
    pub async fn tell(&self, url: &str, token: &str, body: &serde_json::Value) -> Result<(), SendError> {
        self.web.post(token, "POST", url, body).await.map(drop)
    }

    /// Who we are at a site.
    pub async fn who(&self, site: &SiteName) -> Met {
        Box::pin(self.eyes.who(site)).await
    }

    /// Makes a read, to learn whether it may be made.
    pub async fn try_read(&self, site: &SiteName, read: &Permission, name: &str) -> Tried {
        Box::pin(self.eyes.try_read(site, read, name)).await
    }

    /// Connects to a database as the runbook says.
    pub async fn connect(&self, site: &SiteName, identifier: &str) -> Result<Connected, LookError> {
        Databases.introduce(&self.reaches.of(site, identifier).await?).await
    }

    /// What the workload itself is asked.
    async fn ask(&self, target: &Target) -> Result<Seen, LookError> {
        let site = &target.site;
        match &target.what {
            What::Position(id) => Databases.position(&self.reaches.of(site, id).await?).await,
            What::Marker(id, marker) => Databases.marker(&self.reaches.of(site, id).await?, marker).await,
            What::Connect(id) => {
                let (host, port) = self.reaches.address(site, id).await?;
                Databases.connect(&host, port).await
            }
            What::Sql(probe) => self.sql(site, probe).await,
            What::Http(probe) => self.web.look(probe).await,
            What::Dns(query) => self.dns(query).await,
            What::Command(command) => self.shell.look(command).await,
            _ => Err(LookError::Permanent { why: format!("{target} is asked of AWS") }),
        }
    }

    async fn sql(&self, site: &SiteName, probe: &probe::Sql) -> Result<Seen, LookError> {
        let here = self.reaches.of(site, &probe.identifier).await?;
        let other = match &probe.other {
            Some((id, region)) => Some(self.reaches.in_region(region, id).await?),
            None => None,
        };
        Databases.check(probe, self.reaches.folder(), &here, other.as_ref()).await
    }

    /// The zone says who answers for it, and what must be answered.
    async fn dns(&self, query: &probe::Dns) -> Result<Seen, LookError> {
        let (servers, records) = self.eyes.zone(&query.zone).await?;
        let mut sets = records.weighted(&query.name, &query.record_type);
        let set = sets.find(|s| s.set_identifier.as_ref() == Some(&query.set_identifier)).ok_or_else(|| {
            let why =
                format!("zone {} has no {} {} {}", query.zone, query.record_type, query.name, query.set_identifier);
            LookError::Permanent { why }
        })?;
        let alias = set.rest.pointer("/alias/name").and_then(serde_json::Value::as_str);
        let wanted = alias.map_or_else(|| Wanted::Values(set.values.clone()), |name| Wanted::Alias(name.to_owned()));
        Names.look(query, &servers, &wanted).await
    }
}

/// Changes the real world.
pub struct LiveAct {
    hand: Hand,
    reaches: Arc<Reaches>,
    web: Web,
    shell: Shell,
    boot: Arc<dyn BootClock>,
}

#[async_trait]
impl Act for LiveAct {
    async fn send(&self, permit: Permit, effect: &Effect) -> Result<Receipt, SendError> {
        match &effect.call {
            Call::Rds(rds::Call::WriteMarker { identifier, marker }) => {
                let reach = self.reaches.of(&effect.target.site, identifier).await;
                let reach = reach.map_err(|e| SendError::NotSent { after: None, why: e.to_string() })?;
                in_time(&permit, &*self.boot)?;
                Databases.write_marker(&reach, marker).await
            }
            Call::Rds(_) | Call::Scaling(_) | Call::Dns(_) | Call::Machine(_) => self.hand.send(&permit, effect).await,
            Call::Run(run) => {
                in_time(&permit, &*self.boot)?;
                self.shell.send(permit.token(), run).await
            }
            Call::Post(post) => {
                in_time(&permit, &*self.boot)?;
                self.web.send(permit.token(), post).await
            }
        }
    }
}
