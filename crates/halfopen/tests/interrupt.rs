//! A capture without end: it takes bounded memory, and Ctrl-C gives what was found so far.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::io::{ErrorKind, Read, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use assert_cmd::cargo::cargo_bin;
use halfopen_core::hop::Side;
use halfopen_core::tap::{Config, Format, Recorder};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::tcp::{Flags, Segment};
use serde_json::Value;

const CONNECTIONS: u16 = 1_000;
/// So much is written before the program is interrupted, at least.
const WRITTEN_MIN: usize = 200 << 20;
/// What the program may take for it, in kB.
const MEMORY_MAX: u64 = 64 << 10;

/// Returns a capture in which some connections are opened and get a megabyte and a half.
fn capture() -> Vec<u8> {
    let config = Config { format: Format::Pcap, ..Config::default() };
    let mut recorder = Recorder::new(Vec::new(), &config).unwrap();
    let server = SocketAddr::from(([203, 0, 113, 7], 443));
    let payload = [0x2e; 1_400];
    for number in 0..CONNECTIONS {
        let client = SocketAddr::from(([10, 0, 0, 7], 10_000 + number));
        let segment = Segment { payload: &payload, ..Segment::new(server, client, Flags::ACK) };
        let at = Instant::EPOCH + Duration::from_micros(number.into());
        recorder.record(at, Side::Inside, &segment.into_packet()).unwrap();
    }
    recorder.finish().unwrap()
}

fn diagnose() -> Child {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.args(["diagnose", "--json", "-"]).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Returns the most memory that a process has had resident, in kB.
fn peak(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn interrupt(process: &Child) {
    let sent = Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn text(source: Option<impl Read>) -> String {
    let mut text = String::new();
    source.unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_capture_without_end_is_judged_in_bounded_memory_when_the_user_interrupts() {
    let mut child = diagnose();
    let mut stdin = child.stdin.take().unwrap();
    let (capture, mut written) = (capture(), 0);
    stdin.write_all(&capture[..24]).unwrap();
    while written < WRITTEN_MIN {
        stdin.write_all(&capture[24..]).unwrap();
        written += capture.len();
    }
    let peak = peak(&child);
    interrupt(&child);
    // It goes on until nobody reads any more.
    let endless = thread::spawn(move || {
        loop {
            if let Err(error) = stdin.write_all(&capture[24..]) {
                return error.kind();
            }
        }
    });

    let report: Value = serde_json::from_str(&text(child.stdout.take())).unwrap();
    let said = text(child.stderr.take());

    assert_eq!(child.wait().unwrap().code(), Some(0), "{said}");
    assert_eq!(endless.join().unwrap(), ErrorKind::BrokenPipe);
    assert!(said.contains("interrupted"), "{said}");
    let notes = report["captures"][0]["notes"][0].as_str().unwrap();
    assert!(notes.contains("interrupted after"), "{notes}");
    assert_eq!(report["counts"]["connections"], CONNECTIONS);
    assert!(peak < MEMORY_MAX, "{peak} kB");
}

#[test]
fn a_silent_source_can_be_interrupted_too() {
    let mut child = diagnose();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&capture()).unwrap();
    stdin.flush().unwrap();
    // More than the pipe holds was taken, so it listens; now it waits for what does not come.
    thread::sleep(Duration::from_millis(300));
    interrupt(&child);

    let report: Value = serde_json::from_str(&text(child.stdout.take())).unwrap();

    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(report["captures"][0]["frames"].as_u64() > Some(0), "{report}");
    drop(stdin);
}

/// A file system in memory has files without a name.
#[test]
fn what_is_killed_leaves_nothing_behind() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut command = Command::new(cargo_bin("halfopen"));
    command.current_dir(folder.path()).args(["diagnose", "--quiet", "--html", "page.html", "-"]);
    let mut process = command.stdin(Stdio::piped()).spawn().unwrap();
    // What it writes begins before it judges, and it reads no more than a megabyte ahead.
    let (capture, mut stdin) = (capture(), process.stdin.take().unwrap());
    stdin.write_all(&capture).unwrap();
    stdin.write_all(&capture[24..]).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
