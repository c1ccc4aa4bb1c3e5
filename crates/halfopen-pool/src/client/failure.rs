//! What hyper's errors mean for a request.

use std::error::Error;
use std::io;

use crate::ledger::Outcome;
use crate::retry::{Failure, Written};
use crate::stream::Gauge;

/// An attempt that failed.
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) written: Written,
    pub(super) source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failed {
    pub(super) const fn silent(written: Written) -> Self {
        Self { failure: Failure::Silence, written, source: None }
    }
}

/// Tells how a request failed for which hyper has an error.
pub(super) fn of(error: hyper::Error, gauge: &Gauge, written: Written) -> Failed {
    let transport = gauge.failure();
    // An end counts as something that came, a reset does not.
    let answered = gauge.reads() > u32::from(transport.is_none());
    let failure = match (transport, answered) {
        _ if written == Written::Nothing && transport.is_none() => Failure::Closed,
        _ if error.is_parse() => Failure::Malformed,
        (_, true) => Failure::Truncated,
        (Some(kind), false) => of_transport(kind),
        (None, false) => Failure::Closed,
    };
    Failed { failure, written, source: Some(error.into()) }
}

/// Tells how a response failed after its head.
pub(super) fn of_body(error: hyper::Error, gauge: &Gauge) -> Failed {
    let malformed = error.is_parse() && gauge.failure().is_none();
    let failure = if malformed { Failure::Malformed } else { Failure::Truncated };
    Failed { failure, written: Written::Whole, source: Some(error.into()) }
}

fn of_transport(kind: io::ErrorKind) -> Failure {
    // The kernel gave up: nobody acknowledged what was sent, or answered its probes.
    const SILENCE: [io::ErrorKind; 3] = [
        io::ErrorKind::TimedOut,
        io::ErrorKind::HostUnreachable,
        io::ErrorKind::NetworkUnreachable,
    ];
    if SILENCE.contains(&kind) {
        Failure::Silence
    } else if kind == io::ErrorKind::UnexpectedEof {
        Failure::Closed
    } else {
        Failure::Reset
    }
}

/// Tells how a request on an HTTP/2 connection failed before its response.
#[cfg(feature = "http2")]
pub(super) fn of_http2(error: h2::Error, gauge: &Gauge, written: Written) -> Failed {
    use h2::Reason;
    let refused = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
    let failure = if error.is_remote() && refused {
        Failure::Refused
    } else if error.is_remote() {
        // The server gives this one request up: the connection, and the path, are alive.
        Failure::Truncated
    } else if error.is_library() {
        Failure::Malformed
    } else {
        gauge.failure().map_or(Failure::Closed, of_transport)
    };
    Failed { failure, written, source: Some(error.into()) }
}

/// Tells how an HTTP/2 response failed after its head.
#[cfg(feature = "http2")]
pub(super) fn of_http2_body(error: h2::Error) -> Failed {
    let failure = if error.is_library() { Failure::Malformed } else { Failure::Truncated };
    Failed { failure, written: Written::Whole, source: Some(error.into()) }
}

/// Tells what a failure on a connection that was used before says of the path. An answer, however
/// bad, says that the connection was alive.
pub(super) const fn outcome(failure: Failure) -> Option<Outcome> {
    match failure {
        Failure::Connect => None,
        Failure::Reset => Some(Outcome::ResetOnUse),
        Failure::Closed => Some(Outcome::ClosedOnUse),
        Failure::Silence => Some(Outcome::SilentOnUse),
        Failure::Truncated | Failure::Malformed | Failure::Refused => Some(Outcome::Survived),
    }
}
