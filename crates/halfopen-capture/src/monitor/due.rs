//! Whether anything that could still come would change what is said of a connection.

use halfopen_core::time::{Duration, Instant};

use crate::case::{Case, Death};
use crate::timeline::Sender;

/// What ends a connection is followed by stragglers, which are not to open it anew.
pub(super) const AFTER_END: Duration = Duration::from_secs(5);
/// A lost request may be repeated, and that is known when the repetition is answered.
const AFTER_LOSS: Duration = Duration::from_secs(15);
/// Whoever sends again waits no longer than this between two tries (RFC 6298 section 5.7 allows a
/// maximum of 60 seconds or more; Linux's `TCP_RTO_MAX` in include/net/tcp.h is 120).
const BETWEEN_TRIES: Duration = Duration::from_secs(130);
/// Silence that has lasted this long is told, although the client may still try.
const SILENCE_TOLD: Duration = Duration::from_mins(1);
/// A client that has not closed this long after its server may well not do so at all.
const LEFT_TOLD: Duration = Duration::from_mins(15);

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It goes on.
    Later,
    /// What has become of it is known, but packets may still come.
    Tell,
    /// It is over.
    Over,
}

/// Says what is to be done with a connection at `now`; `idle` is for how long one that is open may
/// be quiet.
pub(super) fn due(case: &Case<'_>, now: Instant, idle: Duration) -> Due {
    let timeline = case.timeline;
    let quiet = now.saturating_since(timeline.last.at());
    if quiet < AFTER_END {
        return Due::Later;
    }
    let closed = timeline.server_fin().is_some() && timeline.client_fin().is_some();
    if closed || timeline.reset().is_some() {
        let waits = timeline.lost_request().is_some() && !timeline.repeated;
        let over = quiet >= if waits { AFTER_LOSS } else { AFTER_END };
        return if over { Due::Over } else { Due::Later };
    }
    if quiet >= idle || !timeline.established && quiet >= BETWEEN_TRIES {
        return Due::Over;
    }
    let told = is_silent(case, now) || given_up(case, quiet) || is_left(case, quiet);
    if told { Due::Tell } else { Due::Later }
}

/// Tells whether the connection got no answer for so long that it will get none.
fn is_silent(case: &Case<'_>, now: Instant) -> bool {
    let Some(series) = case.timeline.series else { return false };
    if series.sends < 2 || now.saturating_since(series.first.at()) < SILENCE_TOLD {
        return false;
    }
    match case.death() {
        Some(Death::Silence(..)) => true,
        // Whether the server could be reached may be known later.
        Some(Death::UnprovenSilence(series)) => {
            now.saturating_since(series.last.at()) >= BETWEEN_TRIES
        }
        Some(Death::Reset(..)) | None => false,
    }
}

/// Tells whether the client closed without an answer to its request, and heard no more.
fn given_up(case: &Case<'_>, quiet: Duration) -> bool {
    let left = case.timeline.client_fin().is_some() && case.lost_request().is_some();
    let last = case.timeline.last_from == Sender::Client;
    left && quiet >= if last { BETWEEN_TRIES } else { AFTER_LOSS }
}

/// Tells whether the server closed long ago, and the client never did.
fn is_left(case: &Case<'_>, quiet: Duration) -> bool {
    let half = case.timeline.server_fin().is_some() && case.timeline.client_fin().is_none();
    half && quiet >= LEFT_TOLD
}
