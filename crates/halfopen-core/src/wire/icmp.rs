//! ICMP for IPv4 (RFC 792) and IPv6 (RFC 4443).

use std::net::IpAddr;

use crate::wire::packet::assemble;
use crate::wire::view::{ICMP, ICMP_V6};
use crate::wire::{Packet, View};

/// How much of the offending packet an error quotes: the first 68 bytes hold both headers with
/// options and stay far below the 576 bytes of RFC 1812 section 4.3.2.3.
const QUOTE_MAX: usize = 128;

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// The second word: identifier and sequence number, or the next hop's MTU.
    pub rest: u32,
    v6: bool,
}

impl Header {
    pub(super) fn read(bytes: &[u8], v6: bool) -> Option<Self> {
        let &[kind, code, _, _, a, b, c, d, ..] = bytes else { return None };
        Some(Self { kind, code, rest: u32::from_be_bytes([a, b, c, d]), v6 })
    }

    /// Tells whether the message is an error, which quotes the packet that caused it.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        if self.v6 { self.kind < 128 } else { matches!(self.kind, 3 | 4 | 5 | 11 | 12) }
    }

    /// Tells whether the message is an echo request or reply.
    #[must_use]
    pub const fn is_echo(&self) -> bool {
        if self.v6 { matches!(self.kind, 128 | 129) } else { matches!(self.kind, 0 | 8) }
    }

    /// Tells whether the message asks for an echo.
    #[must_use]
    pub const fn is_echo_request(&self) -> bool {
        self.kind == if self.v6 { 128 } else { 8 }
    }

    /// Tells whether the message says that the destination cannot be reached.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        if self.v6 { self.kind == 1 } else { self.kind == 3 && self.code != 4 }
    }

    /// Returns the MTU that a "too big" message names.
    #[must_use]
    pub fn next_mtu(&self) -> Option<u32> {
        let too_big = if self.v6 { self.kind == 2 } else { self.kind == 3 && self.code == 4 };
        too_big.then_some(if self.v6 { self.rest } else { self.rest & 0xffff })
    }

    /// Returns the identifier of an echo, zero for other messages.
    #[must_use]
    pub fn identifier(&self) -> u16 {
        if self.is_echo() { u16::try_from(self.rest >> 16).unwrap_or(0) } else { 0 }
    }
}

/// Returns an echo request, or a reply to one.
#[must_use]
pub fn echo(src: IpAddr, dst: IpAddr, reply: bool, identifier: u16, sequence: u16) -> Packet {
    let (protocol, kind) = match (src, reply) {
        (IpAddr::V4(_), false) => (ICMP, 8),
        (IpAddr::V4(_), true) => (ICMP, 0),
        (IpAddr::V6(_), false) => (ICMP_V6, 128),
        (IpAddr::V6(_), true) => (ICMP_V6, 129),
    };
    let [a, b] = identifier.to_be_bytes();
    let [c, d] = sequence.to_be_bytes();
    assemble((src, dst), 64, 0, protocol, &[kind, 0, 0, 0, a, b, c, d], &[])
}

/// Returns the error by which `from` tells the sender of `offender` that it cannot be delivered:
/// administratively prohibited (RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
#[must_use]
pub fn unreachable(from: IpAddr, offender: View<'_>) -> Packet {
    let header = match from {
        IpAddr::V4(_) => [3, 13, 0, 0, 0, 0, 0, 0],
        IpAddr::V6(_) => [1, 1, 0, 0, 0, 0, 0, 0],
    };
    error(from, header, offender)
}

/// Returns the error by which `from` tells the sender of `offender` that it is longer than `mtu`
/// bytes: fragmentation needed (RFC 1191 section 4), or packet too big (RFC 4443 section 3.2).
#[must_use]
pub fn too_big(from: IpAddr, offender: View<'_>, mtu: u16) -> Packet {
    let [high, low] = mtu.to_be_bytes();
    let header = match from {
        IpAddr::V4(_) => [3, 4, 0, 0, 0, 0, high, low],
        IpAddr::V6(_) => [2, 0, 0, 0, 0, 0, high, low],
    };
    error(from, header, offender)
}

fn error(from: IpAddr, header: [u8; 8], offender: View<'_>) -> Packet {
    let protocol = if from.is_ipv4() { ICMP } else { ICMP_V6 };
    let quote = &offender.bytes()[..offender.bytes().len().min(QUOTE_MAX)];
    assemble((from, offender.src()), 64, 0, protocol, &header, quote)
}
