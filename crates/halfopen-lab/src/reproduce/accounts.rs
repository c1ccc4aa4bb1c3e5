//! The story of each request, put together from what a pool reports.
//!
//! A pool's events name connections, not requests. But a pool works in the task of whoever sends,
//! so what it reports there is about that task's request.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use halfopen_core::time::Instant;
use halfopen_pool::event::{Event, Tally, Watch, What};
use halfopen_pool::name::ConnectionId;
use halfopen_pool::retry::Failure;

use crate::reproduce::log::Log;
use crate::reproduce::machine::Clock;
use crate::reproduce::request::{Attempt, Outcome, Request};

tokio::task_local! {
    /// The place in the log of the request that the task sends.
    static PLACE: usize;
}

/// What became of requests. Clones are the same accounts.
#[derive(Clone)]
pub(crate) struct Accounts {
    clock: Clock,
    requests: Log<Request>,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    /// The client's end of the connection that was opened last, which the pool has not named yet:
    /// it does so before anything else happens.
    dialled: Option<SocketAddr>,
    ends: BTreeMap<ConnectionId, SocketAddr>,
    /// Which request is on which connection.
    under_way: BTreeMap<ConnectionId, usize>,
    tally: Tally,
    /// Connections that were found ended while they were idle, by their ends here.
    ended_idle: Vec<(Instant, SocketAddr)>,
    /// How many requests there were that got their numbers here, and in how many bursts.
    numbered: u32,
    bursts: u32,
    /// The numbers of requests by their idempotency keys; the last that had one counts.
    keys: BTreeMap<String, u32>,
}

impl Accounts {
    /// Returns accounts of a pool by the clock of its machine, which are written into `requests`.
    pub(crate) fn new(clock: Clock, requests: Log<Request>) -> Self {
        Self { clock, requests, book: Arc::default() }
    }

    /// Gives a request that has none a number, and returns its burst and that.
    pub(crate) fn next(&self, key: Option<String>) -> (u32, u32) {
        let mut book = self.lock();
        book.numbered += 1;
        let (burst, number) = (book.bursts + 1, book.numbered);
        book.keys.extend(key.map(|key| (key, number)));
        (burst, number)
    }

    /// Notes that the request of this number carries the idempotency key that bursts give it.
    pub(crate) fn name(&self, number: u32) {
        self.lock().keys.insert(super::client::key(number), number);
    }

    /// Notes that what is numbered from now on belongs to another burst.
    pub(crate) fn next_burst(&self) {
        self.lock().bursts += 1;
    }

    /// Returns the number of the last request with an idempotency key. A request of another client
    /// than the scenario's gets the next.
    pub(crate) fn number_of(&self, key: &str) -> u32 {
        let known = self.lock().keys.get(key).copied();
        known.unwrap_or_else(|| self.next(Some(key.to_owned())).1)
    }

    /// Begins the account of a request, runs what sends it, and returns its place.
    pub(crate) async fn of<F: Future>(
        &self,
        (burst, number): (u32, u32),
        sending: F,
    ) -> (usize, F::Output) {
        let begun = self.clock.now();
        let attempts = Vec::with_capacity(1);
        let place = self.requests.push(Request { number, burst, begun, attempts, over: false });
        (place, PLACE.scope(place, sending).await)
    }

    /// Notes that a connection was opened whose end here is `local`.
    pub(crate) fn dialled(&self, local: Option<SocketAddr>) {
        self.lock().dialled = local;
    }

    /// Notes how a request ended: its last attempt, or one that had no connection.
    pub(crate) fn close(&self, place: usize, outcome: Outcome) {
        let now = self.clock.now();
        self.requests.change(place, |request| {
            match (outcome, request.attempts.last_mut()) {
                (Outcome::NoConnection(_), _) | (_, None) => request.attempts.push(Attempt {
                    connection: None,
                    idle: None,
                    begun: now,
                    ended: now,
                    outcome,
                }),
                (_, Some(last)) => (last.ended, last.outcome) = (now, outcome),
            }
            request.over = true;
        });
    }

    /// Returns which connections the pool found ended while they were idle, and when.
    pub(crate) fn ended_idle(&self) -> Vec<(Instant, SocketAddr)> {
        self.lock().ended_idle.clone()
    }

    /// Returns what the pool did, counted.
    pub(crate) fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    fn leased(&self, book: &mut Book, id: ConnectionId, attempt: Attempt) {
        let Ok(place) = PLACE.try_with(|place| *place) else { return };
        book.under_way.insert(id, place);
        self.requests.change(place, |request| request.attempts.push(attempt));
    }

    fn died(&self, book: &mut Book, now: Instant, id: ConnectionId, outcome: Outcome) {
        let Some(place) = book.under_way.remove(&id) else { return };
        self.requests.change(place, |request| {
            if let Some(last) = request.attempts.last_mut() {
                (last.ended, last.outcome) = (now, outcome);
            }
        });
    }

    /// Notes that a connection had ended before its request was written, which took another.
    fn stale(&self, book: &mut Book, id: ConnectionId) {
        if let Some(place) = book.under_way.remove(&id) {
            self.requests.change(place, |request| {
                request.attempts.truncate(request.attempts.len().saturating_sub(1));
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for Accounts {
    fn see(&self, event: &Event) {
        let now = self.clock.now();
        let mut book = self.lock();
        let book = &mut *book;
        book.tally.count(event);
        match event.what {
            What::Opened { id, .. } => {
                let local = book.dialled.take();
                book.ends.extend(local.map(|local| (id, local)));
            }
            What::Leased { id, reused_after, .. } => {
                let connection = book.ends.get(&id).copied();
                let idle = reused_after.map(|quiet| quiet.since_data);
                let outcome = Outcome::Unfinished;
                let attempt = Attempt { connection, idle, begun: now, ended: now, outcome };
                self.leased(book, id, attempt);
            }
            What::Died { id, failure, .. } => {
                self.died(book, now, id, outcome(failure));
                book.ends.remove(&id);
            }
            What::Returned { id, .. } => {
                book.under_way.remove(&id);
            }
            What::Discarded { id, .. } => {
                book.under_way.remove(&id);
                book.ends.remove(&id);
            }
            What::Ended { id, .. } => {
                self.stale(book, id);
                let local = book.ends.remove(&id);
                book.ended_idle.extend(local.map(|local| (now, local)));
            }
            What::Requested
            | What::Shelved { .. }
            | What::Pinged { .. }
            | What::NotOpened { .. }
            | What::Refused { .. }
            | What::Retried { .. }
            | What::GivenUp { .. }
            | What::CapChanged { .. } => {}
        }
    }
}

pub(super) const fn outcome(failure: Failure) -> Outcome {
    match failure {
        Failure::Connect => Outcome::NoConnection(ErrorKind::Other),
        Failure::Reset => Outcome::Broken(ErrorKind::ConnectionReset),
        Failure::Closed => Outcome::Closed,
        Failure::Silence => Outcome::GaveUp,
        Failure::Truncated | Failure::Refused => Outcome::Broken(ErrorKind::UnexpectedEof),
        Failure::Malformed => Outcome::Broken(ErrorKind::InvalidData),
    }
}
