//! What a user of the client is told when there is no response.

use std::io;

use halfopen_core::time::Duration;

use crate::idle::WireIdle;
use crate::name::{ConnectionId, PathName};
use crate::retry::{Failure, Objection, Processed};

/// Why there is no response, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be sent by anyone.
    #[error("the request cannot be sent: {0}")]
    Unsendable(Unsendable),
    /// All connections that there may be were in use for as long as the lease timeout.
    #[error(
        "no turn for a connection to {path} within {waited:?}: all that there may be are in use"
    )]
    NoTurn {
        /// Where it was to go.
        path: PathName,
        /// How long it waited.
        waited: Duration,
    },
    /// No connection could be opened.
    #[error("no connection to {path}: {source}")]
    NotConnected {
        /// Where it was to go.
        path: PathName,
        /// How long it took to find out.
        took: Duration,
        /// What the connector says; [`io::ErrorKind::TimedOut`] after the connect timeout.
        source: io::Error,
    },
    /// The connection failed under the request.
    #[error(transparent)]
    Broken(Box<Broken>),
    /// The client was shut down.
    #[error("the client was shut down")]
    ShutDown,
}

/// What makes a request one that cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// It is not a URI.
    #[error("its URI cannot be read")]
    Uri,
    /// A client needs to know where to send it.
    #[error("its URI names no host; give it as http://host/path")]
    NoHost,
    /// Neither `http` nor `https`.
    #[error("its scheme is neither http nor https")]
    Scheme,
    /// TLS was not set up.
    #[error("its scheme is https and the client was built without TLS; give it a configuration")]
    NoTls,
    /// `CONNECT` needs a tunnel, which this client does not build.
    #[error("its method is CONNECT")]
    Connect,
}

/// A connection that failed under a request.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.story())]
pub struct Broken {
    /// Where it led.
    pub path: PathName,
    /// Which it was.
    pub connection: ConnectionId,
    /// For how long it had been quiet before the request; `None` if it was new.
    pub quiet: Option<WireIdle>,
    /// How it failed.
    pub failure: Failure,
    /// Whether the server may have processed the request.
    pub processed: Processed,
    /// How often the request was sent again before.
    pub retries: u32,
    /// Why it was not sent again.
    pub objection: Objection,
    /// What the protocol's implementation says, if it found out.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Tells whether the server may have processed the request.
    #[must_use]
    pub fn processed(&self) -> Processed {
        match self {
            Self::Broken(broken) => broken.processed,
            Self::Unsendable(_)
            | Self::NoTurn { .. }
            | Self::NotConnected { .. }
            | Self::ShutDown => Processed::No,
        }
    }

    /// Returns the connection that failed, and after what pause.
    #[must_use]
    pub fn broken(&self) -> Option<&Broken> {
        match self {
            Self::Broken(broken) => Some(broken),
            Self::Unsendable(_)
            | Self::NoTurn { .. }
            | Self::NotConnected { .. }
            | Self::ShutDown => None,
        }
    }
}

impl Broken {
    fn story(&self) -> String {
        let how = match self.failure {
            Failure::Connect => "could not be opened",
            Failure::Reset => "was reset",
            Failure::Closed => "was closed without a response",
            Failure::Silence => "gave no answer in time",
            Failure::Truncated => "ended within a response",
            Failure::Malformed => "gave something that is not HTTP",
            Failure::Refused => "refused the request",
        };
        let state = self.quiet.map_or_else(
            || "a new one".to_owned(),
            |quiet| format!("reused after {:?} of silence", quiet.since_data),
        );
        let processed = match self.processed {
            Processed::No if self.failure == Failure::Refused => "the server did not process it",
            Processed::No => "the server has not seen the request",
            Processed::Maybe => "the server may have processed the request",
        };
        let Self { connection, path, .. } = self;
        format!("connection {connection} to {path}, {state}, {how}; {processed}")
    }
}
