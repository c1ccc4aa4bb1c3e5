//! What only many flows of one path show together.

use super::*;
use crate::infer::PathReport;

const THINKING: Duration = Duration::from_millis(30);
const REFUSAL: Flags = Flags(Flags::RST.0 | Flags::ACK.0);
const CLOSE: Flags = Flags(Flags::FIN.0 | Flags::ACK.0);

impl Scene {
    /// Opens a connection with a number of its own and has a request answered on it.
    fn opens(&mut self, port: u16) {
        self.handshake(port);
        self.exchange(port, 1, THINKING);
        self.pause(Duration::from_secs(4));
    }

    /// The client tries `times` to open a connection, in vain.
    fn tries(&mut self, port: u16, times: u32) {
        for doubled in 0..times {
            self.client(port, Flags::SYN, 0, b"");
            self.pause(Duration::from_secs(1) * 2_u32.pow(doubled));
        }
    }

    fn is_refused(&mut self, port: u16, ttl: u8) {
        self.client(port, Flags::SYN, 0, b"");
        self.pause(self.round_trip);
        self.show(&Segment { ttl, ..segment(port, false, REFUSAL, 0) });
        self.pause(Duration::from_secs(4));
    }

    fn closes(&mut self, port: u16, both: bool) {
        self.server(port, CLOSE, 11, b"");
        self.pause(Duration::from_millis(1));
        let taken = Segment { ack: Seq(12), ..segment(port, true, Flags::ACK, 11) };
        self.show(&taken);
        if both {
            self.show(&Segment { flags: CLOSE, ..taken });
            self.pause(self.round_trip);
            self.show(&Segment { ack: Seq(12), ..segment(port, false, Flags::ACK, 12) });
        }
    }

    fn path(&self) -> PathReport {
        let [path] = self.tracker.diagnose().paths.try_into().unwrap();
        path
    }
}

fn assert_cause(scene: &Scene, cause: Cause, culprit: Culprit) {
    let path = scene.path();
    assert_eq!((path.cause, path.culprit), (cause, culprit), "{path:#?}");
}

/// A path with room for twenty connections; `turned_away` says what befalls the next ones.
fn full(turned_away: impl Fn(&mut Scene, u16)) -> Scene {
    let mut scene = Scene::new(10);
    (1000..1020).for_each(|port| scene.opens(port));
    (1020..1024).for_each(|port| turned_away(&mut scene, port));
    (1000..1004).for_each(|port| scene.closes(port, true));
    scene
}

#[test]
fn a_ceiling_below_which_all_goes_well_is_a_box_without_ports() {
    let mut scene = full(|scene, port| scene.tries(port, 4));
    (1030..1032).for_each(|port| scene.opens(port));
    assert_cause(&scene, Cause::PortExhaustion, Culprit::Hop);
}

#[test]
fn a_box_that_refuses_above_a_ceiling_has_no_ports() {
    let mut scene = full(|scene, port| scene.is_refused(port, 64));
    (1030..1032).for_each(|port| scene.opens(port));
    assert_cause(&scene, Cause::PortExhaustion, Culprit::Hop);
}

#[test]
fn a_server_that_refuses_while_it_serves_others_has_ports() {
    let mut scene = full(|scene, port| scene.is_refused(port, 60));
    (1030..1032).for_each(|port| scene.opens(port));
    assert_cause(&scene, Cause::Refused, Culprit::Peer);
}

#[test]
fn a_server_with_connections_that_it_has_not_answered_may_be_the_one_without_room() {
    let mut scene = Scene::new(10);
    (1000..1020).for_each(|port| scene.opens(port));
    scene.handshake(1020);
    scene.client(1020, Flags::ACK, 1, b"a request ");
    scene.pause(Duration::from_secs(4));
    (1021..1024).for_each(|port| scene.tries(port, 4));
    (1000..1004).for_each(|port| scene.closes(port, true));
    (1030..1032).for_each(|port| scene.opens(port));
    assert_cause(&scene, Cause::PortExhaustion, Culprit::Unknown);
}

#[test]
fn a_server_that_never_accepts_again_is_unreachable() {
    let scene = full(|scene, port| scene.tries(port, 4));
    assert_cause(&scene, Cause::Unreachable, Culprit::Unknown);
}

#[test]
fn a_server_that_accepts_more_than_when_it_did_not_answer_has_no_ceiling() {
    let mut scene = Scene::new(10);
    (1000..1020).for_each(|port| scene.opens(port));
    (1020..1024).for_each(|port| scene.tries(port, 4));
    (1030..1032).for_each(|port| scene.opens(port));
    assert_cause(&scene, Cause::Unreachable, Culprit::Unknown);
}

#[test]
fn a_server_that_closes_all_refuses_and_accepts_again_was_restarted() {
    let mut scene = Scene::new(10);
    (1000..1003).for_each(|port| scene.opens(port));
    (1000..1003).for_each(|port| scene.closes(port, true));
    (1003..1005).for_each(|port| scene.is_refused(port, 60));
    scene.opens(1005);
    assert_cause(&scene, Cause::ServerRestart, Culprit::Peer);
    assert_eq!((scene.path().harm, scene.path().failures), (Harm::Failed, 2));
}

#[test]
fn a_server_that_never_comes_back_was_not_restarted() {
    let mut scene = Scene::new(10);
    (1000..1003).for_each(|port| scene.opens(port));
    (1000..1003).for_each(|port| scene.closes(port, true));
    (1003..1005).for_each(|port| scene.is_refused(port, 60));
    assert_cause(&scene, Cause::Refused, Culprit::Peer);
}

#[test]
fn a_server_that_closes_one_connection_and_refuses_another_was_not_restarted() {
    let mut scene = Scene::new(10);
    scene.opens(1000);
    scene.closes(1000, true);
    scene.is_refused(1003, 60);
    scene.opens(1005);
    assert_cause(&scene, Cause::Refused, Culprit::Peer);
}

/// A client that leaves what the server closes, one connection every five minutes.
fn leaves(rounds: u16) -> Scene {
    let mut scene = Scene::new(10);
    for port in 1000..1000 + rounds {
        scene.opens(port);
        scene.closes(port, false);
        scene.pause(Duration::from_mins(5));
    }
    scene.opens(2000);
    scene
}

#[test]
fn a_client_that_leaves_one_after_the_other_half_closed_leaks() {
    let scene = leaves(4);
    assert_cause(&scene, Cause::HalfClosedLeak, Culprit::Client);
    assert_eq!(scene.path().harm, Harm::Latent);
}

#[test]
fn a_client_that_has_left_two_need_not_have_forgotten_them() {
    assert_cause(&leaves(2), Cause::None, Culprit::Unknown);
}

#[test]
fn a_pool_that_closes_when_it_looks_has_forgotten_nothing() {
    let mut scene = leaves(4);
    let close = segment(1000, true, CLOSE, 11);
    scene.show(&Segment { ack: Seq(12), ..close });
    assert_cause(&scene, Cause::None, Culprit::Unknown);
}

#[test]
fn connections_closed_at_one_moment_are_one_pool_that_has_not_looked() {
    let mut scene = Scene::new(10);
    (1000..1010).for_each(|port| scene.opens(port));
    (1000..1010).for_each(|port| scene.closes(port, false));
    scene.pause(Duration::from_mins(20));
    scene.opens(2000);
    assert_cause(&scene, Cause::None, Culprit::Unknown);
}

#[test]
fn a_client_that_still_sends_uses_its_half() {
    let mut scene = leaves(1);
    let upload = segment(1000, true, Flags::ACK, 11);
    scene.show(&Segment { ack: Seq(12), payload: b"more", ..upload });
    scene.pause(Duration::from_mins(2));
    assert_eq!(scene.verdict(1000).finding, Finding::Healthy);
}

#[test]
fn a_close_shortly_before_the_capture_ends_is_left_by_nobody() {
    let mut scene = Scene::new(10);
    scene.opens(1000);
    scene.closes(1000, false);
    assert_eq!(scene.verdict(1000).finding, Finding::Healthy);
}

/// A request that the server has acknowledged dies with its connection, and goes out again.
fn repeated(acknowledged: bool) -> PathReport {
    let mut scene = Scene::new(10);
    scene.opens(1000);
    scene.client(1000, Flags::ACK, 11, b"a request of some length");
    scene.pause(scene.round_trip);
    let ack = if acknowledged { 35 } else { 11 };
    scene.show(&Segment { ack: Seq(ack), ..segment(1000, false, Flags::ACK, 11) });
    scene.pause(Duration::from_secs(2));
    scene.show(&Segment { flags: Flags::RST, ..segment(1000, false, REFUSAL, 11) });
    scene.handshake(1001);
    scene.client(1001, Flags::ACK, 1, b"a request of some length");
    scene.pause(THINKING);
    let response = segment(1001, false, Flags::ACK, 1);
    scene.show(&Segment { ack: Seq(25), payload: b"a response", ..response });
    scene.path()
}

#[test]
fn a_request_that_was_acknowledged_and_repeated_may_have_been_processed_twice() {
    let path = repeated(true);
    assert_eq!((path.masked, path.maybe_twice), (1, 1), "{path:#?}");
    assert!(path.evidence.iter().any(|seen| seen.fact.contains("processed twice")), "{path:#?}");
}

#[test]
fn a_request_that_was_not_acknowledged_was_not_processed() {
    let path = repeated(false);
    assert_eq!((path.masked, path.maybe_twice), (1, 0), "{path:#?}");
}
