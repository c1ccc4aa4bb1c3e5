use halfopen_core::time::Instant;

use super::*;
use crate::record::{Blank, Traffic, What};

const V2: &str = "2 123456789010 eni-1 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 \
                  1418530070 ACCEPT OK";

fn read_all(text: &str) -> (Vec<Record>, Summary) {
    let mut source = text.as_bytes();
    let lines = Lines::new(&mut source as &mut dyn Read).unwrap();
    let mut records = Vec::new();
    let summary = read(lines, &mut |record| records.push(record));
    (records, summary)
}

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(seconds * 1_000_000_000)
}

fn traffic() -> Traffic {
    Traffic {
        until: at(1_418_530_070),
        source: ("172.31.16.139".parse().unwrap(), 20_641),
        destination: ("172.31.16.21".parse().unwrap(), 22),
        packet_source: None,
        packet_destination: None,
        protocol: 6,
        packets: 20,
        bytes: 4_249,
        tcp_flags: None,
        accepted: Some(true),
        egress: None,
        path: None,
        interface: Some("eni-1".into()),
    }
}

#[test]
fn without_a_header_the_default_format_is_read() {
    for text in [
        V2.to_owned(),
        format!("2014-12-14T04:08:00.000Z {V2}\n"),
        format!("2014-12-14T04:08:00+00:00 eni-1-all {V2}\n"),
    ] {
        assert!(is_flow_log(text.as_bytes()), "{text}");
        let (records, summary) = read_all(&text);
        let expected = Record { at: at(1_418_530_010), line: 1, what: What::Traffic(traffic()) };
        assert_eq!((records, summary.unread), (vec![expected], 0), "{text}");
        let span = Some((at(1_418_530_010), at(1_418_530_010)));
        assert_eq!(summary.span, span);
    }
}

#[test]
fn a_header_says_which_field_is_which() {
    let text = "version interface-id srcaddr dstaddr srcport dstport pkt-srcaddr pkt-dstaddr \
                tcp-flags flow-direction traffic-path start end new-field\n\
                5 eni-2 10.0.1.5 203.0.113.9 37930 443 10.0.2.7 203.0.113.9 4 egress 8 1700000000 \
                1700000060 x\n\
                5 eni-2 2001:db8::1 ::ffff:10.0.0.1 1 2 - - 18 ingress - 1700000000 1700000060 -\n";
    assert!(is_flow_log(text.as_bytes()));
    let (records, summary) = read_all(text);
    assert_eq!((records.len(), summary.unread, summary.lines), (2, 0, 3));
    let What::Traffic(first) = &records[0].what else { panic!() };
    let expected = Traffic {
        until: at(1_700_000_060),
        source: ("10.0.1.5".parse().unwrap(), 37_930),
        destination: ("203.0.113.9".parse().unwrap(), 443),
        packet_source: "10.0.2.7".parse().ok(),
        packet_destination: "203.0.113.9".parse().ok(),
        protocol: 0,
        packets: 0,
        bytes: 0,
        tcp_flags: Some(4),
        accepted: None,
        egress: Some(true),
        path: Some(8),
        interface: Some("eni-2".into()),
    };
    assert_eq!(*first, expected);
    let What::Traffic(second) = &records[1].what else { panic!() };
    assert_eq!(second.destination.0, "10.0.0.1".parse::<std::net::IpAddr>().unwrap());
    assert_eq!((second.packet_source, second.egress, second.path), (None, Some(false), None));
}

#[test]
fn that_nothing_passed_and_that_nothing_was_recorded_are_not_the_same() {
    let text = "2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA\n\
                2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - SKIPDATA\n";
    assert!(is_flow_log(text.as_bytes()));
    let blank = |skipped| {
        What::Blank(Blank { until: at(1_431_280_934), skipped, interface: Some("eni-1".into()) })
    };
    let said: Vec<What> = read_all(text).0.into_iter().map(|record| record.what).collect();
    assert_eq!(said, [blank(false), blank(true)]);
}

#[test]
fn a_line_of_another_format_is_counted_and_not_guessed_at() {
    let text = format!("{V2}\n{V2} 18\n{V2}\n2 1 eni-1 x y\n\n{}\n", V2.replace("20641", "70000"));
    let (records, summary) = read_all(&text);
    assert_eq!((records.len(), summary.unread, summary.unread_first), (2, 3, Some(2)));
}

#[test]
fn files_one_after_another_have_a_header_each() {
    let text = "srcaddr dstaddr start end\n10.0.0.1 10.0.0.2 1 2\n\
                dstaddr srcaddr end start\n10.0.0.2 10.0.0.1 2 1\n";
    let (records, summary) = read_all(text);
    assert_eq!((summary.unread, records.len()), (0, 2));
    assert_eq!(records[0].what, records[1].what);
}

#[test]
fn what_only_looks_like_a_flow_log_is_none() {
    for head in ["", "2 1 eni", "the start and end of srcaddr", "\u{0}\u{1}", "2\n2\n2\n"] {
        assert!(!is_flow_log(head.as_bytes()), "{head}");
    }
}
