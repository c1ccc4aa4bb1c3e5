//! What each route answers.

use core::convert::Infallible;
use core::time::Duration;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, sleep, timeout};

use super::answer::{self, Answer, REPLAYED};
use super::book::{Book, Settlement};
use super::connection::Desk;
use super::event::EventKind;
use super::order::{IdempotencyKey, Order, Outcome};
use super::phase::Phase;

/// The header of draft-ietf-httpapi-idempotency-key-header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A body that is too long is read for as many times its limit before it is answered: a client
/// that is still writing would meet a reset in place of the answer (RFC 9112, section 9.6).
const DISCARDED_PER_LIMIT: usize = 64;

/// Answers one request of a connection.
pub(super) async fn serve<B: Book>(
    desk: Arc<Desk<B>>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    desk.watch.enter(Phase::Request);
    let received = Instant::now();
    let number = desk.count_request();
    desk.observe(EventKind::Received {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        key: key_of(request.headers()).ok(),
    });
    let mut answer = route(&desk, request).await;
    let settings = &desk.module.settings;
    if settings.requests_per_connection.is_some_and(|most| number >= most)
        || desk.module.is_draining()
    {
        answer = answer::last(answer);
    }
    if answer::is_last(&answer) {
        desk.finish();
    } else if let Some(hint) = settings.hint {
        let hint = HeaderValue::try_from(hint.to_string()).expect("digits and letters");
        answer.headers_mut().insert(KEEP_ALIVE, hint);
    }
    desk.observe(EventKind::Answered {
        status: answer.status(),
        replayed: answer.headers().contains_key(REPLAYED),
        after: received.elapsed(),
    });
    desk.watch.enter(Phase::Answer(Instant::now()));
    Ok(answer)
}

async fn route<B: Book>(desk: &Desk<B>, request: Request<Incoming>) -> Answer {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/payments" if request.method() == Method::POST => charge(desk, request).await,
        "/payments" => answer::wrong_method("POST"),
        "/health" if reads => answer::health(desk.module.is_healthy()),
        "/health" => answer::wrong_method("GET, HEAD"),
        path => match path.strip_prefix("/payments/") {
            Some(name) if !name.is_empty() && reads => find(desk, name).await,
            Some(name) if !name.is_empty() => answer::wrong_method("GET, HEAD"),
            Some(_) | None => answer::problem(
                StatusCode::NOT_FOUND,
                "there is nothing here but /payments, /payments/{key or id} and /health",
            ),
        },
    }
}

async fn find<B: Book>(desk: &Desk<B>, name: &str) -> Answer {
    match desk.module.book.find(name).await {
        Ok(Some(payment)) => answer::found(&payment),
        Ok(None) => answer::problem(StatusCode::NOT_FOUND, "there is no payment of this key or id"),
        Err(error) => desk.fail(&error),
    }
}

/// Takes an order from the door to its answer.
async fn charge<B: Book>(desk: &Desk<B>, request: Request<Incoming>) -> Answer {
    if desk.module.is_draining() {
        return answer::unavailable("this module is about to end; nothing was charged");
    }
    let (key, order) = match admit(desk, request).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal,
    };
    let Some(_turn) = desk.module.begin(&key) else {
        return answer::problem(
            StatusCode::CONFLICT,
            "a request with this key is in progress; ask again for its answer",
        );
    };
    let (work, answering) = desk.module.draw_slowness();
    pass(work).await;
    let declined =
        desk.module.settings.declines.is_some_and(|ending| ending.ends(order.price.minor));
    let outcome = if declined { Outcome::Declined } else { Outcome::Charged };
    let answer = match desk.module.book.settle(&key, &order, outcome).await {
        Ok(Settlement::Written(payment)) => answer::payment(&payment, false),
        Ok(Settlement::Taken(payment)) if payment.order == order => answer::payment(&payment, true),
        Ok(Settlement::Taken(_)) => answer::problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this key was used for another order; nothing was charged",
        ),
        Err(error) => desk.fail(&error),
    };
    pass(answering).await;
    answer
}

/// tokio's shortest sleep is a millisecond.
async fn pass(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

/// Reads a key and an order, or says what is wrong with them.
async fn admit<B: Book>(
    desk: &Desk<B>,
    request: Request<Incoming>,
) -> Result<(IdempotencyKey, Order), Answer> {
    let bad = |detail: &str| answer::problem(StatusCode::BAD_REQUEST, detail);
    let key = key_of(request.headers()).map_err(|detail| bad(&detail))?;
    if !is_json(request.headers()) {
        return Err(answer::problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "an order is JSON: send `Content-Type: application/json`",
        ));
    }
    let settings = &desk.module.settings;
    let body = timeout(settings.body_timeout, read(request, settings.body_max)).await;
    let body =
        body.unwrap_or(Err(Unread::TooSlow)).map_err(|why| unread(why, settings.body_max))?;
    let order = Order::parse(&body).map_err(|error| bad(&error.to_string()))?;
    Ok((key, order))
}

fn unread(why: Unread, most: usize) -> Answer {
    let too_large = || {
        let detail = format!("an order has at most {most} bytes; nothing was charged");
        answer::problem(StatusCode::PAYLOAD_TOO_LARGE, &detail)
    };
    match why {
        Unread::TooLarge { discarded: true } => too_large(),
        Unread::TooLarge { discarded: false } => answer::last(too_large()),
        Unread::TooSlow => {
            let detail = "the body took too long; nothing was charged";
            answer::last(answer::problem(StatusCode::REQUEST_TIMEOUT, detail))
        }
        Unread::Broken => {
            let detail = "the body broke off, or is not framed as it should be";
            answer::last(answer::problem(StatusCode::BAD_REQUEST, detail))
        }
    }
}

fn key_of(headers: &HeaderMap) -> Result<IdempotencyKey, String> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err("a payment needs the header `Idempotency-Key`, once".to_owned());
    };
    let text = value.to_str().unwrap_or_default();
    IdempotencyKey::parse(text).map_err(|error| error.to_string())
}

/// Tells whether a body says that it is JSON, or says nothing.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_none_or(|value| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

/// Why there is no body.
enum Unread {
    /// It is longer than allowed; discarded to its end or not.
    TooLarge {
        discarded: bool,
    },
    TooSlow,
    Broken,
}

/// Reads a body of at most `most` bytes.
async fn read(request: Request<Incoming>, most: usize) -> Result<Bytes, Unread> {
    let waits_to_be_asked = request.headers().contains_key(EXPECT);
    let mut body = request.into_body();
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    if waits_to_be_asked && body.size_hint().lower() > limit {
        return Err(Unread::TooLarge { discarded: false });
    }
    let mut kept = BytesMut::new();
    let mut length: usize = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length <= most {
            kept.extend_from_slice(&data);
        } else if length > most.saturating_mul(DISCARDED_PER_LIMIT) {
            return Err(Unread::TooLarge { discarded: false });
        }
    }
    if length > most { Err(Unread::TooLarge { discarded: true }) } else { Ok(kept.freeze()) }
}
