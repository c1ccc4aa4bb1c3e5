//! How fast a capture is judged, from its bytes to the verdicts, and what an idle flow costs.
//!
//! The captures are made in memory, so what is measured is this crate and not the disk. Each flow
//! opens, asks and is answered in turn, so that every packet moves a timeline.

use std::net::SocketAddr;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use halfopen_capture::{Diagnosis, Limits, Points, Source};
use halfopen_core::hop::Side;
use halfopen_core::rng::Rng;
use halfopen_core::seq::Seq;
use halfopen_core::tap::{Config, Format, LinkType, Recorder};
use halfopen_core::time::Instant;
use halfopen_core::wire::tcp::{Flags, Segment};

/// About how large each capture is; larger than most caches.
const SIZE: usize = 256 << 20;

fn main() {
    divan::main();
}

/// Writes a capture in which `flows` flows take turns, each packet carrying `payload` bytes: the
/// client asks, the server answers, and so on.
fn capture(flows: usize, payload: usize) -> Vec<u8> {
    let mut rng = Rng::new(1);
    let bytes = vec![0x2e; payload];
    let server = SocketAddr::from(([203, 0, 113, 7], 443));
    let clients: Vec<SocketAddr> = (0..flows)
        .map(|_| {
            let [.., a, b, high, low] = rng.bits().to_be_bytes();
            SocketAddr::from(([10, 0, a, b], u16::from_be_bytes([high, low])))
        })
        .collect();
    let config =
        Config { format: Format::Pcap, link_type: LinkType::Ethernet, ..Config::default() };
    let mut recorder = Recorder::new(Vec::with_capacity(SIZE), &config).expect("memory has room");
    let frames = SIZE / (payload + 70);
    for index in 0..frames {
        let (flow, round) = (index % flows, u32::try_from(index / flows).unwrap_or(u32::MAX));
        let length = u32::try_from(payload).unwrap_or(0);
        let (sent, turn) = (Seq(round / 2 * length), round % 2);
        let (src, dst, ack) = match turn {
            0 => (clients[flow], server, sent),
            _ => (server, clients[flow], sent + length),
        };
        let flags = Flags::PSH | Flags::ACK;
        let ip_id = u16::try_from(round & 0xffff).unwrap_or(0);
        let segment =
            Segment { seq: sent, ack, ip_id, payload: &bytes, ..Segment::new(src, dst, flags) };
        let now = Instant::from_nanos(index as u64 * 1_000);
        recorder.record(now, Side::Outside, &segment.into_packet()).expect("memory has room");
    }
    recorder.finish().expect("memory has room")
}

fn diagnose(capture: &[u8]) -> Diagnosis {
    let mut points = Points::new(Limits::default(), 0);
    points.read(0, "", Source::open(capture).expect("the capture is whole"));
    points.diagnose()
}

#[divan::bench(args = [1_000, 20_000, 500_000], sample_count = 5, sample_size = 1)]
fn small_packets(bencher: Bencher<'_, '_>, flows: usize) {
    run(bencher, &capture(flows, 46));
}

#[divan::bench(args = [1_000, 20_000], sample_count = 5, sample_size = 1)]
fn full_packets(bencher: Bencher<'_, '_>, flows: usize) {
    run(bencher, &capture(flows, 1_400));
}

fn run(bencher: Bencher<'_, '_>, capture: &[u8]) {
    let packets = diagnose(capture).counts.packets;
    bencher
        .counter(ItemsCount::new(packets))
        .counter(BytesCount::new(capture.len()))
        .bench_local(|| black_box(diagnose(black_box(capture))));
}
