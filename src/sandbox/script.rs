//! What the runbook itself tells the sandbox: how long a step's operation is expected to take, and
//! what comes back for what cannot be simulated (`simulate`).

use crate::{
    clock::Span,
    ids::StepId,
    model::Mode,
    runbook::{Runbook, Simulate, Step},
    world::{Call, Effect, probe, rds},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The steps of a runbook, as far as the sandbox listens to them. Kept with the world, so that a run
/// is taken up without its runbook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Script(Vec<Line>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    step: StepId,
    action: Option<String>,
    expect: Option<Span>,
    simulate: Option<Simulate>,
    queries: Vec<String>,
    same_tables: Vec<String>,
}

impl Script {
    /// All steps of all lists.
    pub(super) fn of(runbook: &Runbook) -> Self {
        let lists = [&runbook.failover, &runbook.failback, &runbook.reprotect, &runbook.finally];
        Self(lists.into_iter().flatten().map(line).collect())
    }

    /// The steps' names.
    pub(super) fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|line| line.step.as_str())
    }

    /// How long an effect's operation is said to take: by its step, else by a step of that action.
    pub(super) fn expect(&self, step: Option<&str>, effect: &Effect) -> Option<Span> {
        let action = operation(effect)?;
        let of_action = || self.0.iter().filter(|line| line.action.as_deref() == Some(action));
        let own = of_action().find(|line| Some(line.step.as_str()) == step);
        match own {
            Some(line) => line.expect,
            None => of_action().find_map(|line| line.expect),
        }
    }

    /// What a step's effect comes to.
    pub(super) fn simulate(&self, step: &StepId) -> Simulate {
        let own = self.0.iter().filter(|line| line.step == *step).find_map(|line| line.simulate.clone());
        own.unwrap_or_default()
    }

    /// What SQL checks come to, found by their queries and tables.
    pub(super) fn sql(&self, probe: &probe::Sql) -> Option<&Simulate> {
        let same = |line: &&Line| line.queries == probe.queries && line.same_tables == probe.same_tables;
        self.0.iter().filter(|line| line.action.as_deref() == Some("verify-sql")).find(same)?.simulate.as_ref()
    }
}

fn line(step: &Step) -> Line {
    let spec = step.spec(Mode::Planned);
    let texts = |key: &str| match spec.with.get(key) {
        Some(Value::Array(items)) => items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => vec![],
    };
    Line {
        step: step.id.clone(),
        action: spec.action.clone(),
        // An expression is not known here; the operation then takes its typical time.
        expect: spec.expect.as_deref().and_then(|text| text.parse().ok()),
        simulate: spec.simulate.clone().or_else(|| step.spec(Mode::Emergency).simulate.clone()),
        queries: texts("queries"),
        same_tables: texts("same_at_watermark"),
    }
}

/// The action whose `expect` speaks of an effect that takes long; none for those that are quick.
fn operation(effect: &Effect) -> Option<&'static str> {
    use rds::Call as R;
    match &effect.call {
        Call::Rds(R::Promote { .. }) => Some("promote-replica"),
        Call::Rds(R::Rename { .. }) => Some("retire"),
        Call::Rds(R::CreateSnapshot { .. }) => Some("snapshot"),
        Call::Rds(R::CreateReplica(_)) => Some("reverse-replication"),
        Call::Scaling(_) => Some("scale"),
        Call::Machine(_) => Some("run-state-machine"),
        Call::Rds(R::SetParameter { .. } | R::Tag { .. } | R::SetSecurityGroups { .. } | R::WriteMarker { .. })
        | Call::Dns(_)
        | Call::Run(_)
        | Call::Post(_) => None,
    }
}

/// The step of a token `RUN-STEP-EFFECT`; neither runs nor steps hold a `-`.
pub(super) fn step_of(token: &str) -> Option<&str> {
    token.split('-').nth(1)
}

/// The run of a token.
pub(super) fn run_of(token: &str) -> &str {
    token.split('-').next().unwrap_or_default()
}
