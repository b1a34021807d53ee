//! The first stage: a runbook and what a command asked for become a plan without predictions.

use super::{
    scope::Roots,
    types::{Hold, Plan, PlanStep, PlannedConfirm, Prediction, ProbeSpec, Section, StepDraft, Undo},
};
use crate::{
    action::{ActionRow, DefaultAt, row},
    check::{Checked, graph::Graph},
    clock::{Span, Timestamp},
    ids::{ProbeName, RunId, SiteName, StepId},
    model::{
        Direction, FromTo, Impact, Mode, Place as At,
        expr::{self, Scope},
    },
    runbook::{ParamType, Parameter, Runbook, SITE_ANSWERS, Spec, Step},
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a command asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The run it is for.
    pub run: RunId,
    /// Which way.
    pub direction: Direction,
    /// Whether the site being left can be relied on.
    pub mode: Mode,
    /// The two ends.
    pub from: SiteName,
    /// See `from`.
    pub to: SiteName,
    /// `--param name=value`, as given.
    pub parameters: BTreeMap<String, String>,
    /// When the incident began, where somebody said.
    pub incident: Option<Timestamp>,
    /// The folder of the runbook.
    pub folder: String,
    /// The runbook's file name.
    pub file: String,
    /// The present.
    pub now: Timestamp,
}

/// How long a step may take when neither it nor its action says.
const PROBES_ONLY: Span = Span::mins(3);

/// A plan without predictions; otherwise all that is wrong with what was asked for.
pub fn draft(checked: &Checked, request: &Request) -> Result<Plan, Vec<String>> {
    draft_of(checked.runbook(), request)
}

/// The same, of a runbook that is known to be sound.
pub(super) fn draft_of(runbook: &Runbook, request: &Request) -> Result<Plan, Vec<String>> {
    let mut wrong = vec![];
    let parameters = parameters(runbook, &request.parameters, &mut wrong);
    let end = |name: &SiteName| runbook.sites.get(name).cloned();
    let (Some(from), Some(to)) = (end(&request.from), end(&request.to)) else {
        return Err(vec![format!("the runbook has no site {} or {}", request.from, request.to)]);
    };
    let standby = if request.from == runbook.primary { &request.to } else { &request.from };
    let roots = Roots {
        sites: &runbook.sites,
        resources: &runbook.resources,
        from: &request.from,
        to: &request.to,
        primary: &runbook.primary,
        standby,
        parameters: &parameters,
        objectives: &runbook.objectives,
        mode: request.mode,
        direction: request.direction,
        run: &request.run,
    };
    let steps = list(runbook, runbook.steps(request.direction), Section::Main, &roots, &mut wrong);
    let finally = list(runbook, &runbook.finally, Section::Finally, &roots, &mut wrong);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Plan {
        run: request.run.clone(),
        runbook: runbook.name.clone(),
        digest: runbook.digest.clone(),
        folder: request.folder.clone(),
        file: request.file.clone(),
        direction: request.direction,
        mode: request.mode,
        ends: FromTo { from, to },
        sites: runbook.sites.clone(),
        resources: runbook.resources.clone(),
        global_endpoint: runbook.global_endpoint.clone(),
        objectives: runbook.objectives,
        steps,
        finally,
        made_at: request.now,
        incident: request.incident,
        observed: vec![],
        cautions: vec![],
        critical_path: (vec![], Span::ZERO),
        write_outage: None,
        loss_now: None,
        parameters,
    })
}

/// The parameters' values: given, else default.
fn parameters(runbook: &Runbook, given: &BTreeMap<String, String>, wrong: &mut Vec<String>) -> Map<String, Value> {
    for name in given.keys().filter(|name| !runbook.parameters.contains_key(name.as_str())) {
        let known = runbook.parameters.keys().map(crate::ids::ParamName::as_str);
        let hint =
            crate::diagnostic::did_you_mean(name, known).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        wrong.push(format!("the runbook has no parameter `{name}`{hint}"));
    }
    let mut values = Map::new();
    for (name, parameter) in &runbook.parameters {
        let value = match given.get(name.as_str()) {
            Some(text) => parameter_value(parameter, text).map_err(|why| format!("--param {name}={text}: {why}")),
            None => parameter
                .default
                .clone()
                .ok_or_else(|| format!("the parameter `{name}` has no default: give it by --param {name}=VALUE")),
        };
        match value {
            Ok(value) => drop(values.insert(name.to_string(), value)),
            Err(why) => wrong.push(why),
        }
    }
    values
}

/// A parameter's value from a command line's text.
fn parameter_value(parameter: &Parameter, text: &str) -> Result<Value, String> {
    match &parameter.ty {
        ParamType::String => Ok(text.into()),
        ParamType::Integer => text.parse::<i64>().map(Value::from).map_err(|_| "not a whole number".into()),
        ParamType::Number => {
            text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from).ok_or_else(|| "not a number".into())
        }
        ParamType::Boolean => text.parse::<bool>().map(Value::from).map_err(|_| "neither true nor false".into()),
        ParamType::Duration => text.parse::<Span>().map(|s| s.to_string().into()).map_err(|e| e.to_string()),
        ParamType::Choice(words) if words.iter().any(|w| w == text) => Ok(text.into()),
        ParamType::Choice(words) => Err(format!("choose one of {}", words.join(", "))),
    }
}

fn list(
    runbook: &Runbook,
    steps: &[Step],
    section: Section,
    roots: &Roots<'_>,
    wrong: &mut Vec<String>,
) -> Vec<PlanStep> {
    let Ok(graph) = Graph::of(steps, roots.direction, roots.mode) else {
        wrong.push("steps wait for each other".into());
        return vec![];
    };
    let waves = graph.waves();
    let mut out = vec![];
    for &i in graph.order() {
        let needs = graph.waits_for(i).iter().map(|n| steps[*n].id.clone()).collect();
        match resolve(runbook, &steps[i], (section, needs, waves[i]), roots) {
            Ok(step) => out.push(step),
            Err(why) => wrong.push(format!("step {}: {why}", steps[i].id)),
        }
    }
    out
}

fn resolve(
    runbook: &Runbook,
    step: &Step,
    (section, needs, wave): (Section, Vec<StepId>, u32),
    roots: &Roots<'_>,
) -> Result<PlanStep, String> {
    let spec = step.spec(roots.mode);
    let row = spec.action.as_deref().and_then(row);
    let at = match (&spec.at, row.map(|r| r.at)) {
        (Some(At::From), _) | (None, Some(DefaultAt::From)) => roots.from.clone(),
        (Some(At::To), _) | (None, Some(DefaultAt::To) | None) => roots.to.clone(),
        (Some(At::Site(name)), _) => name.clone(),
    };
    let scope = roots.scope(&at);
    let with = expr::resolve_map(&spec.with, &scope).map_err(|e| e.why)?;
    let draft = StepDraft {
        action: spec.action.clone(),
        probes: probes(runbook, spec, &with, &scope)?,
        verify: spec.verify.clone(),
        with,
    };
    let stated = spec.impact.filter(|_| row.is_some_and(ActionRow::impact_is_stated));
    let impact = stated.or(row.map(|r| r.impact)).unwrap_or(Impact::Read);
    let resolved = |text: &Option<String>| text.as_ref().map(|t| span(t, &scope)).transpose();
    let confirm = spec.confirm.as_ref().map(|c| {
        let message = expr::resolve(&Value::String(c.message.clone()), &scope).map_err(|e| e.why)?;
        let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
        Ok::<_, String>(PlannedConfirm {
            message,
            timeout: c.timeout,
            on_timeout: c.on_timeout,
            unattended: c.unattended,
            valid_for: c.valid_for,
        })
    });
    let undo = spec.undo.as_ref().map(|u| {
        let with = expr::resolve_map(&u.with, &scope).map_err(|e| e.why)?;
        Ok::<_, String>(Undo { action: u.action.clone(), with })
    });
    let hold = spec.hold.as_ref().map(|h| Ok::<_, String>(Hold { max: span(&h.max, &scope)?, then: h.then }));
    Ok(PlanStep {
        id: step.id.clone(),
        name: spec.name.clone(),
        section,
        wave,
        draft,
        resources: spec.resources.clone(),
        at,
        needs,
        run: spec.run,
        left_out: spec.only.is_some_and(|only| only.leaves_out(roots.direction)),
        when: spec.when.clone().map(|when| known_when(&when, &scope)),
        confirm: confirm.transpose()?,
        expect: resolved(&spec.expect)?,
        timeout: resolved(&spec.timeout)?.or(row.map(|r| r.timeout)).unwrap_or(PROBES_ONLY),
        retry: spec.retry,
        on_failure: spec.on_failure,
        undo: undo.transpose()?,
        hold: hold.transpose()?,
        milestone: spec.milestone,
        skippable: spec.skippable,
        simulate: spec.simulate.clone(),
        impact,
        prediction: Prediction::default(),
    })
}

/// A `when` whose names are all known is decided now; otherwise it stays an expression.
fn known_when(when: &str, scope: &Scope) -> String {
    match expr::resolve(&Value::String(format!("${{{when}}}")), scope) {
        Ok(Value::Bool(known)) => known.to_string(),
        _ => when.to_owned(),
    }
}

fn span(text: &str, scope: &Scope) -> Result<Span, String> {
    let value = expr::resolve(&Value::String(text.to_owned()), scope).map_err(|e| e.why)?;
    value.as_str().unwrap_or_default().parse().map_err(|e: crate::clock::NotASpan| e.to_string())
}

/// Every probe that a step names, in `verify` and in `with.while`.
fn probes(
    runbook: &Runbook,
    spec: &Spec,
    with: &Map<String, Value>,
    scope: &Scope,
) -> Result<BTreeMap<ProbeName, ProbeSpec>, String> {
    let inside = with
        .get("while")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ProbeName::from);
    let inside = if spec.action.as_deref() == Some("wait") { inside.collect() } else { vec![] };
    let mut all = BTreeMap::new();
    for name in spec.verify.iter().cloned().chain(inside) {
        let built_in = name.as_str() == SITE_ANSWERS;
        let probe = match runbook.probes.get(&name) {
            Some(probe) => ProbeSpec {
                action: probe.action.clone(),
                resources: probe.resources.clone(),
                with: expr::resolve_map(&probe.with, scope).map_err(|e| e.why)?,
            },
            None if built_in => ProbeSpec { action: SITE_ANSWERS.into(), resources: vec![], with: Map::new() },
            None => return Err(format!("there is no probe `{name}`")),
        };
        all.insert(name, probe);
    }
    Ok(all)
}
