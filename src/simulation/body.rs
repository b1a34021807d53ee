//! A process's eyes and hands: they end with it, what it sent does not.

use super::{
    dice::Dice,
    judge::Judge,
    schedule::Slow,
    vitals::{Pulse, Vitals},
};
use crate::{
    clock::{BootClock, Clock, Span},
    driver::{Act, Look, LookError, SendError},
    sandbox::Sandbox,
    world::{Call, Effect, Receipt, Sight, Target, permit::Permit},
};
use async_trait::async_trait;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// A process's eyes.
pub(super) struct Eyes {
    pub(super) vitals: Arc<Vitals>,
    pub(super) world: Arc<Sandbox>,
}

#[async_trait]
impl Look for Eyes {
    /// What is seen is dated by the process's own clock, as drivers do.
    async fn look(&self, at: &[Target]) -> Vec<Result<Sight, LookError>> {
        self.vitals.point().await;
        let seen = self.world.look(at).await;
        self.vitals.point().await;
        let dated = |sight: Sight| Sight { at: self.vitals.shown(sight.at), ..sight };
        seen.into_iter().map(|one| one.map(dated)).collect()
    }
}

/// What lies between all processes and the world. A request that has left arrives in its own time,
/// whatever becomes of its sender; or, if that dies, perhaps never.
pub(super) struct Wire {
    world: Arc<Sandbox>,
    clock: Arc<dyn Clock>,
    slow: Mutex<Vec<Slow>>,
    dice: Mutex<Dice>,
    sent: AtomicU64,
    flying: AtomicU64,
}

impl Wire {
    pub(super) fn new(world: &Arc<Sandbox>, clock: &Arc<dyn Clock>, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            clock: clock.clone(),
            slow: Mutex::default(),
            dice: Mutex::new(Dice::new(seed, "wire")),
            sent: AtomicU64::new(0),
            flying: AtomicU64::new(0),
        })
    }

    /// From now on these requests take their time, counted from here.
    pub(super) fn slows(&self, slow: Vec<Slow>) {
        *self.slow() = slow;
        self.sent.store(0, Ordering::Relaxed);
    }

    /// How many of them did.
    pub(super) fn struck(&self) -> usize {
        let sent = self.sent.load(Ordering::Relaxed);
        self.slow().iter().filter(|slow| slow.send <= sent).count()
    }

    fn slow(&self) -> MutexGuard<'_, Vec<Slow>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.flying.load(Ordering::Relaxed) == 0
    }

    /// How long the next request is on its way, beyond what is usual.
    fn way(&self, effect: &Effect) -> Span {
        /// How long a request to a provider may be on its way. What it does shows later still: the
        /// dark window is there for both.
        const MOST: Span = Span::secs(8);
        let this = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        // A command runs for as long as it may: the engine waits for that, no longer is simulated.
        let limit = match &effect.call {
            Call::Run(run) => Span(run.limit.0.saturating_sub(self.world.takes(&run.step).0)),
            _ => effect.dark().min(MOST),
        };
        self.slow()
            .iter()
            .find(|slow| slow.send == this)
            .map_or(Span::ZERO, |slow| Span(limit.0 * slow.share.min(90) / 100))
    }

    /// Whether a request outlives its sender.
    fn outlives(&self) -> bool {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).one_in(2)
    }

    async fn deliver(
        self: Arc<Self>,
        vitals: Arc<Vitals>,
        permit: Permit,
        effect: Effect,
    ) -> Result<Receipt, SendError> {
        let (way, outlives) = (self.way(&effect), self.outlives());
        self.flying.fetch_add(1, Ordering::Relaxed);
        self.clock.sleep_until(self.clock.now() + way).await;
        let result = if vitals.pulse() == Pulse::Dead && !outlives {
            Err(SendError::InDoubt { why: "it was lost with its sender".into() })
        } else {
            self.world.arrives(permit, &effect).await
        };
        self.flying.fetch_sub(1, Ordering::Relaxed);
        result
    }
}

/// A process's hands.
pub(super) struct Hands {
    pub(super) vitals: Arc<Vitals>,
    pub(super) boot: Arc<dyn BootClock>,
    pub(super) wire: Arc<Wire>,
    pub(super) judge: Arc<Judge>,
}

#[async_trait]
impl Act for Hands {
    async fn send(&self, permit: Permit, effect: &Effect) -> Result<Receipt, SendError> {
        self.vitals.point().await;
        if let Some(why) = permit.forbids(self.boot.boot()) {
            return Err(SendError::NotSent { after: None, why: why.into() });
        }
        self.judge.leaves(self.vitals.number, permit.token(), effect);
        let way = self.wire.clone().deliver(self.vitals.clone(), permit, effect.clone());
        // On its own: once it has left, nobody holds it back.
        let way = tokio::spawn(way);
        let result = tokio::select! {
            biased;
            result = way => result.unwrap_or_else(|why| Err(SendError::InDoubt { why: why.to_string() })),
            () = self.gives_up(effect) => Err(SendError::InDoubt { why: "no answer, and no more patience".into() }),
        };
        self.vitals.point().await;
        result
    }
}

impl Hands {
    /// Returns when a client waits no longer for its answer. What it sent may arrive all the same.
    async fn gives_up(&self, effect: &Effect) {
        const PATIENCE: Span = Span::secs(5);
        match &effect.call {
            // A command is waited for until its limit.
            Call::Run(_) => std::future::pending().await,
            _ => self.wire.clock.sleep_until(self.wire.clock.now() + PATIENCE).await,
        }
    }
}
