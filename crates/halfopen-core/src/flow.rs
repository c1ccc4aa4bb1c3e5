//! Flows and how they are named.

use core::fmt;
use std::net::SocketAddr;

/// The protocol of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, protocol number 6.
    Tcp,
    /// UDP, protocol number 17.
    Udp,
    /// `ICMPv4` (1) or `ICMPv6` (58).
    Icmp,
    /// Any other protocol, by its IANA number.
    Other(u8),
}

/// A flow, named by its ends as seen from inside: before any translation.
///
/// The ports of an ICMP query are its identifier and zero; of other protocols, zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The protocol.
    pub protocol: Protocol,
    /// The end that opened the flow.
    pub initiator: SocketAddr,
    /// The other end.
    pub responder: SocketAddr,
}

impl FlowKey {
    /// Returns the name of the TCP flow from `initiator` to `responder`.
    #[must_use]
    pub const fn tcp(initiator: SocketAddr, responder: SocketAddr) -> Self {
        Self { protocol: Protocol::Tcp, initiator, responder }
    }

    /// Returns the name that the other end would give this flow.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { protocol: self.protocol, initiator: self.responder, responder: self.initiator }
    }
}

impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.initiator, self.responder)
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {self}", self.protocol)
    }
}
