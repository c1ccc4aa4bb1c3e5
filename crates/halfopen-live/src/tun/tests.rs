use core::num::NonZeroU16;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use halfopen_core::rng::Rng;
use halfopen_core::seq::Seq;
use halfopen_core::wire::tcp::{Flags, Options, Segment};
use halfopen_core::wire::{Offload, checksum};

use super::*;
use crate::namespace::Namespace;

#[path = "../../tests/contained/owner.rs"]
mod owner;

use owner::as_owner;

/// Nothing here takes nearly that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// An interface that leads to these networks, an IPv4 and an IPv6 one.
fn interface(namespace: &Namespace, name: &str, networks: [&str; 2]) -> Tun {
    let settings = Settings { name: name.to_owned(), mtu: 1500 };
    let tun = namespace.run(|| Tun::open(&settings)).unwrap().unwrap();
    namespace.bring_up(name).unwrap();
    for (network, prefix) in networks.into_iter().zip([16, 64]) {
        namespace.add_route(name, network.parse().unwrap(), prefix, None).unwrap();
    }
    tun
}

fn next(tun: &Tun) -> Packet {
    let mut buffer = Vec::with_capacity(PACKET_MAX);
    let begin = Instant::now();
    loop {
        match tun.receive(&mut buffer).unwrap() {
            Some(header) => {
                let packet = vnet::parse(header, core::mem::take(&mut buffer)).unwrap();
                buffer.reserve(PACKET_MAX);
                if packet.view().tcp().is_some() {
                    return packet;
                }
            }
            None => thread::yield_now(),
        }
        assert!(begin.elapsed() < PATIENCE, "no packet came");
    }
}

/// A TCP segment that is left to be summed up and, if it is long, cut up.
fn any_segment(rng: &mut Rng) -> Packet {
    let v6 = rng.chance(0.5);
    let ends = if v6 { ["[fd00:1::7]:7", "[fd00:2::8]:8"] } else { ["10.1.0.7:7", "10.2.0.8:8"] };
    let [src, dst] = ends.map(|end| end.parse::<SocketAddr>().unwrap());
    let mut bits = |mask: u64| rng.bits() & mask;
    let flags = Flags::ACK | Flags(u8::try_from(bits(0b1000_1001)).unwrap());
    let (seq, ack) = (bits(0xffff_ffff), bits(0xffff_ffff));
    let [seq, ack] = [seq, ack].map(|number| Seq(u32::try_from(number).unwrap()));
    let ip_id = u16::try_from(bits(0xffff)).unwrap();
    let timestamps = rng.chance(0.5).then_some((7, 8));
    let size = u16::try_from(500 + rng.below(900)).unwrap();
    let payload: Vec<u8> = (0..=rng.index(20_000)).map(|at| at.to_le_bytes()[0]).collect();
    let options = Options { timestamps, ..Options::default() };
    let segment = Segment {
        seq,
        ack,
        ip_id,
        options,
        window: 5,
        payload: &payload,
        ..Segment::new(src, dst, flags)
    };
    let packet = segment.into_packet();
    let length = payload.len() + 20 + packet.view().tcp_options_len();
    let sum = checksum::pseudo_header(src.ip(), dst.ip(), 6, length);
    let mut bytes = packet.into_bytes();
    let at = bytes.len() - length + 16;
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    let offload = Offload::Segmentation(NonZeroU16::new(size).unwrap());
    Packet::parse_offloaded(bytes, offload).unwrap()
}

#[test]
fn the_kernel_cuts_a_packet_up_as_we_do() {
    as_owner(|| {
        let router = Namespace::new().unwrap();
        router.set_parameter("net/ipv4/ip_forward", "1").unwrap();
        router.set_parameter("net/ipv6/conf/all/forwarding", "1").unwrap();
        let from = interface(&router, "from", ["10.1.0.0", "fd00:1::"]);
        let to = interface(&router, "to", ["10.2.0.0", "fd00:2::"]);
        // What goes out there is to be complete.
        sys::set_offloads(to.as_fd(), 0).unwrap();
        let mut rng = Rng::new(20);
        for round in 0..300 {
            let mut packet = any_segment(&mut rng);
            from.send(&packet).unwrap();
            packet.decrement_ttl();
            for (number, segment) in packet.into_segments().enumerate() {
                let heard = next(&to);
                assert_eq!(heard.bytes(), segment.bytes(), "round {round}, segment {number}");
                assert_eq!(heard, segment);
            }
        }
    });
}

#[test]
fn what_the_kernel_leaves_to_us_is_passed_on_as_it_is() {
    as_owner(|| {
        let router = Namespace::new().unwrap();
        router.set_parameter("net/ipv4/ip_forward", "1").unwrap();
        router.set_parameter("net/ipv6/conf/all/forwarding", "1").unwrap();
        let from = interface(&router, "from", ["10.1.0.0", "fd00:1::"]);
        let to = interface(&router, "to", ["10.2.0.0", "fd00:2::"]);
        let mut rng = Rng::new(21);
        for round in 0..300 {
            let mut packet = any_segment(&mut rng);
            from.send(&packet).unwrap();
            packet.decrement_ttl();
            assert_eq!(next(&to), packet, "round {round}");
        }
    });
}

#[test]
fn a_name_that_is_taken_is_an_error_that_says_so() {
    as_owner(|| {
        let namespace = Namespace::new().unwrap();
        let settings = Settings { name: "taken".to_owned(), mtu: 1500 };
        let open = || namespace.run(|| Tun::open(&settings)).unwrap();
        let first = open().unwrap();
        let error = open().unwrap_err().to_string();
        assert!(error.starts_with("cannot make the interface `taken`: its device: "), "{error}");
        drop(first);
        open().unwrap();
        let long = Settings { name: "more-than-fifteen".to_owned(), ..settings.clone() };
        assert!(namespace.run(|| Tun::open(&long)).unwrap().is_err());
    });
}
