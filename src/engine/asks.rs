//! Questions: when they are asked, what answers them, what silence means.

use super::{
    decide::{Cx, Turn},
    state::{Phase, RunState},
};
use crate::{
    action::Question,
    clock::{Span, Timestamp},
    event::{AcceptLoss, Answered, AnsweredBy, EventKind, PauseReason},
    ids::StepId,
    model::{Fact, Impact, fact},
    plan::{self, PlanStep},
    runbook::{OnTimeout, Unattended},
    world::{LATELY, Seen, Target, What},
};
use std::collections::BTreeSet;

/// A question of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The step it is about; none: the run.
    pub step: Option<StepId>,
    /// Which.
    pub question: Question,
    /// What is asked.
    pub message: String,
    /// What it is decided on.
    pub facts: Vec<Fact>,
    /// When silence becomes an answer.
    pub until: Option<Timestamp>,
    /// For the data-loss question: how much; none: unknown.
    pub loss: Option<Span>,
    /// When it was asked.
    pub asked: Timestamp,
    /// The answer: go on or not.
    pub answer: Option<bool>,
    /// When it was answered.
    pub answered: Option<Timestamp>,
    /// What answered it.
    pub by: Option<AnsweredBy>,
    /// People were called for it.
    pub paged: bool,
    /// Nobody needs the answer any more.
    pub moot: bool,
}

impl Ask {
    /// It waits for an answer.
    pub fn is_open(&self) -> bool {
        self.answer.is_none() && !self.moot
    }

    /// Takes an answer in. Gives whether it means go on; none: it stays open.
    pub(super) fn give(&mut self, answer: Answered, by: AnsweredBy, at: Timestamp) -> Option<bool> {
        let yes = match (answer, &by) {
            (Answered::Yes, _) => true,
            (Answered::No, _) => false,
            (Answered::Silence, AnsweredBy::Runbook(word)) if word == PAGE => {
                self.paged = true;
                return None;
            }
            (Answered::Silence, AnsweredBy::Runbook(word)) => word == PROCEED,
            (Answered::Silence, AnsweredBy::Person(_) | AnsweredBy::Flag(_)) => false,
        };
        self.answer = Some(yes);
        self.answered = Some(at);
        self.by = Some(by);
        Some(yes)
    }
}

const PAGE: &str = "on_timeout: page";
const PROCEED: &str = "on_timeout: proceed";
const ABORT: &str = "on_timeout: abort";
const UNDO: &str = "on_timeout: undo";

/// Asks for consent to the irreversible steps, once, before anything else; a run that began without a
/// person does so where its reach ends ([`within_reach`]). Gives whether the run may go on.
pub(super) fn consent(cx: &Cx<'_>, turn: &mut Turn) -> bool {
    let alone = cx.state.policy.reach.is_some();
    if (!cx.state.steps.are_lasting() && !alone) || cx.state.past_return() {
        return true;
    }
    if let Some(ask) = consent_asked(cx) {
        match ask.answer {
            Some(true) => true,
            Some(false) => {
                turn.push(EventKind::UndoBegun { why: "no consent to what cannot be undone".into(), holds_only: true });
                false
            }
            None => alone,
        }
    } else if alone {
        true
    } else {
        let steps: Vec<_> = cx.state.plan.irreversible().collect();
        let facts = steps.iter().flat_map(|s| {
            s.prediction
                .effects
                .iter()
                .map(|e| fact(s.id.as_str(), format!("{}: {} -> {}", e.change.what, e.change.before, e.change.after)))
        });
        let loss = cx.state.plan.loss_now.map(|l| fact("an emergency would lose", format!("at most {l}")));
        let names: Vec<_> = steps.iter().map(|s| s.id.as_str()).collect();
        let message = format!("This run cannot be undone from here on: {}. Start it?", names.join(", "));
        let facts = facts.chain(loss).collect();
        turn.push(asked((cx, turn), None, Question::Consent, message, facts));
        false
    }
}

/// The question for consent that counts: one whose step was left out or tried anew is asked again.
fn consent_asked<'a>(cx: &Cx<'a>) -> Option<&'a Ask> {
    cx.state.asks.values().rev().find(|ask| ask.question == Question::Consent && !ask.moot)
}

/// Whether people are asked about something so grave that a step is about to do.
pub(super) fn is_awaited(cx: &Cx<'_>, step: &PlanStep, gravity: Impact) -> bool {
    let grave = cx.state.policy.reach.is_some_and(|reach| gravity > reach.most);
    let consent = grave && consent_asked(cx).is_some_and(|ask| ask.answer.is_none());
    consent || cx.state.open_asks().any(|(_, ask)| ask.step.as_ref() == Some(&step.id))
}

/// Whether a step may do something without a person, or by the consent of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It may.
    Within,
    /// It may by what is seen: the site being left is dead.
    BySight(Vec<Fact>),
    /// A person is asked, or the site being left is looked at.
    Waits,
    /// A person said no.
    Refused,
}

/// Whether a step may begin what is so grave: a person is asked once for all that is left, where a run that
/// began without people comes to the end of its reach.
pub(super) fn within_reach(cx: &Cx<'_>, step: &PlanStep, gravity: Impact, turn: &mut Turn) -> Reach {
    let Some(reach) = cx.state.policy.reach.filter(|reach| gravity > reach.most) else { return Reach::Within };
    if let Some(ask) = consent_asked(cx) {
        return match ask.answer {
            Some(true) => Reach::Within,
            Some(false) => Reach::Refused,
            None => Reach::Waits,
        };
    }
    if reach.disruptive_if_unreachable && gravity == Impact::Disruptive {
        match site_left(cx) {
            SiteLeft::Dead { since } => return Reach::BySight(sighted(cx, since)),
            SiteLeft::Unsure => return Reach::Waits,
            SiteLeft::MayLive => {}
        }
    }
    let consent = |e: &EventKind| matches!(e, EventKind::ConfirmationAsked { question: Question::Consent, .. });
    if turn.events.iter().any(consent) {
        return Reach::Waits;
    }
    let plan = &cx.state.plan;
    // A run that turned back has nothing left but `finally`.
    let forward = cx.state.phase == Phase::Forward;
    let steps = if forward { &plan.steps } else { &plan.finally };
    let grave = |s: &PlanStep| s.id == step.id || self::gravity(s) > reach.most;
    let left = |s: &&PlanStep| s.runs() && grave(s) && !cx.state.steps[&s.id].is_done();
    let names: Vec<_> = steps.iter().filter(left).map(|s| s.id.as_str()).collect();
    let lasting: Vec<_> = plan.irreversible().filter(|_| forward).map(|s| s.id.as_str()).collect();
    let lasting =
        if lasting.is_empty() { String::new() } else { format!(", without a way back: {}", lasting.join(", ")) };
    let message = format!("All that is left needs a person: {}{lasting}. Go on?", names.join(", "));
    turn.push(asked((cx, turn), Some(step), Question::Consent, message, facts(cx, step)));
    Reach::Waits
}

/// The gravest thing that a step will probably do: servers that are added are safe, taken away they are not.
pub(super) fn gravity(step: &PlanStep) -> Impact {
    step.prediction.effects.iter().map(|planned| planned.effect.impact()).max().unwrap_or(step.impact)
}

/// What must be looked at before a run may do something so grave without a person: whether the site being
/// left is dead, and the other not.
pub(super) fn reach_needs(cx: &Cx<'_>, gravity: Impact) -> Option<[Target; 2]> {
    let reach = cx.state.policy.reach.filter(|reach| reach.disruptive_if_unreachable)?;
    let hangs = reach.most < Impact::Disruptive && gravity == Impact::Disruptive;
    (hangs && consent_asked(cx).is_none()).then(|| ends(cx))
}

fn ends(cx: &Cx<'_>) -> [Target; 2] {
    let ends = &cx.state.plan.ends;
    [&ends.from, &ends.to].map(|site| Target::at(site, What::Site))
}

/// What is known of the site being left.
enum SiteLeft {
    /// It has not answered for a while, and the other site did.
    Dead {
        /// The first look that it did not answer.
        since: Timestamp,
    },
    /// It answers; or that it does not may be for another reason: no permission, our own network.
    MayLive,
    /// It is still being looked at.
    Unsure,
}

/// What the record keeps of a dead site.
fn sighted(cx: &Cx<'_>, since: Timestamp) -> Vec<Fact> {
    let ends = &cx.state.plan.ends;
    let silent = format!("has not answered since {}, look after look", since.time_of_day());
    vec![fact(ends.from.name.as_str(), silent), fact(ends.to.name.as_str(), "answers")]
}

/// So long a site has not answered, look after look, before it counts as dead.
const SILENCE: Span = Span::secs(10);

fn site_left(cx: &Cx<'_>) -> SiteLeft {
    let sites = ends(cx);
    let lately = |site| cx.world.sight(site).filter(|sight| sight.at + LATELY >= cx.now);
    let [Some(from), Some(to)] = [lately(&sites[0]), lately(&sites[1])] else { return SiteLeft::Unsure };
    if !matches!(&to.seen, Seen::Answer(answer) if answer.ok) {
        return SiteLeft::MayLive;
    }
    match cx.world.silent_since(&sites[0]) {
        Some(since) if from.at >= since + SILENCE => SiteLeft::Dead { since },
        Some(_) => SiteLeft::Unsure,
        None => SiteLeft::MayLive,
    }
}

/// A step's question: whether it may start.
pub(super) fn confirmed(cx: &Cx<'_>, step: &PlanStep, turn: &mut Turn) -> bool {
    let Some(confirm) = &step.confirm else { return true };
    let run = &cx.state.steps[&step.id];
    if run.confirmed.is_some_and(|at| cx.now.since(at) <= confirm.valid_for) {
        return true;
    }
    let open = cx.state.open_asks().any(|(_, a)| a.step.as_ref() == Some(&step.id) && a.question == Question::Confirm);
    if !open {
        let message = plan::message(&cx.state.plan, &confirm.message, &cx.state.outputs);
        let EventKind::ConfirmationAsked { ask, step, question, message, facts, loss, .. } =
            asked((cx, turn), Some(step), Question::Confirm, message, facts(cx, step))
        else {
            return false;
        };
        let until = confirm.timeout.filter(|_| confirm.on_timeout != OnTimeout::Wait).map(|t| cx.now + t);
        turn.push(EventKind::ConfirmationAsked { ask, step, question, message, facts, until, loss });
    }
    false
}

/// What a step's question is decided on.
fn facts(cx: &Cx<'_>, step: &PlanStep) -> Vec<Fact> {
    let changes = step
        .prediction
        .effects
        .iter()
        .map(|e| fact(&e.change.what, format!("{} -> {}", e.change.before, e.change.after)));
    let outputs = cx.state.outputs.iter().flat_map(|(id, out)| {
        let known = ["lag", "loss", "proof"].into_iter().filter_map(|name| Some((name, out.get(name)?.as_str()?)));
        known.map(|(name, value)| fact(format!("{id}.{name}"), value)).collect::<Vec<_>>()
    });
    let holds = cx.state.holds.values().map(|h| fact("held", format!("{} for {}", h.what, cx.now.since(h.since))));
    changes.chain(outputs).chain(holds).collect()
}

/// The event that asks; the next free number, after what is asked in this turn already.
fn asked(
    (cx, turn): (&Cx<'_>, &Turn),
    step: Option<&PlanStep>,
    question: Question,
    message: String,
    facts: Vec<Fact>,
) -> EventKind {
    let of = |event: &EventKind| if let EventKind::ConfirmationAsked { ask, .. } = event { Some(*ask) } else { None };
    let last = turn.events.iter().filter_map(of).chain(cx.state.asks.keys().copied()).max();
    let ask = last.unwrap_or_default().next();
    EventKind::ConfirmationAsked {
        ask,
        step: step.map(|s| s.id.clone()),
        question,
        message,
        facts,
        until: None,
        loss: None,
    }
}

/// A step raises a question, unless it is open already.
pub(super) fn raise(
    cx: &Cx<'_>,
    step: &PlanStep,
    question: Question,
    facts: Vec<Fact>,
    loss: Option<Span>,
    turn: &mut Turn,
) {
    let open = cx.state.open_asks().any(|(_, a)| a.step.as_ref() == Some(&step.id) && a.question == question);
    if open {
        return;
    }
    let message = match question {
        Question::DataLoss => match loss {
            Some(loss) => format!("Up to {loss} of writes would be lost. Go on?"),
            None => "It is not known how many writes would be lost. Go on?".to_owned(),
        },
        Question::AliveUnfenced => {
            let sites: BTreeSet<_> = facts.iter().map(|f| f.what.as_str()).collect();
            let sites = sites.into_iter().collect::<Vec<_>>().join(" and ");
            format!("{sites} answers and still takes writes: two sites would take writes. Go on?")
        }
        Question::InDoubt => format!("Step {} may or may not have happened, and nothing tells. Did it?", step.id),
        Question::Consent | Question::Confirm => format!("Start {}?", step.id),
    };
    if let EventKind::ConfirmationAsked { ask, step, question, message, facts, until, .. } =
        asked((cx, turn), Some(step), question, message, facts)
    {
        turn.push(EventKind::ConfirmationAsked { ask, step, question, message, facts, until, loss });
    }
}

/// Answers open questions by flag, by runbook or by silence; those that nothing answers while
/// nobody is here make the run wait.
pub(super) fn answer(cx: &Cx<'_>, turn: &mut Turn) {
    for (id, ask) in cx.state.open_asks() {
        let given = |answer, by| EventKind::ConfirmationGiven { ask: id, answer, by };
        if let Some((answer, by)) = by_flag(cx, ask) {
            turn.push(given(answer, by));
            continue;
        }
        if let Some(until) = ask.until.filter(|_| !ask.paged) {
            if cx.now < until {
                turn.wake(until);
            } else {
                turn.push(given(Answered::Silence, AnsweredBy::Runbook(silence(cx, ask).into())));
                continue;
            }
        }
        if !cx.live.interactive && cx.state.paused.is_none() {
            let why = if ask.question == Question::InDoubt {
                PauseReason::InDoubt(ask.step.clone().unwrap_or_else(|| StepId::new("")))
            } else {
                PauseReason::Unanswered(id)
            };
            turn.push(EventKind::RunPaused { why });
            return;
        }
    }
}

fn silence(cx: &Cx<'_>, ask: &Ask) -> &'static str {
    let confirm = ask.step.as_ref().and_then(|id| cx.state.planned(id)?.confirm.as_ref());
    match confirm.map(|c| c.on_timeout) {
        Some(OnTimeout::Proceed) => PROCEED,
        Some(OnTimeout::Undo) => UNDO,
        Some(OnTimeout::Abort) | None => ABORT,
        Some(OnTimeout::Page | OnTimeout::Wait) => PAGE,
    }
}

/// What the command line, or the runbook for a run without people, answers.
fn by_flag(cx: &Cx<'_>, ask: &Ask) -> Option<(Answered, AnsweredBy)> {
    let policy = &cx.state.policy;
    let flag = |text: String| Some((Answered::Yes, AnsweredBy::Flag(text)));
    let step = ask.step.as_ref().and_then(|id| cx.state.planned(id));
    match ask.question {
        // Whoever let the run begin alone said how far: beyond it a person is asked.
        Question::Consent if policy.reach.is_some() => None,
        Question::Consent => {
            let all: Vec<_> = cx.state.plan.irreversible().map(|s| &s.id).collect();
            let accepted = all.iter().all(|id| policy.accept.contains(*id));
            let names: Vec<_> = all.iter().map(|id| format!("--accept {id}")).collect();
            accepted.then(|| (Answered::Yes, AnsweredBy::Flag(names.join(" "))))
        }
        Question::Confirm => {
            let step = step?;
            if policy.accept.contains(&step.id) {
                return flag(format!("--accept {}", step.id));
            }
            if policy.yes && step.impact < Impact::Irreversible {
                return flag("--yes".into());
            }
            if !policy.unattended {
                return None;
            }
            let by = |word: &str| AnsweredBy::Runbook(format!("unattended: {word}"));
            match step.confirm.as_ref()?.unattended {
                Unattended::Proceed => Some((Answered::Yes, by("proceed"))),
                Unattended::Abort => Some((Answered::No, by("abort"))),
                Unattended::ProceedWithinRpo => within_rpo(cx).then(|| (Answered::Yes, by("proceed-within-rpo"))),
                Unattended::Wait => None,
            }
        }
        Question::DataLoss => match (policy.accept_loss?, ask.loss) {
            (AcceptLoss::Unknown, _) => flag("--accept-data-loss unknown".into()),
            (AcceptLoss::UpTo(most), Some(loss)) if loss <= most => flag(format!("--accept-data-loss {most}")),
            (AcceptLoss::UpTo(_), _) => None,
        },
        // Never answered beforehand: nobody could know then.
        Question::AliveUnfenced | Question::InDoubt => None,
    }
}

fn within_rpo(cx: &Cx<'_>) -> bool {
    let loss = super::measure::loss(cx.state);
    matches!((loss, cx.state.plan.objectives.rpo), (Some(loss), Some(rpo)) if loss <= rpo)
}

/// What a no means, and silence that stands for one. Questions of a step's action are answered in
/// its past; here are those that end the run.
pub(super) fn refused(cx: &Cx<'_>, turn: &mut Turn) {
    let consumed = |a: &Ask| a.question == Question::Consent || a.question == Question::InDoubt;
    let no = cx.state.asks.values().find(|a| {
        a.answer == Some(false) && !consumed(a) && a.answered.is_some_and(|at| is_last_word(cx.state, a, at))
    });
    if let Some(ask) = no {
        let undo = matches!(&ask.by, Some(AnsweredBy::Runbook(word)) if word == UNDO) && !cx.state.past_return();
        let who = ask.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
        turn.push(EventKind::UndoBegun { why: format!("no{who} to: {}", ask.message), holds_only: !undo });
    }
}

/// No later question of the same step was answered with yes since (a step can be retried).
fn is_last_word(state: &RunState, ask: &Ask, at: Timestamp) -> bool {
    !state.asks.values().any(|other| other.step == ask.step && other.question == ask.question && other.asked > at)
}

#[cfg(test)]
mod tests;
