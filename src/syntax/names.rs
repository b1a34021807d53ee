//! What a runbook gives names to, gathered before anything is judged: a name may be used above the
//! place where it is given.

use super::node::{Node, is_ignored};
use crate::{
    action::{self, ActionRow},
    model::{Field, KindName},
    runbook::{KindRow, ParamType, SITE_ANSWERS, kind_row},
};
use std::collections::{BTreeMap, BTreeSet};

/// A list of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// `failover`.
    Failover,
    /// `failback`, where it is a list of its own.
    Failback,
    /// `reprotect`.
    Reprotect,
    /// `finally`.
    Finally,
}

impl Section {
    /// All of them, in the order of the reference.
    pub(super) const ALL: [Self; 4] = [Self::Failover, Self::Failback, Self::Reprotect, Self::Finally];

    /// Its key.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
            Self::Reprotect => "reprotect",
            Self::Finally => "finally",
        }
    }
}

/// A step by name.
#[derive(Debug)]
pub(super) struct StepName<'n> {
    /// Its id.
    pub(super) id: &'n str,
    /// Its list.
    pub(super) section: Section,
    /// Where it stands there.
    pub(super) index: usize,
    /// Its actions: one, or one for each mode.
    pub(super) actions: Vec<&'static ActionRow>,
}

impl StepName<'_> {
    /// An output of one of its actions.
    pub(super) fn output(&self, name: &str) -> Option<&'static Field> {
        self.outputs().find(|field| field.name == name)
    }
    /// The outputs of its actions.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &'static Field> + '_ {
        self.actions.iter().flat_map(|row| row.outputs)
    }
}

/// Everything that has a name.
#[derive(Debug, Default)]
pub(super) struct Names<'n> {
    pub(super) sites: BTreeMap<&'n str, &'n Node>,
    pub(super) primary: Option<&'n str>,
    pub(super) standbys: Vec<&'n str>,
    /// The sites where the service can be at home or move to, each once.
    pub(super) ends: Vec<&'n str>,
    /// Each with the row of its kind, where that is known.
    pub(super) resources: BTreeMap<&'n str, (Option<&'static KindRow>, &'n Node)>,
    /// What each resource is called at each site.
    identities: BTreeMap<&'n str, BTreeMap<&'n str, &'n Node>>,
    /// The built-in one is among them.
    pub(super) probes: BTreeSet<&'n str>,
    pub(super) parameters: BTreeMap<&'n str, Option<ParamType>>,
    /// Those that are stated.
    pub(super) objectives: BTreeSet<&'n str>,
    /// The first of each id.
    pub(super) steps: BTreeMap<&'n str, StepName<'n>>,
    /// Failover's steps are failback's too.
    pub(super) mirrored: bool,
}

impl<'n> Names<'n> {
    /// The names of a document; whatever is misshapen has none.
    pub(super) fn of(root: &'n Node) -> Self {
        let named = |key: &str| {
            let entries = root.get(key).map(Node::entries).unwrap_or_default();
            entries.iter().filter(|(name, _)| !is_ignored(name)).map(|(name, node)| (name.as_str(), node))
        };
        let standby = root.get("standby");
        let mut names = Self {
            sites: named("sites").collect(),
            primary: root.text_of("primary"),
            standbys: standby.into_iter().flat_map(|node| node.text().into_iter().chain(node.texts())).collect(),
            resources: named("resources")
                .map(|(name, node)| (name, (node.text_of("kind").and_then(kind_row), node)))
                .collect(),
            probes: named("probes").map(|(name, _)| name).chain([SITE_ANSWERS]).collect(),
            parameters: named("parameters").map(|(name, node)| (name, param_type(node))).collect(),
            objectives: named("objectives").map(|(name, _)| name).collect(),
            identities: named("resources")
                .map(|(name, node)| (name, node.get("sites").into_iter().flat_map(Node::meant).collect()))
                .collect(),
            ends: vec![],
            steps: BTreeMap::new(),
            mirrored: root.text_of("failback") == Some("mirror"),
        };
        names.ends = names.primary.into_iter().chain(names.standbys.iter().copied()).collect();
        names.ends.sort_unstable();
        names.ends.dedup();
        for section in Section::ALL {
            for (index, node) in root.get(section.key()).map(Node::items).unwrap_or_default().iter().enumerate() {
                if let Some(id) = node.text_of("id") {
                    let step = StepName { id, section, index, actions: actions(node) };
                    names.steps.entry(id).or_insert(step);
                }
            }
        }
        names
    }

    /// The kind of a resource, where it is known.
    pub(super) fn kind(&self, resource: &str) -> Option<KindName> {
        self.resources.get(resource).and_then(|(row, _)| *row).map(|row| row.kind)
    }

    /// What a resource is called at a site.
    pub(super) fn identity(&self, resource: &str, site: &str) -> Option<&'n Node> {
        self.identities.get(resource)?.get(site).copied()
    }

    /// The ends at which a resource is missing.
    pub(super) fn missing(&self, resource: &str) -> Vec<&'n str> {
        let there = |site: &&&str| self.sites.contains_key(**site) && self.identity(resource, site).is_none();
        self.ends.iter().filter(there).copied().collect()
    }

    /// The sites at which a step of a list can come to work. `at`: `from`, `to` or a site's name.
    pub(super) fn places(&self, at: &str, section: Section, only: Option<&str>) -> Vec<&'n str> {
        if !["from", "to"].contains(&at) {
            return self.sites.keys().copied().filter(|site| *site == at).collect();
        }
        let (forth, back) = match section {
            Section::Failover => (only != Some("failback"), self.mirrored && only != Some("failover")),
            Section::Failback => (false, true),
            Section::Reprotect | Section::Finally => (only != Some("failback"), only != Some("failover")),
        };
        let home = (forth && at == "from") || (back && at == "to");
        let away = (forth && at == "to") || (back && at == "from");
        self.ends.iter().copied().filter(|site| if Some(*site) == self.primary { home } else { away }).collect()
    }
}

/// The actions of a step in both modes.
fn actions(step: &Node) -> Vec<&'static ActionRow> {
    let of = |node: &Node| node.text_of("action").and_then(action::row);
    let own = of(step);
    let in_mode = |mode: &str| step.get(mode).and_then(of).or(own);
    let mut rows: Vec<_> = ["planned", "emergency"].into_iter().filter_map(in_mode).collect();
    rows.dedup_by_key(|row| row.name());
    rows
}

/// The type of a parameter as it is declared.
pub(super) fn param_type(node: &Node) -> Option<ParamType> {
    Some(match node.text_of("type")? {
        "string" => ParamType::String,
        "integer" => ParamType::Integer,
        "number" => ParamType::Number,
        "boolean" => ParamType::Boolean,
        "duration" => ParamType::Duration,
        "choice" => {
            ParamType::Choice(node.get("choices").map(|c| c.texts().map(str::to_owned).collect()).unwrap_or_default())
        }
        _ => return None,
    })
}
