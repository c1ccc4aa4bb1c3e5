//! Bytes taken as a script of what happens: pauses, packets that make sense, and any packet at all.

use std::net::SocketAddr;

use halfopen_core::flow::Protocol;
use halfopen_core::hop::Side;
use halfopen_core::seq::Seq;
use halfopen_core::time::Duration;
use halfopen_core::wire::tcp::{Flags, Options, Segment};
use halfopen_core::wire::{Packet, icmp, udp};

use super::packet::mended;

/// The rest of the bytes. What is not there is zero.
#[derive(Clone, Copy)]
pub struct Script<'a>(pub &'a [u8]);

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// Time passes.
    Pause(Duration),
    /// A packet comes from a side.
    Packet(Side, Packet),
    /// An operator flushes the table.
    Flush,
}

const CLIENTS: [&str; 4] = ["10.0.0.1:1000", "10.0.0.2:65535", "10.0.0.1:1", "[fd00::1]:1000"];
const SERVERS: [&str; 4] =
    ["203.0.113.1:80", "203.0.113.2:443", "198.51.100.1:1024", "[2001:db8::1]:80"];
const STRANGERS: [&str; 4] =
    ["203.0.113.1:80", "203.0.113.9:9", "203.0.113.1:81", "[2001:db8::1]:80"];
/// The addresses to which a gateway translates, with a port that it may have given out.
pub const EXTERNAL: [&str; 4] =
    ["198.51.100.1:1024", "198.51.100.1:1025", "198.51.100.2:1024", "[2001:db8:ffff::1]:1024"];
const PAUSES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_millis(1),
    Duration::from_millis(999),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_mins(1),
    Duration::from_secs(350),
    Duration::from_hours(3),
];

impl Script<'_> {
    /// Returns the next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// Returns one of `choices`.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()].clone()
    }

    /// Returns the next step, which may answer to what was heard of packets; `None` at the end.
    pub fn step(&mut self, heard: &[(Side, Packet)]) -> Option<Step> {
        if self.0.is_empty() {
            return None;
        }
        let choice = self.byte();
        Some(match choice % 8 {
            0 => Step::Pause(self.pick(&PAUSES)),
            1 if choice > 250 => Step::Flush,
            1 | 2 => self.answer(heard),
            3 => Step::Packet(Side::Inside, self.fresh(&CLIENTS, &SERVERS)),
            4 => Step::Packet(Side::Outside, self.fresh(&STRANGERS, &EXTERNAL)),
            5 => self.error(heard),
            6 => self.again(heard),
            _ => self.any(),
        })
    }

    /// A packet between two of these ends; of two families, there is none, so time passes.
    fn fresh(&mut self, from: &[&str], to: &[&str]) -> Packet {
        let (src, mut dst) = (end(self.pick(from)), end(self.pick(to)));
        if src.is_ipv6() != dst.is_ipv6() {
            dst = end(to[if src.is_ipv6() { 3 } else { 0 }]);
        }
        match self.byte() % 4 {
            0 => udp::datagram(src, dst, b"query"),
            1 => icmp::echo(src.ip(), dst.ip(), false, src.port(), 1),
            _ => self.segment(src, dst, Seq(1_000), Seq(2_000)),
        }
    }

    fn segment(&mut self, src: SocketAddr, dst: SocketAddr, seq: Seq, ack: Seq) -> Packet {
        let flags = Flags(self.byte() & 0x1f);
        let [seq_offset, ack_offset] = [self.byte(), self.byte()].map(|byte| {
            let far = i32::from(byte.cast_signed());
            u32::from_ne_bytes((if byte % 16 == 15 { far << 20 } else { far }).to_ne_bytes())
        });
        let mss = flags.has(Flags::SYN).then_some(1460);
        Segment {
            ttl: self.pick(&[64, 63, 1, 255]),
            ip_id: self.pick(&[7, 0, 8]),
            seq: Seq(seq.0.wrapping_add(seq_offset)),
            ack: Seq(ack.0.wrapping_add(ack_offset)),
            window: self.pick(&[65_535, 0, 1, 512]),
            options: Options { mss, window_scale: mss.map(|_| 7), ..Options::default() },
            payload: self.pick(&[&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\0", b"12345"]),
            ..Segment::new(src, dst, flags)
        }
        .into_packet()
    }

    /// What the far end says to a packet that reached it.
    fn answer(&mut self, heard: &[(Side, Packet)]) -> Step {
        let Some((side, packet)) = self.one_of(heard) else { return Step::Pause(PAUSES[1]) };
        let view = packet.view();
        let Some(flow) = view.flow() else { return Step::Pause(PAUSES[2]) };
        let (src, dst) = (flow.responder, flow.initiator);
        let answer = match (view.tcp(), view.protocol()) {
            (Some(tcp), _) => {
                let next = tcp.seq.0.wrapping_add(tcp.seq_len(view.payload_len()));
                self.segment(src, dst, tcp.ack, Seq(next))
            }
            (None, Protocol::Icmp) => icmp::echo(src.ip(), dst.ip(), true, dst.port(), 1),
            (None, Protocol::Tcp | Protocol::Udp | Protocol::Other(_)) => {
                udp::datagram(src, dst, b"answer")
            }
        };
        Step::Packet(*side, answer)
    }

    /// What a router says about a packet that it could not deliver.
    fn error(&mut self, heard: &[(Side, Packet)]) -> Step {
        let Some((side, packet)) = self.one_of(heard) else { return Step::Pause(PAUSES[1]) };
        let router = if packet.view().is_v6() { "[2001:db8::99]:0" } else { "192.0.2.99:0" };
        Step::Packet(*side, icmp::unreachable(end(router).ip(), packet.view()))
    }

    /// The same packet once more, from the side that it went to.
    fn again(&mut self, heard: &[(Side, Packet)]) -> Step {
        let Some((side, packet)) = self.one_of(heard) else { return Step::Pause(PAUSES[1]) };
        let from = self.pick(&[*side, side.opposite()]);
        Step::Packet(from, packet.clone())
    }

    /// Any bytes that are a packet, their checksums mended.
    fn any(&mut self) -> Step {
        let side = self.pick(&[Side::Inside, Side::Outside]);
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        match Packet::parse(mended(bytes)) {
            Ok(packet) if packet.checksums_hold() => Step::Packet(side, packet),
            Ok(_) | Err(_) => Step::Pause(PAUSES[3]),
        }
    }

    fn one_of<'h>(&mut self, heard: &'h [(Side, Packet)]) -> Option<&'h (Side, Packet)> {
        let back = usize::from(self.byte()) % 4;
        heard.iter().rev().nth(back).or(heard.last())
    }
}

fn end(text: &str) -> SocketAddr {
    text.parse().expect("the ends of this file are addresses")
}
