use std::net::SocketAddr;

use super::*;
use crate::rng::Rng;
use crate::wire::tcp::{Options, Segment};
use crate::wire::{icmp, udp};

const SIZE: NonZeroU16 = NonZeroU16::new(1_000).expect("it is not zero");

fn ends(v6: bool) -> [SocketAddr; 2] {
    let ends =
        if v6 { ["[fd00::1]:1000", "[2001:db8::2]:80"] } else { ["10.0.0.1:1000", "192.0.2.2:80"] };
    ends.map(|end| end.parse().unwrap())
}

/// A segment that its sender left to be cut up and summed up.
fn left(v6: bool, flags: Flags, payload: &[u8], offload: Offload) -> Packet {
    let [src, dst] = ends(v6);
    let options = Options { timestamps: Some((1, 2)), ..Options::default() };
    let segment = Segment {
        seq: Seq(u32::MAX - 9),
        ack: Seq(5),
        ip_id: u16::MAX,
        ..Segment::new(src, dst, flags)
    };
    let packet = Segment { options, payload, ..segment }.into_packet();
    let (at, length) = (usize::from(packet.layout.transport), packet.bytes.len());
    let sum = checksum::pseudo_header(src.ip(), dst.ip(), TCP, length - at);
    let mut bytes = packet.into_bytes();
    bytes[at + 16..at + 18].copy_from_slice(&sum.to_be_bytes());
    let packet = Packet::parse_offloaded(bytes, offload).unwrap();
    assert!(packet.checksums_hold());
    packet
}

#[test]
fn a_packet_for_several_is_cut_up_as_linux_does() {
    let payload: Vec<u8> = (0..=255).cycle().take(2_500).collect();
    let flags = Flags::FIN | Flags::PSH | Flags::ACK | Flags(CWR);
    for v6 in [false, true] {
        let packet = left(v6, flags, &payload, Offload::Segmentation(SIZE));
        let header = if v6 { 40 + 32 } else { 20 + 32 };
        assert_eq!((packet.count(), packet.longest()), (3, header + 1_000));
        assert_eq!(packet.total_len(), 3 * header + 2_500);
        let segments: Vec<Packet> = packet.into_segments().collect();
        let carried: Vec<u8> =
            segments.iter().flat_map(|segment| segment.view().payload()).copied().collect();
        assert_eq!(carried, payload);
        let seen = segments.iter().map(|segment| {
            assert!(segment.checksums_hold(), "{segment:?}");
            assert_eq!(segment.offload(), Offload::Nothing);
            assert_eq!(Packet::parse(segment.bytes().to_vec()).as_ref(), Ok(segment));
            let tcp = segment.view().tcp().unwrap();
            (tcp.seq.0, tcp.flags, segment.view().ip_id(), segment.bytes().len())
        });
        let id = |id: u16| (!v6).then_some(id);
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [
                (u32::MAX - 9, Flags::ACK | Flags(CWR), id(u16::MAX), header + 1_000),
                (990, Flags::ACK, id(0), header + 1_000),
                (1_990, Flags::FIN | Flags::PSH | Flags::ACK, id(1), header + 500),
            ]
        );
    }
}

#[test]
fn what_is_rewritten_whole_is_what_its_parts_would_be() {
    let mut rng = Rng::new(1624);
    for round in 0..500 {
        let v6 = rng.chance(0.5);
        let payload: Vec<u8> =
            (0..rng.below(3_000)).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
        let offload = *rng.pick(&[Offload::Checksum, Offload::Segmentation(SIZE)]);
        let rewrite = |mut packet: Packet| {
            let to = |end: &str| end.parse().unwrap();
            let (src, dst) =
                if v6 { ("[::1]:7", "[ff::9]:8") } else { ("1.2.3.4:7", "255.255.9.9:8") };
            packet.set_src(to(src));
            packet.set_dst(to(dst));
            packet.decrement_ttl();
            packet
        };
        let packet = left(v6, Flags::ACK, &payload, offload);
        let parts: Vec<Packet> = packet.clone().into_segments().map(rewrite).collect();
        let rewritten = rewrite(packet);
        assert!(rewritten.checksums_hold(), "round {round}");
        assert_eq!(rewritten.into_segments().collect::<Vec<_>>(), parts, "round {round}");
    }
}

#[test]
fn a_datagram_that_sums_up_to_zero_is_sent_as_all_ones() {
    let [src, dst] = ends(false);
    // RFC 768; the payload makes up for all else.
    let sum = udp::datagram(src, dst, &[0, 0]).into_bytes()[26..28].to_vec();
    let mut bytes = udp::datagram(src, dst, &sum).into_bytes();
    let pseudo = checksum::pseudo_header(src.ip(), dst.ip(), UDP, 10);
    bytes[26..28].copy_from_slice(&pseudo.to_be_bytes());
    let packet = Packet::parse_offloaded(bytes, Offload::Checksum).unwrap();
    let packet = packet.into_segments().next().unwrap();
    assert_eq!(packet.bytes()[26..28], [0xff, 0xff]);
    assert!(packet.checksums_hold());
}

#[test]
fn what_is_short_enough_is_not_cut_up() {
    let packet = left(false, Flags::ACK, &[0; 1_000], Offload::Segmentation(SIZE));
    assert_eq!((packet.offload(), packet.count()), (Offload::Checksum, 1));
    assert_eq!(packet.total_len(), packet.bytes().len());
}

#[test]
fn only_tcp_is_cut_up_and_only_tcp_and_udp_are_summed_up() {
    let [src, dst] = ends(false);
    let datagram = udp::datagram(src, dst, b"x").into_bytes();
    let echo = icmp::echo(src.ip(), dst.ip(), false, 1, 1).into_bytes();
    let mut fragment = left(false, Flags::ACK, b"x", Offload::Checksum).into_bytes();
    fragment[6] = 0x20;
    for (bytes, offload) in [
        (datagram, Offload::Segmentation(SIZE)),
        (echo, Offload::Checksum),
        (fragment, Offload::Checksum),
    ] {
        assert_eq!(Packet::parse_offloaded(bytes, offload), Err(Malformed::Offload));
    }
}
