//! Arrivals by chance: so many in a time, which may depend on the hour of the day.

use core::str::FromStr;

use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};

use super::{Error, RATE_MAX};
use crate::reproduce::Burst;

const HOUR: u64 = 60 * 60 * 1_000_000_000;

/// How many requests arrive in a second, for each hour of a day. A day starts with the run.
///
/// They arrive as a Poisson process: independent of each other, at a rate that is constant within
/// each hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    per_second: [f64; 24],
}

impl Rate {
    /// Returns the most that arrive in a second.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.per_second.iter().copied().fold(0.0, f64::max)
    }

    /// Returns the arrivals of a run of `length`, in the order of time.
    pub(super) fn arrivals(
        &self,
        mut rng: Rng,
        length: Duration,
    ) -> impl Iterator<Item = Burst> + use<> {
        let per_second = self.per_second;
        let end = (Instant::EPOCH + length).as_nanos();
        let mut at = 0;
        core::iter::from_fn(move || {
            at = next(&per_second, at, end, exponential(&mut rng))?;
            Some(Burst { at: Instant::from_nanos(at), requests: 1 })
        })
    }
}

/// Returns when as many arrivals as `due` are to be expected since `at`, if that is before `end`.
///
/// With `due` exponential of mean one, these are the arrivals of a Poisson process (Lewis and
/// Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", 1979, section 1).
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within an hour nanoseconds fit an f64 exactly, and none is negative"
)]
fn next(per_second: &[f64; 24], mut at: u64, end: u64, mut due: f64) -> Option<u64> {
    while at < end {
        let hour = at / HOUR;
        let per_nano = per_second[usize::try_from(hour % 24).unwrap_or(0)] / 1e9;
        let rest = (hour + 1) * HOUR - at;
        let expected = per_nano * rest as f64;
        if expected > due {
            at += (due / per_nano) as u64;
            return (at < end).then_some(at);
        }
        due -= expected;
        at += rest;
    }
    None
}

/// Returns a number from the exponential distribution of mean one.
///
/// By comparisons alone (von Neumann, "Various techniques used in connection with random digits",
/// 1951), so that it is the same on every machine: a logarithm is not.
#[expect(
    clippy::cast_precision_loss,
    reason = "a fraction of 53 bits is as fine as it needs to be"
)]
fn exponential(rng: &mut Rng) -> f64 {
    let mut whole = 0.0;
    loop {
        let first = rng.bits();
        let (mut last, mut descents) = (first, 1_u32);
        loop {
            let bits = rng.bits();
            if bits >= last {
                break;
            }
            last = bits;
            descents += 1;
        }
        if descents % 2 == 1 {
            return whole + first as f64 / 2_f64.powi(64);
        }
        whole += 1.0;
    }
}

/// Tells whether a text is meant as a rate rather than as a file's name.
pub(super) fn is_meant(text: &str) -> bool {
    let part = text.split(',').next().unwrap_or(text);
    let rate = part.split_once('=').map_or(part, |(_, rate)| rate);
    rate.split_once('/').is_some_and(|(number, _)| number.trim().parse::<f64>().is_ok())
}

impl FromStr for Rate {
    type Err = Error;

    /// Reads a rate, such as `5/s`, or `5/s,night=0.01/s@23-6` with another one from 23:00 to 6:00.
    fn from_str(text: &str) -> Result<Self, Error> {
        let error = |why: String| Error::Rate { text: text.to_owned(), why };
        let mut per_second = [0.0; 24];
        for (index, part) in text.split(',').enumerate() {
            let rate = part.split_once('=').map_or(part, |(_, rate)| rate);
            let (rate, hours) = match rate.split_once('@') {
                Some((rate, hours)) => (rate, self::hours(hours).map_err(error)?),
                None if index > 0 => {
                    let why = format!("`{part}` does not say when: write it as `{part}@23-6`");
                    return Err(error(why));
                }
                None => (rate, [true; 24]),
            };
            let rate = self::per_second(rate.trim()).map_err(error)?;
            let chosen = per_second.iter_mut().zip(hours).filter(|(_, chosen)| *chosen);
            chosen.for_each(|(hour, _)| *hour = rate);
        }
        let rate = Self { per_second };
        if rate.peak() > 0.0 { Ok(rate) } else { Err(error("nothing ever arrives".to_owned())) }
    }
}

fn per_second(text: &str) -> Result<f64, String> {
    let (number, unit) = text.split_once('/').ok_or("it has no unit, as in `5/s`")?;
    let number: f64 = number.parse().map_err(|_| format!("`{number}` is not a number"))?;
    let seconds = match unit {
        "s" | "sec" | "second" => 1.0,
        "m" | "min" | "minute" => 60.0,
        "h" | "hour" => 60.0 * 60.0,
        "d" | "day" => 24.0 * 60.0 * 60.0,
        _ => return Err(format!("`{unit}` is not one of s, min, h and day")),
    };
    let rate = number / seconds;
    if (0.0..=RATE_MAX).contains(&rate) {
        return Ok(rate);
    }
    Err(format!("`{text}` is not from 0 to {RATE_MAX} in a second"))
}

/// Reads which hours of the day are meant, such as `23-6`.
fn hours(text: &str) -> Result<[bool; 24], String> {
    let number = |text: &str| text.trim().parse::<usize>().ok().filter(|&hour| hour <= 24);
    let (from, to) = text
        .split_once('-')
        .and_then(|(from, to)| Some((number(from)? % 24, number(to)? % 24)))
        .ok_or_else(|| format!("`{text}` are not hours of a day, as in `23-6`"))?;
    let mut hours = [false; 24];
    let length = if from == to { 24 } else { (to + 24 - from) % 24 };
    (from..from + length).for_each(|hour| hours[hour % 24] = true);
    Ok(hours)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(rate: &str, seed: u64, length: Duration) -> Vec<f64> {
        let rate: Rate = rate.parse().unwrap();
        let arrivals = rate.arrivals(Rng::new(seed), length);
        arrivals.map(|it| it.at.saturating_since(Instant::EPOCH).as_secs_f64()).collect()
    }

    #[test]
    fn pauses_between_arrivals_are_exponential() {
        // The share of pauses longer than t is exp(-t · rate): for t = 1/rate, e^-1 = 36.8 %.
        let times = times("5/s", 7, Duration::from_hours(10));
        assert!((179_000..181_000).contains(&times.len()), "{}", times.len());
        let count = |count: usize| f64::from(u32::try_from(count).unwrap());
        let longer = times.windows(2).filter(|pair| pair[1] - pair[0] >= 0.2).count();
        let share = count(longer) / count(times.len());
        assert!((share - (-1.0_f64).exp()).abs() < 0.005, "seed 7: {share}");
    }

    #[test]
    fn a_night_is_quieter_than_a_day() {
        let times = times("rate=60/min,night=1/h@23-6", 7, Duration::from_hours(240));
        let night = |at: &&f64| !(6.0..23.0).contains(&(*at / 60.0 / 60.0 % 24.0));
        let at_night = times.iter().filter(night).count();
        assert!((40..100).contains(&at_night), "70 expected: {at_night}");
        assert!((600_000..620_000).contains(&(times.len() - at_night)), "{}", times.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals() {
        let hour = Duration::from_hours(1);
        assert_eq!(times("1/s", 3, hour), times("1/s", 3, hour));
        assert_ne!(times("1/s", 3, hour), times("1/s", 4, hour));
        assert!(times("1/s", 3, hour).is_sorted());
    }

    #[test]
    fn what_is_no_rate_is_refused_with_the_reason() {
        let why = |text: &str| text.parse::<Rate>().unwrap_err().to_string();
        assert!(why("0/s").contains("nothing ever arrives"));
        assert!(why("1e9/s").contains("is not from 0 to"));
        assert!(why("-5/s").contains("is not from 0 to"));
        assert!(why("nan/s").contains("is not from 0 to"));
        assert!(why("5/fortnight").contains("not one of s, min, h and day"));
        assert!(why("5/s,1/s").contains("does not say when"));
        assert!(why("5/s,1/s@25-3").contains("not hours of a day"));
    }

    #[test]
    fn a_file_is_not_taken_for_a_rate() {
        assert!(is_meant("5/s") && is_meant("rate=5/s,night=1/h@23-6") && is_meant("nan/s"));
        assert!(!is_meant("logs/alb.log") && !is_meant("-") && !is_meant("cron:*/20 * * * *"));
    }
}
