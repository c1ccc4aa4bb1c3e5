//! Times as people and programs put them beside a table.
//!
//! A table of sockets does not say when it was taken; whoever repeats it in a loop lets `date`,
//! `echo`, `watch` or `ts` say so. Read here are RFC 3339 and its kin with a space, a comma or no
//! zone, seconds since the UNIX epoch, and what `date` writes in the C locale and the American one.

mod inline;
mod utc;

use halfopen_core::time::Instant;
use jiff::civil;

pub use inline::{Found, Moment, find, since_start};
pub use utc::utc;

/// A time that stood in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When, since the UNIX epoch.
    pub at: Instant,
    /// No zone stood there, or none that is known, and it was taken for UTC.
    pub zone_assumed: bool,
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Names of zones that mean one thing, with their hours from UTC: RFC 5322 section 4.3, and those
/// of the time zone database that no other zone shares.
const ZONES: [(&str, i64); 15] = [
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("CET", 1),
    ("CEST", 2),
    ("JST", 9),
    ("KST", 9),
];
const NANOS: u64 = 1_000_000_000;

/// Returns the time in a line that holds one and little else: `# 1795333528.900`,
/// `=== 2026-11-22 17:36:58 ===`, `Sun Nov 22 17:36:58 UTC 2026`, or the first line of `watch`.
#[must_use]
pub fn alone(line: &str) -> Option<Stamp> {
    let inner = match line.split_once("Every ") {
        // procps watch: the command is in the middle, the host and the date at the end.
        Some(("", watched)) => date_at_the_end(watched)?,
        _ => line.trim_matches(|c: char| !c.is_ascii_alphanumeric()),
    };
    let (stamp, rest) = leading(inner)?;
    rest.chars().all(|c| !c.is_ascii_alphanumeric()).then_some(stamp)
}

fn date_at_the_end(watched: &str) -> Option<&str> {
    let days = WEEKDAYS.iter().filter_map(|day| watched.rfind(&format!(" {day} ")));
    days.max().map(|at| watched[at..].trim())
}

/// Returns the time that a text begins with, and what follows it.
#[must_use]
pub fn leading(text: &str) -> Option<(Stamp, &str)> {
    let text = text.strip_prefix('[').unwrap_or(text);
    let bytes = text.as_bytes();
    let found = match bytes {
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-' | b'/', ..] => iso(text),
        [b'0'..=b'9', ..] => epoch(text),
        [b'A'..=b'Z', ..] => date(text),
        _ => None,
    };
    found.map(|(stamp, rest)| (stamp, rest.strip_prefix(']').unwrap_or(rest)))
}

/// Seconds, milliseconds, microseconds or nanoseconds since the epoch, told apart by their number
/// of digits: ten digits of seconds are the years 2001 to 2286.
fn epoch(text: &str) -> Option<(Stamp, &str)> {
    let (whole, rest) = digits(text);
    let nanos_each = match whole.len() {
        10 => NANOS,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return None,
    };
    let (fraction, rest) = if nanos_each == NANOS { fraction(rest) } else { (0, rest) };
    if rest.starts_with(|c: char| !c.is_whitespace() && c != ']') {
        return None;
    }
    let nanos = whole.parse::<u64>().ok()?.checked_mul(nanos_each)?.checked_add(fraction)?;
    Some((Stamp { at: Instant::from_nanos(nanos), zone_assumed: false }, rest))
}

/// RFC 3339, also with a space for the `T`, slashes in the date, and the zone missing.
fn iso(text: &str) -> Option<(Stamp, &str)> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i8>().ok();
    let year = text.get(..4)?.parse::<i16>().ok()?;
    if !matches!(text.as_bytes().get(10)?, b'T' | b' ' | b'_') {
        return None;
    }
    let date = civil::Date::new(year, number(5, 7)?, number(8, 10)?).ok()?;
    let (time, rest) = clock(text.get(11..)?)?;
    let (nanos, rest) = fraction(rest);
    let (offset, rest) = zone(rest);
    Some((stamp(date.to_datetime(time), nanos, offset)?, rest))
}

/// `Sun Nov 22 17:36:58 UTC 2026`, `Sun 22 Nov 2026 05:36:58 PM UTC`, and without weekday or zone.
fn date(text: &str) -> Option<(Stamp, &str)> {
    let (mut day, mut month, mut year, mut time, mut noon) = (None, None, None, None, None);
    let (mut nanos, mut offset) = (0, None);
    let mut rest = text;
    loop {
        let (word, after) = word(rest);
        if month.is_none() && MONTHS.contains(&word) {
            month = MONTHS.iter().position(|&name| name == word);
        } else if time.is_none() && word.contains(':') {
            let (read, beyond) = clock(word)?;
            time = Some(read);
            nanos = fraction(beyond).0;
        } else if matches!(word, "AM" | "PM") && noon.is_none() {
            noon = Some(word == "PM");
        } else if let (Ok(number), true) = (word.parse::<i16>(), month.is_some() || day.is_none()) {
            match number {
                1..=31 if day.is_none() => day = Some(number),
                1970..=9999 if year.is_none() => year = Some(number),
                _ => break,
            }
        } else if time.is_some() && offset.is_none() && named_zone(word).is_some() {
            offset = named_zone(word);
        } else if !WEEKDAYS.contains(&word.trim_end_matches(',')) && !is_zone_name(word) {
            break;
        }
        rest = after;
    }
    let month = i8::try_from(month? + 1).ok()?;
    let date = civil::Date::new(year?, month, i8::try_from(day?).ok()?).ok()?;
    let time = match (time?, noon) {
        (time, Some(after)) if (1..=12).contains(&time.hour()) => {
            let hour = time.hour() % 12 + if after { 12 } else { 0 };
            time.with().hour(hour).build().ok()?
        }
        (time, _) => time,
    };
    Some((stamp(date.to_datetime(time), nanos, offset)?, rest))
}

fn stamp(local: civil::DateTime, nanos: u64, offset: Option<i64>) -> Option<Stamp> {
    let utc = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    let seconds = u64::try_from(utc.checked_sub(offset.unwrap_or(0))?).ok()?;
    let at = Instant::from_nanos(seconds.checked_mul(NANOS)?.checked_add(nanos)?);
    Some(Stamp { at, zone_assumed: offset.is_none() })
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `17:36:58`, a leap second as the second before it.
fn clock(text: &str) -> Option<(civil::Time, &str)> {
    let (hour, rest) = digits(text);
    let (minute, rest) = digits(rest.strip_prefix(':')?);
    let (second, rest) = digits(rest.strip_prefix(':')?);
    let second = second.parse::<i8>().ok()?;
    let second = if second == 60 { 59 } else { second };
    let time = civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, second, 0).ok()?;
    Some((time, rest))
}

/// The nanoseconds of `.900` or `,900`.
fn fraction(text: &str) -> (u64, &str) {
    let Some(after) = text.strip_prefix(['.', ',']) else { return (0, text) };
    let (shown, rest) = digits(after);
    if shown.is_empty() {
        return (0, text);
    }
    let nine = shown.bytes().chain(core::iter::repeat(b'0')).take(9);
    (nine.fold(0, |nanos, digit| nanos * 10 + u64::from(digit - b'0')), rest)
}

/// Seconds from UTC of `Z`, `+09:00`, `+0900`, `+09` or a name, at once or after a space.
fn zone(text: &str) -> (Option<i64>, &str) {
    let (name, rest) = word(text);
    let name = name.trim_end_matches([']', ',']);
    match numbered_zone(name).or_else(|| named_zone(name)) {
        Some(offset) => (Some(offset), rest),
        None => (None, text),
    }
}

fn numbered_zone(name: &str) -> Option<i64> {
    let sign = match name.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = name[1..].replacen(':', "", 1);
    let number = digits.parse::<i64>().ok()?;
    let (hours, minutes) = match digits.len() {
        2 => (number, 0),
        4 => (number / 100, number % 100),
        _ => return None,
    };
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn named_zone(name: &str) -> Option<i64> {
    ZONES.iter().find(|(known, _)| *known == name).map(|(_, hours)| hours * 3600)
}

/// Something that `date` may write for a zone.
fn is_zone_name(word: &str) -> bool {
    (2..=5).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T17:36:58Z, as `date -u -d` counts it.
    const AT: u64 = 1_795_369_018;

    fn read(line: &str) -> Option<(u64, u64, bool)> {
        let stamp = alone(line)?;
        let nanos = stamp.at.as_nanos();
        Some((nanos / NANOS, nanos % NANOS, stamp.zone_assumed))
    }

    #[test]
    fn a_time_is_read_as_people_and_programs_write_it() {
        for line in [
            "# 1795369018",
            "1795369018000",
            "=== 2026-11-22T17:36:58Z ===",
            "2026-11-22 17:36:58+00:00",
            "2026-11-23T02:36:58+0900",
            "--- 2026-11-23 02:36:58 KST ---",
            "[2026-11-22T17:36:58Z]",
            "Sun Nov 22 17:36:58 UTC 2026",
            "Sun Nov 22 05:36:58 PM UTC 2026",
            "Sun 22 Nov 2026 05:36:58 PM UTC",
            "Sun, 22 Nov 2026 09:36:58 PST",
        ] {
            assert_eq!(read(line), Some((AT, 0, false)), "{line}");
        }
        assert_eq!(read("# 1795369018.900"), Some((AT, 900_000_000, false)));
        assert_eq!(read("2026/11/22 17:36:58,012Z"), Some((AT, 12_000_000, false)));
    }

    #[test]
    fn a_time_without_a_zone_is_taken_for_utc_and_says_so() {
        for line in [
            "2026-11-22 17:36:58",
            "Sun Nov 22 17:36:58 2026",
            "Sun Nov 22 17:36:58 WIB 2026",
            "Every 1.0s: ss -tnoi     Sat: Sun Nov 22 17:36:58 2026",
        ] {
            assert_eq!(read(line), Some((AT, 0, true)), "{line}");
        }
    }

    #[test]
    fn midnight_and_noon_are_twelve() {
        assert_eq!(read("Sun 22 Nov 2026 12:00:00 AM UTC"), read("2026-11-22T00:00:00Z"));
        assert_eq!(read("Sun 22 Nov 2026 12:00:00 PM UTC"), read("2026-11-22T12:00:00Z"));
    }

    #[test]
    fn what_only_looks_like_a_time_is_none() {
        for line in [
            "",
            "ESTAB 0 0 10.78.2.1:37930 10.78.3.2:80",
            "0 0 10.78.2.1:37930 10.78.3.2:80",
            "2026-13-22 17:36:58",
            "2026-11-22 17:36:58 the table follows",
            "1795369018x",
            "Nov 22 17:36:58",
            "99999999999999999999",
            "日本-11-22 17:36:58",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_time_at_the_start_leaves_the_rest() {
        let (stamp, rest) = leading("2026-11-22T17:36:58Z ESTAB 0").unwrap();
        assert_eq!((stamp.at, rest), (Instant::from_nanos(AT * NANOS), " ESTAB 0"));
        let (stamp, rest) = leading("2026-11-22 17:36:58 ESTAB 0").unwrap();
        assert_eq!((stamp.zone_assumed, rest), (true, " ESTAB 0"));
    }
}
