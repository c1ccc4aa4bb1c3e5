//! The fields of an entry, and what stands in them.

use std::net::{IpAddr, SocketAddr};

use halfopen_core::time::Duration;
use memchr::{memchr, memchr2};

/// The fields of a line: separated by a space, those that may hold one in quotes.
pub(super) struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        Self { rest: Some(line) }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    /// Returns the next field without its quotes. Quotes that do not end before the line does end
    /// the fields.
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let Some(quoted) = rest.strip_prefix(b"\"") else {
            let end = memchr(b' ', rest);
            self.rest = end.map(|end| &rest[end + 1..]);
            return Some(&rest[..end.unwrap_or(rest.len())]);
        };
        let end = closing_quote(quoted)?;
        self.rest = quoted[end + 1..].strip_prefix(b" ");
        Some(&quoted[..end])
    }
}

/// Returns where the quote stands that ends a field: one that neither a backslash precedes nor more
/// of the field follows.
fn closing_quote(quoted: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', &quoted[from..])?;
        if quoted[at] == b'\\' {
            from = at + 2;
            if from > quoted.len() {
                return None;
            }
        } else if quoted.get(at + 1).is_none_or(|&after| after == b' ') {
            return Some(at);
        } else {
            from = at + 1;
        }
    }
}

/// Returns what a field holds, unless that is nothing (`-`).
pub(super) fn present(field: &[u8]) -> Option<&[u8]> {
    (field != b"-" && !field.is_empty()).then_some(field)
}

/// Returns a field as text, its escapes (`\x22`, `\"`) resolved.
pub(super) fn text(field: &[u8]) -> Box<str> {
    let (mut text, mut rest) = (String::new(), field);
    while let Some(at) = memchr(b'\\', rest) {
        text.push_str(&String::from_utf8_lossy(&rest[..at]));
        rest = &rest[at..];
        // Escapes that follow each other may make one character together.
        let mut run = Vec::new();
        while let Some((byte, after)) = escape(rest) {
            run.push(byte);
            rest = after;
        }
        match str::from_utf8(&run) {
            Ok(characters) => text.push_str(characters),
            Err(_) => text.extend(run.iter().map(|&byte| char::from(byte))),
        }
    }
    if text.is_empty() {
        return String::from_utf8_lossy(rest).into();
    }
    text.push_str(&String::from_utf8_lossy(rest));
    text.into()
}

/// Returns the byte that an escape stands for, and what follows it.
fn escape(rest: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match rest {
        [b'\\', b'x', high, low, after @ ..] => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => Some((high << 4 | low, after)),
            _ => Some((b'x', &rest[2..])),
        },
        [b'\\', byte, after @ ..] => Some((*byte, after)),
        _ => None,
    }
}

/// Reads `10.78.3.1:48554`, `[2001:db8::1]:443` or `2001:db8::1:443`.
pub(super) fn address(field: &[u8]) -> Option<SocketAddr> {
    let colon = memchr::memrchr(b':', field)?;
    let (ip, port) = (&field[..colon], &field[colon + 1..]);
    let ip = ip.strip_prefix(b"[").and_then(|ip| ip.strip_suffix(b"]")).unwrap_or(ip);
    Some(SocketAddr::new(ip_address(ip)?, number(port)?))
}

pub(super) fn ip_address(field: &[u8]) -> Option<IpAddr> {
    str::from_utf8(field).ok()?.parse().ok()
}

/// Reads a number in decimal digits.
pub(super) fn number<T: TryFrom<u64>>(field: &[u8]) -> Option<T> {
    if field.is_empty() || field.len() > 19 {
        return None;
    }
    let value = field.iter().try_fold(0_u64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(value * 10 + u64::from(digit))
    })?;
    T::try_from(value).ok()
}

/// A field holds something else than it should.
pub(super) struct Strange;

/// Reads seconds with at most nine decimals; `None` for `-1` and `-`.
pub(super) fn seconds(field: &[u8]) -> Result<Option<Duration>, Strange> {
    if matches!(field, b"-1" | b"-") {
        return Ok(None);
    }
    let (whole, decimals) = match memchr(b'.', field) {
        Some(point) => (&field[..point], &field[point + 1..]),
        None => (field, &b""[..]),
    };
    let parts = number(whole).zip(nanos(decimals));
    parts.map(|(seconds, nanos)| Some(Duration::new(seconds, nanos))).ok_or(Strange)
}

/// Reads what stands behind a point as billionths.
fn nanos(decimals: &[u8]) -> Option<u32> {
    if decimals.len() > 9 {
        return None;
    }
    let value: u32 = if decimals.is_empty() { 0 } else { number(decimals)? };
    let missing = u32::try_from(9 - decimals.len()).ok()?;
    Some(value * 10_u32.pow(missing))
}
