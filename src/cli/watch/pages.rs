//! What people are told while nobody is there: what happened, and the command to type.

use super::Told;
use crate::{
    cli::wiring::World,
    event::{Event, EventKind, Note, NoteKind, PauseReason, TriggerId},
    ids::{AskId, Digest, NoteNo, RunId},
    runbook::Notify,
    view::{Commands, SCHEMA},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::mpsc::UnboundedSender;

/// What people must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// What it is about, a few words.
    pub(super) subject: String,
    /// What happened.
    pub(super) text: String,
    /// What to type, where there is something to do.
    pub(super) next: Option<String>,
    /// The run it is about.
    pub(super) run: Option<RunId>,
}

/// What a run has asked, since a question is worth a page only where the run waits for its answer.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<AskId, String>);

impl Asked {
    /// The question that a run waits for.
    fn last(&self, why: &PauseReason) -> Option<&String> {
        match why {
            PauseReason::Unanswered(ask) => self.0.get(ask),
            PauseReason::InDoubt(_) => self.0.values().next_back(),
            _ => None,
        }
    }
}

impl Page {
    /// What people must know of a fact; none: nothing.
    pub(super) fn of(event: &Event, asked: &mut Asked, known: &Commands) -> Option<Self> {
        let run = &event.run;
        if let EventKind::ConfirmationAsked { ask, message, .. } = &event.kind {
            asked.0.insert(*ask, message.clone());
        }
        let (text, next) = match &event.kind {
            EventKind::RunStarted { plan, .. } => (
                format!("{} {} of {} began by itself", plan.mode, plan.direction, plan.runbook),
                Some(known.on_run("show", run, "")),
            ),
            EventKind::RunPaused { why: PauseReason::StepFailed(step) } => (
                format!("step {step} failed, and the run waits for a person"),
                Some(known.on_run("resume", run, &format!(" --retry {step}"))),
            ),
            EventKind::RunPaused { why } => return Some(Self::waits(run, asked.last(why)?, known)),
            EventKind::HoldOverdue { step } => {
                (format!("{step} has been held closed for too long"), Some(known.on_run("show", run, "")))
            }
            EventKind::RunFinished { outcome } => (format!("it ended: {outcome}"), Some(known.on_run("show", run, ""))),
            _ => return None,
        };
        Some(Self { subject: format!("lifeboat run {run}"), text, next, run: Some(run.clone()) })
    }

    /// What became of a trigger, and what a person can type.
    pub(super) fn of_trigger(id: &TriggerId, text: String, next: String) -> Self {
        Self { subject: format!("lifeboat trigger {id}"), text, next: Some(next), run: None }
    }

    /// A run waits for an answer.
    pub(super) fn waits(run: &RunId, message: &str, known: &Commands) -> Self {
        let (text, next) = (format!("it waits for a person: {message}"), Some(known.on_run("approve", run, "")));
        Self { subject: format!("lifeboat run {run}"), text, next, run: Some(run.clone()) }
    }

    /// All of it in one line.
    pub(super) fn line(&self) -> String {
        let next = self.next.as_ref().map_or_else(String::new, |next| format!("; next: {next}"));
        format!("{}: {}{next}", self.subject, self.text)
    }

    fn object(&self) -> Value {
        let Self { subject, text, next, run } = self;
        json!({ "schema": SCHEMA, "subject": subject, "text": text, "next": next, "run": run })
    }

    fn message(&self) -> String {
        let next = self.next.as_ref().map_or_else(String::new, |next| format!("\n\nnext: {next}"));
        format!("{}: {}{next}\n", self.subject, self.text)
    }
}

/// Tells it in every place, each again where it could not be told: a webhook that is down for a moment is
/// not a night without a page.
pub(super) async fn tell_all(world: Option<World>, places: Vec<Notify>, page: Page, to: UnboundedSender<Told>) {
    const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];
    let one = async |place: &Notify| {
        let mut pauses = PAUSES.iter().filter(|_| world.as_ref().is_some_and(|world| world.live.is_some()));
        loop {
            let failed = tell(world.as_ref(), place, &page).await.err();
            match (&failed, pauses.next()) {
                (Some(_), Some(pause)) => tokio::time::sleep(*pause).await,
                _ => return drop(to.send(Told::Paged { to: name(place), message: page.line(), failed })),
            }
        }
    };
    join_all(places.iter().map(one)).await;
    drop(to.send(Told::AllPaged));
}

/// Tells it in one place.
async fn tell(world: Option<&World>, place: &Notify, page: &Page) -> Result<(), String> {
    let live = world.and_then(|world| world.live.as_ref()).ok_or("the sandbox tells nobody")?;
    match place {
        Notify::Topic(arn) => {
            let sent = live.outposts().publish(arn, &page.subject, &page.message()).await;
            sent.map(drop).map_err(|why| why.to_string())
        }
        Notify::Webhook(text) => {
            let (url, token) = (address(text)?, Digest::of(page.line().as_bytes()));
            live.tell(url.as_str(), token.as_str(), &page.object()).await.map_err(|why| why.to_string())
        }
    }
}

/// A place in words. The whole of a webhook's address may be a secret.
fn name(place: &Notify) -> String {
    match place {
        Notify::Topic(arn) => arn.clone(),
        Notify::Webhook(text) => {
            let host = address(text).ok().and_then(|url| url.host_str().map(str::to_owned));
            host.unwrap_or_else(|| text.clone())
        }
    }
}

/// Where a page was not told yet, by the notes after one.
pub(super) fn untold(page: &Page, places: &[Notify], notes: &[Note], since: NoteNo) -> Vec<Notify> {
    let line = page.line();
    let is_told = |place: &Notify| {
        let name = name(place);
        notes.iter().filter(|note| note.no > since).any(|note| {
            matches!(&note.kind, NoteKind::Told { to, message, failed: None } if *to == name && *message == line)
        })
    };
    places.iter().filter(|place| !is_told(place)).cloned().collect()
}

fn address(text: &str) -> Result<reqwest::Url, String> {
    let found = match text.strip_prefix("env:") {
        Some(name) => std::env::var(name).map_err(|_| format!("{name} is not set"))?,
        None => text.to_owned(),
    };
    found.parse().map_err(|_| "it is no URL".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, event::Who};

    #[test]
    fn a_page_is_owed_wherever_it_was_not_told_since_it_was_due() {
        let page = Page::of_trigger(
            &TriggerId { runbook: "shop".into(), trigger: "lost".into() },
            "it is true".to_owned(),
            "lifeboat status".to_owned(),
        );
        let by = Who { operator: "watch".into(), host: "here".into(), pid: 1 };
        let told = |no, to: &str, failed: Option<&str>| Note {
            no: NoteNo(no),
            at: Timestamp(0),
            by: by.clone(),
            kind: NoteKind::Told { to: to.into(), message: page.line(), failed: failed.map(str::to_owned) },
        };
        let [topic, hook] = [Notify::Topic("arn:t".into()), Notify::Webhook("https://pager.example/s3cret".into())];
        let places = [topic.clone(), hook.clone()];
        let owed = |notes: &[Note]| untold(&page, &places, notes, NoteNo(5));
        assert_eq!(owed(&[told(4, "arn:t", None)]), places, "that was before");
        assert_eq!(owed(&[told(6, "arn:t", None)]), [hook], "one place is not the other");
        assert_eq!(owed(&[told(6, "pager.example", None), told(7, "arn:t", Some("no answer"))]), [topic]);
    }
}
