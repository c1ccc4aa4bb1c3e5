//! Answers: payments, and problems as RFC 9457 has them.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::order::{Outcome, Payment};

/// Says that an answer is the one that an earlier request with the same key got.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

pub(super) type Answer = Response<Full<Bytes>>;

/// Answers with a payment: 201 as it is written, 200 when it is asked for again, and 402 either way
/// if it was declined.
pub(super) fn payment(payment: &Payment, replayed: bool) -> Answer {
    let mut answer = match payment.outcome {
        Outcome::Declined => {
            let mut body = problem_body(
                StatusCode::PAYMENT_REQUIRED,
                "the payment was declined; asking again will not change that",
            );
            body["payment"] = json!(payment);
            answer(StatusCode::PAYMENT_REQUIRED, "application/problem+json", &body)
        }
        Outcome::Charged => {
            let status = if replayed { StatusCode::OK } else { StatusCode::CREATED };
            answer(status, "application/json", &json!({ "payment": payment }))
        }
    };
    if replayed {
        answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    answer
}

/// Answers whoever looks a payment up.
pub(super) fn found(payment: &Payment) -> Answer {
    answer(StatusCode::OK, "application/json", &json!({ "payment": payment }))
}

pub(super) fn health(healthy: bool) -> Answer {
    let (status, word) =
        if healthy { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "out") };
    let mut answer = answer(status, "application/json", &json!({ "status": word }));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Answers that a request cannot be served, and why.
pub(super) fn problem(status: StatusCode, detail: &str) -> Answer {
    answer(status, "application/problem+json", &problem_body(status, detail))
}

/// Answers 405 with the methods that there are.
pub(super) fn wrong_method(allowed: &'static str) -> Answer {
    let detail = format!("this resource knows {allowed} only");
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, &detail);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// Answers 503 to who should ask another one, or again in a second.
pub(super) fn unavailable(detail: &str) -> Answer {
    let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// Makes an answer the last of its connection.
pub(super) fn last(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Tells whether an answer is the last of its connection.
pub(super) fn is_last(answer: &Answer) -> bool {
    answer.headers().get(CONNECTION).is_some_and(|value| value == "close")
}

fn problem_body(status: StatusCode, detail: &str) -> serde_json::Value {
    let title = status.canonical_reason().unwrap_or_default();
    json!({ "title": title, "status": status.as_u16(), "detail": detail })
}

fn answer(status: StatusCode, kind: &'static str, body: &serde_json::Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
