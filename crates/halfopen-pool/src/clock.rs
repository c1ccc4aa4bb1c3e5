//! The time, as hyper's timer tells it.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::sync::Arc;

use halfopen_core::time::{Duration, Instant};
use hyper::rt::{Sleep, Timer};

/// The client's time line: it begins when the client is built. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Clock {
    timer: Arc<dyn Timer + Send + Sync>,
    epoch: std::time::Instant,
}

impl Clock {
    pub(crate) fn new(timer: Arc<dyn Timer + Send + Sync>) -> Self {
        let epoch = timer.now();
        Self { timer, epoch }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::EPOCH + self.timer.now().saturating_duration_since(self.epoch)
    }

    /// Returns what waits until `deadline`.
    pub(crate) fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.timer.sleep_until(self.at(deadline))
    }

    fn at(&self, instant: Instant) -> std::time::Instant {
        // Nobody waits for an instant that std cannot say: a century does as well.
        let after = instant.saturating_since(Instant::EPOCH).min(Duration::from_hours(876_600));
        self.epoch + after
    }
}

/// A timer that a connection keeps from request to request.
///
/// A new one may wake the runtime's driver, so that it is left to run when nobody waits. Nor is it
/// set later before it has rung: that is in vain once in a while, and spared each request.
#[derive(Default)]
pub(crate) struct Alarm {
    sleep: Option<(Instant, Pin<Box<dyn Sleep>>)>,
}

impl Alarm {
    /// Waits until `deadline`, which may be another than when it was last polled.
    pub(crate) fn poll_until(
        &mut self,
        deadline: Instant,
        clock: &Clock,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let (set, sleep) =
            self.sleep.get_or_insert_with(|| (deadline, clock.sleep_until(deadline)));
        if *set <= deadline {
            ready!(sleep.as_mut().poll(cx));
            if *set == deadline {
                return Poll::Ready(());
            }
        }
        *set = deadline;
        clock.timer.reset(sleep, clock.at(deadline));
        sleep.as_mut().poll(cx)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}
