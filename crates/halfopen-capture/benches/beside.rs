//! The same capture read by this crate, by tcptrace and by tshark: how fast, and in how much
//! memory.
//!
//! Each runs by itself as a process that this one watches, one after the other; this crate's is
//! this very program, called again with the capture's name. The capture is written anew from a
//! seed, 100,000 connections into the target folder, and removed at the end. To have one for other
//! measurements: `cargo bench -p halfopen-capture --bench beside -- write FILE CONNECTIONS`.

#![allow(clippy::disallowed_types, reason = "a benchmark writes a file and runs other programs")]
#![allow(clippy::disallowed_methods, reason = "it also watches them and takes the time")]
#![allow(clippy::print_stdout, reason = "it says what it measured")]

#[path = "beside/process.rs"]
mod process;
#[path = "beside/traffic.rs"]
mod traffic;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;
use std::process::{Command, ExitCode};

use halfopen_capture::{Limits, Points, Source};
use process::Run;

const FLOWS: u32 = 100_000;
/// When the benchmark is only to be tried.
const FLOWS_TRIED: u32 = 500;
const SEED: u64 = 20;

/// Another program that tells the conversations of a capture.
struct Tool {
    name: &'static str,
    /// What comes before the capture's name.
    args: &'static [&'static str],
    /// What comes after it.
    rest: &'static [&'static str],
    install: &'static str,
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "tcptrace",
        args: &["-n"],
        rest: &[],
        install: "apt-get install tcptrace (Debian)",
    },
    Tool {
        name: "tshark",
        args: &["-n", "-r"],
        rest: &["-q", "-z", "conv,tcp"],
        install: "apt-get install tshark (Debian)",
    },
];

fn main() -> ExitCode {
    let args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    match run(&args.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> io::Result<()> {
    match args {
        [verb, capture] if verb == "diagnose" => diagnose(Path::new(capture)),
        [verb, capture, flows] if verb == "write" => {
            write(Path::new(capture), flows.parse().map_err(io::Error::other)?).map(drop)
        }
        args => compare(if args.iter().any(|arg| arg == "--test") { FLOWS_TRIED } else { FLOWS }),
    }
}

/// Writes a capture and returns how many packets it has.
fn write(capture: &Path, flows: u32) -> io::Result<usize> {
    traffic::write(BufWriter::new(File::create(capture)?), flows, SEED)
}

/// Reads and judges a capture as the command does.
fn diagnose(capture: &Path) -> io::Result<()> {
    let source = Source::open(File::open(capture)?).map_err(io::Error::other)?;
    let mut points = Points::new(Limits::default(), 0);
    points.read(0, "", source);
    let diagnosis = points.diagnose();
    println!("{} connections", diagnosis.counts.connections);
    Ok(())
}

fn compare(flows: u32) -> io::Result<()> {
    let capture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside.pcap");
    let packets = write(&capture, flows)?;
    let megabytes = fs::metadata(&capture)?.len() / 1_000_000;
    println!("{packets} packets of {flows} connections, {megabytes} MB, seed {SEED}\n");
    println!("{:22} {:>8} {:>10} {:>12} {:>9}", "", "wall", "processor", "packets/s", "peak");
    let result = measure_all(&capture, packets);
    fs::remove_file(&capture)?;
    result
}

fn measure_all(capture: &Path, packets: usize) -> io::Result<()> {
    let mut this = Command::new(std::env::current_exe()?);
    let own = process::run(this.arg("diagnose").arg(capture))?;
    show("halfopen-capture", packets, &own, &own);
    for Tool { name, args, rest, install } in TOOLS {
        match process::run(Command::new(name).args(args).arg(capture).args(rest)) {
            Ok(run) => show(&[&[name], rest].concat().join(" "), packets, &run, &own),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                println!("{name:22} is not installed: {install}");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Says what a program took. Packets are counted for each second of processor time, for other work
/// on the machine stretches the rest.
#[expect(clippy::cast_precision_loss, reason = "a handful of digits is shown")]
fn show(name: &str, packets: usize, run: &Run, own: &Run) {
    let Run { wall, processor, peak_kb } = run;
    let rate = packets as f64 / processor.as_secs_f64().max(0.01);
    let times = processor.as_secs_f64() / own.processor.as_secs_f64().max(0.01);
    println!(
        "{name:22} {:>6.2} s {:>8.2} s {rate:>12.0} {:>6} MB   {times:.1} times this crate's",
        wall.as_secs_f64(),
        processor.as_secs_f64(),
        peak_kb / 1_000,
    );
}
