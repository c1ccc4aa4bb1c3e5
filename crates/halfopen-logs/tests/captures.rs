//! The logs beside the captures in `captures/`, held against what is known of how they were made.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the tree's files"
)]

use std::io::Read;
use std::path::Path;

use halfopen_logs::reader::{HEAD_MAX, Summary};
use halfopen_logs::record::{Failure, How, Http, Step, What};
use halfopen_logs::{Lines, Record, recognise};

/// Reads a log of a capture's folder by the form that recognises it, which is to be `form`.
fn read(name: &str, form: &str) -> (Vec<Record>, Summary) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut source = &bytes[..];
    let mut lines = Lines::new(&mut source as &mut dyn Read).unwrap();
    let head = lines.peek().unwrap();
    let found = recognise(&head[..head.len().min(HEAD_MAX)]).expect("a form recognises it");
    assert_eq!(found.name, form, "{name}");
    let mut records = Vec::new();
    let summary = (found.read)(lines, &mut |record| records.push(record));
    assert!(summary.broken.is_none(), "{name}: {:?}", summary.broken);
    (records, summary)
}

fn client(records: &[Record]) -> impl Iterator<Item = (&Record, &Http)> {
    records.iter().filter_map(|record| {
        let What::Client(http) = &record.what else { return None };
        Some((record, http))
    })
}

/// What a client's log says of its connections, as steps that can be counted.
fn count(records: &[Record], step: impl Fn(&Step) -> bool) -> usize {
    client(records).filter(|(_, http)| step(&http.step)).count()
}

#[test]
fn the_incidents_client_says_how_both_requests_died() {
    let (records, summary) =
        read("incident-nat350-alb1800-resttemplate/client.log.gz", "httpclient");
    assert!(summary.zone_assumed);
    assert_eq!((summary.lines, summary.unread), (1_310, 0));
    assert_eq!(count(&records, |step| matches!(step, Step::Request { .. })), 30);
    assert_eq!(count(&records, |step| *step == Step::Response { status: 200 }), 28);
    assert_eq!(count(&records, |step| *step == Step::Opened), 3);
    assert_eq!(count(&records, |step| matches!(step, Step::Product(_))), 1);
    // Looked at after 20 minutes, taken for alive, reset 1 ms later.
    let of_it = |line: u64| client(&records).position(|(record, _)| record.line == line).unwrap();
    for (check, failure, name) in [(446, 473, "http-outgoing-0"), (880, 907, "http-outgoing-1")] {
        let all: Vec<_> = client(&records).collect();
        let [checked, leased, request, failed, closed] = all[of_it(check)..][..5] else {
            panic!("not five steps");
        };
        assert_eq!(checked.1.step, Step::Checked { ended: None });
        assert_eq!(leased.1.step, Step::Leased { reused: true });
        assert!(matches!(request.1.step, Step::Request { .. }));
        let reset = Failure { how: How::Reset, text: "Connection reset".into() };
        assert_eq!((failed.0.line, &failed.1.step), (failure, &Step::Failed(reset)));
        assert_eq!(closed.1.step, Step::Closed);
        assert!(
            all[of_it(check)..][..5]
                .iter()
                .all(|(_, http)| http.connection.as_deref() == Some(name))
        );
    }
    assert_eq!(count(&records, |step| matches!(step, Step::Failed(_))), 2);
}

#[test]
fn a_gateway_that_lost_its_state_resets_one_request() {
    let (records, _) = read("state-loss-nat-flush-resttemplate/client.log.gz", "httpclient");
    let failed: Vec<_> =
        client(&records).filter(|(_, http)| matches!(http.step, Step::Failed(_))).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0.line, 564);
    assert_eq!(count(&records, |step| matches!(step, Step::Request { .. })), 15);
    assert_eq!(count(&records, |step| *step == Step::Response { status: 200 }), 14);
}

/// How the requests of a log with a line for each ended.
fn outcomes(records: &[Record]) -> Vec<(u64, Option<How>)> {
    let exchanges = client(records).filter_map(|(record, http)| {
        let Step::Exchange { outcome, .. } = &http.step else { return None };
        Some((record.line, outcome.as_ref().err().map(|failure| failure.how)))
    });
    exchanges.collect()
}

#[test]
fn a_balancer_that_closes_first_is_found_before_the_next_request() {
    for name in ["alb180-resttemplate", "alb300-resttemplate"] {
        let (records, _) = read(&format!("{name}/client.log.gz"), "httpclient");
        assert_eq!(count(&records, |step| matches!(step, Step::Request { .. })), 20, "{name}");
        assert_eq!(count(&records, |step| matches!(step, Step::Failed(_))), 0, "{name}");
        let closed = Step::Checked { ended: Some(How::Closed) };
        assert_eq!(count(&records, |step| *step == closed), 1, "{name}");
        assert_eq!(count(&records, |step| *step == Step::Opened), 2, "{name}");
    }
}

#[test]
fn a_line_a_request_says_which_failed_and_how() {
    for (name, requests, failed, how) in [
        ("silent30-go", 10, &[7, 9][..], How::TimedOut),
        ("bracket-nat350-requests", 18, &[13, 15, 17], How::ResetOrClosed),
        ("keepalive-race-requests5", 20, &[7, 9, 11, 13, 15, 17], How::ResetOrClosed),
        ("slow-response-nat8-requests", 2, &[1, 2], How::TimedOut),
        ("server-killed-node", 15, &[], How::Other),
        ("healthy-go-evicts", 6, &[], How::Other),
        ("healthy-warm-requests", 12, &[], How::Other),
        ("loss-not-idle-requests", 24, &[], How::Other),
        ("lb-abort-at-idle-httpclient5", 9, &[], How::Other),
    ] {
        let (records, _) = read(&format!("{name}/client.log.gz"), "log");
        let outcomes = outcomes(&records);
        assert_eq!(outcomes.len(), requests, "{name}");
        let found = outcomes.into_iter().filter_map(|(line, how)| Some((line, how?)));
        let expected: Vec<_> = failed.iter().map(|&line| (line, how)).collect();
        assert_eq!(found.collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn a_request_that_was_lost_is_in_the_clients_log_and_in_no_other() {
    for (name, sent, lost) in [
        ("incident-nat350-alb1800-resttemplate", 30, 2),
        ("state-loss-nat-flush-resttemplate", 15, 1),
        ("silent30-go", 10, 2),
        ("alb180-resttemplate", 20, 0),
        ("healthy-warm-requests", 12, 0),
        ("loss-not-idle-requests", 24, 0),
        ("bracket-nat350-requests", 18, 3),
    ] {
        let (balanced, summary) = read(&format!("{name}/alb.log.gz"), "alb-access");
        assert_eq!(summary.unread, 0, "{name}");
        assert_eq!(balanced.len(), sent - lost, "{name}");
        let (served, _) = read(&format!("{name}/server.log.gz"), "log");
        let requests = served.iter().filter(|record| {
            let What::Server(http) = &record.what else { return false };
            matches!(http.step, Step::Request { .. }) && http.ends.client.is_some()
        });
        assert_eq!(requests.count(), sent - lost, "{name}");
    }
}
