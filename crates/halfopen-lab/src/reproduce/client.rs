//! The client: bursts of requests over connections that are used again.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use halfopen_core::scenario::{self, Connections};
use halfopen_core::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::reproduce::pool::Pool;
use crate::reproduce::{Clock, Log, message};
use halfopen_sim::net::TcpStream;

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number, counted from one over all bursts.
    pub number: u32,
    /// Its burst, counted from one.
    pub burst: u32,
    /// How often it went out; the last one decides.
    pub attempts: Vec<Attempt>,
    /// Whether it will not go out again.
    pub(crate) over: bool,
}

/// Requests that a client begins together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    /// When.
    pub(crate) at: Instant,
    /// How many; they take turns if fewer may be under way at a time.
    pub(crate) requests: u32,
}

/// A request on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The client's end of the connection; `None` if there was none.
    pub connection: Option<SocketAddr>,
    /// For how long the connection had been idle; `None` if it was new.
    pub idle: Option<Duration>,
    /// When it began: the connection was there, or could not be had.
    pub begun: Instant,
    /// When it ended.
    pub ended: Instant,
    /// How it ended.
    pub outcome: Outcome,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The response came.
    Answered,
    /// The run ended first.
    Unfinished,
    /// There was no connection, within the client's patience or at all.
    NoConnection(ErrorKind),
    /// The client's patience ended.
    GaveUp,
    /// The far end closed without a response.
    Closed,
    /// The connection broke.
    Broken(ErrorKind),
}

impl Outcome {
    /// Tells whether the request is known to have got no response.
    #[must_use]
    pub const fn is_lost(self) -> bool {
        match self {
            Self::Answered | Self::Unfinished => false,
            Self::NoConnection(_) | Self::GaveUp | Self::Closed | Self::Broken(_) => true,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered => write!(f, "answered"),
            Self::Unfinished => write!(f, "not over when the run ended"),
            Self::NoConnection(kind) => write!(f, "no connection: {kind}"),
            Self::GaveUp => write!(f, "read timed out"),
            Self::Closed => write!(f, "connection closed without a response"),
            Self::Broken(kind) => write!(f, "{kind}"),
        }
    }
}

impl Request {
    /// Returns how it ended in the end.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.attempts.last().map_or(Outcome::Unfinished, |attempt| attempt.outcome)
    }
}

/// Runs bursts, which come in the order of time, each as a program of its own: one that hangs holds
/// up no other.
pub(crate) async fn run(
    config: scenario::Client,
    server: SocketAddr,
    bursts: impl Iterator<Item = Burst>,
    log: Log<Request>,
) {
    let clock = Clock::start();
    let client = Arc::new(Client { config, server, clock, pool: Pool::default(), log });
    let mut before = 0_u32;
    for (number, burst) in (1..).zip(bursts) {
        clock.sleep_until(burst.at).await;
        let turns =
            Arc::new(Turns { burst: number, before, last: burst.requests, taken: 0.into() });
        before = before.saturating_add(burst.requests);
        for _ in 0..client.config.at_once.min(burst.requests) {
            halfopen_sim::spawn(Arc::clone(&client).work(Arc::clone(&turns)));
        }
    }
    // The program lives on after its last burst, and so does its pool.
    core::future::pending::<()>().await;
}

/// Returns the bursts of a scenario.
pub(super) fn bursts(config: &scenario::Client) -> impl Iterator<Item = Burst> + use<> {
    let requests = config.requests;
    let starts = config.bursts.clone().into_iter();
    starts.map(move |start| Burst { at: Instant::EPOCH + start, requests })
}

/// Whose turn it is in a burst.
struct Turns {
    burst: u32,
    /// The number of the last request before the burst.
    before: u32,
    /// The last turn.
    last: u32,
    taken: AtomicU32,
}

impl Turns {
    /// Returns the number of the request whose turn it is.
    fn next(&self) -> Option<u32> {
        let turn = self.taken.fetch_add(1, Ordering::Relaxed);
        (turn < self.last).then(|| self.before.saturating_add(turn + 1))
    }
}

struct Client {
    config: scenario::Client,
    server: SocketAddr,
    clock: Clock,
    pool: Pool,
    log: Log<Request>,
}

/// A connection to send a request on.
struct Lease {
    stream: TcpStream,
    /// Since when it was idle; `None` if it is new.
    idle: Option<Instant>,
}

impl Client {
    /// Sends requests of a burst, one after the other, as long as it has some.
    async fn work(self: Arc<Self>, turns: Arc<Turns>) {
        while let Some(number) = turns.next() {
            self.request(number, turns.burst).await;
        }
    }

    /// Sends a request until it is answered or may not be repeated any more.
    async fn request(&self, number: u32, burst: u32) {
        let bytes = message::request(number, self.config.request_bytes);
        let attempts = Vec::with_capacity(1);
        let place = self.log.push(Request { number, burst, attempts, over: false });
        for tries in 0..=self.config.retries {
            // A repetition must not meet another dead connection.
            let lease = self.lease(tries > 0).await;
            let mut attempt = self.begin(&lease);
            self.log.change(place, |request| request.attempts.push(attempt));
            if let Ok(lease) = lease {
                attempt.outcome = self.exchange(lease.stream, &bytes).await;
                attempt.ended = self.clock.now();
                self.log.change(place, |request| {
                    if let Some(last) = request.attempts.last_mut() {
                        *last = attempt;
                    }
                });
            }
            if !attempt.outcome.is_lost() {
                break;
            }
        }
        self.log.change(place, |request| request.over = true);
    }

    fn begin(&self, lease: &io::Result<Lease>) -> Attempt {
        let now = self.clock.now();
        let (connection, idle, outcome) = match lease {
            Ok(Lease { stream, idle }) => (stream.local_addr().ok(), *idle, Outcome::Unfinished),
            Err(error) => (None, None, Outcome::NoConnection(error.kind())),
        };
        let idle = idle.map(|since| now.saturating_since(since));
        Attempt { connection, idle, begun: now, ended: now, outcome }
    }

    /// Takes a connection from the pool, or opens one.
    async fn lease(&self, fresh: bool) -> io::Result<Lease> {
        let pooled = match self.config.connections {
            Connections::Pooled { .. } if !fresh => self.pool.take().await,
            Connections::Pooled { .. } | Connections::PerRequest => None,
        };
        if let Some((stream, since)) = pooled {
            return Ok(Lease { stream, idle: Some(since) });
        }
        let connect = TcpStream::connect(self.server);
        let stream = match self.config.connect_timeout {
            Some(patience) => timeout(patience, connect).await??,
            None => connect.await?,
        };
        stream.set_keepalive(self.config.keepalive)?;
        stream.set_user_timeout(self.config.user_timeout)?;
        Ok(Lease { stream, idle: None })
    }

    /// Sends a request and waits for its response; a connection that worked goes into the pool.
    async fn exchange(&self, mut stream: TcpStream, request: &[u8]) -> Outcome {
        let response = async {
            stream.write_all(request).await?;
            message::read(&mut stream).await
        };
        let response = match self.config.read_timeout {
            Some(patience) => match timeout(patience, response).await {
                Ok(response) => response,
                Err(_) => return Outcome::GaveUp,
            },
            None => response.await,
        };
        let head = match response {
            Ok(Some(head)) => head,
            Ok(None) => return Outcome::Closed,
            Err(error) => return Outcome::Broken(error.kind()),
        };
        if let Connections::Pooled { idle_cap, heeds_hint } = self.config.connections {
            let hint = head.hint.filter(|_| heeds_hint);
            let cap = idle_cap.into_iter().chain(hint).min();
            self.pool.put(self.clock.now(), stream, cap);
        }
        Outcome::Answered
    }
}
