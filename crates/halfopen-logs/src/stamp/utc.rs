//! One form of time stamp, read fast: the one that logs of gigabytes have.

use halfopen_core::time::Instant;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Reads `2026-11-22T07:45:31.827000Z`: a moment of UTC in the form of RFC 3339, all of it.
#[must_use]
pub fn utc(text: &[u8]) -> Option<Instant> {
    let (zone, moment) = text.split_last()?;
    let (civil, rest) = civil(moment)?;
    (*zone == b'Z' && rest.is_empty()).then(|| instant(civil))?
}

/// Reads `2026-11-22T07:45:31` with a fraction of up to nine digits or without, and returns what
/// follows.
fn civil(text: &[u8]) -> Option<(DateTime, &[u8])> {
    let (date, rest) = text.split_at_checked(11)?;
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T'] = date else { return None };
    let (time, rest) = rest.split_at_checked(8)?;
    let &[h1, h2, b':', i1, i2, b':', s1, s2] = time else { return None };
    let year = i16::from(two(y1, y2)?) * 100 + i16::from(two(y3, y4)?);
    let (nanos, rest) = fraction(rest);
    let civil = DateTime::new(
        year,
        two(m1, m2)?,
        two(d1, d2)?,
        two(h1, h2)?,
        two(i1, i2)?,
        two(s1, s2)?,
        nanos,
    );
    Some((civil.ok()?, rest))
}

/// Reads a number of two digits.
fn two(tens: u8, ones: u8) -> Option<i8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    i8::try_from(digit(tens)? * 10 + digit(ones)?).ok()
}

/// Reads `.827` or `.827000`, and returns the billionths and what follows; without a fraction, none
/// and all.
fn fraction(text: &[u8]) -> (i32, &[u8]) {
    let Some((b'.', digits)) = text.split_first() else { return (0, text) };
    let len = digits.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 {
        return (0, text);
    }
    let value = digits[..len].iter().fold(0, |value, &digit| value * 10 + i32::from(digit - b'0'));
    let scale = (len..9).fold(1, |scale, _| scale * 10);
    (value * scale, &digits[len..])
}

/// Returns the instant of a time in UTC; `None` before 1970.
fn instant(civil: DateTime) -> Option<Instant> {
    let nanos = Offset::UTC.to_timestamp(civil).ok()?.as_nanosecond();
    Some(Instant::from_nanos(u64::try_from(nanos).ok()?))
}
