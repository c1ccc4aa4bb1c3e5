//! How requests and connections end that do not end well.

use super::scene::*;
use super::*;

/// A client whose request a target has got.
fn asked() -> (Scene, ConnectionId, ConnectionId) {
    let mut scene = Scene::new(config());
    let client = scene.connect();
    scene.say(client, GET);
    let server = scene.accept(0);
    scene.hear_at(server);
    (scene, client, server)
}

/// A client whose first request was answered, with nothing under way.
fn idle() -> (Scene, ConnectionId, ConnectionId) {
    let (mut scene, client, server) = asked();
    scene.answer(server, OK);
    assert!(scene.hear(client).0.ends_with("ok"));
    (scene, client, server)
}

fn just_before(time: Duration) -> Duration {
    time.saturating_sub(Duration::from_nanos(1))
}

fn status(response: &str) -> &str {
    response.strip_prefix("HTTP/1.1 ").map_or(response, |rest| &rest[..3])
}

/// Returns what the log says of its last request: status, target's status, whether each of the
/// three times is known.
fn logged(scene: &Scene) -> (u16, Option<u16>, [bool; 3]) {
    let entry = scene.records.requests().pop().unwrap();
    let times = [entry.request_processing, entry.target_processing, entry.response_processing];
    (entry.status, entry.target_status, times.map(|time| time.is_some()))
}

#[test]
fn idle_connections_are_closed_with_a_fin_at_the_idle_timeout_exactly() {
    let (mut scene, client, server) = idle();
    scene.wait(just_before(secs(60)));
    assert_eq!(scene.hear(client).1, None);
    assert_eq!(scene.hear_at(server).1, None);
    scene.wait(Duration::from_nanos(1));
    assert_eq!(scene.hear(client), (String::new(), Some(Ok(()))));
    assert_eq!(scene.hear_at(server), (String::new(), Some(Ok(()))));
    let forgot = |event: &Event| {
        let EventKind::Forgot { idle, because, .. } = event.kind else { return None };
        Some((event.at, idle, because))
    };
    let forgotten: Vec<_> = scene.events.iter().filter_map(forgot).collect();
    assert_eq!(forgotten, [(scene.now, secs(60), Demise::Idle); 2]);
    assert_eq!(scene.records.requests().len(), 1, "an idle connection is no request");
}

#[test]
fn keepalive_probes_do_not_count() {
    let (mut scene, client, _) = idle();
    let keepalive = tcp::Keepalive { idle: secs(10), interval: secs(10), count: 9 };
    scene.clients.set_keepalive(scene.now, client, Some(keepalive)).unwrap();
    scene.wait(secs(60));
    assert_eq!(scene.hear(client).1, Some(Ok(())));
}

#[test]
fn a_byte_counts() {
    let (mut scene, client, _) = idle();
    scene.wait(secs(59));
    scene.say(client, "G");
    scene.wait(secs(59));
    scene.say(client, &GET[1..]);
    let server = scene.accept(1);
    assert!(scene.hear_at(server).0.starts_with("GET /a?b"));
}

#[test]
fn a_client_that_says_nothing_or_half_a_request_gets_408() {
    for half in ["", "GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf"] {
        let mut scene = Scene::new(config());
        let client = scene.connect();
        if !half.is_empty() {
            scene.say(client, half);
        }
        scene.wait(secs(60));
        let (response, end) = scene.hear(client);
        assert_eq!(status(&response), "408", "{half:?}");
        assert_eq!(end, Some(Ok(())), "{half:?}");
        assert_eq!(scene.refusals(), [Refusal::Incomplete]);
        assert_eq!(logged(&scene).0, 408);
        scene.wait(session::LINGER);
        assert!(scene.balancer.sessions.is_empty(), "{half:?}");
    }
}

#[test]
fn a_target_that_closes_under_a_request_makes_a_502() {
    for (with_reset, why) in [(false, Refusal::ClosedByTarget), (true, Refusal::ResetByTarget)] {
        let (mut scene, client, server) = asked();
        if with_reset {
            scene.servers.abort(scene.now, server);
        } else {
            scene.servers.close(scene.now, server);
        }
        scene.carry();
        let (response, end) = scene.hear(client);
        assert_eq!((status(&response), end), ("502", None), "the client's connection is kept");
        assert_eq!(scene.refusals(), [why]);
        assert_eq!(logged(&scene), (502, None, [false; 3]));
    }
}

#[test]
fn a_target_that_closes_its_idle_connection_is_connected_to_anew() {
    let (mut scene, client, server) = idle();
    scene.servers.close(scene.now, server);
    scene.carry();
    scene.say(client, GET);
    let other = scene.accept(1);
    scene.hear_at(other);
    scene.answer(other, OK);
    scene.say(client, GET);
    let anew = scene.accept(0);
    assert!(scene.hear_at(anew).0.starts_with("GET"));
    assert_eq!(scene.refusals(), []);
}

#[test]
fn the_race_with_the_targets_own_timer_makes_a_502() {
    let (mut scene, client, server) = idle();
    // The target's FIN is on its way when the balancer sends the next request to it.
    let other = scene.connect();
    scene.say(other, GET);
    let busy = scene.accept(1);
    scene.servers.close(scene.now, server);
    let fin = core::iter::from_fn(|| scene.servers.poll_output()).collect::<Vec<_>>();
    scene.say(client, GET);
    for output in fin {
        let tcp::Output::Packet(packet) = output else { continue };
        scene.balancer.handle_packet(scene.now, Side::Outside, packet);
    }
    scene.carry();
    assert_eq!(status(&scene.hear(client).0), "502");
    assert!(matches!(*scene.refusals(), [Refusal::ClosedByTarget | Refusal::ResetByTarget]));
    scene.hear_at(busy);
}

#[test]
fn a_target_that_refuses_the_connection_makes_a_502() {
    let mut scene = Scene::new(config());
    for listener in scene.listeners.clone() {
        scene.servers.unlisten(scene.now, listener);
    }
    let client = scene.connect();
    scene.say(client, GET);
    assert_eq!(status(&scene.hear(client).0), "502");
    assert_eq!(scene.refusals(), [Refusal::Unreachable]);
    assert_eq!(logged(&scene), (502, None, [false; 3]));
}

#[test]
fn a_target_that_does_not_take_the_connection_makes_a_504_after_the_connect_timeout() {
    let mut scene = Scene::new(config());
    scene.deaf = Some(end(TARGETS[0]));
    let client = scene.connect();
    scene.say(client, GET);
    scene.wait(just_before(secs(10)));
    assert_eq!(scene.hear(client).0, "");
    scene.wait(Duration::from_nanos(1));
    assert_eq!(status(&scene.hear(client).0), "504");
    assert_eq!(scene.refusals(), [Refusal::ConnectTimedOut]);
    assert_eq!(logged(&scene), (504, None, [false; 3]));
}

#[test]
fn a_silent_target_makes_a_504_after_the_idle_timeout() {
    let (mut scene, client, server) = asked();
    scene.wait(secs(60));
    assert_eq!(status(&scene.hear(client).0), "504");
    assert_eq!(scene.refusals(), [Refusal::SilentTarget]);
    assert_eq!(logged(&scene), (504, None, [true, false, false]));
    assert_eq!(scene.hear_at(server).1, Some(Ok(())));
    assert!(scene.balancer.sessions.len() == 1, "the client's connection is kept");
}

#[test]
fn a_client_that_leaves_while_its_request_is_outstanding_is_logged_as_460() {
    let (mut scene, client, server) = asked();
    scene.clients.close(scene.now, client);
    scene.carry();
    assert_eq!(scene.refusals(), [Refusal::Abandoned]);
    assert_eq!(logged(&scene), (460, None, [true, false, false]));
    assert_eq!(scene.hear_at(server).1, Some(Ok(())), "the target's connection goes with it");
    assert!(scene.balancer.sessions.is_empty() && scene.balancer.upstreams.is_empty());
}

#[test]
fn without_targets_there_is_503_and_the_connection_is_kept() {
    let mut scene = Scene::new(config());
    scene.command(Command::Deregister { target: 0 });
    scene.command(Command::Deregister { target: 1 });
    let client = scene.connect();
    for _ in 0..2 {
        scene.say(client, GET);
        let (response, end) = scene.hear(client);
        assert_eq!((status(&response), end), ("503", None));
    }
    assert_eq!(scene.refusals(), [Refusal::NoTarget; 2]);
    assert_eq!(logged(&scene), (503, None, [false; 3]));
}

#[test]
fn what_is_no_request_gets_400_and_the_end_of_the_connection() {
    let long = "x".repeat(17 << 10);
    let fields = format!("X: {}\r\n", "x".repeat(10 << 10)).repeat(7);
    let cases = [
        "nonsense\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(),
        "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
            .into(),
        "GET / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"),
        format!("GET /{}", "x".repeat(70 << 10)),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(129)),
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnonsense".to_owned(),
    ];
    for case in cases {
        let mut scene = Scene::new(config());
        let client = scene.connect();
        scene.say(client, &case);
        let (response, end) = scene.hear(client);
        assert_eq!((status(&response), end), ("400", Some(Ok(()))), "{case:.60}");
        assert_eq!(scene.refusals(), [Refusal::Malformed], "{case:.60}");
        assert_eq!(logged(&scene).0, 400);
    }
}

#[test]
fn a_transfer_coding_that_is_not_known_gets_501() {
    let mut scene = Scene::new(config());
    let client = scene.connect();
    scene.say(client, "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
    assert_eq!(status(&scene.hear(client).0), "501");
}

#[test]
fn what_is_no_response_makes_a_502() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(33 << 10));
    let switch = "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n";
    let coding = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n";
    let lengths = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
    for response in ["nonsense\r\n\r\n", &long, switch, coding, lengths] {
        let (mut scene, client, server) = asked();
        scene.answer(server, response);
        assert_eq!(status(&scene.hear(client).0), "502", "{response:.60}");
        assert_eq!(scene.refusals(), [Refusal::BadResponse]);
    }
}

#[test]
fn a_response_that_breaks_off_breaks_off_at_the_client_too() {
    let (mut scene, client, server) = asked();
    scene.answer(server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    assert!(scene.hear(client).0.ends_with("half"));
    scene.servers.close(scene.now, server);
    scene.carry();
    assert_eq!(scene.hear(client).1, Some(Err(tcp::Error::Reset)));
    assert_eq!(scene.refusals(), [Refusal::Truncated]);
    assert_eq!(logged(&scene), (200, Some(200), [true; 3]));
}

#[test]
fn an_answer_that_comes_before_the_end_of_the_request_is_the_last() {
    let mut scene = Scene::new(config());
    let client = scene.connect();
    scene.say(client, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\nbegin");
    let server = scene.accept(0);
    scene.hear_at(server);
    scene.answer(server, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    scene.servers.close(scene.now, server);
    let (response, end) = scene.hear(client);
    assert!(response.starts_with("HTTP/1.1 413") && response.contains("Connection: close"));
    assert_eq!(end, Some(Ok(())));
    scene.say(client, "the rest is thrown away");
    assert_eq!(scene.hear(client).1, Some(Ok(())), "and no reset overtakes the answer");
}

#[test]
fn after_the_keep_alive_duration_one_more_request_is_answered() {
    let (mut scene, client, server) = idle();
    let other = {
        scene.say(client, GET);
        let other = scene.accept(1);
        scene.hear_at(other);
        scene.answer(other, OK);
        scene.hear(client);
        other
    };
    for turn in 1..=144 {
        scene.wait(secs(25));
        let response = scene.exchange(client, if turn % 2 == 1 { server } else { other });
        let last = response.contains("Connection: close");
        assert_eq!(last, turn == 144, "request {turn}: {response}");
    }
    assert_eq!(scene.hear(client).1, Some(Ok(())));
}

#[test]
fn a_deregistered_target_ends_what_it_has_and_gets_no_more() {
    let (mut scene, client, server) = asked();
    scene.command(Command::Deregister { target: 0 });
    let another = scene.connect();
    scene.say(another, GET);
    let other = scene.accept(1);
    assert!(scene.hear_at(other).0.starts_with("GET"));
    scene.answer(server, OK);
    assert!(scene.hear(client).0.ends_with("ok"));
    assert_eq!(scene.hear_at(server).1, Some(Ok(())), "its connection is not kept");
    scene.command(Command::Register { target: 0 });
    scene.say(client, GET);
    assert!(scene.servers.accept(scene.listeners[0]).is_some(), "and its turn comes again");
}

#[test]
fn a_request_that_outlasts_the_deregistration_delay_gets_502() {
    let mut scene = Scene::new(BalancerConfig { idle_timeout: secs(1000), ..config() });
    let client = scene.connect();
    scene.say(client, GET);
    scene.accept(0);
    scene.command(Command::Deregister { target: 0 });
    scene.wait(secs(300));
    assert_eq!(status(&scene.hear(client).0), "502");
    assert_eq!(scene.refusals(), [Refusal::Deregistered]);
}

#[test]
fn a_balancer_that_was_replaced_resets_what_it_does_not_remember() {
    let (mut scene, client, _) = idle();
    scene.command(Command::Flush);
    scene.say(client, GET);
    assert_eq!(scene.hear(client).1, Some(Err(tcp::Error::Reset)));
    let anew = scene.connect();
    scene.say(anew, GET);
    assert!(scene.servers.accept(scene.listeners[1]).is_some());
}
