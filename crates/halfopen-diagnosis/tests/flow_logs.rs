//! What VPC flow logs add to captures and to clients' logs.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a test reads files")]

use std::fs::File;
use std::io::Read;
use std::path::Path;

use halfopen_capture::{Limits, Points, Source};
use halfopen_core::cause::{Cause, Culprit};
use halfopen_diagnosis::suspect::{Opinion, Standing, Suspect};
use halfopen_diagnosis::{Judgement, Logs};
use halfopen_logs::Lines;

const HEADER: &str = "srcaddr dstaddr srcport dstport protocol start end action tcp-flags\n";

fn file(folder: &str, name: &str) -> File {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures");
    File::open(captures.join(folder).join(name)).unwrap()
}

fn read(logs: &mut Logs, mut bytes: impl Read) {
    let mut head = Vec::new();
    bytes.read_to_end(&mut head).unwrap();
    let first = Lines::new(head.as_slice()).unwrap().peek().unwrap().to_vec();
    let form = halfopen_logs::recognise(&first).expect("the form is known");
    let mut bytes = head.as_slice();
    let bytes: &mut dyn Read = &mut bytes;
    logs.read(form, Lines::new(bytes).unwrap());
}

fn judge(folder: &str, capture: bool, names: &[&str], flows: &str) -> Judgement {
    let mut points = Points::new(Limits::default(), 1);
    if capture {
        points.read(0, "", Source::open(file(folder, "client.pcap")).unwrap());
    }
    let mut logs = Logs::new();
    for name in names {
        read(&mut logs, file(folder, name));
    }
    read(&mut logs, format!("{HEADER}{flows}").as_bytes());
    halfopen_diagnosis::judge(&points, usize::from(capture), logs.list())
}

fn opinion(judgement: &Judgement, suspect: Suspect) -> &Opinion {
    let [path] = &*judgement.paths else { panic!("{:?}", judgement.paths) };
    path.suspects.iter().find(|opinion| opinion.suspect == suspect).unwrap()
}

const REJECTED: &str = "10.9.2.1 10.9.3.2 56340 80 6 1795348890 1795348950 REJECT 2\n";

#[test]
fn a_security_group_that_rejects_is_the_one_that_does_not_answer() {
    let judgement = judge("unreachable", true, &[], REJECTED);
    let path = &judgement.paths[0];
    assert_eq!((path.cause, path.culprit), (Cause::Unreachable, Culprit::Hop), "{path:#?}");
    let firewall = opinion(&judgement, Suspect::Firewall);
    assert_eq!(firewall.standing, Standing::Confirmed, "{firewall:?}");
    assert!(firewall.evidence.iter().any(|seen| seen.fact.contains("rejected")), "{firewall:?}");
}

#[test]
fn what_was_rejected_at_another_time_or_place_says_nothing() {
    for flows in [
        &*REJECTED.replace("17953488", "17953388").replace("1795348950", "1795338950"),
        &*REJECTED.replace("10.9.3.2", "10.9.3.3"),
        &*REJECTED.replace("REJECT", "ACCEPT"),
        &*REJECTED.replace(" 6 ", " 17 "),
    ] {
        let judgement = judge("unreachable", true, &[], flows);
        let path = &judgement.paths[0];
        assert_eq!((path.cause, path.culprit), (Cause::Unreachable, Culprit::Unknown), "{flows}");
        assert_ne!(opinion(&judgement, Suspect::Firewall).standing, Standing::Confirmed);
    }
}

#[test]
fn a_firewall_that_swallows_is_confirmed_by_the_log_of_what_it_rejects() {
    let flows = "10.78.2.1 10.78.3.2 37930 80 6 1795338300 1795338360 REJECT 24\n";
    let before = judge("silent30-go", true, &[], "");
    assert_eq!(opinion(&before, Suspect::Firewall).standing, Standing::Possible);
    let judgement = judge("silent30-go", true, &[], flows);
    assert_eq!(opinion(&judgement, Suspect::Firewall).standing, Standing::Confirmed);
}

/// The client says "closed" of a reset and of a FIN alike; the flow log tells them apart.
#[test]
fn a_reset_in_the_flow_log_is_shown_with_the_failure() {
    let flows = "10.78.3.2 10.78.2.1 80 37906 6 1795339800 1795339860 ACCEPT 4\n\
                 10.78.3.2 10.78.2.1 80 55100 6 1795340160 1795340220 ACCEPT 4\n";
    let judgement = judge("bracket-nat350-requests", false, &["client.log.gz", "ss.log.gz"], flows);
    let path = &judgement.paths[0];
    assert_eq!(path.cause, Cause::IdleExpiry, "{path:#?}");
    let resets = path.evidence.iter().filter(|seen| seen.fact.contains("a reset and no FIN"));
    assert!(resets.count() > 0, "{path:#?}");
}
