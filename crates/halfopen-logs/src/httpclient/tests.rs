use std::io::Read;

use super::*;
use crate::lines::Lines;
use crate::program;
use crate::reader::Summary;

fn records(log: &str) -> (Vec<Record>, Summary) {
    assert!((program::HTTPCLIENT.recognises)(log.as_bytes()), "not recognised");
    let (mut found, mut source) = (Vec::new(), log.as_bytes());
    let lines = Lines::new(&mut source as &mut dyn Read).unwrap();
    let summary = (program::HTTPCLIENT.read)(lines, &mut |record| found.push(record));
    (found, summary)
}

/// What a log says, each step as `line connection step`.
fn steps(log: &str) -> Vec<String> {
    let (records, summary) = records(log);
    assert_eq!(summary.records, records.len() as u64);
    let told = records.into_iter().map(|record| {
        let What::Client(http) = record.what else { panic!("{record:?}") };
        let connection = http.connection.as_deref().unwrap_or("-").to_owned();
        let ends = [
            http.ends.client.map(|end| format!(" from {end}")),
            http.ends.server.map(|end| format!(" to {end}")),
            http.ends.server_name.map(|name| format!(" at {name}")),
        ];
        let ends: String = ends.into_iter().flatten().collect();
        format!("{} {connection} {}{ends}", record.line, name(&http.step))
    });
    told.collect()
}

fn name(step: &Step) -> String {
    match step {
        Step::Opening => "opening".to_owned(),
        Step::Opened => "opened".to_owned(),
        Step::Leased { reused } => (if *reused { "reused" } else { "new" }).to_owned(),
        Step::Checked { ended } => format!("checked {ended:?}"),
        Step::Request { method, target } => format!("{method} {target}"),
        Step::Response { status } => status.to_string(),
        Step::Kept(time) => format!("kept {time:?}"),
        Step::Released => "released".to_owned(),
        Step::Closed => "closed".to_owned(),
        Step::Failed(failure) => format!("failed {:?}: {}", failure.how, failure.text),
        Step::Exchange { .. } => format!("{step:?}"),
        Step::Product(product) => product.to_string(),
    }
}

#[test]
fn two_threads_of_version_4_open_a_connection_each() {
    let log = include_str!("tests/threads.log");
    let expected = [
        "2 http-outgoing-6 new at http://pay:80",
        "3 http-outgoing-7 new at http://pay:80",
        "6 http-outgoing-6 opening to 10.78.3.2:80",
        "7 http-outgoing-7 opening to 10.78.3.2:80",
        "8 http-outgoing-7 opened from 10.78.2.1:48556 to 10.78.3.2:80",
        "9 http-outgoing-6 opened from 10.78.2.1:48555 to 10.78.3.2:80",
        "11 http-outgoing-6 POST /pay",
        "12 http-outgoing-6 200",
        "13 http-outgoing-6 kept Some(5s)",
        "14 http-outgoing-6 kept Some(5s)",
    ];
    assert_eq!(steps(log), expected);
}

#[test]
fn a_log_that_begins_later_shows_which_connection_was_there_before() {
    let log = include_str!("tests/later.log");
    let told = steps(log);
    let expected = [
        "1 http-outgoing-6 reused at http://[2001:db8::1]:80",
        "3 http-outgoing-6 POST /pay",
        "4 http-outgoing-6 closed",
    ];
    assert_eq!(told[..3], expected);
    // The exception that follows says why.
    let why = "7 http-outgoing-6 failed Closed: org.springframework.web.client.";
    assert!(told[3].starts_with(why) && told.len() == 4, "{told:?}");
}

#[test]
fn a_look_before_the_use_is_no_request_that_failed() {
    let log = include_str!("tests/stale-check.log");
    let lines = |error: &str| log.replace("ERROR", error);
    let before = ["1 http-outgoing-0 checked None", "2 http-outgoing-0 POST /pay"];
    let silent = steps(&lines("[read] I/O error: Read timed out"));
    assert_eq!(silent[..2], before);
    assert_eq!(silent[2..], ["4 http-outgoing-0 failed TimedOut: Read timed out"]);
    let closed = steps(&lines("end of stream"));
    assert_eq!(closed[2], "4 http-outgoing-0 failed Closed: end of stream");
}

#[test]
fn version_5_names_connections_behind_endpoints() {
    let log = include_str!("tests/classic5.log");
    let expected = [
        "5 - opening to 10.78.3.2:80",
        "6 http-outgoing-0 opened from 10.78.2.1:48555 to 10.78.3.2:80",
        "8 http-outgoing-0 new",
        "9 http-outgoing-0 POST /pay",
        "10 - Apache-HttpClient/5.2.1 (Java/17.0.15)",
        "11 http-outgoing-0 200",
        "12 http-outgoing-0 kept Some(180s)",
        "13 http-outgoing-0 released",
        "14 http-outgoing-0 reused",
        "15 http-outgoing-0 checked Some(ResetOrClosed)",
        "16 http-outgoing-0 closed",
    ];
    assert_eq!(steps(log), expected);
    let (records, summary) = records(log);
    assert!(!summary.zone_assumed);
    assert_eq!(records[0].at.as_nanos(), 1_795_333_531_804_000_000);
}

#[test]
fn the_asynchronous_client_names_sessions() {
    let log = include_str!("tests/async5.log");
    let expected = [
        "1 - opening to 10.78.3.2:80",
        "2 c-0000000000 opened to 10.78.3.2:80",
        "3 c-0000000000 GET /pay",
        "4 c-0000000000 503",
        "5 c-0000000000 closed",
    ];
    assert_eq!(steps(log), expected);
}

#[test]
fn the_wire_log_of_the_pool_reads_like_theirs() {
    let log = include_str!("tests/pool.log");
    let expected = [
        "1 http-outgoing-0 reused at http://198.51.100.10:80",
        "2 http-outgoing-0 checked None",
        "3 http-outgoing-0 POST /payments",
        "4 http-outgoing-0 failed Reset: connection reset by peer",
        "5 http-outgoing-0 closed",
        "6 http-outgoing-1 new at http://198.51.100.10:80",
    ];
    assert_eq!(steps(log), expected);
}

#[test]
fn a_json_layout_says_the_same() {
    let log = include_str!("tests/json.log");
    let expected = [
        "1 http-outgoing-0 POST /pay",
        "2 - failed Reset: java.net.SocketException: Connection reset",
    ];
    assert_eq!(steps(log), expected);
}

#[test]
fn endless_names_take_bounded_memory() {
    let (mut client, mut told) = (HttpClient::default(), 0_u64);
    let mut sink = |_| told += 1;
    for id in 0..3 * REMEMBERED_MAX {
        let mut place = Place { at: Instant::EPOCH, line: 1, sink: &mut sink };
        let text =
            format!(" [thread-{id}] Connection leased: [id: {id}][route: {{}}->http://pay:80]");
        assert!(client.hear(&text, &mut place));
    }
    assert!(client.connections.len() <= REMEMBERED_MAX + 1);
    assert!(client.threads.len() <= REMEMBERED_MAX + 1);
}
