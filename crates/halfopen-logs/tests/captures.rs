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
