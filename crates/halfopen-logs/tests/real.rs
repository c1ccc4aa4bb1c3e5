//! Logs that real programs wrote, each with a request on a connection that had ended: what is read
//! of them, step by step. `real/README.md` says how they were made.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test reads the tree's files"
)]

use std::io::Read;
use std::path::Path;

use halfopen_logs::record::{Http, Step, What};
use halfopen_logs::{Lines, recognise};

/// Returns what is read of a log, each step as `line connection step`.
fn steps(name: &str, form: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let found = recognise(&bytes).unwrap_or_else(|| panic!("no form recognises {name}"));
    assert_eq!(found.name, form, "{name}");
    let mut source = &bytes[..];
    let lines = Lines::new(&mut source as &mut dyn Read).unwrap();
    let mut steps = Vec::new();
    let summary = (found.read)(lines, &mut |record| {
        let (What::Client(http) | What::Server(http)) = &record.what else {
            panic!("{record:?}");
        };
        steps.push(format!("{} {}", record.line, told(http)));
    });
    assert!(summary.broken.is_none(), "{name}: {:?}", summary.broken);
    steps
}

fn told(http: &Http) -> String {
    let connection = http.connection.as_deref().unwrap_or("-");
    let step = match &http.step {
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
        Step::Exchange { request, outcome, .. } => {
            let request = request.as_deref().unwrap_or("-");
            match outcome {
                Ok(status) => format!("{request}: {status:?}"),
                Err(failure) => format!("{request}: {:?}", failure.how),
            }
        }
        Step::Product(product) => product.to_string(),
    };
    format!("{connection} {step}")
}

#[test]
fn the_classic_client_tells_of_a_reset_once() {
    let expected = [
        "15 - opening",
        "17 http-outgoing-0 opened",
        "23 http-outgoing-0 new",
        "24 http-outgoing-0 POST /pay",
        "30 - Apache-HttpClient/5.2.1 (Java/17.0.15)",
        "40 http-outgoing-0 200",
        "49 http-outgoing-0 kept Some(180s)",
        "50 http-outgoing-0 released",
        "64 http-outgoing-0 reused",
        "65 http-outgoing-0 POST /pay",
        "81 http-outgoing-0 failed Reset: Connection reset",
        "82 http-outgoing-0 closed",
    ];
    assert_eq!(steps("httpclient5-reset.log", "httpclient"), expected);
}

#[test]
fn the_classic_client_finds_the_end_before_the_use() {
    let told = steps("httpclient5-stale.log", "httpclient");
    let expected = [
        "59 http-outgoing-0 checked Some(Closed)",
        "60 http-outgoing-0 checked Some(ResetOrClosed)",
        "61 http-outgoing-0 closed",
        "69 - opening",
        "71 http-outgoing-1 opened",
        "77 http-outgoing-1 new",
        "78 http-outgoing-1 POST /pay",
        "94 http-outgoing-1 200",
        "103 http-outgoing-1 kept Some(180s)",
        "104 http-outgoing-1 released",
    ];
    assert_eq!(told[8..], expected);
}

#[test]
fn the_asynchronous_client_tells_of_a_reset_three_times_and_it_counts_once() {
    let expected = [
        "14 - opening",
        "16 c-0000000000 opened",
        "23 c-0000000000 new",
        "30 c-0000000000 POST /pay",
        "31 - Apache-HttpAsyncClient/5.2.1 (Java/17.0.15)",
        "61 c-0000000000 200",
        "69 c-0000000000 kept Some(180s)",
        "70 c-0000000000 released",
        "85 c-0000000000 reused",
        "91 c-0000000000 POST /pay",
        "118 c-0000000000 failed Reset: Connection reset",
        "121 c-0000000000 closed",
    ];
    assert_eq!(steps("httpclient5-async.log", "httpclient"), expected);
}

#[test]
fn urllib3_tells_of_what_it_repeats_and_of_what_it_found_ended() {
    let resent = [
        "1 - python-urllib3",
        "1 - opening",
        "2 - 200",
        "5 - failed Reset: ConnectionResetError(104, 'Connection reset by peer')",
        "6 - opening",
        "7 - 200",
    ];
    assert_eq!(steps("urllib3-resent.log", "log"), resent);
    let dropped = steps("urllib3-dropped.log", "log");
    assert_eq!(dropped[3..], ["4 - checked Some(ResetOrClosed)", "5 - 200"]);
}

#[test]
fn go_tells_a_reset_from_an_end() {
    let reset = steps("go-reset.log", "log");
    let before = ["1 - Go-http-client", "1 - opening", "3 - new", "8 - reused"];
    assert_eq!(reset[..4], before);
    let error = r#"10 - failed Reset: Post "http://127.0.0.1:18082/pay": read tcp "#;
    assert!(reset[4].starts_with(error) && reset.len() == 5, "{reset:?}");
    let fin = steps("go-fin.log", "log");
    assert_eq!(fin[..4], before);
    assert_eq!(fin[4..], [r#"10 - failed Closed: Post "http://127.0.0.1:18082/pay": EOF"#]);
    // What it sends again it does not tell.
    assert_eq!(steps("go-resent.log", "log")[4..], ["10 - opening", "12 - new"]);
}

#[test]
fn node_and_the_program_over_it_tell_of_one_failure() {
    let expected = [
        "2 - node",
        "2 - opening",
        "28 - released",
        "31 - reused",
        "34 - failed Reset: read ECONNRESET Error: read ECONNRESET",
    ];
    assert_eq!(steps("node-reset.log", "log"), expected);
}

#[test]
fn curl_tells_what_it_sends_again() {
    let resent = [
        "1 - curl",
        "1 - opening",
        "2 0 opened",
        "3 - POST /pay",
        "11 - 200",
        "15 0 released",
        "18 0 reused",
        "19 - POST /pay",
        "27 - failed Reset: Recv failure: Connection reset by peer",
        "30 0 closed",
        "33 - opening",
        "34 1 opened",
        "35 - POST /pay",
        "43 - 200",
        "47 1 released",
    ];
    assert_eq!(steps("curl-resent.log", "log"), resent);
    let dead = steps("curl-dead.log", "log");
    assert_eq!(dead[6..8], ["16 0 checked Some(ResetOrClosed)", "17 0 closed"]);
}

#[test]
fn proxies_tell_what_became_of_those_behind_them() {
    let nginx = steps("nginx.log", "log");
    let says = ["1 - nginx", "1 - failed Reset", "2 - failed Closed", "3 - failed Refused"];
    assert_eq!(nginx.len(), says.len());
    for (told, says) in nginx.iter().zip(says) {
        assert!(told.starts_with(says), "{told}");
    }
    let haproxy = [
        "1 - POST /pay: Some(200)",
        "2 - POST /pay: Some(502)",
        "3 - POST /pay: Some(200)",
        "4 - POST /pay: Some(502)",
        "5 - POST /pay: Some(503)",
    ];
    assert_eq!(steps("haproxy.log", "log"), haproxy);
}
