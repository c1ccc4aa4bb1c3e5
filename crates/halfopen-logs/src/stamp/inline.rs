//! Time stamps somewhere in a line, as the layouts of loggers put them.

use halfopen_core::time::Duration;
use jiff::civil::{Date, Time};

use super::{MONTHS, NANOS, Stamp, clock, digits, fraction, leading, stamp, zone};

/// When a line says that it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// With a date.
    Dated(Stamp),
    /// The time since midnight, without a date.
    OfDay(Duration),
    /// The time since the program's start.
    SinceStart(Duration),
}

/// A time stamp in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub moment: Moment,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where what follows it begins.
    pub end: usize,
}

/// So far into a line a logger's layout may put the time stamp.
const START_MAX: usize = 160;
/// A number of as many digits counts seconds, or less, since the epoch.
const EPOCH_DIGITS: usize = 10;
/// So many words of a line are looked at.
const WORDS_MAX: usize = 16;

/// Returns the first time stamp of a line: ISO 8601 with a point, a comma or no fraction, with a
/// zone or without; that of the common log format; those of log4j, Tomcat and `java.util.logging`;
/// seconds, milliseconds and so on since the epoch where the line begins; a time of day alone. If
/// it has none of these, the time since the program's start where the line begins: milliseconds
/// (`%r` of log4j and logback), or seconds with a fraction.
#[must_use]
pub fn find(line: &str) -> Option<Found> {
    in_words(line).or_else(|| since_start(line))
}

fn in_words(line: &str) -> Option<Found> {
    let mut start = 0;
    for _ in 0..WORDS_MAX {
        let word = line.get(start..)?;
        if let Some((moment, rest)) = moment(word, start == 0) {
            return Some(Found { moment, start, end: line.len() - rest.len() });
        }
        let gap = word.find([' ', '\t', '[', '(', '|', '=', '"', '<'])?;
        start += gap + 1;
        if start > START_MAX {
            return None;
        }
    }
    None
}

/// Reads the moment that a text begins with, and returns what follows it.
fn moment(text: &str, at_the_start: bool) -> Option<(Moment, &str)> {
    let dated = |(stamp, rest)| (Moment::Dated(stamp), rest);
    match text.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9', b':', ..] => of_day(text),
        [b'0'..=b'9', b'0'..=b'9', b'/' | b'-' | b' ', ..] => day_first(text).map(dated),
        [b'0'..=b'9', _, _, _, b'-' | b'/', ..] => leading(text).map(dated),
        // Elsewhere in a line, a long number is just that.
        [b'0'..=b'9' | b'A'..=b'Z', ..] if at_the_start => leading(text).map(dated),
        _ => None,
    }
}

/// Returns the time since the program's start that a line begins with: `467 [main] DEBUG x`,
/// `[  123.456789] x`, `0.467 x`.
#[must_use]
pub fn since_start(line: &str) -> Option<Found> {
    let inner = line.trim_start_matches([' ', '\t', '[']);
    let (whole, rest) = digits(inner);
    if whole.is_empty() || whole.len() >= EPOCH_DIGITS {
        return None;
    }
    let count: u64 = whole.parse().ok()?;
    let (since, rest) = match fraction(rest) {
        (0, after) if after == rest => (Duration::from_millis(count), rest),
        (nanos, after) => (Duration::new(count, u32::try_from(nanos).ok()?), after),
    };
    let rest = rest.strip_prefix(']').unwrap_or(rest);
    let ends = rest.starts_with([' ', '\t', '[']);
    let (moment, end) = (Moment::SinceStart(since), line.len() - rest.len());
    ends.then_some(Found { moment, start: 0, end })
}

/// `07:45:31.808`, `07:45:31,808`.
fn of_day(text: &str) -> Option<(Moment, &str)> {
    let (time, rest) = clock(text)?;
    let (nanos, rest) = fraction(rest);
    if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':') {
        return None;
    }
    let seconds = time.duration_since(Time::midnight()).as_secs();
    let since_midnight = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
    Some((Moment::OfDay(since_midnight), rest))
}

/// `22/Nov/2026:07:45:31 +0900`, `22-Nov-2026 07:45:31.123`, `22 Nov 2026 07:45:31,808`.
fn day_first(text: &str) -> Option<(Stamp, &str)> {
    let (day, rest) = (text.get(..2)?, text.get(3..)?);
    let (month, rest) = (rest.get(..3)?, rest.get(4..)?);
    let month = MONTHS.iter().position(|&name| name == month)? + 1;
    let (year, rest) = (rest.get(..4)?, rest.get(5..)?);
    let month = i8::try_from(month).ok()?;
    let date = Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let (time, rest) = clock(rest)?;
    let (nanos, rest) = fraction(rest);
    debug_assert!(nanos < NANOS);
    let (offset, rest) = zone(rest);
    Some((stamp(date.to_datetime(time), nanos, offset)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T07:45:31Z.
    const AT: u64 = 1_795_333_531 * NANOS;

    fn dated(line: &str) -> (u64, bool, &str) {
        let found = find(line).unwrap_or_else(|| panic!("no time stamp in {line}"));
        let Moment::Dated(stamp) = found.moment else { panic!("no date in {line}") };
        (stamp.at.as_nanos(), stamp.zone_assumed, &line[found.end..])
    }

    #[test]
    fn a_time_stamp_is_found_where_a_layout_puts_it() {
        let millis = AT + 808_000_000;
        for (line, at, zone_assumed, rest) in [
            ("2026-11-22 07:45:31.808 [DEBUG] wire - x", millis, true, " [DEBUG] wire - x"),
            ("2026-11-22 07:45:31,808 DEBUG x", millis, true, " DEBUG x"),
            ("DEBUG 2026-11-22 07:45:31,808 x", millis, true, " x"),
            ("[main] [2026-11-22 07:45:31,808] x", millis, true, " x"),
            (
                "2026-11-22T16:45:31.808+09:00  INFO 1 --- [main] x : y",
                millis,
                false,
                "  INFO 1 --- [main] x : y",
            ),
            ("time=2026-11-22T07:45:31.808Z level=INFO msg=x", millis, false, " level=INFO msg=x"),
            ("2026/11/22 07:45:31 GotConn", AT, true, " GotConn"),
            ("1795333531808 round=0", millis, false, " round=0"),
            ("1795333531.808 x", millis, false, " x"),
            ("10.0.0.7 - - [22/Nov/2026:16:45:31 +0900] \"GET /", AT, false, " \"GET /"),
            ("22-Nov-2026 07:45:31.808 SEVERE x", millis, true, " SEVERE x"),
            ("22 Nov 2026 07:45:31,808 x", millis, true, " x"),
            ("Sun Nov 22 07:45:31 UTC 2026 x", AT, false, " x"),
        ] {
            let (found, assumed, after) = dated(line);
            assert_eq!((found, assumed), (at, zone_assumed), "{line}");
            assert_eq!(after.trim_start_matches(']'), rest, "{line}");
        }
    }

    #[test]
    fn a_time_of_day_has_no_date() {
        let found = find("07:45:31.808 [main] DEBUG x").unwrap();
        assert_eq!(found.moment, Moment::OfDay(Duration::from_millis(27_931_808)));
    }

    #[test]
    fn a_number_at_the_start_is_the_time_since_the_programs_start() {
        for (line, millis) in [
            ("467 [main] DEBUG org.apache.http.wire - x", 467),
            ("[  123.456000] x", 123_456),
            ("[0.467][debug][http] x", 467),
            ("12.5 x", 12_500),
        ] {
            let found = find(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(found.moment, Moment::SinceStart(Duration::from_millis(millis)), "{line}");
        }
        let both = find("467 [main] 07:45:31.808 x").unwrap();
        assert_eq!(both.moment, Moment::OfDay(Duration::from_millis(27_931_808)));
        for line in ["467", "467ms x", "4.6.7 x", "1.2.3.4 - x", "HTTP/1.1 200", "12345678901 x"] {
            assert_eq!(find(line), None, "{line}");
        }
    }

    #[test]
    fn numbers_and_addresses_are_no_times() {
        for line in [
            "Caused by: java.net.SocketException: Connection reset",
            "\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:328)",
            "took 1795333531808 units",
            "[2001:db8::1]:443 12:34:56:78:9a:bc",
            "",
            "22/13/2026",
            "한글 2026",
        ] {
            assert_eq!(find(line), None, "{line}");
        }
    }
}
