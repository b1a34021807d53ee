//! One process: it claims the run, begins it or takes it up, and comes to some end.

use super::{
    body::{Eyes, Hands},
    scene::Stage,
    schedule::Trouble,
    vitals::{OwnClock, VirtualBoot, Vitals},
};
use crate::{
    clock::{BootClock, Span},
    driver::{Act, Look},
    engine::{self, Deps, Doors, Ended, EngineError, Signals, Start, Tempo, Watch},
    event::{EventKind, Notice, Policy, Way, Who},
    ids::{RunId, Seq},
    sandbox::Sandbox,
    store::{Claim, Fence, Journal, Store, StoreError},
};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// How a process came to its end.
#[derive(Debug)]
pub(super) enum End {
    /// It was killed.
    Killed,
    /// Another held the run.
    Busy,
    /// The engine came to rest.
    Rest(Ended),
    /// The engine could not go on.
    Broke(String),
}

/// What a process does with a run.
pub(super) enum Errand {
    /// Begins it.
    Begin(Box<Start>),
    /// Takes it up.
    TakeUp(Policy),
    /// Takes it up, whoever holds it.
    TakeOver(Policy),
}

/// A process that lives.
pub(super) struct Life {
    pub(super) vitals: Arc<Vitals>,
    pub(super) signals: Signals,
}

/// Lets a process live. Its end comes by `over`.
pub(super) fn begin(
    stage: &Arc<Stage>,
    (number, trouble): (u32, Trouble),
    run: &RunId,
    errand: Errand,
    over: UnboundedSender<(u32, End)>,
) -> Life {
    let vitals = Vitals::new(number, &stage.clock, trouble, &stage.told);
    let life = Life { vitals: vitals.clone(), signals: Signals::default() };
    let (stage, run, signals) = (stage.clone(), run.clone(), life.signals.clone());
    tokio::spawn(async move {
        let end = match vitals.live(Box::pin(work(&stage, &vitals, run, errand, signals))).await {
            None => {
                stage.store.died(number, stage.keeps_tail(number)).await;
                End::Killed
            }
            Some(Ok(end)) => end,
            Some(Err(why)) => End::Broke(why.to_string()),
        };
        drop(over.send((number, end)));
    });
    life
}

async fn work(
    stage: &Arc<Stage>,
    vitals: &Arc<Vitals>,
    run: RunId,
    errand: Errand,
    signals: Signals,
) -> Result<End, EngineError> {
    // Every machine booted some time ago.
    let boot: Arc<dyn BootClock> = Arc::new(VirtualBoot::since(Span::hours(2 + u64::from(vitals.number))));
    let who = Who { operator: "ada".into(), host: format!("machine-{}", vitals.number), pid: vitals.number };
    let act: Arc<dyn Act> = Arc::new(Hands {
        vitals: vitals.clone(),
        boot: boot.clone(),
        wire: stage.wire.clone(),
        judge: stage.judge.clone(),
    });
    let (store, act) = (stage.seams.hands)(&stage.sandbox, stage.store.door(vitals.clone(), boot.clone()), act);
    let claim = match store.claim(&stage.key, &who).await? {
        Claim::Busy(holder) if matches!(errand, Errand::TakeOver(_)) => {
            store.seize(&stage.key, &who, holder.epoch).await?
        }
        claim => claim,
    };
    let fence = match claim {
        Claim::Held(fence) => fence.outwait(&*store, &*boot, |nap| stage.sleep(nap)).await?,
        Claim::Busy(_) => return Ok(End::Busy),
    };
    let head = match store.read(&run, Seq(1)).await {
        Ok(events) => events.last().map_or(Seq(0), |event| event.seq),
        Err(StoreError::NoSuchRun(_)) => Seq(0),
        Err(other) => return Err(other.into()),
    };
    let deps = deps(stage, vitals, (store, act, boot), (fence, run, head), who);
    let (_ask, requests) = unbounded_channel();
    let doors = Doors { requests, signals };
    let (ended, _) = match errand {
        Errand::Begin(start) if head == Seq(0) => engine::start(deps, doors, *start).await?,
        Errand::Begin(start) => engine::resume(deps, doors, start.policy).await?,
        Errand::TakeUp(policy) | Errand::TakeOver(policy) => engine::resume(deps, doors, policy).await?,
    };
    Ok(End::Rest(ended))
}

fn deps(
    stage: &Arc<Stage>,
    vitals: &Arc<Vitals>,
    (store, act, boot): (Arc<dyn Store>, Arc<dyn Act>, Arc<dyn BootClock>),
    (fence, run, head): (Fence, RunId, Seq),
    who: Who,
) -> Deps {
    let eyes: Arc<dyn Look> = Arc::new(Eyes { vitals: vitals.clone(), world: stage.sandbox.clone() });
    let clock = (stage.seams.clock)(Arc::new(OwnClock(vitals.clone())));
    Deps {
        journal: Journal::new(store, boot.clone(), fence, run, head),
        look: (stage.seams.look)(eyes),
        act,
        clock,
        boot,
        watchers: vec![tell(stage.sandbox.clone())],
        who,
        interactive: false,
        waits: false,
        tempo: Tempo(Span::secs(8)),
    }
}

/// Faults that wait for a step strike when it begins.
fn tell(sandbox: Arc<Sandbox>) -> Watch {
    Box::new(move |notice| {
        if let Notice::Event(event) = notice
            && let EventKind::AttemptStarted { step, way: Way::Forward, .. } = &event.kind
        {
            // A world in memory takes everything.
            drop(sandbox.step_started(step));
        }
    })
}
