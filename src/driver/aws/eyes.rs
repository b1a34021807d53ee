//! The look: a batch is split by site and service, and each service is asked once.

use super::{
    access::{Access, Clients, Premises},
    autoscaling, databases,
    errors::Failed,
    lag, machines,
    pace::{Lane, Pace, Urgency},
    records,
};
use crate::{
    driver::{LookError, one_after_another},
    ids::SiteName,
    model::Site,
    world::{Question, Seen, Target, What},
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
    owners: BTreeMap<SiteName, OnceLock<String>>,
}

/// A site, and what is needed to ask about it.
pub(super) struct Place<'a> {
    pub(super) site: Site,
    pub(super) sites: &'a BTreeMap<SiteName, Site>,
    pub(super) clients: &'a Clients,
    /// How the ARNs of all databases and parameter groups here begin (`arn:aws:rds:REGION:ACCOUNT`), once
    /// a database was seen: it saves to ask for each.
    pub(super) owner: &'a OnceLock<String>,
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
        let owners = premises.sites.keys().cloned().chain([global]).map(|site| (site, OnceLock::new())).collect();
        Self { access: Arc::new(Access::for_reads(premises)), pace, names, owners }
    }

    /// What the hand works with too.
    pub(super) fn shared(&self) -> (Arc<Access>, Arc<Pace>) {
        (self.access.clone(), self.pace.clone())
    }

    pub(super) async fn place(&self, site: &SiteName) -> Result<Place<'_>, LookError> {
        let unknown = || LookError::Permanent { why: format!("no site {site} in the runbook") };
        let owner = self.owners.get(site).ok_or_else(unknown)?;
        let (known, clients) = self.access.at(site).await.ok_or_else(unknown)?;
        Ok(Place { site: known, sites: &self.access.premises().sites, clients, owner, pace: &self.pace })
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
        let of = |question| asked.iter().copied().filter(|w| w.question() == question).collect::<Vec<_>>();
        let [instances, groups, lags] = [Question::Instances, Question::Groups, Question::Lags].map(|q| of(Some(q)));
        let single = of(None);
        let mut questions: Vec<BoxFuture<Vec<(What, Asked)>>> = vec![];
        // Who is not asked about costs no call.
        if !instances.is_empty() {
            let all = databases::instances(&place, &instances);
            questions.push(Box::pin(together(&instances, all, |what, all| databases::answer(what, all))));
        }
        if !groups.is_empty() {
            let all = autoscaling::groups(&place, &groups);
            questions.push(Box::pin(together(&groups, all, |what, all| autoscaling::answer(what, all))));
        }
        if !lags.is_empty() {
            questions.push(Box::pin(together(&lags, lag::lags(&place, &lags), lag::answer)));
        }
        for what in single {
            let answer = self.one(&place, what);
            questions.push(Box::pin(async move { vec![(what.clone(), answer.await)] }));
        }
        one_after_another(questions).await.into_iter().flatten().collect()
    }

    async fn one(&self, place: &Place<'_>, what: &What) -> Asked {
        match what {
            What::Parameters(name) => databases::parameters(place, name).await,
            What::Snapshot(name) => databases::snapshot(place, name).await,
            What::Records(zone) => {
                records::records(place, zone, self.names.get(zone).unwrap_or(&BTreeSet::new())).await
            }
            What::Change(id) => records::change(place, id).await,
            What::Machine(arn) => machines::machine(place, arn).await,
            What::Execution(machine, name) => machines::execution(place, machine, name).await,
            other => Err(LookError::Permanent { why: format!("{other:?} is not asked of AWS") }),
        }
    }

    /// Where a database answers, host and port: as RDS says now, since a name may be another
    /// instance's a moment later.
    pub async fn endpoint(&self, site: &SiteName, identifier: &str) -> Result<String, LookError> {
        let place = self.place(site).await?;
        let what = What::Db(identifier.to_owned());
        let all = databases::instances(&place, &[&what]).await?;
        let missing =
            |why: &str| LookError::Transient { after: None, why: format!("database {identifier} at {site} {why}") };
        let found = all.first().ok_or_else(|| missing("does not exist"))?;
        found.endpoint.clone().ok_or_else(|| missing("has no address yet"))
    }

    /// The name servers of a zone, from its delegation.
    pub async fn name_servers(&self, zone: &str) -> Result<Vec<String>, LookError> {
        records::name_servers(&self.place(&SiteName::new(Target::GLOBAL)).await?, zone).await
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
