//! Traffic as a busy proxy's network card sees it, made from a seed.
//!
//! Many clients keep connections to some servers: each connection is opened, carries some requests
//! with pauses between them, and is closed, reset or left. A few segments are sent twice.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use halfopen_core::hop::Side;
use halfopen_core::rng::Rng;
use halfopen_core::seq::Seq;
use halfopen_core::tap::{Config, Format, LinkType, Recorder};
use halfopen_core::time::Instant;
use halfopen_core::wire::tcp::{Flags, Options, Segment};

const SERVERS: usize = 64;
/// The payload of a full segment with timestamps, in bytes.
const FULL: u16 = 1_448;
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
/// Connections are opened throughout this time.
const SPAN: u64 = 3_600 * SECOND;

/// A segment that will be written, in the order of time.
#[derive(Clone, Copy)]
struct Planned {
    at: u64,
    flow: u32,
    from_client: bool,
    flags: Flags,
    seq: u32,
    ack: u32,
    len: u16,
}

/// What is the same for all segments of a connection.
#[derive(Clone, Copy)]
struct Flow {
    client: SocketAddr,
    server: SocketAddr,
    stamped: bool,
}

/// Plans one connection.
struct Planner<'a> {
    flow: u32,
    rng: &'a mut Rng,
    now: u64,
    round_trip: u64,
    /// What the client and the server have sent.
    next: [u32; 2],
    out: &'a mut Vec<Planned>,
}

/// Writes a capture of `flows` connections and returns how many packets it has.
pub(crate) fn write(out: impl Write, flows: u32, seed: u64) -> io::Result<usize> {
    let mut rng = Rng::new(seed);
    let (mut ends, mut planned) = (Vec::new(), Vec::new());
    for flow in 0..flows {
        ends.push(Flow::choose(&mut rng, flow));
        Planner::new(flow, &mut rng, &mut planned).plan();
    }
    planned.sort_by_key(|segment| segment.at);
    let config =
        Config { format: Format::Pcap, link_type: LinkType::Ethernet, ..Config::default() };
    let mut recorder = Recorder::new(out, &config)?;
    let payload = [0x2e; FULL as usize];
    let mut ip_ids = vec![[1_u16; 2]; ends.len()];
    for segment in &planned {
        let ip_id = &mut ip_ids[segment.flow as usize][usize::from(segment.from_client)];
        *ip_id = ip_id.wrapping_add(1);
        let packet = ends[segment.flow as usize].segment(segment, *ip_id, &payload).into_packet();
        recorder.record(Instant::from_nanos(segment.at), Side::Outside, &packet)?;
    }
    recorder.finish()?.flush()?;
    Ok(planned.len())
}

impl Flow {
    fn choose(rng: &mut Rng, number: u32) -> Self {
        let [low, high, port_low, port_high] = number.to_le_bytes();
        let port = u16::from_be_bytes([0x80 | port_high, port_low]) ^ u16::from(low) << 4;
        let server = u8::try_from(rng.index(SERVERS)).unwrap_or(0);
        let (client, server): (IpAddr, IpAddr) = if rng.chance(0.1) {
            let last = u16::from_be_bytes([high, low]);
            let client = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last);
            (client.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, server.into()).into())
        } else {
            (Ipv4Addr::new(10, 0, high, low).into(), Ipv4Addr::new(203, 0, 113, server).into())
        };
        let (client, server) = (SocketAddr::new(client, port), SocketAddr::new(server, 443));
        Self { client, server, stamped: rng.chance(0.8) }
    }

    fn segment<'a>(&self, planned: &Planned, ip_id: u16, payload: &'a [u8]) -> Segment<'a> {
        let (src, dst, ttl) = if planned.from_client {
            (self.client, self.server, 64)
        } else {
            (self.server, self.client, 57)
        };
        let stamp = u32::try_from(planned.at / MILLISECOND).unwrap_or(0);
        let options = Options {
            timestamps: self.stamped.then_some((stamp + 1, stamp)),
            mss: planned.flags.has(Flags::SYN).then_some(1_460),
            ..Options::default()
        };
        let Planned { flags, seq, ack, len, .. } = *planned;
        let payload = &payload[..len.into()];
        let (seq, ack, window) = (Seq(seq), Seq(ack), 501);
        Segment { ttl, ip_id, seq, ack, window, options, payload, ..Segment::new(src, dst, flags) }
    }
}

impl<'a> Planner<'a> {
    fn new(flow: u32, rng: &'a mut Rng, out: &'a mut Vec<Planned>) -> Self {
        let now = rng.below(SPAN);
        let round_trip = 200 * MICROSECOND + skewed(rng, 7) * MILLISECOND;
        let next = [(); 2].map(|()| u32::try_from(rng.below(1 << 32)).unwrap_or(0));
        Self { flow, rng, now, round_trip, next, out }
    }

    fn plan(mut self) {
        self.send(true, Flags::SYN, 0);
        self.now += self.round_trip;
        self.send(false, Flags::SYN | Flags::ACK, 0);
        self.send(true, Flags::ACK, 0);
        for _ in 0..=skewed(self.rng, 4) {
            self.exchange();
            self.now += match self.rng.below(10) {
                0..6 => self.rng.below(SECOND),
                6..9 => self.rng.below(30 * SECOND),
                _ => self.rng.below(400 * SECOND),
            };
        }
        match self.rng.below(20) {
            0..14 => {
                self.send(true, Flags::FIN | Flags::ACK, 0);
                self.now += self.round_trip;
                self.send(false, Flags::FIN | Flags::ACK, 0);
                self.send(true, Flags::ACK, 0);
            }
            14 => self.send(true, Flags::RST | Flags::ACK, 0),
            _ => {}
        }
    }

    /// Plans a request and its response, which the client acknowledges at every second segment.
    fn exchange(&mut self) {
        let length = 150 + u16::try_from(self.rng.below(500)).unwrap_or(0);
        self.send(true, Flags::PSH | Flags::ACK, length);
        self.now += self.round_trip + self.rng.below(20 * MILLISECOND);
        let mut left = 200 + 16 * skewed(self.rng, 9);
        let mut sent = 0;
        while left > 0 {
            let length = u16::try_from(left).unwrap_or(u16::MAX).min(FULL);
            left -= u64::from(length);
            self.send(false, Flags::ACK, length);
            self.now += 12 * MICROSECOND;
            sent += 1;
            if sent % 2 == 0 || left == 0 {
                self.send(true, Flags::ACK, 0);
            }
        }
    }

    fn send(&mut self, from_client: bool, flags: Flags, len: u16) {
        let (own, other) = if from_client { (0, 1) } else { (1, 0) };
        let (seq, ack) = (self.next[own], self.next[other]);
        let segment = Planned { at: self.now, flow: self.flow, from_client, flags, seq, ack, len };
        self.out.push(segment);
        let takes_number = flags.has_any(Flags::SYN | Flags::FIN);
        self.next[own] = seq.wrapping_add(u32::from(len)).wrapping_add(u32::from(takes_number));
        if len > 0 && self.rng.chance(0.005) {
            self.out.push(Planned { at: self.now + 200 * MILLISECOND, ..segment });
            self.now += 201 * MILLISECOND;
        }
    }
}

/// Returns a number below two to the power of `powers`; small ones come more often.
fn skewed(rng: &mut Rng, powers: u64) -> u64 {
    let power = rng.below(powers) + 1;
    rng.below(1 << power)
}
