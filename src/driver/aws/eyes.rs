//! The look: a batch is split by site and service, and each service is asked once.

use super::{
    access::{Access, Clients, Premises},
    addresses::{Addresses, Known},
    autoscaling, databases,
    errors::Failed,
    lag, machines,
    pace::{Lane, Pace, Urgency},
    records,
    zones::Zones,
};
use crate::{
    driver::{LookError, lately::Lately, one_after_another},
    ids::SiteName,
    model::Site,
    world::{Question, Seen, Target, What, dns::Records},
};
use futures_util::future::{BoxFuture, join_all};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

/// What one look gives.
pub(super) type Asked = Result<Seen, LookError>;

/// Looks at AWS.
pub struct Eyes {
    access: Arc<Access>,
    pace: Arc<Pace>,
    /// The names that matter of each zone.
    names: BTreeMap<String, BTreeSet<String>>,
    memories: BTreeMap<SiteName, Memory>,
}

/// What earlier looks told of a site.
#[derive(Default)]
pub(super) struct Memory {
    /// How the ARNs of all databases and parameter groups here begin (`arn:aws:rds:REGION:ACCOUNT`), once
    /// a database was seen: it saves to ask for each.
    pub(super) owner: OnceLock<String>,
    /// Where databases answer.
    pub(super) addresses: Addresses,
    /// Why groups lack servers, by their names.
    pub(super) failures: Lately<String, autoscaling::Failure>,
    /// What name servers have to answer.
    pub(super) zones: Zones,
    /// What executions were given.
    pub(super) executions: machines::Executions,
}

/// A site, and what is needed to ask about it.
pub(super) struct Place<'a> {
    pub(super) site: Site,
    pub(super) sites: &'a BTreeMap<SiteName, Site>,
    pub(super) clients: &'a Clients,
    pub(super) memory: &'a Memory,
    pace: &'a Pace,
}

impl Place<'_> {
    /// Waits for its turn at a service.
    pub(super) async fn turn(&self, service: &'static str) {
        self.pace.turn(&self.lane(service), Urgency::Look).await;
    }
    /// The service answered as it should.
    pub(super) fn answered(&self, service: &'static str) {
        self.pace.answered(&self.lane(service));
    }
    /// It did not.
    pub(super) fn failed(&self, service: &'static str, failed: Failed) -> LookError {
        let pause = self.pace.failed(&self.lane(service), &failed);
        failed.into_look(pause)
    }
    fn lane(&self, service: &'static str) -> Lane {
        Lane { site: self.site.name.clone(), service }
    }
}

impl Eyes {
    /// Eyes on these premises. `names` are the names that matter of each zone, so that a large zone
    /// need not be read whole for one of them.
    pub fn new(premises: Premises, names: BTreeMap<String, BTreeSet<String>>, pace: Arc<Pace>) -> Self {
        let global = SiteName::new(Target::GLOBAL);
        let sites = premises.sites.keys().cloned().chain([global]);
        let memories = sites.map(|site| (site, Memory::default())).collect();
        Self { access: Arc::new(Access::for_reads(premises)), pace, names, memories }
    }

    /// What the hand works with too.
    pub(super) fn shared(&self) -> (Arc<Access>, Arc<Pace>) {
        (self.access.clone(), self.pace.clone())
    }

    pub(super) async fn place(&self, site: &SiteName) -> Result<Place<'_>, LookError> {
        let unknown = || LookError::Permanent { why: format!("no site {site} in the runbook") };
        let memory = self.memories.get(site).ok_or_else(unknown)?;
        let (known, clients) = self.access.at(site).await.ok_or_else(unknown)?;
        Ok(Place { site: known, sites: &self.access.premises().sites, clients, memory, pace: &self.pace })
    }

    /// What is seen of each target, in the order given. Of what is not AWS's the caller asks others.
    pub async fn look(&self, targets: &[&Target]) -> Vec<Asked> {
        let mut by_site: BTreeMap<&SiteName, Vec<&What>> = BTreeMap::new();
        for target in targets {
            by_site.entry(&target.site).or_default().push(&target.what);
        }
        let looks =
            by_site.into_iter().map(|(site, asked)| async move { (site, Box::pin(self.at(site, &asked)).await) });
        let seen: BTreeMap<_, _> = join_all(looks).await.into_iter().collect();
        let nobody = || Err(LookError::Permanent { why: "nothing at AWS answers that".into() });
        targets
            .iter()
            .map(|t| seen.get(&t.site).and_then(|at| at.get(&t.what)).cloned().unwrap_or_else(nobody))
            .collect()
    }

    /// All that is asked of one site, all services at once.
    async fn at(&self, site: &SiteName, asked: &[&What]) -> BTreeMap<What, Asked> {
        let place = match self.place(site).await {
            Ok(place) => place,
            Err(e) => return asked.iter().map(|what| ((*what).clone(), Err(e.clone()))).collect(),
        };
        let mut by_question: BTreeMap<Question, Vec<&What>> = BTreeMap::new();
        for what in asked {
            // What is not asked of AWS is told by who asked.
            if let Some(question) = what.question() {
                by_question.entry(question).or_default().push(what);
            }
        }
        let asks = by_question.iter().map(|(question, asked)| self.ask(&place, question, asked));
        one_after_another(asks).await.into_iter().flatten().collect()
    }

    /// All who have one question.
    fn ask<'a>(
        &'a self,
        place: &'a Place<'_>,
        question: &'a Question,
        asked: &'a [&'a What],
    ) -> BoxFuture<'a, Vec<(What, Asked)>> {
        match question {
            Question::Instances => {
                Box::pin(together(asked, databases::instances(place, asked), |what, all| databases::answer(what, all)))
            }
            Question::Snapshots => Box::pin(together(asked, databases::snapshots(place, asked), databases::kept)),
            Question::Groups => {
                Box::pin(together(asked, autoscaling::groups(place, asked), |what, all| autoscaling::answer(what, all)))
            }
            Question::Lags => Box::pin(together(asked, lag::lags(place, asked), lag::answer)),
            Question::Executions(machine) => Box::pin(machines::executions(place, machine, asked)),
            Question::One(what) => Box::pin(async move { vec![(what.clone(), self.one(place, what).await)] }),
        }
    }

    async fn one(&self, place: &Place<'_>, what: &What) -> Asked {
        match what {
            What::Parameters(name) => databases::parameters(place, name).await,
            What::Records(zone) => {
                records::records(place, zone, self.names.get(zone).unwrap_or(&BTreeSet::new())).await
            }
            What::Change(id) => records::change(place, id).await,
            What::Machine(arn) => machines::machine(place, arn).await,
            other => Err(LookError::Permanent { why: format!("{other:?} is not asked of AWS") }),
        }
    }

    /// Where a database answers, host and port, as RDS told a moment ago.
    pub async fn endpoint(&self, site: &SiteName, identifier: &str) -> Result<String, LookError> {
        let place = self.place(site).await?;
        let known = match place.memory.addresses.of(identifier) {
            Some(known) => known,
            None => address(&place, identifier).await,
        };
        let missing =
            |why: &str| LookError::Transient { after: None, why: format!("database {identifier} at {site} {why}") };
        match known {
            Known::At(endpoint) => Ok(endpoint),
            Known::Nowhere => Err(missing("has no address yet")),
            Known::Absent => Err(missing("does not exist")),
            Known::Untold(e) => Err(e),
        }
    }

    /// The name servers of a zone, from its delegation, and its records: what those have to answer. As Route 53
    /// told a moment ago.
    pub async fn zone(&self, zone: &str) -> Result<(Vec<String>, Records), LookError> {
        let place = self.place(&SiteName::new(Target::GLOBAL)).await?;
        let zones = &place.memory.zones;
        let _turn = zones.turn(zone).await;
        if let Some(told) = zones.told(zone) {
            return told;
        }
        let records = What::Records(zone.to_owned());
        let (servers, seen) = tokio::join!(zones.servers(&place, zone), self.one(&place, &records));
        let told = match (servers, seen) {
            (Ok(servers), Ok(Seen::Records(records))) => Ok((servers, records)),
            (Err(e), _) => Err(e),
            _ => Err(LookError::Transient { after: None, why: format!("zone {zone} cannot be read") }),
        };
        zones.tell(zone, told.clone());
        told
    }

    /// A password that Secrets Manager keeps, in a site's own Region: the text itself, or the
    /// `password` of the JSON that RDS's own secrets are.
    pub async fn secret(&self, site: &SiteName, name: &str) -> Result<String, LookError> {
        let place = self.place(site).await?;
        place.turn("secretsmanager").await;
        let told = place.clients.secrets.get_secret_value().secret_id(name).send().await;
        let told = told.map_err(|e| place.failed("secretsmanager", Failed::of(&e)).about(&format!("secret {name}")))?;
        place.answered("secretsmanager");
        let text = told.secret_string().unwrap_or_default();
        let parsed = serde_json::from_str::<serde_json::Value>(text).ok();
        let password = parsed.as_ref().and_then(|json| json.get("password")?.as_str());
        match password.unwrap_or(text) {
            "" => Err(LookError::Permanent { why: format!("the secret {name} holds no text") }),
            found => Ok(found.to_owned()),
        }
    }
}

/// Where a database answers, asked for with all others of the site that are asked for.
async fn address(place: &Place<'_>, identifier: &str) -> Known {
    let addresses = &place.memory.addresses;
    let (_turn, names) = addresses.turn(identifier).await;
    if let Some(known) = addresses.of(identifier) {
        return known;
    }
    let all: Vec<_> = names.iter().cloned().map(What::Db).collect();
    if let Err(e) = databases::instances(place, &all.iter().collect::<Vec<_>>()).await {
        addresses.miss(names, &e);
    }
    addresses.of(identifier).unwrap_or(Known::Absent)
}

/// One question that serves several targets.
async fn together<T>(
    asked: &[&What],
    question: impl Future<Output = Result<T, LookError>>,
    answer: impl Fn(&What, &T) -> Seen,
) -> Vec<(What, Asked)> {
    let all = question.await;
    let one = |what: &What| all.as_ref().map(|all| answer(what, all)).map_err(Clone::clone);
    asked.iter().map(|what| ((*what).clone(), one(what))).collect()
}
