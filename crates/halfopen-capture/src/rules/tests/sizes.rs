//! Segments that are too large for the path, and what resembles them.

use super::*;

const FULL: [u8; 1448] = [b'x'; 1448];
const TAIL: &[u8] = b"the rest";
const HEAD: &[u8] = b"POST /charge HTTP/1.1\r\n\r\n";

fn len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// The server acknowledges up to `ack` without data, when it has sent `sent`.
fn acknowledges(scene: &mut Scene, ack: u32, sent: u32) {
    scene.pause(Duration::from_millis(10));
    scene.show(&Segment { ack: Seq(ack), ..segment(1000, false, Flags::ACK, sent) });
}

fn sends(scene: &mut Scene, seq: u32, ack: u32, payload: &[u8]) {
    let segment = segment(1000, true, Flags::ACK, seq);
    scene.show(&Segment { ack: Seq(ack), payload, ..segment });
}

/// A worked connection on which the client sends a head, a full segment and a tail.
fn request_of_three_segments(scene: &mut Scene) {
    scene.handshake(1000);
    scene.exchange(1000, 1, Duration::from_millis(30));
    scene.pause(Duration::from_millis(100));
    let body = 11 + len(HEAD);
    sends(scene, 11, 11, HEAD);
    sends(scene, body, 11, &FULL);
    sends(scene, body + 1448, 11, TAIL);
    acknowledges(scene, body, 11);
}

fn sends_again(scene: &mut Scene, times: u32) {
    for doubled in 0..times {
        scene.pause(Duration::from_millis(200) * 2_u32.pow(doubled));
        sends(scene, 11 + len(HEAD), 11, &FULL);
    }
}

#[test]
fn a_full_segment_that_vanishes_while_its_tail_passes_was_too_large() {
    let mut scene = Scene::new(10);
    request_of_three_segments(&mut scene);
    acknowledges(&mut scene, 11 + len(HEAD), 11);
    sends_again(&mut scene, 5);
    let verdict = scene.verdict(1000);
    let said = (verdict.finding, verdict.culprit, verdict.harm);
    assert_eq!(said, (Finding::LargeLost, Culprit::Hop, Harm::Failed));
    let path = &scene.tracker.diagnose().paths[0];
    assert_eq!((path.cause, path.culprit), (Cause::MtuBlackHole, Culprit::Hop));
}

#[test]
fn a_server_that_gives_up_a_request_too_large_to_arrive_did_not_race_it() {
    let mut scene = Scene::new(10);
    request_of_three_segments(&mut scene);
    acknowledges(&mut scene, 11 + len(HEAD), 11);
    sends_again(&mut scene, 5);
    scene.pause(Duration::from_secs(1));
    let fin = segment(1000, false, Flags::FIN | Flags::ACK, 11);
    scene.show(&Segment { ack: Seq(11 + len(HEAD)), ..fin });
    assert_eq!(scene.verdict(1000).finding, Finding::LargeLost);
}

#[test]
fn a_full_segment_that_vanishes_where_another_passed_was_not_too_large() {
    let mut scene = Scene::new(10);
    scene.handshake(2000);
    scene.client(2000, Flags::ACK, 1, &FULL);
    scene.pause(Duration::from_millis(10));
    scene.show(&Segment { ack: Seq(1449), ..segment(2000, false, Flags::ACK, 1) });
    scene.pause(Duration::from_mins(1));
    request_of_three_segments(&mut scene);
    acknowledges(&mut scene, 11 + len(HEAD), 11);
    sends_again(&mut scene, 5);
    assert_ne!(scene.verdict(1000).finding, Finding::LargeLost);
}

#[test]
fn silence_after_a_large_segment_does_not_show_that_it_was_too_large() {
    let mut scene = Scene::new(10);
    request_of_three_segments(&mut scene);
    sends_again(&mut scene, 5);
    scene.handshake(2000);
    let verdict = scene.verdict(1000);
    assert_eq!((verdict.finding, verdict.culprit), (Finding::Inconclusive, Culprit::Unknown));
}

#[test]
fn a_segment_that_a_router_may_cut_up_is_not_too_large() {
    let mut scene = Scene::new(10);
    request_of_three_segments(&mut scene);
    acknowledges(&mut scene, 11 + len(HEAD), 11);
    for doubled in 0..5 {
        scene.pause(Duration::from_millis(200) * 2_u32.pow(doubled));
        let segment = segment(1000, true, Flags::ACK, 11 + len(HEAD));
        let mut bytes = Segment { payload: &FULL, ..segment }.into_packet().into_bytes();
        bytes[6] = 0; // may be cut up
        scene.frames += 1;
        let view = View::parse(&bytes, bytes.len()).unwrap();
        scene.tracker.take(scene.frames, Some(scene.now), view);
    }
    assert_ne!(scene.verdict(1000).finding, Finding::LargeLost);
}

/// The server's response has lost its first segment, again and again, and the tail arrived.
fn response_without_its_head(answered_before: u32) -> Scene {
    let mut scene = Scene::new(10);
    scene.handshake(1000);
    if answered_before > 0 {
        sends(&mut scene, 1, 1, HEAD);
        scene.pause(Duration::from_millis(30));
        let response = segment(1000, false, Flags::ACK, 1);
        let payload = &FULL[..answered_before as usize];
        scene.show(&Segment { ack: Seq(1 + len(HEAD)), payload, ..response });
        sends(&mut scene, 1 + len(HEAD), 1 + answered_before, b"");
    }
    let (asked, answered) = (1 + len(HEAD), 1 + answered_before);
    sends(&mut scene, asked, answered, HEAD);
    scene.pause(Duration::from_millis(30));
    let tail = segment(1000, false, Flags::ACK, answered + 1448);
    scene.show(&Segment { ack: Seq(asked + len(HEAD)), payload: TAIL, ..tail });
    sends(&mut scene, asked + len(HEAD), answered, b"");
    scene.pause(Duration::from_secs(10));
    sends(&mut scene, asked + len(HEAD), answered, b"");
    scene
}

#[test]
fn a_response_whose_head_never_comes_was_too_large() {
    let scene = response_without_its_head(900);
    let verdict = scene.verdict(1000);
    let said = (verdict.finding, verdict.culprit, verdict.harm);
    assert_eq!(said, (Finding::LargeLost, Culprit::Hop, Harm::Failed));
}

#[test]
fn a_response_whose_head_never_comes_where_one_as_large_did_was_not_too_large() {
    let scene = response_without_its_head(1448);
    assert_ne!(scene.verdict(1000).finding, Finding::LargeLost);
}
