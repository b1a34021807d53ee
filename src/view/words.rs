//! Events as sentences. The one place where a fact of a run gets its words: lines during the run,
//! `show` afterwards and the `text` of JSON lines are made of these.
//!
//! A sentence is about a step or about the run, says what happened in the past tense, and stands
//! alone: nothing in it needs colour or the line before.

use super::{Progress, Tone, change, text::short};
use crate::{
    action::Question,
    clock::Span,
    event::{
        AcceptLoss, Answered, Control, EventKind, HoldEndedBy, How, Measure, Objective, PauseReason, Policy, Reach,
        Realm, Verdict, Way, Who,
    },
    ids::{AskId, StepId},
    model::{Fact, Impact},
    runbook::{Autonomy, Milestone, OnTimeout, Unattended},
    world::Landed,
};

/// A fact in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The step it is about; none: the run.
    pub step: Option<StepId>,
    /// The sentence, without its subject.
    pub text: String,
    /// What it wants to say by its colour.
    pub tone: Tone,
    /// Of interest to an auditor alone: `show` and JSON have it, the screen does not.
    pub quiet: bool,
}

impl Said {
    fn run(tone: Tone, text: impl Into<String>) -> Self {
        Self { step: None, text: text.into(), tone, quiet: false }
    }
    fn step(step: &StepId, tone: Tone, text: impl Into<String>) -> Self {
        Self { step: Some(step.clone()), ..Self::run(tone, text) }
    }
    fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }
    /// What it is about: the step's name, or `run`.
    pub fn subject(&self) -> &str {
        self.step.as_ref().map_or("run", StepId::as_str)
    }
}

/// A fact in words; `so_far` is where the run stood before it.
pub fn words(kind: &EventKind, so_far: &Progress) -> Said {
    run_words(kind, so_far)
        .or_else(|| step_words(kind))
        .or_else(|| effect_words(kind, so_far))
        .unwrap_or_else(|| rest(kind, so_far))
}

fn run_words(kind: &EventKind, so_far: &Progress) -> Option<Said> {
    use EventKind as K;
    Some(match kind {
        K::RunStarted { plan, by, realm, policy, since, supersedes, owed, cause } => {
            let ends = format!(
                "{} ({}) -> {} ({})",
                plan.ends.from.name, plan.ends.from.region, plan.ends.to.name, plan.ends.to.region
            );
            let mut text =
                format!("{} {} of {}, {ends}, started by {}", plan.mode, plan.direction, plan.runbook, operator(by));
            if *realm == Realm::Sandbox {
                text += ", in the sandbox";
            }
            if let Some(cause) = cause {
                let facts: Vec<_> = cause.facts.iter().map(ToString::to_string).collect();
                text += &format!(", for trigger {} ({})", cause.trigger, facts.join("; "));
            }
            text += &beforehand(policy);
            if let Some(since) = since {
                text += &format!("; incident at {since}");
            }
            if let Some(old) = supersedes {
                text += &format!("; takes over from {old}");
            }
            if !owed.is_empty() {
                text += &format!("; owed already: {}", list(owed));
            }
            Said::run(Tone::Strong, text)
        }
        K::PlanSealed { digest } => Said::run(Tone::Dim, format!("plan sealed, sha256 {digest}")).quiet(),
        K::LeaseTaken { holder, from: None } => Said::run(Tone::Dim, format!("held by {holder}")).quiet(),
        K::LeaseTaken { holder, from: Some(from) } => {
            Said::run(Tone::Dim, format!("held by {holder}, before by {from}")).quiet()
        }
        K::RunResumed { by, policy } => {
            Said::run(Tone::Strong, format!("resumed by {}{}", operator(by), beforehand(policy)))
        }
        K::RunPaused { why } => Said::run(Tone::Warn, format!("paused: {}{}", pause(why), held(so_far))),
        K::RunContinued { by } => Said::run(Tone::Strong, format!("continued by {}", operator(by))),
        K::UndoBegun { why, holds_only: true } => Said::run(Tone::Warn, format!("releases what it holds: {why}")),
        K::UndoBegun { why, holds_only: false } => Said::run(Tone::Warn, format!("is being undone: {why}")),
        K::ClosingBegun => Said::run(Tone::Dim, "nothing is left but `finally`").quiet(),
        K::MilestoneReached { milestone, step } => {
            Said::run(Tone::Good, format!("{}, with {step}", self::milestone(*milestone)))
        }
        K::ObjectiveMeasured { objective, value } => {
            let tone = if value.met == Some(false) { Tone::Warn } else { Tone::Plain };
            Said::run(
                tone,
                format!(
                    "{}: {}",
                    match objective {
                        Objective::Rpo => "writes lost".into(),
                        o => o.to_string(),
                    },
                    measure(*objective, value)
                ),
            )
        }
        K::RunFinished { outcome } => {
            let tone = if *outcome == crate::event::RunOutcome::Done { Tone::Good } else { Tone::Warn };
            Said::run(tone, format!("ended: {outcome}{}", held(so_far)))
        }
        K::ControlReceived { by, control, verdict, .. } => {
            let asked = format!("{} asked to {}", operator(by), self::control(control));
            match verdict {
                // The fact that follows says who and what.
                Verdict::Accepted => Said::run(Tone::Plain, format!("{asked}; accepted")).quiet(),
                Verdict::Refused(why) => Said::run(Tone::Warn, format!("{asked}; refused: {why}")),
            }
        }
        _ => return None,
    })
}

fn step_words(kind: &EventKind) -> Option<Said> {
    use EventKind as K;
    Some(match kind {
        K::StepReady { step } => Said::step(step, Tone::Dim, "may start").quiet(),
        K::AttemptStarted { step, attempt, way, .. } => {
            let what = match way {
                Way::Forward => "started",
                Way::Undo => "undo started",
            };
            let nth = if attempt.0 > 1 { format!(", attempt {attempt}") } else { String::new() };
            Said::step(step, Tone::Plain, format!("{what}{nth}"))
        }
        K::Observed { step, facts, holds } => {
            let holds = match holds {
                Some(true) => "holds now",
                Some(false) => "does not hold",
                None => "seen",
            };
            Said::step(step, Tone::Dim, format!("{holds}{}", told(facts)))
        }
        K::AttemptFailed { step, why, retry_at: Some(at) } => {
            Said::step(step, Tone::Warn, format!("failed: {why}; tried again at {}", at.time_of_day()))
        }
        K::AttemptFailed { step, why, retry_at: None } => {
            Said::step(step, Tone::Warn, format!("attempt failed: {why}"))
        }
        K::StepSucceeded { step, facts, .. } => Said::step(step, Tone::Good, format!("done{}", told(facts))),
        K::StepSkipped { step, why } => Said::step(step, Tone::Dim, format!("left out: {why}")),
        K::StepFailed { step, why, hint } => {
            let hint = hint.as_ref().map_or(String::new(), |h| format!("; hint: {h}"));
            Said::step(step, Tone::Bad, format!("failed: {why}{hint}"))
        }
        K::StepPassed { step, how } => {
            let why = match how {
                How::BestEffort => "best effort",
                How::Continued => "on_failure: continue",
                How::Succeeded | How::Skipped | How::MarkedDone => "passed",
            };
            Said::step(step, Tone::Warn, format!("failed, the run goes on ({why})"))
        }
        K::StepMarkedDone { step, by, why } => {
            Said::step(step, Tone::Warn, format!("marked done by {}: {why}", operator(by)))
        }
        K::StepRetried { step, by } => Said::step(step, Tone::Plain, format!("to be tried again, by {}", operator(by))),
        K::StepUndone { step } => Said::step(step, Tone::Good, "undone"),
        _ => return None,
    })
}

fn effect_words(kind: &EventKind, so_far: &Progress) -> Option<Said> {
    use EventKind as K;
    Some(match kind {
        K::EffectIntended { step, call, predicted, .. } => {
            let change = change::of_effect(call, step, so_far.plan.as_deref());
            let unforeseen = if *predicted { "" } else { ", not foreseen by the plan" };
            Said::step(step, Tone::Plain, format!("sends {change} ({}{unforeseen})", change::call(&call.call())))
        }
        K::EffectApplied { step, receipt, .. } => {
            let id = receipt.id.as_ref().map_or(String::new(), |id| format!(", {id}"));
            Said::step(step, Tone::Dim, format!("accepted by the provider{id}")).quiet()
        }
        K::EffectRefused { step, why, lasting, .. } => {
            let again = if *lasting { "" } else { ", may be tried again" };
            Said::step(step, Tone::Bad, format!("refused, nothing happened: {why}{again}"))
        }
        K::EffectInDoubt { step, why, .. } => {
            Said::step(step, Tone::Bad, format!("may or may not have happened: {why}; looking"))
        }
        K::EffectSettled { step, landed, .. } => {
            let (tone, text) = match landed {
                Landed::Yes => (Tone::Good, "doubt settled: it happened"),
                Landed::InProgress => (Tone::Good, "doubt settled: it happened and goes on"),
                Landed::No => (Tone::Plain, "doubt settled: it did not happen"),
                Landed::Superseded => (Tone::Bad, "somebody changed the same thing since"),
                Landed::Unclear => (Tone::Bad, "still in doubt: what is seen does not tell"),
            };
            Said::step(step, tone, text)
        }
        _ => return None,
    })
}

/// Questions, holds and debts.
fn rest(kind: &EventKind, so_far: &Progress) -> Said {
    use EventKind as K;
    match kind {
        K::ConfirmationAsked { step, question, message, facts, until, loss, .. } => {
            let mut text = format!("{}: {message}{}", asks(*question), told(facts));
            if *question == Question::DataLoss {
                text += &format!("; would lose {}", self::loss(*loss));
            }
            if let Some(until) = until {
                let silence = step.as_ref().and_then(|s| silence(s, so_far)).unwrap_or("is a no");
                text += &format!("; silence until {} {silence}", until.time_of_day());
            }
            Said { step: step.clone(), ..Said::run(Tone::Warn, text) }
        }
        K::ConfirmationGiven { ask, answer, by } => {
            let (tone, text) = match answer {
                Answered::Yes => (Tone::Good, format!("answered yes, by {by}")),
                Answered::No => (Tone::Warn, format!("answered no, by {by}")),
                Answered::Silence => (Tone::Warn, format!("nobody answered in time; what that means: {by}")),
            };
            Said { step: asked_of(*ask, so_far), ..Said::run(tone, text) }
        }
        K::HoldOpened { step, until, what, before: None } => {
            Said::step(step, Tone::Warn, format!("holds from now on: {what}, until {} at most", until.time_of_day()))
        }
        K::HoldOpened { step, until, what, before: Some(before) } => {
            let ends = if before.past_return {
                "until the promotion is done".to_owned()
            } else {
                format!("until {} at most", until.time_of_day())
            };
            Said::step(
                step,
                Tone::Warn,
                format!("holds on: {what} since {} by run {}, {ends}", before.since, before.run),
            )
        }
        K::HoldOverdue { step } => {
            Said::step(step, Tone::Bad, format!("held too long, people are called{}", held(so_far)))
        }
        K::HoldClosed { step, by: HoldEndedBy::Undo } => Said::step(step, Tone::Good, "hold ended: open again"),
        K::HoldClosed { step, by: HoldEndedBy::Promotion } => {
            Said::step(step, Tone::Good, "hold ended by the promotion: stays closed for good")
        }
        K::ObligationOpened { owed, why } => Said::run(Tone::Warn, format!("owed from now on: {owed} ({why})")),
        K::ObligationPaid { owed } => Said::run(Tone::Good, format!("no longer owed: {owed}")),
        // Every kind is told by one of the four; the test `every_fact_has_words` holds that.
        other => Said::run(Tone::Dim, serde_json::to_string(other).unwrap_or_default()),
    }
}

/// What the command line answered beforehand; empty where it did not.
fn beforehand(policy: &Policy) -> String {
    let mut flags: Vec<String> = policy.accept.iter().map(|step| format!("--accept {step}")).collect();
    if policy.yes {
        flags.push("--yes".into());
    }
    match policy.accept_loss {
        Some(AcceptLoss::UpTo(loss)) => flags.push(format!("--accept-data-loss {loss}")),
        Some(AcceptLoss::Unknown) => flags.push("--accept-data-loss unknown".into()),
        None => {}
    }
    if policy.unattended {
        flags.push("--unattended".into());
    }
    let alone = policy.reach.map_or_else(String::new, |reach| format!("; without a person {}", self::reach(reach)));
    if flags.is_empty() { alone } else { format!("{alone}; answered beforehand: {}", flags.join(" ")) }
}

/// How far a run goes without a person.
fn reach(reach: Reach) -> &'static str {
    match (reach.most, reach.disruptive_if_unreachable) {
        (Impact::Irreversible, _) => "to its end",
        (Impact::Disruptive, _) => "as far as what is disruptive",
        (_, true) => "as far as what is safe, and to the freeze while the site being left does not answer",
        (_, false) => "as far as what is safe",
    }
}

/// The same, as a trigger says it.
pub fn autonomy(autonomy: Autonomy) -> &'static str {
    match autonomy {
        Autonomy::Observe => "telling people alone",
        Autonomy::Safe => "as far as what is safe",
        Autonomy::Full => "to its end",
    }
}

fn asked_of(ask: AskId, so_far: &Progress) -> Option<StepId> {
    so_far.asks.get(&ask).and_then(|a| a.step.clone())
}

fn asks(question: Question) -> &'static str {
    match question {
        Question::Consent => "asks for consent to what cannot be undone",
        Question::Confirm => "asks",
        Question::DataLoss => "asks whether writes may be lost",
        Question::AliveUnfenced => "asks whether to go on though a site answers and is not frozen",
        Question::InDoubt => "asks whether it happened",
    }
}

/// What silence means for a step's own question, after "silence until TIME".
fn silence(step: &StepId, so_far: &Progress) -> Option<&'static str> {
    let confirm = so_far.plan.as_ref()?.step(step)?.confirm.as_ref()?;
    Some(on_timeout(confirm.on_timeout))
}

/// What silence means, after "silence".
pub fn on_timeout(word: OnTimeout) -> &'static str {
    match word {
        OnTimeout::Wait => "keeps the run waiting",
        OnTimeout::Abort => "is a no and ends the run",
        OnTimeout::Undo => "undoes the run",
        OnTimeout::Proceed => "is a yes",
        OnTimeout::Page => "calls for people, the run keeps waiting",
    }
}

/// What it means that nobody is there, after "unattended it".
pub fn unattended(word: Unattended) -> &'static str {
    match word {
        Unattended::Proceed => "goes on",
        Unattended::ProceedWithinRpo => "goes on where the loss is within the RPO, else waits",
        Unattended::Abort => "ends the run",
        Unattended::Wait => "waits for a person",
    }
}

/// A question in two or three words, as a plan lists it.
pub fn question(question: Question) -> &'static str {
    match question {
        Question::Consent => "consent to what cannot be undone",
        Question::Confirm => "confirmation",
        Question::DataLoss => "whether writes may be lost",
        Question::AliveUnfenced => "whether to go on past a site that answers unfrozen",
        Question::InDoubt => "whether an effect happened",
    }
}

/// Why a run waits.
pub fn pause(why: &PauseReason) -> String {
    match why {
        PauseReason::Asked(who) => format!("asked by {}", operator(who)),
        PauseReason::Signal => "by a signal".into(),
        PauseReason::StepFailed(step) => format!("{step} failed"),
        PauseReason::Unanswered(_) => "a question waits and nobody is here to answer it".into(),
        PauseReason::InDoubt(step) => format!("an effect of {step} is in doubt and nothing tells"),
    }
}

/// What was reached.
pub fn milestone(milestone: Milestone) -> &'static str {
    match milestone {
        Milestone::ServiceRestored => "service restored",
        Milestone::WritesAccepted => "writes accepted again",
    }
}

/// How it came out, what was promised, kept or not, how that is known, in which parts.
pub fn measure(objective: Objective, value: &Measure) -> String {
    let mut text = match (objective, value.at_most) {
        (_, None) => "unknown".into(),
        (Objective::Rpo, Some(Span::ZERO)) => "none".into(),
        (Objective::Rpo, Some(loss)) => format!("at most the last {}", short(loss)),
        (Objective::Rto | Objective::WriteOutage, Some(took)) => short(took).to_string(),
    };
    if let Some(promised) = value.objective {
        text += &format!(", promised {promised}");
    }
    let within = value.at_most.is_some_and(|m| value.objective.is_some_and(|o| m <= o));
    text += match value.met {
        Some(true) => ": kept",
        Some(false) if within || value.at_most.is_none() => ": unproven",
        Some(false) => ": missed",
        None => "",
    };
    text += &match value.proof.as_str() {
        "" => String::new(),
        "none" => "; no proof".into(),
        proof if objective == Objective::Rpo => format!("; proof: {proof}"),
        proof => format!("; {proof}"),
    };
    if !value.parts.is_empty() {
        let parts: Vec<_> = value.parts.iter().map(|(name, span)| format!("{name} {}", short(*span))).collect();
        text += &format!("; {}", parts.join(", "));
    }
    text
}

/// How much would be lost.
pub fn loss(loss: Option<Span>) -> String {
    loss.map_or("an unknown part of the last writes".into(), |l| format!("at most the last {} of writes", short(l)))
}

/// What is held closed, to be put behind a sentence; empty where nothing is.
pub fn held(progress: &Progress) -> String {
    if progress.holds.is_empty() {
        return String::new();
    }
    format!("; held: {}", progress.holds.values().map(|h| hold(h, progress)).collect::<Vec<_>>().join(", "))
}

/// What is held closed stays closed for good: a promotion of what it guards was sent.
pub fn ends_with_promotion(hold: &super::progress::Hold, progress: &Progress) -> bool {
    progress.irrevocable || hold.past_return
}

/// What is held closed, since when and until when.
pub fn hold(hold: &super::progress::Hold, progress: &Progress) -> String {
    let since = hold.since.time_of_day();
    if ends_with_promotion(hold, progress) {
        return format!("{} since {since}, until the promotion is done", hold.what);
    }
    format!("{} since {since}, until {} at most", hold.what, hold.until.time_of_day())
}

fn operator(who: &Who) -> String {
    format!("{} on {}", who.operator, who.host)
}

fn control(control: &Control) -> String {
    match control {
        Control::Answer { ask, yes: true } => format!("answer yes to question {ask}"),
        Control::Answer { ask, yes: false } => format!("answer no to question {ask}"),
        Control::Pause => "pause".into(),
        Control::Continue => "go on".into(),
        Control::Retry { step } => format!("try {step} again"),
        Control::Skip { step, why } => format!("skip {step} ({why})"),
        Control::MarkDone { step, why } => format!("take {step} as done ({why})"),
        Control::Cancel => "cancel".into(),
        Control::Undo => "undo the run".into(),
        Control::Abandon { why } => format!("abandon the run ({why})"),
        Control::Unknown => "something that this lifeboat does not know".into(),
        Control::Supersede { by, why } => format!("give way to run {by} ({why})"),
    }
}

/// Facts behind a sentence: `: lag: 2s; loss: at most 3s`.
fn told(facts: &[Fact]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    format!(" [{}]", list_by(facts, "; "))
}

fn list<T: ToString>(items: &[T]) -> String {
    list_by(items, ", ")
}

fn list_by<T: ToString>(items: &[T], between: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests;
