//! One request from its turn to the head of its response, sent again where that is safe.

use core::future::poll_fn;
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Poll, ready};
use std::sync::Arc;

use halfopen_core::time::Duration;
use http::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Method, Request, Response, Uri, Version};
use hyper::body::Incoming;

use super::failure::{self, Failed};
use super::hint::KeepAlive;
use super::kept::Kept;
use super::lease::{Found, Lease, Turn};
use super::origin::Origin;
use super::pool::Shared;
use super::response::{ResponseBody, Used};
use super::vigil::Vigil;
use crate::body::Body;
use crate::clock::Alarm;
use crate::connect::Delivery;
use crate::error::{Broken, Error, Unsendable};
use crate::event::What;
use crate::http1::{Connection, SendError};
use crate::idle::WireIdle;
use crate::ledger::Outcome;
use crate::name::ConnectionId;
use crate::policy::{Notice, Reuse};
use crate::retry::{self, Attempt, Decision, Failure, Objection, Permission, Processed, Written};
use crate::stream::Gauge;

/// draft-ietf-httpapi-idempotency-key-header: makes a POST one that can be repeated.
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request, and what is needed to send it again.
pub(super) struct Exchange {
    pub(super) shared: Arc<Shared>,
    pub(super) origin: Arc<Origin>,
    method: Method,
    has_key: bool,
    body: retry::Body,
    body_length: Option<u64>,
    pub(super) retries: u32,
}

/// A connection in use.
pub(super) enum Leased {
    /// It carries this request only.
    Alone(Lease),
    /// It carries others too.
    #[cfg(feature = "http2")]
    Shared(super::multiplex::Joined),
}

/// How an attempt ended without a response.
enum Missed {
    /// The connection had ended before the request was written, and it was known to be one of
    /// those that may have: another is taken.
    Stale(Request<Body>),
    Failed(Failed, Option<Request<Body>>),
}

/// Sends a request, and again where that is safe.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut request: Request<Body>,
) -> Result<Response<ResponseBody>, Error> {
    let mut exchange = Exchange::new(shared, &request)?;
    let mut turn = None;
    loop {
        // As the user gave it, which is less to copy.
        let spare = exchange.spare(&request);
        exchange.prepare(&mut request);
        #[cfg_attr(
            not(feature = "http2"),
            expect(clippy::infallible_destructuring_match, reason = "there is one kind")
        )]
        let mut lease = match exchange.lease(turn).await? {
            Leased::Alone(lease) => lease,
            #[cfg(feature = "http2")]
            Leased::Shared(joined) => match exchange.share(joined, request, spare).await? {
                Ok(response) => return Ok(response),
                Err(again) => {
                    (turn, request) = (None, again);
                    exchange.retries += 1;
                    continue;
                }
            },
        };
        if lease.turn.in_company {
            give_way().await;
        }
        lease.connection.gauge.begin();
        let sending = pin!(lease.connection.send(request));
        let error = match exchange.wait(&mut lease, sending).await {
            Some(Ok(response)) => return Ok(exchange.respond(lease, response)),
            Some(Err(error)) => Some(error),
            None => None,
        };
        let given_back;
        (given_back, request) = match exchange.missed(error, &lease) {
            Missed::Stale(unsent) => (exchange.stale(lease), unsent),
            Missed::Failed(failed, unsent) => {
                let again = exchange.died(lease, failed, unsent.or(spare))?;
                exchange.retries += 1;
                again
            }
        };
        turn = Some(given_back);
    }
}

impl Exchange {
    fn new(shared: Arc<Shared>, request: &Request<Body>) -> Result<Self, Error> {
        Ok(Self {
            origin: origin(&shared, request).map_err(Error::Unsendable)?,
            method: request.method().clone(),
            has_key: request.headers().contains_key(&IDEMPOTENCY_KEY),
            body: request.body().kind(),
            body_length: http_body::Body::size_hint(request.body()).exact(),
            retries: 0,
            shared,
        })
    }

    /// Makes the request one in origin form, with a Host field (RFC 9112 sections 3.2 and 3.2.1),
    /// if it is none yet.
    fn prepare(&self, request: &mut Request<Body>) {
        let headers = request.headers_mut();
        if let Some(host) = &self.origin.host
            && !headers.contains_key(HOST)
        {
            headers.insert(HOST, host.clone());
        }
        if matches!(self.shared.policy.reuse, Reuse::Never) && !headers.contains_key(CONNECTION) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let mut uri = mem::take(request.uri_mut()).into_parts();
        (uri.scheme, uri.authority) = (None, None);
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
        *request.version_mut() = Version::HTTP_11;
    }

    /// Gets a connection, with the turn that the request has, or in its turn.
    async fn lease(&self, turn: Option<Turn>) -> Result<Leased, Error> {
        match turn {
            Some(turn) => {
                let found = if self.reuses() { turn.take(Duration::ZERO) } else { Err(turn) };
                self.connection(found, Duration::ZERO).await
            }
            #[cfg(feature = "http2")]
            None if self.shared.may_multiplex(&self.origin.to) => self.join().await,
            None => self.turn().await,
        }
    }

    /// Gets a connection of its own, in its turn.
    pub(super) async fn turn(&self) -> Result<Leased, Error> {
        let wait = Turn::wait(&self.shared, &self.origin.path, self.reuses());
        let (found, waited) = wait.await?;
        self.connection(found, waited).await
    }

    /// Tells whether a connection that was used before will do: a new one is for what is sent
    /// again, since what killed one connection may have killed them all.
    const fn reuses(&self) -> bool {
        self.retries == 0
    }

    /// Uses what the shelf had, or opens a connection.
    async fn connection(&self, found: Found, waited: Duration) -> Result<Leased, Error> {
        #[cfg(feature = "http2")]
        let found = super::multiplex::verified(&self.shared, found, waited).await;
        let lease = match found {
            Ok(lease) => lease,
            // In a box, since the future of every request would else have room for it.
            Err(turn) => Box::pin(turn.open(&self.origin, waited, self.reuses())).await?,
        };
        Ok(self.begin(lease))
    }

    #[cfg_attr(not(feature = "http2"), expect(clippy::unused_self, reason = "there is one kind"))]
    fn begin(&self, lease: Lease<Kept>) -> Leased {
        let Lease { connection, turn, id, born, quiet } = lease;
        match connection {
            Kept::Http1(connection) => Leased::Alone(Lease { connection, turn, id, born, quiet }),
            #[cfg(feature = "http2")]
            Kept::Http2(connection) => Leased::Shared(super::multiplex::Session::begin(
                &self.shared,
                Lease { connection, turn, id, born, quiet },
            )),
        }
    }

    /// Waits for the head of a response. `None`: there was none in time.
    async fn wait(
        &self,
        lease: &mut Lease,
        sending: Pin<&mut impl Future<Output = Result<Response<Incoming>, SendError>>>,
    ) -> Option<Result<Response<Incoming>, SendError>> {
        let Lease { connection, turn, id, quiet, .. } = lease;
        let Connection { gauge, alarm, .. } = &mut **connection;
        let vigil = Vigil::begin(gauge, || {
            turn.holds = None;
            self.abandoned(*id, *quiet, true);
        });
        let response = in_time(&self.shared, gauge, alarm, sending).await;
        vigil.end();
        response
    }

    /// Takes note that a request was given up on a connection that is silent, and of what is learnt
    /// from that if it `teaches`.
    pub(super) fn abandoned(&self, id: ConnectionId, quiet: Option<WireIdle>, teaches: bool) {
        let (failure, processed) = (Failure::Silence, Processed::Maybe);
        let (path, why) = (&self.origin.path, Objection::Abandoned);
        self.shared.learn_with(|state, now, wall| {
            state.tell(now, path, || What::Died { id, failure, quiet, processed });
            if let (true, Some(quiet)) = (teaches, quiet) {
                state.learn(now, wall, path, quiet, Outcome::SilentOnUse);
            }
            state.tell(now, path, || What::GivenUp { id: Some(id), why });
        });
    }

    /// Tells how an attempt ended without a response; `None`: with none in time.
    fn missed(&self, error: Option<SendError>, lease: &Lease) -> Missed {
        let gauge = &lease.connection.gauge;
        let written = || match (gauge.sent(), self.body_length) {
            (0, _) => Written::Nothing,
            (sent, Some(length)) if sent > length => Written::Whole,
            (_, _) => Written::Partly,
        };
        let Some(mut error) = error else {
            return Missed::Failed(Failed::silent(written()), None);
        };
        let unsent = error.take_message();
        let written = if unsent.is_some() { Written::Nothing } else { written() };
        match unsent {
            Some(request) if lease.quiet.is_some() && self.notices_at_once() => {
                Missed::Stale(request)
            }
            unsent => Missed::Failed(failure::of(error.into_error(), gauge, written), unsent),
        }
    }

    fn notices_at_once(&self) -> bool {
        super::notice_of(&self.shared.policy) == Some(Notice::AtOnce)
    }

    /// Takes note that a connection had ended before it was used. Returns its turn.
    fn stale(&self, lease: Lease) -> Turn {
        let Lease { connection, mut turn, id, quiet, .. } = lease;
        let reset = connection.gauge.failure().is_some();
        drop(connection);
        turn.holds = None;
        if let Some(quiet) = quiet {
            let outcome = if reset { Outcome::ResetIdle } else { Outcome::ClosedIdle };
            self.shared.learn_with(|state, now, wall| {
                state.tell(now, &self.origin.path, || What::Ended { id, quiet, reset });
                state.learn(now, wall, &self.origin.path, quiet, outcome);
            });
        }
        turn
    }

    /// Decides whether a request goes out again, of which `again` is a copy.
    fn decide(
        &self,
        reused: bool,
        failed: &Failed,
        again: Option<Request<Body>>,
    ) -> Result<(Permission, Request<Body>), Objection> {
        let attempt = self.as_attempt(reused, failed.written, failed.failure);
        match retry::may_retry(self.shared.policy.retry, &attempt) {
            Decision::Retry(why) => again.map(|again| (why, again)).ok_or(Objection::BodyGone),
            Decision::Fail(objection) => Err(objection),
        }
    }

    fn as_attempt(&self, reused: bool, written: Written, failure: Failure) -> Attempt<'_> {
        Attempt {
            method: &self.method,
            has_key: self.has_key,
            body: self.body,
            reused,
            written,
            failure,
            retries: self.retries,
        }
    }

    /// Keeps a copy of a request that could have to be sent again, if that is possible.
    fn spare(&self, request: &Request<Body>) -> Option<Request<Body>> {
        if self.retries >= self.shared.policy.retry.attempts {
            return None;
        }
        let mut copy = Request::new(request.body().again()?);
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        Some(copy)
    }

    /// Takes note of a connection's death. Returns the turn and the request if that goes out again.
    fn died(
        &self,
        lease: Lease,
        failed: Failed,
        again: Option<Request<Body>>,
    ) -> Result<(Turn, Request<Body>), Error> {
        let Lease { connection, mut turn, id, quiet, .. } = lease;
        let teaches = !is_slow(&failed, &connection.gauge);
        drop(connection);
        turn.holds = None;
        let request = self.judge(id, quiet, failed, again, teaches)?;
        Ok((turn, request))
    }

    /// Takes note of how a request failed, and of what is learnt from it if it `teaches`, before
    /// anyone meets the connection's siblings. Returns the request if that goes out again.
    pub(super) fn judge(
        &self,
        id: ConnectionId,
        quiet: Option<WireIdle>,
        failed: Failed,
        again: Option<Request<Body>>,
        teaches: bool,
    ) -> Result<Request<Body>, Error> {
        let decision = self.decide(quiet.is_some(), &failed, again);
        let Failed { failure, written, source } = failed;
        let processed = retry::processed(written, failure);
        self.shared.learn_with(|state, now, wall| {
            state.tell(now, &self.origin.path, || What::Died { id, failure, quiet, processed });
            let outcome = failure::outcome(failure);
            if let (true, Some(quiet), Some(outcome)) = (teaches, quiet, outcome) {
                state.learn(now, wall, &self.origin.path, quiet, outcome);
            }
            let id = Some(id);
            state.tell(now, &self.origin.path, || match decision {
                Ok((why, _)) => What::Retried { id, why },
                Err(why) => What::GivenUp { id, why },
            });
        });
        let objection = match decision {
            Ok((_, request)) => return Ok(request),
            Err(objection) => objection,
        };
        Err(Error::Broken(Box::new(Broken {
            path: self.origin.path.clone(),
            connection: id,
            quiet,
            failure,
            processed,
            retries: self.retries,
            objection,
            source,
        })))
    }

    pub(super) fn used(
        &self,
        connection: ConnectionId,
        quiet: Option<WireIdle>,
        gauge: &Gauge,
    ) -> Used {
        let (local, peer) = gauge.addresses();
        Used { connection, quiet, retries: self.retries, local, peer }
    }

    fn respond(self, mut lease: Lease, response: Response<Incoming>) -> Response<ResponseBody> {
        lease.turn.survived = lease.quiet;
        let hint = KeepAlive::of(response.headers());
        let used = self.used(lease.id, lease.quiet, &lease.connection.gauge);
        let (mut parts, incoming) = response.into_parts();
        parts.extensions.insert(used);
        Response::from_parts(parts, ResponseBody::new(incoming, lease, hint, self.retries))
    }
}

/// Tells whether it was the server that took too long, and not the path that was silent.
pub(super) fn is_slow(failed: &Failed, gauge: &Gauge) -> bool {
    failed.failure == Failure::Silence
        && gauge.failure().is_none()
        && gauge.delivery() == Some(Delivery::Acknowledged)
}

/// Lets others read their responses first. Requests then go out together, and a server that shares
/// the machine is woken less often.
async fn give_way() {
    let mut has_given = false;
    poll_fn(|cx| {
        if mem::replace(&mut has_given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits for the head of a response, for as long as the read timeout says after something last went
/// out. `None`: there was none in time.
async fn in_time(
    shared: &Shared,
    gauge: &Gauge,
    alarm: &mut Alarm,
    mut sending: Pin<&mut impl Future<Output = Result<Response<Incoming>, SendError>>>,
) -> Option<Result<Response<Incoming>, SendError>> {
    let Some(patience) = shared.policy.timeouts.read else { return Some(sending.await) };
    let mut began = None;
    poll_fn(|cx| {
        if let Poll::Ready(sent) = sending.as_mut().poll(cx) {
            return Poll::Ready(Some(sent));
        }
        loop {
            let sent = gauge.last_sent();
            let since = sent.unwrap_or_else(|| *began.get_or_insert_with(|| shared.clock.now()));
            ready!(alarm.poll_until(since + patience, &shared.clock, cx));
            if sent == gauge.last_sent() {
                return Poll::Ready(None);
            }
        }
    })
    .await
}

fn origin(shared: &Shared, request: &Request<Body>) -> Result<Arc<Origin>, Unsendable> {
    if request.method() == Method::CONNECT {
        return Err(Unsendable::Connect);
    }
    let scheme = request.uri().scheme();
    let tls = scheme == Some(&Scheme::HTTPS);
    if scheme.is_some_and(|scheme| !tls && scheme != &Scheme::HTTP) {
        return Err(Unsendable::Scheme);
    }
    if tls && !shared.speaks_tls {
        return Err(Unsendable::NoTls);
    }
    let origin = |authority| shared.origins.get(tls, authority, shared.source.as_ref());
    request.uri().authority().and_then(origin).ok_or(Unsendable::NoHost)
}
