//! How far the clocks of two points differ.
//!
//! A segment takes some time from one point to the other, never less than none. So what goes one
//! way bounds the difference of the clocks from above, and what goes the other way from below, as
//! in NTP (RFC 5905 section 8). Where no one difference fits all of the time, a clock drifts.

use halfopen_core::time::{Duration, Instant};

use crate::sample::{Passage, Sample};
use crate::timeline::Sender;

/// Fewer segments in common may be there by chance.
const SHARED_MIN: usize = 3;
/// So many segments bound the difference together, as long as there are no more stretches of time
/// than this.
const STRETCH: usize = 8;
const STRETCHES_MAX: usize = 64;
/// With fewer stretches a drift is not told from one that was delayed.
const DRIFTING_MIN: usize = 4;
/// What differs from the rest by more is another segment that looks alike.
const ALIKE_MAX: i64 = 120_000_000_000;

/// How far one clock is ahead of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ahead {
    /// By so many nanoseconds at `when`; negative if it is behind.
    pub nanos: i64,
    /// When, by the clock that the other is compared with.
    pub when: Instant,
    /// It is wrong by no more than this, as far as segments took no longer one way than the other
    /// plus what both took.
    pub error: Duration,
    /// How much it gains, in millionths of the time that passes; `None` if no drift shows.
    pub drift_ppm: Option<f64>,
}

/// How two points lie to each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alignment {
    pub(super) ahead: Ahead,
    /// What clients send passes the first point first; `None` if no time passes between them.
    pub(super) first_is_near: Option<bool>,
}

/// A segment that both points saw: when the first did, by how much later the other did, and whose
/// it is.
#[derive(Clone, Copy, Debug)]
struct Shared {
    at: Instant,
    later: i64,
    from: Sender,
}

/// Between which differences the clocks' lies, at a time.
#[derive(Clone, Copy, Debug)]
struct Bound {
    at: Instant,
    least: i64,
    most: i64,
}

impl Ahead {
    /// The same clock.
    pub(super) const SAME: Self =
        Self { nanos: 0, when: Instant::EPOCH, error: Duration::ZERO, drift_ppm: None };

    /// Returns by how many nanoseconds it is ahead as it shows `at`.
    #[must_use]
    pub fn by(&self, at: Instant) -> i64 {
        let here = shift(at, self.nanos);
        let passed = difference(here, self.when);
        self.nanos.saturating_add(gained(self.drift_ppm, passed))
    }

    /// Returns what the clock that it is compared with shows as it shows `at`.
    #[must_use]
    pub fn put(&self, at: Instant) -> Instant {
        shift(at, self.by(at))
    }

    /// Returns how far this clock is ahead of the one that `other` is compared with, if this one is
    /// compared with `other`'s.
    pub(super) fn over(self, other: Self) -> Self {
        let when = other.put(self.when);
        let drifts = [self.drift_ppm, other.drift_ppm];
        let drifts_at_all = drifts.iter().any(Option::is_some);
        Self {
            nanos: self.nanos.saturating_add(other.by(self.when)),
            when,
            error: self.error + other.error,
            drift_ppm: drifts_at_all.then(|| drifts.into_iter().flatten().sum()),
        }
    }
}

impl Alignment {
    /// Returns how far the clock of `other` is ahead of that of `one`, if both saw the same
    /// segments in both directions.
    pub(super) fn of(one: &Sample, other: &Sample) -> Option<Self> {
        let shared = shared(one, other);
        let both = |from| shared.iter().any(|it| it.from == from);
        if shared.len() < SHARED_MIN || !both(Sender::Client) || !both(Sender::Server) {
            return None;
        }
        let count = (shared.len() / STRETCH).clamp(1, STRETCHES_MAX);
        let stretches: Vec<&[Shared]> = shared.chunks(shared.len().div_ceil(count)).collect();
        let forward: i64 = stretches.iter().filter_map(|it| way(it)).map(i64::signum).sum();
        let bounds: Vec<Bound> =
            stretches.iter().filter_map(|it| Bound::of(it, forward >= 0)).collect();
        let first_is_near = (forward != 0).then_some(forward > 0);
        Some(Self { ahead: fit(&bounds)?, first_is_near })
    }
}

impl Bound {
    /// Returns what a stretch of time bounds the difference by.
    fn of(stretch: &[Shared], first_is_near: bool) -> Option<Self> {
        let (outward, inward) = if first_is_near {
            (Sender::Client, Sender::Server)
        } else {
            (Sender::Server, Sender::Client)
        };
        let all = |from| stretch.iter().filter(move |it| it.from == from).map(|it| it.later);
        let (most, least) = (all(outward).min()?, all(inward).max()?);
        let at = stretch[stretch.len() / 2].at;
        // A clock that drifts much may turn them round.
        Some(Self { at, least: least.min(most), most: least.max(most) })
    }

    /// Takes what the clock has gained since `start` off.
    fn without(self, drift_ppm: f64, start: Instant) -> Self {
        let gained = gained(Some(drift_ppm), difference(self.at, start));
        let [least, most] = [self.least, self.most].map(|it| it.saturating_sub(gained));
        Self { least, most, ..self }
    }

    fn middle(&self) -> i64 {
        self.least.midpoint(self.most)
    }
}

/// Returns what both saw, in the order of time.
fn shared(one: &Sample, other: &Sample) -> Vec<Shared> {
    let pairs = one.shared(other);
    // A clock that stepped has several offsets; the one that most segments show is told.
    let eras = |(one, other): &(Passage, Passage)| (one.era, other.era);
    let mut all: Vec<_> = pairs.iter().map(eras).collect();
    all.sort_unstable();
    let counts = all.chunk_by(|a, b| a == b).map(|same| (same.len(), same[0]));
    let Some((_, most)) = counts.max() else { return Vec::new() };
    let in_time = pairs.iter().filter(|pair| eras(pair) == most);
    let mut shared: Vec<Shared> = in_time
        .map(|(one, other)| Shared {
            at: one.at,
            later: difference(other.at, one.at),
            from: one.from,
        })
        .collect();
    let usual = median(shared.iter().map(|it| it.later).collect());
    shared.retain(|it| {
        usual.is_some_and(|usual| it.later.abs_diff(usual) <= ALIKE_MAX.unsigned_abs())
    });
    shared.sort_by_key(|it| it.at);
    shared
}

/// Returns how much longer what clients send takes to the second point than what servers send.
fn way(stretch: &[Shared]) -> Option<i64> {
    let of = |from| {
        median(stretch.iter().filter(|it| it.from == from).map(|it| it.later).collect::<Vec<_>>())
    };
    Some(of(Sender::Client)?.saturating_sub(of(Sender::Server)?))
}

/// Returns the difference that fits the bounds of all stretches, as steady as they allow.
fn fit(bounds: &[Bound]) -> Option<Ahead> {
    let start = bounds.first()?.at;
    let steady = within(bounds);
    if steady.0 <= steady.1 || bounds.len() < DRIFTING_MIN {
        return Some(ahead(steady, start, None));
    }
    let drift = drift(bounds)?;
    let level: Vec<Bound> = bounds.iter().map(|bound| bound.without(drift, start)).collect();
    Some(ahead(within(&level), start, Some(drift)))
}

/// Returns the largest lower bound and the smallest upper one.
fn within(bounds: &[Bound]) -> (i64, i64) {
    let least = bounds.iter().map(|it| it.least).max();
    let most = bounds.iter().map(|it| it.most).min();
    (least.unwrap_or(0), most.unwrap_or(0))
}

fn ahead((least, most): (i64, i64), when: Instant, drift_ppm: Option<f64>) -> Ahead {
    let error = Duration::from_nanos(least.abs_diff(most).div_ceil(2));
    Ahead { nanos: least.midpoint(most), when, error, drift_ppm }
}

/// Returns how much the clock gains, in millionths: the median of what each two stretches say
/// (Theil and Sen), so that one that was delayed does not count.
fn drift(bounds: &[Bound]) -> Option<f64> {
    let mut slopes: Vec<f64> = Vec::new();
    for (index, one) in bounds.iter().enumerate() {
        for other in &bounds[index + 1..] {
            let passed = other.at.saturating_since(one.at).as_secs_f64();
            if passed > 0.0 {
                slopes.push(micros(other.middle().saturating_sub(one.middle())) / passed);
            }
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied()
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[expect(clippy::cast_precision_loss, reason = "a drift is not known to 53 bits")]
fn micros(nanos: i64) -> f64 {
    nanos as f64 / 1e3
}

/// Returns the nanoseconds that a clock gains in as many.
#[expect(clippy::cast_possible_truncation, reason = "a float that is too large saturates")]
fn gained(drift_ppm: Option<f64>, passed: i64) -> i64 {
    drift_ppm.map_or(0, |ppm| (micros(passed) * ppm / 1e3) as i64)
}

/// Returns how many nanoseconds `at` is later than `other`.
fn difference(at: Instant, other: Instant) -> i64 {
    let nanos = i128::from(at.as_nanos()) - i128::from(other.as_nanos());
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

fn shift(at: Instant, ahead: i64) -> Instant {
    Instant::from_nanos(at.as_nanos().saturating_add_signed(ahead.saturating_neg()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use halfopen_core::rng::Rng;

    const SECOND: u64 = 1_000_000_000;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// Returns what two points bound, `apart` from each other, of segments of both directions.
    fn bounds(seed: u64, apart: u64, other: impl Fn(u64) -> u64) -> Vec<Bound> {
        let mut rng = Rng::new(seed);
        let mut shared = Vec::new();
        for number in 0..400_u64 {
            let from = if number % 2 == 0 { Sender::Client } else { Sender::Server };
            let start = (number + 100) * SECOND;
            let takes = apart + rng.below(apart);
            let (one, two) = match from {
                Sender::Client => (start, start + takes),
                Sender::Server => (start + takes, start),
            };
            shared.push(Shared { at: at(one), later: difference(at(other(two)), at(one)), from });
        }
        shared.chunks(STRETCH).filter_map(|it| Bound::of(it, true)).collect()
    }

    #[test]
    fn what_goes_either_way_bounds_the_difference() {
        for seed in 0..20 {
            let ahead = fit(&bounds(seed, 400_000, |at| at + 3_600 * SECOND)).unwrap();
            let wrong = ahead.nanos.abs_diff(3_600_000_000_000);
            assert!(Duration::from_nanos(wrong) <= ahead.error, "seed {seed}: {ahead:?}");
            assert!(ahead.error <= Duration::from_micros(450), "seed {seed}: {ahead:?}");
            assert_eq!(ahead.drift_ppm, None, "seed {seed}");
        }
    }

    #[test]
    fn a_clock_that_gains_is_told_by_how_much() {
        for seed in 0..20 {
            // 80 millionths, and a second behind.
            let other = |at: u64| at - SECOND + at / 12_500;
            let ahead = fit(&bounds(seed, 400_000, other)).unwrap();
            let drift = ahead.drift_ppm.unwrap();
            assert!((drift - 80.0).abs() < 3.0, "seed {seed}: {ahead:?}");
            for now in [100, 300, 499_u64] {
                let back = ahead.put(at(other(now * SECOND))).as_nanos();
                assert!(back.abs_diff(now * SECOND) < 1_500_000, "seed {seed}, {now}: {ahead:?}");
            }
        }
    }

    #[test]
    fn offsets_add_up_over_a_point_between() {
        let one = Ahead { nanos: 5_000, when: at(SECOND), ..Ahead::SAME };
        let other = Ahead { nanos: -2_000, drift_ppm: Some(1.0), ..one };
        assert_eq!(one.over(other).nanos, 3_000);
        assert_eq!(one.over(other).drift_ppm, Some(1.0));
        assert_eq!(one.over(Ahead::SAME).put(at(2 * SECOND)), at(2 * SECOND - 5_000));
    }
}
