//! The packets that a gateway makes itself.

use std::net::SocketAddr;

use super::mapping::Mapping;
use crate::hop::Side;
use crate::wire::tcp::{Flags, Segment};
use crate::wire::{Packet, View, icmp};

/// Returns the reset that answers a segment of a connection that does not exist (RFC 9293 section
/// 3.10.7.1): one that acknowledges something is reset at that number, without ACK flag, window
/// and identification. A reset is never answered.
pub(super) fn reset_in_answer(view: View<'_>, ttl: u8) -> Option<Packet> {
    let header = view.tcp().filter(|header| !header.flags.has(Flags::RST))?;
    let src = SocketAddr::new(view.dst(), header.dst_port);
    let dst = SocketAddr::new(view.src(), header.src_port);
    let reset = if header.flags.has(Flags::ACK) {
        Segment { ttl, seq: header.ack, ..Segment::new(src, dst, Flags::RST) }
    } else {
        let ack = header.seq + header.seq_len(view.payload_len());
        Segment { ttl, ack, ..Segment::new(src, dst, Flags::RST | Flags::ACK) }
    };
    Some(reset.into_packet())
}

/// Returns the ICMP error that answers a packet, in the name of the end that it was sent to. No
/// error answers an error (RFC 1122 section 3.2.2).
pub(super) fn unreachable_in_answer(view: View<'_>) -> Option<Packet> {
    view.quoted().is_none().then(|| icmp::unreachable(view.dst(), view))
}

/// Returns the ICMP error that answers a packet which is longer than `mtu` bytes, likewise, unless
/// it might be fragmented.
pub(super) fn too_big_in_answer(view: View<'_>, mtu: u16) -> Option<Packet> {
    let answered = view.dont_fragment() && view.quoted().is_none();
    answered.then(|| icmp::too_big(view.dst(), view, mtu))
}

/// Returns a segment that tells the end on `side` that its connection is over, with numbers that
/// this end will accept, as the other end would send it.
pub(super) fn of_the_end(mapping: &Mapping, side: Side, how: Flags, ttl: u8) -> Packet {
    let (src, dst) = match side {
        Side::Inside => (mapping.outside(), mapping.inside()),
        Side::Outside => (mapping.external(), mapping.outside()),
    };
    let (seq, ack) = mapping.tcp.numbers_for(side);
    Segment { ttl, seq, ack, ..Segment::new(src, dst, how | Flags::ACK) }.into_packet()
}
