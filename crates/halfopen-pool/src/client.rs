//! The client: it does what the pure half decides.
//!
//! A request waits for its turn, takes a connection from the shelf or opens one, goes out, and if
//! its connection dies, goes out again where that is safe. What became of the connection is learnt
//! from before anybody else takes one.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use http::uri::InvalidUri;
use http::{Method, Request, Response, Uri};
use tower_service::Service;

mod builder;
mod dialer;
mod exchange;
mod failure;
mod handover;
mod hint;
mod kept;
mod lease;
#[cfg(feature = "http2")]
mod multiplex;
mod opening;
mod origin;
mod pool;
mod reaper;
mod response;
mod vigil;

pub use builder::{BuildError, Builder, Warning};
pub use response::{ResponseBody, Used};

use crate::body::Body;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::policy::{Notice, Policy, Reuse};
use pool::{Shared, State};

/// An HTTP client with a pool of connections. Clones share it.
///
/// When the last clone is dropped, idle connections are closed; those in use end with their
/// responses.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    warnings: Arc<[Warning]>,
    ledger_file: Option<Arc<std::path::Path>>,
}

/// A response that is under way.
pub type Sending = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Error>> + Send>>;

impl Client {
    /// Returns a builder with the policy of [`Policy::default`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Sends a request and waits for the head of its response. Its URI is absolute.
    ///
    /// Dropping the future closes the connection if the request is under way.
    pub fn send<B: Into<Body>>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Error>> + Send + use<B> {
        exchange::run(Arc::clone(&self.shared), request.map(Into::into))
    }

    /// Sends a GET request.
    pub async fn get(&self, uri: impl TryInto<Uri, Error = InvalidUri>) -> Answer {
        exchange::run(Arc::clone(&self.shared), request(Method::GET, uri, Body::empty())?).await
    }

    /// Sends a POST request.
    pub async fn post(
        &self,
        uri: impl TryInto<Uri, Error = InvalidUri>,
        body: impl Into<Body>,
    ) -> Answer {
        exchange::run(Arc::clone(&self.shared), request(Method::POST, uri, body.into())?).await
    }

    /// Closes all idle connections. Requests under way go on.
    pub fn drain(&self) {
        self.shared.with(|state, now| state.shelf.drain(now, None));
    }

    /// Closes all idle connections, and those in use after their responses; further requests fail.
    pub fn shut_down(&self) {
        self.shared.with(State::shut_down);
    }

    /// Returns the number of idle connections.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.shared.with(|state, _| state.shelf.len())
    }

    /// Returns what was learnt so far; `None` if the policy does not learn.
    #[must_use]
    pub fn ledger(&self) -> Option<Ledger> {
        self.shared.with(|state, _| state.ledger.clone())
    }

    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.shared.policy
    }

    /// Returns what did not go as asked when the client was built.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Writes the ledger to the file that it was [read from](Builder::ledger_file), in place of
    /// what is there. Does nothing if no file was named or the policy does not learn.
    pub fn save_ledger(&self) -> std::io::Result<()> {
        let (Some(file), Some(ledger)) = (&self.ledger_file, self.ledger()) else { return Ok(()) };
        builder::replace(file, &ledger)
    }
}

/// A response, or why there is none.
type Answer = Result<Response<ResponseBody>, Error>;

fn request(
    method: Method,
    uri: impl TryInto<Uri, Error = InvalidUri>,
    body: Body,
) -> Result<Request<Body>, Error> {
    let uri = uri.try_into().map_err(|_| Error::Unsendable(crate::error::Unsendable::Uri))?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    Ok(request)
}

impl<B: Into<Body>> Service<Request<B>> for Client {
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = Sending;

    /// Is always ready: requests wait for their turns one by one, since a turn belongs to a path.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Sending {
        Box::pin(exchange::run(Arc::clone(&self.shared), request.map(Into::into)))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("policy", &self.shared.policy).finish_non_exhaustive()
    }
}

/// Returns how a policy notices the end of idle connections, if it keeps any.
fn notice_of(policy: &Policy) -> Option<Notice> {
    match &policy.reuse {
        Reuse::Never => None,
        Reuse::Kept(keep) => Some(keep.notice),
    }
}
