//! The time, as hyper's timer tells it.

use core::fmt;
use core::pin::Pin;
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
        // Nobody waits for an instant that std cannot say: a century does as well.
        let after = deadline.saturating_since(Instant::EPOCH).min(Duration::from_hours(876_600));
        self.timer.sleep_until(self.epoch + after)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}
