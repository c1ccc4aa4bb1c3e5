use core::net::SocketAddr;
use std::io::Write as _;

use halfopen_core::balancer::log::{AccessEntry, ConnectionEntry};
use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};

use super::*;
use crate::reader::recognise;
use crate::record::{Accepted, Balanced};

fn records(form: &Form, text: &[u8]) -> (Vec<Record>, Summary) {
    let (mut found, mut source) = (Vec::new(), text);
    let lines = Lines::new(&mut source as &mut dyn Read).unwrap();
    let summary = (form.read)(lines, &mut |record| found.push(record));
    assert_eq!(summary.records, found.len() as u64);
    (found, summary)
}

fn balanced(line: &str) -> Box<Balanced> {
    let (found, summary) = records(&ACCESS, line.as_bytes());
    assert_eq!(summary.unread, 0, "{line}");
    let what = found.into_iter().next().unwrap().what;
    let What::Balanced(balanced) = what else { panic!("{what:?}") };
    balanced
}

/// An entry as AWS's page shows them, whose target closed the connection instead of answering.
const BAD_GATEWAY: &str = include_str!("tests/bad-gateway.log").trim_ascii_end();

#[test]
fn an_entry_says_what_each_of_its_fields_means() {
    let entry = balanced(BAD_GATEWAY);
    let millis = Duration::from_millis;
    let expected = Balanced {
        client: "192.0.2.7:2817".parse().unwrap(),
        target: Some("10.0.0.1:80".parse().unwrap()),
        created: Some(Instant::EPOCH + millis(1_795_333_531_826)),
        request_processing: Some(millis(1)),
        target_processing: None,
        response_processing: None,
        status: Some(502),
        target_status: None,
        received_bytes: 34,
        sent_bytes: 366,
        request: "GET https://www.example.com:443/?q=a%20b HTTP/2.0".into(),
        user_agent: Some("curl/7.46.0".into()),
        error: Some("LambdaInvalidResponse".into()),
        connection_trace: Some("TID_1234abcd5678ef90".into()),
    };
    assert_eq!(*entry, expected);
}

#[test]
fn entries_of_older_logs_lack_their_last_fields_only() {
    let whole = balanced(BAD_GATEWAY);
    let ends: Vec<usize> = BAD_GATEWAY.match_indices(' ').map(|(at, _)| at).collect();
    let shorter = |fields_cut: usize| balanced(&BAD_GATEWAY[..ends[ends.len() - fields_cut]]);
    // Two that nobody documents; 32, 31 and 30 fields.
    for fields_cut in 1..=5 {
        assert_eq!(shorter(fields_cut), whole, "{fields_cut} fields less");
    }
    assert_eq!(*shorter(6), Balanced { connection_trace: None, ..*whole.clone() });
    let agent = BAD_GATEWAY.find(" \"curl").unwrap();
    let oldest = balanced(&BAD_GATEWAY[..agent]);
    let none =
        Balanced { user_agent: None, created: None, error: None, connection_trace: None, ..*whole };
    assert_eq!(*oldest, none);
}

#[test]
fn a_request_that_could_not_be_read_has_no_target_and_no_line() {
    let line = include_str!("tests/bad-request.log").trim_ascii_end();
    let entry = balanced(line);
    assert_eq!(entry.client, "[2001:db8::7]:48554".parse().unwrap());
    assert_eq!((entry.target, entry.target_status, entry.status), (None, None, Some(400)));
    assert_eq!(&*entry.request, "- http://pay-1.elb.amazonaws.com:80- -");
    assert_eq!(entry.user_agent, None);
}

#[test]
fn quotes_inside_a_field_do_not_end_it() {
    let with = |agent: &str| balanced(&BAD_GATEWAY.replace("curl/7.46.0", agent)).user_agent;
    assert_eq!(with(r"say \x22hello\x22 \\ ").as_deref(), Some("say \"hello\" \\ "));
    assert_eq!(with(r#"say \"hello\""#).as_deref(), Some("say \"hello\""));
    assert_eq!(with(r#"say "hello"-you"#).as_deref(), Some(r#"say "hello"-you"#));
    assert_eq!(with(r"\xED\x95\x9C \x85\xZ1").as_deref(), Some("한 \u{85}xZ1"));
}

#[test]
fn entries_are_read_as_a_balancer_wrote_them() {
    let seed = 20_261_122;
    let mut rng = Rng::new(seed);
    for round in 0..2_000 {
        let entry = access_entry(&mut rng);
        let line = entry.to_string();
        let millis =
            |time: Duration| Duration::from_millis(u64::try_from(time.as_millis()).unwrap());
        let micros = |time: Duration| {
            Instant::EPOCH + Duration::from_micros(u64::try_from(time.as_micros()).unwrap())
        };
        let expected = Balanced {
            client: entry.client,
            target: entry.target,
            created: Some(micros(entry.created)),
            request_processing: entry.request_processing.map(millis),
            target_processing: entry.target_processing.map(millis),
            response_processing: entry.response_processing.map(millis),
            status: Some(entry.status),
            target_status: entry.target_status,
            received_bytes: entry.received_bytes,
            sent_bytes: entry.sent_bytes,
            request: entry.request.into(),
            user_agent: entry.user_agent.map(Into::into),
            error: None,
            connection_trace: Some(entry.connection_trace.into()),
        };
        let expected =
            Record { at: micros(entry.time), line: 1, what: What::Balanced(Box::new(expected)) };
        let (found, _) = records(&ACCESS, line.as_bytes());
        assert_eq!(found, [expected], "seed {seed}, round {round}: {line}");
    }
}

#[test]
fn connections_are_read_as_a_balancer_wrote_them() {
    let seed = 7;
    let mut rng = Rng::new(seed);
    for round in 0..500 {
        let (time, client) = (moment(&mut rng), address(&mut rng));
        let listener_port = u16::try_from(rng.below(65_536)).unwrap();
        let connection_trace = format!("TID_{:016x}", rng.bits());
        let entry = ConnectionEntry {
            time,
            client,
            listener_port,
            connection_trace: connection_trace.clone(),
        };
        let connection_trace = Some(connection_trace.into());
        let accepted = Accepted { client, listener_port, failed: None, connection_trace };
        let at = Instant::EPOCH + Duration::from_micros(u64::try_from(time.as_micros()).unwrap());
        let expected = Record { at, line: 1, what: What::Accepted(accepted) };
        let (found, _) = records(&CONNECTION, entry.to_string().as_bytes());
        assert_eq!(found, [expected], "seed {seed}, round {round}");
    }
}

fn moment(rng: &mut Rng) -> Duration {
    Duration::from_nanos(1_700_000_000_000_000_000 + rng.below(200_000_000_000_000_000))
}

fn address(rng: &mut Rng) -> SocketAddr {
    let port = u16::try_from(rng.below(65_536)).unwrap();
    let bits = u128::from(rng.bits()) << 64 | u128::from(rng.bits());
    if rng.chance(0.5) {
        SocketAddr::new(std::net::Ipv6Addr::from_bits(bits).into(), port)
    } else {
        let [a, b, c, d, ..] = bits.to_be_bytes();
        SocketAddr::new([a, b, c, d].into(), port)
    }
}

fn text(rng: &mut Rng) -> String {
    let choices = ['a', ' ', '"', '\\', 'x', '2', '-', '한', '\u{7f}', '\u{85}', '\t', '%', '\n'];
    // A lone dash stands for nothing.
    let rest = (0..rng.index(40)).map(|_| *rng.pick(&choices));
    std::iter::once('P').chain(rest).collect()
}

fn access_entry(rng: &mut Rng) -> AccessEntry {
    let seconds =
        |rng: &mut Rng| rng.chance(0.8).then(|| Duration::from_micros(rng.below(4_000_000_000)));
    AccessEntry {
        time: moment(rng),
        balancer: "app/pay-alb/50dc6c495c0c9188".to_owned(),
        client: address(rng),
        target: rng.chance(0.8).then(|| address(rng)),
        request_processing: seconds(rng),
        target_processing: seconds(rng),
        response_processing: seconds(rng),
        status: *rng.pick(&[200, 460, 502, 504]),
        target_status: rng.chance(0.8).then_some(200),
        received_bytes: rng.bits() >> 8,
        sent_bytes: rng.below(1_000),
        request: text(rng),
        user_agent: rng.chance(0.8).then(|| text(rng)),
        target_group: rng.chance(0.8).then(|| "arn:aws:x:targetgroup/pay/1".to_owned()),
        trace_id: rng.chance(0.8).then(|| "Root=1-2-3".to_owned()),
        created: moment(rng),
        connection_trace: format!("TID_{:016x}", rng.bits()),
    }
}

#[test]
fn a_connection_that_was_not_established_says_why() {
    let line = "2026-11-22T07:45:31.827000Z 192.0.2.7 2817 443 - - - \"CN=pay,O=shop\" \
                NotBefore=2023-09-21T22:43:21Z;NotAfter=2024-06-17T22:43:21Z FEF257372D5C14D4 \
                Failed:ClientCertExpired TID_1";
    let (found, _) = records(&CONNECTION, line.as_bytes());
    let What::Accepted(accepted) = &found[0].what else { panic!("{found:?}") };
    assert_eq!(accepted.failed.as_deref(), Some("ClientCertExpired"));
    assert_eq!(accepted.connection_trace.as_deref(), Some("TID_1"));
}

#[test]
fn a_log_is_recognised_by_an_entry_among_its_first_lines() {
    let name = |head: &str| recognise(head.as_bytes()).map(|form| form.name);
    assert_eq!(name(BAD_GATEWAY), Some("alb-access"));
    let cut = &BAD_GATEWAY[300..];
    assert_eq!(name(&format!("{cut}\n{BAD_GATEWAY}")), Some("alb-access"));
    let connection =
        "2026-11-22T07:45:31.827000Z 192.0.2.7 2817 443 TLSv1.2 ECDHE 4.036 \"-\" - - - TID_1 x";
    assert_eq!(name(connection), Some("alb-connection"));
    assert_eq!(name("2026-11-22T07:45:31.827000Z INFO started in 3 s"), None);
    assert_eq!(name(""), None);
}

#[test]
fn strange_lines_are_counted_and_the_rest_is_read() {
    let mut bytes = Vec::new();
    for line in
        [&b"\x00\xff\xfe binary"[..], BAD_GATEWAY.as_bytes(), b"", &BAD_GATEWAY.as_bytes()[..90]]
    {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    let (found, summary) = records(&ACCESS, &bytes);
    assert_eq!((found.len(), summary.lines, summary.unread), (1, 4, 2));
    assert_eq!(summary.unread_first, Some(1));
}

#[test]
fn a_compressed_log_that_breaks_off_gives_what_came_before() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for trace in 0..20_000 {
        writeln!(gzip, "{}", BAD_GATEWAY.replace("1234abcd", &format!("{trace:08}"))).unwrap();
    }
    let bytes = gzip.finish().unwrap();
    let (found, summary) = records(&ACCESS, &bytes[..bytes.len() / 2]);
    assert!(found.len() > 5_000 && found.len() < 20_000, "{}", found.len());
    assert!(summary.broken.is_some());
}
