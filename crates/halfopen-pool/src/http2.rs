//! One HTTP/2 connection, which carries many requests at once (RFC 9113).
//!
//! It stands on the crate `h2` itself and not on hyper's connection: hyper sends PINGs at intervals
//! and tells nobody of their answers, while a request wants to know *now* whether a connection that
//! was quiet still works. A task moves the connection on, since no single request can.
//!
//! Dropping the last handle closes the connection once its requests are done.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong};
use halfopen_core::time::Instant;
use http::Request;
use hyper_util::rt::TokioIo;

use crate::body::Body;
use crate::clock::Clock;
use crate::connect::Destination;
use crate::idle::{Wire, WireIdle};
use crate::stream::{Gauge, Stream};

mod head;
mod incoming;
mod room;
mod sending;

pub(crate) use incoming::Incoming;
use room::Place;
pub(crate) use sending::Sending;

/// How much of one response may be under way unread. The protocol's 64 KiB (RFC 9113 section 6.9.2)
/// hold back whoever is far away.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same of all responses together.
const CONNECTION_WINDOW: u32 = 1 << 22;

/// A handle to a connection.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Bytes>,
    shared: Arc<Shared>,
    pub(crate) gauge: Gauge,
    clock: Clock,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    ping_pong: Option<PingPong>,
    /// When a part of a message last came or went. A PING is none.
    last_message: Instant,
    /// Whether the connection is to end at once.
    killed: bool,
    ended: bool,
    room: room::Room,
    /// Of the task that moves the connection on.
    driver: Option<Waker>,
}

impl Connection {
    /// Speaks HTTP/2 on a stream on which nothing was said yet. The driver is to be run as a task.
    pub(crate) async fn open(
        stream: Stream,
        gauge: Gauge,
        clock: Clock,
    ) -> Result<(Self, Driver), h2::Error> {
        let handshake = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream));
        let (sender, mut connection) = handshake.await?;
        let state = State {
            ping_pong: connection.ping_pong(),
            last_message: clock.now(),
            killed: false,
            ended: false,
            room: room::Room::default(),
            driver: None,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let driver = Driver { connection: Some(connection), shared: Arc::clone(&shared) };
        Ok((Self { sender, shared, gauge, clock }, driver))
    }

    /// Begins a request.
    pub(crate) fn send(&self, request: Request<Body>, to: &Destination) -> Sending {
        let (head, body) = head::split(request, to);
        let ticket = self.shared.lock().room.ask();
        let pulse = Pulse { shared: Arc::clone(&self.shared), clock: self.clock.clone() };
        Sending::new(self.sender.clone(), head, body, Place::new(ticket, pulse))
    }

    /// Sends a PING and waits for its answer (RFC 9113 section 6.7).
    pub(crate) async fn ping(&self) -> Result<(), h2::Error> {
        let mut sent = false;
        poll_fn(|cx| {
            let mut state = self.shared.lock();
            let Some(ping_pong) = &mut state.ping_pong else { return Poll::Ready(Ok(())) };
            if !sent {
                // The answer to a PING of somebody who did not wait says nothing of now.
                let _stale = ping_pong.poll_pong(&mut Context::from_waker(Waker::noop()));
                // If that PING is still under way, its answer is as good.
                if let Err(error) = ping_pong.send_ping(Ping::opaque())
                    && error.is_io()
                {
                    return Poll::Ready(Err(error));
                }
                sent = true;
            }
            ping_pong.poll_pong(cx).map_ok(drop)
        })
        .await
    }

    /// Tells whether the connection takes further requests: it has not ended, and the other end
    /// sent no GOAWAY.
    pub(crate) fn is_open(&self) -> bool {
        let state = self.shared.lock();
        if state.ended || state.killed {
            return false;
        }
        drop(state);
        let mut context = Context::from_waker(Waker::noop());
        !matches!(self.sender.clone().poll_ready(&mut context), Poll::Ready(Err(_)))
    }

    /// Ends the connection, and whatever it carries, at once.
    pub(crate) fn kill(&self) {
        let mut state = self.shared.lock();
        state.killed = true;
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Returns when a part of a message last came or went.
    pub(crate) fn last_message(&self) -> Instant {
        self.shared.lock().last_message
    }

    /// Returns for how long the connection was quiet. A PING is a packet, and no data: whoever
    /// counts messages, as an application balancer does, is not refreshed by it.
    pub(crate) fn quiet(&self) -> WireIdle {
        let now = self.clock.now();
        let since_data = now.saturating_since(self.last_message());
        let seen = now.saturating_since(self.gauge.last_byte());
        let since_any_packet =
            self.gauge.wire_idle().map_or(seen, |quiet| quiet.since_any_packet).min(since_data);
        WireIdle { since_any_packet, since_data }
    }
}

impl Wire for Connection {
    fn wire_idle(&self) -> Option<WireIdle> {
        Some(self.quiet())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever is changed here is changed at once.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes note of messages that come and go.
#[derive(Clone)]
struct Pulse {
    shared: Arc<Shared>,
    clock: Clock,
}

impl Pulse {
    fn beat(&self) -> Instant {
        let now = self.clock.now();
        self.shared.lock().last_message = now;
        now
    }
}

/// Moves a connection on until it ends.
pub(crate) struct Driver {
    /// `None` when it has ended.
    connection: Option<h2::client::Connection<TokioIo<Stream>, Bytes>>,
    shared: Arc<Shared>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        let killed = state.killed;
        state.driver = Some(cx.waker().clone());
        drop(state);
        if !killed && let Some(connection) = &mut self.connection {
            // How it ended, its requests and the gauge tell.
            let _end = ready!(Pin::new(connection).poll(cx));
        }
        let mut state = self.shared.lock();
        state.ended = true;
        let waiting = state.room.close();
        drop(state);
        self.connection = None;
        waiting.into_iter().for_each(Waker::wake);
        Poll::Ready(())
    }
}
