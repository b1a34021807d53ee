//! A database instance as RDS describes it, in the words of [`crate::world::rds`].

use crate::{
    ids::SiteName,
    model::{DbEngine, Site},
    world::rds::{ApplyStatus, Db, Settings, Source, Status},
};
use aws_sdk_rds::types::{DbInstance, Tag};
use std::collections::BTreeMap;

/// Reads a description; `None` where it is not a database that lifeboat knows (another engine).
pub(super) fn read(seen: &DbInstance, at: &Site, sites: &BTreeMap<SiteName, Site>) -> Option<Db> {
    let group = seen.db_parameter_groups().first();
    let mut security_groups: Vec<_> = seen
        .vpc_security_groups()
        .iter()
        .filter(|g| g.status() != Some("removing"))
        .filter_map(|g| g.vpc_security_group_id().map(str::to_owned))
        .collect();
    security_groups.sort();
    let backup_retention = seen.backup_retention_period().and_then(|days| days.try_into().ok()).unwrap_or(0);
    let source = seen.read_replica_source_db_instance_identifier().filter(|s| !s.is_empty());
    Some(Db {
        identifier: seen.db_instance_identifier()?.to_owned(),
        resource_id: seen.dbi_resource_id().unwrap_or_default().to_owned(),
        engine: engine(seen.engine()?)?,
        status: status(seen.db_instance_status().unwrap_or_default()),
        source: source.map(|s| source_of(s, at, sites)),
        replication_normal: seen.status_infos().iter().all(|info| info.normal().unwrap_or(true)),
        parameter_group: group.and_then(|g| g.db_parameter_group_name()).unwrap_or_default().to_owned(),
        parameters: apply_status(group.and_then(|g| g.parameter_apply_status()).unwrap_or("in-sync")),
        security_groups,
        backup_retention,
        // An instance without backups has a window all the same; nothing happens in it.
        backup_window: seen.preferred_backup_window().filter(|_| backup_retention > 0).and_then(|w| w.parse().ok()),
        kms_key: seen.kms_key_id().map(str::to_owned),
        settings: Settings {
            class: seen.db_instance_class().unwrap_or_default().to_owned(),
            subnet_group: seen.db_subnet_group().and_then(|g| g.db_subnet_group_name()).map(str::to_owned),
            option_group: option_group(seen),
            multi_az: seen.multi_az().unwrap_or(false),
        },
        endpoint: seen.endpoint().and_then(|e| Some(format!("{}:{}", e.address()?, e.port()?))),
        tags: tags(seen.tag_list()),
    })
}

/// Those of lifeboat; what others tag is theirs.
pub(super) fn tags(all: &[Tag]) -> BTreeMap<String, String> {
    let ours = |t: &Tag| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned()));
    all.iter().filter_map(ours).filter(|(key, _)| key.starts_with("lifeboat:")).collect()
}

fn engine(name: &str) -> Option<DbEngine> {
    match name {
        "mysql" => Some(DbEngine::Mysql),
        "mariadb" => Some(DbEngine::Mariadb),
        "postgres" => Some(DbEngine::Postgres),
        _ => None,
    }
}

fn status(name: &str) -> Status {
    match name {
        "available" => Status::Available,
        "backing-up" => Status::BackingUp,
        "modifying" => Status::Modifying,
        "rebooting" => Status::Rebooting,
        "creating" => Status::Creating,
        "renaming" => Status::Renaming,
        "storage-optimization" => Status::StorageOptimization,
        "stopped" => Status::Stopped,
        // It serves, and takes changes (user guide, DB instance status).
        "configuring-enhanced-monitoring" => Status::Available,
        other => Status::Other(other.to_owned()),
    }
}

fn apply_status(name: &str) -> ApplyStatus {
    match name {
        "in-sync" => ApplyStatus::InSync,
        "pending-reboot" => ApplyStatus::PendingReboot,
        "failed-to-apply" => ApplyStatus::Failed,
        // `applying`, and any other word for not yet.
        _ => ApplyStatus::Applying,
    }
}

/// The default option groups are per Region and version: a new replica is given its own.
fn option_group(seen: &DbInstance) -> Option<String> {
    let name = seen.option_group_memberships().first()?.option_group_name()?;
    (!name.starts_with("default:")).then(|| name.to_owned())
}

/// A source is named by identifier in its own Region, by ARN from another.
fn source_of(name: &str, at: &Site, sites: &BTreeMap<SiteName, Site>) -> Source {
    let Some(arn) = Arn::of(name) else {
        return Source { site: Some(at.name.clone()), identifier: name.to_owned() };
    };
    let home = |site: &&Site| {
        site.region.as_str() == arn.region && site.account.as_ref().is_none_or(|a| a.as_str() == arn.account)
    };
    Source { site: sites.values().find(home).map(|s| s.name.clone()), identifier: arn.identifier.to_owned() }
}

/// The parts of `arn:aws:rds:REGION:ACCOUNT:db:IDENTIFIER`.
struct Arn<'a> {
    region: &'a str,
    account: &'a str,
    identifier: &'a str,
}

impl<'a> Arn<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let parts: Vec<_> = text.splitn(7, ':').collect();
        match parts[..] {
            ["arn", _, "rds", region, account, "db", identifier] => Some(Self { region, account, identifier }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_rds::types::{DbInstanceStatusInfo, DbParameterGroupStatus, VpcSecurityGroupMembership};

    fn read_at_oregon(seen: &DbInstance) -> Option<Db> {
        let sites = [Site::new("ohio", "us-east-2"), Site::new("oregon", "us-west-2")];
        let sites: BTreeMap<_, _> = sites.into_iter().map(|s| (s.name.clone(), s)).collect();
        read(seen, &sites[&SiteName::new("oregon")], &sites)
    }

    #[test]
    fn a_replica_knows_the_site_of_its_source() {
        let seen = DbInstance::builder()
            .db_instance_identifier("orders")
            .engine("postgres")
            .db_instance_status("available")
            .read_replica_source_db_instance_identifier("arn:aws:rds:us-east-2:111122223333:db:orders-a")
            .build();
        let db = read_at_oregon(&seen).expect("a database");
        assert_eq!(db.source, Some(Source { site: Some(SiteName::new("ohio")), identifier: "orders-a".into() }));
        assert!(db.usable() && db.replication_normal);
    }

    #[test]
    fn replication_that_is_reported_as_broken_is_not_normal() {
        let info =
            DbInstanceStatusInfo::builder().status_type("read replication").normal(false).status("error").build();
        let seen = DbInstance::builder().db_instance_identifier("orders").engine("mysql").status_infos(info).build();
        assert!(!read_at_oregon(&seen).expect("a database").replication_normal);
    }

    #[test]
    fn a_security_group_on_its_way_out_does_not_count() {
        let group = |id: &str, status: &str| {
            VpcSecurityGroupMembership::builder().vpc_security_group_id(id).status(status).build()
        };
        let seen = DbInstance::builder()
            .db_instance_identifier("orders")
            .engine("mysql")
            .vpc_security_groups(group("sg-b", "active"))
            .vpc_security_groups(group("sg-old", "removing"))
            .vpc_security_groups(group("sg-a", "adding"))
            .db_parameter_groups(DbParameterGroupStatus::builder().parameter_apply_status("applying").build())
            .build();
        let db = read_at_oregon(&seen).expect("a database");
        assert_eq!((db.security_groups, db.parameters), (vec!["sg-a".into(), "sg-b".into()], ApplyStatus::Applying));
    }

    #[test]
    fn an_engine_of_another_kind_is_no_database_of_ours() {
        let seen = DbInstance::builder().db_instance_identifier("x").engine("oracle-ee").build();
        assert!(read_at_oregon(&seen).is_none());
    }
}
