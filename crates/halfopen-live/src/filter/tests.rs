use std::net::SocketAddr;

use halfopen_core::wire::tcp::{Flags, Segment};

use super::*;

/// Runs a program as the kernel does (Documentation/networking/filter.rst); reading beyond the end
/// drops the packet.
fn run(program: &[Instruction], packet: &[u8]) -> u32 {
    let (mut a, mut x, mut at) = (0_u32, 0_u32, 0_usize);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let start = (x + k) as usize;
        let load = |size: usize| {
            let bytes = packet.get(start..start + size)?;
            Some(bytes.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)))
        };
        let mut jump = |met: bool| at += usize::from(if met { jt } else { jf });
        match code {
            LOAD_BYTE | LOAD_HALF => match load(if code == LOAD_BYTE { 1 } else { 2 }) {
                Some(value) => a = value,
                None => return 0,
            },
            SET_X => x = k,
            ADD => a += k,
            ADD_X => a += x,
            AND => a &= k,
            SHIFT_LEFT => a <<= k,
            IS => jump(a == k),
            HAS => jump(a & k != 0),
            GO => at += k as usize,
            COPY_TO_X => x = a,
            COPY_FROM_X => a = x,
            RETURN => return k,
            other => panic!("{other:#x}"),
        }
    }
}

fn packet(src: &str, dst: &str) -> Vec<u8> {
    let (src, dst): (SocketAddr, SocketAddr) = (src.parse().unwrap(), dst.parse().unwrap());
    Segment::new(src, dst, Flags::SYN).into_packet().bytes().to_vec()
}

fn framed(tags: &[u16], packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    for tag in tags {
        frame.extend(tag.to_be_bytes());
        frame.extend([0, 7]);
    }
    let ether_type: u16 = if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
    frame.extend(ether_type.to_be_bytes());
    frame.extend(packet);
    frame
}

fn wants(ports: &[u16], packet: &[u8]) -> bool {
    let filter = Filter { ports: ports.to_vec(), kept: 256 };
    let cooked = run(&filter.program(Kind::Cooked), packet);
    for tags in [&[][..], &[0x8100], &[0x88a8, 0x8100], &[0x9100, 0x8100]] {
        let raw = run(&filter.program(Kind::Raw), &framed(tags, packet));
        assert_eq!(raw, cooked, "tags {tags:x?} make no difference");
    }
    assert!(cooked == 0 || cooked == 256);
    cooked != 0
}

#[test]
fn either_ends_port_lets_a_packet_through() {
    for [client, server] in
        [["10.0.0.7:40000", "203.0.113.9:443"], ["[2001:db8::7]:40000", "[2001:db8::9]:443"]]
    {
        for packet in [packet(client, server), packet(server, client)] {
            assert!(wants(&[], &packet));
            assert!(wants(&[443], &packet));
            assert!(wants(&[80, 8080, 443], &packet));
            assert!(wants(&[40_000], &packet));
            assert!(!wants(&[80], &packet));
        }
    }
}

#[test]
fn as_many_ports_as_there_may_be_fit_into_a_program() {
    let ports: Vec<u16> = (1..=PORTS_MAX).map(|port| u16::try_from(port).unwrap()).collect();
    let filter = Filter { ports: ports.clone(), ..Filter::default() };
    assert!(filter.program(Kind::Raw).len() <= 4096, "{}", filter.program(Kind::Raw).len());
    assert!(wants(&ports, &packet("10.0.0.7:40000", "203.0.113.9:600")));
    assert!(wants(&ports, &packet("10.0.0.7:1", "203.0.113.9:40000")));
    assert!(!wants(&ports, &packet("10.0.0.7:40000", "203.0.113.9:601")));
}

#[test]
fn options_do_not_hide_the_ports() {
    let mut with_options = packet("10.0.0.7:40000", "203.0.113.9:443");
    with_options[0] = 0x46;
    with_options.splice(20..20, [1, 1, 1, 0]);
    assert!(wants(&[443], &with_options));
    assert!(!wants(&[80], &with_options));
}

#[test]
fn errors_of_the_network_are_wanted_and_other_protocols_are_not() {
    let of_protocol = |protocol| {
        let mut packet = packet("10.0.0.7:40000", "203.0.113.9:443");
        packet[9] = protocol;
        packet
    };
    assert!(wants(&[80], &of_protocol(1)), "ICMP");
    assert!(!wants(&[], &of_protocol(17)), "UDP");
    let mut of_v6 = packet("[2001:db8::7]:40000", "[2001:db8::9]:443");
    of_v6[6] = 58;
    assert!(wants(&[80], &of_v6), "ICMPv6");
}

#[test]
fn a_later_fragment_has_no_ports() {
    let mut fragment = packet("10.0.0.7:40000", "203.0.113.9:443");
    fragment[7] = 185;
    assert!(!wants(&[], &fragment));
}

#[test]
fn what_is_cut_short_is_dropped() {
    let whole = packet("10.0.0.7:40000", "203.0.113.9:443");
    for length in 0..22 {
        assert!(!wants_cooked(&whole[..length]), "{length} bytes");
    }
}

fn wants_cooked(packet: &[u8]) -> bool {
    let filter = Filter { ports: vec![443], ..Filter::default() };
    run(&filter.program(Kind::Cooked), packet) != 0
}
