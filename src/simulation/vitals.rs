//! What a process is to the world: it can die or be stopped at any point, and its clocks are its own.

use super::schedule::{Blow, Deed, Trouble};
use crate::clock::{BootClock, BootInstant, Clock, Hold, Span, Timestamp};
use async_trait::async_trait;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};
use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    time::Instant,
};

/// How a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It runs.
    Awake,
    /// It is stopped (SIGSTOP, a suspended machine, a long pause of its disk) and will wake.
    Stopped,
    /// It was killed.
    Dead,
}

/// The life of one process.
pub(super) struct Vitals {
    /// Its number among all of a schedule.
    pub(super) number: u32,
    pulse: Mutex<Pulse>,
    /// Woken in the order in which they wait: a `watch` wakes by chance, and no seed would play twice.
    changed: Notify,
    passed: Mutex<Passed>,
    skew: AtomicI64,
    world: Arc<dyn Clock>,
    /// Who hears of what strikes it.
    told: UnboundedSender<(u32, Deed)>,
}

/// Which points it has passed, and what is to happen at those to come.
struct Passed {
    points: u64,
    blows: Vec<Blow>,
}

impl Vitals {
    pub(super) fn new(
        number: u32,
        world: &Arc<dyn Clock>,
        trouble: Trouble,
        told: &UnboundedSender<(u32, Deed)>,
    ) -> Arc<Self> {
        let passed = Mutex::new(Passed { points: 0, blows: trouble.blows });
        let (pulse, changed) = (Mutex::new(Pulse::Awake), Notify::new());
        let skew = AtomicI64::new(trouble.skew);
        Arc::new(Self { number, pulse, changed, passed, skew, world: world.clone(), told: told.clone() })
    }

    fn passed(&self) -> MutexGuard<'_, Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pulse(&self) -> Pulse {
        *self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn becomes(&self, pulse: Pulse) {
        {
            let mut now = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody rises from the dead.
            if *now == Pulse::Dead {
                return;
            }
            *now = pulse;
        }
        self.changed.notify_waiters();
    }

    /// Returns when it is so.
    async fn until(&self, so: impl Fn(Pulse) -> bool) -> Pulse {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let now = self.pulse();
            if so(now) {
                return now;
            }
            changed.await;
        }
    }

    /// Ends it, at whatever point it is.
    pub(super) fn kill(&self) {
        self.becomes(Pulse::Dead);
    }

    /// Stops it for a while. `suspended`: its run's clock stood still meanwhile, as that of a machine
    /// that slept does.
    fn stop(self: &Arc<Self>, span: Span, suspended: bool) {
        self.becomes(Pulse::Stopped);
        let this = self.clone();
        tokio::spawn(async move {
            let since = this.world.now();
            tokio::select! {
                biased;
                _ = this.until(|pulse| pulse == Pulse::Dead) => {}
                () = this.world.sleep_until(since + span) => {}
            }
            if suspended {
                let slept = i64::try_from(this.world.now().since(since).0).unwrap_or(0);
                this.skew.fetch_sub(slept, Ordering::Relaxed);
            }
            this.becomes(Pulse::Awake);
        });
    }

    /// Where it may be struck: between any two things that it does. Returns when it runs on; never
    /// where it died.
    pub(super) async fn point(self: &Arc<Self>) {
        self.strike();
        self.awake().await;
    }

    /// Passes a point; what is due at it happens.
    fn strike(self: &Arc<Self>) {
        let due = {
            let mut passed = self.passed();
            passed.points += 1;
            let here = passed.points;
            let (due, later) =
                std::mem::take(&mut passed.blows).into_iter().partition(|blow: &Blow| blow.point <= here);
            passed.blows = later;
            due
        };
        let due: Vec<Blow> = due;
        for Blow { deed, .. } in due {
            match &deed {
                Deed::Dies => self.kill(),
                Deed::Stops { span, suspended } => self.stop(*span, *suspended),
                Deed::Asked(_) | Deed::Interrupted | Deed::Rival | Deed::TakenOver => {}
            }
            // Nobody listens any more when all has ended.
            drop(self.told.send((self.number, deed)));
        }
    }

    /// Returns when it runs; never where it died.
    pub(super) async fn awake(&self) {
        self.until(|pulse| pulse == Pulse::Awake).await;
    }

    /// Lives a process's life: it goes on only while it runs. None: it was killed.
    pub(super) async fn live<T>(&self, life: impl Future<Output = T>) -> Option<T> {
        let mut life = std::pin::pin!(life);
        loop {
            tokio::select! {
                biased;
                pulse = self.until(|pulse| pulse != Pulse::Awake) => {
                    if pulse == Pulse::Dead {
                        return None;
                    }
                    self.until(|pulse| pulse != Pulse::Stopped).await;
                }
                done = &mut life => return Some(done),
            }
        }
    }

    /// What its wall shows when the world's shows `at`.
    pub(super) fn shown(&self, at: Timestamp) -> Timestamp {
        Timestamp(at.0 + self.skew.load(Ordering::Relaxed))
    }
}

/// A process's wall clock: the world's, as wrong as it is.
pub(super) struct OwnClock(pub(super) Arc<Vitals>);

#[async_trait]
impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        self.0.shown(self.0.world.now())
    }

    async fn sleep_until(&self, t: Timestamp) {
        while self.now() < t {
            let left = t.since(self.now());
            self.0.world.sleep_until(self.0.world.now() + left).await;
        }
        self.0.awake().await;
    }

    /// People of a simulation answer in its own time.
    fn hold(&self) -> Hold {
        Hold::none()
    }
}

/// A machine's boot clock: virtual time since some boot.
#[derive(Clone, Copy, Debug)]
pub(super) struct VirtualBoot {
    started: Instant,
    ahead: u64,
}

impl VirtualBoot {
    /// Of a machine that booted so long ago.
    pub(super) fn since(ahead: Span) -> Self {
        Self { started: Instant::now(), ahead: ahead.0 }
    }
}

impl BootClock for VirtualBoot {
    fn boot(&self) -> BootInstant {
        BootInstant(self.ahead + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}
