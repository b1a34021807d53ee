//! Time: instants, lengths of time, and the clocks that give them.
//!
//! A [`Clock`] gives the time that runs are made of: real, scaled or virtual, all by one
//! implementation over Tokio's timer ([`TokioClock`]), whose paused form is virtual time. Wall time
//! is start + elapsed, so a jump of the machine's clock cannot reorder a journal. A [`BootClock`]
//! is never scaled and counts through suspend; leases and permits alone use it.

mod ahead;
mod span;
mod timestamp;
mod tokio_clock;

pub use ahead::going_on_from;
pub use span::{NotASpan, Span};
pub use timestamp::{NotATime, Timestamp};
pub use tokio_clock::TokioClock;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// The time that runs are made of.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;
    /// Returns when `now` has reached `t`; at once if it has.
    async fn sleep_until(&self, t: Timestamp);
    /// Stops virtual time until the guard is dropped; real and scaled time go on. For waits on
    /// what lies outside the runtime (a person at a prompt), past which virtual time would race.
    fn hold(&self) -> Hold;
}

/// Keeps virtual time still while it lives. See [`Clock::hold`].
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "dropping it is its use")] Option<std::sync::mpsc::Sender<()>>);

impl Hold {
    /// A guard of a clock that does not stop.
    pub fn none() -> Self {
        Self(None)
    }
}

/// Milliseconds on the boot clock: monotonic, counts through suspend, starts anew at each boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BootInstant(pub u64);

impl BootInstant {
    /// The time since an earlier instant; none where it is a later one.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// The clock of leases.
pub trait BootClock: Send + Sync {
    /// The present.
    fn boot(&self) -> BootInstant;
}

/// The kernel's CLOCK_BOOTTIME.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelBootClock;

impl BootClock for KernelBootClock {
    fn boot(&self) -> BootInstant {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let (s, ns) = (u64::try_from(t.tv_sec).unwrap_or(0), u64::try_from(t.tv_nsec).unwrap_or(0));
        BootInstant(s * 1000 + ns / 1_000_000)
    }
}
