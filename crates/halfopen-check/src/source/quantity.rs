//! Times as the documents of others write them.

use core::time::Duration;

use halfopen_core::fact::Term;
use jiff::SignedDuration;

use crate::path::Stated;
use crate::place::Document;
use crate::tree::Entry;

/// Reads a time: `30s`, `1h 30m`, `PT30S`; of a bare number, `unit` says what it counts. A
/// placeholder (`${NAME:30s}`) is taken at its default.
pub(super) fn time(text: &str, unit: Duration) -> Option<Duration> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("${").and_then(|text| text.strip_suffix('}')) {
        let (_, default) = inner.split_once(':')?;
        return (!default.starts_with("${")).then(|| time(default, unit)).flatten();
    }
    if let Ok(count) = text.parse::<u32>() {
        return unit.checked_mul(count);
    }
    let time: SignedDuration = text.parse().ok()?;
    Duration::try_from(time).ok()
}

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_mins(1);

/// Returns the time that an entry of a tree states.
pub(super) fn time_in(
    document: &Document,
    entry: &Entry,
    unit: Duration,
) -> Option<Stated<Duration>> {
    let time = time(entry.node.text()?, unit)?;
    Some(Stated::written(time, document.place(entry.span.clone()), &entry.key))
}

/// Returns the same as a term that ends.
pub(super) fn term_in(document: &Document, entry: &Entry, unit: Duration) -> Option<Stated<Term>> {
    time_in(document, entry, unit).map(as_term)
}

/// Returns a time as a term that ends after it.
pub(super) fn as_term(time: Stated<Duration>) -> Stated<Term> {
    Stated { value: Term::After(time.value), place: time.place, basis: time.basis }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_their_documents_mean_them() {
        let secs = |text: &str, unit| time(text, unit).map(|time| time.as_secs());
        assert_eq!(secs("75", SECOND), Some(75));
        assert_eq!(secs("4", MINUTE), Some(240));
        assert_eq!(secs("30000", MILLISECOND), Some(30));
        assert_eq!(secs("1h 30m", SECOND), Some(5400));
        assert_eq!(secs("1m30s", SECOND), Some(90));
        assert_eq!(secs("3600s", SECOND), Some(3600));
        assert_eq!(secs("PT5M", SECOND), Some(300));
        assert_eq!(secs("${IDLE:45s}", SECOND), Some(45));
        assert_eq!(secs("${IDLE}", SECOND), None);
        assert_eq!(secs("-1", SECOND), None);
        assert_eq!(secs("soon", SECOND), None);
    }
}
