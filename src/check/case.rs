//! A list of steps as it runs in one direction and mode: what rules ask about it.
//!
//! Rules judge every case by itself; the same finding in several cases is told once (`mod`).

use super::graph::{self, Graph};
use crate::{
    action::{self, ActionRow, DefaultAt},
    clock::Span,
    diagnostic::Path,
    ids::{ResourceName, SiteName},
    model::{
        Direction, Impact, Mode, Place,
        expr::{self, Scope},
    },
    runbook::{FailurePolicy, OnTimeout, RunWord, Runbook, Spec, Step},
};
use serde_json::{Value, json};

/// A list of steps in one direction and mode, without cycles.
pub(super) struct Case<'a> {
    pub(super) runbook: &'a Runbook,
    pub(super) direction: Direction,
    pub(super) mode: Mode,
    pub(super) steps: &'a [Step],
    pub(super) graph: Graph,
    runs: Vec<Runs>,
    /// What expressions can read before a run.
    scope: Scope,
}

/// Whether a step runs, as far as the file alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    Never,
    /// Its `when` reads what only a run knows.
    Perhaps,
    Always,
}

/// Which end of the move a step works at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    From,
    To,
}

/// A question that a step asks before it starts.
pub(super) struct Question {
    pub(super) timeout: Option<Span>,
    pub(super) on_timeout: OnTimeout,
}

pub(super) const MODES: [Mode; 2] = [Mode::Planned, Mode::Emergency];

/// Every direction that the runbook has a list for.
pub(super) fn directions(runbook: &Runbook) -> impl Iterator<Item = Direction> + '_ {
    [Direction::Failover, Direction::Failback, Direction::Reprotect]
        .into_iter()
        .filter(|d| !runbook.steps(*d).is_empty())
}

/// Whether a step runs in a direction and mode.
pub(super) fn runs(step: &Step, direction: Direction, mode: Mode) -> Runs {
    if graph::is_left_out(step, direction, mode) {
        return Runs::Never;
    }
    let Some(when) = &step.spec(mode).when else { return Runs::Always };
    // Parameters and outputs differ from run to run; mode and direction are the case itself.
    let fixed = |name: &String| matches!(name.as_str(), "mode" | "direction");
    if !expr::names(when).is_ok_and(|names| names.iter().all(fixed)) {
        return Runs::Perhaps;
    }
    let scope = json!({ "mode": mode, "direction": direction });
    match scope.as_object().map(|scope| expr::eval(when, scope)) {
        Some(Ok(Value::Bool(true))) => Runs::Always,
        Some(Ok(Value::Bool(false))) => Runs::Never,
        _ => Runs::Perhaps,
    }
}

impl<'a> Case<'a> {
    /// None where the steps wait for each other.
    pub(super) fn new(runbook: &'a Runbook, direction: Direction, mode: Mode) -> Option<Self> {
        let steps = runbook.steps(direction);
        let graph = Graph::of(steps, direction, mode).ok()?;
        let runs = steps.iter().map(|step| runs(step, direction, mode)).collect();
        Some(Self { runbook, direction, mode, steps, graph, runs, scope: scope(runbook, direction, mode) })
    }

    /// `a planned failover`.
    pub(super) fn name(&self) -> String {
        match self.mode {
            Mode::Planned => format!("a planned {}", self.direction),
            Mode::Emergency => format!("an emergency {}", self.direction),
        }
    }
    pub(super) fn is(&self, mode: Mode) -> bool {
        self.mode == mode
    }
    pub(super) fn spec(&self, step: usize) -> &'a Spec {
        self.steps[step].spec(self.mode)
    }
    pub(super) fn id(&self, step: usize) -> &'a str {
        self.steps[step].id.as_str()
    }
    pub(super) fn path(&self, step: usize) -> &'a Path {
        &self.steps[step].path
    }
    /// The node that stands for a step as a whole: its id, since a step may be many lines.
    pub(super) fn place(&self, step: usize) -> Path {
        self.path(step).key("id")
    }
    /// The node of a key of a step: inside the mode's override where the modes differ in it. The
    /// base is taken to be what a planned run does.
    pub(super) fn node<T: PartialEq>(&self, step: usize, key: &str, read: fn(&Spec) -> &T) -> Path {
        let Step { path, planned, emergency, .. } = &self.steps[step];
        let overridden = self.mode == Mode::Emergency && read(planned) != read(emergency);
        if overridden { path.key("emergency").key(key) } else { path.key(key) }
    }
    /// The node that says whether a step runs in this mode.
    pub(super) fn word(&self, step: usize) -> Path {
        self.path(step).key(&self.mode.to_string())
    }

    pub(super) fn runs(&self, step: usize) -> Runs {
        self.runs[step]
    }
    /// Steps that run, or may.
    pub(super) fn running(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.steps.len()).filter(|i| self.runs(*i) != Runs::Never)
    }
    /// Steps of an action that run, or may.
    pub(super) fn acting<'s>(&'s self, action: &'s str) -> impl Iterator<Item = usize> + 's {
        self.running().filter(move |i| self.does(*i, action))
    }
    pub(super) fn before(&self, earlier: usize, step: usize) -> bool {
        self.graph.is_before(earlier, step)
    }
    /// Whether `step` never starts without `earlier` having succeeded: order apart.
    pub(super) fn assures(&self, earlier: usize, step: usize) -> bool {
        let spec = self.spec(earlier);
        let sure = match self.runs(earlier) {
            Runs::Always => true,
            Runs::Perhaps => spec.when == self.spec(step).when,
            Runs::Never => false,
        };
        sure && spec.run == RunWord::Run && spec.on_failure != FailurePolicy::Continue
    }

    pub(super) fn does(&self, step: usize, action: &str) -> bool {
        self.spec(step).action.as_deref() == Some(action)
    }
    pub(super) fn works_on(&self, step: usize, resource: &ResourceName) -> bool {
        self.spec(step).resources.contains(resource)
    }
    /// Where a step works; none where that depends on the run.
    pub(super) fn end(&self, step: usize) -> Option<End> {
        let spec = self.spec(step);
        match (&spec.at, row(spec).map(|row| row.at)) {
            (Some(Place::From), _) | (None, Some(DefaultAt::From)) => Some(End::From),
            (Some(Place::To), _) | (None, Some(DefaultAt::To) | None) => Some(End::To),
            (Some(Place::Site(site)), _) => self.end_of(site),
        }
    }
    fn end_of(&self, site: &SiteName) -> Option<End> {
        let home = *site == self.runbook.primary;
        let sure = home || self.runbook.standbys == [site.clone()];
        match self.direction {
            Direction::Failover if sure => Some(if home { End::From } else { End::To }),
            Direction::Failback if sure => Some(if home { End::To } else { End::From }),
            // A reprotect follows either move.
            Direction::Failover | Direction::Failback | Direction::Reprotect => None,
        }
    }
    /// The sites a step can work at.
    pub(super) fn sites(&self, step: usize) -> Vec<&'a SiteName> {
        let (home, away) = (&self.runbook.primary, &self.runbook.standbys);
        if let Some(Place::Site(site)) = &self.spec(step).at {
            return vec![site];
        }
        match (self.direction, self.end(step)) {
            (Direction::Failover, Some(End::From)) | (Direction::Failback, Some(End::To)) => vec![home],
            (Direction::Failover, Some(End::To)) | (Direction::Failback, Some(End::From)) => away.iter().collect(),
            _ => std::iter::once(home).chain(away).collect(),
        }
    }
    pub(super) fn impact(&self, step: usize) -> Impact {
        impact(self.spec(step))
    }
    /// Promotions at the site being moved to: step and resource.
    pub(super) fn promotions(&self) -> Vec<(usize, &'a ResourceName)> {
        if !self.direction.is_move() {
            return vec![];
        }
        let at_to = self.acting("promote-replica").filter(|i| self.end(*i) != Some(End::From));
        at_to.flat_map(|i| self.spec(i).resources.iter().map(move |r| (i, r))).collect()
    }
    /// The question a step asks, as its `confirm` or as its action.
    pub(super) fn question(&self, step: usize) -> Option<Question> {
        self.spec(step).confirm.as_ref().map(|c| Question { timeout: c.timeout, on_timeout: c.on_timeout })
    }
    /// The node of that question.
    pub(super) fn question_node(&self, step: usize) -> Path {
        if self.does(step, action::CONFIRM.name) {
            self.node(step, "with", |s| &s.with)
        } else {
            self.node(step, "confirm", |s| &s.confirm)
        }
    }

    /// How long a step may take: its own limit or its action's. No time for a question: that is
    /// people's.
    pub(super) fn limit(&self, step: usize) -> Span {
        let spec = self.spec(step);
        if self.does(step, action::CONFIRM.name) {
            return Span::ZERO;
        }
        let own = self.span(spec.timeout.as_deref());
        own.unwrap_or_else(|| row(spec).map_or(PROBE_LIMIT, |row| row.timeout))
    }
    /// How long a step usually takes, at most its limit.
    pub(super) fn usual(&self, step: usize) -> Span {
        self.span(self.spec(step).expect.as_deref()).unwrap_or_else(|| self.limit(step))
    }
    /// A length of time as the file alone tells it, parameters at their defaults.
    pub(super) fn span(&self, text: Option<&str>) -> Option<Span> {
        self.value(&Value::String(text?.to_owned()))?.as_str()?.parse().ok()
    }
    /// A value as the file alone tells it; none where only a run can.
    pub(super) fn value(&self, value: &Value) -> Option<Value> {
        let resolved = expr::resolve(value, &self.scope).ok()?;
        let open = resolved.as_str().is_some_and(expr::has_expr);
        (!open).then_some(resolved)
    }
    /// A value of a step's `with`.
    pub(super) fn with(&self, step: usize, key: &str) -> Option<Value> {
        self.value(self.spec(step).with.get(key)?)
    }
}

fn scope(runbook: &Runbook, direction: Direction, mode: Mode) -> Scope {
    let span = |span: Option<Span>| span.map(|s| s.to_string());
    let stated = &runbook.objectives;
    let objectives =
        json!({ "rto": span(stated.rto), "rpo": span(stated.rpo), "write_outage": span(stated.write_outage) });
    let defaults = runbook.parameters.iter().filter_map(|(name, p)| Some((name.to_string(), p.default.clone()?)));
    let values = [
        ("mode", json!(mode)),
        ("direction", json!(direction)),
        ("objectives", objectives),
        ("parameters", Value::Object(defaults.collect())),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// How long a step of probes alone may take, where nothing says so.
const PROBE_LIMIT: Span = Span::mins(3);

/// What the language knows about a step's action; none for probes alone.
pub(super) fn row(spec: &Spec) -> Option<&'static ActionRow> {
    action::row(spec.action.as_deref()?)
}

/// The worst a step can do: its action's, or what the author states for `exec` and `http`.
pub(super) fn impact(spec: &Spec) -> Impact {
    spec.impact.or_else(|| row(spec).map(|row| row.impact)).unwrap_or(Impact::Read)
}

/// `a, b and c`.
pub(super) fn listed<'t>(names: impl IntoIterator<Item = &'t str>) -> String {
    let names: Vec<_> = names.into_iter().map(|n| format!("`{n}`")).collect();
    match &names[..] {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
