//! What people are told while nobody is there: what happened, and the command to type.

use crate::{
    cli::wiring::World,
    event::{Event, EventKind, PauseReason},
    ids::{AskId, RunId},
    runbook::Notify,
    view::{Commands, SCHEMA},
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

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
            EventKind::RunPaused { why } => {
                let message = asked.last(why)?;
                (format!("it waits for a person: {message}"), Some(known.on_run("approve", run, "")))
            }
            EventKind::HoldOverdue { step } => {
                (format!("{step} has been held closed for too long"), Some(known.on_run("show", run, "")))
            }
            EventKind::RunFinished { outcome } => (format!("it ended: {outcome}"), Some(known.on_run("show", run, ""))),
            _ => return None,
        };
        Some(Self { subject: format!("lifeboat run {run}"), text, next, run: Some(run.clone()) })
    }

    /// All of it in one line.
    pub(super) fn line(&self) -> String {
        let next = self.next.as_ref().map_or_else(String::new, |next| format!("; next: {next}"));
        format!("{}: {}{next}", self.subject, self.text)
    }

    fn message(&self) -> String {
        let next = self.next.as_ref().map_or_else(String::new, |next| format!("\n\nnext: {next}"));
        format!("{}: {}{next}\n", self.subject, self.text)
    }
}

/// Tells it in one place. Gives the place in words, and why it could not be told.
pub(super) async fn tell(world: Option<&World>, place: &Notify, page: &Page) -> (String, Option<String>) {
    match place {
        Notify::Topic(arn) => {
            let sent = match world.and_then(|world| world.live.clone()) {
                Some(live) => live
                    .outposts()
                    .publish(arn, &page.subject, &page.message())
                    .await
                    .map(drop)
                    .map_err(|why| why.to_string()),
                None => Err("the sandbox tells nobody".to_owned()),
            };
            (arn.clone(), sent.err())
        }
        Notify::Webhook(url) => match address(url) {
            Ok(url) => {
                let host = url.host_str().unwrap_or_default().to_owned();
                (host, post(url, page).await.err())
            }
            Err(why) => (url.clone(), Some(why)),
        },
    }
}

fn address(text: &str) -> Result<reqwest::Url, String> {
    let found = match text.strip_prefix("env:") {
        Some(name) => std::env::var(name).map_err(|_| format!("{name} is not set"))?,
        None => text.to_owned(),
    };
    found.parse().map_err(|_| "it is no URL".to_owned())
}

async fn post(url: reqwest::Url, page: &Page) -> Result<(), String> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().map_err(|e| e.to_string())?;
    let body =
        json!({ "schema": SCHEMA, "subject": page.subject, "text": page.text, "next": page.next, "run": page.run });
    let answer = client.post(url).json(&body).send().await.map_err(|e| e.without_url().to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status())) }
}
