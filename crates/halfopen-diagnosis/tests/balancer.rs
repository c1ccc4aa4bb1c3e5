//! What a balancer's own logs tell of the connections to it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fmt::Write as _;
use std::io::Read;

use halfopen_capture::{Limits, Points};
use halfopen_core::cause::{Cause, Culprit};
use halfopen_core::time::Duration;
use halfopen_diagnosis::{Judgement, Logs};
use halfopen_logs::Lines;

/// A request at `time`, from the client's port, on the connection of this name.
fn request(time: &str, port: u16, connection: &str) -> String {
    format!(
        "http 2026-11-22T{time}Z app/pay/50dc 192.0.2.7:{port} 10.78.4.2:8080 0.000 0.012 0.000 \
         200 200 2185 109 \"POST http://10.78.3.2:80/pay HTTP/1.1\" \"-\" - - arn:aws:tg \
         \"Root=1\" \"-\" \"-\" 0 2026-11-22T{time}Z \"forward\" \"-\" \"-\" \
         \"10.78.4.2:8080\" \"200\" \"-\" \
         \"-\" {connection}\n"
    )
}

fn judge(sources: &[&str]) -> Judgement {
    let mut logs = Logs::new();
    for text in sources {
        let form = halfopen_logs::recognise(text.as_bytes()).expect("the form is known");
        let mut bytes = text.as_bytes();
        let bytes: &mut dyn Read = &mut bytes;
        logs.read(form, Lines::new(bytes).unwrap());
    }
    halfopen_diagnosis::judge(&Points::new(Limits::default(), 1), 0, logs.list())
}

fn survived(log: &str) -> Option<Duration> {
    let judgement = judge(&[log]);
    let [path] = &*judgement.paths else { panic!("{:?}", judgement.paths) };
    assert_eq!(path.cause, Cause::Inconclusive, "{path:?}");
    path.survived
}

#[test]
fn a_connection_that_brings_a_request_after_a_pause_has_survived_it() {
    let both = request("07:00:00.000", 4000, "TID_1") + &request("07:05:40.012", 4000, "TID_1");
    assert_eq!(survived(&both), Some(Duration::from_secs(340)));
}

#[test]
fn another_connection_has_survived_nothing() {
    let first = request("07:00:00.000", 4000, "TID_1");
    for (port, name) in [(4000, "TID_2"), (4001, "TID_1"), (4000, "-")] {
        let both = first.clone() + &request("07:05:40.012", port, name);
        assert_eq!(survived(&both), None, "{port} {name}");
    }
}

/// A client that waits for `waits` milliseconds, and a balancer that answers after so many seconds,
/// with this status.
fn slow(waits: u64, takes: &str, status: u16) -> Judgement {
    let (mut client, mut balancer) = (String::new(), String::new());
    for minute in 0..4_u64 {
        let start = 1_795_333_530_000 + minute * 60_000;
        let ok = minute % 2 == 0;
        let said = if ok {
            "us=12000 OK paid".to_owned()
        } else {
            format!("us={waits}000 FAIL ReadTimeout(ReadTimeoutError(\"Read timed out.\"))")
        };
        writeln!(client, "{start} round={minute} req=0 {said}").unwrap();
        let line = request(&format!("07:{:02}:30.000", 45 + minute), 4000, "-");
        let (took, status) = if ok { ("0.012", 200) } else { (takes, status) };
        balancer += &line.replace(" 0.012 0.000 200 ", &format!(" {took} 0.000 {status} "));
    }
    judge(&[&client, &balancer])
}

#[test]
fn a_client_whose_timer_is_shorter_than_the_answer_gave_up() {
    for (waits, takes, status) in [(5_000, "6.5", 200), (5_000, "-1", 460)] {
        let judgement = slow(waits, takes, status);
        let [path] = &*judgement.paths else { panic!("{:?}", judgement.paths) };
        assert_eq!((path.cause, path.culprit), (Cause::Inconclusive, Culprit::Client), "{path:#?}");
        assert!(path.because.contains("gave 2 requests up after 5.0 s"), "{path:#?}");
    }
}

#[test]
fn an_answer_that_was_in_time_was_lost_and_not_given_up() {
    let judgement = slow(10_000, "6.5", 200);
    let [path] = &*judgement.paths else { panic!("{:?}", judgement.paths) };
    assert_ne!(path.culprit, Culprit::Client, "{path:#?}");
}

#[test]
fn connections_that_a_balancer_did_not_establish_are_told_of() {
    let refused = |why: &str| {
        format!("2026-11-22T07:45:31.827000Z 192.0.2.7 2817 443 - - - - - - {why} TID_1\n")
    };
    let client = "1795333531829 round=0 req=0 us=11516 FAIL javax.net.ssl.SSLHandshakeException: \
                  Received fatal alert: bad_certificate\n";
    let judgement = judge(&[client, &refused("Failed:ClientCertExpired")]);
    let notes: Vec<&String> = judgement.paths.iter().flat_map(|path| &path.notes).collect();
    assert!(notes.iter().any(|note| note.contains("ClientCertExpired")), "{judgement:#?}");
    let judgement = judge(&[client, &refused("Success")]);
    assert!(judgement.paths.iter().all(|path| path.notes.is_empty()), "{judgement:#?}");
}
