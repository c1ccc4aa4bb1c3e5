//! A capture that is handed over in stretches, whoever keeps them for how long, is judged as one
//! that is read packet by packet.

#![allow(clippy::disallowed_methods, reason = "a test reads the captures in the tree")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::VecDeque;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use halfopen_capture::{Diagnosis, Limits, Points, Source, Stretch, Supply, Tracker, frame, pcap};
use halfopen_core::hop::Side;
use halfopen_core::rng::Rng;
use halfopen_core::tap::{Config, Format, Recorder};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::{Flags, Segment};

/// Stretches that were all read before the first is judged.
struct Kept {
    stretches: VecDeque<Stretch>,
    current: Stretch,
}

impl Supply for Kept {
    fn supply(&mut self) -> Option<&mut Stretch> {
        self.current = self.stretches.pop_front()?;
        Some(&mut self.current)
    }
}

/// A source that gives as many bytes at a time as it likes.
struct Trickle<'a> {
    bytes: &'a [u8],
    rng: Rng,
}

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = 1 + self.rng.index(3_000);
        let length = into.len().min(most);
        self.bytes.read(&mut into[..length])
    }
}

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures");
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut captures: Vec<PathBuf> = folders.map(|folder| folder.join("client.pcap")).collect();
    captures.retain(|path| path.is_file());
    captures.sort();
    captures
}

fn judge(supply: impl Supply) -> Diagnosis {
    let mut points = Points::new(Limits::default(), 7);
    let summary = points.read(0, "", supply);
    assert!(summary.broken.is_none() && !summary.stopped, "{summary:?}");
    points.diagnose()
}

/// Reads all before anything is judged.
fn keep(mut source: Source<impl Read>) -> Kept {
    let mut stretches = VecDeque::new();
    let mut stretch = Stretch::default();
    while source.fill(&mut stretch) {
        stretches.push_back(core::mem::take(&mut stretch));
    }
    Kept { stretches, current: Stretch::default() }
}

/// Takes one packet after the other.
fn judge_singly(bytes: &[u8]) -> Diagnosis {
    let mut reader = pcap::Reader::new(bytes).unwrap();
    let mut tracker = Tracker::new(Limits::default(), 7);
    while let Some(frame) = reader.next().unwrap() {
        let ip = frame::network_layer(frame.link, frame.bytes, frame.wire_len);
        if let Some(view) = ip.ok().and_then(|ip| View::parse(ip.bytes, ip.wire_len).ok()) {
            tracker.take(frame.number, frame.at, view);
        }
    }
    tracker.diagnose()
}

#[track_caller]
fn assert_all_agree(bytes: &[u8], what: &str) {
    let singly = format!("{:?}", judge_singly(bytes));
    assert_eq!(format!("{:?}", judge(Source::open(bytes).unwrap())), singly, "{what}");
    assert_eq!(format!("{:?}", judge(keep(Source::open(bytes).unwrap()))), singly, "{what}, kept");
    let trickle = Trickle { bytes, rng: Rng::new(11) };
    let kept = keep(Source::open(trickle).unwrap());
    assert_eq!(format!("{:?}", judge(kept)), singly, "{what}, in drops");
}

#[test]
fn every_capture_is_judged_the_same_however_it_is_handed_over() {
    let captures = captures();
    assert!(captures.len() > 20, "{}", captures.len());
    for path in captures {
        assert_all_agree(&fs::read(&path).unwrap(), &path.display().to_string());
    }
}

#[test]
fn a_long_capture_is_judged_the_same_however_it_is_handed_over() {
    for format in [Format::Pcap, Format::Pcapng] {
        let config = Config { format, ..Config::default() };
        let mut recorder = Recorder::new(Vec::new(), &config).unwrap();
        let mut rng = Rng::new(3);
        let server = "203.0.113.7:443".parse().unwrap();
        let payload = [0x2e; 1_400];
        for number in 0..3_000_u32 {
            let port = 10_000 + u16::try_from(rng.below(60)).unwrap();
            let client = std::net::SocketAddr::from(([10, 0, 0, 7], port));
            let payload = &payload[..rng.index(1_400)];
            let (src, dst) = if rng.chance(0.5) { (client, server) } else { (server, client) };
            let flags = *rng.pick(&[Flags::ACK, Flags::PSH | Flags::ACK, Flags::FIN | Flags::ACK]);
            let segment = Segment { payload, ..Segment::new(src, dst, flags) };
            let at = Instant::EPOCH + Duration::from_millis(u64::from(number) * 700);
            recorder.record(at, Side::Inside, &segment.into_packet()).unwrap();
        }
        let bytes = recorder.finish().unwrap();
        assert!(bytes.len() > 1 << 20, "{}", bytes.len());
        assert_all_agree(&bytes, "a long capture");
    }
}
