//! A log whose times count from its program's start, beside a capture that knows the day.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a test reads files")]

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use halfopen_capture::{Limits, Points, Source};
use halfopen_core::cause::Cause;
use halfopen_diagnosis::{Judgement, Logs};
use halfopen_logs::Lines;
use halfopen_logs::reader::Epoch;
use halfopen_logs::stamp::{self, Moment};

/// When the program is said to have started, in milliseconds.
const STARTED: u64 = 1_795_333_500_000;

const INCIDENT: &str = "incident-nat350-alb1800-resttemplate";
/// Its requests do not come at regular times, so that only one offset fits.
const FLUSHED: &str = "state-loss-nat-flush-resttemplate";

fn file(folder: &str, name: &str) -> File {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures");
    File::open(captures.join(folder).join(name)).unwrap()
}

/// Returns a client's log as a layout of `%r [thread] level logger - message` would have
/// written it.
fn relative(folder: &str) -> String {
    let mut lines = Lines::new(file(folder, "client.log.gz")).unwrap();
    let mut out = String::new();
    while let Some(line) = lines.next().unwrap() {
        let line = line.text();
        let found = stamp::find(&line).map(|found| (found.moment, found.end));
        if let Some((Moment::Dated(stamp), end)) = found {
            let since = stamp.at.as_nanos() / 1_000_000 - STARTED;
            writeln!(out, "{since} [main]{}", &line[end..]).unwrap();
        } else {
            writeln!(out, "{line}").unwrap();
        }
    }
    out
}

fn judge(folder: &str, capture: bool) -> Judgement {
    let log = relative(folder);
    let mut points = Points::new(Limits::default(), 1).compared();
    if capture {
        points.read(0, "", Source::open(file(folder, "client.pcap")).unwrap());
    }
    let mut logs = Logs::new();
    let form = halfopen_logs::recognise(log.as_bytes()).expect("the form is known");
    let mut bytes = log.as_bytes();
    let bytes: &mut dyn Read = &mut bytes;
    logs.read(form, Lines::new(bytes).unwrap());
    assert_eq!(logs.list()[0].summary.epoch, Epoch::Start);
    halfopen_diagnosis::judge(&points, usize::from(capture), logs.list())
}

#[test]
fn pauses_are_known_though_the_day_is_not() {
    let judgement = judge(INCIDENT, false);
    let [path] = &*judgement.paths else { panic!("{:?}", judgement.paths) };
    assert_eq!(path.failures, 2, "{path:#?}");
    assert!(matches!(path.cause, Cause::IdleExpiry | Cause::Inconclusive), "{path:#?}");
    let pause = path.evidence.iter().find(|seen| seen.fact.contains("1200 s"));
    assert!(pause.is_some(), "{path:#?}");
}

#[test]
fn a_capture_of_the_same_requests_says_when_the_program_was_started() {
    let judgement = judge(FLUSHED, true);
    let offset = judgement.log_offsets[0].expect("the log's time is found");
    let started = -offset.0 / 1_000_000;
    assert!(started.abs_diff(STARTED.try_into().unwrap()) < 100, "{started}");
    let [path] = &*judgement.paths else { panic!("{:?}", judgement.paths) };
    assert_eq!(path.cause, Cause::StateLoss, "{path:#?}");
}
