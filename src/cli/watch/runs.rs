//! The runs of a watcher: those it begins, and those it finds unfinished, each in a task of its own, by
//! the same way that a person's command goes.

use super::{
    Told,
    pages::{Asked, Page},
};
use crate::{
    cli::{
        args::{Common, Consent, MoveArgs},
        exit::Failure,
        moves::{Done, Move, replay},
        resume::take_up_as,
        wiring::{Beside, Loaded, World, commands},
    },
    clock::Timestamp,
    engine::RunState,
    event::{AcceptLoss, Begin, Cause, EventKind, Notice, PauseReason, Policy, Reach},
    ids::{LeaseKey, NoteNo, RunId},
    model::{Direction, Mode},
    store::{RunHead, Store, StoreError},
    watch::Start,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
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
    pub(super) taken: Arc<Mutex<BTreeSet<RunId>>>,
}

impl Runs {
    /// Begins a failover that was decided, unless its run is there already.
    pub(super) fn begin(&self, start: Start, loaded: Loaded) {
        let this = self.clone();
        tokio::spawn(async move {
            let (decision, to) = (start.decision, this.to.clone());
            let told = match this.begun(&loaded, decision).await {
                Ok(Some(head)) => Told::Began { decision, run: head.id },
                Ok(None) => match this.go(start, loaded.clone()).await {
                    Ok(told) => told,
                    Err(failure) => this.why_not(&loaded, decision, failure).await,
                },
                Err(_) => Told::Later { decision },
            };
            drop(to.send(told));
        });
    }

    /// The run of a decision, where it began.
    async fn begun(&self, loaded: &Loaded, decision: NoteNo) -> Result<Option<RunHead>, StoreError> {
        for head in self.store.runs(Some(&loaded.key())).await?.into_iter().take(20) {
            let of = |state: RunState| state.cause.is_some_and(|cause| cause.decision == decision);
            if replay(&self.store, &head.id).await.is_ok_and(of) {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Somebody else may have begun it at the same moment; what is only busy is tried again.
    async fn why_not(&self, loaded: &Loaded, decision: NoteNo, failure: Failure) -> Told {
        match self.begun(loaded, decision).await {
            Ok(Some(head)) => {
                drop(self.to.send(Told::Began { decision, run: head.id }));
                drop(self.to.send(Told::Line(format!("its run ended in an error: {}", failure.told()))));
                Told::Rests { code: failure.code }
            }
            Ok(None) if failure.code == crate::cli::exit::code::BUSY => Told::Later { decision },
            Ok(None) => Told::NotBegun { decision, why: failure.told() },
            Err(_) => Told::Later { decision },
        }
    }

    /// Plans and begins it, and stays with it to its end.
    async fn go(&self, start: Start, loaded: Loaded) -> Result<Told, Failure> {
        let (decision, begin) = (start.decision, start.what.begin);
        let superseded = self.reprotect_under_way(&loaded).await?;
        let args = args(&loaded, &begin, superseded);
        let mut one = Move::open_in(&self.common, &args, self.world.clone()).await?;
        let cause = Cause { trigger: start.what.id.trigger.clone(), decision, facts: begin.facts.clone() };
        one.policy = policy(&begin);
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

    /// Takes up what a watcher left unfinished and nobody holds.
    pub(super) async fn take_up_orphans(&self, keys: Vec<LeaseKey>) {
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
            if state.cause.is_some() && ours && free && asked && self.takes(&head.id) {
                self.take_up(head, &state);
            }
        }
    }

    /// Whether nobody here takes the run up already.
    fn takes(&self, run: &RunId) -> bool {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone())
    }

    fn lets_go(&self, run: &RunId) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
    }

    fn take_up(&self, head: RunHead, state: &RunState) {
        let (this, policy) = (self.clone(), state.policy.clone());
        let (runbook, typed) = (state.plan.runbook.clone(), crate::cli::run::typed(&state.plan));
        tokio::spawn(async move {
            drop(this.to.send(Told::TakenUp));
            drop(this.to.send(Told::Line(format!("run {} is unfinished: it is taken up again", head.id))));
            let consent = consent();
            let beside = this.beside(None, (&runbook, &typed));
            let taken = take_up_as((&this.common, &consent), policy, Some(beside), &this.store, &head).await;
            let code = taken.unwrap_or_else(|failure| {
                drop(this.to.send(Told::Line(format!("run {} could not be taken up: {}", head.id, failure.told()))));
                failure.code
            });
            this.lets_go(&head.id);
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

/// When a decision is tried again.
pub(super) fn later(now: Timestamp) -> Timestamp {
    now + crate::clock::Span::secs(2)
}
