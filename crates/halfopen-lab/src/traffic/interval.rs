//! How sure a number is.

use halfopen_core::rng::Rng;

/// How often blocks are drawn anew: the two and a half per cent at each end are then 50 draws.
const DRAWS: usize = 2_000;

/// From where to where a number lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// At least.
    pub low: f64,
    /// At most.
    pub high: f64,
}

impl Interval {
    pub(super) fn scaled(self, by: f64) -> Self {
        Self { low: self.low * by, high: self.high * by }
    }
}

/// Returns the interval of the sum of `blocks`, which must not be empty: the middle 95 % of the
/// sums of as many blocks drawn from these with replacement.
#[expect(clippy::cast_precision_loss, reason = "an interval needs no more than 52 bits")]
pub(super) fn of_sum(blocks: &[u64], rng: &mut Rng) -> Interval {
    let mut draw = |_| (0..blocks.len()).map(|_| *rng.pick(blocks)).sum::<u64>();
    let mut sums: Vec<u64> = (0..DRAWS).map(&mut draw).collect();
    sums.sort_unstable();
    Interval { low: sums[DRAWS / 40] as f64, high: sums[DRAWS - 1 - DRAWS / 40] as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_every_day_is_sure() {
        let interval = of_sum(&[72; 7], &mut Rng::new(1));
        assert_eq!(interval, Interval { low: 504.0, high: 504.0 });
    }

    #[test]
    fn the_interval_of_independent_events_is_two_standard_errors_each_way() {
        // Of 400 blocks, each has an event with probability one half: the sum is 200 and its
        // standard error is sqrt(400 · 1/2 · 1/2) = 10, so 95 % lie within 1.96 · 10.
        let blocks: Vec<u64> = (0..400).map(|block| block % 2).collect();
        let Interval { low, high } = of_sum(&blocks, &mut Rng::new(1));
        assert!((178.0..183.0).contains(&low) && (217.0..222.0).contains(&high), "{low} {high}");
    }
}
