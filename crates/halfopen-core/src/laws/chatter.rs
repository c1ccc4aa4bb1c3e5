//! Hosts that talk through a hop, and strangers that talk into it.

use core::num::NonZeroU16;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Happening;
use crate::flow::{FlowKey, Protocol};
use crate::hop::{Command, Output, Side};
use crate::rng::Rng;
use crate::seq::Seq;
use crate::time::{Duration, Instant};
use crate::wire::tcp::{Flags, HEADER_MIN, Options, Segment};
use crate::wire::{Offload, Packet, View, checksum, icmp, udp};

/// How many packets the hosts remember, to answer them.
const HEARD_MAX: usize = 32;

/// The least payload of the segments that a long one stands for.
const LEAST: NonZeroU16 = NonZeroU16::new(400).expect("it is not zero");

/// The hosts on both sides of a hop.
#[derive(Debug)]
pub(super) struct Chatter {
    rng: Rng,
    v6: bool,
    heard: Vec<(Side, Packet)>,
}

impl Chatter {
    pub(super) fn new(mut rng: Rng) -> Self {
        Self { v6: rng.chance(0.25), heard: Vec::new(), rng }
    }

    /// Returns how long it is until something happens: mostly a moment, now and then minutes.
    pub(super) fn pause(&mut self) -> Duration {
        let magnitude = self.rng.below(40);
        Duration::from_nanos(self.rng.below(1 << magnitude))
    }

    /// Takes in what reached the hosts.
    pub(super) fn hear(&mut self, news: &[(Instant, Output)]) {
        for (_, output) in news {
            if let Output::Packet(side, packet) = output {
                if self.heard.len() == HEARD_MAX {
                    let forgotten = self.rng.index(HEARD_MAX);
                    self.heard.swap_remove(forgotten);
                }
                self.heard.push((*side, packet.clone()));
            }
        }
    }

    /// Returns what happens next.
    pub(super) fn next(&mut self, news: &[(Instant, Output)]) -> Happening {
        self.hear(news);
        if self.rng.chance(0.01) {
            return Happening::Command(Command::Flush);
        }
        let answer = if self.heard.is_empty() || self.rng.chance(0.3) {
            None
        } else {
            let (side, packet) = self.rng.pick(&self.heard).clone();
            self.answer(packet.view()).map(|answer| (side, answer))
        };
        let (side, packet) = answer.unwrap_or_else(|| {
            let side = if self.rng.chance(0.8) { Side::Inside } else { Side::Outside };
            (side, self.begin(side))
        });
        let packet = if self.rng.chance(0.03) { cut(packet, self.rng.chance(0.5)) } else { packet };
        Happening::Packet(side, packet)
    }

    /// Returns an answer to a packet, not always a sensible one.
    fn answer(&mut self, view: View<'_>) -> Option<Packet> {
        if self.rng.chance(0.05) {
            return Some(icmp::unreachable(view.dst(), view));
        }
        let FlowKey { protocol, initiator: dst, responder: src } = view.flow()?;
        match protocol {
            Protocol::Udp => Some(udp::datagram(src, dst, b"answer")),
            Protocol::Icmp => Some(icmp::echo(src.ip(), dst.ip(), true, dst.port(), 1)),
            Protocol::Tcp => Some(self.segment_in_answer(view, src, dst)),
            Protocol::Other(_) => None,
        }
    }

    fn segment_in_answer(&mut self, view: View<'_>, src: SocketAddr, dst: SocketAddr) -> Packet {
        let Some(heard) = view.tcp() else { return udp::datagram(src, dst, b"?") };
        let ack = heard.seq + heard.seq_len(view.payload_len());
        let opened = heard.flags.has(Flags::SYN) && !heard.flags.has(Flags::ACK);
        let seq = if opened { self.number() } else { heard.ack };
        let flags = match self.rng.below(10) {
            0 => Flags::RST,
            1 => Flags::FIN | Flags::ACK,
            _ if opened => Flags::SYN | Flags::ACK,
            2 => Flags::SYN,
            _ => Flags::ACK,
        };
        let length = if self.rng.chance(0.15) { 8_000 } else { 1400 };
        let payload = vec![0x2e; if opened { 0 } else { self.rng.index(length) }];
        let window_scale = flags.has(Flags::SYN).then_some(7);
        let options = Options { window_scale, ..Options::default() };
        let segment = Segment::new(src, dst, flags);
        let segment = Segment { seq, ack, window: 500, options, payload: &payload, ..segment };
        let size = NonZeroU16::new(u16::try_from(self.rng.below(1400)).unwrap_or(0));
        let offload = match size {
            Some(size) if payload.len() > 1400 => Offload::Segmentation(size.max(LEAST)),
            _ if self.rng.chance(0.3) => Offload::Checksum,
            _ => Offload::Nothing,
        };
        left_to_be_done(segment.into_packet(), offload)
    }

    /// Returns a packet that nobody asked for.
    fn begin(&mut self, side: Side) -> Packet {
        let (inside, outside) = (self.host(10), self.host(198));
        let (src, dst) = match side {
            Side::Inside => (inside, outside),
            Side::Outside => (outside, inside),
        };
        let noise = Flags(u8::try_from(self.rng.below(32)).unwrap_or(0));
        let seq = self.number();
        match self.rng.below(10) {
            0 => Segment { seq, ..Segment::new(src, dst, noise) }.into_packet(),
            1 | 2 => udp::datagram(src, dst, b"question"),
            3 => icmp::echo(src.ip(), dst.ip(), self.rng.chance(0.1), src.port(), 1),
            _ => Segment { seq, ..Segment::new(src, dst, Flags::SYN) }.into_packet(),
        }
    }

    fn number(&mut self) -> Seq {
        Seq(u32::try_from(self.rng.below(1 << 32)).unwrap_or(0))
    }

    /// Returns one of a few ends, so that they meet again.
    fn host(&mut self, network: u8) -> SocketAddr {
        let host = u8::try_from(1 + self.rng.below(3)).unwrap_or(1);
        let port = u16::try_from(1_000 + self.rng.below(4)).unwrap_or(1_000);
        let ip = if self.v6 {
            IpAddr::V6(Ipv6Addr::from([0xfd00, network.into(), 0, 0, 0, 0, 0, host.into()]))
        } else {
            IpAddr::V4(Ipv4Addr::new(network, 0, 0, host))
        };
        SocketAddr::new(ip, port)
    }
}

/// Returns a TCP packet with its checksum, and more, left to be done.
fn left_to_be_done(packet: Packet, offload: Offload) -> Packet {
    if offload == Offload::Nothing {
        return packet;
    }
    let view = packet.view();
    let length = view.payload_len() + view.tcp_options_len() + HEADER_MIN;
    let sum = checksum::pseudo_header(view.src(), view.dst(), 6, length);
    let mut bytes = packet.bytes().to_vec();
    let at = bytes.len() - length + 16;
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    Packet::parse_offloaded(bytes, offload).unwrap_or(packet)
}

/// Returns the packet as the first or as a later fragment of a longer one, if it is IPv4.
fn cut(packet: Packet, first: bool) -> Packet {
    if packet.view().is_v6() || packet.offload() != Offload::Nothing {
        return packet;
    }
    let mut bytes = packet.bytes().to_vec();
    let field: [u8; 2] = if first { [0x20, 0] } else { [0, 3] };
    let sum = u16::from_be_bytes([bytes[10], bytes[11]]);
    let sum = checksum::update(sum, &bytes[6..8], &field);
    bytes[6..8].copy_from_slice(&field);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    Packet::parse(bytes).unwrap_or(packet)
}
