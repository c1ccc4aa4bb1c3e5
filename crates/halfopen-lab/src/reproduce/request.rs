//! A request and what became of it, as the client met it.

use core::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;

use halfopen_core::time::{Duration, Instant};

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its number, counted from one over all bursts.
    pub number: u32,
    /// Its burst, counted from one.
    pub burst: u32,
    /// When the client began it, which is before it had a connection.
    pub begun: Instant,
    /// How often it went out; the last one decides.
    pub attempts: Vec<Attempt>,
    /// Whether it will not go out again.
    pub(crate) over: bool,
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
    /// Returns how long it took, waiting for a connection and all its attempts included; `None` if
    /// it was not over when the run was.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        let last = self.attempts.last().filter(|_| self.over)?;
        Some(last.ended.saturating_since(self.begun))
    }

    /// Returns how it ended in the end.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.attempts.last().map_or(Outcome::Unfinished, |attempt| attempt.outcome)
    }
}
