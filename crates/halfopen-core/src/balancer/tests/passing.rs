//! Requests that pass, and what becomes of them on the way.

use super::scene::*;
use super::*;

/// Sends a request over a new connection and returns it as the target got it.
fn forwarded(request: &str) -> String {
    let mut scene = Scene::new(config());
    let client = scene.connect();
    scene.say(client, request);
    let server = scene.accept(0);
    scene.hear_at(server).0
}

/// Answers a request and returns the response as the client got it, and whether it was the last.
fn passed_back(request: &str, response: &str, closes: bool) -> (String, bool) {
    let mut scene = Scene::new(config());
    let client = scene.connect();
    scene.say(client, request);
    let server = scene.accept(0);
    scene.answer(server, response);
    if closes {
        scene.servers.shutdown(scene.now, server).unwrap();
        scene.carry();
    }
    assert_eq!(scene.refusals(), [], "{response}");
    let (text, end) = scene.hear(client);
    (text, end.is_some())
}

#[test]
fn a_request_passes_and_says_where_it_came_from() {
    let request = forwarded(GET);
    let lines: Vec<&str> = request.lines().collect();
    let expected = [
        "GET /a?b HTTP/1.1",
        "X-Forwarded-For: 198.51.100.7",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Port: 80",
        "Host: pay.example",
        "User-Agent: test/1",
    ];
    assert_eq!(lines[..6], expected);
    assert!(lines[6].starts_with("X-Amzn-Trace-Id: Root=1-65920080-"), "{}", lines[6]);
    assert_eq!(lines[7..], [""]);
}

#[test]
fn a_request_that_passed_others_before_says_so() {
    let request = forwarded(
        "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2\r\n\
         X-Forwarded-Proto: https\r\n\
         X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\n\r\n",
    );
    assert!(
        request.contains("X-Forwarded-For: 192.0.2.1, 192.0.2.2, 198.51.100.7\r\n"),
        "{request}"
    );
    assert!(!request.contains("https"), "{request}");
    let trace = request.lines().find(|line| line.starts_with("X-Amzn-Trace-Id")).unwrap();
    assert!(trace.starts_with("X-Amzn-Trace-Id: Self=1-65920080-"), "{trace}");
    assert!(trace.ends_with(";Root=1-67891233-abcdef012345678912345678"), "{trace}");
}

#[test]
fn what_concerns_one_connection_is_not_passed_on() {
    let request = forwarded(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Mine, Host, close\r\nX-Mine: 1\r\n\
         X-Other: 2\r\n\
         Keep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: h2c\r\n\r\n",
    );
    assert!(request.contains("Host: h\r\n") && request.contains("X-Other: 2\r\n"), "{request}");
    for gone in ["Connection", "X-Mine", "Keep-Alive", "TE:", "Upgrade"] {
        assert!(!request.contains(gone), "{gone} in {request}");
    }
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=5\r\n\r\n";
    let (text, last) = passed_back(GET, response, false);
    assert_eq!(text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
    assert!(!last);
}

#[test]
fn chunks_pass_both_ways_as_they_are() {
    let chunks = "3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n";
    let post = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let request = forwarded(&format!("{post}{chunks}"));
    assert!(request.contains("Transfer-Encoding: chunked\r\n"), "{request}");
    assert!(request.ends_with(chunks), "{request}");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    let (text, last) = passed_back(GET, &format!("{head}\r\n{chunks}"), false);
    assert_eq!(text, format!("{head}Connection: keep-alive\r\n\r\n{chunks}"));
    assert!(!last);
}

#[test]
fn a_client_of_http_1_0_gets_the_content_without_chunks_and_the_end_of_the_connection() {
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let (text, last) = passed_back("GET / HTTP/1.0\r\n\r\n", response, false);
    assert_eq!(text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
    assert!(last);
    let keep = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    let (text, last) = passed_back(keep, OK, false);
    assert!(text.contains("Connection: keep-alive") && !last, "{text}");
}

#[test]
fn a_response_without_length_ends_with_its_connection() {
    let (text, last) = passed_back(GET, "HTTP/1.1 200 OK\r\n\r\nuntil the end", true);
    assert_eq!(text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end");
    assert!(last);
}

#[test]
fn responses_without_a_body_have_none_whatever_their_length_says() {
    let head = GET.replace("GET", "HEAD");
    for (request, status) in [(&head[..], "200 OK"), (GET, "304 Not Modified"), (GET, "204 None")] {
        let response = format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n");
        let (text, last) = passed_back(request, &response, false);
        assert_eq!(text, response.replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n"));
        assert!(!last);
    }
}

#[test]
fn a_request_for_permission_gets_it_from_the_target() {
    let mut scene = Scene::new(config());
    let client = scene.connect();
    let post = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    scene.say(client, post);
    let server = scene.accept(0);
    assert!(scene.hear_at(server).0.contains("Expect: 100-continue\r\n"));
    scene.answer(server, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(scene.hear(client).0, "HTTP/1.1 100 Continue\r\n\r\n");
    scene.say(client, "body");
    assert_eq!(scene.hear_at(server).0, "body");
    scene.answer(server, OK);
    assert!(scene.hear(client).0.ends_with("ok"));
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let mut scene = Scene::new(config());
    let client = scene.connect();
    let request = |n| format!("POST /{n} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n{n}");
    scene.say(client, &(request(1) + &request(2) + &request(3)));
    for (turn, target) in [(1, 0), (2, 1)] {
        let server = scene.accept(target);
        let got = scene.hear_at(server).0;
        assert!(got.starts_with(&format!("POST /{turn} ")) && got.ends_with(&turn.to_string()));
        scene.answer(server, OK);
        assert!(scene.hear(client).0.ends_with("ok"));
    }
    assert_eq!(scene.records.requests().len(), 2, "the third waits for its target");
}

#[test]
fn a_connection_to_a_target_serves_the_requests_of_all_clients_in_turn() {
    let mut scene = Scene::new(config());
    let (one, two) = (scene.connect(), scene.connect());
    scene.say(one, GET);
    scene.say(two, GET);
    let servers = [scene.accept(0), scene.accept(1)];
    for server in servers {
        scene.hear_at(server);
        scene.answer(server, OK);
    }
    assert!(scene.hear(one).0.ends_with("ok") && scene.hear(two).0.ends_with("ok"));
    for server in servers {
        assert!(scene.exchange(two, server).ends_with("ok"));
    }
    assert!(scene.servers.accept(scene.listeners[0]).is_none(), "no new connection");
}

#[test]
fn a_target_that_says_close_is_not_sent_another_request() {
    let mut scene = Scene::new(BalancerConfig { server: None, ..config() });
    let client = scene.connect();
    scene.say(client, GET);
    let server = scene.accept(0);
    scene.hear_at(server);
    scene.answer(server, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert!(scene.hear(client).0.contains("Connection: keep-alive"));
    assert_eq!(scene.hear_at(server), (String::new(), Some(Ok(()))));
}

#[test]
fn the_fewest_outstanding_requests_decide_if_they_are_to() {
    let mut scene = Scene::new(BalancerConfig { routing: Routing::LeastOutstanding, ..config() });
    let clients: Vec<_> = (0..4).map(|_| scene.connect()).collect();
    scene.say(clients[0], GET);
    let slow = scene.accept(0);
    scene.say(clients[1], GET);
    let quick = scene.accept(1);
    scene.hear_at(quick);
    scene.answer(quick, OK);
    for &client in &clients[2..] {
        assert!(scene.exchange(client, quick).ends_with("ok"));
    }
    assert_eq!(scene.hear_at(slow).0.matches("GET").count(), 1);
}

#[test]
fn large_bodies_pass_with_little_in_memory_while_nobody_reads() {
    let mut scene = Scene::new(config());
    let client = scene.connect();
    scene.say(client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n");
    let body = "x".repeat(3_000_000);
    scene.say(client, &body);
    let server = scene.accept(0);
    let waiting = scene.clients.info(client).unwrap().unacknowledged;
    assert!(waiting > 2_700_000, "the balancer holds back the client: {waiting}");
    let mut got = String::new();
    while !got.ends_with(&body) {
        let (text, end) = scene.hear_at(server);
        assert!(end.is_none(), "{end:?} after {}", got.len());
        got.push_str(&text);
        scene.wait(Duration::from_millis(1));
    }
    assert_eq!(scene.refusals(), []);
}
