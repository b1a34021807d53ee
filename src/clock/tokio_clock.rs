//! The clock of runs: real, scaled or virtual time over Tokio's timer.

use super::{Clock, Hold, Span, Timestamp};
use async_trait::async_trait;
use tokio::time::Instant;

/// Time that started at `origin` and goes `factor` times as fast as Tokio's. On a runtime whose
/// time is paused it is virtual: it jumps to the next timer whenever nothing else is left to do.
#[derive(Clone, Debug)]
pub struct TokioClock {
    origin: Timestamp,
    started: Instant,
    factor: u32,
    virtual_time: bool,
}

impl TokioClock {
    /// Real time, as the wall shows it.
    pub fn real() -> Self {
        Self::scaled(Timestamp::wall(), 1)
    }
    /// Time from `origin` on, `factor` times as fast as real time.
    pub fn scaled(origin: Timestamp, factor: u32) -> Self {
        Self { origin, started: Instant::now(), factor: factor.max(1), virtual_time: false }
    }
    /// Virtual time from `origin` on; the runtime's time must be paused.
    pub fn virtual_from(origin: Timestamp) -> Self {
        Self { virtual_time: true, ..Self::scaled(origin, 1) }
    }
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.origin + Span(ms.saturating_mul(self.factor.into()))
    }

    async fn sleep_until(&self, t: Timestamp) {
        while self.now() < t {
            let left = t.since(self.now()).0.div_ceil(self.factor.into());
            tokio::time::sleep(Span(left).std()).await;
        }
    }

    fn hold(&self) -> Hold {
        if !self.virtual_time {
            return Hold::none();
        }
        // Paused time does not advance while a blocking task runs.
        let (guard, released) = std::sync::mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || released.recv()));
        Hold(Some(guard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_jumps_to_what_is_waited_for() {
        let clock = TokioClock::virtual_from(Timestamp(0));
        clock.sleep_until(Timestamp(0) + Span::hours(12)).await;
        assert_eq!(clock.now(), Timestamp(0) + Span::hours(12));
    }

    #[tokio::test(start_paused = true)]
    async fn scaled_time_goes_faster() {
        let clock = TokioClock::scaled(Timestamp(0), 60);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(clock.now(), Timestamp(60_000));
    }
}
