//! Answers to segments that belong to no connection.

use std::net::SocketAddr;

use crate::seq::Seq;
use crate::tcp::arrival::Inbound;
use crate::wire::Packet;
use crate::wire::tcp::{Flags, Segment};

/// Returns the reset that answers a segment (RFC 9293 section 3.5.2; `net/ipv4/tcp_ipv4.c`,
/// `tcp_v4_send_reset`: no options, no window, identification 0), none to a reset.
pub(super) fn reset(
    local: SocketAddr,
    remote: SocketAddr,
    ttl: u8,
    segment: &Inbound<'_>,
) -> Option<Packet> {
    let header = segment.header;
    if header.flags.has(Flags::RST) {
        return None;
    }
    let reset = if header.flags.has(Flags::ACK) {
        Segment { ttl, seq: header.ack, ..Segment::new(local, remote, Flags::RST) }
    } else {
        let ack = header.seq + header.seq_len(segment.payload.len());
        let flags = Flags::RST | Flags::ACK;
        Segment { ttl, seq: Seq(0), ack, ..Segment::new(local, remote, flags) }
    };
    Some(reset.into_packet())
}
