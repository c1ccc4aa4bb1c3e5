//! A cron line in a time zone.

use core::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Error, time_zone};

/// The longest line that is read, in bytes: room for five lists of every number.
const LENGTH_MAX: usize = 1024;

/// A line of five fields as cron(8) has them – minute, hour, day of month, month, day of week – in
/// a time zone.
///
/// When clocks are put forward or back, it does what Vixie cron does (cron(8), "Daylight saving
/// time and other time changes"):
///
/// * a line with a fixed minute and hour whose moment is skipped fires as soon as the gap is over;
///   one whose moment comes twice fires the first time only;
/// * a line with a `*`, a step, a list or a range for minutes or hours goes by the clock on the
///   wall: skipped moments do not fire, and moments that come twice fire twice.
#[derive(Clone, Debug)]
pub struct CronLine {
    text: String,
    cron: Cron,
    zone: TimeZone,
}

impl CronLine {
    /// Reads a line for the time zone of an IANA name.
    pub fn parse(line: &str, zone: &str) -> Result<Self, Error> {
        let zone = time_zone(zone)?;
        let unreadable = |reason: String| Error::Unreadable { line: line.to_owned(), reason };
        if line.len() > LENGTH_MAX {
            return Err(unreadable(format!("it is longer than {LENGTH_MAX} bytes")));
        }
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(line).map_err(|error| unreadable(error.to_string()))?;
        Ok(Self { text: line.trim().to_owned(), cron, zone })
    }

    /// Returns the first moment after `after` at which the line fires.
    pub fn next_after(&self, after: Timestamp) -> Result<Timestamp, Error> {
        let from = after.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&from, false);
        // The search ends at a year that no scheduler lives to see.
        next.map(|next| next.timestamp())
            .map_err(|_| Error::Never { line: self.text.clone(), after })
    }
}

impl fmt::Display for CronLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        write!(f, "{} ({zone})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next `count` moments after `after`, as they stand on the wall.
    fn fires(line: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let line = CronLine::parse(line, zone).expect("a line");
        let first: Timestamp = after.parse().expect("a moment");
        let next = |at: &Timestamp| line.next_after(*at).ok();
        let moments = core::iter::successors(next(&first), next).take(count);
        moments
            .map(|at| at.to_zoned(line.zone.clone()).strftime("%F %H:%M %Z").to_string())
            .collect()
    }

    #[test]
    fn the_incidents_line_fires_every_twenty_minutes() {
        let fired = fires("*/20 * * * *", "Asia/Seoul", "2024-01-15T14:59:59.5Z", 4);
        let expected = ["00:00", "00:20", "00:40", "01:00"];
        assert_eq!(fired, expected.map(|time| format!("2024-01-16 {time} KST")));
    }

    #[test]
    fn a_moment_is_after_itself_only_once() {
        let line = CronLine::parse("0 6 * * *", "UTC").unwrap();
        let six: Timestamp = "2026-03-01T06:00:00Z".parse().unwrap();
        assert_eq!(line.next_after(six).unwrap(), "2026-03-02T06:00:00Z".parse().unwrap());
        let almost: Timestamp = "2026-03-01T05:59:59.999999Z".parse().unwrap();
        assert_eq!(line.next_after(almost).unwrap(), six);
    }

    #[test]
    fn a_fixed_time_that_is_skipped_comes_when_the_gap_is_over() {
        // On 29 March 2026, Berlin's clocks go from 02:00 CET to 03:00 CEST.
        assert_eq!(
            fires("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"]
        );
    }

    #[test]
    fn a_fixed_time_that_comes_twice_fires_once() {
        // On 25 October 2026, they go from 03:00 CEST to 02:00 CET.
        assert_eq!(
            fires("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25 02:30 CEST", "2026-10-26 02:30 CET"]
        );
    }

    #[test]
    fn a_step_goes_by_the_clock_on_the_wall() {
        assert_eq!(
            fires("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", 2),
            ["2026-03-29 03:00 CEST", "2026-03-29 03:30 CEST"]
        );
        assert_eq!(
            fires("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4),
            ["25 02:30 CEST", "25 02:00 CET", "25 02:30 CET", "25 03:00 CET"]
                .map(|moment| format!("2026-10-{moment}"))
        );
    }

    #[test]
    fn months_without_the_day_are_left_out() {
        assert_eq!(
            fires("0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", 2),
            ["2026-03-31 00:00 UTC", "2026-05-31 00:00 UTC"]
        );
        assert_eq!(fires("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["2028-02-29 00:00 UTC"]);
    }

    #[test]
    fn a_line_that_never_fires_says_so() {
        for line in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            let cron = CronLine::parse(line, "UTC").expect("a line that can be read");
            let error = cron.next_after(Timestamp::UNIX_EPOCH).expect_err(line);
            assert!(matches!(error, Error::Never { .. }), "{line}: {error}");
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for line in ["", "* * * *", "* * * * * *", "60 * * * *", "0 24 * * *", "a * * * *", "@"] {
            let error = CronLine::parse(line, "UTC").expect_err(line);
            assert!(matches!(error, Error::Unreadable { .. }), "{line}: {error}");
        }
        assert!(CronLine::parse(&"1,".repeat(4096), "UTC").is_err());
        let error = CronLine::parse("* * * * *", "Europe/Atlantis").unwrap_err();
        assert_eq!(error, Error::Zone("Europe/Atlantis".into()));
    }
}
