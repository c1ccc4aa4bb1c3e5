//! Tables of sockets that were taken beside real captures.

#![expect(clippy::unwrap_used, reason = "a test")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "reads captures")]

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;

use halfopen_core::time::{Duration, Instant};
use halfopen_logs::record::{Dating, Record, Socket, SocketState, What};
use halfopen_logs::{Lines, Summary, recognise};

fn captures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../captures")
}

fn read(name: &str) -> (Vec<Record>, Summary) {
    let mut file = File::open(captures().join(name).join("ss.log.gz")).unwrap();
    let mut lines = Lines::new(&mut file as &mut dyn Read).unwrap();
    let form = recognise(lines.peek().unwrap()).unwrap();
    assert_eq!(form.name, "ss");
    let mut records = Vec::new();
    let summary = (form.read)(lines, &mut |record| records.push(record));
    (records, summary)
}

/// The rows, each with its time.
fn sockets(records: &[Record]) -> impl Iterator<Item = (Instant, &Socket)> {
    records.iter().filter_map(|record| {
        if let What::Socket(socket) = &record.what { Some((record.at, socket)) } else { None }
    })
}

#[test]
fn every_table_is_read_to_the_last_line() {
    let mut count = 0;
    for folder in fs::read_dir(captures()).unwrap() {
        let path = folder.unwrap().path();
        if !path.join("ss.log.gz").exists() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (records, summary) = read(&name);
        assert_eq!((summary.unread, summary.unread_first), (0, None), "{name}");
        assert!(summary.broken.is_none() && !summary.zone_assumed, "{name}");
        assert_ne!(records, [], "{name}");
        for record in &records {
            let dated = record.what == What::Snapshot(Dating::Stated);
            assert!(dated || matches!(record.what, What::Socket(_)), "{name}: {record:?}");
        }
        assert!(records.is_sorted_by_key(|record| record.at), "{name}");
        count += 1;
    }
    assert!(count >= 13, "{count}");
}

#[test]
fn the_incidents_connection_was_established_and_quiet_for_twenty_minutes() {
    let (records, _) = read("incident-nat350-alb1800-resttemplate");
    let quiet = sockets(&records)
        .filter(|(_, socket)| socket.state == SocketState::Established)
        .filter_map(|(at, socket)| Some((socket.last?.received, at, socket.clone())))
        .max_by_key(|(quiet, ..)| *quiet);
    let (quiet, _, socket) = quiet.unwrap();
    assert!(quiet > Duration::from_mins(19) && quiet <= Duration::from_mins(20), "{quiet:?}");
    assert_eq!(socket.remote, "10.78.3.2:80".parse().unwrap());
    assert_eq!(socket.local.ip(), "10.78.2.1".parse::<std::net::IpAddr>().unwrap());
    assert_eq!(socket.timer, None);
}
