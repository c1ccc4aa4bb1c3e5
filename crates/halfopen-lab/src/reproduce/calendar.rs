//! The calendar that a scheduler lives by, which a scenario may let run faster than its clock.

use halfopen_billing::clock;
use halfopen_core::scenario::Scenario;
use halfopen_core::speed::Speed;
use halfopen_core::time::{Duration, Instant};
use jiff::Timestamp;

use crate::reproduce::machine::Clock;
use crate::reproduce::pool::timestamp;

/// The calendar of a run.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    clock: Clock,
    starts_at: Duration,
    speed: Speed,
}

impl Calendar {
    /// Returns the calendar of a scenario that runs by that clock.
    pub(super) const fn new(clock: Clock, scenario: &Scenario) -> Self {
        Self { clock, starts_at: scenario.starts_at, speed: scenario.speed }
    }

    /// Returns when it began. Where time goes on meanwhile, that is before now.
    pub(super) fn began(&self) -> Timestamp {
        timestamp(self.starts_at, Instant::EPOCH)
    }
}

impl clock::Clock for Calendar {
    fn now(&self) -> Timestamp {
        let passed = self.clock.now().saturating_since(Instant::EPOCH);
        timestamp(self.starts_at, Instant::EPOCH + passed.saturating_mul(self.speed.get()))
    }

    fn sleep_for(&self, time: Duration) -> Duration {
        // Not short by a fraction of a nanosecond, for then it would wake before its tick.
        self.speed.timer(time) + Duration::from_nanos(u64::from(self.speed > Speed::REAL))
    }
}
