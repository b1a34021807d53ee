//! The data of a plan.

use crate::{
    action::{Assumed, Change, Question},
    clock::{Span, Timestamp},
    ids::{Digest, ProbeName, ResourceName, RunId, SiteName, StepId},
    model::{Direction, Fact, FromTo, Impact, Mode, Objectives, Outputs, Resource, Site},
    runbook::{FailurePolicy, HoldEnd, Milestone, OnTimeout, Retry, RunWord, Simulate, Unattended},
    world::{ApiCall, Effect, Sight},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a run will do and with what. Complete: the engine asks nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The run it is for; its id is in names of what the run creates.
    pub run: RunId,
    /// The runbook's name.
    pub runbook: String,
    /// The digest of the runbook and the files it names.
    pub digest: Digest,
    /// The folder of the runbook: commands run in it, files are relative to it.
    pub folder: String,
    /// The runbook's file name inside that folder.
    pub file: String,
    /// Which way it moves.
    pub direction: Direction,
    /// Whether the site being left can be relied on.
    pub mode: Mode,
    /// The two ends.
    pub ends: Ends,
    /// All sites of the runbook.
    pub sites: BTreeMap<SiteName, Site>,
    /// All resources of the runbook.
    pub resources: BTreeMap<ResourceName, Resource>,
    /// Where global services answer, other than at their public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_endpoint: Option<String>,
    /// The parameters as they are.
    pub parameters: Map<String, Value>,
    /// What the run is measured against.
    pub objectives: Objectives,
    /// The steps in an order that respects their needs; steps left out are among them.
    pub steps: Vec<PlanStep>,
    /// The steps of `finally`, one after the other.
    pub finally: Vec<PlanStep>,
    /// When it was made.
    pub made_at: Timestamp,
    /// When the incident began, where somebody said.
    pub incident: Option<Timestamp>,
    /// What was seen when it was made.
    pub observed: Vec<Sight>,
    /// What people should know before they start it.
    pub cautions: Vec<Caution>,
    /// The ids of the steps on the longest path by predicted time, and that time; without people's.
    pub critical_path: (Vec<StepId>, Span),
    /// Predicted time from the freeze to the first accepted write; none where nothing is frozen.
    pub write_outage: Option<Span>,
    /// What would be lost if the site being left died now, where the lag is known.
    pub loss_now: Option<Span>,
}

impl Plan {
    /// A step of either list.
    pub fn step(&self, id: &StepId) -> Option<&PlanStep> {
        self.steps.iter().chain(&self.finally).find(|s| s.id == *id)
    }
    /// The effects it will probably send, in their probable order, steps of `finally` last.
    pub fn effects(&self) -> impl Iterator<Item = (&StepId, &Effect)> {
        self.steps
            .iter()
            .chain(&self.finally)
            .flat_map(|s| s.prediction.effects.iter().map(move |e| (&s.id, &e.effect)))
    }
    /// Steps that will run and cannot be undone.
    pub fn irreversible(&self) -> impl Iterator<Item = &PlanStep> {
        self.steps.iter().filter(|s| s.runs() && s.impact == Impact::Irreversible)
    }
    /// The names of the variables that its commands are given beside the usual ones.
    pub fn environment(&self) -> BTreeSet<&str> {
        let steps = || self.steps.iter().chain(&self.finally).filter(|s| s.runs());
        let own = steps().filter_map(|s| Some((s.draft.action.as_deref()?, &s.draft.with)));
        let undo = steps().filter_map(|s| s.undo.as_ref()).map(|undo| (undo.action.as_str(), &undo.with));
        let commands = own.chain(undo).filter(|(action, _)| *action == "exec");
        commands
            .filter_map(|(_, with)| with.get("environment")?.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }
    /// A site of the runbook.
    pub fn site(&self, name: &SiteName) -> Option<&Site> {
        self.sites.get(name)
    }
    /// Nothing of it would change anything.
    pub fn is_noop(&self) -> bool {
        self.effects().next().is_none()
    }
}

/// The two ends of a run; in JSON by name and Region.
pub type Ends = FromTo;

/// Something people should know before a run is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caution {
    /// The step it is about; none: the whole run.
    pub step: Option<StepId>,
    /// What.
    pub what: String,
    /// The run would be refused because of it.
    pub refuses: bool,
}

/// Which list a step is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// The list of the direction.
    Main,
    /// `finally`.
    Finally,
    /// None: an earlier run closed something with it, which may have to be opened again.
    Held,
}

/// A step, resolved as far as it can be before it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Its name.
    pub id: StepId,
    /// A name for people.
    pub name: Option<String>,
    /// Its list.
    pub section: Section,
    /// 1 for steps that can start at once, else one more than the highest wave among its needs.
    pub wave: u32,
    /// What it does; none: only its probes.
    pub draft: StepDraft,
    /// What it works on.
    pub resources: Vec<ResourceName>,
    /// Where it works.
    pub at: SiteName,
    /// What must be done before, resolved: the defaults are in.
    pub needs: Vec<StepId>,
    /// Whether it is run.
    pub run: RunWord,
    /// Left out by its `only`.
    pub left_out: bool,
    /// An expression without `${}`, what is known put in: otherwise it is left out.
    pub when: Option<String>,
    /// Its question.
    pub confirm: Option<PlannedConfirm>,
    /// How long it probably takes, where the author says so.
    pub expect: Option<Span>,
    /// How long it may take, people's time aside.
    pub timeout: Span,
    /// How it is tried again; none: what surely was not applied, within `timeout`.
    pub retry: Option<Retry>,
    /// What happens when it fails.
    pub on_failure: FailurePolicy,
    /// What takes it back.
    pub undo: Option<Undo>,
    /// What it holds closed.
    pub hold: Option<Hold>,
    /// What is reached with it.
    pub milestone: Option<Milestone>,
    /// May be skipped by hand.
    pub skippable: bool,
    /// What the sandbox answers for it.
    pub simulate: Option<Simulate>,
    /// The worst it can do.
    pub impact: Impact,
    /// What it will probably do.
    pub prediction: Prediction,
}

impl PlanStep {
    /// Whether it is run at all, as far as is known before the run.
    pub fn runs(&self) -> bool {
        self.section != Section::Held && !self.left_out && self.run != RunWord::Skip
    }
    /// Its failure stops nothing.
    pub fn best_effort(&self) -> bool {
        self.run == RunWord::BestEffort
    }
}

/// An action and its probes, expressions over outputs of steps still in them. `Inputs` is made of
/// it when an attempt starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepDraft {
    /// The action's name; none: only its probes.
    pub action: Option<String>,
    /// Its parameters.
    pub with: Map<String, Value>,
    /// Every probe it names, also inside `with`.
    pub probes: BTreeMap<ProbeName, ProbeSpec>,
    /// The probes that must hold after the action.
    pub verify: Vec<ProbeName>,
}

/// A probe as a step asks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeSpec {
    /// A `verify-…` action, or the built-in probe.
    pub action: String,
    /// What it asks about.
    pub resources: Vec<ResourceName>,
    /// Its parameters.
    pub with: Map<String, Value>,
}

/// A question, its message still with expressions over outputs of steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedConfirm {
    /// What is asked.
    pub message: String,
    /// How long an answer is waited for; none: for ever.
    pub timeout: Option<Span>,
    /// What silence means.
    pub on_timeout: OnTimeout,
    /// What it means that nobody is there at all.
    pub unattended: Unattended,
    /// How long a yes holds until the step starts.
    pub valid_for: Span,
}

/// What takes a step back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// The action.
    pub action: String,
    /// Its parameters, expressions over outputs of steps still in them.
    pub with: Map<String, Value>,
}

/// What a step holds closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// At most so long.
    pub max: Span,
    /// What happens then.
    pub then: HoldEnd,
}

/// What a step will probably do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// What it will send, in order.
    pub effects: Vec<PlannedEffect>,
    /// What had to be assumed.
    pub assumed: Vec<Assumed>,
    /// What could not be seen or foreseen, in words.
    pub unknown: Vec<String>,
    /// What people will be asked beside the step's `confirm`.
    pub asks: Vec<Question>,
    /// It cannot succeed as things are: why, and what to do.
    pub stuck: Option<(String, String)>,
    /// What it will tell later steps.
    pub outputs: Outputs,
    /// What was seen that matters.
    pub facts: Vec<Fact>,
    /// When it will probably start, from the run's start; without people's time.
    pub starts: Span,
    /// How long it will probably take: `expect`, or the typical times of what it does.
    pub takes: Span,
}

/// A predicted effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedEffect {
    /// What is sent.
    pub effect: Effect,
    /// The same as its provider names it.
    pub call: ApiCall,
    /// The same in words.
    pub change: Change,
}
