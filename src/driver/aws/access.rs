//! Clients: who we are at a site, where its services answer, how long they may take.

use crate::{
    ids::SiteName,
    model::Site,
    world::{Target, permission::READS},
};
use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider, timeout::TimeoutConfig,
};
use aws_sdk_rds::config::{ConfigBag, SharedCredentialsProvider};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::SharedHttpClient,
        interceptors::{Intercept, context::BeforeSerializationInterceptorContextRef},
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, OnceLock},
    time::Duration,
};
use tokio::sync::OnceCell;

/// A connection is there within this, or the Region is as good as gone.
const CONNECT: Duration = Duration::from_secs(2);
/// One try of a call.
const ATTEMPT: Duration = Duration::from_secs(10);
/// A call with its retries.
const OPERATION: Duration = Duration::from_secs(30);

/// Where a run can go: its sites, and where the services that belong to none of them answer.
#[derive(Clone, Debug, Default)]
pub struct Premises {
    /// All sites of the runbook.
    pub sites: BTreeMap<SiteName, Site>,
    /// Where global services answer, other than at their public address.
    pub global_endpoint: Option<String>,
}

impl Premises {
    /// The Region that signs for Route 53 (its endpoint's rule set).
    const GLOBAL_REGION: &'static str = "us-east-1";

    /// The site of a name; the one of [`Target::GLOBAL`] stands for what belongs to none.
    fn site(&self, name: &SiteName) -> Option<Site> {
        if name.as_str() != Target::GLOBAL {
            return self.sites.get(name).cloned();
        }
        let endpoint_url = self.global_endpoint.clone();
        Some(Site { endpoint_url, ..Site::new(name.as_str(), Self::GLOBAL_REGION) })
    }
}

/// What clients are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// Looking: retried, and nothing but reads.
    Read,
    /// Changing: sent once.
    Write,
}

/// What looking and changing have in common: where they go, who we are there, and the connections.
/// Credentials are a site's own, even where several sites name the same profile: they may come from
/// a service in the site's Region, and must not depend on a Region that is gone.
pub(super) struct Common {
    pub(super) premises: Premises,
    configs: BTreeMap<SiteName, OnceCell<SdkConfig>>,
    https: OnceLock<SharedHttpClient>,
    plain: OnceLock<SharedHttpClient>,
}

/// The clients of all sites, for one purpose; made when they are first needed.
pub(super) struct Access {
    purpose: Purpose,
    common: Arc<Common>,
    made: BTreeMap<SiteName, OnceCell<Clients>>,
}

/// Made when it is first used: most runs need few services of a site, and a client costs as much as
/// half a call.
type Made<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

/// The clients of a site.
pub(super) struct Clients {
    pub(super) autoscaling: Made<aws_sdk_autoscaling::Client>,
    pub(super) cloudwatch: Made<aws_sdk_cloudwatch::Client>,
    pub(super) rds: Made<aws_sdk_rds::Client>,
    pub(super) route53: Made<aws_sdk_route53::Client>,
    pub(super) secrets: Made<aws_sdk_secretsmanager::Client>,
    pub(super) sfn: Made<aws_sdk_sfn::Client>,
    pub(super) sts: Made<aws_sdk_sts::Client>,
}

impl Access {
    pub(super) fn for_reads(premises: Premises) -> Self {
        Self::new(Purpose::Read, Arc::new(Common::new(premises)))
    }

    /// Clients that change, on the same premises.
    pub(super) fn for_writes(&self) -> Self {
        Self::new(Purpose::Write, self.common.clone())
    }

    fn new(purpose: Purpose, common: Arc<Common>) -> Self {
        Self { purpose, made: common.configs.keys().map(|n| (n.clone(), OnceCell::new())).collect(), common }
    }

    /// A site and its clients; none where the runbook has no such site.
    pub(super) async fn at(&self, site: &SiteName) -> Option<(Site, &Clients)> {
        let known = self.common.premises.site(site)?;
        let made = || async { clients(self.common.config(&known).await, self.purpose) };
        let clients = self.made.get(site)?.get_or_init(made).await;
        Some((known, clients))
    }

    pub(super) fn premises(&self) -> &Premises {
        &self.common.premises
    }
}

impl Common {
    pub(super) fn new(premises: Premises) -> Self {
        let global = SiteName::new(Target::GLOBAL);
        let names = premises.sites.keys().cloned().chain([global]);
        let configs = names.map(|n| (n, OnceCell::new())).collect();
        Self { configs, premises, https: OnceLock::new(), plain: OnceLock::new() }
    }

    /// Who we are at a site, and how its services are spoken to.
    pub(super) async fn config(&self, site: &Site) -> SdkConfig {
        let loaded = || config(site, self.http_client(site.endpoint_url.as_deref()));
        match self.configs.get(&site.name) {
            Some(once) => once.get_or_init(loaded).await.clone(),
            None => loaded().await,
        }
    }

    /// HTTPS by rustls; where only plain HTTP is spoken the machine's certificates are not even
    /// loaded, which takes longer than a call.
    fn http_client(&self, endpoint: Option<&str>) -> SharedHttpClient {
        let builder = aws_smithy_http_client::Builder::new;
        if endpoint.is_some_and(|url| url.starts_with("http://")) {
            return self.plain.get_or_init(|| builder().build_http()).clone();
        }
        let encrypted = || builder().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
        self.https.get_or_init(encrypted).clone()
    }
}

fn clients(config: SdkConfig, purpose: Purpose) -> Clients {
    let retries = match purpose {
        Purpose::Read => RetryConfig::standard(),
        Purpose::Write => RetryConfig::disabled(),
    };
    let config = config.into_builder().retry_config(retries).build();
    macro_rules! client {
        ($service:ident) => {{
            let config = config.clone();
            LazyLock::new(Box::new(move || {
                let builder = $service::config::Builder::from(&config);
                $service::Client::from_conf(match purpose {
                    Purpose::Read => builder.interceptor(ReadsOnly).build(),
                    Purpose::Write => builder.build(),
                })
            }))
        }};
    }
    Clients {
        autoscaling: client!(aws_sdk_autoscaling),
        cloudwatch: client!(aws_sdk_cloudwatch),
        rds: client!(aws_sdk_rds),
        route53: client!(aws_sdk_route53),
        secrets: client!(aws_sdk_secretsmanager),
        sfn: client!(aws_sdk_sfn),
        sts: client!(aws_sdk_sts),
    }
}

async fn config(site: &Site, http_client: SharedHttpClient) -> SdkConfig {
    let region = Region::new(site.region.to_string());
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .http_client(http_client)
        .timeout_config(timeouts.build());
    if let Some(url) = &site.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(profile) = &site.profile {
        loader = loader.profile_name(profile);
    }
    let own = loader.load().await;
    let Some(role) = &site.role_arn else { return own };
    let mut assumed = AssumeRoleProvider::builder(role).session_name("lifeboat").region(region).configure(&own);
    if let Some(id) = &site.external_id {
        assumed = assumed.external_id(id);
    }
    own.into_builder().credentials_provider(SharedCredentialsProvider::new(assumed.build().await)).build()
}

/// Stops whatever is no read before it leaves: a look changes nothing, whoever writes its code.
#[derive(Debug)]
struct ReadsOnly;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for ReadsOnly {
    fn name(&self) -> &'static str {
        "ReadsOnly"
    }
    // Not before execution: of a client's interceptor that comes before the operation is known.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match config.load::<Metadata>() {
            Some(call) if READS.iter().any(|read| read.name == call.name()) => Ok(()),
            call => Err(format!("a look may not call {}", call.map_or("this", Metadata::name)).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_rds::error::DisplayErrorContext;

    #[tokio::test]
    async fn what_looks_cannot_change() {
        // Nobody answers there: a call that left would be told apart by its error.
        let premises = Premises { global_endpoint: Some("http://127.0.0.1:9".into()), ..Premises::default() };
        let access = Access::for_reads(premises);
        let (_, clients) = access.at(&SiteName::new(Target::GLOBAL)).await.expect("it is always there");
        let refused = clients.rds.promote_read_replica().db_instance_identifier("orders").send().await;
        let why = DisplayErrorContext(refused.expect_err("it is no read")).to_string();
        assert!(why.contains("a look may not call PromoteReadReplica"), "{why}");
    }
}
