//! What the payment module reports of itself: the truth that tests hold others against.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::order::IdempotencyKey;

/// Something that happened at the payment module.
#[derive(Clone, Debug)]
pub struct Event {
    /// When, by tokio's clock.
    pub at: Instant,
    /// To which connection; they are counted from 1 as they are accepted.
    pub connection: u64,
    /// Who is at its other end.
    pub peer: SocketAddr,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// The connection was accepted.
    Accepted,
    /// The head of a request arrived.
    Received {
        /// Its method.
        method: Method,
        /// Its path.
        path: String,
        /// Its idempotency key, if it has one that is well-formed.
        key: Option<IdempotencyKey>,
    },
    /// A request was answered: its answer is on its way to the socket.
    Answered {
        /// With what.
        status: StatusCode,
        /// Whether it is the stored answer of an earlier request.
        replayed: bool,
        /// How long after the request's head had arrived.
        after: Duration,
    },
    /// The book could not be read or written.
    Failed {
        /// Why.
        error: String,
    },
    /// The connection ended.
    Closed {
        /// Why.
        why: Closing,
        /// How many requests it brought.
        requests: u64,
    },
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => write!(f, "accepted"),
            Self::Received { method, path, key: Some(key) } => {
                write!(f, "received {method} {path} {key}")
            }
            Self::Received { method, path, key: None } => write!(f, "received {method} {path}"),
            Self::Answered { status, replayed, after } => {
                let again = if *replayed { ", as before" } else { "" };
                write!(f, "answered {}{again}, after {after:?}", status.as_u16())
            }
            Self::Failed { error } => write!(f, "failed: {error}"),
            Self::Closed { why, requests } => write!(f, "closed after {requests} requests: {why}"),
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The client closed it.
    Client,
    /// It idled for as long as the module keeps connections.
    Idle,
    /// The head of a request took too long; it was answered with 408.
    SlowHead,
    /// The client took too long to take an answer.
    SlowReader,
    /// It brought as many requests as a connection may, or an answer that ends one.
    Finished,
    /// What came was not HTTP; it was answered with 4xx.
    Malformed,
    /// The module drains.
    Draining,
    /// The connection broke.
    Broken(io::ErrorKind),
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::Client => "the client closed it",
            Self::Idle => "it was idle for too long",
            Self::SlowHead => "the head of a request took too long",
            Self::SlowReader => "the client took too long to take an answer",
            Self::Finished => "it served as many requests as it may",
            Self::Malformed => "what came was not HTTP",
            Self::Draining => "the module drains",
            Self::Broken(kind) => return write!(f, "{kind}"),
        };
        write!(f, "{why}")
    }
}

/// Who is told of events, as they happen. It must not block.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;

/// Keeps the latest events.
#[derive(Clone, Debug)]
pub struct Journal {
    events: Arc<Mutex<VecDeque<Event>>>,
    capacity: usize,
}

impl Journal {
    /// Returns a journal of the latest `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { events: Arc::default(), capacity }
    }

    /// Returns who writes this journal.
    #[must_use]
    pub fn observer(&self) -> Observer {
        let journal = self.clone();
        Arc::new(move |event| journal.write(event))
    }

    /// Returns what happened since this was last called.
    #[must_use]
    pub fn take(&self) -> Vec<Event> {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.drain(..).collect()
    }

    fn write(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push_back(event);
        if events.len() > self.capacity {
            events.pop_front();
        }
    }
}
