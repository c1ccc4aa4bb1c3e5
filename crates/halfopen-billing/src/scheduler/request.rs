//! A charge as an HTTP request, and what its response means.

use core::fmt::Display;
use core::iter::successors;
use core::pin::pin;
use std::error::Error;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use tower_service::Service;

use crate::payment::IDEMPOTENCY_KEY;
use crate::payment::order::Order;
use crate::subscription::{Charge, Outcome};

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 << 10;

/// A payment in an answer, as far as the scheduler reads it.
#[derive(Deserialize)]
struct Created {
    payment: Payment,
}

#[derive(Deserialize)]
struct Payment {
    id: u64,
    key: String,
}

/// What RFC 9457 calls a problem, as far as the scheduler reads it.
#[derive(Deserialize)]
struct Problem {
    detail: Option<String>,
    title: Option<String>,
}

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Asks for a charge.
pub(super) async fn ask<C, B>(mut client: C, payments: &Uri, charge: &Charge) -> Outcome
where
    C: Service<Request<Bytes>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>>,
{
    let response = match client.call(request(payments, charge)).await {
        Ok(response) => response,
        Err(error) => return unknown(causes(error.into().as_ref())),
    };
    let (head, body) = response.into_parts();
    match pin!(Limited::new(body, ANSWER_MAX)).collect().await {
        Ok(body) => read(charge, &head, &body.to_bytes()),
        Err(error) => unknown(format_args!("{}, then {}", head.status, causes(error.as_ref()))),
    }
}

fn request(payments: &Uri, charge: &Charge) -> Request<Bytes> {
    let order = Order {
        subscription: charge.subscription.to_string(),
        period: charge.period.name.clone(),
        price: charge.amount,
    };
    let body = serde_json::to_vec(&order).expect("text and numbers are JSON");
    // A string of RFC 8941, section 3.3.3, as draft-ietf-httpapi-idempotency-key-header has it.
    let key = HeaderValue::try_from(format!("\"{}\"", charge.key()));
    let key = key.expect("a key is made of letters, digits and ._-:");
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = payments.clone();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(IDEMPOTENCY_KEY, key);
    request
}

/// Says what an answer means.
///
/// Only the payment module's own word is final: a payment that bears the charge's key, or one of
/// the refusals that its interface knows, as a problem. Boxes on the way answer too, and 404 or 403
/// may be the word of a balancer that was set up a minute ago.
fn read(charge: &Charge, head: &http::response::Parts, body: &[u8]) -> Outcome {
    let status = head.status;
    match status {
        StatusCode::OK | StatusCode::CREATED => match serde_json::from_slice::<Created>(body) {
            Ok(Created { payment }) if payment.key == charge.key() => {
                Outcome::Paid { payment: payment.id.to_string() }
            }
            Ok(Created { payment }) => unknown(format_args!("{status} for {}", payment.key)),
            Err(error) => unknown(format_args!("{status} without a payment: {error}")),
        },
        StatusCode::BAD_REQUEST
        | StatusCode::PAYMENT_REQUIRED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY
            if is_problem(head) =>
        {
            Outcome::Refused { reason: reason(status, body) }
        }
        _ => unknown(reason(status, body)),
    }
}

fn is_problem(head: &http::response::Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/problem+json"))
}

/// Returns the status and, if the body is a problem, what it says.
fn reason(status: StatusCode, body: &[u8]) -> String {
    let problem = serde_json::from_slice::<Problem>(body).ok();
    let detail = problem.and_then(|problem| problem.detail.or(problem.title));
    detail.map_or_else(|| status.to_string(), |detail| format!("{status}: {detail}"))
}

/// Returns an error and what caused it, the outermost first. Some errors end with their cause
/// already, which is then not said twice.
fn causes(error: &(dyn Error + 'static)) -> String {
    let all = successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    let join = |said: String, cause: String| {
        if said.ends_with(&cause) { said } else { format!("{said}: {cause}") }
    };
    all.map(ToString::to_string).reduce(join).unwrap_or_default()
}

fn unknown(reason: impl Display) -> Outcome {
    Outcome::Unknown { reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Period;

    fn charge() -> Charge {
        let due = jiff::Timestamp::UNIX_EPOCH;
        Charge {
            subscription: "customer-17".parse().unwrap(),
            period: Period { index: 0, name: "2026-01".into(), due },
            amount: "9.90 EUR".parse().unwrap(),
            attempt: 1,
            next: Period { index: 1, name: "2026-02".into(), due },
        }
    }

    fn answer(status: u16, kind: &str, body: &str) -> Outcome {
        let response = Response::builder().status(status).header(CONTENT_TYPE, kind);
        let (head, ()) = response.body(()).unwrap().into_parts();
        read(&charge(), &head, body.as_bytes())
    }

    #[test]
    fn a_charge_is_posted_with_its_key() {
        let request = request(&Uri::from_static("http://payment/payments"), &charge());
        assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/payments"));
        assert_eq!(request.headers()["idempotency-key"], "\"customer-17:2026-01\"");
        let body =
            r#"{"subscription":"customer-17","period":"2026-01","amount":990,"currency":"EUR"}"#;
        assert_eq!(request.body(), body);
    }

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Failure {
            text: &'static str,
            #[source]
            cause: std::io::Error,
        }
        let said = |text| {
            let cause = std::io::Error::other("reset by peer");
            causes(&Failure { text, cause })
        };
        assert_eq!(said("no response"), "no response: reset by peer");
        assert_eq!(said("no response: reset by peer"), "no response: reset by peer");
    }

    #[test]
    fn a_payment_with_the_charges_key_is_a_payment() {
        let body = r#"{"payment":{"id":7,"key":"customer-17:2026-01","outcome":"charged"}}"#;
        for status in [200, 201] {
            let outcome = answer(status, "application/json", body);
            assert_eq!(outcome, Outcome::Paid { payment: "7".into() });
        }
    }

    #[test]
    fn an_answer_that_is_about_something_else_says_nothing() {
        for body in [
            r#"{"payment":{"id":7,"key":"customer-18:2026-01"}}"#,
            r#"{"payment":{"id":"7","key":"customer-17:2026-01"}}"#,
            "{}",
            "<html>Sign in</html>",
            "",
        ] {
            let outcome = answer(200, "application/json", body);
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{body}: {outcome:?}");
        }
    }

    #[test]
    fn a_refusal_of_the_payment_module_is_final_and_a_boxs_is_not() {
        for status in [400, 402, 413, 415, 422] {
            let kind = "application/problem+json; charset=utf-8";
            let outcome = answer(status, kind, r#"{"detail":"declined"}"#);
            let Outcome::Refused { reason } = outcome else { panic!("{status}: {outcome:?}") };
            assert!(reason.ends_with("declined"), "{reason}");
            let outcome = answer(status, "text/html", "<html>");
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{status}: {outcome:?}");
        }
    }

    #[test]
    fn all_other_answers_are_asked_for_again() {
        for status in [204, 301, 403, 404, 408, 409, 429, 460, 500, 502, 503, 504, 599] {
            let outcome = answer(status, "application/problem+json", r#"{"title":"no"}"#);
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{status}: {outcome:?}");
        }
    }
}
