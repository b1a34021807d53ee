//! What the screen has heard and not shown yet: notices become lines here, whatever shows them.

use super::{
    super::{Commands, Page, Progress, commands::Next, json, show, words},
    Face, Heard,
    prompt::{Prompt, wanted},
};
use crate::event::{Event, EventKind, Notice, Verdict};
use serde_json::json;
use std::borrow::Cow;

/// What was heard.
pub(super) struct Story {
    /// Where the run stands.
    pub(super) progress: Progress,
    /// Lines that wait to be shown.
    pub(super) lines: Vec<String>,
    /// What lines are written for.
    pub(super) page: Page,
    face: Face,
    commands: Option<Commands>,
    /// The prompt that was answered or closed here, while nothing new came of it.
    settled: Option<Prompt>,
    /// What waits is still to be told, where nobody can be asked.
    untold: bool,
    /// Nobody is asked any more.
    leaving: bool,
    over: bool,
}

impl Story {
    /// Nothing heard yet.
    pub(super) fn new(face: Face, commands: Option<Commands>, page: Page) -> Self {
        Self {
            progress: Progress::default(),
            lines: vec![],
            page,
            face,
            commands,
            settled: None,
            untold: false,
            leaving: false,
            over: false,
        }
    }

    /// Takes something in.
    pub(super) fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Notice(Notice::Event(event)) => self.event(&event),
            Heard::Notice(Notice::Step(view)) => self.progress.waits(view),
            Heard::Notice(Notice::Seen(sights)) => self.progress.seen(sights),
            Heard::Notice(Notice::Tick(now)) => self.progress.tick(now),
            Heard::Notice(Notice::Leaving) => self.leaving = true,
            Heard::Notice(Notice::Line(text)) => self.lines.push(match self.face {
                Face::Json => json::line(&text).to_string(),
                Face::Interactive | Face::Lines => text,
            }),
            Heard::Past(events) => events.iter().for_each(|e| self.progress.apply(e)),
            Heard::Close => self.over = true,
        }
    }

    fn event(&mut self, event: &Event) {
        match self.face {
            Face::Json => self.lines.push(json::event(event, &self.progress).to_string()),
            Face::Interactive | Face::Lines if words::words(&event.kind, &self.progress).quiet => {}
            Face::Interactive => self.lines.extend(show::lines(&brief(event), &self.progress, &self.page)),
            Face::Lines => self.lines.extend(show::lines(event, &self.progress, &self.page)),
        }
        self.progress.apply(event);
        match &event.kind {
            EventKind::ConfirmationAsked { .. } | EventKind::RunPaused { .. } => {
                self.untold = true;
                self.settled = None;
            }
            EventKind::ControlReceived { verdict: Verdict::Refused(_), .. } => self.settled = None,
            _ => {}
        }
    }

    /// Nothing more will be heard.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The prompt that should be open now, unless it was settled here already.
    pub(super) fn prompt(&self) -> Option<Prompt> {
        let prompt = self.wanted()?;
        let settled = self.settled.as_ref().is_some_and(|s| s.is_same(&prompt));
        (!settled).then_some(prompt)
    }

    /// Whether a prompt is still the one that should be open.
    pub(super) fn wants(&self, prompt: &Prompt) -> bool {
        self.wanted().is_some_and(|w| w.is_same(prompt))
    }

    fn wanted(&self) -> Option<Prompt> {
        if self.over || self.leaving { None } else { wanted(&self.progress) }
    }

    /// A prompt was answered, or closed by the person.
    pub(super) fn settle(&mut self, prompt: Prompt) {
        self.settled = Some(prompt);
    }

    /// A prompt that was closed is to be opened again.
    pub(super) fn unsettle(&mut self) {
        self.settled = None;
    }

    /// What can be typed now.
    pub(super) fn next(&self) -> Vec<Next> {
        self.commands.clone().unwrap_or_else(|| Commands::of(&self.progress)).next(&self.progress)
    }

    /// Where nobody can be asked: says once what waits and what to type.
    pub(super) fn tell_what_waits(&mut self) {
        if !std::mem::take(&mut self.untold) || wanted(&self.progress).is_none() {
            return;
        }
        let next = self.next();
        match self.face {
            Face::Json => {
                let mut object = json::typed("next");
                object.insert("run".into(), json!(self.progress.run));
                object.insert("next".into(), json!(next));
                self.lines.push(serde_json::Value::Object(object).to_string());
            }
            Face::Interactive | Face::Lines => {
                self.lines.extend(next.iter().map(|n| format!("  next: {}   ({})", n.command, n.what)));
            }
        }
    }
}

/// A question without the facts it is decided on: where it is asked, the prompt shows them.
fn brief(event: &Event) -> Cow<'_, Event> {
    let EventKind::ConfirmationAsked { .. } = &event.kind else { return Cow::Borrowed(event) };
    let mut event = event.clone();
    if let EventKind::ConfirmationAsked { facts, until, .. } = &mut event.kind {
        facts.clear();
        *until = None;
    }
    Cow::Owned(event)
}
