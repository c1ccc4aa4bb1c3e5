//! How late a path is told of what is due.

use halfopen_core::time::Duration;
use hdrhistogram::Histogram;

/// How late a path was told of what was due, each time that something was.
#[derive(Clone, Debug)]
pub struct Delays(Histogram<u64>);

impl Delays {
    pub(super) fn new() -> Self {
        let longest = Duration::from_hours(1).as_nanos();
        let longest = u64::try_from(longest).expect("an hour has fewer than 2^64 nanoseconds");
        Self(Histogram::new_with_max(longest, 2).expect("bounds that a histogram can have"))
    }

    /// A delay of more than an hour counts as an hour.
    pub(super) fn record(&mut self, delay: Duration) {
        self.0.saturating_record(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Returns how often something was due.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the delay that this share of all did not exceed, to two digits; 1 is the longest,
    /// and nothing is zero.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_no_less_than_its_share_of_delays() {
        let mut delays = Delays::new();
        assert_eq!(delays.quantile(1.0), Duration::ZERO);
        for micros in 1..=100 {
            delays.record(Duration::from_micros(micros));
        }
        delays.record(Duration::from_hours(7));
        assert_eq!(delays.count(), 101);
        let half = delays.quantile(0.5).as_nanos();
        assert!((50_000..53_000).contains(&half), "{half}");
        assert!(delays.quantile(1.0) >= Duration::from_hours(1));
    }
}
