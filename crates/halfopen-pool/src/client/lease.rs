//! How a request gets a connection: its turn first, then one from the shelf or a new one.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use halfopen_core::time::{Duration, Instant};
use hyper::rt::Sleep;

use super::kept::Kept;
use super::pool::{Shared, State, Waiting};
use crate::error::Error;
use crate::event::What;
use crate::http1::Connection;
use crate::idle::WireIdle;
use crate::name::{ConnectionId, PathName};
use crate::policy::{Notice, Policy};
use crate::shelf::{Discard, Idle, Take, Taken};
use crate::turn::{Asked, Call, Ticket};

/// The right to have one connection in use. Dropping it gives it back.
pub(super) struct Turn {
    shared: Arc<Shared>,
    path: PathName,
    given_back: bool,
    /// Whether other requests were under way when it came.
    pub(super) in_company: bool,
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
    /// Waits for a turn on a path, and looks on the shelf with it if `reuses`. Returns what that
    /// had with how long the turn took.
    pub(super) async fn wait(
        shared: &Arc<Shared>,
        path: &PathName,
        reuses: bool,
    ) -> Result<(Found, Duration), Error> {
        let (asked, taken, since, in_company) = shared.with(|state, now| {
            let (asked, taken) = state.ask(now, path, reuses)?;
            Ok((asked, taken, now, state.turns.in_use(path).total > 1))
        })?;
        let turn = || Self::new(shared, path, in_company);
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

    /// Guards a turn that was given.
    pub(super) fn new(shared: &Arc<Shared>, path: &PathName, in_company: bool) -> Self {
        let (shared, path) = (Arc::clone(shared), path.clone());
        Self { shared, path, given_back: false, in_company, holds: None, survived: None }
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

    fn with(self, taken: Option<Taken<Kept>>) -> Found {
        match taken {
            Some(taken) => Ok(self.lease(taken)),
            None => Err(self),
        }
    }

    /// Uses a connection from the shelf.
    pub(super) fn lease(mut self, taken: Taken<Kept>) -> Lease<Kept> {
        let Taken { idle, quiet } = taken;
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
        Lease { connection, turn: self, id, born, quiet: Some(quiet) }
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
        let idle = Idle { id, path, since, born, hint, connection };
        self.shared.put(idle, survived, What::Returned { id, hint });
    }

    /// Puts a connection on the shelf that nobody used yet, and the turn back with it.
    pub(super) fn shelve(mut self, connection: Kept, id: ConnectionId) {
        self.given_back = true;
        let (path, now) = (self.path.clone(), self.shared.clock.now());
        let idle = Idle { id, path, since: now, born: now, hint: None, connection };
        self.shared.put(idle, None, What::Shelved { id });
    }

    /// Learns at once that the connection survived its pause.
    pub(super) fn learn(&mut self) {
        if let Some(quiet) = self.survived.take() {
            self.shared.survived(&self.path, quiet);
        }
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
            state.done(now, &self.path);
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
        if self.is_shut_down {
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

    /// Takes a connection that is not known to have ended, for a request that `waited` for its
    /// turn.
    pub(super) fn take(
        &mut self,
        now: Instant,
        path: &PathName,
        waited: Duration,
    ) -> Option<Taken<Kept>> {
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
                state.done(now, &self.path);
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
