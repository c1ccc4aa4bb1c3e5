//! Real captures of known cause get the verdict that is the truth.

#![allow(clippy::disallowed_methods, reason = "a test reads the captures in the tree")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use halfopen_capture::{Diagnosis, Limits, PathReport, Tracker, frame, pcap};
use halfopen_core::cause::{Cause, Harm};
use halfopen_core::time::{Duration, Instant};
use halfopen_core::wire::Packet;
use serde_json::Value;

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures")
}

/// Returns the packets of a capture with their times.
fn packets(name: &str) -> Vec<(Instant, Packet)> {
    let bytes = fs::read(captures().join(name).join("client.pcap")).unwrap();
    let mut reader = pcap::Reader::new(bytes.as_slice()).unwrap();
    let mut packets = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        let ip = frame::network_layer(frame.link, frame.bytes, frame.wire_len).unwrap();
        packets.push((frame.at.unwrap(), Packet::parse(ip.bytes.to_vec()).unwrap()));
    }
    packets
}

fn judge(packets: &[(Instant, Packet)]) -> Diagnosis {
    let mut tracker = Tracker::new(Limits::default(), 0);
    for (number, (at, packet)) in (1..).zip(packets) {
        tracker.take(number, Some(*at), packet.view());
    }
    tracker.diagnose()
}

fn diagnose(name: &str) -> Diagnosis {
    judge(&packets(name))
}

fn truth(name: &str) -> Value {
    let text = fs::read_to_string(captures().join(name).join("truth.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["truth"].take()
}

#[track_caller]
fn same(what: &str, said: impl ToString + Debug, truth: &Value, path: &PathReport) {
    if !truth.is_null() {
        assert_eq!(said.to_string(), truth.as_str().unwrap(), "{what}: {path:#?}");
    }
}

/// The pause was counted between requests, whose own time comes on top; at most two seconds.
#[track_caller]
fn near(said: Option<Duration>, truth: &Value, path: &PathReport) {
    match (said, truth.as_f64()) {
        (None, None) => {}
        (Some(said), Some(truth)) => {
            assert!(
                (said.as_secs_f64() - truth).abs() <= 2.0,
                "{said:?} is not {truth}: {path:#?}"
            );
        }
        (said, truth) => panic!("{said:?} is not {truth:?}: {path:#?}"),
    }
}

#[track_caller]
fn assert_true(name: &str) {
    let diagnosis = diagnose(name);
    let truth = truth(name);
    let [path] = diagnosis.paths.as_slice() else { panic!("{:?}", diagnosis.paths) };
    let accepted = truth["accept"].as_array().into_iter().flatten();
    let matches = |truth: &Value| {
        truth["cause"].as_str() == Some(path.cause.as_str())
            && truth["harm"].as_str().is_none_or(|harm| harm == path.harm.as_str())
    };
    let truth = accepted.chain([&truth]).find(|truth| matches(truth)).unwrap_or(&truth);
    same("cause", path.cause, &truth["cause"], path);
    same("harm", path.harm, &truth["harm"], path);
    same("culprit", path.culprit, &truth["culprit"], path);
    if !truth["mechanism"].is_null() {
        same("mechanism", path.mechanism.unwrap(), &truth["mechanism"], path);
    }
    if !truth["failures"].is_null() {
        assert_eq!(Some(path.failures), truth["failures"].as_u64(), "{path:#?}");
    }
    if !truth["bracket"].is_null() {
        near(path.survived, &truth["bracket"][0], path);
        near(path.died, &truth["bracket"][1], path);
    }
    assert_eq!(path.evidence.is_empty(), path.cause == Cause::None, "{path:#?}");
    assert!(path.failures == 0 || path.harm == Harm::Failed, "{path:#?}");
}

/// Shows every packet a second time, `later`, as a capture of two interfaces or of two points does.
fn shown_twice(name: &str, later: Duration, forwarded: bool) -> Vec<(Instant, Packet)> {
    let mut twice = packets(name);
    let again: Vec<_> = twice
        .iter()
        .map(|(at, packet)| {
            let mut packet = packet.clone();
            if forwarded {
                packet.decrement_ttl();
            }
            (*at + later, packet)
        })
        .collect();
    twice.extend(again);
    twice.sort_by_key(|(at, _)| *at);
    twice
}

#[test]
fn packets_taken_together_say_what_they_say_one_by_one() {
    for entry in fs::read_dir(captures()).unwrap().map(Result::unwrap) {
        if !entry.path().is_dir() {
            continue;
        }
        let packets = packets(entry.file_name().to_str().unwrap());
        let mut together = Tracker::new(Limits::default(), 1);
        let numbered = (1..).zip(&packets);
        together
            .take_all(numbered.map(|(number, (at, packet))| (number, Some(*at), packet.view())));
        let (one, other) = (judge(&packets), together.diagnose());
        assert_eq!(format!("{one:#?}"), format!("{other:#?}"), "{entry:?}");
    }
}

#[test]
fn a_capture_that_shows_every_packet_twice_gets_the_same_verdict() {
    for entry in
        fs::read_dir(captures()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir())
    {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let once = diagnose(&name);
        for (later, forwarded) in [(3, false), (40, true), (700, true), (30_000, true)] {
            let later = Duration::from_micros(later);
            let twice = judge(&shown_twice(&name, later, forwarded));
            let [once, twice] = [&once, &twice].map(|diagnosis| {
                let [path] = diagnosis.paths.as_slice() else { panic!("{name}") };
                (path.cause, path.harm, path.failures, path.masked, path.connections, path.requests)
            });
            let shown = judge(&shown_twice(&name, later, forwarded));
            assert_eq!(once, twice, "{name}, again after {later:?}: {:#?}", shown.paths);
        }
    }
}

macro_rules! captures {
    ($($test:ident: $name:literal,)+) => {
        $(
            #[test]
            fn $test() {
                assert_true($name);
            }
        )+

        #[test]
        fn every_capture_is_tried() {
            let mut folders: Vec<String> = fs::read_dir(captures())
                .unwrap()
                .map(|entry| entry.unwrap())
                .filter(|entry| entry.path().is_dir())
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect();
            folders.sort();
            assert_eq!(folders, [$($name),+]);
        }
    };
}

captures! {
    a_flow_adopted_under_another_port_may_be_the_servers_doing: "adopted-under-another-port",
    a_balancers_fin_at_180_s_is_noticed: "alb180-resttemplate",
    a_balancers_fin_at_300_s_is_noticed: "alb300-resttemplate",
    pauses_around_350_s_bracket_the_gateway: "bracket-nat350-requests",
    a_client_that_gives_up_accuses_nobody_else: "client-gives-up",
    a_flush_is_known_by_a_pause_that_was_survived: "flush-nat60-node",
    a_client_leaves_what_the_server_closes: "half-closed-leak",
    a_client_that_evicts_early_is_healthy: "healthy-go-evicts",
    traffic_keeps_a_flow_alive: "healthy-warm-requests",
    the_incident_is_the_gateways_doing: "incident-nat350-alb1800-resttemplate",
    a_nat66_is_named_by_its_hop_limit: "ipv6-nat15-node",
    a_firewall_swallows_ipv6_as_well: "ipv6-silent15-requests",
    requests_cross_the_servers_fin: "keepalive-race-requests5",
    keepalive_probes_keep_a_flow_alive: "keepalive-saves-node",
    a_balancer_aborts_an_idle_connection: "lb-abort-at-idle-httpclient5",
    loss_is_not_idleness: "loss-not-idle-requests",
    loss_does_not_hide_the_gateway: "lossy-nat15-requests",
    curl_repeats_a_post_by_itself: "masked-curl-post",
    go_repeats_a_get_by_itself: "masked-go-get",
    httpurlconnection_repeats_a_get_by_itself: "masked-httpurlconnection-get",
    a_path_swallows_large_packets: "mtu-black-hole-requests",
    three_idle_connections_die_at_once: "parallel-nat15-node",
    a_nat_runs_out_of_ports: "port-exhaustion-requests",
    nothing_listens: "refused",
    the_server_closes_instead_of_answering: "server-closes-on-request",
    a_killed_server_closes_outside_any_pattern: "server-killed-node",
    the_server_resets_what_is_idle: "server-resets-idle",
    a_server_goes_down_and_comes_up_again: "server-restart-requests",
    a_firewall_swallows_the_next_request: "silent30-go",
    a_slow_response_finds_the_gateway_asleep: "slow-response-nat8-requests",
    a_slow_response_is_swallowed: "slow-response-silent6",
    a_flushed_table_is_not_a_timer: "state-loss-nat-flush-resttemplate",
    nothing_answers_a_syn: "unreachable",
    a_client_uses_what_was_closed: "used-after-close",
}
