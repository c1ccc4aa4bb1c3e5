//! Captures copied with remarks: the copy has the same frames, and a reader finds the remarks.

#![allow(clippy::disallowed_methods, reason = "a test reads the files in the tree")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::{fs, net::IpAddr};

use halfopen_capture::pcap::{AnnotateError, Reader, Remarks, annotate};
use halfopen_core::time::Instant;

const FILES: [&str; 10] = [
    "cooked1.pcapng",
    "cooked2.pcapng",
    "cut.pcap",
    "kuznetzov.pcap",
    "merged.pcapng",
    "micros.pcap",
    "nanos.pcap",
    "plain.pcapng",
    "sections.pcapng",
    "sections.pcapng.gz",
];

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader"));
    fs::read(folder.join(name)).unwrap()
}

/// A frame: number, time, interface, link, length on the wire, bytes.
type Row = (u64, Option<u64>, u32, u16, usize, Vec<u8>);

fn frames(capture: &[u8]) -> Vec<Row> {
    let mut reader = Reader::new(capture).unwrap();
    let mut rows = Vec::new();
    while let Ok(Some(frame)) = reader.next() {
        let at = frame.at.map(Instant::as_nanos);
        let link = (frame.interface, frame.link.0);
        rows.push((frame.number, at, link.0, link.1, frame.wire_len, frame.bytes.to_vec()));
    }
    rows
}

fn remarks(frames: &[u64]) -> Remarks {
    let names: [(IpAddr, String); 2] = [
        ("10.78.2.1".parse().unwrap(), "client".to_owned()),
        ("2001:db8::2".parse().unwrap(), "server".to_owned()),
    ];
    Remarks {
        capture: "what the whole shows".to_owned(),
        frames: frames.iter().map(|&frame| (frame, format!("remark on {frame}"))).collect(),
        names: names.to_vec(),
    }
}

fn copy(capture: &[u8], remarks: &Remarks, until: Option<u64>) -> (Vec<u8>, usize) {
    let mut copy = Vec::new();
    let unplaced = annotate(capture, &mut copy, remarks, until).unwrap();
    (copy, unplaced)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_copy_has_the_same_frames_at_the_same_times() {
    for name in FILES {
        let capture = file(name);
        let before = frames(&capture);
        let (copy, unplaced) = copy(&capture, &remarks(&[1, 5, 17]), None);
        assert_eq!(frames(&copy), before, "{name}");
        assert_eq!(unplaced, 0, "{name}");
        for text in ["remark on 1", "remark on 5", "remark on 17", "what the whole shows"] {
            assert!(contains(&copy, text), "{name}: {text}");
        }
    }
}

#[test]
fn a_copy_without_remarks_is_the_file_but_for_the_length_of_its_sections() {
    let capture = file("merged.pcapng");
    let (same, _) = copy(&capture, &Remarks::default(), None);
    let with_end = 4; // a section header without options gets their end
    assert!(same.len() - capture.len() <= with_end, "{} {}", same.len(), capture.len());
    assert_eq!(same[same.len() - 2_000..], capture[capture.len() - 2_000..]);
}

#[test]
fn a_copy_of_a_copy_keeps_the_remarks() {
    let (once, _) = copy(&file("plain.pcapng"), &remarks(&[3]), None);
    let (twice, _) = copy(&once, &remarks(&[4]), None);
    assert!(contains(&twice, "remark on 3") && contains(&twice, "remark on 4"));
    assert_eq!(frames(&twice), frames(&once));
}

#[test]
fn a_big_endian_capture_stays_one() {
    let word = |value: u32| value.to_be_bytes();
    let mut capture = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let length = u32::try_from(body.len() + 12).unwrap();
        capture.extend([&word(kind), &word(length), body, &word(length)].concat());
    };
    block(0x0a0d_0d0a, &[&word(0x1a2b_3c4d)[..], &[0, 1, 0, 0], &[0; 8]].concat());
    block(1, &[&[0, 101, 0, 0][..], &word(0)].concat());
    let packet = [word(0), word(0), word(7), word(3), word(60)].concat();
    block(6, &[&packet[..], b"abc\0"].concat());

    let (copy, unplaced) = copy(&capture, &remarks(&[1, 2]), None);

    assert_eq!(unplaced, 1, "there is no second frame");
    assert_eq!(frames(&copy), frames(&capture));
    assert_eq!(frames(&copy)[0].5, b"abc");
    assert!(contains(&copy, "remark on 1"));
}

#[test]
fn a_damaged_capture_is_copied_up_to_the_damage() {
    for name in ["micros.pcap", "plain.pcapng"] {
        let mut capture = file(name);
        let whole = frames(&capture);
        capture.truncate(capture.len() - 9);
        let judged = frames(&capture);
        let last = judged.last().unwrap().0;
        assert!(judged.len() < whole.len());
        let (copy, unplaced) = copy(&capture, &remarks(&[1, 17]), Some(last));
        assert_eq!((frames(&copy), unplaced), (judged, 1), "{name}");
        let failed = annotate(&capture[..], io::sink(), &remarks(&[]), None);
        assert!(matches!(failed, Err(AnnotateError::Read(_))), "{name}");
    }
}

#[test]
fn a_time_that_is_none_stays_none() {
    let mut capture = file("micros.pcap");
    capture[24 + 4..24 + 8].copy_from_slice(&2_000_000_u32.to_le_bytes());
    assert_eq!(frames(&capture)[0].1, None);
    assert_eq!(frames(&copy(&capture, &remarks(&[]), None).0), frames(&capture));
}

#[test]
fn a_remark_that_is_too_long_is_cut_between_characters() {
    let long = "ä".repeat(40_000);
    let frames_of = BTreeMap::from([(1, long)]);
    let long = Remarks { frames: frames_of, ..Remarks::default() };
    let capture = file("plain.pcapng");
    assert_eq!(frames(&copy(&capture, &long, None).0), frames(&capture));
}

#[test]
fn a_full_disk_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let failed = annotate(&file("micros.pcap")[..], Full, &remarks(&[1]), None);
    assert!(matches!(failed, Err(AnnotateError::Write(_))));
}
