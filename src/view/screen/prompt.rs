//! Which question a person is asked now, the facts it is decided on, and what an answer becomes.
//! Pure: the keys are pressed in `ask`.

use super::super::{
    Page, Progress, Tone, change,
    progress::{Ask, Phase},
    text::wrap,
    words,
};
use crate::{
    action::Question,
    event::{Control, PauseReason, Request},
    ids::{AskId, StepId},
};

/// A question to the person at this terminal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Prompt {
    /// One that the run asks.
    Ask(AskId, Ask),
    /// What to do about a run that waits.
    Menu(Vec<Choice>, PauseReason),
}

/// A line of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Try the step again.
    Retry(StepId),
    /// Go on without it.
    Skip(StepId),
    /// Take it as done.
    MarkDone(StepId),
    /// Go on.
    Continue,
    /// Take all back.
    Undo,
    /// Leave the run as it is.
    Leave,
}

/// What a question wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// One key.
    YesNo(&'static str),
    /// The word `yes`, letter by letter: what follows has no way back.
    Typed(&'static str),
    /// One of these.
    OneOf(Vec<String>),
}

/// The question that is to be asked now, where there is one.
pub(super) fn wanted(progress: &Progress) -> Option<Prompt> {
    let ask = || progress.asks.iter().next().map(|(id, ask)| Prompt::Ask(*id, ask.clone()));
    match &progress.phase {
        Phase::Finished(_) => None,
        Phase::Paused(why @ (PauseReason::StepFailed(_) | PauseReason::Asked(_) | PauseReason::Signal)) => {
            Some(Prompt::Menu(choices(why, progress), why.clone()))
        }
        Phase::Paused(why @ PauseReason::InDoubt(_)) => {
            ask().or_else(|| Some(Prompt::Menu(choices(why, progress), why.clone())))
        }
        Phase::Paused(PauseReason::Unanswered(_)) | Phase::Forward | Phase::Undoing | Phase::Closing => ask(),
    }
}

fn choices(why: &PauseReason, progress: &Progress) -> Vec<Choice> {
    let mut all = vec![];
    if let PauseReason::StepFailed(step) = why {
        all.push(Choice::Retry(step.clone()));
        if progress.plan.as_ref().and_then(|p| p.step(step)).is_none_or(|s| s.skippable) {
            all.push(Choice::Skip(step.clone()));
        }
        all.push(Choice::MarkDone(step.clone()));
    } else {
        all.push(Choice::Continue);
    }
    if !progress.irrevocable {
        all.push(Choice::Undo);
    }
    all.push(Choice::Leave);
    all
}

impl Choice {
    /// Its line in the menu.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Retry(step) => format!("retry: try {step} again"),
            Self::Skip(step) => format!("skip: go on without {step}"),
            Self::MarkDone(step) => format!("mark done: {step} was done by hand"),
            Self::Continue => "continue: go on where it stopped".into(),
            Self::Undo => "undo: take back all that was done".into(),
            Self::Leave => "stop here: leave the run waiting".into(),
        }
    }

    /// What a reason is asked for with, where one is needed.
    pub(super) fn reason(&self) -> Option<String> {
        match self {
            Self::Skip(step) => Some(format!("Why is {step} skipped? (empty: back)")),
            Self::MarkDone(step) => Some(format!("How was {step} done? (empty: back)")),
            Self::Retry(_) | Self::Continue | Self::Undo | Self::Leave => None,
        }
    }

    /// What it asks of the run.
    pub(super) fn request(&self, why: &str) -> Request {
        let why = why.to_owned();
        Request::Control(match self {
            Self::Retry(step) => Control::Retry { step: step.clone() },
            Self::Skip(step) => Control::Skip { step: step.clone(), why },
            Self::MarkDone(step) => Control::MarkDone { step: step.clone(), why },
            Self::Continue => Control::Continue,
            Self::Undo => Control::Undo,
            Self::Leave => return Request::Leave,
        })
    }
}

impl Prompt {
    /// What it wants to hear.
    pub(super) fn wants(&self) -> Wants {
        match self {
            Self::Menu(choices, _) => Wants::OneOf(choices.iter().map(Choice::line).collect()),
            Self::Ask(_, ask) => match ask.question {
                Question::Consent => Wants::Typed("Type yes to consent, no to end the run"),
                Question::DataLoss => Wants::Typed("Type yes to accept the loss, no to refuse it"),
                Question::AliveUnfenced => Wants::Typed("Type yes to go on unfenced, no to stop"),
                Question::Confirm => Wants::YesNo("Go on?"),
                Question::InDoubt => Wants::YesNo("Did it happen?"),
            },
        }
    }

    /// Whether another fact left it the same question.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ask(a, _), Self::Ask(b, _)) => a == b,
            (Self::Menu(a, why), Self::Menu(b, other)) => a == b && why == other,
            (Self::Ask(..), Self::Menu(..)) | (Self::Menu(..), Self::Ask(..)) => false,
        }
    }

    /// The facts it is decided on, above the prompt.
    pub(super) fn facts(&self, progress: &Progress, page: &Page) -> Vec<String> {
        let mut rows = match self {
            Self::Ask(_, ask) => ask_facts(ask, progress),
            Self::Menu(_, why) => menu_facts(why, progress),
        };
        for hold in progress.holds.values() {
            rows.push((Tone::Bad, format!("held: {}", words::hold(hold, progress))));
        }
        rows.extend(progress.owed.iter().map(|owed| (Tone::Warn, format!("owed: {owed}"))));
        let mut lines = vec![String::new()];
        for (n, (tone, text)) in rows.iter().enumerate() {
            let indent = if n == 0 { "" } else { "  " };
            lines.extend(wrap(text, page.width, indent, 4).iter().map(|line| page.paint(*tone, line)));
        }
        lines
    }
}

fn ask_facts(ask: &Ask, progress: &Progress) -> Vec<(Tone, String)> {
    let mut rows = vec![(Tone::Strong, ask.message.clone())];
    if ask.question == Question::AliveUnfenced {
        rows.push((Tone::Bad, "a site answers, yet its writes could not be frozen".into()));
    }
    // The steps without a way back follow in words of their own.
    let told = |name: &str| {
        let mut steps = progress.plan.iter().flat_map(|p| p.irreversible());
        ask.question == Question::Consent && steps.any(|s| s.id.as_str() == name)
    };
    rows.extend(ask.facts.iter().filter(|f| !told(&f.what)).map(|f| (Tone::Plain, f.to_string())));
    if ask.question == Question::DataLoss {
        rows.push((Tone::Bad, format!("would lose {}", words::loss(ask.loss))));
    }
    if ask.question == Question::Consent {
        for step in progress.plan.iter().flat_map(|p| p.irreversible()) {
            let changes: Vec<_> = step.prediction.effects.iter().map(|e| change::words(&e.change)).collect();
            rows.push((Tone::Bad, format!("cannot be undone: {}  {}", step.id, changes.join("; "))));
        }
    }
    if let Some(until) = ask.until {
        let confirm = ask.step.as_ref().and_then(|s| progress.plan.as_ref()?.step(s)?.confirm.as_ref());
        let silence = confirm.map_or("is a no", |c| words::on_timeout(c.on_timeout));
        rows.push((Tone::Warn, format!("silence until {} {silence}", until.time_of_day())));
    }
    rows
}

fn menu_facts(why: &PauseReason, progress: &Progress) -> Vec<(Tone, String)> {
    let mut rows = vec![(Tone::Strong, format!("The run waits: {}", words::pause(why)))];
    if let PauseReason::StepFailed(step) = why
        && let Some(super::super::progress::State::Failed { why, hint }) = progress.steps.get(step).map(|s| &s.state)
    {
        rows.push((Tone::Bad, why.clone()));
        rows.extend(hint.iter().map(|h| (Tone::Plain, format!("hint: {h}"))));
    }
    for (step, _) in progress.active() {
        let doing = progress.waits.get(step).map_or("works", |w| w.why.as_str());
        rows.push((Tone::Plain, format!("still under way: {step}: {doing}")));
    }
    if progress.irrevocable {
        rows.push((Tone::Warn, "the promotion was sent: there is no way back, only forward".into()));
    }
    rows
}

#[cfg(test)]
mod tests;
