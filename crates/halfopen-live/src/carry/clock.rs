//! The clock of a run.

use std::time::SystemTime;

use halfopen_core::time::{Duration, Instant};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// A clock that begins at zero and goes on while the system sleeps (`CLOCK_BOOTTIME` of
/// `clock_gettime(2)`), as the timers of the boxes that are imitated would.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// When it began, since the system was started.
    began: Duration,
    /// The same moment, since the UNIX epoch.
    began_at: Duration,
}

impl Clock {
    /// Starts a clock.
    #[must_use]
    pub fn start() -> Self {
        let began_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self { began: since_boot(), began_at: began_at.unwrap_or_default() }
    }

    /// Returns the time.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::EPOCH + since_boot().saturating_sub(self.began)
    }

    /// Returns the UNIX time at which the clock began. The system's wall clock may have been set
    /// since.
    #[must_use]
    pub const fn began_at(&self) -> Duration {
        self.began_at
    }

    /// Returns an instant as the kernel counts it.
    pub(super) fn on_the_system(&self, at: Instant) -> TimeSpec {
        self.began.saturating_add(at.saturating_since(Instant::EPOCH)).into()
    }
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has had it since 2.6.39");
    now.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_on_the_system_is_as_far_away_as_it_is_here() {
        let clock = Clock::start();
        let at = |secs| clock.on_the_system(Instant::EPOCH + Duration::from_secs(secs)).tv_sec();
        assert_eq!(at(350) - at(0), 350);
        assert!(clock.now() < Instant::EPOCH + Duration::from_mins(1));
    }
}
