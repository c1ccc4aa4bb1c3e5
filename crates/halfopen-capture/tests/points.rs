//! Two captures of one path: how far their clocks differ, and where requests were lost.

#![allow(clippy::disallowed_methods, reason = "a test reads the captures in the tree")]
#![allow(clippy::disallowed_types, reason = "a test reads the captures in the tree")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use halfopen_capture::{Crossing, Fate, Limits, Points, Source, frame, pcap};
use halfopen_core::time::{Duration, Instant};

const SECOND: u64 = 1_000_000_000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures").join(name)
}

/// Returns the captures of which both sides are kept.
fn pairs() -> Vec<String> {
    let folders = fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap());
    let both = folders.filter(|it| it.path().join("server-side.pcap.gz").exists());
    let mut names: Vec<String> = both.map(|it| it.file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 13, "{names:?}");
    names
}

/// Returns a capture, its times changed, in nanoseconds.
fn timed(path: &Path, change: impl Fn(u64) -> u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = File::open(path).unwrap();
    if path.extension().is_some_and(|it| it == "gz") {
        MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    } else {
        { file }.read_to_end(&mut bytes).unwrap();
    }
    let mut reader = pcap::Reader::new(bytes.as_slice()).unwrap();
    // Nanoseconds and LINKTYPE_RAW.
    let mut out: Vec<u8> = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 101]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    while let Some(frame) = reader.next().unwrap() {
        let ip = frame::network_layer(frame.link, frame.bytes, frame.wire_len).unwrap();
        let at = change(frame.at.unwrap().as_nanos());
        let lengths = [ip.bytes.len(), ip.wire_len].map(|it| it as u64);
        let header = [at / SECOND, at % SECOND, lengths[0], lengths[1]];
        out.extend(header.into_iter().flat_map(|it| u32::try_from(it).unwrap().to_le_bytes()));
        out.extend(ip.bytes);
    }
    out
}

/// Reads both sides of a capture, the far side by another clock.
fn both_sides(name: &str, clock: impl Fn(u64) -> u64) -> Points {
    let near = timed(&folder(name).join("client.pcap"), |at| at);
    let far = timed(&folder(name).join("server-side.pcap.gz"), clock);
    let mut sources: Vec<(usize, Source<&[u8]>)> = [&near, &far]
        .into_iter()
        .map(|it| Source::open(it.as_slice()).unwrap())
        .enumerate()
        .collect();
    sources.sort_by_key(|(_, source)| source.starts());
    let mut points = Points::new(Limits::default(), 1).compared();
    for (capture, source) in sources {
        points.read(capture, &format!("side {capture}"), source);
    }
    points
}

#[test]
fn the_clocks_of_both_sides_of_a_box_are_told_apart() {
    for name in pairs() {
        for ahead in [-3_600_500_000_000_i64, -7_000_000, 0, 12_000_000, 86_400_000_000_000] {
            let points = both_sides(&name, |at| at.checked_add_signed(ahead).unwrap());
            let [Some(one), Some(other)] = points.clocks(2)[..] else {
                panic!("{name} {ahead}: {:?}", points.clocks(2))
            };
            assert_eq!((one.nanos, one.error), (0, Duration::ZERO), "{name}");
            let wrong = Duration::from_nanos(other.nanos.abs_diff(ahead));
            assert!(wrong <= other.error, "{name} {ahead}: {other:?}");
            // The link takes 20 ms on the way to one server and 40 ms to another.
            let far = ["keepalive-race", "loss"].iter().any(|it| name.starts_with(it));
            let error_max = Duration::from_micros(if far { 41_000 } else { 100 });
            assert!(other.error <= error_max, "{name} {ahead}: {other:?}");
        }
    }
}

#[test]
fn a_clock_that_gains_is_followed() {
    for name in ["incident-nat350-alb1800-resttemplate", "bracket-nat350-requests"] {
        // 50 millionths, as a bad quartz does.
        let clock = |at: u64| at / 20_000 + at;
        let points = both_sides(name, clock);
        let ahead = points.clocks(2)[1].unwrap();
        let drift = ahead.drift_ppm.unwrap();
        assert!((drift - 50.0).abs() < 2.0, "{name}: {ahead:?}");
        let start = ahead.when.as_nanos();
        for passed in [0, 600, 1_800] {
            let at = start + passed * SECOND;
            let back = ahead.put(Instant::from_nanos(clock(at))).as_nanos();
            assert!(back.abs_diff(at) < 5_000_000, "{name} {passed}: {back} {at} {ahead:?}");
        }
    }
}

/// Returns how many requests never came, came, and were answered in vain.
fn fates(crossings: &[Crossing]) -> [usize; 3] {
    [Fate::NeverCame, Fate::Came, Fate::AnswerLost]
        .map(|fate| crossings.iter().filter(|it| it.fate == fate).count())
}

#[test]
fn each_request_without_a_response_is_followed_to_where_it_was_lost() {
    let mut found = Vec::new();
    for name in pairs() {
        let points = both_sides(&name, |at| at + 3 * SECOND);
        let crossings = points.crossings();
        assert!(crossings.iter().all(|it| it.captures == [0, 1]), "{name}: {crossings:?}");
        let fates = fates(&crossings);
        if fates != [0; 3] {
            found.push((name, fates));
        }
    }
    // Of those that cross the server's FIN, some are sent before it passes the far point.
    let known = [
        ("bracket-nat350-requests", [3, 0, 0]),
        ("incident-nat350-alb1800-resttemplate", [2, 0, 0]),
        ("keepalive-race-requests5", [0, 4, 0]),
        ("silent30-go", [2, 0, 0]),
        ("slow-response-nat8-requests", [0, 0, 2]),
        ("state-loss-nat-flush-resttemplate", [1, 0, 0]),
    ];
    assert_eq!(found, known.map(|(name, fates)| (name.to_owned(), fates)));
}

#[test]
fn a_capture_that_ended_before_a_request_says_nothing_of_it() {
    let name = "bracket-nat350-requests";
    let near = timed(&folder(name).join("client.pcap"), |at| at);
    let far = timed(&folder(name).join("server-side.pcap.gz"), |at| at);
    // All but the last connections, which are opened after the first request is lost.
    let cut = &far[..far.len() * 6 / 10];
    let mut points = Points::new(Limits::default(), 1).compared();
    points.read(0, "near", Source::open(near.as_slice()).unwrap());
    points.read(1, "far", Source::open(cut).unwrap());
    assert!(points.clocks(2)[1].is_some());
    assert_eq!(fates(&points.crossings()), [0, 0, 0]);
}

#[test]
fn captures_of_other_traffic_have_nothing_in_common() {
    let one = timed(&folder("healthy-warm-requests").join("client.pcap"), |at| at);
    let other = timed(&folder("silent30-go").join("client.pcap"), |at| at);
    let mut points = Points::new(Limits::default(), 1).compared();
    points.read(0, "one", Source::open(one.as_slice()).unwrap());
    points.read(1, "other", Source::open(other.as_slice()).unwrap());
    assert_eq!(points.clocks(2)[1], None);
    assert!(points.crossings().is_empty());
}
