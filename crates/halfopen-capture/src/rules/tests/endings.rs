//! One flow for each way to end that no other test here shows.

use super::*;

const MINUTE: Duration = Duration::from_mins(1);
const THINKING: Duration = Duration::from_millis(30);

/// A connection on which one exchange has gone well: each end has sent eleven numbers.
fn worked(port: u16) -> Scene {
    let mut scene = Scene::new(10);
    scene.handshake(port);
    scene.exchange(port, 1, THINKING);
    scene
}

fn assert_ends(scene: &Scene, finding: Finding, culprit: Culprit, harm: Harm) {
    let verdict = scene.verdict(1000);
    assert_eq!((verdict.finding, verdict.culprit, verdict.harm), (finding, culprit, harm));
}

#[test]
fn a_fin_that_does_not_acknowledge_the_request_crossed_it() {
    let mut scene = worked(1000);
    scene.pause(MINUTE);
    scene.client(1000, Flags::ACK, 11, b"a request ");
    scene.pause(Duration::from_millis(5));
    scene.server(1000, Flags::FIN | Flags::ACK, 11, b"");
    assert_ends(&scene, Finding::CloseRace, Culprit::Peer, Harm::Failed);
}

#[test]
fn a_request_long_after_the_fin_is_the_clients_doing() {
    let mut scene = worked(1000);
    scene.pause(MINUTE);
    scene.server(1000, Flags::FIN | Flags::ACK, 11, b"");
    scene.pause(Duration::from_secs(4));
    scene.client(1000, Flags::ACK, 11, b"a request ");
    scene.pause(Duration::from_millis(10));
    scene.server(1000, Flags::RST, 12, b"");
    assert_ends(&scene, Finding::UsedAfterClose, Culprit::Client, Harm::Failed);
}

#[test]
fn a_fin_that_acknowledges_the_request_left_it_unanswered() {
    let mut scene = worked(1000);
    scene.client(1000, Flags::ACK, 11, b"a request ");
    scene.pause(Duration::from_secs(3));
    let ack = Seq(21);
    scene.show(&Segment { ack, ..segment(1000, false, Flags::FIN | Flags::ACK, 11) });
    assert_ends(&scene, Finding::PeerClose, Culprit::Peer, Harm::Failed);
}

#[test]
fn a_client_that_waited_and_closed_gave_up() {
    let mut scene = worked(1000);
    scene.client(1000, Flags::ACK, 11, b"a request ");
    scene.pause(Duration::from_millis(10));
    scene.show(&Segment { ack: Seq(21), ..segment(1000, false, Flags::ACK, 11) });
    scene.pause(Duration::from_secs(5));
    scene.client(1000, Flags::FIN | Flags::ACK, 21, b"");
    assert_ends(&scene, Finding::ClientGaveUp, Culprit::Client, Harm::Failed);
}

#[test]
fn a_client_that_closes_right_after_sending_gave_nothing_up() {
    let mut scene = worked(1000);
    scene.client(1000, Flags::ACK, 11, b"the last of an upload");
    scene.client(1000, Flags::FIN | Flags::ACK, 32, b"");
    scene.pause(Duration::from_millis(10));
    scene.show(&Segment { ack: Seq(33), ..segment(1000, false, Flags::FIN | Flags::ACK, 11) });
    assert_ends(&scene, Finding::Healthy, Culprit::Unknown, Harm::None);
}

#[test]
fn a_reset_by_a_box_without_a_pause_is_lost_state() {
    let mut scene = worked(1000);
    scene.client(1000, Flags::ACK, 11, b"a request ");
    scene.show(&Segment { ttl: 64, ..segment(1000, false, Flags::RST, 11) });
    assert_ends(&scene, Finding::LostState, Culprit::Hop, Harm::Failed);
}

#[test]
fn a_reset_by_a_box_in_the_middle_of_a_pause_comes_at_expiry() {
    let mut scene = worked(1000);
    scene.pause(MINUTE);
    scene.show(&Segment { ttl: 64, ..segment(1000, false, Flags::RST | Flags::ACK, 11) });
    assert_ends(&scene, Finding::ResetAtExpiry, Culprit::Hop, Harm::None);
}

#[test]
fn a_fin_by_a_box_in_the_middle_of_a_pause_comes_at_expiry() {
    let mut scene = worked(1000);
    scene.pause(MINUTE);
    scene.show(&Segment { ttl: 64, ..segment(1000, false, Flags::FIN | Flags::ACK, 11) });
    assert_ends(&scene, Finding::FinAtExpiry, Culprit::Hop, Harm::None);
}

#[test]
fn a_late_fin_that_a_box_refuses_harms_nobody() {
    let mut scene = worked(1000);
    scene.pause(MINUTE);
    scene.server(1000, Flags::FIN | Flags::ACK, 11, b"");
    scene.client(1000, Flags::ACK, 11, b"");
    scene.pause(MINUTE * 10);
    scene.client(1000, Flags::FIN | Flags::ACK, 11, b"");
    scene.show(&Segment { ttl: 64, ..segment(1000, false, Flags::RST, 12) });
    assert_ends(&scene, Finding::LateClose, Culprit::Hop, Harm::Latent);
}

#[test]
fn the_pause_in_the_sentence_is_the_shortest_that_was_fatal() {
    let mut scene = Scene::new(10);
    for (port, minutes) in [(1000, 6), (1001, 5)] {
        scene.handshake(port);
        scene.exchange(port, 1, Duration::from_millis(30));
        scene.pause(Duration::from_mins(minutes));
        // The later one does no harm: what meets the reset is a probe.
        let (sent, payload) = if port == 1000 { (11, &b"a request "[..]) } else { (10, &b""[..]) };
        scene.client(port, Flags::ACK, sent, payload);
        scene.pause(Duration::from_millis(10));
        scene.show(&Segment { ttl: 64, ..segment(port, false, Flags::RST, 11) });
        scene.pause(Duration::from_secs(10));
    }
    let [path] = scene.tracker.diagnose().paths.try_into().unwrap();
    assert_eq!(path.died, Some(Duration::from_mins(5)), "{path:#?}");
    assert!(path.because.contains("after 300 s or more"), "{}", path.because);
}
