//! Times as reports write them.

use core::fmt;

use halfopen_core::time::{Duration, Instant};
use halfopen_diagnosis::{Ahead, Offset};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// A moment, written in ISO 8601 and UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At(pub(crate) Instant);

/// A time span, written in seconds and rounded to the millisecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

/// How far a clock is ahead, written in seconds and rounded to the millisecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shift(pub(crate) Offset);

/// How far a capture's clock is ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(pub(crate) Ahead);

impl Clock {
    /// Returns by how much, rounded to the microsecond.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of centuries fit into 53 bits")]
    pub(crate) fn offset_s(self) -> f64 {
        let micros = self.0.nanos / 1_000 + self.0.nanos % 1_000 / 500;
        micros as f64 / 1e6
    }

    /// Returns by how much that may be wrong, rounded up to the microsecond.
    pub(crate) fn error_s(self) -> f64 {
        (self.0.error.as_secs_f64() * 1e6).ceil() / 1e6
    }

    /// Returns how much it gains, in tenths of a millionth.
    pub(crate) fn drift_ppm(self) -> Option<f64> {
        self.0.drift_ppm.map(|drift| (drift * 10.0).round() / 10.0)
    }

    /// Tells whether it is another clock than the first.
    pub(crate) fn is_telling(self) -> bool {
        self.0.nanos.unsigned_abs() > u64::try_from(self.0.error.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = Seconds(self.0.error);
        write!(f, "{:+.6} s ± {error}", self.offset_s())?;
        match self.drift_ppm() {
            Some(drift) => write!(f, ", gaining {drift} ppm"),
            None => Ok(()),
        }
    }
}

impl Shift {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of decades fit into 53 bits")]
    pub(crate) fn seconds(self) -> f64 {
        let millis = self.0.0 / 1_000_000 + self.0.0 % 1_000_000 / 500_000;
        millis as f64 / 1e3
    }

    /// Tells whether clocks differ by more than the time between what two sources stamp.
    pub(crate) fn is_telling(self) -> bool {
        self.seconds().abs() >= 0.1
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.3} s", self.seconds())
    }
}

impl Serialize for Shift {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

impl At {
    fn timestamp(self) -> Timestamp {
        let nanos = i128::from(self.0.as_nanos());
        Timestamp::from_nanosecond(nanos).expect("64 bits of nanoseconds end in the year 2554")
    }
}

impl At {
    /// Writes the day alone.
    pub(crate) fn date(self) -> String {
        self.timestamp().strftime("%Y-%m-%d").to_string()
    }

    /// Writes the time of the day, to the second.
    pub(crate) fn time_of_day(self) -> String {
        self.timestamp().strftime("%H:%M:%S").to_string()
    }

    /// Writes the time of the day, to the microsecond.
    pub(crate) fn time_of_day_exact(self) -> String {
        self.timestamp().strftime("%H:%M:%S%.6f").to_string()
    }
}

impl fmt::Display for At {
    /// Writes it as a table does: to the microsecond, without the zone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp().strftime("%Y-%m-%d %H:%M:%S%.6f"))
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.timestamp())
    }
}

impl Seconds {
    /// Writes all that is known of it.
    pub(crate) fn exact(self) -> String {
        format!("{:.3} s", self.rounded())
    }

    fn rounded(self) -> f64 {
        (self.0.as_secs_f64() * 1000.0).round() / 1000.0
    }
}

impl fmt::Display for Seconds {
    /// Writes it as a person would say it: `0.4 ms`, `9.5 s`, `350 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs_f64();
        if secs < 1.0 {
            return write!(f, "{:.1} ms", secs * 1e3);
        }
        let digits = usize::from(secs < 100.0);
        write!(f, "{secs:.digits$} s")
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.rounded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc() {
        let at = At(Instant::from_nanos(1_700_000_000_123_456_000));
        assert_eq!(serde_json::to_string(&at).unwrap(), "\"2023-11-14T22:13:20.123456Z\"");
        assert_eq!(at.to_string(), "2023-11-14 22:13:20.123456");
    }

    #[test]
    fn the_last_moment_that_there_is_can_be_written() {
        assert!(At(Instant::from_nanos(u64::MAX)).to_string().starts_with("2554-"));
    }

    #[test]
    fn seconds_are_rounded_to_the_millisecond() {
        let seconds = Seconds(Duration::from_micros(350_123_600));
        assert_eq!(serde_json::to_string(&seconds).unwrap(), "350.124");
    }
}
