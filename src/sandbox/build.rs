//! The databases of a new world: each resource has a writer at the first of its sites and replicas
//! at the others.

use super::{
    db::{Instance, ParameterGroup},
    replication::{Link, Rows},
    state::State,
};
use crate::{
    clock::Span,
    ids::ResourceName,
    model::{DbEngine, DbIdentity, Kind},
    world::rds::{self, ApplyStatus, Settings, Status},
};
use std::collections::BTreeMap;

impl State {
    pub(super) fn build_databases(&mut self) {
        for (name, resource) in self.spec.resources.clone() {
            let Kind::RdsInstance { engine, sites, .. } = &resource.kind else { continue };
            let engine = engine.unwrap_or(DbEngine::Mysql);
            let order: Vec<_> = (0..self.spec.sites.len())
                .filter_map(|site| Some((site, sites.get(&self.spec.sites[site].name)?.clone())))
                .collect();
            let mut writer = None;
            for (site, identity) in order {
                let db = self.first_instance(&name, engine, (site, &identity), writer);
                writer = writer.or(Some(db));
            }
            if let Some(writer) = writer {
                self.active.insert(name, writer);
            }
        }
    }

    fn first_instance(
        &mut self,
        resource: &ResourceName,
        engine: DbEngine,
        (site, identity): (usize, &DbIdentity),
        source: Option<usize>,
    ) -> usize {
        let parameter_group =
            identity.parameter_group.clone().unwrap_or_else(|| format!("default.{engine:?}").to_lowercase());
        self.ensure_parameters(site, engine, &parameter_group);
        let born = self.born;
        // A new replica has its backups off; half of those that have stood for a while have them on.
        let backup_retention =
            if source.is_none() { 7 } else { u32::from(self.chance("replica backups").is_multiple_of(2)) };
        // Whoever comes to a new world is not met with a backup at once.
        let backup_window = self.some_backup_window(Span::mins(45));
        let instance = Instance {
            resource: resource.clone(),
            site,
            identifier: identity.identifier.clone(),
            resource_id: self.new_resource_id(),
            engine,
            status: Status::Available,
            busy: None,
            source,
            replication_normal: true,
            parameter_group,
            apply: ApplyStatus::InSync,
            change: 0,
            in_force: None,
            security_groups: vec![format!("sg-{}-{}", resource, self.spec.sites[site].name)],
            closed: false,
            backup_retention,
            backup_window,
            kms_key: identity.kms_key.clone(),
            settings: Settings {
                class: "db.r6g.xlarge".into(),
                subnet_group: Some(format!("{}-private", self.spec.sites[site].name)),
                option_group: None,
                multi_az: source.is_none(),
            },
            tags: BTreeMap::new(),
            hidden_until: None,
            sessions: vec![],
            stream: None,
            held: Rows::new(),
            links: source
                .map(|source| Link { source, from: born, behind: Span::ZERO, floor: born, until: None })
                .into_iter()
                .collect(),
            stopped_at: None,
            log_base: 1 << 32,
            log_since: born,
        };
        self.dbs.push(instance);
        let db = self.dbs.len() - 1;
        self.plan_backup(db);
        db
    }

    pub(super) fn new_resource_id(&mut self) -> String {
        format!("db-{:016X}", self.chance("resource id"))
    }

    fn ensure_parameters(&mut self, site: usize, engine: DbEngine, name: &str) {
        let region = self.region(site).clone();
        if !self.parameters.iter().any(|p| p.region == region && p.group.name == name) {
            let group = rds::Parameters { name: name.to_owned(), values: BTreeMap::new(), tags: BTreeMap::new() };
            self.parameters.push(ParameterGroup { region, engine, group });
        }
    }
}
