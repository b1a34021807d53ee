//! The runs of a watcher: those it begins, and those it finds unfinished, each in a task of its own, by
//! the same way that a person's command goes.

use super::{
    Told,
    again::Again,
    pages::{Asked, Page},
};
use crate::{
    cli::{
        args::{Common, Consent, MoveArgs},
        exit::{Failure, code},
        moves::{Done, Move, replay},
        resume::take_up_as,
        wiring::{Beside, Loaded, World, commands},
    },
    clock::{Span, Timestamp},
    engine::RunState,
    event::{AcceptLoss, Begin, Cause, Event, EventKind, Notice, PauseReason, Policy, Reach},
    ids::{LeaseKey, NoteNo, RunId, Seq},
    model::{Direction, Mode},
    store::{RunHead, Store, StoreError},
    watch::{Pending, Start},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::mpsc::UnboundedSender;

/// Who begins runs without people, for the record.
pub(super) const OPERATOR: &str = "lifeboat watch";

/// Begins and takes up runs.
#[derive(Clone)]
pub(super) struct Runs {
    pub(super) common: Common,
    pub(super) store: Arc<dyn Store>,
    pub(super) to: UnboundedSender<Told>,
    /// The simulated world, where it is that.
    pub(super) world: Option<World>,
    /// Runs that are being taken up.
    pub(super) taken: Arc<Mutex<Taken>>,
}

/// Runs that are being taken up, and those that could not be.
#[derive(Debug, Default)]
pub(super) struct Taken {
    going: BTreeSet<RunId>,
    failed: Again<RunId>,
}

impl Runs {
    /// Begins a failover that was decided.
    pub(super) fn begin(&self, start: Start, loaded: Loaded) {
        let this = self.clone();
        tokio::spawn(async move {
            let told = match this.go(&start, loaded).await {
                Ok(told) => told,
                Err(failure) => this.why_not(&start, failure).await,
            };
            drop(this.to.send(told));
        });
    }

    /// It may have begun all the same, here or by another watcher. What would be refused again is final, and
    /// where a person waits all that is refused; all else (a lease, a disk, a network, credentials, what was
    /// seen, a process that is told to stop) may pass.
    async fn why_not(&self, start: &Start, failure: Failure) -> Told {
        let (decision, why) = (start.decision, failure.told());
        match begun(&self.store, start).await {
            Ok(Some(run)) => {
                let line = format!("run {run} began, and this watcher is not with it: {why}");
                drop(self.to.send(Told::Began { decision, run }));
                drop(self.to.send(Told::Line(line)));
                Told::Rests { code: failure.code }
            }
            Ok(None) if is_final(&failure, start.what.begin.by_hand.is_some()) => Told::NotBegun { decision, why },
            Ok(None) | Err(_) => Told::Later { decision, why, refused: failure.code == code::REFUSED },
        }
    }

    /// Plans and begins it, and stays with it to its end.
    async fn go(&self, start: &Start, loaded: Loaded) -> Result<Told, Failure> {
        let (decision, begin) = (start.decision, &start.what.begin);
        let superseded = self.reprotect_under_way(&loaded).await?;
        let args = args(&loaded, begin, superseded);
        // What was decided on is what is run, whatever became of the file since.
        let mut one = Move::open_in(&self.common, &args, loaded.clone(), self.world.clone()).await?;
        let (trigger, decided) = (start.what.id.trigger.clone(), Some(start.what.at));
        let cause = Cause { trigger, decision, decided, facts: begin.facts.clone() };
        one.policy = policy(begin);
        one.since = Some(begin.incident.min(one.world.clock.now()));
        one.cause = Some(cause);
        one.world.beside = Some(self.beside(Some(decision), (&loaded.runbook().name, &loaded.typed)));
        Ok(match one.go(Direction::Failover).await? {
            Done::Ran(code, _) => Told::Rests { code },
            Done::Nothing | Done::Planned => {
                Told::NotBegun { decision, why: "the standby already serves: there is nothing to do".to_owned() }
            }
        })
    }

    /// A reprotect that is unfinished gives way.
    async fn reprotect_under_way(&self, loaded: &Loaded) -> Result<Option<RunId>, Failure> {
        let newest = self.store.runs(Some(&loaded.key())).await?.into_iter().next();
        let Some(head) = newest.filter(|head| head.outcome.is_none()) else { return Ok(None) };
        let state = replay(&self.store, &head.id).await?;
        Ok((state.plan.direction == Direction::Reprotect).then_some(head.id))
    }

    /// What people must know of the last runs that began by themselves, where they came to rest since a time: what
    /// asks is told by whoever takes it up.
    pub(super) async fn last_words(
        &self,
        runbooks: impl Iterator<Item = &String>,
        since: Timestamp,
    ) -> Result<Vec<(String, Page)>, StoreError> {
        let mut pages = vec![];
        for runbook in runbooks {
            let Some(head) = self.store.runs(Some(&LeaseKey::new(runbook))).await?.into_iter().next() else { continue };
            let events = events(&self.store, &head.id).await?.unwrap_or_default();
            let Ok(state) = RunState::replay(&events) else { continue };
            let rests = state.outcome.is_some() || state.paused.is_some();
            if state.cause.is_some() && rests && state.open_asks().next().is_none() && state.last_at >= since {
                let known = commands(&self.common, &crate::cli::run::typed(&state.plan));
                let mut asked = Asked::default();
                let last = events.iter().filter_map(|event| Page::of(event, &mut asked, &known)).last();
                pages.extend(last.filter(|page| page.at >= since).map(|page| (runbook.clone(), page)));
            }
        }
        Ok(pages)
    }

    /// Takes up what a watcher left unfinished and nobody holds.
    pub(super) async fn take_up_orphans(&self, keys: Vec<LeaseKey>, now: Timestamp) {
        for key in keys {
            let Ok(runs) = self.store.runs(Some(&key)).await else { continue };
            let Some(head) = runs.into_iter().next().filter(|head| head.outcome.is_none()) else { continue };
            let Ok(state) = replay(&self.store, &head.id).await else { continue };
            let ours = state.holder.as_ref().is_some_and(|who| who.operator == OPERATOR);
            let free =
                matches!(self.store.holder(&key).await, Ok(ref holder) if holder.as_ref().is_none_or(|h| !h.alive));
            let asked = state.open_asks().next().is_some()
                || state.paused.is_none()
                || state.paused == Some(PauseReason::Signal);
            if state.cause.is_some() && ours && free && asked && self.takes(&head.id, now) {
                self.take_up(head, &state, now);
            }
        }
    }

    /// Whether nobody here takes the run up already, or failed to a moment ago.
    fn takes(&self, run: &RunId, now: Timestamp) -> bool {
        let mut taken = self.taken();
        !taken.failed.waits(run, now) && taken.going.insert(run.clone())
    }

    fn lets_go(&self, run: &RunId, failed: Option<Timestamp>) {
        let mut taken = self.taken();
        taken.going.remove(run);
        match failed {
            Some(now) => drop(taken.failed.failed(run, now)),
            None => taken.failed.done(run),
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_up(&self, head: RunHead, state: &RunState, now: Timestamp) {
        let (this, policy) = (self.clone(), state.policy.clone());
        let (runbook, typed) = (state.plan.runbook.clone(), crate::cli::run::typed(&state.plan));
        // Whoever asked it may have been killed before it told anybody.
        let asks = state.open_asks().map(|(_, ask)| (ask.asked, ask.message.clone())).last();
        let page = asks.map(|(at, ask)| Page::waits((&head.id, at), &ask, &commands(&self.common, &typed)));
        tokio::spawn(async move {
            drop(this.to.send(Told::TakenUp));
            drop(this.to.send(Told::Line(format!("run {} is unfinished: it is taken up again", head.id))));
            if let Some(page) = page {
                drop(this.to.send(Told::Page { runbook: runbook.clone(), page }));
            }
            let consent = consent();
            let beside = this.beside(None, (&runbook, &typed));
            let taken = take_up_as((&this.common, &consent), policy, Some(beside), &this.store, &head).await;
            this.lets_go(&head.id, taken.is_err().then_some(now));
            let code = taken.unwrap_or_else(|failure| {
                drop(this.to.send(Told::Line(format!("run {} could not be taken up: {}", head.id, failure.told()))));
                failure.code
            });
            drop(this.to.send(Told::Rests { code }));
        });
    }

    /// Hears of a run what people must know, and that it began.
    fn beside(&self, decision: Option<NoteNo>, (runbook, typed): (&str, &str)) -> Beside {
        let (to, known, runbook) = (self.to.clone(), commands(&self.common, typed), runbook.to_owned());
        let asked = Mutex::new(Asked::default());
        Arc::new(move |notice| {
            let Notice::Event(event) = notice else { return };
            if let (EventKind::RunStarted { .. }, Some(decision)) = (&event.kind, decision) {
                drop(to.send(Told::Began { decision, run: event.run.clone() }));
            }
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(page) = Page::of(event, &mut asked, &known) {
                drop(to.send(Told::Page { runbook: runbook.clone(), page }));
            }
        })
    }
}

fn consent() -> Consent {
    Consent { unattended: true, operator: Some(OPERATOR.to_owned()), ..Consent::default() }
}

/// The command that a person would type.
fn args(loaded: &Loaded, begin: &Begin, superseded: Option<RunId>) -> MoveArgs {
    let reason = superseded.as_ref().map(|_| "a trigger starts a failover".to_owned());
    MoveArgs {
        file: std::path::Path::new(&loaded.folder).join(&loaded.file),
        planned: begin.mode == Mode::Planned,
        emergency: begin.mode == Mode::Emergency,
        to: begin.to.as_ref().map(ToString::to_string),
        param: vec![],
        since: None,
        no_reprotect: true,
        dry_run: false,
        supersede: superseded.map(|run| run.to_string()),
        reason,
        consent: consent(),
    }
}

/// What the policy of the trigger answers beforehand.
fn policy(begin: &Begin) -> Policy {
    let most = begin.autonomy.reach();
    Policy {
        accept_loss: begin.accept_data_loss.map(AcceptLoss::UpTo),
        unattended: true,
        reach: Some(Reach { most, disruptive_if_unreachable: begin.disruptive_if_unreachable }),
        ..Policy::default()
    }
}

/// The events of a run, or why they cannot be read; a store that does not work now is another matter.
pub(super) async fn events(store: &Arc<dyn Store>, run: &RunId) -> Result<Result<Vec<Event>, StoreError>, StoreError> {
    match store.read(run, Seq(1)).await {
        Err(outage @ StoreError::Outage { .. }) => Err(outage),
        other => Ok(other),
    }
}

/// The run of a decision, where it began.
pub(super) async fn begun(store: &Arc<dyn Store>, start: &Start) -> Result<Option<RunId>, StoreError> {
    // Of two watchers one's clock may be behind.
    const SLACK: Span = Span::hours(1);
    let Pending { id, at, .. } = &start.what;
    for head in store.runs(Some(&LeaseKey::new(&id.runbook))).await? {
        if head.started + SLACK < *at {
            return Ok(None);
        }
        // That it cannot be read stands against a start by itself; it must not stand in the way of telling so.
        let Ok(events) = events(store, &head.id).await? else { continue };
        if let Some(EventKind::RunStarted { cause: Some(cause), .. }) = events.first().map(|event| &event.kind)
            && cause.is(start.decision, &id.trigger, *at)
        {
            return Ok(Some(head.id));
        }
    }
    Ok(None)
}

/// Whether trying again would come to the same.
fn is_final(failure: &Failure, by_hand: bool) -> bool {
    let refused = [code::USAGE, code::INVALID, code::REFUSED, code::MISMATCH, code::INTERNAL];
    refused.contains(&failure.code) && (by_hand || !failure.by_sight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_by_what_was_seen_is_tried_again_and_what_people_said_is_not() {
        let unseen = Failure::refused("ohio does not answer: a planned move needs it").by_sight();
        assert!(!is_final(&unseen, false));
        assert!(is_final(&unseen, true), "whoever started it by hand sees it");
        assert!(is_final(&Failure::refused("ada put the brake on"), false));
        assert!(!is_final(&Failure::environment("no credentials"), false));
        assert!(!is_final(&Failure::new(code::BUSY, "another run holds it"), false));
    }
}
