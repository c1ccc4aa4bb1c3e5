//! What a collector's answer means, and when to try again.

use core::time::Duration;

use halfopen_core::rng::Rng;
use http::{HeaderMap, StatusCode, header, response};
use serde_json::Value;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

const FIRST: Duration = Duration::from_secs(1);
/// Waits double until they are this long.
const LONGEST: Duration = Duration::from_mins(1);
/// A collector that asks for more patience is asked again after this.
const ASKED_MAX: Duration = Duration::from_mins(10);
/// So much of what a collector says is repeated.
const SAID_MAX: usize = 200;

/// What a collector's answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was taken, or part of it, and what is wrong with the rest.
    Taken { trouble: Option<String> },
    /// The same message is never taken.
    Refused { why: String },
    /// It may be taken later.
    Later { after: Option<Duration>, why: String },
}

/// How long to wait before the next try: twice as long each time, and by chance up to half less,
/// so that many senders do not come at once.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    rng: Rng,
}

impl Answer {
    /// Reads an answer, as "OTLP/HTTP Response" of the specification has it.
    pub(super) fn of(head: &response::Parts, body: &[u8]) -> Self {
        let message = serde_json::from_slice::<Value>(body).unwrap_or_default();
        match head.status {
            status if status.is_success() => Self::Taken { trouble: rejected(&message) },
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Self::Later { after: retry_after(&head.headers), why: head.status.to_string() }
            }
            status => Self::Refused { why: with_text(status.to_string(), &message["message"]) },
        }
    }
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST, rng: Rng::new(RandomState::new().build_hasher().finish()) }
    }

    /// The last try was well.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// Returns how long to wait; never less than the collector `asked` for, within bounds.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        let half = u64::try_from(wait.as_millis() / 2).unwrap_or(u64::MAX);
        let less = Duration::from_millis(self.rng.below(half + 1));
        let wait = wait.saturating_sub(less);
        wait.max(asked.unwrap_or_default().min(ASKED_MAX))
    }
}

/// Returns what of a message was not taken, if anything.
fn rejected(message: &Value) -> Option<String> {
    let partial = message.get("partialSuccess")?;
    let count = |field: &str| {
        let count = &partial[field];
        count.as_u64().or_else(|| count.as_str()?.parse().ok())
    };
    let count = count("rejectedDataPoints").or_else(|| count("rejectedLogRecords")).unwrap_or(0);
    if count == 0 && partial["errorMessage"].as_str().is_none_or(str::is_empty) {
        return None;
    }
    Some(with_text(format!("{count} were rejected"), &partial["errorMessage"]))
}

fn with_text(said: String, text: &Value) -> String {
    match text.as_str().filter(|text| !text.is_empty()) {
        Some(text) => {
            let plain = text.chars().filter(|c| !c.is_control()).take(SAID_MAX);
            format!("{said}: {}", plain.collect::<String>())
        }
        None => said,
    }
}

/// Reads the delay that is asked for (RFC 9110 section 10.2.3); a date is not followed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, after: Option<&str>, body: &str) -> Answer {
        let mut response = http::Response::builder().status(status);
        if let Some(after) = after {
            response = response.header("Retry-After", after);
        }
        Answer::of(&response.body(()).unwrap().into_parts().0, body.as_bytes())
    }

    #[test]
    fn what_may_be_taken_later_is_sent_again_and_nothing_else() {
        for status in [429, 502, 503, 504] {
            assert!(matches!(answer(status, None, ""), Answer::Later { after: None, .. }));
        }
        for status in [301, 400, 401, 404, 413, 500, 501] {
            assert!(matches!(answer(status, Some("1"), ""), Answer::Refused { .. }), "{status}");
        }
        assert_eq!(answer(200, None, "{}"), Answer::Taken { trouble: None });
        assert_eq!(answer(204, None, "no json"), Answer::Taken { trouble: None });
    }

    #[test]
    fn a_collector_that_asks_for_patience_gets_it_within_bounds() {
        let Answer::Later { after, .. } = answer(503, Some("30"), "") else { panic!() };
        assert_eq!(after, Some(Duration::from_secs(30)));
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(after), Duration::from_secs(30));
        assert_eq!(backoff.next(Some(Duration::MAX)), ASKED_MAX);
        let dated = answer(429, Some("Sun, 06 Nov 1994 08:49:37 GMT"), "");
        assert!(matches!(dated, Answer::Later { after: None, .. }));
    }

    #[test]
    fn waits_double_up_to_a_minute_and_begin_anew() {
        let mut backoff = Backoff::new();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let (wait, most) = (backoff.next(None), Duration::from_secs(seconds));
            assert!(most / 2 <= wait && wait <= most, "{wait:?} of {most:?}");
        }
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
    }

    #[test]
    fn what_was_not_taken_is_told() {
        let body = r#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too\nold"}}"#;
        let trouble = Some("3 were rejected: tooold".to_owned());
        assert_eq!(answer(200, None, body), Answer::Taken { trouble });
        assert_eq!(answer(200, None, r#"{"partialSuccess":{}}"#), Answer::Taken { trouble: None });
    }
}
