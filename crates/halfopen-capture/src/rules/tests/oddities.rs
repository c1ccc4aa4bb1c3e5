//! What is odd on a connection and wrong with nobody.

use super::*;

const THINKING: Duration = Duration::from_millis(30);
const SYN_ACK: Flags = Flags(Flags::SYN.0 | Flags::ACK.0);
const CLOSE: Flags = Flags(Flags::FIN.0 | Flags::ACK.0);

fn worked() -> Scene {
    let mut scene = Scene::new(10);
    scene.handshake(1000);
    scene.exchange(1000, 1, THINKING);
    scene
}

#[track_caller]
fn assert_healthy(scene: &Scene) {
    let diagnosis = scene.tracker.diagnose();
    let odd = diagnosis.flows.iter().find(|verdict| verdict.finding != Finding::Healthy);
    assert_eq!(odd, None);
    assert_eq!(diagnosis.paths[0].cause, Cause::None, "{:#?}", diagnosis.paths[0]);
}

#[test]
fn keepalive_probes_of_one_byte_for_hours() {
    let mut scene = worked();
    for _ in 0..200 {
        scene.pause(Duration::from_secs(75));
        let probe = segment(1000, true, Flags::ACK, 10);
        scene.show(&Segment { ack: Seq(11), payload: b"t", ..probe });
        scene.pause(scene.round_trip);
        scene.server(1000, Flags::ACK, 11, b"");
    }
    assert_healthy(&scene);
}

#[test]
fn a_window_that_stays_shut_for_hours() {
    let mut scene = worked();
    scene.client(1000, Flags::ACK, 11, b"an upload ");
    scene.pause(scene.round_trip);
    let shut = Segment { ack: Seq(21), window: 0, ..segment(1000, false, Flags::ACK, 11) };
    scene.show(&shut);
    for _ in 0..200 {
        scene.pause(Duration::from_mins(1));
        let probe = segment(1000, true, Flags::ACK, 21);
        scene.show(&Segment { ack: Seq(11), payload: b"x", ..probe });
        scene.pause(scene.round_trip);
        scene.show(&shut);
    }
    assert_healthy(&scene);
}

#[test]
fn a_request_in_the_syn() {
    let mut scene = Scene::new(10);
    scene.client(1000, Flags::SYN, 0, b"a request ");
    scene.pause(scene.round_trip);
    scene.show(&Segment { ack: Seq(11), ..segment(1000, false, SYN_ACK, 0) });
    let response = segment(1000, false, Flags::ACK, 1);
    scene.show(&Segment { ack: Seq(11), payload: b"a response", ..response });
    scene.client(1000, Flags::ACK, 11, b"");
    assert_healthy(&scene);
}

#[test]
fn both_ends_open_at_once() {
    let mut scene = Scene::new(10);
    scene.client(1000, Flags::SYN, 0, b"");
    scene.server(1000, Flags::SYN, 0, b"");
    scene.pause(scene.round_trip);
    scene.show(&Segment { ack: Seq(1), ..segment(1000, true, SYN_ACK, 0) });
    scene.show(&Segment { ack: Seq(1), ..segment(1000, false, SYN_ACK, 0) });
    scene.exchange(1000, 1, THINKING);
    assert_healthy(&scene);
}

#[test]
fn a_load_generator_that_uses_its_ports_again() {
    let mut scene = Scene::new(10);
    for round in 0..20 {
        let base = round * 100_000;
        let at = |sent: u32, from_client, flags| Segment {
            seq: Seq(base + sent),
            ack: if flags == Flags::SYN { Seq(0) } else { Seq(base + sent) },
            ..segment(1000, from_client, flags, sent)
        };
        scene.show(&at(0, true, Flags::SYN));
        scene.pause(scene.round_trip);
        scene.show(&Segment { ack: Seq(base + 1), ..at(0, false, SYN_ACK) });
        scene.show(&Segment { payload: b"a request ", ..at(1, true, Flags::ACK) });
        scene.pause(THINKING);
        let response = Segment { ack: Seq(base + 11), ..at(1, false, Flags::ACK) };
        scene.show(&Segment { payload: b"a response", ..response });
        scene.show(&at(11, true, CLOSE));
        scene.pause(scene.round_trip);
        scene.show(&Segment { ack: Seq(base + 12), ..at(11, false, CLOSE) });
        scene.pause(Duration::from_secs(5));
    }
    assert_healthy(&scene);
}

#[test]
fn a_client_that_closes_its_half_and_waits() {
    let mut scene = worked();
    scene.client(1000, Flags::ACK, 11, b"a request ");
    let close = segment(1000, true, CLOSE, 21);
    scene.show(&Segment { ack: Seq(11), ..close });
    scene.pause(Duration::from_mins(2));
    let response = segment(1000, false, Flags::ACK, 11);
    scene.show(&Segment { ack: Seq(22), payload: b"a response", ..response });
    let end = segment(1000, false, CLOSE, 21);
    scene.show(&Segment { ack: Seq(22), ..end });
    assert_healthy(&scene);
}

/// The handshake is answered by a box, the requests by the server: neither's reset is a stranger's.
#[test]
fn a_box_that_answers_the_handshake_in_the_servers_name() {
    for ttl in [64, 60] {
        let mut scene = Scene::new(10);
        scene.client(1000, Flags::SYN, 0, b"");
        scene.show(&Segment { ttl: 64, ack: Seq(1), ..segment(1000, false, SYN_ACK, 0) });
        scene.client(1000, Flags::ACK, 1, b"");
        let verdict = reset_after_a_pause(&mut scene, ttl, Duration::from_millis(10));
        assert_ne!(verdict.culprit, Culprit::Hop, "{verdict:?}");
    }
}
