//! From the tree to the types of `runbook`. The walk has complained already, so whatever cannot be
//! used is passed over here; a runbook with a misshapen part is thrown away by the caller.

use super::{
    names::{Names, Section, param_type},
    node::Node,
    triggers, walk,
};
use crate::{
    action,
    clock::Span,
    ids::{Account, Digest, ParamName, ProbeName, Region, ResourceName, SiteName},
    model::{
        Connection, DbIdentity, GroupIdentity, Kind, KindName, MachineIdentity, Objectives, Password, RecordIdentity,
        Resource, Site, Size,
    },
    runbook::{Parameter, Probe, Runbook, Step},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The steps of each list.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) failover: Vec<Step>,
    pub(super) failback: Vec<Step>,
    pub(super) reprotect: Vec<Step>,
    pub(super) finally: Vec<Step>,
}

impl Lists {
    /// A list by its section.
    pub(super) fn of(&mut self, section: Section) -> &mut Vec<Step> {
        match section {
            Section::Failover => &mut self.failover,
            Section::Failback => &mut self.failback,
            Section::Reprotect => &mut self.reprotect,
            Section::Finally => &mut self.finally,
        }
    }
}

/// The runbook of a document whose lists are lowered already.
pub(super) fn runbook(root: &Node, names: &Names<'_>, lists: Lists, digest: Digest) -> Option<Runbook> {
    let text = |key: &str| root.text_of(key).map(str::to_owned);
    let failback = if names.mirrored { lists.failover.clone() } else { lists.failback };
    Some(Runbook {
        name: text("name")?,
        description: text("description"),
        owner: text("owner"),
        strategy: text("strategy"),
        objectives: root.get("objectives").map(objectives).unwrap_or_default(),
        sites: names.sites.iter().filter_map(|(name, node)| Some((SiteName::from(*name), site(name, node)?))).collect(),
        global_endpoint: root.get("aws").and_then(|aws| aws.text_of("endpoint_url")).map(str::to_owned),
        primary: SiteName::from(names.primary?),
        standbys: names.standbys.iter().map(|name| SiteName::from(*name)).collect(),
        parameters: named(root, "parameters", parameter).map(|(k, v)| (ParamName::new(k), v)).collect(),
        resources: names
            .resources
            .iter()
            .filter_map(|(name, (row, node))| {
                let name = ResourceName::from(*name);
                Some((name.clone(), Resource { name, kind: kind((*row)?.kind, node)? }))
            })
            .collect(),
        probes: named(root, "probes", probe).map(|(k, v)| (ProbeName::new(k), v)).collect(),
        failover: lists.failover,
        failback,
        mirrored: names.mirrored,
        reprotect: lists.reprotect,
        finally: lists.finally,
        triggers: items(root, "triggers").filter_map(triggers::trigger).collect(),
        notify: items(root, "notify").filter_map(triggers::notify).collect(),
        digest,
    })
}

/// The items of a list under a key.
fn items<'n>(root: &'n Node, key: &str) -> impl Iterator<Item = &'n Node> {
    root.get(key).map(Node::items).unwrap_or_default().iter()
}

/// The values of a mapping of names.
fn named<T>(root: &Node, key: &str, lower: fn(&Node) -> Option<T>) -> impl Iterator<Item = (String, T)> {
    root.get(key)
        .into_iter()
        .flat_map(Node::meant)
        .filter_map(move |(name, node)| Some((name.to_owned(), lower(node)?)))
}

/// A length of time under a key.
pub(super) fn span(node: &Node, key: &str) -> Option<Span> {
    node.text_of(key)?.parse().ok()
}

/// A word under a key, as one of the words of an enumeration.
pub(super) fn word<T: DeserializeOwned>(node: &Node, key: &str) -> Option<T> {
    serde_json::from_value(Value::String(node.text_of(key)?.to_owned())).ok()
}

/// The resources of a step or probe, however they are written.
pub(super) fn resources(node: &Node) -> Vec<ResourceName> {
    let several = node.get("resources").into_iter().flat_map(Node::texts);
    node.text_of("resource").into_iter().chain(several).map(ResourceName::from).collect()
}

/// The `with` of an action.
pub(super) fn with(action: Option<&str>, node: &Node) -> Map<String, Value> {
    match (action.and_then(action::row), node.get("with")) {
        (Some(row), Some(with)) => walk::values(&row.shape, with),
        _ => Map::new(),
    }
}

fn objectives(node: &Node) -> Objectives {
    Objectives { rto: span(node, "rto"), rpo: span(node, "rpo"), write_outage: span(node, "write_outage") }
}

fn site(name: &str, node: &Node) -> Option<Site> {
    let text = |key: &str| node.text_of(key).map(str::to_owned);
    Some(Site {
        name: SiteName::from(name),
        region: Region::new(text("region")?),
        account: text("account").map(Account::new),
        role_arn: text("role_arn"),
        external_id: text("external_id"),
        profile: text("profile"),
        endpoint_url: text("endpoint_url"),
    })
}

fn parameter(node: &Node) -> Option<Parameter> {
    let ty = param_type(node)?;
    let default = node.get("default").map(|default| super::parameters::value(&ty, default));
    Some(Parameter {
        ty,
        default,
        description: node.text_of("description").map(str::to_owned),
        path: node.path.clone(),
    })
}

fn probe(node: &Node) -> Option<Probe> {
    let action = node.text_of("action")?.to_owned();
    let with = with(Some(&action), node);
    Some(Probe { action, resources: resources(node), with, path: node.path.clone() })
}

fn kind(kind: KindName, node: &Node) -> Option<Kind> {
    Some(match kind {
        KindName::RdsInstance => Kind::RdsInstance {
            engine: word(node, "engine"),
            sites: at_sites(node, database),
            connection: node.get("connection").map(connection),
        },
        KindName::AutoscalingGroup => Kind::AutoscalingGroup {
            sizes: named(node, "sizes", size).collect(),
            sites: at_sites(node, |node| Some(GroupIdentity { name: node.text_of("name")?.to_owned() })),
        },
        KindName::WeightedRecord => Kind::WeightedRecord {
            zone: node.text_of("zone")?.to_owned(),
            records: texts(node, "records").into_iter().map(|r| r.trim_end_matches('.').to_owned()).collect(),
            record_type: node.text_of("type")?.to_owned(),
            sites: at_sites(node, |node| {
                Some(RecordIdentity { set_identifier: node.text_of("set_identifier")?.to_owned() })
            }),
        },
        KindName::StateMachine => Kind::StateMachine {
            sites: at_sites(node, |node| Some(MachineIdentity { arn: node.text_of("arn")?.to_owned() })),
        },
    })
}

fn at_sites<T>(node: &Node, lower: fn(&Node) -> Option<T>) -> BTreeMap<SiteName, T> {
    named(node, "sites", lower).map(|(name, identity)| (SiteName::new(name), identity)).collect()
}

fn texts(node: &Node, key: &str) -> Vec<String> {
    node.get(key).map(|list| list.texts().map(str::to_owned).collect()).unwrap_or_default()
}

fn database(node: &Node) -> Option<DbIdentity> {
    Some(DbIdentity {
        identifier: node.text_of("identifier")?.to_owned(),
        parameter_group: node.text_of("parameter_group").map(str::to_owned),
        quarantine_security_groups: texts(node, "quarantine_security_groups"),
        kms_key: node.text_of("kms_key").map(str::to_owned),
    })
}

fn connection(node: &Node) -> Connection {
    let text = |key: &str| node.text_of(key).map(str::to_owned);
    Connection {
        database: text("database"),
        user: text("user"),
        password: node.get("password").and_then(password),
        port: node.text_of("port").and_then(|port| port.parse().ok()),
        tls: word(node, "tls").unwrap_or_default(),
        ca: text("ca"),
    }
}

fn password(node: &Node) -> Option<Password> {
    let env = node.text_of("env").map(|name| Password::Env(name.to_owned()));
    env.or_else(|| Some(Password::Secret(node.text_of("secret")?.to_owned())))
}

fn size(node: &Node) -> Option<Size> {
    let count = |key: &str| node.text_of(key)?.parse().ok();
    Some(Size { min: count("min")?, desired: count("desired")?, max: count("max")? })
}
