//! Requests that share a connection: HTTP/2.
//!
//! A connection that carries requests is a [`Session`], which has one turn however many they are;
//! after the last of them it goes on the shelf like any other. There is one to a path as a rule:
//! while a request opens it, or asks by PING whether it still works, the others wait for what comes
//! of that. If nothing does, they no longer wait for each other.
//!
//! An HTTP/2 connection is always read, so that the policy's notice is at once whatever it says;
//! and it has no `Keep-Alive` hint. A wire log shows its frames as bytes.

use core::future::poll_fn;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Poll;
use std::io;
use std::sync::Arc;

use halfopen_core::time::{Duration, Instant};
use http::{Request, Response};

use super::exchange::{Exchange, Leased};
use super::failure::{self, Failed};
use super::kept::Kept;
use super::lease::{Found, Lease, Turn};
use super::pool::Shared;
use super::response::ResponseBody;
use super::vigil::Vigil;
use crate::body::Body;
use crate::clock::Alarm;
use crate::error::Error;
use crate::event::What;
use crate::http2::{Connection, Incoming, Sending};
use crate::idle::{Clock, WireIdle};
use crate::ledger::Outcome;
use crate::name::{ConnectionId, PathName};
use crate::retry::Failure;
use crate::shelf::Discard;
use crate::stream::{Gauge, Stream};

mod body;
mod roads;

pub(super) use body::SharedBody;
pub(super) use roads::Roads;
use roads::Way;

/// A connection that carries requests. Dropping it puts the connection on the shelf, if it can be
/// used again, and gives the turn back.
pub(super) struct Session {
    connection: Connection,
    /// `None` when it is dropped.
    turn: Option<Turn>,
    id: ConnectionId,
    born: Instant,
    /// Whether the connection's end was told.
    is_over: AtomicBool,
}

/// A request's part in a session.
pub(super) struct Joined {
    session: Arc<Session>,
    /// For how long the connection had been quiet; `None` if it was new.
    quiet: Option<WireIdle>,
}

/// Speaks HTTP/2 on a stream, and sees to it that the connection moves on.
pub(super) async fn speak(
    shared: &Arc<Shared>,
    id: ConnectionId,
    stream: Stream,
    gauge: Gauge,
) -> io::Result<Connection> {
    let opened = Connection::open(stream, gauge, shared.clock.clone()).await;
    let (connection, driver) = opened.map_err(io::Error::other)?;
    let weak = Arc::downgrade(shared);
    (shared.execute)(Box::pin(async move {
        driver.await;
        if let Some(shared) = weak.upgrade() {
            shared.ended_idle(id);
        }
    }));
    Ok(connection)
}

/// Asks a connection from the shelf whether it works, if that is to be asked, and takes others
/// until one does.
pub(super) async fn verified(shared: &Arc<Shared>, mut found: Found, waited: Duration) -> Found {
    loop {
        match verify(shared, found?).await {
            Ok(lease) => return Ok(lease),
            Err(turn) => found = turn.take(waited),
        }
    }
}

/// Asks a connection from the shelf whether it works, if it is one that can be asked and was quiet
/// for long. If it does not, returns the turn to take another with.
async fn verify(shared: &Arc<Shared>, mut lease: Lease<Kept>) -> Found {
    let (Kept::Http2(connection), Some(quiet)) = (&lease.connection, lease.quiet) else {
        return Ok(lease);
    };
    let path = lease.turn.path().clone();
    if !shared.must_ask(&path, quiet) {
        return Ok(lease);
    }
    let turn = &mut lease.turn;
    if answers(shared, &path, lease.id, connection, quiet, || turn.holds = None).await {
        let quiet = Some(connection.quiet());
        return Ok(Lease { quiet, ..lease });
    }
    Err(lease.turn)
}

/// Sends a PING. Learns from what comes of it; a connection that does not answer is closed, and
/// `on_end` is called.
async fn answers(
    shared: &Arc<Shared>,
    path: &PathName,
    id: ConnectionId,
    connection: &Connection,
    quiet: WireIdle,
    on_end: impl FnOnce(),
) -> bool {
    let Some(patience) = shared.policy.ping.map(|ping| ping.timeout) else { return true };
    let since = shared.clock.now();
    let mut on_end = Some(on_end);
    let mut conclude = |outcome| {
        let answered = outcome == Outcome::Survived;
        shared.learn_with(|state, now, wall| {
            let took = now.saturating_since(since);
            state.tell(now, path, || What::Pinged { id, quiet, took, answered });
            state.learn(now, wall, path, quiet, outcome);
            if !answered {
                let why = Discard::NoPong;
                state.tell(now, path, || What::Discarded { id, quiet, why });
            }
        });
        if !answered {
            connection.kill();
            on_end.take().into_iter().for_each(|on_end| on_end());
        }
        answered
    };
    let mut alarm = Alarm::default();
    let mut asking = pin!(connection.ping());
    let vigil = Vigil::begin(&connection.gauge, || {
        conclude(Outcome::SilentOnUse);
    });
    let pong = poll_fn(|cx| {
        if let Poll::Ready(pong) = asking.as_mut().poll(cx) {
            return Poll::Ready(Some(pong));
        }
        alarm.poll_until(since + patience, &shared.clock, cx).map(|()| None)
    })
    .await;
    vigil.end();
    let outcome = match pong {
        Some(Ok(())) => Outcome::Survived,
        Some(Err(_)) if connection.gauge.failure().is_some() => Outcome::ResetOnUse,
        Some(Err(_)) => Outcome::ClosedIdle,
        None => Outcome::SilentOnUse,
    };
    conclude(outcome)
}

impl Shared {
    /// Tells whether a connection that was quiet for so long is asked before it is used: longer
    /// than the policy trusts, and longer than is known to be safe on its path.
    fn must_ask(self: &Arc<Self>, path: &PathName, quiet: WireIdle) -> bool {
        self.policy.ping.is_some_and(|ping| {
            quiet.since_any_packet >= ping.after
                && self.with(|state, _| {
                    let survived = state
                        .ledger
                        .as_ref()
                        .and_then(|ledger| ledger.bracket(path, Clock::Packets).survived());
                    survived.is_none_or(|survived| quiet.since_any_packet > survived)
                })
        })
    }
}

impl Session {
    /// Begins a session that others may join.
    pub(super) fn begin(shared: &Arc<Shared>, lease: Lease<Connection>) -> Joined {
        let Lease { connection, turn, id, born, quiet } = lease;
        let path = turn.path().clone();
        let turn = Some(turn);
        let session =
            Arc::new(Self { connection, turn, id, born, is_over: AtomicBool::new(false) });
        shared.with(|state, _| state.roads.begin(&path, &session));
        Joined { session, quiet }
    }

    /// Ends the session at once, and tells whether it is the first to do so.
    fn end(&self) -> bool {
        self.connection.kill();
        !self.is_over.swap(true, Ordering::Relaxed)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut turn) = self.turn.take() else { return };
        if self.is_over.load(Ordering::Relaxed) {
            turn.holds = None;
        } else if self.connection.is_open() {
            let since = self.connection.last_message();
            let connection = Kept::Http2(self.connection.clone());
            turn.put_back(connection, self.id, self.born, since, None);
        }
    }
}

impl Exchange {
    /// Joins the session of the path, or begins one. What is opened may turn out not to speak
    /// HTTP/2.
    pub(super) async fn join(&self) -> Result<Leased, Error> {
        let mut failures = None;
        loop {
            if let Some(joined) = self.session()? {
                let quiet = joined.quiet;
                if !quiet.is_some_and(|quiet| self.shared.must_ask(&self.origin.path, quiet)) {
                    return Ok(self.leased(joined));
                }
            }
            match roads::way(&self.shared, &self.origin.path, &mut failures).await {
                Way::Look => {}
                Way::Free => return self.turn().await,
                Way::Alone(gate) => {
                    // Somebody was faster, or it was quiet for long.
                    if let Some(joined) = self.session()?
                        && let Some(joined) = self.verified(joined).await
                    {
                        gate.open();
                        return Ok(self.leased(joined));
                    }
                    let leased = self.turn().await?;
                    if matches!(leased, Leased::Alone(_)) {
                        self.shared.with(|state, _| state.roads.speaks_http1(&self.origin.path));
                    }
                    gate.open();
                    return Ok(leased);
                }
            }
        }
    }

    /// Returns the session of the path, if there is one that takes requests.
    fn session(&self) -> Result<Option<Joined>, Error> {
        let session = self.shared.with(|state, _| {
            if state.is_shut_down {
                Err(Error::ShutDown)
            } else {
                Ok(state.roads.session(&self.origin.path))
            }
        })?;
        Ok(session.filter(|session| session.connection.is_open()).map(|session| {
            let quiet = Some(session.connection.quiet());
            Joined { session, quiet }
        }))
    }

    /// Asks a session's connection whether it works, if it was quiet for long, and ends the session
    /// if not.
    async fn verified(&self, joined: Joined) -> Option<Joined> {
        let Joined { session, quiet } = &joined;
        let (path, Some(quiet)) = (&self.origin.path, *quiet) else { return Some(joined) };
        if !self.shared.must_ask(path, quiet) {
            return Some(joined);
        }
        let on_end = || {
            self.retire(session);
        };
        let connection = &session.connection;
        if !answers(&self.shared, path, session.id, connection, quiet, on_end).await {
            return None;
        }
        let quiet = Some(connection.quiet());
        Some(Joined { quiet, ..joined })
    }

    /// Tells that a request joined a session.
    fn leased(&self, joined: Joined) -> Leased {
        let (id, reused_after, waited) = (joined.session.id, joined.quiet, Duration::ZERO);
        let leased = What::Leased { id, reused_after, waited };
        self.shared.with(|state, now| {
            state.tell(now, &self.origin.path, || What::Requested);
            state.tell(now, &self.origin.path, || leased);
        });
        Leased::Shared(joined)
    }

    /// Sends a request and waits for the head of its response. Returns the request if it goes out
    /// again.
    pub(super) async fn share(
        &self,
        joined: Joined,
        request: Request<Body>,
        again: Option<Request<Body>>,
    ) -> Result<Result<Response<ResponseBody>, Request<Body>>, Error> {
        let Joined { session, quiet } = joined;
        let gauge = &session.connection.gauge;
        let reads = gauge.reads();
        let mut sending = session.connection.send(request, &self.origin.to);
        let vigil = Vigil::begin(gauge, || {
            let is_first = self.retire(&session);
            self.abandoned(session.id, quiet, is_first);
        });
        let response = self.in_patience(&mut sending).await;
        vigil.end();
        let (failed, is_dead) = match response {
            Some(Ok(response)) => return Ok(Ok(self.answer(session, quiet, response))),
            Some(Err(error)) => {
                let is_dead = error.is_io();
                (failure::of_http2(error, gauge, sending.written()), is_dead)
            }
            None if sending.is_waiting() => return Err(self.no_turn(&sending)),
            // A server may be slow with one request; a path swallows all.
            None => {
                let failed = Failed::silent(sending.written());
                let is_dead = gauge.reads() == reads && !super::exchange::is_slow(&failed, gauge);
                (failed, is_dead)
            }
        };
        if failed.failure == Failure::Refused {
            self.let_nobody_join(&session);
        }
        let is_first = is_dead && self.retire(&session);
        self.judge(session.id, quiet, failed, again, is_first).map(Err)
    }

    /// Ends a session. Returns whether nobody did so before.
    fn retire(&self, session: &Session) -> bool {
        self.let_nobody_join(session);
        session.end()
    }

    fn let_nobody_join(&self, session: &Session) {
        self.shared.with(|state, _| state.roads.retire(&self.origin.path, session.id));
    }

    /// Waits for the head of a response, for as long as the lease timeout says while the server
    /// takes no further request, and then for as long as the read timeout says.
    async fn in_patience(
        &self,
        sending: &mut Sending,
    ) -> Option<Result<Response<Incoming>, h2::Error>> {
        let timeouts = &self.shared.policy.timeouts;
        let mut alarm = Alarm::default();
        poll_fn(|cx| {
            if let Poll::Ready(response) = sending.poll(cx) {
                return Poll::Ready(Some(response));
            }
            let patience = if sending.is_waiting() { timeouts.lease } else { timeouts.read };
            let Some(patience) = patience else { return Poll::Pending };
            alarm.poll_until(sending.last_sent() + patience, &self.shared.clock, cx).map(|()| None)
        })
        .await
    }

    fn no_turn(&self, sending: &Sending) -> Error {
        let path = self.origin.path.clone();
        let waited = self.shared.with(|state, now| {
            let waited = now.saturating_since(sending.last_sent());
            state.tell(now, &path, || What::Refused { waited });
            waited
        });
        Error::NoTurn { path, waited }
    }

    fn answer(
        &self,
        session: Arc<Session>,
        quiet: Option<WireIdle>,
        response: Response<Incoming>,
    ) -> Response<ResponseBody> {
        if let Some(quiet) = quiet {
            self.shared.survived(&self.origin.path, quiet);
        }
        let used = self.used(session.id, quiet, &session.connection.gauge);
        let (mut parts, incoming) = response.into_parts();
        parts.extensions.insert(used);
        let (shared, path) = (Arc::clone(&self.shared), self.origin.path.clone());
        let body = SharedBody::new(incoming, session, quiet, self.retries, shared, path);
        Response::from_parts(parts, ResponseBody::shared(body))
    }
}
