//! The clock of a run.

use std::time::SystemTime;

use halfopen_core::time::{Duration, Instant};
use rustix::time::{ClockId, Timespec, clock_gettime};

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
    pub(super) fn on_the_system(&self, at: Instant) -> Timespec {
        let since_boot = self.began.saturating_add(at.saturating_since(Instant::EPOCH));
        Timespec {
            tv_sec: since_boot.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: since_boot.subsec_nanos().into(),
        }
    }
}

fn since_boot() -> Duration {
    // Neither part is negative: the system was started before this.
    let now = clock_gettime(ClockId::Boottime);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_on_the_system_is_as_far_away_as_it_is_here() {
        let clock = Clock::start();
        let at = |secs| clock.on_the_system(Instant::EPOCH + Duration::from_secs(secs)).tv_sec;
        assert_eq!(at(350) - at(0), 350);
        assert!(clock.now() < Instant::EPOCH + Duration::from_mins(1));
    }
}
