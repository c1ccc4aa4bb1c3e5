//! What is wrong with a program on purpose, so that the swarm shows that it can find it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use halfopen_billing::payment::IDEMPOTENCY_KEY;
use halfopen_pool::client::Client;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower_service::Service;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The payment module writes every order that it is given, whatever its key.
    KeyIgnored,
    /// The scheduler asks with another key at each attempt.
    KeyPerAttempt,
    /// The scheduler writes down that a charge is paid when it is about to ask.
    PaidBeforeAsked,
    /// The scheduler takes an outcome that it does not know for a refusal.
    UnknownIsFinal,
    /// The payment module answers first, and writes a little later.
    AnsweredBeforeWritten,
    /// The scheduler takes what it has asked for before for paid.
    OpenIsForgotten,
}

/// What stands between a charge's own key and the rest of one that differs at each attempt.
const MARK: char = '~';

/// A client that asks with another key at each attempt, and hides that from who reads the answer.
#[derive(Clone)]
pub(crate) struct KeyPerAttempt {
    pool: Client,
    attempts: Arc<AtomicU64>,
}

impl KeyPerAttempt {
    /// Returns a client whose attempts, and those of all that share `attempts`, are counted there.
    pub(crate) fn new(pool: Client, attempts: Arc<AtomicU64>) -> Self {
        Self { pool, attempts }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Request<Bytes>> for KeyPerAttempt {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Bytes>) -> Self::Future {
        let Self { pool, attempts } = self.clone();
        let attempt = attempts.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let key = request.headers()[IDEMPOTENCY_KEY].to_str()?.trim_matches('"').to_owned();
            let other = another(&key, attempt);
            request.headers_mut().insert(IDEMPOTENCY_KEY, HeaderValue::try_from(&other)?);
            let (head, body) = pool.send(request).await?.into_parts();
            let body = String::from_utf8(body.bytes().await?.to_vec())?.replace(&other, &key);
            Ok(Response::from_parts(head, Full::new(body.into())))
        })
    }
}

/// Returns a key that differs from others of the same charge by a number.
pub(crate) fn another(key: &str, number: u64) -> String {
    format!("{key}{MARK}{number}")
}
