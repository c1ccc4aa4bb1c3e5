//! Timers that run faster than they are written, for those who play them in real time.

use core::num::NonZeroU32;

use crate::tcp::Keepalive;
use crate::time::Duration;

/// What waits for packets waits no shorter than this, unless it did before: the network and the
/// kernel's TCP run no faster. A lost segment is repeated after 200 ms and 600 ms
/// (`TCP_RTO_MIN`, include/net/tcp.h), which then still comes in time.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

/// How many times faster timers run than their texts say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speed(NonZeroU32);

impl Speed {
    /// As the texts say.
    pub const REAL: Self = Self(NonZeroU32::MIN);

    /// Returns the speed; `None` if it is zero.
    #[must_use]
    pub const fn new(times: u32) -> Option<Self> {
        match NonZeroU32::new(times) {
            Some(times) => Some(Self(times)),
            None => None,
        }
    }

    /// Returns the speed that is both one after the other.
    #[must_use]
    pub const fn times(self, other: Self) -> Self {
        Self(self.0.saturating_mul(other.0))
    }

    /// Returns how many times faster it is.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Divides a timer; none becomes zero that was not.
    #[must_use]
    pub fn timer(self, time: Duration) -> Duration {
        (time / self.get()).max(time.min(Duration::from_nanos(1)))
    }

    /// Divides how long something waits for packets, and leaves it a second if it had one.
    #[must_use]
    pub fn patience(self, time: Duration) -> Duration {
        self.timer(time).max(time.min(PATIENCE_MIN))
    }

    /// Divides the times of TCP's keepalive, rounded up to whole seconds.
    #[must_use]
    pub fn keepalive(self, keepalive: Keepalive) -> Keepalive {
        let Keepalive { idle, interval, count } = keepalive;
        Keepalive { idle: self.whole(idle), interval: self.whole(interval), count }
    }

    /// Divides what counts whole seconds, rounded up.
    pub(crate) fn whole(self, time: Duration) -> Duration {
        if self == Self::REAL {
            return time;
        }
        let divided = self.timer(time);
        Duration::from_secs(divided.as_secs() + u64::from(divided.subsec_nanos() > 0))
    }
}
