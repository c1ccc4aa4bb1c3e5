//! What a subscription owes, and for which period.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::{Error, time_zone};

/// How often a subscription is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// On the same day of every month, or on the month's last day if it has no such day.
    Monthly,
    /// On the same day of every year; 29 February is 28 February in a common year.
    Yearly,
    /// After a fixed time, whatever the calendar says. In whole seconds, one at least.
    Every(Duration),
}

impl FromStr for Cadence {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "monthly" => Ok(Self::Monthly),
            "yearly" => Ok(Self::Yearly),
            other => {
                let time = other.strip_prefix("every ").map(humantime::parse_duration);
                let Some(Ok(time)) = time else { return Err(Error::Cadence(text.to_owned())) };
                let whole = time.subsec_nanos() == 0 && !time.is_zero();
                whole.then_some(Self::Every(time)).ok_or_else(|| Error::Cadence(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Monthly => f.write_str("monthly"),
            Self::Yearly => f.write_str("yearly"),
            Self::Every(time) => write!(f, "every {}", humantime::format_duration(*time)),
        }
    }
}

/// When a subscription is due: at its anchor, and then again and again.
///
/// Every due date is counted from the anchor, never from the one before, so that a subscription of
/// 31 January is due on 28 February and on 31 March. A local time that clocks skip is as much
/// later as they are put forward; one that comes twice is the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    anchor: Timestamp,
    zone: TimeZone,
    cadence: Cadence,
}

impl Schedule {
    /// Returns a schedule that is first due at `anchor`, with days counted in the time zone of an
    /// IANA name.
    pub fn new(anchor: Timestamp, zone: &str, cadence: Cadence) -> Result<Self, Error> {
        Ok(Self { anchor, zone: time_zone(zone)?, cadence })
    }

    /// Returns the period of this index, counted from zero at the anchor.
    pub fn period(&self, index: u32) -> Result<Period, Error> {
        let too_far = |_| Error::TooFar(index);
        let anchor = self.anchor.to_zoned(self.zone.clone());
        let months = |months: i64| {
            let span = Span::new().try_months(i64::from(index) * months).map_err(too_far)?;
            anchor.checked_add(span).map_err(too_far)
        };
        let (due, name) = match self.cadence {
            Cadence::Monthly => {
                let due = months(1)?;
                let name = due.strftime("%Y-%m").to_string();
                (due.timestamp(), name)
            }
            Cadence::Yearly => {
                let due = months(12)?;
                let name = due.strftime("%Y").to_string();
                (due.timestamp(), name)
            }
            Cadence::Every(time) => {
                let seconds = i64::try_from(time.as_secs()).ok();
                let seconds = seconds.and_then(|seconds| seconds.checked_mul(index.into()));
                let after = SignedDuration::from_secs(seconds.ok_or(Error::TooFar(index))?);
                (self.anchor.checked_add(after).map_err(too_far)?, index.to_string())
            }
        };
        Ok(Period { index, name, due })
    }

    /// Returns when the first period is due.
    #[must_use]
    pub const fn anchor(&self) -> Timestamp {
        self.anchor
    }

    /// Returns the IANA name of the time zone in which days are counted.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// Returns how often it is due.
    #[must_use]
    pub const fn cadence(&self) -> Cadence {
        self.cadence
    }
}

/// What one charge of a subscription is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its number, from zero.
    pub index: u32,
    /// Its name, which no other period of the subscription has: `2026-01` if it is due monthly,
    /// `2026` if yearly, else its number. It is part of the idempotency key and never changes.
    pub name: String,
    /// When it is due.
    pub due: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(anchor: &str, zone: &str, cadence: &str) -> Schedule {
        let anchor: jiff::civil::DateTime = anchor.parse().expect("an anchor");
        let anchor = anchor.to_zoned(time_zone(zone).expect("a zone")).expect("a moment");
        Schedule::new(anchor.timestamp(), zone, cadence.parse().expect("a cadence"))
            .expect("a zone")
    }

    fn periods(schedule: &Schedule, count: u32) -> Vec<String> {
        let show = |index| {
            let Period { name, due, .. } = schedule.period(index).expect("a period");
            let due = due.to_zoned(schedule.zone.clone());
            format!("{name}: {}", due.strftime("%F %H:%M"))
        };
        (0..count).map(show).collect()
    }

    #[test]
    fn the_last_of_january_does_not_drift() {
        assert_eq!(
            periods(&schedule("2026-01-31T00:00", "Europe/Berlin", "monthly"), 5),
            [
                "2026-01: 2026-01-31 00:00",
                "2026-02: 2026-02-28 00:00",
                "2026-03: 2026-03-31 00:00",
                "2026-04: 2026-04-30 00:00",
                "2026-05: 2026-05-31 00:00",
            ]
        );
    }

    #[test]
    fn a_leap_day_is_the_last_of_february_in_other_years() {
        assert_eq!(
            periods(&schedule("2028-02-29T12:00", "UTC", "yearly"), 5)[1..],
            ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]
                .map(|day| format!("{}: {day} 12:00", &day[..4]))
        );
    }

    #[test]
    fn a_due_time_that_clocks_skip_comes_later_and_one_that_comes_twice_is_the_first() {
        let skipped = schedule("2026-02-28T02:30", "Europe/Berlin", "monthly");
        assert_eq!(periods(&skipped, 2)[1], "2026-03: 2026-03-28 02:30");
        let skipped = schedule("2026-01-29T02:30", "Europe/Berlin", "monthly");
        assert_eq!(periods(&skipped, 3)[2], "2026-03: 2026-03-29 03:30");

        let twice = schedule("2026-09-25T02:30", "Europe/Berlin", "monthly");
        let due = twice.period(1).unwrap().due;
        assert_eq!(due, "2026-10-25T00:30:00Z".parse().unwrap(), "CEST, two hours ahead");
    }

    #[test]
    fn a_fixed_time_knows_no_calendar() {
        assert_eq!(
            periods(&schedule("2026-03-29T01:50", "Europe/Berlin", "every 20m"), 3),
            ["0: 2026-03-29 01:50", "1: 2026-03-29 03:10", "2: 2026-03-29 03:30"]
        );
    }

    #[test]
    fn no_two_periods_share_a_name_and_each_is_due_after_the_one_before() {
        for cadence in ["monthly", "yearly", "every 1s", "every 30days"] {
            for anchor in ["2024-02-29T00:00", "2026-01-31T23:59", "2026-03-29T03:00"] {
                let schedule = schedule(anchor, "America/New_York", cadence);
                let all: Vec<Period> = (0..600).map(|at| schedule.period(at).unwrap()).collect();
                assert!(all.is_sorted_by(|a, b| a.due < b.due), "{cadence} from {anchor}");
                let names: std::collections::BTreeSet<&str> =
                    all.iter().map(|period| period.name.as_str()).collect();
                assert_eq!(names.len(), all.len(), "{cadence} from {anchor}");
            }
        }
    }

    #[test]
    fn a_period_beyond_the_calendar_is_an_error() {
        for cadence in ["monthly", "yearly", "every 300000years"] {
            let schedule = schedule("2026-01-31T00:00", "UTC", cadence);
            assert_eq!(schedule.period(u32::MAX), Err(Error::TooFar(u32::MAX)), "{cadence}");
        }
    }

    #[test]
    fn a_cadence_is_read_as_it_is_written() {
        for text in ["monthly", "yearly", "every 20m", "every 1h 30m", "every 1s"] {
            assert_eq!(text.parse::<Cadence>().unwrap().to_string(), text);
        }
        for text in ["", "weekly", "every", "every 0s", "every 1ms", "every -1s", "every month"] {
            assert!(text.parse::<Cadence>().is_err(), "{text:?}");
        }
    }
}
