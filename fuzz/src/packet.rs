//! Any bytes, read as a packet and rewritten as a NAT would.

use std::net::SocketAddr;

use halfopen_core::wire::{Offload, Packet, View, checksum, vnet};

/// Reads the bytes as a packet, whole and cut, and as one with a header of a virtual device; then
/// mends the checksums and rewrites it.
pub fn run(bytes: &[u8]) {
    if let Some((header, bytes)) = bytes.split_first_chunk() {
        left_to_us(*header, bytes);
    }
    look_at(bytes, bytes.len());
    look_at(bytes, bytes.len() + 1_000);
    if let Ok(packet) = Packet::parse(bytes.to_vec()) {
        rewrite(packet);
    }
    if let Ok(packet) = Packet::parse(mended(bytes))
        && packet.checksums_hold()
    {
        assert!(rewrite(packet).checksums_hold());
    }
}

/// Reads a packet of which something is left to be done, and holds it against what it stands for.
fn left_to_us(header: [u8; vnet::HEADER], bytes: &[u8]) {
    let Ok(packet) = vnet::parse(header, bytes.to_vec()) else { return };
    let again = vnet::parse(vnet::header(&packet), packet.bytes().to_vec());
    assert_eq!(again.as_ref(), Ok(&packet));
    let holds = packet.checksums_hold();
    let (count, longest, total) = (packet.count(), packet.longest(), packet.total_len());
    let parts: Vec<Packet> = packet.clone().into_segments().map(rewrite).collect();
    let lengths = || parts.iter().map(|part| part.bytes().len());
    assert_eq!((parts.len(), lengths().sum::<usize>()), (count, total));
    assert_eq!(lengths().max(), Some(longest));
    assert!(parts.iter().all(|part| part.offload() == Offload::Nothing));
    if holds {
        assert!(parts.iter().all(Packet::checksums_hold));
        assert!(rewrite(packet).into_segments().eq(parts));
    }
}

/// Asks everything that can be asked of a view.
fn look_at(bytes: &[u8], wire_len: usize) {
    let Ok(view) = View::parse(bytes, wire_len) else { return };
    assert!(view.bytes().len() <= bytes.len());
    assert!(view.bytes().len() <= view.wire_len());
    assert!(view.payload().len() <= view.payload_len());
    assert_eq!(view.src().is_ipv6(), view.is_v6());
    assert_eq!(view.dst().is_ipv6(), view.is_v6());
    if let Some(flow) = view.flow() {
        assert_eq!(flow.reversed().reversed(), flow);
    }
    if view.tcp().is_some() {
        assert!(view.ports().is_some());
    }
    let _ = (view.ttl(), view.ip_id(), view.fragment(), view.tcp_options(), view.icmp());
    let _ = format!("{view:?} {:?}", view.quoted());
}

/// Does to a packet all that a NAT and a router do, and checks that it stays the packet it was.
fn rewrite(mut packet: Packet) -> Packet {
    let (before, length) = (packet.view().protocol(), packet.bytes().len());
    let end = |last: u8, port| {
        let v4 = SocketAddr::from(([192, 0, 2, last], port));
        let v6 = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0xffff, u16::from(last)], port));
        if packet.view().is_v6() { v6 } else { v4 }
    };
    let (src, dst) = (end(1, 0xffff), end(2, 0));
    packet.set_src(src);
    packet.set_dst(dst);
    packet.set_icmp_identifier(0x1234);
    if let Some(quoted) = packet.view().quoted() {
        let same_family = quoted.is_v6() == packet.view().is_v6();
        if same_family {
            packet.set_quoted_src(dst);
            packet.set_quoted_dst(src);
        }
    }
    packet.decrement_ttl();
    let view = packet.view();
    assert_eq!((view.src(), view.dst()), (src.ip(), dst.ip()));
    assert!(view.ports().is_none_or(|ports| ports == (0xffff, 0)));
    assert_eq!((view.protocol(), packet.bytes().len()), (before, length));
    let again = Packet::parse_offloaded(packet.bytes().to_vec(), packet.offload());
    assert!(again.expect("a rewritten packet is a packet") == packet);
    packet
}

/// Returns the bytes with the checksums that they should have, which no fuzzer guesses. Extension
/// headers are left alone.
pub(crate) fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let Ok(view) = View::parse(&bytes, bytes.len()) else { return bytes };
    bytes.truncate(view.wire_len());
    let v6 = bytes[0] >> 4 == 6;
    let (transport, protocol) =
        if v6 { (40, bytes[6]) } else { (usize::from(bytes[0] & 15) * 4, bytes[9]) };
    if !v6 {
        put(&mut bytes, 0..transport, 10, 0);
    }
    let at = match protocol {
        6 => 16,
        17 => 6,
        1 | 58 => 2,
        _ => return bytes,
    };
    let length = bytes.len();
    if length < transport + 20 {
        return bytes;
    }
    let start = match (protocol, View::parse(&bytes, length)) {
        (1, _) => 0,
        (_, Ok(view)) => {
            checksum::pseudo_header(view.src(), view.dst(), protocol, length - transport)
        }
        (_, Err(_)) => return bytes,
    };
    put(&mut bytes, transport..length, transport + at, start);
    bytes
}

/// Writes the checksum over a range, with what comes before it summed up in `start`, to `at`.
fn put(bytes: &mut [u8], range: core::ops::Range<usize>, at: usize, start: u16) {
    bytes[at..at + 2].fill(0);
    let sum = !checksum::sum(start, &bytes[range]);
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
