//! Outposts: the Regions and accounts where alarms live, queues are read and people are told. An ARN
//! or an address names them, not a site; where a site is of the same account, they are reached as it is.
//!
//! All that is done there may be done twice: looks, messages taken and deleted, a page sent. So the
//! SDK retries it, within the limits of time of every client.

use super::{
    access::{Common, Premises},
    pace::Pace,
};
use crate::{
    ids::{Account, Region},
    model::Site,
};
use aws_config::{SdkConfig, retry::RetryConfig};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tokio::sync::OnceCell;

/// All outposts; each is manned when it is first needed.
pub struct Outposts {
    common: Common,
    pub(super) pace: Arc<Pace>,
    manned: Mutex<BTreeMap<Spot, Arc<OnceCell<Outpost>>>>,
}

/// Where an outpost is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) region: Region,
    /// The caller's own where nothing tells.
    pub(super) account: Option<Account>,
}

/// One of them, and how its services are spoken to.
#[derive(Clone)]
pub(super) struct Outpost(Arc<Inside>);

struct Inside {
    site: Site,
    config: SdkConfig,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
}

impl Outposts {
    /// Outposts that know these sites. Where a Region is none of theirs, its services answer where global
    /// ones do.
    pub fn new(premises: Premises, pace: Arc<Pace>) -> Self {
        Self { common: Common::new(premises), pace, manned: Mutex::default() }
    }

    /// The outpost at a spot.
    pub(super) async fn at(&self, spot: &Spot) -> Outpost {
        let cell = {
            let mut manned = self.manned.lock().unwrap_or_else(PoisonError::into_inner);
            manned.entry(spot.clone()).or_default().clone()
        };
        cell.get_or_init(|| self.man(spot)).await.clone()
    }

    async fn man(&self, spot: &Spot) -> Outpost {
        let site = reached(&self.common.premises, spot);
        let config = self.common.config(&site).await.into_builder().retry_config(RetryConfig::standard()).build();
        Outpost(Arc::new(Inside { site, config, cloudwatch: OnceLock::new(), sns: OnceLock::new() }))
    }
}

impl Outpost {
    pub(super) fn site(&self) -> &Site {
        &self.0.site
    }

    pub(super) fn config(&self) -> &SdkConfig {
        &self.0.config
    }

    pub(super) fn cloudwatch(&self) -> &aws_sdk_cloudwatch::Client {
        self.0.cloudwatch.get_or_init(|| aws_sdk_cloudwatch::Client::new(&self.0.config))
    }

    pub(super) fn sns(&self) -> &aws_sdk_sns::Client {
        self.0.sns.get_or_init(|| aws_sdk_sns::Client::new(&self.0.config))
    }
}

impl Spot {
    /// Where an ARN's resource is: `arn:PARTITION:SERVICE:REGION:ACCOUNT:…`, and what follows there.
    pub(super) fn of_arn<'a>(arn: &'a str, service: &str) -> Option<(Self, &'a str)> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", _, of, region, account, resource] = parts.as_slice() else { return None };
        let known = of == service && ![region, account, resource].contains(&"");
        known.then(|| (Self { region: region.into(), account: Some(account.into()) }, resource))
    }
}

/// How a spot is reached: as the site that is there; else with the credentials of a site of the same
/// account, which are good in every Region; else as whoever we are.
fn reached(premises: &Premises, spot: &Spot) -> Site {
    let of_account = |site: &&Site| {
        let known = account(site);
        (known == spot.account || known.is_none()).then_some((known != spot.account, site.region != spot.region))
    };
    let nearest = premises.sites.values().filter(|site| of_account(site).is_some()).min_by_key(of_account);
    if let Some(site) = nearest.filter(|site| site.region == spot.region) {
        return site.clone();
    }
    let name = format!("{}/{}", spot.region, spot.account.as_ref().map_or("own", Account::as_str));
    let like = nearest.cloned().unwrap_or_else(|| Site::new("own", spot.region.clone()));
    let endpoint_url = premises.global_endpoint.clone();
    Site { name: name.as_str().into(), region: spot.region.clone(), endpoint_url, ..like }
}

/// Whose a site is: the account it names, or the one of its role.
fn account(site: &Site) -> Option<Account> {
    let of_role = || site.role_arn.as_deref()?.split(':').nth(4).map(Account::from);
    site.account.clone().or_else(of_role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str, region: &str, account: Option<&str>, role: Option<&str>) -> Site {
        let role_arn = role.map(|account| format!("arn:aws:iam::{account}:role/{name}"));
        let endpoint_url = Some(format!("http://{name}"));
        Site { account: account.map(Account::from), role_arn, endpoint_url, ..Site::new(name, region) }
    }

    #[test]
    fn a_spot_is_reached_as_a_site_of_its_account() {
        let sites = [
            site("ohio", "us-east-2", None, Some("111122223333")),
            site("oregon", "us-west-2", Some("111122223333"), Some("111122223333")),
            site("mine", "us-west-2", None, None),
        ];
        let sites = sites.into_iter().map(|site| (site.name.clone(), site)).collect();
        let premises = Premises { sites, global_endpoint: Some("http://global".into()) };
        let reach = |region: &str, account: &str| {
            let found = reached(&premises, &Spot { region: region.into(), account: Some(account.into()) });
            assert_eq!(found.region.as_str(), region);
            let role = found.role_arn.unwrap_or_default();
            (found.endpoint_url.unwrap_or_default(), role.rsplit('/').next().unwrap_or_default().to_owned())
        };
        let told = |endpoint: &str, role: &str| (format!("http://{endpoint}"), role.to_owned());
        assert_eq!(reach("us-east-2", "111122223333"), told("ohio", "ohio"));
        assert_eq!(reach("us-west-2", "111122223333"), told("oregon", "oregon"));
        assert_eq!(reach("eu-west-1", "111122223333"), told("global", "ohio"), "its role is good everywhere");
        assert_eq!(reach("us-west-2", "999999999999"), told("mine", ""), "it may be ours");
        assert_eq!(reach("eu-west-1", "999999999999"), told("global", ""));
    }

    #[test]
    fn the_spot_of_an_arn() {
        let (spot, rest) =
            Spot::of_arn("arn:aws-cn:cloudwatch:cn-north-1:111122223333:alarm:a:b", "cloudwatch").expect("it is one");
        assert_eq!((spot.region.as_str(), rest), ("cn-north-1", "alarm:a:b"));
        assert_eq!(spot.account, Some("111122223333".into()));
        for wrong in ["", "arn:aws:sns:us-east-2:111122223333:dr", "arn:aws:cloudwatch::1:alarm:a", "a:b:c:d:e:f"] {
            assert_eq!(Spot::of_arn(wrong, "cloudwatch"), None, "{wrong}");
        }
    }
}
