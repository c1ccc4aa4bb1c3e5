//! What leaves a host: packets, and news for its programs.

use core::fmt;

use crate::tcp::{ConnectionId, ListenerId};
use crate::wire::Packet;

/// What a host sends or reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A packet for the network.
    Packet(Packet),
    /// News for a program.
    Event(Event),
}

/// News for a program: each names one connection or listener, so that a shell can wake exactly who
/// waits for it. It comes at the change, not for as long as the condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connection waits to be accepted.
    Incoming(ListenerId),
    /// A connection of ours is open: it can send and receive.
    Connected(ConnectionId),
    /// There is more to receive: bytes, or the end of them.
    Readable(ConnectionId),
    /// A `send` that met a full buffer can go on.
    Writable(ConnectionId),
    /// The connection is dead. What came before can still be received; then the error is told.
    Failed(ConnectionId, Error),
}

/// Why something cannot be done, or why a connection died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The peer answered the SYN with a reset (`ECONNREFUSED`).
    Refused,
    /// The peer reset the connection (`ECONNRESET`).
    Reset,
    /// The peer did not answer for too long (`ETIMEDOUT`).
    TimedOut,
    /// A router reports that it cannot reach the host (`EHOSTUNREACH`).
    HostUnreachable,
    /// A router reports that it cannot reach the network (`ENETUNREACH`).
    NetworkUnreachable,
    /// A router reports that the path is prohibited (`EACCES`).
    Prohibited,
    /// Our side is shut down, or the connection has ended (`EPIPE`).
    BrokenPipe,
    /// The program closed the connection or the listener before (`EBADF`).
    Closed,
    /// The pair of addresses, or the listener's address, is taken (`EADDRINUSE`).
    AddressInUse,
    /// The address is not one of the host's (`EADDRNOTAVAIL`).
    NotOurs,
    /// All ephemeral ports to this destination are taken (`EADDRNOTAVAIL`).
    NoPorts,
    /// The host holds as many connections as it may (`EMFILE`).
    TooManyConnections,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Reset => "connection reset by peer",
            Self::TimedOut => "connection timed out",
            Self::HostUnreachable => "no route to host",
            Self::NetworkUnreachable => "network is unreachable",
            Self::Prohibited => "communication is administratively prohibited",
            Self::BrokenPipe => "broken pipe",
            Self::Closed => "the connection was closed by its program",
            Self::AddressInUse => "address already in use",
            Self::NotOurs => "the address is not one of the host's",
            Self::NoPorts => "no ephemeral port is free",
            Self::TooManyConnections => "the host holds too many connections",
        })
    }
}

impl core::error::Error for Error {}
