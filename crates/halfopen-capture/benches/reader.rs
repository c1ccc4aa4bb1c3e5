//! How fast a capture is read: frames alone, and down to the flow of each packet.
//!
//! The captures are made in memory, so what is measured is the reader and not the disk.

use std::fmt;
use std::net::SocketAddr;
use std::sync::LazyLock;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use halfopen_capture::frame::network_layer;
use halfopen_capture::pcap::Reader;
use halfopen_core::hop::Side;
use halfopen_core::rng::Rng;
use halfopen_core::tap::{Config, Format, LinkType, Recorder};
use halfopen_core::time::Instant;
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::{Flags, Segment};

/// How large each capture is; larger than most caches.
const SIZE: usize = 64 << 20;
/// Different packets, which the capture repeats.
const FLOWS: usize = 20_000;

fn main() {
    divan::main();
}

/// A format, and the length of a frame.
#[derive(Clone, Copy, Debug)]
struct Case {
    format: Format,
    frame: usize,
    capture: &'static LazyLock<Vec<u8>>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} B", self.format, self.frame)
    }
}

static PCAP_SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| capture(Format::Pcap, 100));
static PCAP_FULL: LazyLock<Vec<u8>> = LazyLock::new(|| capture(Format::Pcap, 1400));
static PCAPNG_SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| capture(Format::Pcapng, 100));
static PCAPNG_FULL: LazyLock<Vec<u8>> = LazyLock::new(|| capture(Format::Pcapng, 1400));

const CASES: [Case; 4] = [
    Case { format: Format::Pcap, frame: 100, capture: &PCAP_SMALL },
    Case { format: Format::Pcap, frame: 1400, capture: &PCAP_FULL },
    Case { format: Format::Pcapng, frame: 100, capture: &PCAPNG_SMALL },
    Case { format: Format::Pcapng, frame: 1400, capture: &PCAPNG_FULL },
];

/// Writes a capture of Ethernet frames of `frame` bytes, many flows taking turns.
fn capture(format: Format, frame: usize) -> Vec<u8> {
    let mut rng = Rng::new(1);
    let payload = vec![0x2e; frame - 14 - 20 - 20];
    let server = SocketAddr::from(([203, 0, 113, 7], 443));
    let packets: Vec<_> = (0..FLOWS)
        .map(|_| {
            let [.., a, b, port_high, port_low] = rng.bits().to_be_bytes();
            let port = u16::from_be_bytes([port_high, port_low]);
            let client = SocketAddr::from(([10, 0, a, b], port));
            let flags = Flags::PSH | Flags::ACK;
            Segment { payload: &payload, ..Segment::new(client, server, flags) }.into_packet()
        })
        .collect();
    let config = Config { format, link_type: LinkType::Ethernet, ..Config::default() };
    let out = Vec::with_capacity(SIZE + 2 * frame);
    let mut recorder = Recorder::new(out, &config).expect("memory has room");
    for index in 0..SIZE / (frame + if format == Format::Pcap { 16 } else { 32 }) {
        let now = Instant::from_nanos(index as u64 * 1_000);
        recorder.record(now, Side::Outside, &packets[index % FLOWS]).expect("memory has room");
    }
    recorder.finish().expect("memory has room")
}

/// Reads all frames and returns how many there are.
fn frames(capture: &[u8]) -> u64 {
    let mut reader = Reader::new(capture).expect("a capture");
    let mut last = 0;
    while let Some(frame) = reader.next().expect("a whole capture") {
        black_box(frame.bytes);
        last = frame.number;
    }
    last
}

/// Reads all packets and returns how many bytes of payload they had.
fn packets(capture: &[u8]) -> usize {
    let mut reader = Reader::new(capture).expect("a capture");
    let mut payload = 0;
    while let Some(frame) = reader.next().expect("a whole capture") {
        let layer = network_layer(frame.link, frame.bytes, frame.wire_len).expect("an IP packet");
        let view = View::parse(layer.bytes, layer.wire_len).expect("a packet");
        black_box(&(view.flow(), view.tcp()));
        payload += view.payload_len();
    }
    payload
}

fn measure<T>(bencher: Bencher<'_, '_>, case: Case, read: fn(&[u8]) -> T) {
    let capture: &[u8] = case.capture;
    bencher
        .counter(BytesCount::new(capture.len()))
        .counter(ItemsCount::new(frames(capture)))
        .bench(|| read(capture));
}

#[divan::bench(args = CASES, sample_count = 30, sample_size = 1)]
fn frames_alone(bencher: Bencher<'_, '_>, case: Case) {
    measure(bencher, case, frames);
}

#[divan::bench(args = CASES, sample_count = 30, sample_size = 1)]
fn down_to_the_flow(bencher: Bencher<'_, '_>, case: Case) {
    measure(bencher, case, packets);
}
