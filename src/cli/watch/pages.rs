//! What people are told while nobody is there: what happened, and the command to type.

use super::Told;
use crate::{
    cli::wiring::World,
    clock::Timestamp,
    event::{Event, EventKind, Note, NoteKind, PauseReason, TriggerId},
    ids::{AskId, Digest, NoteNo, RunId},
    runbook::Notify,
    store::{Book, StoreError},
    view::{Commands, SCHEMA},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
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
    /// Since when it is so: it may be told late.
    pub(super) at: Timestamp,
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
        let (run, at) = (&event.run, event.at);
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
            EventKind::RunPaused { why } => return Some(Self::waits((run, at), asked.last(why)?, known)),
            EventKind::HoldOverdue { step } => {
                (format!("{step} has been held closed for too long"), Some(known.on_run("show", run, "")))
            }
            EventKind::RunFinished { outcome } => (format!("it ended: {outcome}"), Some(known.on_run("show", run, ""))),
            _ => return None,
        };
        Some(Self { subject: format!("lifeboat run {run}"), text, next, run: Some(run.clone()), at })
    }

    /// What became of a trigger, and what a person can type.
    pub(super) fn of_trigger(id: &TriggerId, at: Timestamp, text: String, next: String) -> Self {
        Self { subject: format!("lifeboat trigger {id}"), text, next: Some(next), run: None, at }
    }

    /// A run waits for an answer.
    pub(super) fn waits((run, at): (&RunId, Timestamp), message: &str, known: &Commands) -> Self {
        let (text, next) = (format!("it waits for a person: {message}"), Some(known.on_run("approve", run, "")));
        Self { subject: format!("lifeboat run {run}"), text, next, run: Some(run.clone()), at }
    }

    /// All of it in one line.
    pub(super) fn line(&self) -> String {
        let next = self.next.as_ref().map_or_else(String::new, |next| format!("; next: {next}"));
        format!("{}: {}{next}", self.subject, self.text)
    }

    fn object(&self) -> Value {
        let Self { subject, text, next, run, at } = self;
        json!({ "schema": SCHEMA, "subject": subject, "text": text, "next": next, "run": run, "at": at })
    }

    fn message(&self) -> String {
        let next = self.next.as_ref().map_or_else(String::new, |next| format!("\n\nnext: {next}"));
        format!("{}: {}{next}\n\nat {}\n", self.subject, self.text, self.at)
    }
}

/// Tells it in every place. The sandbox tells nobody, and tries no more than once.
pub(super) async fn tell_all(world: Option<World>, places: Vec<Notify>, page: Page, to: UnboundedSender<Told>) {
    let pauses = if world.as_ref().is_some_and(|world| world.live.is_some()) { PAUSES } else { Pauses::default() };
    let message = page.line();
    let told = Arc::new((world, page));
    let tell = |place| {
        let told = told.clone();
        async move { tell(told.0.as_ref(), &place, &told.1).await }
    };
    Paging { to, message, pauses, tell }.all(places).await;
}

/// How long is waited before each of the next tries.
#[derive(Clone, Copy, Debug, Default)]
struct Pauses {
    /// While a service that ends waits for it.
    soon: &'static [Duration],
    /// After that.
    later: &'static [Duration],
}

/// A webhook that is down for a while is not a night without a page.
const PAUSES: Pauses = Pauses {
    soon: &[Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)],
    later: &[Duration::from_mins(1); 60],
};

/// A page on its way.
struct Paging<F> {
    /// Who hears what became of it.
    to: UnboundedSender<Told>,
    message: String,
    pauses: Pauses,
    /// Tells it in one place.
    tell: F,
}

impl<F: Fn(Notify) -> T, T: Future<Output = Result<(), String>>> Paging<F> {
    /// Tells it in every place, each again where it could not be told. What failed is said once, and again where
    /// it could be told after all.
    async fn all(&self, places: Vec<Notify>) {
        let owed: Vec<_> = join_all(places.iter().map(|place| self.soon(place))).await;
        drop(self.to.send(Told::AllPaged));
        join_all(owed.into_iter().flatten().map(|place| self.later(place))).await;
    }

    /// Gives the place where it is still owed.
    async fn soon<'a>(&self, place: &'a Notify) -> Option<&'a Notify> {
        let mut failed = self.now(place).await.err()?;
        for pause in self.pauses.soon {
            tokio::time::sleep(*pause).await;
            failed = self.now(place).await.err()?;
        }
        self.said(place, Some(failed));
        Some(place)
    }

    async fn later(&self, place: &Notify) {
        for pause in self.pauses.later {
            tokio::time::sleep(*pause).await;
            if self.now(place).await.is_ok() {
                return;
            }
        }
    }

    async fn now(&self, place: &Notify) -> Result<(), String> {
        (self.tell)(place.clone()).await?;
        self.said(place, None);
        Ok(())
    }

    fn said(&self, place: &Notify, failed: Option<String>) {
        drop(self.to.send(Told::Paged { to: name(place), message: self.message.clone(), failed }));
    }
}

/// Tells it in one place.
async fn tell(world: Option<&World>, place: &Notify, page: &Page) -> Result<(), String> {
    let world = world.ok_or("its world cannot be opened")?;
    let live = world.live.as_ref().ok_or("the sandbox tells nobody")?;
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

/// The notes since a time, up to the last.
pub(super) async fn notes_since(book: &dyn Book, last: NoteNo, since: Timestamp) -> Result<Vec<Note>, StoreError> {
    const PAGE: usize = 1000;
    let (mut notes, mut from) = (vec![], last);
    // From the last one back: a book of years is not gone through for an hour of it.
    while from > NoteNo(0) && notes.first().is_none_or(|first: &Note| first.at >= since) {
        let after = NoteNo(from.0.saturating_sub(PAGE as u64));
        let mut page = book.read(after, usize::try_from(from.0 - after.0).unwrap_or(PAGE)).await?;
        page.append(&mut notes);
        (notes, from) = (page, after);
    }
    notes.retain(|note| note.at >= since);
    Ok(notes)
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
    use crate::event::Who;
    use std::cell::Cell;
    use tokio::sync::mpsc::unbounded_channel;

    /// What is said of one place that cannot be told so many times.
    async fn said_of(fails: usize) -> (Vec<String>, Duration) {
        let (to, mut said) = unbounded_channel();
        let (left, begun) = (Cell::new(fails), tokio::time::Instant::now());
        let tell = |_| {
            let fails = left.get() > 0;
            left.set(left.get().saturating_sub(1));
            async move { if fails { Err("no answer".to_owned()) } else { Ok(()) } }
        };
        Paging { to, message: "it ended".into(), pauses: PAUSES, tell }.all(vec![Notify::Topic("arn:t".into())]).await;
        let mut words = vec![];
        while let Some(one) = said.recv().await {
            words.push(match one {
                Told::Paged { failed, .. } => failed.unwrap_or_else(|| "told".into()),
                Told::AllPaged => "the rest is for later".into(),
                _ => unreachable!("nothing else is said of a page"),
            });
        }
        (words, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_cannot_be_told_is_tried_for_an_hour_and_said_to_have_failed_once() {
        let later = "the rest is for later";
        assert_eq!(said_of(0).await, (vec!["told".into(), later.into()], Duration::ZERO));
        assert_eq!(said_of(3).await, (vec!["told".into(), later.into()], Duration::from_secs(20)));
        let (said, took) = said_of(4 + 29).await;
        assert_eq!(said, ["no answer", later, "told"], "its webhook was down for half an hour");
        assert_eq!(took, Duration::from_secs(20 + 30 * 60));
        let (said, took) = said_of(1000).await;
        assert_eq!(said, ["no answer", later]);
        assert_eq!(took, Duration::from_secs(20 + 60 * 60));
    }

    #[test]
    fn a_page_is_owed_wherever_it_was_not_told_since_it_was_due() {
        let page = Page::of_trigger(
            &TriggerId { runbook: "shop".into(), trigger: "lost".into() },
            Timestamp(0),
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
