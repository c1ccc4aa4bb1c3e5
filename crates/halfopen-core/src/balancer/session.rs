//! A client's connection and the request that is under way on it.

use core::mem;
use std::net::SocketAddr;

use super::body::Body;
use super::config::BalancerConfig;
use super::head::Request;
use crate::hop::{Demise, Refusal};
use crate::tcp::{ConnectionId, Error};
use crate::time::{Duration, Instant};

/// How long the rest of a refused request is read and thrown away before the connection is given
/// up: a reset because of unread bytes could overtake the answer (RFC 9112 section 9.6).
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// A client's connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: ConnectionId,
    pub(super) client: SocketAddr,
    pub(super) opened: Instant,
    /// What the logs call it.
    pub(super) trace: String,
    /// What came and is not interpreted yet.
    pub(super) inbound: Vec<u8>,
    /// What is to be sent.
    pub(super) outbound: Pipe,
    /// When a byte last went either way, on this connection or for it on the target's.
    pub(super) last_byte: Instant,
    /// When the first byte of the request that is not whole yet came.
    pub(super) began: Option<Instant>,
    /// Whether it ever sent a byte.
    pub(super) asked: bool,
    /// Nothing follows what is to be sent.
    pub(super) last: bool,
    pub(super) phase: Phase,
    /// For when its deadline is noted; its true deadline may be later.
    pub(super) armed: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// For a request.
    Waiting,
    Serving(Box<Exchange>),
    /// For the client to close, after we did.
    Lingering {
        until: Instant,
    },
    Gone,
}

/// A request and its response.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) request: Request,
    /// The request's body.
    pub(super) body: Body,
    pub(super) created: Instant,
    pub(super) lease: Option<Lease>,
    /// When the first byte was handed to the target's connection.
    pub(super) dispatched: Option<Instant>,
    pub(super) to_target: Pipe,
    /// Why nothing more can be sent to the target. It may have answered before.
    pub(super) unsendable: Option<Refusal>,
    /// What came from the target and is not interpreted yet.
    pub(super) from_target: Vec<u8>,
    pub(super) reply: Option<Reply>,
    /// Bytes of the request so far.
    pub(super) received: u64,
    /// Bytes of the response so far.
    pub(super) sent: u64,
}

/// A target's connection in the use of one exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) id: ConnectionId,
    pub(super) target: usize,
    pub(super) address: SocketAddr,
    /// By when the handshake must be done, if it is not.
    pub(super) connect_by: Option<Instant>,
}

/// A response whose head has come.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Body,
    /// Whether the client gets the content without its chunks, for it knows no chunks.
    pub(super) unchunked: bool,
    /// Whether the target takes another request.
    pub(super) reusable: bool,
    pub(super) came: Instant,
    /// When its first byte was handed to the client's connection.
    pub(super) passed_on: Option<Instant>,
}

/// Why a step of a session is its last.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The client closed, or its connection died.
    Left(Demise),
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(why: Refusal) -> Self {
        Self::Refused(why)
    }
}

impl Session {
    pub(super) fn new(id: ConnectionId, client: SocketAddr, now: Instant, trace: String) -> Self {
        Self {
            id,
            client,
            opened: now,
            trace,
            inbound: Vec::new(),
            outbound: Pipe::default(),
            last_byte: now,
            began: None,
            asked: false,
            last: false,
            phase: Phase::Waiting,
            armed: None,
        }
    }

    /// Takes in bytes from the client.
    pub(super) fn hear(&mut self, now: Instant, bytes: &[u8]) {
        self.inbound.extend_from_slice(bytes);
        self.last_byte = now;
        self.asked = true;
        self.began.get_or_insert(now);
    }

    /// Ends the exchange under way, if there is one, and waits for the next request.
    pub(super) fn end_exchange(&mut self, now: Instant) -> Option<Box<Exchange>> {
        match mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Serving(exchange) => {
                self.began = (!self.inbound.is_empty()).then_some(now);
                Some(exchange)
            }
            other @ (Phase::Waiting | Phase::Lingering { .. } | Phase::Gone) => {
                self.phase = other;
                None
            }
        }
    }

    pub(super) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match &mut self.phase {
            Phase::Serving(exchange) => Some(exchange),
            Phase::Waiting | Phase::Lingering { .. } | Phase::Gone => None,
        }
    }

    /// Tells whether the connection is so old that its next response is its last.
    pub(super) fn is_aged(&self, now: Instant, config: &BalancerConfig) -> bool {
        config.client_keep_alive.is_some_and(|age| now.saturating_since(self.opened) >= age)
    }

    /// Returns when something must have happened.
    pub(super) fn deadline(&self, config: &BalancerConfig) -> Instant {
        let idle = self.last_byte + config.idle_timeout;
        match &self.phase {
            Phase::Serving(exchange) => {
                let connect_by = exchange.lease.and_then(|lease| lease.connect_by);
                connect_by.map_or(idle, |by| by.min(idle))
            }
            Phase::Lingering { until } => *until,
            Phase::Waiting | Phase::Gone => idle,
        }
    }

    /// Tells what a session has come to whose deadline has passed.
    pub(super) fn expiry(&self, now: Instant) -> Expiry {
        let exchange = match &self.phase {
            Phase::Lingering { .. } | Phase::Gone => return Expiry::Close(Demise::Closed),
            // The client takes nothing.
            Phase::Waiting | Phase::Serving(_) if !self.outbound.is_empty() => {
                return Expiry::Abort;
            }
            Phase::Waiting if self.asked && self.began.is_none() => {
                return Expiry::Close(Demise::Idle);
            }
            Phase::Waiting => return Expiry::Refuse(Refusal::Incomplete),
            Phase::Serving(exchange) => exchange,
        };
        let connect_by = exchange.lease.and_then(|lease| lease.connect_by);
        Expiry::Refuse(if connect_by.is_some_and(|by| by <= now) {
            Refusal::ConnectTimedOut
        } else if exchange.reply.is_some() {
            Refusal::Truncated
        } else if !exchange.body.ended() && exchange.to_target.is_empty() {
            Refusal::Incomplete
        } else {
            Refusal::SilentTarget
        })
    }
}

/// What becomes of a session whose deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    Close(Demise),
    Abort,
    Refuse(Refusal),
}

impl Exchange {
    pub(super) fn new(mut request: Request, length: usize, created: Instant) -> Self {
        let mut to_target = Pipe::default();
        to_target.push(&mem::take(&mut request.forward));
        Self {
            body: Body::new(request.framing),
            request,
            created,
            lease: None,
            dispatched: None,
            to_target,
            unsendable: None,
            from_target: Vec::new(),
            reply: None,
            received: length as u64,
            sent: 0,
        }
    }

    /// Tells whether the whole response came.
    pub(super) fn answered(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.body.ended())
    }

    /// Tells whether the target's connection can serve another request.
    pub(super) fn leaves_target_usable(&self) -> bool {
        let reusable = self.reply.as_ref().is_some_and(|reply| reply.reusable);
        let clean = self.to_target.is_empty() && self.from_target.is_empty();
        reusable && clean && self.answered() && self.body.ended() && self.unsendable.is_none()
    }
}

/// Bytes on their way into a connection.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    bytes: Vec<u8>,
    /// How many of them are gone.
    gone: usize,
}

impl Pipe {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Hands the bytes to `send`, which tells how many it took; returns the same.
    pub(super) fn flush(
        &mut self,
        send: impl FnOnce(&[u8]) -> Result<usize, Error>,
    ) -> Result<usize, Error> {
        if self.is_empty() {
            return Ok(0);
        }
        let taken = send(&self.bytes[self.gone..])?;
        self.gone += taken;
        if self.gone == self.bytes.len() {
            self.bytes.clear();
            self.gone = 0;
        }
        Ok(taken)
    }
}
