//! The server's `Keep-Alive` header.
//!
//! RFC 2068 section 19.7.1.1 and draft-thomson-hybi-http-timeout-03: a list of parameters, of which
//! `timeout` is in seconds and `max` a number of requests. RFC 9112 leaves it out, servers do not.

use halfopen_core::time::Duration;
use http::{HeaderMap, HeaderName};

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// What a server says of how long it keeps a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeepAlive {
    pub(super) timeout: Option<Duration>,
    /// How many more requests it takes.
    pub(super) max: Option<u64>,
}

/// No server keeps a connection for longer than a year; a number beyond is one of these.
const SECONDS_MAX: u64 = 31_536_000;

impl KeepAlive {
    /// Reads the header leniently: what makes no sense is as if it were not there. Where a
    /// parameter is repeated, the smallest counts.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut result = Self::default();
        for value in headers.get_all(&KEEP_ALIVE) {
            // Header values are bytes; a parameter that is not ASCII is none of these.
            for parameter in value.as_bytes().split(|&byte| byte == b',' || byte == b';') {
                result.heed(parameter);
            }
        }
        result
    }

    fn heed(&mut self, parameter: &[u8]) {
        let Ok(text) = core::str::from_utf8(parameter) else { return };
        let Some((name, value)) = text.split_once('=') else { return };
        let Some(number) = number(value.trim().trim_matches('"')) else { return };
        if name.trim().eq_ignore_ascii_case("timeout") {
            let timeout = Duration::from_secs(number.min(SECONDS_MAX));
            self.timeout = Some(self.timeout.map_or(timeout, |other| other.min(timeout)));
        } else if name.trim().eq_ignore_ascii_case("max") {
            self.max = Some(self.max.map_or(number, |other| other.min(number)));
        }
    }
}

/// Reads a row of digits; what does not fit is the largest that does.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(values: &[&[u8]]) -> (Option<u64>, Option<u64>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("keep-alive", HeaderValue::from_bytes(value).unwrap());
        }
        let KeepAlive { timeout, max } = KeepAlive::of(&headers);
        (timeout.map(|timeout| timeout.as_secs()), max)
    }

    #[test]
    fn a_hint_is_read_as_servers_write_it() {
        assert_eq!(parse(&[b"timeout=5, max=100"]), (Some(5), Some(100)));
        assert_eq!(parse(&[b"Timeout = \"75\""]), (Some(75), None));
        assert_eq!(parse(&[b"max=0"]), (None, Some(0)));
        assert_eq!(parse(&[]), (None, None));
    }

    #[test]
    fn of_two_hints_the_shorter_counts() {
        assert_eq!(parse(&[b"timeout=60", b"timeout=5"]), (Some(5), None));
        assert_eq!(parse(&[b"timeout=5;timeout=60"]), (Some(5), None));
    }

    #[test]
    fn a_hostile_hint_is_no_hint_or_a_year() {
        for nonsense in ["timeout", "timeout=", "timeout=-1", "timeout=1e9", "=5", "timeout=5s"] {
            assert_eq!(parse(&[nonsense.as_bytes()]), (None, None), "{nonsense}");
        }
        assert_eq!(parse(&[b"timeout=\xff\xfe, max=\xf0"]), (None, None));
        let huge = format!("timeout={}", "9".repeat(4_000));
        assert_eq!(parse(&[huge.as_bytes()]), (Some(SECONDS_MAX), None));
    }
}
