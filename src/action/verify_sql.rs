//! `verify-sql`: the data is as it must be: no query finds a violation, and tables are equal on
//! both sites up to one watermark.

use super::{
    Action, ActionRow, Assumed, Behave, DefaultAt, Next, StepCx,
    databases::Database,
    verify_http::{assume, judge},
};
use crate::{
    clock::Span,
    model::{Field, Fields, Impact, KindName, Resource, Shape, Ty},
    world::{Target, What, World, probe},
};
use serde::{Deserialize, Serialize};

pub(super) const ROW: ActionRow = ActionRow {
    shape: Shape {
        name: "verify-sql",
        doc: "Checks the data of a database.",
        fields: &[
            Field::optional(
                "queries",
                Ty::List(&Ty::Fixed),
                "Files of queries, relative to the runbook; every row they return is a violation.",
                "[checks/invariants.sql]",
            ),
            Field::optional(
                "same_at_watermark",
                Ty::List(&Ty::Text),
                "Tables that must be equal on both sites up to one watermark.",
                "[orders]",
            ),
        ],
    },
    kinds: &[KindName::RdsInstance],
    at: DefaultAt::To,
    outputs: &[],
    impact: Impact::Read,
    calls: &[],
    timeout: Span::mins(30),
    undone_by: None,
    lower,
};

fn lower(f: &mut Fields<'_>) -> Option<Action> {
    let (queries, same_tables) =
        (f.texts("queries").unwrap_or_default(), f.texts("same_at_watermark").unwrap_or_default());
    if queries.is_empty() && same_tables.is_empty() {
        f.complain("queries", "say `queries`, `same_at_watermark`, or both");
        return None;
    }
    Some(Action::VerifySql(VerifySql { queries, same_tables }))
}

/// Parameters of `verify-sql`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifySql {
    /// Files of queries.
    pub queries: Vec<String>,
    /// Tables that must be equal on both sites.
    pub same_tables: Vec<String>,
}

impl VerifySql {
    fn target(&self, cx: &StepCx<'_>, item: &Resource) -> Option<Target> {
        let here = Database::of(item, cx.at).ok()?;
        let other = cx.sites.other(&cx.at.name);
        let there = item.db(&other.name).filter(|_| !self.same_tables.is_empty());
        Some(here.beside(What::Sql(probe::Sql {
            identifier: here.identity.identifier.clone(),
            queries: self.queries.clone(),
            same_tables: self.same_tables.clone(),
            other: there.map(|db| (db.identifier.clone(), other.region.to_string())),
        })))
    }
}

impl Behave for VerifySql {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        cx.items.iter().filter_map(|item| self.target(cx, item)).collect()
    }
    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        Next::all(self.targets(cx).iter().map(|target| judge(target, w)))
    }
    fn assume(&self, cx: &StepCx<'_>, w: &mut World) -> Option<Assumed> {
        self.targets(cx).iter().for_each(|target| assume(target, cx, w));
        Some(Assumed { what: "the data is as it must be".into(), takes: Span::mins(2) })
    }
}
