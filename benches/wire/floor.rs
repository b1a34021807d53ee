//! The floor: the flow as a bare program on the SDK does it. Five calls, nothing kept, nothing asked.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_autoscaling::types::LifecycleState;
use aws_sdk_rds::types::DbInstance;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use std::{error::Error, time::Duration};

/// Between two describes of what is not there yet.
const PAUSE: Duration = Duration::from_millis(500);

type Done = Result<(), Box<dyn Error>>;

/// The whole program.
pub fn run(connector: &str, endpoint: &str, zone: &str) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let builder = aws_smithy_http_client::Builder::new();
        let http = match connector {
            "http" => builder.build_http(),
            _ => builder.tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https(),
        };
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http).endpoint_url(endpoint);
        let config = loader.region(Region::new("us-west-2")).load().await;
        database(&config).await?;
        servers(&config).await?;
        records(&config, zone).await
    })
}

async fn database(config: &SdkConfig) -> Done {
    let rds = aws_sdk_rds::Client::new(config);
    let describe = async || {
        let found = rds.describe_db_instances().db_instance_identifier("orders").send().await?;
        found.db_instances().first().cloned().ok_or_else(|| Box::<dyn Error>::from("no such database"))
    };
    let is_replica = |db: &DbInstance| db.read_replica_source_db_instance_identifier().is_some_and(|s| !s.is_empty());
    if is_replica(&describe().await?) {
        rds.promote_read_replica().db_instance_identifier("orders").send().await?;
    }
    loop {
        let db = describe().await?;
        if db.db_instance_status() == Some("available") && !is_replica(&db) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn servers(config: &SdkConfig) -> Done {
    let scaling = aws_sdk_autoscaling::Client::new(config);
    let size = scaling.update_auto_scaling_group().auto_scaling_group_name("web");
    size.min_size(4).desired_capacity(8).max_size(16).send().await?;
    loop {
        let found = scaling.describe_auto_scaling_groups().auto_scaling_group_names("web").send().await?;
        let serving = |state: Option<&LifecycleState>| state == Some(&LifecycleState::InService);
        let all = found.auto_scaling_groups().iter().flat_map(aws_sdk_autoscaling::types::AutoScalingGroup::instances);
        if all.filter(|one| serving(one.lifecycle_state())).count() >= 8 {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn records(config: &SdkConfig, zone: &str) -> Done {
    let global = config.to_builder().region(Region::new("us-east-1")).build();
    let change = |site: &str, weight, address: &str| {
        let set = ResourceRecordSet::builder()
            .name("www.example.com")
            .r#type(RrType::A)
            .set_identifier(site)
            .weight(weight)
            .ttl(60)
            .resource_records(ResourceRecord::builder().value(address).build()?)
            .build()?;
        Change::builder().action(ChangeAction::Upsert).resource_record_set(set).build()
    };
    let changes = ChangeBatch::builder().changes(change("ohio", 0, "192.0.2.1")?);
    let batch = changes.changes(change("oregon", 100, "192.0.2.2")?).build()?;
    let dns = aws_sdk_route53::Client::new(&global);
    dns.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await?;
    Ok(())
}
