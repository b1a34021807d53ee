//! The time of a run that a machine takes over whose clock is behind.

use super::{Clock, Hold, Span, Timestamp};
use async_trait::async_trait;
use std::sync::Arc;

/// A clock that shows a fixed time more than another: time never goes back inside a run.
struct Ahead {
    clock: Arc<dyn Clock>,
    by: Span,
}

/// A clock that goes on from an instant, where this one has not reached it; else the clock itself.
pub fn going_on_from(last: Timestamp, clock: Arc<dyn Clock>) -> Arc<dyn Clock> {
    let by = last.since(clock.now());
    if by == Span::ZERO { clock } else { Arc::new(Ahead { clock, by }) }
}

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.clock.now() + self.by
    }

    async fn sleep_until(&self, t: Timestamp) {
        self.clock.sleep_until(t.before(self.by)).await;
    }

    fn hold(&self) -> Hold {
        self.clock.hold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TokioClock;

    #[tokio::test(start_paused = true)]
    async fn a_run_goes_on_from_its_last_instant_on_a_clock_that_is_behind_and_as_it_is_on_one_that_is_not() {
        let start = Timestamp(1_000_000);
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::virtual_from(start));
        let run = going_on_from(start + Span::mins(40), clock.clone());
        assert_eq!(run.now(), start + Span::mins(40));
        run.sleep_until(start + Span::mins(41)).await;
        assert_eq!((run.now(), clock.now()), (start + Span::mins(41), start + Span::mins(1)));
        assert_eq!(going_on_from(start, clock.clone()).now(), clock.now());
    }
}
