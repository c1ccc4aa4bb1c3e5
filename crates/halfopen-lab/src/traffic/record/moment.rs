//! The time that a line holds.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// How a line says when a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In seconds, whatever they count from.
    Seconds,
    /// In ISO 8601; without an offset it is UTC.
    Iso,
    /// As AWS's application balancer writes its access log: field 22, when it received the request,
    /// else field 2, when it answered. (Elastic Load Balancing, "Access logs for your Application
    /// Load Balancer", access log entries.)
    Alb,
}

/// What a line says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// When it arrived, in nanoseconds.
    pub(super) at: i64,
    /// From which address, if that is known.
    pub(super) client: Option<&'a str>,
}

impl Form {
    /// Reads a line of a form, or of any if that is not known yet.
    pub(super) fn read(known: Option<Self>, line: &str) -> Option<(Self, Entry<'_>)> {
        let forms = [Self::Seconds, Self::Iso, Self::Alb];
        let possible = forms.into_iter().filter(|form| known.is_none_or(|known| known == *form));
        possible.map(|form| (form, form.entry(line))).find_map(|(form, it)| Some((form, it?)))
    }

    fn entry(self, line: &str) -> Option<Entry<'_>> {
        match self {
            Self::Seconds => seconds(line).map(|at| Entry { at, client: None }),
            Self::Iso => iso(line).map(|at| Entry { at, client: None }),
            Self::Alb => alb(line),
        }
    }
}

fn seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

fn iso(text: &str) -> Option<i64> {
    let moment = text.parse::<Timestamp>().or_else(|_| {
        let civil: DateTime = text.parse()?;
        civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    i64::try_from(moment.ok()?.as_nanosecond()).ok()
}

fn alb(line: &str) -> Option<Entry<'_>> {
    const TYPES: [&str; 6] = ["http", "https", "h2", "grpcs", "ws", "wss"];
    let mut fields = Fields(line);
    if !TYPES.contains(&fields.next()?) {
        return None;
    }
    let answered = fields.next()?;
    let client = fields.nth(1).and_then(|client| Some(client.rsplit_once(':')?.0));
    let received = fields.nth(17).and_then(iso);
    Some(Entry { at: received.or_else(|| iso(answered))?, client })
}

/// Fields with spaces between; one in quotation marks may have spaces in it.
struct Fields<'a>(&'a str);

impl<'a> Iterator for Fields<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches(' ');
        if text.is_empty() {
            return None;
        }
        let (field, rest) = match text.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => text.split_once(' ').unwrap_or((text, "")),
        };
        self.0 = rest;
        Some(field)
    }
}
