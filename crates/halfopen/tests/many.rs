//! Many files at once: a rotation in gzip is read by several threads and judged as one capture,
//! whichever thread is first.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

const FILES: usize = 23;

fn capture() -> Vec<u8> {
    let path = "../../captures/bracket-nat350-requests/client.pcap";
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Cuts a capture into as many files of about as many frames each.
fn cut(whole: &[u8], files: usize) -> Vec<Vec<u8>> {
    let (header, mut left) = whole.split_at(24);
    let mut records = Vec::new();
    while !left.is_empty() {
        let captured = u32::from_le_bytes(left[8..12].try_into().unwrap()) as usize;
        let (record, behind) = left.split_at(16 + captured);
        records.push(record);
        left = behind;
    }
    let each = records.len().div_ceil(files);
    records.chunks(each).map(|records| [header, &records.concat()].concat()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Writes a rotation, one file in gzip after the other, and returns their names.
fn rotation(folder: &Path) -> Vec<PathBuf> {
    let files = cut(&capture(), FILES);
    let write = |(number, bytes): (usize, &Vec<u8>)| {
        let path = folder.join(format!("trace{number:03}.pcap.gz"));
        fs::write(&path, gzip(bytes)).unwrap();
        path
    };
    files.iter().enumerate().map(write).collect()
}

fn diagnose(files: &[PathBuf]) -> Output {
    let mut command = Command::cargo_bin("halfopen").unwrap();
    command.args(["diagnose", "--json"]).args(files).output().unwrap()
}

fn report(files: &[PathBuf]) -> Value {
    let output = diagnose(files);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn a_rotation_of_many_files_is_judged_as_one_capture() {
    let folder = tempfile::tempdir().unwrap();
    let files = rotation(folder.path());
    assert!(files.len() > 16, "{}", files.len());
    let whole = folder.path().join("whole.pcap");
    fs::write(&whole, capture()).unwrap();

    let (parts, whole) = (report(&files), report(&[whole]));

    let names = parts["captures"].as_array().unwrap().iter().map(|it| it["file"].as_str().unwrap());
    assert!(names.eq(files.iter().map(|path| path.to_str().unwrap())), "in the order as named");
    let fields = ["cause", "harm", "idle_limit", "failures", "connections", "requests", "because"];
    for field in fields {
        assert_eq!(parts["paths"][0][field], whole["paths"][0][field], "{field}");
    }
}

#[test]
fn who_is_read_first_does_not_change_a_byte() {
    let folder = tempfile::tempdir().unwrap();
    let files = rotation(folder.path());
    let first = diagnose(&files);
    for _ in 0..5 {
        assert_eq!(diagnose(&files), first);
    }
}

#[test]
fn a_file_that_breaks_off_among_many_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = rotation(folder.path());
    let bytes = fs::read(&files[9]).unwrap();
    fs::write(&files[9], &bytes[..bytes.len() - 12]).unwrap();
    let report = report(&files);
    for (place, capture) in report["captures"].as_array().unwrap().iter().enumerate() {
        let noted = !capture["notes"].as_array().unwrap().is_empty();
        assert_eq!(noted, place == 9, "{capture}");
    }
}
