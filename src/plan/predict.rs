//! The second stage: what each step will probably do, each in the world that the steps before it
//! will have left.

use super::{
    paths,
    scope::inputs,
    types::{Caution, Plan, PlanStep, PlannedEffect, Prediction},
};
use crate::{
    action::{Asked, Assumed, Change, Inputs, Next, PastEffect, StepCx, StepPast, writers},
    clock::{Span, Timestamp},
    ids::{ProbeName, StepId},
    model::{Mode, Outputs, expr},
    runbook::RunWord,
    world::{Seen, Sight, Target, What, World, dns::ChangeStatus, probe::Answer, rds},
};
use std::collections::{BTreeMap, BTreeSet};

/// More turns than that in one step mean that it does not converge.
const TURNS: u32 = 64;

/// Predicts every step of a plan on the sights of a world. Gives the targets that it had no sight
/// of: look at them and predict again; what stays without one is planned as unknown.
pub fn predict(plan: &mut Plan, world: &World) -> BTreeSet<Target> {
    let mut run = Chain {
        overlay: world.clone(),
        outputs: BTreeMap::new(),
        ends: BTreeMap::new(),
        missing: BTreeSet::new(),
        cautions: vec![],
    };
    let mut steps = std::mem::take(&mut plan.steps);
    let mut finally = std::mem::take(&mut plan.finally);
    for step in &mut steps {
        run.step(plan, step);
    }
    let mut end = run.ends.values().max().copied().unwrap_or_default();
    for step in &mut finally {
        run.step(plan, step);
        step.prediction.starts = end;
        end = end + step.prediction.takes;
    }
    plan.steps = steps;
    plan.finally = finally;
    plan.observed = world.sights().cloned().collect();
    plan.cautions = run.cautions;
    plan.critical_path = paths::critical(plan);
    plan.write_outage = paths::write_outage(plan);
    plan.loss_now = paths::loss_now(plan, world);
    run.missing
}

/// Whether a condition will hold.
#[derive(Debug, PartialEq)]
enum When {
    Yes,
    No,
    /// It reads what only the run will know.
    Unknown(String),
}

/// What the steps before have left.
struct Chain {
    overlay: World,
    outputs: BTreeMap<StepId, Outputs>,
    ends: BTreeMap<StepId, Span>,
    missing: BTreeSet<Target>,
    cautions: Vec<Caution>,
}

impl Chain {
    fn step(&mut self, plan: &Plan, step: &mut PlanStep) {
        let starts = step.needs.iter().filter_map(|n| self.ends.get(n)).max().copied().unwrap_or_default();
        let when = step.when.as_deref().map(|when| self.when(plan, when));
        step.prediction = Prediction { starts, ..Prediction::default() };
        if let Some(When::Unknown(of)) = &when {
            step.prediction.unknown.push(format!("whether it runs depends on {of}"));
        }
        if step.runs() && when != Some(When::No) {
            match inputs(step, &|| self.outputs.clone()) {
                Ok(inputs) => self.attempt(plan, step, &inputs),
                Err(why) => step.prediction.unknown.push(why),
            }
            if let Some(expect) = step.expect {
                step.prediction.takes = expect;
            }
        }
        self.outputs.insert(step.id.clone(), step.prediction.outputs.clone());
        self.ends.insert(step.id.clone(), starts + step.prediction.takes);
        if let Some((why, _)) = &step.prediction.stuck {
            self.caution(step, why.clone(), !step.best_effort());
        }
    }

    /// Whether a step's condition holds, as far as that can be foreseen.
    fn when(&self, plan: &Plan, when: &str) -> When {
        let mut scope = super::scope::scope(&self.outputs);
        scope.insert("parameters".into(), plan.parameters.clone().into());
        scope.insert("mode".into(), plan.mode.to_string().into());
        scope.insert("direction".into(), plan.direction.to_string().into());
        let untold = |name: &String| {
            let parts: Vec<_> = name.split('.').collect();
            matches!(parts[..], ["steps", step, output, ..] if self.outputs.get(step).is_none_or(|o| !o.contains_key(output)))
        };
        match expr::names(when).unwrap_or_default().into_iter().find(untold) {
            Some(name) => When::Unknown(name),
            None if expr::eval(when, &scope) == Ok(false.into()) => When::No,
            None => When::Yes,
        }
    }

    fn caution(&mut self, step: &PlanStep, what: String, refuses: bool) {
        self.cautions.push(Caution { step: Some(step.id.clone()), what, refuses });
    }

    /// Asks the step what is left, does that to the overlay, and asks again.
    fn attempt(&mut self, plan: &Plan, step: &mut PlanStep, inputs: &Inputs) {
        let began = plan.made_at + step.prediction.starts;
        let mut past = StepPast { started: began, ..StepPast::default() };
        let mut now = began;
        for _ in 0..TURNS {
            let cx = context(plan, step, &inputs.probes, &past, now);
            self.look(inputs, &cx);
            let next = inputs.next(&cx, &self.overlay);
            match next {
                Next::Done { outputs, facts } => {
                    step.prediction.outputs = outputs;
                    step.prediction.facts.extend(facts);
                    step.prediction.takes = now.since(began);
                    return;
                }
                Next::Send { effect, before } => {
                    if let Some(action) = &inputs.action {
                        self.judge(plan, step, &writers::judge(action, &cx, &self.overlay));
                    }
                    now = now + effect.predict(&mut self.overlay, now);
                    step.prediction.effects.push(PlannedEffect {
                        call: effect.call(),
                        effect: (*effect).clone(),
                        change: Change::of(&effect, before),
                    });
                    past.sent.push(PastEffect {
                        effect: effect.into(),
                        at: now,
                        receipt: Some(crate::world::Receipt::default()),
                    });
                }
                Next::Ask { question, facts, .. } => {
                    step.prediction.asks.push(question);
                    step.prediction.facts.extend(facts);
                    past.answers.insert(question, true);
                }
                Next::Stuck { why, hint } => {
                    step.prediction.stuck = Some((why, hint));
                    step.prediction.takes = now.since(began);
                    return;
                }
                Next::Wait { until: Some(until), holds, .. } if until > now => {
                    if holds == Some(true) {
                        past.holding_since.get_or_insert(now);
                    }
                    now = until;
                }
                Next::Wait { on, why, .. } => {
                    let assumed = self.assume(inputs, &cx, &on, &why);
                    if assumed.is_empty() {
                        self.proofless(plan, step, &on, &why);
                        step.prediction.unknown.push(why);
                        step.prediction.takes =
                            if step.run == RunWord::BestEffort { step.timeout } else { now.since(began) };
                        return;
                    }
                    now = now + assumed.iter().map(|a| a.takes).max().unwrap_or_default();
                    step.prediction.assumed.extend(assumed);
                }
            }
        }
        step.prediction.unknown.push("it does not converge in the plan's world".into());
    }

    /// Sees to it that every target has a sight, were it of our ignorance.
    fn look(&mut self, inputs: &Inputs, cx: &StepCx<'_>) {
        inputs.targets(cx).into_iter().for_each(|target| self.see(target, cx.now));
        let Some(action) = &inputs.action else { return };
        // What guards it: one look may show that another is needed.
        while let Some(target) =
            writers::targets(action, cx, &self.overlay).into_iter().find(|t| self.overlay.sight(t).is_none())
        {
            self.see(target, cx.now);
        }
    }

    fn see(&mut self, target: Target, now: Timestamp) {
        if self.overlay.sight(&target).is_some() {
            return;
        }
        let unrunnable = matches!(&target.what, What::Command(c) if !c.read_only);
        let seen = if unrunnable {
            // A check that may change something is not run by plans: it is planned as not yet so.
            Seen::Answer(Answer::plain(false, "not run by plans"))
        } else {
            self.missing.insert(target.clone());
            Seen::Unknown { why: "not looked at".into() }
        };
        self.overlay.put(Sight { target, at: now, seen });
    }

    fn judge(&mut self, plan: &Plan, step: &PlanStep, found: &writers::Writers) {
        if !found.open.is_empty() {
            let third = found.open.iter().find(|other| plan.ends.named(&other.site).is_none());
            let hint = third.map_or_else(String::new, |other| {
                format!("; lifeboat reprotect --to {} closes it, keeps its data and makes it a replica", other.site)
            });
            self.caution(step, format!("two writers: {}{hint}", writers::words(&found.open)), true);
        }
        if !found.unseen.is_empty() {
            let text =
                format!("it cannot be seen whether two sites would take writes: {}", writers::words(&found.unseen));
            self.caution(step, text, plan.mode == Mode::Planned);
        }
    }

    /// A drain whose proof cannot even be looked at now would be waited for with writes frozen, for nothing.
    fn proofless(&mut self, plan: &Plan, step: &PlanStep, on: &[Target], why: &str) {
        let blind = |t: &&Target| matches!(t.what, What::Position(_) | What::Marker(..)) && !self.missing.contains(t);
        if plan.mode == Mode::Planned && !step.best_effort() && on.iter().any(|t| blind(&t) && self.unknown(t)) {
            self.caution(step, format!("nothing can be proven: {why}"), true);
        }
    }

    fn unknown(&self, target: &Target) -> bool {
        matches!(self.overlay.seen(target), Some(Seen::Unknown { .. }) | None)
    }

    /// Makes a wait end, by what the action says it waits for, else by letting what moves arrive.
    fn assume(&mut self, inputs: &Inputs, cx: &StepCx<'_>, on: &[Target], why: &str) -> Vec<Assumed> {
        let probes_only = on
            .iter()
            .all(|t| matches!(t.what, What::Http(_) | What::Dns(_) | What::Sql(_) | What::Site | What::Command(_)));
        if on.iter().any(|t| self.unknown(t)) && !probes_only {
            return vec![];
        }
        let before = self.overlay.clone();
        let assumed = inputs.assume(cx, &mut self.overlay);
        if self.overlay != before {
            return assumed;
        }
        for target in on {
            self.overlay.change(target, arrive);
        }
        if self.overlay == before { vec![] } else { vec![Assumed { what: why.to_owned(), takes: Span::mins(2) }] }
    }
}

/// What moves has arrived.
fn arrive(seen: &mut Seen) {
    match seen {
        Seen::Db(db) if !db.status.is_terminal() => {
            db.status = rds::Status::Available;
            db.replication_normal = true;
            if db.parameters == rds::ApplyStatus::Applying {
                db.parameters = rds::ApplyStatus::InSync;
            }
        }
        Seen::Snapshot(snapshot) => snapshot.complete = true,
        Seen::Change(change) => *change = ChangeStatus::InSync,
        Seen::Group(group) => group.in_service = group.size.desired,
        Seen::Answer(answer) => answer.ok = true,
        _ => {}
    }
}

/// The context of a planned step.
pub(super) fn context<'a>(
    plan: &'a Plan,
    step: &'a PlanStep,
    probes: &'a BTreeMap<ProbeName, Asked>,
    past: &'a StepPast,
    now: Timestamp,
) -> StepCx<'a> {
    StepCx {
        run: &plan.run,
        step: &step.id,
        sites: &plan.ends,
        all_sites: &plan.sites,
        at: plan.sites.get(&step.at).expect("a step's site is one of the plan's"),
        items: step.resources.iter().filter_map(|name| plan.resources.get(name)).collect(),
        resources: &plan.resources,
        probes,
        mode: plan.mode,
        direction: plan.direction,
        past,
        undoing: false,
        now,
        limit: step.timeout,
        hold: step.hold.map(|hold| hold.max),
        incident: plan.incident.unwrap_or(plan.made_at),
    }
}
