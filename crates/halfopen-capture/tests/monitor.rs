//! Judged while it comes, a capture gets the verdict that it gets when it has been read.

#![allow(clippy::disallowed_methods, reason = "a test reads the captures in the tree")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use halfopen_capture::{Limits, Monitor, News, Patience, Tracker, frame, pcap};
use halfopen_core::cause::{Cause, Finding};
use halfopen_core::rng::Rng;
use halfopen_core::seq::Seq;
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::Packet;
use halfopen_core::wire::tcp::{Flags, Segment};

const STEP: Duration = Duration::from_millis(250);

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures")
}

fn packets(file: &Path) -> Vec<(Instant, Packet)> {
    let bytes = fs::read(file).unwrap();
    let mut reader = pcap::Reader::new(bytes.as_slice()).unwrap();
    let mut packets = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        let ip = frame::network_layer(frame.link, frame.bytes, frame.wire_len).unwrap();
        packets.push((frame.at.unwrap(), Packet::parse(ip.bytes.to_vec()).unwrap()));
    }
    packets
}

/// Lets time pass up to `until`, as a driver does that asks four times a second.
fn pass(monitor: &mut Monitor, now: &mut Instant, until: Instant, news: &mut Vec<News>) {
    while *now < until {
        monitor.settle(*now, news);
        *now = *now + STEP;
    }
}

/// Shows packets to a monitor, and gives it `after` to make up its mind.
fn watch(packets: &[(Instant, Packet)], after: Duration) -> (Monitor, Vec<News>) {
    let patience = Patience { idle: Duration::from_hours(2), ..Patience::default() };
    let mut monitor = Monitor::new(Limits::default(), patience, 0);
    let (mut now, mut news) = (packets[0].0, Vec::new());
    for (number, (at, packet)) in (1..).zip(packets) {
        pass(&mut monitor, &mut now, *at, &mut news);
        monitor.take(number, Some(*at), packet.view());
    }
    let end = packets.last().unwrap().0 + after;
    pass(&mut monitor, &mut now, end, &mut news);
    (monitor, news)
}

fn bad(findings: impl Iterator<Item = (String, Finding)>) -> Vec<(String, Finding)> {
    let mut bad: Vec<_> = findings.filter(|(_, one)| *one != Finding::Healthy).collect();
    bad.sort();
    bad
}

#[test]
fn what_is_judged_while_it_comes_is_judged_as_when_it_has_been_read() {
    let mut judged = 0;
    for entry in fs::read_dir(captures()).unwrap() {
        let file = entry.unwrap().path().join("client.pcap");
        if !file.exists() {
            continue;
        }
        let packets = packets(&file);
        let (monitor, news) = watch(&packets, Duration::from_hours(3));
        let mut tracker = Tracker::new(Limits::default(), 0);
        for (number, (at, packet)) in (1..).zip(&packets) {
            tracker.take(number, Some(*at), packet.view());
        }
        let read = tracker.diagnose();

        let told = news.iter().filter_map(|news| match news {
            News::Ended { verdict, .. } => Some((verdict.flow.to_string(), verdict.finding)),
            News::Survived { .. } | News::Narrowed { .. } => None,
        });
        let known = read.flows.iter().map(|one| (one.flow.to_string(), one.finding));
        assert_eq!(bad(told), bad(known), "{}", file.display());
        for (watched, read) in monitor.paths().iter().zip(&read.paths) {
            let name = file.display();
            assert_eq!(watched.cause, read.cause, "{name}: {watched:#?}");
            assert_eq!((watched.survived, watched.died), (read.survived, read.died), "{name}");
            assert_eq!((watched.failures, watched.masked), (read.failures, read.masked), "{name}");
            assert_eq!(watched.because, read.because, "{name}");
        }
        assert_eq!(monitor.paths().len(), read.paths.len(), "{}", file.display());
        assert_eq!(monitor.holdings().connections, 0, "{}: all are over", file.display());
        judged += 1;
    }
    assert!(judged >= 14, "{judged} captures");
}

#[test]
fn the_limit_of_a_path_is_told_as_it_narrows() {
    let file = captures().join("bracket-nat350-requests/client.pcap");
    let (monitor, news) = watch(&packets(&file), Duration::from_mins(5));
    let brackets = news.iter().filter_map(|news| match news {
        News::Narrowed { survived, died, .. } => Some((survived.unwrap_or_default(), *died)),
        News::Ended { .. } | News::Survived { .. } => None,
    });
    let brackets: Vec<_> = brackets.collect();
    let widths: Vec<_> = brackets.iter().map(|(survived, died)| died.abs_diff(*survived)).collect();
    assert!(!widths.is_empty() && widths.is_sorted_by(|wide, narrow| wide > narrow), "{widths:?}");
    let [path] = monitor.paths().try_into().unwrap();
    assert_eq!(brackets.last().copied(), path.survived.zip(path.died));
    let survived = news.iter().filter(|news| matches!(news, News::Survived { .. })).count();
    assert!(survived > 0, "pauses survived are told too");
}

#[test]
fn an_idle_connection_is_at_risk_from_the_limit_that_its_user_gives() {
    let client = SocketAddr::from(([10, 0, 0, 7], 40_000));
    let server = SocketAddr::from(([203, 0, 113, 9], 443));
    let patience = Patience { limit: Some(Duration::from_mins(5)), ..Patience::default() };
    let mut monitor = Monitor::new(Limits::default(), patience, 0);
    let start = Instant::EPOCH + Duration::from_hours(1);
    for (src, dst, flags) in [
        (client, server, Flags::SYN),
        (server, client, Flags::SYN | Flags::ACK),
        (client, server, Flags::ACK),
    ] {
        let packet = Segment { seq: Seq(1), ..Segment::new(src, dst, flags) }.into_packet();
        monitor.take(1, Some(start), packet.view());
    }
    monitor.settle(start + Duration::from_secs(299), &mut Vec::new());
    assert_eq!(monitor.at_risk().count(), 0);
    monitor.settle(start + Duration::from_mins(5), &mut Vec::new());
    assert_eq!(monitor.at_risk().collect::<Vec<_>>(), [(server, 1)]);
    assert_eq!(monitor.holdings().connections, 1, "it is not forgotten");
}

#[test]
fn a_flood_of_connections_is_borne_and_what_is_let_go_is_counted() {
    let limits = Limits { flows: 10_000, paths: 100 };
    let mut monitor = Monitor::new(limits, Patience::default(), 0);
    let (mut rng, mut news) = (Rng::new(7_125), Vec::new());
    let mut any = |bound: u64| u32::try_from(rng.below(bound)).unwrap();
    let mut now = Instant::EPOCH + Duration::from_hours(1);
    let mut settled = now;
    for number in 1..=400_000 {
        now = now + Duration::from_micros(500);
        let client = Ipv4Addr::from(0x0a00_0000 | any(1 << 20));
        let server = Ipv4Addr::from(0xcb00_7100 | any(1 << 12));
        let (src, dst) = (SocketAddr::from((client, 999)), SocketAddr::from((server, 80)));
        let flags = [Flags::SYN, Flags::ACK][usize::from(any(4) == 0)];
        let segment = Segment { seq: Seq(any(1 << 32)), ..Segment::new(src, dst, flags) };
        monitor.take(number, Some(now), segment.into_packet().view());
        if now.saturating_since(settled) >= STEP {
            monitor.settle(now, &mut news);
            settled = now;
        }
    }
    let (counts, holdings) = (monitor.counts(), monitor.holdings());
    assert!(holdings.connections <= limits.flows && holdings.paths <= limits.paths);
    assert!(holdings.evicted > 0, "{holdings:?}");
    assert_eq!(counts.segments, 400_000);
    let blamed: Vec<_> =
        monitor.paths().into_iter().filter(|path| path.cause != Cause::None).collect();
    assert!(blamed.is_empty(), "{blamed:#?}");
    assert!(news.is_empty(), "{news:?}");
}

#[test]
fn servers_come_and_go_for_ever() {
    let limits = Limits { flows: 1_000, paths: 100 };
    let mut monitor = Monitor::new(limits, Patience::default(), 0);
    let client = SocketAddr::from(([10, 0, 0, 7], 40_000));
    let (mut now, mut news) = (Instant::EPOCH + Duration::from_hours(1), Vec::new());
    for number in 1..=1_000_u32 {
        let server = SocketAddr::from((Ipv4Addr::from(0xcb00_7100 | number), 443));
        let refusal = Segment { ack: Seq(1), ..Segment::new(server, client, Flags::RST) };
        for segment in [Segment::new(client, server, Flags::SYN), refusal] {
            monitor.take(number.into(), Some(now), segment.into_packet().view());
        }
        let later = now + Duration::from_secs(1);
        pass(&mut monitor, &mut now, later, &mut news);
    }
    let (counts, holdings) = (monitor.counts(), monitor.holdings());
    assert_eq!((counts.connections, counts.untracked), (1_000, 0));
    assert!(holdings.evicted_paths >= 900 && holdings.evicted == 0, "{holdings:?}");
    assert!(news.len() > 980, "{} of them are over", news.len());
}
