use super::*;
use crate::rng::Rng;
use crate::seq::Seq;
use crate::wire::tcp::{Flags, Options, Segment};
use crate::wire::{icmp, udp};

fn address(v6: bool, rng: &mut Rng) -> SocketAddr {
    let port = u16::try_from(rng.below(65_536)).unwrap();
    let bits = rng.bits();
    let ip = if v6 {
        IpAddr::V6((u128::from(bits) << 64 | u128::from(rng.bits())).into())
    } else {
        IpAddr::V4(u32::try_from(bits >> 32).unwrap().into())
    };
    SocketAddr::new(ip, port)
}

fn any_packet(rng: &mut Rng) -> Packet {
    let v6 = rng.chance(0.5);
    let (src, dst) = (address(v6, rng), address(v6, rng));
    let payload: Vec<u8> =
        (0..rng.below(99)).map(|_| u8::try_from(rng.below(256)).unwrap()).collect();
    let segment = Segment {
        seq: Seq(7),
        payload: &payload,
        options: Options { mss: Some(1460), timestamps: Some((1, 2)), ..Options::default() },
        ..Segment::new(src, dst, Flags::PSH | Flags::ACK)
    };
    match rng.below(4) {
        0 => segment.into_packet(),
        1 => udp::datagram(src, dst, &payload),
        2 => icmp::echo(src.ip(), dst.ip(), rng.chance(0.5), src.port(), 1),
        _ => icmp::unreachable(dst.ip(), segment.into_packet().view()),
    }
}

#[test]
fn a_built_packet_parses_to_itself() {
    let mut rng = Rng::new(9293);
    for _ in 0..2_000 {
        let packet = any_packet(&mut rng);
        assert!(packet.checksums_hold(), "{packet:?}");
        assert_eq!(Packet::parse(packet.bytes().to_vec()).as_ref(), Ok(&packet));
    }
}

#[test]
fn rewriting_keeps_every_checksum() {
    let mut rng = Rng::new(1624);
    for _ in 0..5_000 {
        let mut packet = any_packet(&mut rng);
        let v6 = packet.view().is_v6();
        let (src, dst) = (address(v6, &mut rng), address(v6, &mut rng));
        packet.set_src(src);
        packet.set_dst(dst);
        packet.set_icmp_identifier(src.port());
        packet.set_quoted_src(dst);
        packet.set_quoted_dst(src);
        packet.decrement_ttl();
        assert!(packet.checksums_hold(), "{packet:?}");
        assert_eq!((packet.view().src(), packet.view().dst()), (src.ip(), dst.ip()));
        if let Some((from, to)) = packet.view().ports() {
            assert_eq!((from, to), (src.port(), dst.port()));
        }
        if let Some(quoted) = packet.view().quoted() {
            assert_eq!((quoted.src(), quoted.dst()), (dst.ip(), src.ip()));
            assert_eq!(quoted.ports(), Some((dst.port(), src.port())));
        }
    }
}

#[test]
fn a_udp_datagram_without_checksum_stays_without() {
    let mut rng = Rng::new(768);
    let (src, dst) = (address(false, &mut rng), address(false, &mut rng));
    let mut bytes = udp::datagram(src, dst, b"ping").into_bytes();
    bytes[26..28].fill(0);
    let mut packet = Packet::parse(bytes).unwrap();
    packet.set_src(dst);
    assert_eq!(packet.bytes()[26..28], [0, 0]);
    assert!(packet.checksums_hold());
}

#[test]
fn noise_is_an_error_or_a_packet_and_never_a_panic() {
    let mut rng = Rng::new(1);
    for round in 0..50_000 {
        let mut bytes = any_packet(&mut rng).into_bytes();
        for _ in 0..=rng.below(4) {
            let at = rng.index(bytes.len());
            bytes[at] = u8::try_from(rng.below(256)).unwrap();
        }
        bytes.truncate(rng.index(bytes.len() + 1));
        let wire_len = bytes.len() + rng.index(100);
        if let Ok(view) = View::parse(&bytes, wire_len) {
            let read = (view.flow(), view.tcp(), view.tcp_options(), view.icmp(), view.quoted());
            assert!(view.payload().len() <= view.payload_len(), "round {round}: {read:?}");
        }
        if let Ok(mut packet) = Packet::parse(bytes) {
            let to = address(packet.view().is_v6(), &mut rng);
            packet.set_src(to);
            packet.set_quoted_dst(address(packet.view().is_v6(), &mut rng));
            packet.set_icmp_identifier(1);
            packet.decrement_ttl();
            let _may_hold_or_not = packet.checksums_hold();
        }
    }
}

#[test]
fn a_packet_cut_by_a_snap_length_keeps_its_length() {
    let mut rng = Rng::new(3);
    let (src, dst) = (address(false, &mut rng), address(false, &mut rng));
    let payload = [7; 100];
    let packet = Segment { payload: &payload, ..Segment::new(src, dst, Flags::ACK) }.into_packet();
    let cut = &packet.bytes()[..60];
    let view = View::parse(cut, cut.len()).unwrap();
    assert_eq!(view.payload_len(), 100);
    assert_eq!(view.payload().len(), 20);
    assert_eq!(Packet::parse(cut.to_vec()), Err(Malformed::Truncated));
}

#[test]
fn a_tcp_header_cut_in_its_options_keeps_its_fields_and_the_payloads_length() {
    let end = |port| SocketAddr::from(([10, 0, 0, 1], port));
    let options = Options {
        mss: Some(1460),
        timestamps: Some((1, 2)),
        window_scale: Some(7),
        ..Options::default()
    };
    let segment =
        Segment { options, payload: b"early", ..Segment::new(end(1), end(2), Flags::SYN) };
    let packet = segment.into_packet();
    for cut in 40..60 {
        let view = View::parse(&packet.bytes()[..cut], packet.bytes().len()).unwrap();
        assert_eq!(view.tcp().unwrap().flags, Flags::SYN);
        assert_eq!((view.payload(), view.payload_len()), (&b""[..], 5));
        assert_eq!(view.tcp_options().mss, (cut >= 44).then_some(1460), "cut at {cut}");
        assert_eq!(view.tcp_options().timestamps, (cut >= 56).then_some((1, 2)));
    }
    assert_eq!(View::parse(&packet.bytes()[..39], packet.bytes().len()).unwrap().tcp(), None);
}
