//! Captures of known cause, seen worse: cut, from the middle, one way only, with other copies of
//! the same packets, by a clock that steps. The verdict may know less; it accuses nobody wrongly.

#![allow(clippy::disallowed_methods, reason = "a test reads the captures in the tree")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use halfopen_capture::{Diagnosis, Limits, PathReport, Tracker, frame, pcap};
use halfopen_core::cause::{Cause, Culprit};
use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::{Packet, View};
use serde_json::Value;

const SEEDS: u64 = 12;

type Packets = Vec<Shown>;

/// A packet as a capture shows it, perhaps cut short.
#[derive(Clone)]
struct Shown {
    at: Instant,
    bytes: Vec<u8>,
    wire_len: usize,
}

impl Shown {
    fn view(&self) -> View<'_> {
        View::parse(&self.bytes, self.wire_len).unwrap()
    }

    fn is_from_client(&self) -> bool {
        self.view().ports().is_some_and(|(from, to)| from > to)
    }

    fn change(&mut self, change: impl FnOnce(&mut Packet)) {
        let mut packet = Packet::parse(core::mem::take(&mut self.bytes)).unwrap();
        change(&mut packet);
        self.bytes = packet.into_bytes();
    }
}

struct Capture {
    name: String,
    packets: Packets,
    truth: Value,
}

fn captures() -> Vec<Capture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders.iter().map(|folder| read(folder)).collect()
}

fn read(folder: &Path) -> Capture {
    let bytes = fs::read(folder.join("client.pcap")).unwrap();
    let mut reader = pcap::Reader::new(bytes.as_slice()).unwrap();
    let mut packets = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        let ip = frame::network_layer(frame.link, frame.bytes, frame.wire_len).unwrap();
        let (at, bytes, wire_len) = (frame.at.unwrap(), ip.bytes.to_vec(), ip.wire_len);
        packets.push(Shown { at, bytes, wire_len });
    }
    let truth = fs::read_to_string(folder.join("truth.json")).unwrap();
    let truth = serde_json::from_str::<Value>(&truth).unwrap()["truth"].take();
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    Capture { name, packets, truth }
}

fn judge(packets: &[Shown]) -> Diagnosis {
    let mut tracker = Tracker::new(Limits::default(), 0);
    for (number, packet) in (1..).zip(packets) {
        tracker.take(number, Some(packet.at), packet.view());
    }
    tracker.diagnose()
}

/// Tells whether a verdict is the truth, or says nothing against anybody.
fn accuses_nobody_wrongly(truth: &Value, path: &PathReport) -> bool {
    let accepted = truth["accept"].as_array().into_iter().flatten();
    let mut truths = accepted.chain([truth]);
    let silent = matches!(path.cause, Cause::None | Cause::Inconclusive | Cause::PacketLoss);
    // That a longer pause had been survived may be what is missing.
    let unbounded = truth["cause"] == "state-loss" && path.cause == Cause::IdleExpiry;
    // What of many flows shows a cause, fewer show as what befell each.
    let of_one = match truth["cause"].as_str() {
        Some("port-exhaustion") => path.cause == Cause::Unreachable,
        Some("server-restart") => matches!(path.cause, Cause::Refused | Cause::PeerClose),
        _ => false,
    };
    silent
        || of_one && path.culprit != Culprit::Hop
        || unbounded && path.died.is_some_and(|died| path.survived < Some(died))
        || truths.any(|truth| {
            let culprit = truth["culprit"].as_str();
            let known = path.culprit == Culprit::Unknown || culprit.is_none();
            truth["cause"].as_str() == Some(path.cause.as_str())
                && (known || culprit == Some(path.culprit.as_str()))
        })
}

/// Applies a transformation to every capture with several seeds, and lists the false accusations.
fn try_all(what: &str, change: impl Fn(&mut Rng, &[Shown]) -> Packets) {
    let mut wrong = Vec::new();
    for capture in captures() {
        for seed in 0..SEEDS {
            let packets = change(&mut Rng::new(seed), &capture.packets);
            for path in judge(&packets).paths {
                if !accuses_nobody_wrongly(&capture.truth, &path) {
                    let (cause, culprit) = (path.cause, path.culprit);
                    wrong.push(format!(
                        "{} seed {seed}: {cause} by {culprit} instead of {}: {}",
                        capture.name, capture.truth["cause"], path.because
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{what}: {} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_capture_that_ends_early() {
    try_all("ends early", |rng, packets| packets[..=rng.index(packets.len())].to_vec());
}

#[test]
fn a_capture_that_starts_late() {
    try_all("starts late", |rng, packets| packets[rng.index(packets.len())..].to_vec());
}

#[test]
fn a_capture_of_what_the_client_sends() {
    try_all("client only", |_, packets| {
        packets.iter().filter(|packet| packet.is_from_client()).cloned().collect()
    });
}

#[test]
fn a_capture_of_what_the_server_sends() {
    try_all("server only", |_, packets| {
        packets.iter().filter(|packet| !packet.is_from_client()).cloned().collect()
    });
}

#[test]
fn a_capture_that_lacks_packets() {
    try_all("lacks packets", |rng, packets| {
        packets.iter().filter(|_| !rng.chance(0.04)).cloned().collect()
    });
}

#[test]
fn a_capture_that_cuts_packets_short() {
    try_all("cut short", |rng, packets| {
        let snap = [40, 52, 54, 64, 82][rng.index(5)];
        let mut packets = packets.to_vec();
        for packet in &mut packets {
            packet.bytes.truncate(snap);
        }
        packets
    });
}

#[test]
fn a_capture_out_of_order() {
    try_all("out of order", |rng, packets| {
        let mut packets = packets.to_vec();
        for packet in &mut packets {
            packet.at = packet.at + Duration::from_micros(rng.below(300));
        }
        packets.sort_by_key(|packet| packet.at);
        packets
    });
}

#[test]
fn a_server_behind_routes_of_different_length() {
    try_all("routes", |rng, packets| {
        let mut packets = packets.to_vec();
        for packet in packets.iter_mut().filter(|packet| !packet.is_from_client()) {
            let hops = rng.below(3);
            packet.change(|packet| (0..hops).for_each(|_| _ = packet.decrement_ttl()));
        }
        packets
    });
}

#[test]
fn a_clock_that_steps() {
    try_all("steps", |rng, packets| {
        let from = rng.index(packets.len());
        let mut packets = packets.to_vec();
        for packet in &mut packets[from..] {
            packet.at = Instant::from_nanos(packet.at.as_nanos() - 3_600_000_000_000);
        }
        packets
    });
}

/// Shows every packet at several points, by small delays, and behind the translation under another
/// address.
#[test]
fn a_capture_of_several_points_in_one_file() {
    try_all("several points", |rng, packets| {
        let copies = 1 + rng.below(3);
        let mut all = packets.to_vec();
        for copy in 1..=copies {
            let later = Duration::from_micros(copy * (5 + rng.below(60)));
            let translated = rng.chance(0.5);
            let mut again = packets.to_vec();
            for packet in &mut again {
                packet.at = packet.at + later;
                let outward = packet.is_from_client();
                packet.change(|packet| {
                    packet.decrement_ttl();
                    if translated && !packet.view().is_v6() {
                        translate(packet, outward, copy);
                    }
                });
            }
            all.extend(again);
        }
        all.sort_by_key(|packet| packet.at);
        all
    });
}

fn translate(packet: &mut Packet, outward: bool, copy: u64) {
    let address = IpAddr::from(Ipv4Addr::new(192, 0, 2, u8::try_from(copy).unwrap()));
    let (from, to) = packet.view().ports().unwrap();
    if outward {
        packet.set_src((address, from).into());
    } else {
        packet.set_dst((address, to).into());
    }
}

/// Puts a packet into another, of the protocol, behind `header`.
fn wrap(protocol: u8, header: &[u8], packet: &Shown) -> Shown {
    let wire_len = 20 + header.len() + packet.wire_len;
    let [high, low] = u16::try_from(wire_len).unwrap().to_be_bytes();
    let outer = [0x45, 0, high, low, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    Shown { at: packet.at, bytes: [&outer, header, &packet.bytes].concat(), wire_len }
}

#[test]
fn what_a_tunnel_carries_is_judged_as_without_it() {
    let v4 = |packet: &Shown| wrap(4, &[], packet);
    let gre = |packet: &Shown| wrap(47, &[0x20, 0, 8, 0, 0, 0, 0, 9], packet);
    let vxlan = |packet: &Shown| {
        let udp = [0xc0, 1, 0x12, 0xb5, 0, 0, 0, 0];
        let header = [&udp[..], &[8, 0, 0, 0, 0, 0, 42, 0], &[0; 12], &[8, 0]].concat();
        wrap(17, &header, packet)
    };
    for capture in captures().iter().filter(|it| !it.packets[0].view().is_v6()) {
        let plain = judge(&capture.packets);
        for tunnel in [&v4 as &dyn Fn(&Shown) -> Shown, &gre, &vxlan] {
            let tunnelled: Packets = capture.packets.iter().map(tunnel).collect();
            let judged = judge(&tunnelled);
            assert_eq!(judged.paths, plain.paths, "{}", capture.name);
        }
    }
}

/// Shows the outer and the inner packet, as a capture of all interfaces of a node does.
#[test]
fn a_tunnels_packet_beside_the_one_that_it_carries_is_the_same() {
    for capture in captures().iter().filter(|it| !it.packets[0].view().is_v6()) {
        let plain = judge(&capture.packets);
        let both = |packet: &Shown| {
            let mut outer = wrap(4, &[], packet);
            outer.at = packet.at + Duration::from_micros(3);
            [packet.clone(), outer]
        };
        let mut shown: Packets = capture.packets.iter().flat_map(both).collect();
        shown.sort_by_key(|packet| packet.at);
        let [plain, both] = [&plain, &judge(&shown)].map(|it| {
            let path = &it.paths[0];
            (path.cause, path.culprit, path.failures, path.connections, path.requests)
        });
        assert_eq!(both, plain, "{}", capture.name);
    }
}
