//! Whether a request that failed may go out again.
//!
//! RFC 9110 section 9.2.2: a client should not retry a request with a non-idempotent method unless
//! it knows that the original was never applied, or that the request is idempotent after all – as
//! with an `Idempotency-Key`. RFC 9112 section 9.3.1: after a connection closed asynchronously,
//! what is idempotent may be retried, and a failed automatic retry should not be retried
//! automatically.

use http::Method;

use crate::policy::{Resend, Retry};

/// What is known of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Whether it carries an `Idempotency-Key`.
    pub has_key: bool,
    /// Its body.
    pub body: Body,
    /// Whether the connection had carried another request before.
    pub reused: bool,
    /// How much of it was handed to the connection.
    pub written: Written,
    /// How it failed.
    pub failure: Failure,
    /// How often it was sent again before.
    pub retries: u32,
}

/// The body of a request, as far as sending it again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// It has none.
    None,
    /// It can be had again.
    Replayable,
    /// It is gone once it is read.
    Once,
}

/// How much of a request was handed to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// Nothing: no server can have seen it.
    Nothing,
    /// A part.
    Partly,
    /// All of it.
    Whole,
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No connection could be opened.
    Connect,
    /// The connection was reset before a response.
    Reset,
    /// The connection was closed before a response.
    Closed,
    /// No response came in time.
    Silence,
    /// A response began and broke off.
    Truncated,
    /// What came is no HTTP response.
    Malformed,
    /// An HTTP/2 server says that it did not process the request (RFC 9113 section 8.7): by
    /// `REFUSED_STREAM`, or by a GOAWAY that names an earlier one as the last.
    Refused,
}

/// Whether the server may have processed a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processed {
    /// It cannot have seen it.
    No,
    /// It may have.
    Maybe,
}

/// Whether a request goes out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It does, on a new connection.
    Retry(Permission),
    /// It does not; the error says whether it may have been processed.
    Fail(Objection),
}

/// Why a request may go out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// It was never written.
    NeverWritten,
    /// The server says that it did not process it.
    Refused,
    /// Its method is among those that the policy sends again.
    Method,
    /// It carries an `Idempotency-Key`.
    Key,
}

/// Why a request may not go out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Objection {
    /// The policy's number of attempts is used up.
    Attempts,
    /// The connection was new: what failed on it will fail again.
    NewConnection,
    /// Its body is gone.
    BodyGone,
    /// The server answered, if badly.
    Answered,
    /// It may have been processed, and doing so twice may do harm.
    MayBeProcessed,
    /// Its sender no longer waits for a response.
    Abandoned,
}

/// Tells whether the server may have processed the request.
#[must_use]
pub const fn processed(written: Written, failure: Failure) -> Processed {
    match (written, failure) {
        (Written::Nothing, _) | (_, Failure::Refused) => Processed::No,
        // A server may act on a part: RFC 9112 section 8 only asks it not to take it for the whole.
        (Written::Partly | Written::Whole, _) => Processed::Maybe,
    }
}

/// Decides whether a request that failed goes out again.
#[must_use]
pub fn may_retry(policy: Retry, attempt: &Attempt<'_>) -> Decision {
    match objection(policy, attempt) {
        Some(objection) => Decision::Fail(objection),
        None => permission(policy, attempt)
            .map_or(Decision::Fail(Objection::MayBeProcessed), Decision::Retry),
    }
}

fn objection(policy: Retry, attempt: &Attempt<'_>) -> Option<Objection> {
    if attempt.retries >= policy.attempts {
        return Some(Objection::Attempts);
    }
    if matches!(attempt.failure, Failure::Truncated | Failure::Malformed) {
        return Some(Objection::Answered);
    }
    if policy.reused_only && !attempt.reused {
        return Some(Objection::NewConnection);
    }
    // A body that was not touched is still there, whatever it is.
    let body_gone = attempt.body == Body::Once && attempt.written != Written::Nothing;
    body_gone.then_some(Objection::BodyGone)
}

fn permission(policy: Retry, attempt: &Attempt<'_>) -> Option<Permission> {
    if attempt.written == Written::Nothing {
        return Some(Permission::NeverWritten);
    }
    if processed(attempt.written, attempt.failure) == Processed::No {
        return Some(Permission::Refused);
    }
    if resends(policy.written, attempt) {
        return Some(Permission::Method);
    }
    (policy.heeds_key && attempt.has_key).then_some(Permission::Key)
}

fn resends(resend: Resend, attempt: &Attempt<'_>) -> bool {
    match resend {
        Resend::None => false,
        Resend::GetAndHead => matches!(*attempt.method, Method::GET | Method::HEAD),
        Resend::Safe => attempt.method.is_safe(),
        Resend::Idempotent => attempt.method.is_idempotent(),
        Resend::WithoutBody => attempt.body == Body::None,
        Resend::All => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    const CHARGE: Attempt<'_> = Attempt {
        method: &Method::POST,
        has_key: false,
        body: Body::Replayable,
        reused: true,
        written: Written::Whole,
        failure: Failure::Reset,
        retries: 0,
    };

    fn decide(attempt: Attempt<'_>) -> Decision {
        may_retry(Policy::default().retry, &attempt)
    }

    #[test]
    fn a_charge_that_may_have_been_made_is_not_made_again() {
        assert_eq!(decide(CHARGE), Decision::Fail(Objection::MayBeProcessed));
        let partly = Attempt { written: Written::Partly, ..CHARGE };
        assert_eq!(decide(partly), Decision::Fail(Objection::MayBeProcessed));
        assert_eq!(processed(Written::Partly, Failure::Reset), Processed::Maybe);
    }

    #[test]
    fn a_charge_with_a_key_or_never_written_goes_out_again_once() {
        let keyed = Attempt { has_key: true, ..CHARGE };
        assert_eq!(decide(keyed), Decision::Retry(Permission::Key));
        let again = Attempt { retries: 1, ..keyed };
        assert_eq!(decide(again), Decision::Fail(Objection::Attempts));
        let unwritten = Attempt { written: Written::Nothing, ..CHARGE };
        assert_eq!(decide(unwritten), Decision::Retry(Permission::NeverWritten));
    }

    #[test]
    fn a_charge_that_the_server_disclaims_goes_out_again() {
        let refused = Attempt { failure: Failure::Refused, ..CHARGE };
        assert_eq!(decide(refused), Decision::Retry(Permission::Refused));
        let gone = Attempt { body: Body::Once, ..refused };
        assert_eq!(decide(gone), Decision::Fail(Objection::BodyGone));
        assert_eq!(processed(Written::Whole, Failure::Refused), Processed::No);
    }

    #[test]
    fn what_is_idempotent_goes_out_again_if_its_body_can_be_had_again() {
        let put = Attempt { method: &Method::PUT, ..CHARGE };
        assert_eq!(decide(put), Decision::Retry(Permission::Method));
        let gone = Attempt { body: Body::Once, ..put };
        assert_eq!(decide(gone), Decision::Fail(Objection::BodyGone));
        let untouched = Attempt { written: Written::Nothing, ..gone };
        assert_eq!(decide(untouched), Decision::Retry(Permission::NeverWritten));
    }

    #[test]
    fn what_was_answered_is_not_asked_again() {
        let get = Attempt { method: &Method::GET, body: Body::None, ..CHARGE };
        for failure in [Failure::Truncated, Failure::Malformed] {
            assert_eq!(decide(Attempt { failure, ..get }), Decision::Fail(Objection::Answered));
        }
    }

    #[test]
    fn a_policy_names_what_it_sends_again() {
        let methods = [Method::GET, Method::TRACE, Method::DELETE, Method::POST, Method::PATCH];
        let resent = |written| {
            let retry = Retry { written, ..Policy::default().retry };
            let attempt = |method| Attempt { method, ..CHARGE };
            methods.each_ref().map(|method| match may_retry(retry, &attempt(method)) {
                Decision::Retry(_) => 'x',
                Decision::Fail(_) => '-',
            })
        };
        assert_eq!(resent(Resend::None), ['-', '-', '-', '-', '-']);
        assert_eq!(resent(Resend::GetAndHead), ['x', '-', '-', '-', '-']);
        assert_eq!(resent(Resend::Safe), ['x', 'x', '-', '-', '-']);
        assert_eq!(resent(Resend::Idempotent), ['x', 'x', 'x', '-', '-']);
        assert_eq!(resent(Resend::WithoutBody), ['-', '-', '-', '-', '-']);
        assert_eq!(resent(Resend::All), ['x', 'x', 'x', 'x', 'x']);
    }

    #[test]
    fn a_failure_on_a_new_connection_may_be_final() {
        let retry = Retry { reused_only: true, ..Policy::default().retry };
        let fresh = Attempt { reused: false, has_key: true, ..CHARGE };
        assert_eq!(may_retry(retry, &fresh), Decision::Fail(Objection::NewConnection));
    }
}
