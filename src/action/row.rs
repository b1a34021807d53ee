//! The table of actions: what the language knows about each, read by parser, checks, schema,
//! reference and plan.

use super::{
    Action, confirm, exec, freeze_writes, http, measure_lag, notify, promote_replica, quarantine, retire,
    reverse_replication, run_state_machine, scale, shift_traffic, snapshot, unfreeze_writes, verify_dns, verify_http,
    verify_sql, wait, wait_for_replication,
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Shape},
    world::permission::Permission,
};
use serde_json::{Map, Value};

/// What the language knows about an action.
#[derive(Debug)]
pub struct ActionRow {
    /// Its name and the keys of its `with`.
    pub shape: Shape,
    /// The kinds of resources it works on; empty: none, `resource` is then refused.
    pub kinds: &'static [KindName],
    /// Where it works when the step does not say.
    pub at: DefaultAt,
    /// What later steps may read of it.
    pub outputs: &'static [Field],
    /// The worst it can do to production; what holds unless the author says otherwise, where only the
    /// author can know ([`ActionRow::impact_is_stated`]).
    pub impact: Impact,
    /// What AWS must allow for what it sends.
    pub calls: &'static [Permission],
    /// How long it may take when the step does not say.
    pub timeout: Span,
    /// The action that takes it back, where one does so by itself.
    pub undone_by: Option<&'static str>,
    /// Picks its parameters; complaints go into the fields.
    pub lower: fn(&mut Fields<'_>) -> Option<Action>,
}

impl ActionRow {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.shape.name
    }
    /// Whether its author states what it does to production: lifeboat cannot know.
    pub fn impact_is_stated(&self) -> bool {
        self.shape.fields.iter().any(|field| field.name == "impact")
    }
}

/// Where an action works when the step does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAt {
    /// At the site being left.
    From,
    /// At the site being moved to.
    To,
}

/// All actions of the language, in the order of the reference.
pub const ACTIONS: &[ActionRow] = &[
    measure_lag::ROW,
    wait_for_replication::ROW,
    freeze_writes::ROW,
    unfreeze_writes::ROW,
    promote_replica::ROW,
    scale::ROW,
    shift_traffic::ROW,
    quarantine::ROW,
    snapshot::ROW,
    retire::ROW,
    reverse_replication::ROW,
    verify_http::ROW,
    verify_dns::ROW,
    verify_sql::ROW,
    run_state_machine::ROW,
    exec::ROW,
    http::ROW,
    wait::ROW,
    confirm::ROW,
    notify::ROW,
];

/// The row of a name.
pub fn row(name: &str) -> Option<&'static ActionRow> {
    ACTIONS.iter().find(|row| row.shape.name == name)
}

/// An action from its name and its resolved `with`; otherwise field and complaint, for all of them.
pub fn lower(name: &str, with: &Map<String, Value>) -> Result<Action, Vec<(String, String)>> {
    let Some(row) = row(name) else { return Err(vec![(String::new(), format!("there is no action `{name}`"))]) };
    let mut fields = Fields::new(with);
    let action = (row.lower)(&mut fields);
    let problems = fields.problems();
    match action {
        Some(action) if problems.is_empty() => Ok(action),
        _ => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_row_is_taken_exactly_once() {
        let empty = Map::new();
        for row in ACTIONS {
            let mut fields = Fields::new(&empty);
            (row.lower)(&mut fields);
            let mut taken = fields.taken().to_vec();
            taken.sort_unstable();
            let mut stated: Vec<_> = row.shape.fields.iter().map(|f| f.name).collect();
            stated.sort_unstable();
            assert_eq!(taken, stated, "{}", row.name());
        }
    }

    #[test]
    fn names_are_unique_and_undos_exist() {
        for (i, one) in ACTIONS.iter().enumerate() {
            assert!(ACTIONS[..i].iter().all(|other| other.name() != one.name()), "{}", one.name());
            if let Some(undo) = one.undone_by {
                assert!(row(undo).is_some(), "{undo}");
            }
        }
    }
}
