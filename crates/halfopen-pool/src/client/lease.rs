//! How a request gets a connection: its turn first, then one from the shelf or a new one.

use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;

use halfopen_core::time::{Duration, Instant};
use hyper::rt::Sleep;

use super::kept::Kept;
use super::pool::{Shared, State, Waiting, took};
use crate::connect::{Destination, Protocol, Transport};
use crate::error::Error;
use crate::event::What;
use crate::http1::Connection;
use crate::idle::WireIdle;
use crate::name::{ConnectionId, PathName};
use crate::policy::{Notice, Policy};
use crate::retry::Objection;
use crate::shelf::{Discard, Idle, Take, Taken};
use crate::stream::Stream;
use crate::turn::{Asked, Call, Ticket};

/// The right to have one connection in use. Dropping it gives it back.
pub(super) struct Turn {
    shared: Arc<Shared>,
    path: PathName,
    given_back: bool,
    /// The connection that is in use, unless its end was told already.
    pub(super) holds: Option<ConnectionId>,
    /// The pause that the connection survived, until that is learnt: at the latest when the turn
    /// ends.
    pub(super) survived: Option<WireIdle>,
}

/// A connection in use. Dropping it closes the connection and gives the turn back.
pub(super) struct Lease<C = Box<Connection>> {
    pub(super) connection: C,
    pub(super) turn: Turn,
    pub(super) id: ConnectionId,
    pub(super) born: Instant,
    /// For how long it had been quiet; `None` if it is new.
    pub(super) quiet: Option<WireIdle>,
}

/// What the shelf had: a connection, or the turn to open one with.
pub(super) type Found = Result<Lease<Kept>, Turn>;

impl Turn {
    /// Waits for a turn on a path, and looks on the shelf with it if `reuses`. Returns what that had
    /// with how long the turn took.
    pub(super) async fn wait(
        shared: &Arc<Shared>,
        path: &PathName,
        reuses: bool,
    ) -> Result<(Found, Duration), Error> {
        let (asked, taken, since) = shared.with(|state, now| {
            let (asked, taken) = state.ask(now, path, reuses)?;
            Ok((asked, taken, now))
        })?;
        let turn = || Self {
            shared: Arc::clone(shared),
            path: path.clone(),
            given_back: false,
            holds: None,
            survived: None,
        };
        let ticket = match asked {
            Asked::Turn => return Ok((turn().with(taken), Duration::ZERO)),
            Asked::Wait(ticket) => ticket,
        };
        let deadline = shared.policy.timeouts.lease.map(|patience| since + patience);
        let queue = Queue { shared: Arc::clone(shared), path: path.clone(), ticket };
        let sleep = deadline.map(|deadline| shared.clock.sleep_until(deadline));
        let waited = Waited { queue, sleep }.await?;
        Ok((if reuses { turn().take(waited) } else { Err(turn()) }, waited))
    }

    pub(super) fn path(&self) -> &PathName {
        &self.path
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Looks on the shelf.
    pub(super) fn take(self, waited: Duration) -> Found {
        let taken = self.shared.with(|state, now| state.take(now, &self.path, waited));
        self.with(taken)
    }

    fn with(mut self, taken: Option<Taken<Kept>>) -> Found {
        let Some(Taken { idle, quiet }) = taken else { return Err(self) };
        let Idle { id, born, connection, .. } = idle;
        let shared = &self.shared;
        if let Some(log) = shared.wire_log.as_ref().filter(|_| looks(&shared.policy, quiet)) {
            log.looked(shared.clock.now(), id);
        }
        if let Kept::Http1(connection) = &connection
            && notices_late(&shared.policy)
        {
            connection.gauge.blind_until_written();
        }
        self.holds = Some(id);
        Ok(Lease { connection, turn: self, id, born, quiet: Some(quiet) })
    }

    /// Opens a connection.
    pub(super) async fn open(
        mut self,
        to: &Destination,
        waited: Duration,
    ) -> Result<Lease<Kept>, Error> {
        let shared = Arc::clone(&self.shared);
        let since = shared.with(|state, now| {
            let in_use = state.turns.in_use(&self.path);
            state.shelf.make_room(now, &self.path, in_use);
            now
        });
        let dialled = dial(&shared, to, since).await;
        let opened = match dialled {
            Ok((transport, protocol)) => self.speak(transport, protocol).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok((connection, id)) => {
                shared.with(|state, now| {
                    let took = took(now, since);
                    state.tell(now, &self.path, || What::Opened { id, took });
                    let leased = What::Leased { id, reused_after: None, waited };
                    state.tell(now, &self.path, || leased);
                });
                let born = shared.clock.now();
                self.holds = Some(id);
                Ok(Lease { connection, turn: self, id, born, quiet: None })
            }
            Err(source) => {
                let path = self.path.clone();
                let took = shared.learn_with(|state, now, wall| {
                    let took = took(now, since);
                    let error = source.to_string();
                    state.tell(now, &path, || What::NotOpened { took, error });
                    // It would be tried again in vain, and for as long once more.
                    let why = Objection::NewConnection;
                    state.tell(now, &path, || What::GivenUp { id: None, why });
                    if source.kind() == io::ErrorKind::ConnectionRefused {
                        state.refused(now, wall, &path);
                    }
                    took
                });
                Err(Error::NotConnected { path, took, source })
            }
        }
    }

    /// Puts a connection on the shelf, and the turn back with it. `since` is when data was last on
    /// the wire.
    pub(super) fn put_back(
        mut self,
        connection: Kept,
        id: ConnectionId,
        born: Instant,
        since: Instant,
        hint: Option<Duration>,
    ) {
        self.given_back = true;
        let path = self.path.clone();
        let survived = self.survived.take();
        self.shared.put(Idle { id, path, since, born, hint, connection }, survived);
    }

    /// Learns at once that the connection survived its pause.
    pub(super) fn learn(&mut self) {
        if let Some(quiet) = self.survived.take() {
            self.shared.survived(&self.path, quiet);
        }
    }

    async fn speak(
        &self,
        transport: Box<dyn Transport>,
        protocol: Protocol,
    ) -> io::Result<(Kept, ConnectionId)> {
        let shared = &self.shared;
        let policy = &shared.policy;
        if policy.keepalive.is_some() {
            transport.set_keepalive(policy.keepalive)?;
        }
        if policy.user_timeout.is_some() {
            transport.set_user_timeout(policy.user_timeout)?;
        }
        let id = shared.with(|state, _| state.next_id());
        let tap = shared.wire_log.as_ref().map(|log| {
            log.opened(shared.clock.now(), id, &*transport);
            log.tap(id)
        });
        let (stream, gauge) = Stream::new(transport, shared.clock.clone(), tap);
        let connection = match protocol {
            Protocol::Http1 => {
                Kept::Http1(Connection::new(stream, gauge).await.map_err(io::Error::other)?)
            }
            #[cfg(feature = "http2")]
            Protocol::Http2 => {
                Kept::Http2(super::multiplex::speak(shared, id, stream, gauge).await?)
            }
        };
        Ok((connection, id))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.given_back {
            return;
        }
        self.learn();
        self.shared.with(|state, now| {
            if let Some(id) = self.holds {
                let quiet = WireIdle::unprobed(Duration::ZERO);
                let why = Discard::NotKept;
                state.tell(now, &self.path, || What::Discarded { id, quiet, why });
            }
            state.turns.done(now, &self.path);
        });
    }
}

impl Lease {
    /// Puts the connection back on the shelf, if it can be used again, and gives the turn back.
    pub(super) fn give_back(self, hint: Option<Duration>) {
        let Self { mut connection, turn, id, born, .. } = self;
        if !connection.rest() {
            connection.close();
            return;
        }
        let since = connection.gauge.last_byte();
        turn.put_back(Kept::Http1(connection), id, born, since, hint);
    }
}

impl State {
    /// Asks for a turn, and looks on the shelf if it comes at once and `reuses`.
    fn ask(
        &mut self,
        now: Instant,
        path: &PathName,
        reuses: bool,
    ) -> Result<(Asked, Option<Taken<Kept>>), Error> {
        if self.shut_down {
            return Err(Error::ShutDown);
        }
        self.tell(now, path, || What::Requested);
        let asked = self.turns.ask(now, path);
        let taken = match asked {
            Asked::Turn if reuses => self.take(now, path, Duration::ZERO),
            Asked::Turn => None,
            Asked::Wait(ticket) => {
                self.queue.insert(ticket, Waiting::default());
                None
            }
        };
        Ok((asked, taken))
    }

    /// Takes a connection that is not known to have ended, for a request that `waited` for its turn.
    fn take(&mut self, now: Instant, path: &PathName, waited: Duration) -> Option<Taken<Kept>> {
        loop {
            let (taken, live) = match self.shelf.take(now, path) {
                Take::Use(taken) => {
                    let live = taken.idle.connection.wake();
                    (taken, live)
                }
                Take::Validate(taken) => {
                    let connection = &taken.idle.connection;
                    let live = connection.wake() && connection.look();
                    (taken, live)
                }
                Take::Nothing => return None,
            };
            if live {
                let (id, reused_after) = (taken.idle.id, Some(taken.quiet));
                self.tell(now, path, || What::Leased { id, reused_after, waited });
                return Some(taken);
            }
            // When it ended is not known, so that there is nothing to learn.
            self.ended(now, taken, None);
        }
    }
}

/// Tells whether what arrives between the last look and the request stays unseen.
fn notices_late(policy: &Policy) -> bool {
    match super::notice_of(policy) {
        None | Some(Notice::AtOnce) => false,
        Some(Notice::WhenTaken { .. } | Notice::Never) => true,
    }
}

/// Tells whether a connection that was quiet for so long was looked at when it was taken.
fn looks(policy: &Policy, quiet: WireIdle) -> bool {
    match super::notice_of(policy) {
        Some(Notice::WhenTaken { after }) => quiet.since_data >= after,
        None | Some(Notice::AtOnce | Notice::Never) => false,
    }
}

/// Opens a transport within the connect timeout.
async fn dial(
    shared: &Shared,
    to: &Destination,
    since: Instant,
) -> io::Result<(Box<dyn Transport>, Protocol)> {
    let mut dialling = pin!(shared.dial(to));
    let Some(patience) = shared.policy.timeouts.connect else { return dialling.await };
    let mut sleep: Option<Pin<Box<dyn Sleep>>> = None;
    core::future::poll_fn(|cx| {
        if let Poll::Ready(dialled) = dialling.as_mut().poll(cx) {
            return Poll::Ready(dialled);
        }
        let sleep = sleep.get_or_insert_with(|| shared.clock.sleep_until(since + patience));
        sleep.as_mut().poll(cx).map(|()| {
            let text = format!("no connection within {patience:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
    })
    .await
}

/// A place in the queue. Dropping it leaves the queue, and gives back a turn that nobody took.
struct Queue {
    shared: Arc<Shared>,
    path: PathName,
    ticket: Ticket,
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.with(|state, now| {
            let waiting = state.queue.remove(&self.ticket);
            state.turns.leave(self.ticket);
            if let Some(Waiting { call: Some(Call::Turn { .. }), .. }) = waiting {
                state.turns.done(now, &self.path);
            }
        });
    }
}

/// Waits until a ticket is called.
struct Waited {
    queue: Queue,
    sleep: Option<Pin<Box<dyn Sleep>>>,
}

impl Future for Waited {
    type Output = Result<Duration, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let overdue = self.sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready());
        let Queue { shared, path, ticket } = &self.queue;
        if overdue {
            shared.with(|state, now| state.turns.handle_timeout(now));
        }
        let call = shared.with(|state, now| {
            let waiting = state.queue.get_mut(ticket)?;
            if waiting.call.is_none() {
                waiting.waker = Some(cx.waker().clone());
                return None;
            }
            let call = state.queue.remove(ticket).and_then(|waiting| waiting.call);
            if let Some(Call::Refused { waited, .. }) = call {
                state.tell(now, path, || What::Refused { waited });
            }
            call
        });
        match call {
            None => Poll::Pending,
            Some(Call::Turn { waited, .. }) => Poll::Ready(Ok(waited)),
            Some(Call::Refused { waited, .. }) => {
                Poll::Ready(Err(Error::NoTurn { path: path.clone(), waited }))
            }
        }
    }
}
