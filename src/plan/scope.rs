//! What expressions read, and the inputs of an attempt made of it.

use super::types::{Plan, PlanStep};
use crate::{
    action::{Asked, Inputs, lower},
    ids::{ProbeName, ResourceName, RunId, SiteName, StepId},
    model::{
        Direction, Mode, Objectives, Outputs, Resource, Site,
        expr::{self, Scope},
    },
    runbook::SITE_ANSWERS,
};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, cell::LazyCell, collections::BTreeMap};

/// What every expression of a run reads, outputs of steps and the step's own site aside.
pub(super) struct Roots<'a> {
    pub(super) sites: &'a BTreeMap<SiteName, Site>,
    pub(super) resources: &'a BTreeMap<ResourceName, Resource>,
    pub(super) from: &'a SiteName,
    pub(super) to: &'a SiteName,
    pub(super) primary: &'a SiteName,
    pub(super) standby: &'a SiteName,
    pub(super) parameters: &'a Map<String, Value>,
    pub(super) objectives: &'a Objectives,
    pub(super) mode: Mode,
    pub(super) direction: Direction,
    pub(super) run: &'a RunId,
}

impl Roots<'_> {
    /// The scope of a step that works at a site.
    pub(super) fn scope(&self, at: &SiteName) -> Scope {
        let span = |s: Option<crate::clock::Span>| s.map_or(Value::Null, |s| s.to_string().into());
        let objectives = json!({ "rto": span(self.objectives.rto), "rpo": span(self.objectives.rpo), "write_outage": span(self.objectives.write_outage) });
        let values = [
            ("from", self.site(self.from)),
            ("to", self.site(self.to)),
            ("at", self.site(at)),
            ("primary", self.site(self.primary)),
            ("standby", self.site(self.standby)),
            ("parameters", Value::Object(self.parameters.clone())),
            ("objectives", objectives),
            ("mode", self.mode.to_string().into()),
            ("direction", self.direction.to_string().into()),
            ("run", json!({ "id": self.run.as_str() })),
        ];
        values.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
    }

    fn site(&self, name: &SiteName) -> Value {
        let Some(site) = self.sites.get(name) else { return Value::Null };
        let mut map: Map<String, Value> =
            self.resources.values().map(|r| (r.name.to_string(), r.attributes(name))).collect();
        map.insert("name".into(), site.name.as_str().into());
        map.insert("region".into(), site.region.as_str().into());
        map.insert("account".into(), site.account.as_ref().map_or(Value::Null, |a| a.as_str().into()));
        Value::Object(map)
    }
}

/// What the expressions that a plan left open read: the outputs of steps. What is not there is undefined, so
/// that `default(…)` works.
pub fn scope(outputs: &BTreeMap<StepId, Outputs>) -> Scope {
    let steps: Map<String, Value> =
        outputs.iter().map(|(id, o)| (id.to_string(), Value::Object(o.clone().into_iter().collect()))).collect();
    Scope::from_iter([("steps".to_owned(), Value::Object(steps))])
}

/// The inputs of an attempt: every expression resolved, every parameter typed. Otherwise why not. Outputs
/// are asked for where an expression may read them.
pub fn inputs(step: &PlanStep, outputs: &dyn Fn() -> BTreeMap<StepId, Outputs>) -> Result<Inputs, String> {
    let scope = Open::new(|| scope(&outputs()));
    let action = match &step.draft.action {
        Some(name) => Some(typed(name, &step.draft.with, &scope)?),
        None => None,
    };
    let mut probes = BTreeMap::new();
    for (name, probe) in &step.draft.probes {
        let action = self::probe(name, &probe.action, &probe.with, &scope)?;
        probes.insert(name.clone(), Asked { action, resources: probe.resources.clone() });
    }
    Ok(Inputs { action, probes, verify: step.draft.verify.clone() })
}

/// The inputs of a step's undo; none where it has none.
pub fn undo_inputs(step: &PlanStep, outputs: &dyn Fn() -> BTreeMap<StepId, Outputs>) -> Option<Result<Inputs, String>> {
    let undo = step.undo.as_ref()?;
    let action = typed(&undo.action, &undo.with, &Open::new(|| scope(&outputs())));
    Some(action.map(|action| Inputs { action: Some(action), probes: BTreeMap::new(), verify: vec![] }))
}

/// A question's message, outputs of steps put in; the text as it is where that fails, since a
/// question must never be lost to its wording.
pub fn message(plan: &Plan, text: &str, outputs: &BTreeMap<StepId, Outputs>) -> String {
    let mut known: BTreeMap<StepId, Outputs> = plan.steps.iter().map(|s| (s.id.clone(), Outputs::new())).collect();
    known.extend(outputs.clone());
    match expr::resolve(&Value::String(text.to_owned()), &scope(&known)) {
        Ok(Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => text.to_owned(),
    }
}

fn typed<F: FnOnce() -> Scope>(
    name: &str,
    with: &Map<String, Value>,
    scope: &Open<F>,
) -> Result<crate::action::Action, String> {
    let resolve = || expr::resolve_map(with, scope).map_err(|e| e.why);
    let with = if with.values().any(asks) { Cow::Owned(resolve()?) } else { Cow::Borrowed(with) };
    lower(name, &with)
        .map_err(|all| all.into_iter().map(|(field, why)| format!("`{field}`: {why}")).collect::<Vec<_>>().join("; "))
}

/// What open expressions read, made where one asks for it: it has every step of the run.
type Open<F> = LazyCell<Scope, F>;

/// Whether an expression, or what is written like one, stands in a value.
fn asks(value: &Value) -> bool {
    expr::any_text(value, &|text| text.contains("${"))
}

fn probe<F: FnOnce() -> Scope>(
    name: &ProbeName,
    action: &str,
    with: &Map<String, Value>,
    scope: &Open<F>,
) -> Result<crate::action::Action, String> {
    if name.as_str() == SITE_ANSWERS {
        return Ok(crate::action::Action::site_answers());
    }
    typed(action, with, scope)
}
