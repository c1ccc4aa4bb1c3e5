//! The round-trip time and the retransmission timeout: RFC 6298 as Linux does it.

use crate::seq::Seq;
use crate::time::{Duration, Instant};

/// The estimate of a connection's round-trip time.
///
/// It differs from RFC 6298 as `net/ipv4/tcp_input.c`, `tcp_rtt_estimator`, does: the least timeout
/// is a floor under the variation, not under the sum; the variation is the largest of the last
/// round trip and falls at most once a round trip; and a shorter sample raises it only slowly.
#[derive(Clone, Debug)]
pub(super) struct Rtt {
    estimate: Option<Estimate>,
    /// The timeout with what backing off made of it.
    rto: Duration,
    min: Duration,
    max: Duration,
    /// What is being timed: the number that ends it, and when it was sent.
    timed: Option<(Seq, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    smoothed: Duration,
    /// Four times the mean deviation.
    deviation: Duration,
    /// The largest deviation of this round trip, and not below the floor.
    deviation_max: Duration,
    /// What the timeout adds.
    variation: Duration,
    /// Where the current round trip ends.
    round_end: Seq,
}

impl Rtt {
    pub(super) fn new(initial: Duration, min: Duration, max: Duration) -> Self {
        Self { estimate: None, rto: initial, min, max, timed: None }
    }

    /// Begins to time what ends at `end`, unless something is being timed.
    pub(super) fn start(&mut self, end: Seq, now: Instant) {
        self.timed.get_or_insert((end, now));
    }

    /// Gives up the timing, since it cannot be told any more which copy is acknowledged (Karn's
    /// algorithm, RFC 6298 section 3).
    pub(super) fn cancel(&mut self) {
        self.timed = None;
    }

    /// Returns the round-trip time that an acknowledgment of what is timed shows.
    pub(super) fn stop(&mut self, ack: Seq, now: Instant) -> Option<Duration> {
        let (_, sent) = self.timed.take_if(|(end, _)| !ack.before(*end))?;
        Some(now.saturating_since(sent))
    }

    /// Takes a sample; `una` and `nxt` say what the peer has and what is on its way.
    pub(super) fn sample(&mut self, sample: Duration, una: Seq, nxt: Seq) {
        let floor = self.min;
        let estimate = match self.estimate {
            // RFC 6298 section 2.2: the variation is half the sample; times four
            None => Estimate {
                smoothed: sample,
                deviation: sample * 2,
                deviation_max: (sample * 2).max(floor),
                variation: (sample * 2).max(floor),
                round_end: nxt,
            },
            Some(before) => before.refined(sample, una, nxt, floor),
        };
        self.estimate = Some(estimate);
        self.rto = (estimate.smoothed + estimate.variation).min(self.max);
    }

    /// Doubles the timeout (RFC 6298 section 5.5).
    pub(super) fn back_off(&mut self) {
        self.rto = (self.rto * 2).min(self.max);
    }

    /// Takes a timeout that does not come from a sample.
    pub(super) fn set_rto(&mut self, rto: Duration) {
        self.rto = rto;
    }

    pub(super) fn rto(&self) -> Duration {
        self.rto
    }

    /// Returns the longest timeout that backing off makes.
    pub(super) fn most(&self) -> Duration {
        self.max
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.estimate.map(|estimate| estimate.smoothed)
    }

    pub(super) fn has_sample(&self) -> bool {
        self.estimate.is_some()
    }
}

impl Estimate {
    fn refined(mut self, sample: Duration, una: Seq, nxt: Seq, floor: Duration) -> Self {
        let error = sample.abs_diff(self.smoothed);
        let shorter = sample < self.smoothed;
        // RFC 6298 section 2.3: deviation before mean, gains of 1/4 and 1/8. `deviation` is four
        // times the mean deviation, so the error enters whole.
        let share = self.deviation / 4;
        let excess = error.saturating_sub(share);
        if shorter && !excess.is_zero() {
            // a path that got faster is not a path that varies
            self.deviation += excess / 8;
        } else {
            self.deviation = self.deviation.saturating_sub(share) + error;
        }
        if shorter {
            self.smoothed = self.smoothed.saturating_sub(error / 8);
        } else {
            self.smoothed += error / 8;
        }
        if self.deviation > self.deviation_max {
            self.deviation_max = self.deviation;
            self.variation = self.variation.max(self.deviation_max);
        }
        if una.after(self.round_end) {
            if self.deviation_max < self.variation {
                self.variation -= self.variation.saturating_sub(self.deviation_max) / 4;
            }
            self.round_end = nxt;
            self.deviation_max = floor;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn rtt() -> Rtt {
        Rtt::new(ms(1_000), ms(200), ms(120_000))
    }

    #[test]
    fn the_first_sample_sets_mean_and_variation() {
        // RFC 6298 section 2.2: R + 4 R/2; Linux's floor is 200 ms under the variation
        for (sample, rto) in [(0, 200), (50, 250), (100, 300), (200, 600)] {
            let mut rtt = rtt();
            rtt.sample(ms(sample), Seq(1), Seq(1));
            assert_eq!((rtt.smoothed(), rtt.rto()), (Some(ms(sample)), ms(rto)));
        }
    }

    #[test]
    fn a_steady_path_brings_the_timeout_down_to_the_floor() {
        let mut rtt = rtt();
        let mut nxt = Seq(0);
        for _ in 0..100 {
            nxt = nxt + 10;
            rtt.sample(ms(400), nxt, nxt);
        }
        assert_eq!(rtt.smoothed(), Some(ms(400)));
        assert!((ms(600)..ms(602)).contains(&rtt.rto()), "{:?}", rtt.rto());
    }

    #[test]
    fn a_path_that_gets_faster_raises_the_timeout_less_than_one_that_gets_slower() {
        let after = |last| {
            let mut rtt = rtt();
            (0..50).for_each(|round| rtt.sample(ms(1_000), Seq(round), Seq(round)));
            rtt.sample(ms(last), Seq(100), Seq(100));
            rtt.rto()
        };
        assert!(after(100) < ms(1_200));
        assert!(after(1_900) > ms(1_900));
    }

    #[test]
    fn backing_off_doubles_up_to_two_minutes() {
        let mut rtt = rtt();
        let ladder: Vec<_> = (0..9)
            .map(|_| {
                rtt.back_off();
                rtt.rto().as_secs()
            })
            .collect();
        assert_eq!(ladder, [2, 4, 8, 16, 32, 64, 120, 120, 120]);
    }
}
