//! Files of other programs, read as Wireshark reads them.
//!
//! `reader/make.py` wrote the files with editcap, mergecap and text2pcap of Wireshark 4.0.17, from
//! a real capture, and `reader/expected.tsv` with what tshark read in them.

#![allow(clippy::disallowed_methods, reason = "a test reads the files in the tree")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use halfopen_capture::frame::{Direction, network_layer};
use halfopen_capture::pcap::{Link, Reader};
use halfopen_capture::{Limits, Points, Source};
use halfopen_core::hop::Side;
use halfopen_core::tap::{self, Config, Format, Recorder, Resolution};
use halfopen_core::time::Instant;
use halfopen_core::wire::View;
use halfopen_core::wire::tcp::{Flags, Segment};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader"))
}

fn file(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The 64-bit FNV-1a hash.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Returns the columns of `expected.tsv` for each frame that the reader finds.
fn rows(name: &str) -> Vec<String> {
    let bytes = file(name);
    let mut reader = Reader::new(&bytes[..]).expect("a capture");
    let mut rows = Vec::new();
    while let Some(frame) = reader.next().expect("a whole capture") {
        let at = frame.at.map_or("-".to_owned(), |at| at.as_nanos().to_string());
        let (wire_len, length, hash) = (frame.wire_len, frame.bytes.len(), fnv1a(frame.bytes));
        let (number, interface, link) = (frame.number, frame.interface, frame.link.0);
        let columns = format!("{interface}\t{link}\t{wire_len}\t{length}\t{hash:016x}");
        rows.push(format!("{name}\t{number}\t{at}\t{columns}"));
    }
    rows
}

#[test]
fn the_reader_sees_what_tshark_sees() {
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let table = fs::read_to_string(folder().join("expected.tsv")).unwrap();
    for row in table.lines() {
        expected.entry(row.split_once('\t').unwrap().0).or_default().push(row);
    }
    assert_eq!(expected.len(), 10);
    for (name, expected) in expected {
        assert_eq!(rows(name), expected, "{name}");
    }
}

#[test]
fn one_capture_has_the_same_packets_in_every_format() {
    let packets = |name: &str| {
        let bytes = file(name);
        let mut reader = Reader::new(&bytes[..]).unwrap();
        let mut packets = Vec::new();
        while let Some(frame) = reader.next().unwrap() {
            let layer = network_layer(frame.link, frame.bytes, frame.wire_len).unwrap();
            let view = View::parse(layer.bytes, layer.wire_len).unwrap();
            packets.push((view.flow().unwrap(), view.tcp().unwrap(), view.payload_len()));
        }
        packets
    };
    let plain = packets("micros.pcap");
    assert_eq!(plain.len(), 17);
    let alike = ["nanos.pcap", "cut.pcap", "kuznetzov.pcap", "plain.pcapng"];
    for name in alike.into_iter().chain(["cooked1.pcapng", "cooked2.pcapng"]) {
        assert!(packets(name) == plain, "{name}");
    }
    assert!(packets("sections.pcapng") == [&plain[..], &plain[..]].concat());
}

#[test]
fn cooked_captures_tell_which_way_each_packet_went() {
    for (name, link) in [("cooked1.pcapng", Link::LINUX_SLL), ("cooked2.pcapng", Link::LINUX_SLL2)]
    {
        let bytes = file(name);
        let mut reader = Reader::new(&bytes[..]).unwrap();
        while let Some(frame) = reader.next().unwrap() {
            let layer = network_layer(frame.link, frame.bytes, frame.wire_len).unwrap();
            let view = View::parse(layer.bytes, layer.wire_len).unwrap();
            let from_client = view.src().to_string() == "10.78.2.1";
            let expected = if from_client { Direction::Outgoing } else { Direction::Incoming };
            assert_eq!((frame.link, layer.direction), (link, Some(expected)));
            assert_eq!(layer.interface, (link == Link::LINUX_SLL2).then_some(3));
        }
    }
}

#[test]
fn the_reader_sees_what_a_tap_saw() {
    let client = "[2001:db8::1]:40000".parse().unwrap();
    let server = "[2001:db8::2]:443".parse().unwrap();
    let packet = Segment { payload: b"hello", ..Segment::new(client, server, Flags::PSH) };
    let (packet, now) = (packet.into_packet(), Instant::from_nanos(1_000_002_003));
    for format in [Format::Pcap, Format::Pcapng] {
        for (resolution, nanos) in
            [(Resolution::Micros, 1_000_002_000), (Resolution::Nanos, 1_000_002_003)]
        {
            for link_type in [tap::LinkType::Raw, tap::LinkType::Ethernet] {
                let config = Config { format, resolution, link_type, ..Config::default() };
                let mut recorder = Recorder::new(Vec::new(), &config).unwrap();
                recorder.record(now, Side::Outside, &packet).unwrap();
                let bytes = recorder.finish().unwrap();
                let mut reader = Reader::new(&bytes[..]).unwrap();
                let frame = reader.next().unwrap().unwrap();
                let layer = network_layer(frame.link, frame.bytes, frame.wire_len).unwrap();
                assert_eq!(layer.bytes, packet.bytes(), "{config:?}");
                let epoch = Instant::EPOCH + tap::EPOCH;
                let since_epoch = frame.at.unwrap().saturating_since(epoch);
                assert_eq!(since_epoch.as_nanos(), nanos, "{config:?}");
            }
        }
    }
}

#[test]
fn evidence_of_several_captures_finds_its_frame_beside_blocks_that_are_no_packets() {
    let plain = file("plain.pcapng");
    let section = usize::from(plain[4]);
    let custom = [0xad, 0x0b, 0, 0, 16, 0, 0, 0, 9, 0, 0, 0, 16, 0, 0, 0].repeat(40);
    let bytes = [&plain[..section], &custom, &plain[section..]].concat();
    let mut points = Points::new(Limits::default(), 1);
    for capture in 0..2 {
        points.read(capture, "family", Source::open(&bytes[..]).unwrap());
    }
    assert_eq!(points.count(), 2);
    let diagnosis = points.diagnose();
    let flows = diagnosis.flows.iter().flat_map(|flow| &flow.evidence);
    let places: Vec<_> = flows.map(|evidence| points.place(evidence.frame)).collect();
    assert!(places.iter().all(|place| (41..=57).contains(&place.frame)), "{places:?}");
    assert!((0..2).all(|capture| places.iter().any(|place| place.capture == capture)));
}
