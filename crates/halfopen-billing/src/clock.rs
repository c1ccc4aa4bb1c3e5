//! The time of day, which whoever runs a service brings.

use core::time::Duration;

use jiff::Timestamp;

/// Tells what time it is: the system's clock outside, virtual time in a simulation.
///
/// Any `Fn() -> Timestamp` is a clock. It may be set while a service runs, forward or back.
pub trait Clock: Send + Sync {
    /// Returns the time.
    fn now(&self) -> Timestamp;

    /// Returns how long to sleep for that much time of this clock to pass: as long, unless it runs
    /// at another speed than tokio's.
    fn sleep_for(&self, time: Duration) -> Duration {
        time
    }
}

impl<F: Fn() -> Timestamp + Send + Sync> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}
