//! UDP datagrams (RFC 768).

use std::net::SocketAddr;

use crate::wire::Packet;
use crate::wire::packet::assemble;
use crate::wire::view::UDP;

/// Returns a datagram with Linux's time to live of 64. The addresses must be of one family and the
/// payload at most 65,000 bytes.
#[must_use]
pub fn datagram(src: SocketAddr, dst: SocketAddr, payload: &[u8]) -> Packet {
    let length = u16::try_from(payload.len() + 8).unwrap_or(u16::MAX);
    let mut header = Vec::with_capacity(8);
    header.extend(src.port().to_be_bytes());
    header.extend(dst.port().to_be_bytes());
    header.extend(length.to_be_bytes());
    header.extend([0; 2]);
    assemble((src.ip(), dst.ip()), 64, 0, UDP, &header, payload)
}
