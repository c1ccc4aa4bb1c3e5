//! What an idle connection takes: the memory for many that are opened, used once and kept.
//!
//! The capture is made while it is read and is nowhere as a whole. Says how much the resident
//! memory of the process grew to at most, the verdicts included: `cargo bench -p halfopen-capture
//! --bench idle -- 10000000` for ten million instead of one.

#![allow(clippy::disallowed_methods, reason = "a benchmark looks at its own process")]
#![allow(clippy::print_stdout, reason = "it says what it measured")]

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};

use halfopen_capture::{Limits, Points, Source};
use halfopen_core::hop::Side;
use halfopen_core::seq::Seq;
use halfopen_core::tap::{Config, Format, Recorder};
use halfopen_core::time::Instant;
use halfopen_core::wire::tcp::{Flags, Segment};

const CONNECTIONS: u32 = 1_000_000;
/// When the benchmark is only to be tried.
const CONNECTIONS_TRIED: u32 = 1_000;
const SERVERS: u32 = 64;

/// A capture that is made as it is read.
struct Made {
    next: u32,
    connections: u32,
    chunk: io::Cursor<Vec<u8>>,
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let tried = args.iter().any(|arg| arg == "--test");
    let asked = args.iter().find_map(|arg| arg.parse().ok());
    let connections = if tried { CONNECTIONS_TRIED } else { asked.unwrap_or(CONNECTIONS) };

    let before = resident("VmRSS:")?;
    let flows = usize::try_from(connections).unwrap_or(usize::MAX);
    let mut points = Points::new(Limits { flows, ..Limits::default() }, 0);
    let made = Made { next: 0, connections, chunk: io::Cursor::default() };
    points.read(0, "", Source::open(made).map_err(io::Error::other)?);
    let diagnosis = points.diagnose();

    let kilobytes = resident("VmHWM:")? - before;
    let each = kilobytes * 1_024 / u64::from(connections);
    assert_eq!(diagnosis.counts.connections, u64::from(connections));
    println!("{connections} idle connections: {} MB, {each} bytes each", kilobytes / 1_000);
    Ok(())
}

/// Returns a line of this process's status (proc(5)), in kB.
fn resident(name: &str) -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other("the kernel does not say"))
}

impl Read for Made {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.chunk.read(into)?;
        if read > 0 || self.next == self.connections {
            return Ok(read);
        }
        self.chunk = io::Cursor::new(self.make()?);
        self.chunk.read(into)
    }
}

impl Made {
    /// Makes the packets of the next connections: opened, a request and a response.
    fn make(&mut self) -> io::Result<Vec<u8>> {
        let config = Config { format: Format::Pcap, ..Config::default() };
        let mut recorder = Recorder::new(Vec::new(), &config)?;
        let first = self.next == 0;
        let last = self.connections.min(self.next + 100);
        for number in self.next..last {
            let (client, server) = ends(number);
            let (syn, ack) = (Flags::SYN, Flags::ACK);
            let data = |src, dst, ack| Segment {
                seq: Seq(1),
                ack: Seq(ack),
                payload: &[0x2e; 100],
                ..Segment::new(src, dst, Flags::PSH | Flags::ACK)
            };
            let segments = [
                Segment::new(client, server, syn),
                Segment { ack: Seq(1), ..Segment::new(server, client, syn | ack) },
                data(client, server, 1),
                data(server, client, 101),
            ];
            for (step, segment) in (0..).zip(segments) {
                let at = u64::from(number) * 10_000 + step * 1_000;
                recorder.record(Instant::from_nanos(at), Side::Outside, &segment.into_packet())?;
            }
        }
        self.next = last;
        let mut bytes = recorder.finish()?;
        if !first {
            bytes.drain(..24);
        }
        Ok(bytes)
    }
}

fn ends(number: u32) -> (SocketAddr, SocketAddr) {
    let port = u16::try_from(number % 60_000).unwrap_or(0) + 1_024;
    let client = Ipv4Addr::from(0x0a00_0000 + number / 60_000);
    let server = Ipv4Addr::from(0xcb00_7100 + number % SERVERS);
    (SocketAddr::from((client, port)), SocketAddr::from((server, 443)))
}
